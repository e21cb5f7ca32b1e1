"""The teacher's tool around the sandbox: classes of made-up learners, hostile downloads, and marks that must not get
lost. Nothing of a learner's is run here: results are written as `batch.grade` writes them."""

import csv
import io
import json
import os
import re
import select
import stat
import subprocess
import sys
import time
import zipfile
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import nbgrader.api
import pytest
import release
from course import ROOT
from hypothesis import given
from hypothesis import strategies as st
from picture_grading import enter, formgrader_at, let_in

sys.path.insert(0, str(ROOT))
from exercises.grading import answers, export, formgrader, gradebook, gradescope, stats
from exercises.grading.__main__ import main
from exercises.grading.collect import collect, entries, read_times
from exercises.grading.feedback import feedback, plain
from exercises.grading.folder import SAFE, ClassError, ClassFolder, safe_id, write, write_json
from exercises.grading.forget import forget
from exercises.grading.late import Policy, lateness, penalty_percent
from exercises.grading.lms import whose
from exercises.grading.sandbox import put_down

CHAPTER = "05_first_vae"
BOOK = f"{CHAPTER}.ipynb"


@pytest.fixture(scope="module", autouse=True)
def one_look_at_alembic():
    """nbgrader starts a program for every new database, to ask for the version of its tables: once is enough here."""
    original = nbgrader.api.get_alembic_version
    nbgrader.api.get_alembic_version = cache(original)
    yield
    nbgrader.api.get_alembic_version = original


@pytest.fixture(scope="module")
def edition(tmp_path_factory):
    """A class with one chapter handed out; `new` copies what it handed out instead of drawing it again."""
    folder = ClassFolder.create(tmp_path_factory.mktemp("edition") / "class")
    release.main(CHAPTER, folder.seed, folder.release(CHAPTER))
    return folder


@pytest.fixture
def folder(edition, tmp_path):
    """A fresh class."""
    path = tmp_path / "class"
    fresh = ClassFolder.create(path)
    for part in ("student", "teacher"):
        fresh.release(CHAPTER, part).mkdir(parents=True)
        for one in edition.release(CHAPTER, part).iterdir():
            (fresh.release(CHAPTER, part) / one.name).write_bytes(one.read_bytes())
    return fresh


def notebook(folder, note=""):
    """The notebook of the class, as a learner saves it."""
    found = json.loads((folder.release(CHAPTER, "student") / BOOK).read_text(encoding="utf-8"))
    found["cells"].append({"cell_type": "markdown", "id": "mine", "metadata": {}, "source": note})
    return json.dumps(found).encode()


def result(folder, student, right=(), status="graded", **changes):
    """What `batch.grade` writes; `right` are the names of the tasks that passed."""
    record = folder.released(CHAPTER)
    tasks = [{"name": one["name"], "of": one["points"], "by_hand": one["by_hand"], "passed": one["name"] in right,
              "points": None if one["by_hand"] else one["points"] * (one["name"] in right),
              "sentence": "Right." if one["name"] in right else "Not right: `the loss`.", "hint": "",
              "mistakes": [] if one["name"] in right else ["mean over the pixels"]} for one in record["tasks"]]
    write_json(folder.results(CHAPTER) / f"{student}.json", {
        "student": student, "chapter": CHAPTER, "status": status, "reason": "All cells ran.", "tasks": tasks,
        "attempt": 0, "sha256": folder.collected(CHAPTER, student).get("sha256", "0" * 64), "seconds": 1.5,
        "graded": "2027-03-02T08:00:00+00:00"} | changes)


def names(folder):
    return [one["name"] for one in folder.released(CHAPTER)["tasks"] if not one["by_hand"]]


def by_hand(folder):
    return next(one["name"] for one in folder.released(CHAPTER)["tasks"] if one["by_hand"])


def handed_in(folder, tmp_path, files, **options):
    """Collect `files` {path: bytes} from a folder."""
    source = tmp_path / "download"
    for name, data in files.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return collect(folder, CHAPTER, source, **options)


def zipped(tmp_path, files):
    path = tmp_path / "download.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return path


# the folder of a class

def test_a_new_class_has_a_secret_that_others_may_not_read(tmp_path):
    one, two = (ClassFolder.create(tmp_path / name) for name in "ab")
    assert one.seed != two.seed and len(one.seed) >= 24
    assert stat.S_IMODE(one.config.stat().st_mode) == 0o600
    assert stat.S_IMODE(one.path.stat().st_mode) == 0o700
    assert ClassFolder.create(one.path).seed == one.seed


@pytest.mark.parametrize("path, text, said", [
    ("class", None, "has no class.toml"), ("class", "seed = 1 2", "cannot be read as TOML"),
    ("class", '[late]\npercent_a_day = 200', "percent_a_day must lie in"),
    ("class", "[late]\ngrace = 1", "It takes grace_minutes"),
    ("class", "[chapters.05_first_vae]\ndue = 2027-03-01T23:59:00", "without a time zone"),
    ("class", "[chapters.05_first_vae.extensions]\njane = -1", "a number of days is expected")])
def test_a_wrong_class_is_told_with_what_to_do(tmp_path, path, text, said):
    if text is not None:
        write(tmp_path / path / "class.toml", text)
    with pytest.raises(ClassError, match="(?s)" + said):
        ClassFolder(tmp_path / path)


def test_a_class_is_not_made_inside_a_repository():
    with pytest.raises(ClassError, match="inside the repository"):
        ClassFolder.create(ROOT / "_build" / "class")
    assert not (ROOT / "_build" / "class").exists()


@given(st.text(max_size=200), st.text(max_size=20))
def test_every_name_becomes_a_safe_id(name, key):
    found = safe_id(name, key)
    assert SAFE.fullmatch(found) or (found.endswith("-") is False and SAFE.fullmatch(found))
    assert Path(found).name == found


# the late policy

DUE = datetime(2027, 3, 1, 23, 59, tzinfo=UTC)
POLICY = Policy(grace_minutes=15, percent_a_day=10, cap_percent=30, closes_after_days=7)


@pytest.mark.parametrize("after, days, percent", [
    (timedelta(hours=-5), 0, 0), (timedelta(minutes=15), 0, 0), (timedelta(minutes=16), 0, 10),
    (timedelta(days=1), 0, 10), (timedelta(days=1, seconds=1), 0, 20), (timedelta(days=6), 0, 30),
    (timedelta(days=7), 0, 30), (timedelta(days=7, seconds=1), 0, 100), (timedelta(days=3), 3, 0),
    (timedelta(days=3, hours=1), 3, 10), (timedelta(hours=13), 0.5, 10)])
def test_what_a_late_submission_costs(after, days, percent):
    assert penalty_percent(lateness(DUE, DUE + after, days), POLICY) == percent


@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_later_never_costs_less(a, b):
    costs = [penalty_percent(timedelta(seconds=one), POLICY) for one in sorted((a, b))]
    assert 0 <= costs[0] <= costs[1] <= 100


def test_without_a_deadline_or_a_time_nothing_is_late():
    assert lateness(None, DUE) == lateness(DUE, None) == timedelta(0)


# names of the learning platforms

@pytest.mark.parametrize("path, key, late, order", [
    (f"doejane_12345_678901_{BOOK}", "canvas:12345", False, (678901, 0)),
    ("doejane_LATE_12345_678901_05_first_vae-2.ipynb", "canvas:12345", True, (678901, 2)),
    ("müllerjürgen_7_8_x.ipynb", "canvas:7", False, (8, 0)),
    ("anon_x1Y2z_678_x.ipynb", "canvas:anon-x1Y2z", False, (678, 0)),
    ("LATE_anon_x1Y2z_678_x.ipynb", "canvas:anon-x1Y2z", True, (678, 0)),
    (f"Jane Doe_1234567_assignsubmission_file_/{BOOK}", "moodle:Jane Doe", False, (0, 0)),
    (f"Jane Doe_1234567_assignsubmission_file/deep/er/{BOOK}", "moodle:Jane Doe", False, (0, 0)),
    (f"Jane Doe_1234567_assignsubmission_file_{BOOK}", "moodle:Jane Doe", False, (0, 0)),
    ("Participant_12_assignsubmission_file_/x.ipynb", f"moodle:{CHAPTER}#12", False, (0, 0)),
    (f"Jane Doe - {BOOK}", "classroom:Jane Doe", False, (0, 0)),
    ("Jane Doe - 05_first_vae (3).ipynb", "classroom:Jane Doe", False, (0, 3)),
    (f"jane/{BOOK}", "plain:jane", False, (0, 0)), ("jane.ipynb", "plain:jane", False, (0, 0)),
    (f"jane_{BOOK}", "plain:jane", False, (0, 0)),
    (f"jane+{CHAPTER}+2027-03-01 12:00:00.5 UTC+abc/{BOOK}", "plain:jane", False, (0, 0))])
def test_whose_file_it_is(path, key, late, order):
    found = whose(tuple(path.split("/")), CHAPTER)
    assert (found.key, found.late, found.order) == (key, late, order)


def test_a_file_that_names_nobody_is_left_out():
    assert whose((BOOK,), CHAPTER) is None


@pytest.mark.parametrize("inside", [f"victim_1_2_{BOOK}", f"Victim_1_assignsubmission_file_{BOOK}",
                                    f"Victim - {BOOK}", f"victim+{CHAPTER}+2027-03-01 12:00:00 UTC/{BOOK}"])
def test_what_a_learner_names_a_file_does_not_make_it_another_learners(folder, tmp_path, inside):
    """In a folder of their own, whatever the platform."""
    rows = handed_in(folder, tmp_path, {f"mallory/{inside}": b"{}", f"jane/{BOOK}": b"{}"})
    assert {row.student for row in rows} == {"mallory", "jane"}
    rows = handed_in(folder, tmp_path / "moodle", {f"Mallory_9_assignsubmission_file_/{inside}": b"{}"})
    assert {row.name for row in rows} == {"Mallory"}


@pytest.mark.parametrize("wrapped", ["", "all/", "a/b/"])
@pytest.mark.parametrize("layout", ["{0}/x.ipynb", "{0}/work/x.ipynb", "{0}_1{1}_2{1}_x.ipynb", "{0} - x.ipynb",
                                    "{0}_1{1}_assignsubmission_file_/x.ipynb", f"{{0}}/{CHAPTER}/x.ipynb"])
def test_a_class_is_found_in_every_layout_and_wrapper(folder, tmp_path, layout, wrapped):
    rows = handed_in(folder, tmp_path, {wrapped + layout.format(name, k): name.encode()
                                        for k, name in enumerate(("ann", "bob", "eve"))})
    assert {row.name for row in rows} == {"ann", "bob", "eve"} and {row.what for row in rows} == {"new"}
    for student in folder.students(CHAPTER):
        name = folder.people()[student]["name"]
        assert (folder.submitted(CHAPTER, student) / BOOK).read_bytes() == name.encode()


# collecting

def test_collecting_from_a_folder_and_from_a_zip_is_the_same(folder, edition, tmp_path):
    files = {f"s{k}_{k}1_{k}2_{BOOK}": notebook(folder, str(k)) for k in range(3)}
    other = ClassFolder.create(tmp_path / "other")
    write_json(other.release(CHAPTER, "teacher") / f"{CHAPTER}.json", edition.released(CHAPTER))
    first = handed_in(folder, tmp_path, files)
    second = collect(other, CHAPTER, zipped(tmp_path, files.items()))
    assert [(one.student, one.what) for one in first] == [(one.student, one.what) for one in second]
    for student in folder.students(CHAPTER):
        assert (folder.submitted(CHAPTER, student) / BOOK).read_bytes() == \
            (other.submitted(CHAPTER, student) / BOOK).read_bytes()


def test_the_newest_wins_and_the_others_lie_beside(folder, tmp_path):
    rows = handed_in(folder, tmp_path, {"doe_1_30_05_first_vae-1.ipynb": b"2nd", f"doe_1_20_{BOOK}": b"1st"})
    assert [row.what for row in rows] == ["new", "newer: the one before is kept beside"]
    target = folder.submitted(CHAPTER, "doe-1")
    assert (target / BOOK).read_bytes() == b"2nd"
    assert [one.read_bytes() for one in (target / "earlier").iterdir()] == [b"1st"]
    rows = handed_in(folder, tmp_path / "later", {"doe_LATE_1_40_05_first_vae-2.ipynb": b"3rd"})
    assert [row.time for row in rows] == ["LATE, no time"]
    rows = handed_in(folder, tmp_path / "again", {f"doe_1_20_{BOOK}": b"1st", f"doe_1_10_{BOOK}": b"0th"})
    assert [row.what for row in rows] == ["older: kept beside", "an earlier one, kept before"]
    assert (target / BOOK).read_bytes() == b"3rd" and folder.collected(CHAPTER, "doe-1")["attempts"] == 4
    assert {one.read_bytes() for one in (target / "earlier").iterdir()} == {b"0th", b"1st", b"2nd"}


def test_collecting_again_changes_nothing(folder, tmp_path):
    files = {f"{name}/{BOOK}": name.encode() for name in ("ann", "bob")}
    handed_in(folder, tmp_path, files)
    before = {path: path.read_bytes() for path in (folder.path / "submitted").rglob("*.ipynb")}
    assert {row.what for row in handed_in(folder, tmp_path, files)} == {"the same as before"}
    assert {path: path.read_bytes() for path in (folder.path / "submitted").rglob("*.ipynb")} == before
    assert folder.collected(CHAPTER, "ann")["attempts"] == 1


def test_times_from_a_csv_decide_what_is_newer_and_what_is_late(folder, tmp_path):
    times = tmp_path / "times.csv"
    times.write_text("Identifier,Full name,Last modified (submission)\n"
                     'Participant 7,Jane Doe,"Tuesday, 2 March 2027, 1:30 AM"\nParticipant 8,Bob,-\n')
    with pytest.raises(ClassError, match="has no time zone"):
        read_times(times)
    found = read_times(times, "Europe/Berlin")
    assert found["participant 7"] == found["jane doe"] == datetime(2027, 3, 2, 0, 30, tzinfo=UTC)
    handed_in(folder, tmp_path, {f"Jane Doe_7_assignsubmission_file_/{BOOK}": b"{}",
                                 f"Bob_8_assignsubmission_file_/{BOOK}": b"{}"}, times=found)
    folder.set_due(CHAPTER, datetime(2027, 3, 1, 23, 59, tzinfo=UTC))
    assert gradebook.percent_off(folder, CHAPTER, "jane-doe") == 10
    assert gradebook.percent_off(folder, CHAPTER, "bob") == 0


def test_people_with_one_name_stay_two(folder, tmp_path):
    rows = handed_in(folder, tmp_path, {f"Jane Doe_{k}_assignsubmission_file_/{BOOK}": b"%d" % k for k in (7, 8)})
    assert {row.student for row in rows} == {"jane-doe-7", "jane-doe-8"}
    rows = handed_in(folder, tmp_path / "b", {f"{name}/x.ipynb": b"{}" for name in
                                              ("Jane.Doe", "jane doe", "JANE-DOE", "张伟", "李娜")})
    assert len({row.student for row in rows}) == 5


def test_other_chapters_and_other_files_are_left_out_and_told(folder, tmp_path):
    rows = handed_in(folder, tmp_path, {"ann_1_2_06_full_gpu_vae.ipynb": b"{}", "bob_3_4_essay.pdf": b"%PDF",
                                        f"eve_5_6_{BOOK}": b"{}", "eve_5_7_notes.txt": b"", BOOK: b"{}"})
    what = {row.file: row.what for row in rows}
    assert what["ann_1_2_06_full_gpu_vae.ipynb"] == "left out: it is of 06_full_gpu_vae"
    assert what[BOOK] == "left out: no student in its name"
    assert folder.result(CHAPTER, "bob-3")["status"] == "invalid"
    assert "essay.pdf: not a notebook" in folder.result(CHAPTER, "bob-3")["reason"]
    assert folder.result(CHAPTER, "eve-5") is None
    handed_in(folder, tmp_path / "again", {f"bob_3_9_{BOOK}": b"{}"})
    assert folder.result(CHAPTER, "bob-3") is None  # now there is something to grade


def test_the_inbound_folder_of_nbgraders_exchange_holds_all_chapters(folder, tmp_path):
    rows = handed_in(folder, tmp_path, {
        f"{name}+{chapter}+2027-03-0{day} 12:00:00.5 UTC+{day}/{chapter}.ipynb": name.encode() + day.encode()
        for name, chapter, day in (("ann", CHAPTER, "1"), ("ann", CHAPTER, "2"), ("ann", "06_full_gpu_vae", "3"),
                                   ("bob", CHAPTER, "2"))})
    assert [row.what.split(":")[0] for row in rows] == ["left out", "new", "newer", "new"]
    assert folder.collected(CHAPTER, "ann")["time"] == "2027-03-02T12:00:00.500000+00:00"
    assert (folder.submitted(CHAPTER, "ann") / BOOK).read_bytes() == b"ann2"


@pytest.mark.parametrize("source, said", [("nothing", "is not there"), ("plain.txt", "neither a folder nor a ZIP"),
                                          ("empty", "no submission of")])
def test_a_wrong_download_is_told(folder, tmp_path, source, said):
    (tmp_path / "plain.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ClassError, match=said):
        collect(folder, CHAPTER, tmp_path / source)


def outside(tmp_path, folder):
    """All files below `tmp_path` but those of the class."""
    return {path: path.read_bytes() for path in tmp_path.rglob("*")
            if path.is_file() and folder.path not in path.parents}


HOSTILE = ["../../x.ipynb", "/etc/x.ipynb", "..\\..\\x.ipynb", "C:\\x.ipynb", "a/../../x.ipynb", "a/./../x.ipynb",
           "//host/x.ipynb", "a\nb/x.ipynb", "\x1b[31m/x.ipynb", "....//x.ipynb", "~/x.ipynb", "$(id)/x.ipynb",
           "a;rm -rf b/x.ipynb", "-rf/x.ipynb", ".hidden/x.ipynb", "con/x.ipynb", "a" * 200 + "/x.ipynb",
           "\u202egpj/x.ipynb", "class.toml/x.ipynb", "gradebook.db/x.ipynb", f"{CHAPTER}/x.ipynb", " /x.ipynb",
           "a\u0000b/x.ipynb", "../../../class.toml", "earlier/x.ipynb", "../05_first_vae.json/x.ipynb"]


def test_hostile_names_write_nothing_outside_and_nothing_under_them(folder, tmp_path):
    source = zipped(tmp_path, [(name, b"evil") for name in HOSTILE] + [(f"honest/{BOOK}", b"good")])
    config, before = folder.config.read_bytes(), outside(tmp_path, folder)
    collect(folder, CHAPTER, source)
    assert outside(tmp_path, folder) == before and folder.config.read_bytes() == config
    for path in folder.path.rglob("*"):
        if "release" not in path.parts and path.is_dir() and path.parent == folder.submitted(CHAPTER):
            assert SAFE.fullmatch(path.name), path
    assert (folder.submitted(CHAPTER, "honest") / BOOK).read_bytes() == b"good"
    assert not folder.gradebook.exists()


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30), min_size=1, max_size=4))
def test_no_path_of_a_zip_leaves_the_class(parts):
    found = whose(tuple(parts), CHAPTER)
    if found is not None:
        assert SAFE.fullmatch(safe_id(found.name, found.key))
        assert isinstance(found.order[0], int) and isinstance(found.order[1], int)


def link(name, target):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info, target


def test_links_bombs_and_locked_files_are_refused_and_the_rest_is_taken(folder, tmp_path):
    path = tmp_path / "download.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(*link(f"link/{BOOK}", "/etc/passwd"))
        archive.writestr(f"bomb/{BOOK}", bytes(15 * 2**20))
        archive.writestr(f"large/{BOOK}", os.urandom(21 * 2**20))
        archive.writestr(f"honest/{BOOK}", b"good")
        archive.writestr(f"locked/{BOOK}", b"x")
        archive.getinfo(f"locked/{BOOK}").flag_bits |= 1
    what = {row.student: row.what for row in collect(folder, CHAPTER, path)}
    assert what["link"] == "refused: a link, not a file" and "a ZIP bomb" in what["bomb"]
    assert "21 MiB; 20 is the most" in what["large"] and what["locked"] == "refused: encrypted"
    assert what["honest"] == "new"
    assert {one: folder.result(CHAPTER, one)["status"] for one in ("link", "bomb", "large", "locked")} == dict.fromkeys(
        ("link", "bomb", "large", "locked"), "invalid")


def test_a_size_that_the_zip_lies_about_is_noticed_while_reading(tmp_path):
    path = zipped(tmp_path, [("a/x.ipynb", os.urandom(2**20))])
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 24:at + 28] = (10).to_bytes(4, "little")  # the size that the directory of the ZIP states
    path.write_bytes(data)
    entry, = entries(path)
    assert len(_try(entry.read)) <= 20 * 2**20


def _try(read):
    try:
        return read()
    except Exception:
        return b""


def test_a_damaged_file_of_a_zip_does_not_stop_the_class(folder, tmp_path):
    path = zipped(tmp_path, [(f"bad/{BOOK}", os.urandom(4000)), (f"good/{BOOK}", b"fine")])
    data = bytearray(path.read_bytes())
    data[2000:2005] = b"\xff" * 5
    path.write_bytes(data)
    what = {row.student: row.what for row in collect(folder, CHAPTER, path)}
    assert what["good"] == "new" and what["bad"].startswith("refused")


def test_too_many_files_are_refused_as_a_whole(folder, tmp_path):
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for k in range(20_001):
            archive.writestr(f"{k}/x.ipynb", b"")
    with pytest.raises(ClassError, match="lists 20001 files"):
        collect(folder, CHAPTER, path)


def test_links_in_a_folder_are_not_followed(folder, tmp_path):
    secret = tmp_path / "secret.ipynb"
    secret.write_text("CANARY")
    source = tmp_path / "download"
    (source / "mallory").mkdir(parents=True)
    (source / "mallory" / BOOK).symlink_to(secret)
    (source / "eve").symlink_to(tmp_path, target_is_directory=True)
    (source / "ann").mkdir()
    (source / "ann" / BOOK).write_bytes(b"good")
    rows = collect(folder, CHAPTER, source)
    assert {row.student: row.what for row in rows}["mallory"].startswith("refused: not a plain file")
    assert not any(b"CANARY" in path.read_bytes() for path in folder.path.rglob("*") if path.is_file())
    assert "eve" not in folder.students(CHAPTER)


# the gradebook

def graded(folder, tmp_path, students=("ann", "bob", "eve")):
    """A class of which all but the first task of each is right."""
    handed_in(folder, tmp_path, {f"{one}/{BOOK}": notebook(folder, one) for one in students})
    for one in folder.students(CHAPTER):
        result(folder, one, names(folder)[1:])
    gradebook.fill(folder, CHAPTER)


def score(folder, student):
    found, = gradebook.scores(folder, CHAPTER, student)
    return found


def test_the_gradebook_holds_what_the_results_say(folder, tmp_path):
    graded(folder, tmp_path)
    found, tasks = score(folder, "ann"), folder.released(CHAPTER)["tasks"]
    assert found.points == sum(one["points"] for one in tasks[1:] if not one["by_hand"])
    assert found.of == sum(one["points"] for one in tasks) and found.waiting == 1
    assert found.tasks[tasks[0]["name"]]["points"] == 0


def test_nbgrader_reads_the_gradebook(folder, tmp_path):
    from nbgrader.api import Gradebook
    graded(folder, tmp_path)
    with Gradebook(f"sqlite:///{folder.gradebook}", course_id="vae") as book:
        assignment = book.find_assignment(CHAPTER)
        assert assignment.num_submissions == 3 and assignment.max_score == score(folder, "ann").of
        row = next(one for one in book.submission_dicts(CHAPTER) if one["student"] == "bob")
        assert row["score"] == score(folder, "bob").points and row["needs_manual_grade"]
        assert book.average_assignment_score(CHAPTER) == score(folder, "bob").points


def test_the_lists_of_the_formgrader_come_out_of_the_gradebook(folder, tmp_path):
    """By the interface that its pages ask. It lists the chapters that have a folder in source/."""
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    graded(folder, tmp_path)
    course = tmp_path / "course"
    (course / "source" / CHAPTER).mkdir(parents=True)
    api = NbGraderAPI(CourseDirectory(root=str(course), db_url=f"sqlite:///{folder.gradebook}", course_id="vae"))
    listed = {one["name"]: one for one in api.get_assignments()}
    assert listed[CHAPTER]["max_score"] == score(folder, "ann").of
    assert listed[CHAPTER]["average_score"] == score(folder, "ann").points
    assert {one["id"] for one in api.get_students()} == {"ann", "bob", "eve"}


def test_marks_by_hand_stay_when_graded_again(folder, tmp_path):
    graded(folder, tmp_path)
    open_task, first = by_hand(folder), names(folder)[0]
    gradebook.mark(folder, CHAPTER, [("ann", open_task, 3, "Well argued."), ("ann", first, 1, "Nearly.")])
    before = score(folder, "ann")
    assert before.waiting == 0 and before.tasks[open_task]["points"] == 3 and before.tasks[first]["manual"]
    gradebook.fill(folder, CHAPTER)
    assert score(folder, "ann") == before
    result(folder, "ann", names(folder))
    gradebook.fill(folder, CHAPTER)
    assert score(folder, "ann").tasks[first]["points"] == 1  # the person's mark, not the grader's
    gradebook.mark(folder, CHAPTER, [("ann", first, None, None)])
    assert score(folder, "ann").tasks[first]["points"] == before.tasks[first]["of"]
    assert score(folder, "ann").tasks[open_task]["note"] == "Well argued."


def test_another_notebook_asks_for_another_look_and_keeps_the_mark(folder, tmp_path):
    graded(folder, tmp_path)
    gradebook.mark(folder, CHAPTER, [("ann", by_hand(folder), 3, None)])
    handed_in(folder, tmp_path / "later", {f"ann/{BOOK}": notebook(folder, "another")})
    result(folder, "ann", names(folder))
    gradebook.fill(folder, CHAPTER)
    found = score(folder, "ann").tasks[by_hand(folder)]
    assert found["waiting"] and found["points"] == 3


@pytest.mark.parametrize("marks, said", [
    (("ann", "no_such", 1, ""), "has no task 'no_such'"), (("nobody", "", 1, ""), "no submission of 'nobody'"),
    (("ann", "", 99, ""), "it has 0 to"), (("ann", "", -1, ""), "it has 0 to")])
def test_a_wrong_mark_enters_nothing(folder, tmp_path, marks, said):
    graded(folder, tmp_path)
    before, (student, task, points, note) = folder.gradebook.read_bytes(), marks
    with pytest.raises(ClassError, match=said):
        gradebook.mark(folder, CHAPTER, [("bob", by_hand(folder), 2, ""),
                                         (student, task or by_hand(folder), points, note)])
    assert folder.gradebook.read_bytes() == before


def test_what_is_no_notebook_waits_for_nobody(folder, tmp_path):
    graded(folder, tmp_path)
    result(folder, "ann", [], "invalid")
    gradebook.fill(folder, CHAPTER)
    assert score(folder, "ann").waiting == score(folder, "ann").points == 0 and score(folder, "bob").waiting == 1


def test_late_points_are_taken_from_marks_by_hand_too(folder, tmp_path):
    handed_in(folder, tmp_path, {f"ann/{BOOK}": b"{}"}, times={"ann": DUE + timedelta(days=1, hours=1)})
    folder.set_due(CHAPTER, DUE)
    result(folder, "ann", names(folder))
    gradebook.fill(folder, CHAPTER)
    gradebook.mark(folder, CHAPTER, [("ann", by_hand(folder), 4, None)])
    found = score(folder, "ann")
    assert found.points == found.of and found.penalty == pytest.approx(0.2 * found.of)
    write(folder.config, folder.config.read_text() + f"\n[chapters.{CHAPTER}.extensions]\nann = 2\n")
    longer = ClassFolder(folder.path)
    gradebook.fill(longer, CHAPTER)
    assert score(longer, "ann").penalty == 0


@pytest.mark.parametrize("points", [10**9, -5, float("nan"), "all", None, True, [1]])
def test_no_result_gives_more_than_a_task_has(folder, tmp_path, points):
    graded(folder, tmp_path)
    one = folder.result(CHAPTER, "ann")
    for task in one["tasks"]:
        task["points"] = points
    write(folder.results(CHAPTER) / "ann.json", json.dumps(one))
    gradebook.fill(folder, CHAPTER)
    assert 0 <= score(folder, "ann").points <= score(folder, "ann").of


def test_an_error_half_way_leaves_the_old_gradebook(folder, tmp_path):
    graded(folder, tmp_path)
    before = folder.gradebook.read_bytes()
    with pytest.raises(RuntimeError), gradebook.changed(folder) as book:
        book.remove_student("ann")
        raise RuntimeError
    assert folder.gradebook.read_bytes() == before
    assert not list(folder.path.glob(".gradebook-*"))


def test_a_change_by_another_program_is_noticed(folder, tmp_path):
    graded(folder, tmp_path)
    with pytest.raises(ClassError, match="was changed meanwhile"), gradebook.changed(folder):
        with gradebook.opened(folder.gradebook) as other:
            other.update_or_create_student("new")
        theirs = folder.gradebook.read_bytes()
    assert folder.gradebook.read_bytes() == theirs


KILLED = """
import sys; sys.path[:0] = [{root!r}]
import exercises.grading
from exercises.grading import gradebook
from exercises.grading.folder import ClassFolder
folder = ClassFolder({path!r})
print("ready", flush=True)
while True:
    gradebook.fill(folder, {chapter!r}, progress=False)
"""


def test_sigkill_at_any_moment_leaves_a_whole_gradebook(folder, tmp_path):
    graded(folder, tmp_path, [f"s{k}" for k in range(12)])
    gradebook.mark(folder, CHAPTER, [("s3", by_hand(folder), 3, "kept")])
    before = gradebook.scores(folder, CHAPTER)
    code = KILLED.format(root=str(ROOT), path=str(folder.path), chapter=CHAPTER)
    for wait in (0.0, 0.03, 0.08, 0.17):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert select.select([process.stdout], [], [], 240)[0], "the program that fills the gradebook did not begin"
        process.stdout.readline()
        time.sleep(wait)
        put_down(process, "the program that fills the gradebook")
        assert gradebook.scores(folder, CHAPTER) == before
    gradebook.fill(folder, CHAPTER)
    assert gradebook.scores(folder, CHAPTER) == before
    assert not list(folder.path.glob(".gradebook-*.db*"))


def test_200_students_in_bounded_time(folder, tmp_path):
    """From the download to the pages: 10 s of a core's time here; the limit is for a machine four times slower."""
    start = time.process_time()
    students = {f"s{k:03}_1{k:03}_2{k:03}_{BOOK}": notebook(folder, str(k)) for k in range(200)}
    collect(folder, CHAPTER, zipped(tmp_path, students.items()))
    for one in folder.students(CHAPTER):
        result(folder, one, names(folder)[int(one[-1]) % 3:])
    assert gradebook.fill(folder, CHAPTER) == 200
    assert feedback(folder, CHAPTER, "") == 200
    export.write_table(folder, CHAPTER, "canvas", partial=True)
    assert time.process_time() - start < 40


# pages

EVIL = '<script>alert(1)</script><img src=x onerror=alert(1)> </p>`<b>` javascript:alert(1) \u202e\x00 {{ 7777*7 }}'


def test_nothing_of_a_learner_runs_or_shows_as_markup_on_the_page(folder, tmp_path, browser):
    handed_in(folder, tmp_path, {f"{EVIL.replace('/', '|').replace(chr(0), '')}/{BOOK}": b"{}"})
    student, = folder.students(CHAPTER)
    result(folder, student, reason=EVIL)
    one = folder.result(CHAPTER, student)
    for task in one["tasks"]:
        task["sentence"] = task["hint"] = EVIL
    write(folder.results(CHAPTER) / f"{student}.json", json.dumps(one))
    gradebook.fill(folder, CHAPTER)
    gradebook.mark(folder, CHAPTER, [(student, by_hand(folder), 1, EVIL)])
    feedback(folder, CHAPTER, "")
    path = folder.feedback(CHAPTER) / f"{student}.html"
    text = path.read_text(encoding="utf-8")
    assert "<script" not in text and "<img" not in text and "\u202e" not in text and "54439" not in text
    assert "default-src 'none'" in text
    page = browser.new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.goto(path.as_uri())
    assert page.locator("script, img, iframe, object, form").count() == 0
    assert asked == [path.as_uri()] and said == []
    page.close()


def test_the_page_says_why_and_what_and_hides_the_probes(folder, tmp_path):
    graded(folder, tmp_path)
    gradebook.mark(folder, CHAPTER, [("bob", by_hand(folder), 3, "Well argued.")])
    result(folder, "eve", [], "timed out", reason="It ran for more than 60 s.")
    gradebook.fill(folder, CHAPTER)
    feedback(folder, CHAPTER, "https://book.example/")
    ann, bob, eve = ((folder.feedback(CHAPTER) / f"{one}.html").read_text("utf-8") for one in ("ann", "bob", "eve"))
    assert "1 task to be marked by a person" in ann and "waits, of 4" in ann
    assert "<code>the loss</code>" in ann and f'https://book.example/chapters/{CHAPTER}.html#' in ann
    assert "Well argued." in bob and "to be marked" not in bob
    assert "Stopped: out of time" in eve and "It ran for more than 60 s." in eve
    for task in folder.released(CHAPTER)["tasks"]:
        for value in (json.dumps(task.get("inputs"))[:40], json.dumps(task.get("reference"))[:40], folder.seed):
            assert value == "null" or value not in ann


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_fits_a_phone_and_can_be_read(folder, tmp_path, browser, theme):
    graded(folder, tmp_path, ["a-rather-long-name-of-a-person-with-many-letters"])
    feedback(folder, CHAPTER, "https://book.example/")
    context = browser.new_context(viewport={"width": 360, "height": 700}, color_scheme=theme)
    page = context.new_page()
    page.goto(next(folder.feedback(CHAPTER).iterdir()).as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    low = page.evaluate("""() => {
        const light = (rgb) => { const [r, g, b] = rgb.match(/[\\d.]+/g).map((v) => { v /= 255;
            return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 });
            return .2126 * r + .7152 * g + .0722 * b };
        const paper = light(getComputedStyle(document.body).backgroundColor);
        return [...document.querySelectorAll("h1, h2, p, b, a, code")].map((one) => {
            const ink = light(getComputedStyle(one).color);
            return (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05) }).reduce((a, b) => Math.min(a, b)) }""")
    assert low >= 4.5  # WCAG AA
    context.close()


@given(st.text(max_size=400))
def test_plain_text_has_no_control_and_no_direction(text):
    found = plain(text, 100)
    assert len(found) <= 100
    assert not any(ord(c) < 32 or 0x202a <= ord(c) <= 0x202e or 0x2066 <= ord(c) <= 0x2069 for c in found)


# tables

@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "\x00=1",
                                  "=cmd|' /C calc'!A0"])
def test_no_cell_is_a_formula(text):
    row, = csv.reader(io.StringIO(export.table([[text]])))
    assert row[0].startswith("'") and "\t" not in row[0]


def test_numbers_stay_numbers_and_a_dash_a_dash():
    assert export.table([[-1.5, 3, "-", "Ann", ""]]) == "-1.5,3,-,Ann,\r\n"


def rows_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_tables_for_the_platforms(folder, tmp_path):
    handed_in(folder, tmp_path, {f"doe_12_34_{BOOK}": b"{}", f"roe_56_78_{BOOK}": b"{}"})
    for one in folder.students(CHAPTER):
        result(folder, one, names(folder))
    gradebook.fill(folder, CHAPTER)
    gradebook.mark(folder, CHAPTER, [("doe-12", by_hand(folder), 4, None)])
    path, blank = export.write_table(folder, CHAPTER, "canvas", "Exercises 5 (99)", out_of=100)
    points, *others = rows_of(path)
    assert points["Student"] == "Points Possible" and points["Exercises 5 (99)"] == "100"
    assert {one["ID"]: one["Exercises 5 (99)"] for one in others} == {"12": "100"}  # an empty cell would delete a mark
    assert blank == ["roe-56"]
    generic, _ = export.write_table(folder, CHAPTER, "generic", partial=True)
    assert all(one["late percent"] == "0" for one in rows_of(generic))
    with pytest.raises(ClassError, match="participant's number of Moodle"):
        export.write_table(folder, CHAPTER, "moodle")


def test_the_importers_of_the_platforms_find_what_they_look_for(folder, tmp_path):
    """By the rules of Canvas's `GradebookImporter` and of Moodle's `assignfeedback_offline_grade_importer`."""
    for kind, files in (("canvas", [f"doe_12_34_{BOOK}"]), ("moodle", [f"Ann_7_assignsubmission_file_/{BOOK}"])):
        handed_in(folder, tmp_path / kind, {name: notebook(folder) for name in files})
    for one in folder.students(CHAPTER):
        result(folder, one, names(folder))
    gradebook.fill(folder, CHAPTER)
    path, _ = export.write_table(folder, CHAPTER, "canvas", "Exercises 5 (4711)", partial=True)
    header, possible, *people = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert "Student" in header[0] and "ID" in header[1] and header[2:5] == ["SIS User ID", "SIS Login ID", "Section"]
    assert re.fullmatch(r".+ \((\d+)\)", header[5])[1] == "4711" and "Points Possible" in possible[0]
    assert [one[1] for one in people] == ["12"] and all(0 <= float(one[5]) <= float(possible[5]) for one in people)
    path, _ = export.write_table(folder, CHAPTER, "moodle", partial=True)
    row, = rows_of(path)
    assert {"Identifier", "Grade", "Last modified (grade)"} <= set(row)
    assert row["Identifier"].removeprefix("Participant ") == "7" and 0 <= float(row["Grade"]) <= float(
        row["Maximum Grade"])  # more than the maximum is passed over without a word


def test_moodles_own_worksheet_is_filled_in(folder, tmp_path):
    handed_in(folder, tmp_path, {f"Ann_7_assignsubmission_file_/{BOOK}": b"{}"})
    result(folder, "ann", names(folder))
    gradebook.fill(folder, CHAPTER)
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("\ufeffIdentifier,Full name,Status,Grade,Maximum Grade,Last modified (grade)\n"
                     "Participant 7,Ann,Submitted,,20.00,-\nParticipant 77,Zoe,Nothing,,20.00,-\n", encoding="utf-8")
    path, _ = export.write_table(folder, CHAPTER, "moodle", worksheet=sheet, partial=True)
    assert [one["Grade"] for one in rows_of(path)] == [f"{score(folder, 'ann').total:g}", ""]
    path, _ = export.write_table(folder, CHAPTER, "moodle", partial=True)
    assert rows_of(path)[0]["Identifier"] == "Participant 7" and rows_of(path)[0]["Last modified (grade)"] == "-"


def test_a_learner_named_like_a_formula_is_text_in_the_table(folder, tmp_path):
    graded(folder, tmp_path, ["=HYPERLINK(1)"])
    path, _ = export.write_table(folder, CHAPTER, "generic", partial=True)
    assert rows_of(path)[0]["name"] == "'=HYPERLINK(1)"


# nbgrader's formgrader

def test_marks_entered_in_the_formgrader_stay_when_graded_again(folder, tmp_path, browser):
    """In nbgrader's own pages, on the gradebook of a class, with hostile answers and a hostile name."""
    evil = """x = '<script>alert(1)</script>$<img src=y onerror=alert(1)>$</pre>'  # </code>\u202e"""
    book = json.loads(notebook(folder, evil))
    for cell in book["cells"]:
        if cell["id"].endswith("-answer"):
            cell["source"] = evil
    handed_in(folder, tmp_path, {f"{name} - {BOOK}": json.dumps(book).encode()
                                 for name in ("ann", "bob", "<img src=z onerror=alert(1)>")})
    for one in folder.students(CHAPTER):
        result(folder, one, names(folder)[1:])
    gradebook.fill(folder, CHAPTER)
    root, count = formgrader.course(folder, CHAPTER)
    assert count == 3
    said, context = [], browser.new_context()
    context.set_default_timeout(120_000)  # milliseconds; a busy machine is not a wrong page
    page = context.new_page()
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    with formgrader_at(root, tmp_path / "home") as address:
        let_in(page, address)
        page.goto(f"{address}/manage_students")
        page.get_by_role("link", name="ann, None").wait_for()
        assert page.locator("tbody tr").count() == 3
        page.goto(f"{address}/gradebook/{CHAPTER}/{CHAPTER}")
        page.get_by_role("link", name="Submission #1").wait_for()
        assert f"{score(folder, 'ann').points:g} / {score(folder, 'ann').of}" in page.inner_text("tbody")
        page.get_by_role("button", name="Show All Names").click()
        page.get_by_role("link", name="ann", exact=True).click()
        for cell, text in ((f"{by_hand(folder)}-answer", "3"), (f"{names(folder)[0]}-check", "1")):
            enter(page, page.locator(f"input.score[id='{cell}']"), text)
        note = page.locator(f"textarea[id='{by_hand(folder)}-answer-comment']")
        enter(page, note, note.input_value() + " Well argued.")
        assert page.locator("script").filter(has_text="alert(1)").count() == page.locator("#notebook img").count() == 0
        with pytest.raises(ClassError, match=r"has .*gradebook.db open.*close it"):
            gradebook.fill(folder, CHAPTER)
    context.close()
    assert said == []
    for one in folder.students(CHAPTER):
        result(folder, one, names(folder))  # graded again, and now all is right
    gradebook.fill(folder, CHAPTER)
    tasks = score(folder, "ann").tasks
    assert (tasks[by_hand(folder)]["points"], tasks[by_hand(folder)]["note"]) == (3, "Well argued.")
    assert tasks[names(folder)[0]]["points"] == 1 and not tasks[by_hand(folder)]["waiting"]
    assert score(folder, "bob").waiting == 1 and score(folder, "bob").tasks[names(folder)[0]]["points"] > 1


def test_the_formgraders_notebooks_hold_answers_as_code_and_nothing_else(folder, tmp_path):
    found = json.loads(notebook(folder, "CANARY of a text cell"))
    for cell in found["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "display_data", "metadata": {}, "data": {"text/html": "CANARY"}}]
        if cell["id"].endswith("-answer"):
            cell["source"] = ["if True:\n", "    x = 1   # \u202eseen"]
    handed_in(folder, tmp_path, {f"ann/{BOOK}": json.dumps(found).encode(), f"bob/{BOOK}": b"["})
    root, _ = formgrader.course(folder, CHAPTER)
    ann, bob = ((root / "autograded" / one / CHAPTER / BOOK).read_text(encoding="utf-8") for one in ("ann", "bob"))
    assert "CANARY" not in ann
    cells = [cell for cell in json.loads(ann)["cells"] if cell["id"].endswith("-answer")]
    assert {"".join(cell["source"]) for cell in cells} == {"if True:\n    x = 1   # seen"}
    assert len(cells) == len(folder.released(CHAPTER)["tasks"]) == bob.count("# No answer was found.")
    assert sorted(path.name for path in root.rglob("*") if path.is_file()) == [BOOK, BOOK, "nbgrader_config.py"]


# marks by hand

def test_the_list_to_fill_in_comes_back_as_marks(folder, tmp_path):
    graded(folder, tmp_path)
    page, marks, waiting = answers.sheet(folder, CHAPTER)
    assert waiting == 3 and "<script" not in page.read_text(encoding="utf-8")
    lines = [f"{line},2.5,fine" if line.startswith("bob") else line
             for line in (one.removesuffix(",,") for one in marks.read_text(encoding="utf-8").splitlines())]
    marks.write_text("\n".join(line if "," in line[5:] else line + ",," for line in lines), encoding="utf-8")
    gradebook.mark(folder, CHAPTER, answers.read_marks(marks))
    assert score(folder, "bob").tasks[by_hand(folder)]["points"] == 2.5 and score(folder, "ann").waiting == 1


@pytest.mark.parametrize("change", ["nothing", "ids", "marks", "both"])
def test_an_answer_is_found_whatever_colab_did_to_the_notebook(folder, change):
    from make_exercises import tasks
    task = tasks(ROOT / "exercises" / "masters" / CHAPTER)[by_hand(folder)]
    found = json.loads(notebook(folder))
    for cell in found["cells"]:
        if cell["id"].endswith("which-is-better-answer"):
            cell["source"] = [f"{task.answer} = '''\n", "My reasons.'''"]
        if change in ("ids", "both"):
            cell.pop("id")
        if change in ("marks", "both"):
            cell["metadata"] = {}
    assert "My reasons." in answers.answer_text(json.dumps(found).encode(), CHAPTER, task)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"cells": 3}', b'{"cells": [1, {"source": 3}]}', b"[" * 100_000])
def test_what_is_no_notebook_has_no_answer(data, folder):
    from make_exercises import tasks
    assert answers.answer_text(data, CHAPTER, tasks(ROOT / "exercises" / "masters" / CHAPTER)[by_hand(folder)]) == ""


# statistics

def test_statistics_name_nobody_and_hide_what_few_did(folder, tmp_path):
    students = [f"student{k}" for k in range(20)]
    graded(folder, tmp_path, students)
    for k, one in enumerate(students):
        result(folder, one, [name for j, name in enumerate(names(folder)) if k >= (j * 3) % 8])
    found = stats.statistics(folder, CHAPTER)
    text = stats.as_table(found) + json.dumps(found)
    assert not any(one in text for one in students)
    share = {one["name"]: one["right"] for one in found["tasks"] if not one["by_hand"]}
    wrong = {name: (j * 3) % 8 for j, name in enumerate(names(folder))}
    for name, n in wrong.items():
        assert share[name] == (f"over {0.75:.0%}" if 0 < n < 5 else 1 - n / 20)
    assert all(one["people"] >= 5 for task in found["tasks"] for one in task.get("mistakes", ()))
    assert found["tasks"][0]["points"] is not None and stats.as_table(found).count("over 75%") >= 1


def test_a_small_class_has_no_statistics(folder, tmp_path):
    graded(folder, tmp_path, ["a1", "b2", "c3", "d4"])
    with pytest.raises(ClassError, match="Statistics begin at 5"):
        stats.statistics(folder, CHAPTER)


# forgetting

def test_forgetting_leaves_no_trace_and_the_others_whole(folder, tmp_path, capsys):
    handed_in(folder, tmp_path, {f"{name}_{k}11_{k}22_{BOOK}": notebook(folder, name)
                                 for k, name in ((1, "doejane"), (2, "roebob"))})
    handed_in(folder, tmp_path / "b", {f"doejane_111_300_{BOOK}": notebook(folder, "2")})
    more = f"\n[chapters.{CHAPTER}.extensions]\ndoejane-111 = 2\nroebob-211 = 1\n"
    write(folder.config, folder.config.read_text() + more)
    folder = ClassFolder(folder.path)
    for one in folder.students(CHAPTER):
        result(folder, one, names(folder))
    gradebook.fill(folder, CHAPTER)
    gradebook.mark(folder, CHAPTER, [("doejane-111", by_hand(folder), 2, "CANARY of doejane-111")])
    feedback(folder, CHAPTER, "")
    export.write_table(folder, CHAPTER, "canvas", partial=True)
    answers.sheet(folder, CHAPTER)
    formgrader.course(folder, CHAPTER)
    assert b"CANARY" in folder.gradebook.read_bytes()
    other = score(folder, "roebob-211")
    done, left, named = forget(folder, "doejane-111")
    assert done and left == [] and named == []
    for path in folder.path.rglob("*"):
        assert "doejane" not in path.name
        if path.is_file():
            assert b"doejane-111" not in path.read_bytes() and b"CANARY" not in path.read_bytes(), path
    after = ClassFolder(folder.path)
    assert score(after, "roebob-211") == other and after.extensions(CHAPTER) == {"roebob-211": 1}
    with pytest.raises(ClassError, match="knows no student"):
        forget(after, "doejane-111")


def test_a_trace_that_is_left_is_told(folder, tmp_path):
    graded(folder, tmp_path)
    (folder.path / "my-notes.txt").write_text("ann asked twice")
    _, left, _ = forget(folder, "ann")
    assert left == ["my-notes.txt"]


# Gradescope

def test_the_package_for_gradescope_runs_our_grader_and_nothing_without_it(folder, tmp_path):
    path = export.gradescope(folder, CHAPTER)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    root = tmp_path / "autograder"
    with zipfile.ZipFile(path) as archive:
        listed = archive.namelist()
        assert {"setup.sh", "run_autograder", "class/class.toml", f"course/exercises/masters/{CHAPTER}/quiz.toml",
                "course/tools/release.py", "course/vae_lib/vae.py"} <= set(listed)
        assert archive.getinfo("run_autograder").external_attr >> 16 & 0o111
        for name in listed:
            if not name.startswith(("course/vae_lib/datasets", "course/vae_lib/weights")):
                archive.extract(name, root / "source")
    code = f"import release; print(len(release.Edition({CHAPTER!r}, 'x' * 20).notebook().cells))"
    course = root / "source" / "course"
    run = subprocess.run([sys.executable, "-c", code], cwd=course, text=True, capture_output=True, check=False,
                         timeout=300, env=os.environ | {"PYTHONPATH": f"{course}:{course / 'tools'}"})
    assert run.returncode == 0 and int(run.stdout) > 20, run.stderr  # all that an edition is made from is in it
    (root / "submission").mkdir()
    (root / "submission" / "mine.ipynb").write_bytes(notebook(folder))

    def grade(path, chapter, seed, jobs):
        result(ClassFolder(path), "submission", names(folder)[1:])
        return {"submission": ClassFolder(path).result(chapter, "submission")}

    found = gradescope.main(CHAPTER, root, grade)
    assert json.loads((root / "results" / "results.json").read_text()) == found
    assert sum(one["score"] for one in found["tests"]) == sum(one["max_score"] for one in found["tests"][1:])
    assert found["stdout_visibility"] == "hidden" and len(found["tests"]) == len(names(folder))
    # the words of gradescope-autograders.readthedocs.io/en/latest/specs
    assert set(found) <= {"score", "execution_time", "output", "output_format", "test_output_format",
                          "test_name_format", "visibility", "stdout_visibility", "extra_data", "tests", "leaderboard"}
    assert found["visibility"] in ("hidden", "after_due_date", "after_published", "visible")
    for one in found["tests"]:
        assert set(one) <= {"score", "max_score", "status", "name", "name_format", "number", "output",
                            "output_format", "tags", "visibility", "extra_data"}
        assert 0 <= one["score"] <= one["max_score"] and one["status"] in ("passed", "failed")
        assert one["output_format"] in ("text", "html", "simple_format", "md", "ansi")

    def broken(*_, **__):
        raise SystemExit("no bubblewrap")

    found = gradescope.main(CHAPTER, root, broken)
    assert found["score"] == 0 and "could not start" in found["output"] and "tests" not in found


# the command line

def test_the_whole_way_by_commands(edition, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(release, "main", lambda chapter, seed, out: [
        (out / part).mkdir(parents=True) or write(out / part / one.name, one.read_bytes())
        for part in ("student", "teacher") for one in edition.release(chapter, part).iterdir()]
        + [(out / "environment").mkdir()])
    path = tmp_path / "class"

    def run(*words):
        main([words[0], str(path), *words[1:]])
        return capsys.readouterr().out

    assert ClassFolder.create(path).seed not in run("release", CHAPTER, "--due", "2027-03-01T23:59:00+01:00")
    folder = ClassFolder(path)
    source = zipped(tmp_path, [(f"s{k}_1{k}_2{k}_{BOOK}", notebook(folder, str(k))) for k in range(6)])
    assert "6 students handed in" in run("collect", CHAPTER, str(source))
    import types
    fake = types.ModuleType("exercises.grading.batch")

    def grade(where, chapter, seed, jobs=2, students=None, force=False, progress=True):
        assert seed == folder.seed
        for one in folder.students(chapter):
            result(folder, one, names(folder))
        return {one: folder.result(chapter, one) for one in folder.students(chapter)}

    fake.grade = grade
    monkeypatch.setitem(sys.modules, "exercises.grading.batch", fake)
    monkeypatch.setattr(sys.modules["exercises.grading"], "batch", fake, raising=False)
    assert "6 graded" in run("grade", CHAPTER)
    assert "6 answers wait" in run("answers", CHAPTER)
    run("mark", CHAPTER, "s0-10", by_hand(folder), "3.5", "--note", "good")
    assert "6 pages" in run("feedback", CHAPTER)
    assert "5 are left out" in run("export", CHAPTER, "--format", "canvas")
    assert "6 submissions" in run("stats", CHAPTER)
    assert "nothing of s0-10 is left" in run("forget", "s0-10", "--yes")
    assert "is gone" in run("forget", "--everyone", "--yes") and not path.exists()


@pytest.mark.parametrize("words, said", [
    (["collect", "nowhere", CHAPTER, "x.zip"], "is no class"), (["stats", "nowhere", "77_none"], "there is no chapter"),
    (["mark", "nowhere", CHAPTER], "is no class")])
def test_a_wrong_command_is_told_in_one_line(words, said, capsys):
    with pytest.raises(SystemExit, match=said) as stopped:
        main(words)
    assert "\n" not in str(stopped.value)


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    text = capsys.readouterr().out
    assert stopped.value.code == 0
    assert all(f"  {name}" in text for name in ("release", "collect", "grade", "feedback", "export", "stats", "forget"))

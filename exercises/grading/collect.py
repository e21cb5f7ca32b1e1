"""Take what an LMS let the teacher download into the class's folder: one notebook for each student, nothing lost.

Nothing is unpacked and no name of a submission becomes a path: bytes are read one file at a time, within limits, and
written under an id of ours. What a notebook holds is not looked at here.
"""

import csv
import hashlib
import os
import stat
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from course import chapters
from tqdm import tqdm

from exercises.grading.folder import ClassError, safe_id, write, write_json
from exercises.grading.lms import whose, wrappers

__all__ = ["Entry", "Row", "collect", "entries", "read_times"]

LARGEST = 20 * 2**20   # bytes of a notebook
TOTAL = 8 * 2**30      # bytes that are read in all
MOST = 20_000          # files
RATIO = 200            # unpacked over packed, beyond one MiB: a notebook has 3 to 30, a bomb 1000
JUNK = ("__MACOSX", ".ipynb_checkpoints")
MOODLE_TIME = "%A, %d %B %Y, %I:%M %p"
WHO = ("student", "id", "identifier", "file", "name", "full name", "email address", "email")
WHEN = ("time", "submitted", "submission time", "timestamp", "last modified (submission)")


@dataclass(frozen=True)
class Entry:
    """A file of the download. parts: its path; problem: why it is not read, or nothing; read: gives its bytes."""

    parts: tuple
    problem: str
    read: object

    @property
    def name(self):
        return "/".join(self.parts)


@dataclass
class Row:
    """What became of one file."""

    student: str
    name: str
    file: str
    what: str
    time: str = ""


def entries(source):
    """The files of a folder or a ZIP, each with its path, without following links and without unpacking."""
    source = Path(source)
    if source.is_dir():
        return _of_folder(source)
    if not source.is_file():
        raise ClassError(f"{source} is not there: give the ZIP that the LMS let you download, or the folder of it")
    if not zipfile.is_zipfile(source):
        raise ClassError(f"{source} is neither a folder nor a ZIP. Unpack other archives first and give the folder")
    return _of_zip(source)


def _of_folder(source):
    found = []
    for place, folders, files in os.walk(source):
        folders[:] = sorted(one for one in folders if not _junk(one))
        for name in sorted(files):
            path = Path(place) / name
            parts = path.relative_to(source).parts
            if _junk(name):
                continue
            state = path.lstat()
            problem = "" if stat.S_ISREG(state.st_mode) else "not a plain file (a link, for example)"
            found.append(Entry(parts, problem or _too_large(state.st_size), lambda path=path: _read(_open(path))))
            if len(found) > MOST:
                raise ClassError(f"{source} holds more than {MOST} files: is it the right folder?")
    return found


def _of_zip(source):
    archive = zipfile.ZipFile(source)
    listed = archive.infolist()
    if len(listed) > MOST:
        raise ClassError(f"{source} lists {len(listed)} files; {MOST} is the most. A class does not need that many")
    found = []
    for info in listed:
        parts = PurePosixPath(info.filename.replace("\\", "/")).parts
        if info.is_dir() or any(map(_junk, parts)):
            continue
        problem = _bad_name(info.orig_filename) or _bad_entry(info) or _too_large(info.file_size)
        found.append(Entry(parts or ("",), problem, lambda info=info: _read(archive.open(info))))
    return found


def _junk(name):
    return name in JUNK or name.startswith("._") or name == ".DS_Store"


def _bad_name(name):
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ":" in parts[0][:2] or ".." in parts or any(ord(c) < 32 for c in name):
        return "its name leads out of the archive"
    return ""


def _bad_entry(info):
    if stat.S_ISLNK(info.external_attr >> 16):
        return "a link, not a file"
    if info.flag_bits & 1:
        return "encrypted"
    if info.file_size > 2**20 and info.file_size > RATIO * max(1, info.compress_size):
        return f"a ZIP bomb: {info.file_size / max(1, info.compress_size):.0f} times its packed size"
    return ""


def _too_large(size):
    return f"{size / 2**20:.0f} MiB; {LARGEST // 2**20} is the most" if size > LARGEST else ""


def _open(path):
    return os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb")


def _read(file):
    with file:
        data = file.read(LARGEST + 1)  # whatever the directory of the ZIP says of its size
    if len(data) > LARGEST:
        raise ValueError(f"more than {LARGEST // 2**20} MiB")
    return data


def read_times(path, zone=""):
    """{who, in small letters: time} from a CSV: a column that names the student or the file, and one with the time.

    Moodle's grading worksheet has both. Times without a zone are in `zone`, such as "Europe/Berlin".
    """
    try:
        zone = ZoneInfo(zone) if zone else None
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ClassError(f"{zone!r} is no time zone; an example is Europe/Berlin") from error
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ClassError(f"{path} cannot be read as CSV in UTF-8: {error}") from error
    columns = {str(one).strip().casefold(): one for one in (rows[0] if rows else {})}
    who, when = [columns[one] for one in WHO if one in columns], [columns[one] for one in WHEN if one in columns]
    if not who or not when:
        raise ClassError(f"{path} has the columns {', '.join(columns) or 'none'}; one of {', '.join(WHO)} and one of "
                         f"{', '.join(WHEN)} are needed")
    found = {}
    for number, row in enumerate(rows, start=2):
        text = (row[when[0]] or "").strip()
        if text and text != "-":
            time = _time(text, zone, f"{path}, line {number}")
            found |= {row[one].strip().casefold(): time for one in who if row[one]}
    return found


def _time(text, zone, where):
    try:
        time = datetime.fromisoformat(text.replace(" UTC", "+00:00"))
    except ValueError:
        try:
            time = datetime.strptime(text, MOODLE_TIME)
        except ValueError as error:
            raise ClassError(f"{where}: {text!r} is no time. Write 2027-03-01T23:59:00+01:00") from error
    if time.tzinfo is None:
        if zone is None:
            raise ClassError(f"{where}: {text!r} has no time zone. Add it, or say --zone Europe/Berlin")
        time = time.replace(tzinfo=zone)
    return time.astimezone(UTC)


def collect(folder, chapter, source, times=None):
    """Take the submissions of a chapter from a folder or ZIP. Returns a list of `Row`, one for each file."""
    folder.released(chapter)
    people, rows, mine = folder.people(), [], defaultdict(list)
    found = entries(source)
    top = wrappers([one.parts for one in found if _is_notebook(one.name)], chapter)
    doubles = _doubles(found, top, chapter)
    for entry in found:
        who = whose(entry.parts[top:], chapter) if len(entry.parts) > top else None
        if who is None and not _is_notebook(entry.name):
            continue
        if who is None:
            rows.append(Row("", "", entry.name, "left out: no student in its name"))
        elif other := _other_chapter(who.rest, chapter):
            rows.append(Row("", who.name, entry.name, f"left out: it is of {other}"))
        elif who.lms == "file" and not _is_notebook(who.rest):
            continue  # a list of times or marks beside the notebooks
        else:
            student = _identify(people, who, chapter, doubles)
            mine[student].append((who, entry))
    folder.save_people(people)
    read = 0
    for student, files in tqdm(sorted(mine.items()), desc="collect", unit="student", disable=None, leave=False):
        taken, size = _take(folder, chapter, student, people[student]["name"], files, times or {})
        rows += taken
        read += size
        if read > TOTAL:
            raise ClassError(f"{source} holds more than {TOTAL // 2**30} GiB of notebooks; what was read is kept. "
                             "Is it the right file?")
    if not mine:
        raise ClassError(f"no submission of {chapter} was found in {source}; it holds "
                         f"{', '.join(one.name for one in found[:3]) or 'nothing'}")
    return rows


def _is_notebook(name):
    return name.casefold().endswith(".ipynb")


def _doubles(found, top, chapter):
    """Names in Moodle's download that two people bear."""
    numbers = defaultdict(set)
    for entry in found:
        who = whose(entry.parts[top:], chapter) if len(entry.parts) > top else None
        if who and who.lms == "Moodle":
            numbers[who.key].add(who.number)
    return {key for key, one in numbers.items() if len(one) > 1}


def _other_chapter(rest, chapter):
    if chapter in rest:
        return ""
    return next((path.stem for path in chapters() if path.stem in rest), "")


def _identify(people, who, chapter, doubles):
    """The id of a person; new people are added to `people`."""
    key = f"{who.key}#{chapter}/{who.number}" if who.key in doubles else who.key
    student = next((one for one, known in people.items() if known["key"] == key), None)
    if student is None:
        named = f"{who.name}-{who.number}" if who.lms == "Canvas" or key != who.key else who.name
        student = safe_id(named, key)
        if student in people or student == chapter:  # another person with the same letters
            student = safe_id(f"{student[:40]}-{hashlib.sha256(key.encode()).hexdigest()[:8]}")
        people[student] = {"name": who.name, "key": key, "lms": who.lms, "numbers": {}}
    if who.number:
        people[student]["numbers"][chapter] = who.number
    return student


def _take(folder, chapter, student, name, files, times):
    """Take the files of one student: the newest becomes the submission, the others lie beside it."""
    rows, good, target = [], [], folder.submitted(chapter, student)
    for who, entry in files:
        time = who.time or next((times[one] for one in _called(student, name, who, entry) if one in times), None)
        problem = entry.problem
        if not problem and not _is_notebook(who.rest):
            problem = "not a notebook (.ipynb)"
        if not problem:
            try:
                good.append((who, entry, time, entry.read()))
                continue
            except Exception as error:  # a damaged ZIP raises many kinds
                problem = str(error)[:100] or type(error).__name__
        rows.append(Row(student, name, entry.name, f"refused: {problem}"))
    note = folder.collected(chapter, student)
    never = datetime.min.replace(tzinfo=UTC)
    for who, entry, time, data in sorted(good, key=lambda one: (one[2] or never, one[0].order)):
        note, what = _place(target, chapter, note, who, entry, time, data)
        if who.name != name:
            what += f"; look at it: known as {name}, this one says {who.name}"
        rows.append(Row(student, name, entry.name, what, _when(note if note["source"] == entry.name else {}, who)))
    if good:
        write_json(target / "collected.json", note)
        result = folder.result(chapter, student)
        if result and result["sha256"] is None:  # of an earlier collect, when there was no notebook
            (folder.results(chapter) / f"{student}.json").unlink()
    elif not note and rows:
        _write_invalid(folder, chapter, student, rows)
    return rows, sum(len(one[3]) for one in good)


def _called(student, name, who, entry):
    return [one.casefold() for one in (entry.name, entry.parts[-1], student, who.number, f"participant {who.number}",
                                       name) if one]


def _place(target, chapter, note, who, entry, time, data):
    """Put bytes where they belong. Returns the new note and a word for the table."""
    digest = hashlib.sha256(data).hexdigest()
    new = {"source": entry.name, "lms": who.lms, "late": who.late, "time": time and time.isoformat(),
           "sha256": digest, "order": list(who.order), "collected": datetime.now(UTC).isoformat(timespec="seconds")}
    path, earlier = target / f"{chapter}.ipynb", target / "earlier"
    if not note:
        write(path, data)
        return new | {"attempts": 1}, "new"
    if digest == note["sha256"]:
        known = {key: value for key, value in new.items() if value or key not in note}
        return note | known | {"time": new["time"] or note["time"]}, "the same as before"
    if (earlier / f"{digest[:16]}.ipynb").exists():
        return note, "an earlier one, kept before"
    attempts = {"attempts": note["attempts"] + 1}
    if _older(new, note):
        write(earlier / f"{digest[:16]}.ipynb", data)
        return note | attempts, "older: kept beside"
    write(earlier / f"{note['sha256'][:16]}.ipynb", path.read_bytes())
    write(path, data)
    return new | attempts, "newer: the one before is kept beside"


def _older(new, note):
    if new["time"] and note["time"]:
        return new["time"] < note["time"]
    return new["lms"] == note["lms"] and new["order"] < note["order"]


def _when(note, who):
    if note.get("time"):
        return note["time"][:16].replace("T", " ") + " UTC"
    return "LATE, no time" if who.late else ""


def _write_invalid(folder, chapter, student, rows):
    """A result for a student of whom nothing can be graded, so that there is a page that says why."""
    tasks = [{"name": one["name"], "points": None if one["by_hand"] else 0, "of": one["points"], "passed": False,
              "by_hand": one["by_hand"], "sentence": "Not graded.", "hint": "", "mistakes": []}
             for one in folder.released(chapter)["tasks"]]
    said = "; ".join(f"{PurePosixPath(row.file).name[:80]}: {row.what.removeprefix('refused: ')}" for row in rows[:5])
    write_json(folder.results(chapter) / f"{student}.json", {
        "student": student, "chapter": chapter, "status": "invalid", "reason": f"No notebook could be taken. {said}.",
        "tasks": tasks, "attempt": 0, "sha256": None, "seconds": 0.0,
        "graded": datetime.now(UTC).isoformat(timespec="seconds")})

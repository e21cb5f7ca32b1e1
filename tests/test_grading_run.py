"""How a batch runs: it goes on after SIGKILL, refuses where it is not fair, and reads cells as people leave them."""

import contextlib
import gc
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from waiting import waited_for

from exercises.grading import batch, sandbox, submission, zygote
from exercises.grading.judge import Judge

ROOT = Path(__file__).resolve().parents[1]
CHAPTER, SEED = "03_elbo", "another secret of a class"


@pytest.fixture(scope="module")
def judge():
    """One judge for all batches of this file: what it takes to import torch is paid once."""
    with Judge(CHAPTER, SEED) as one, pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "Judge", lambda chapter, seed: contextlib.nullcontext(one))
        yield one


@pytest.fixture(scope="module")
def edition(judge):
    return judge.ask("about"), json.loads(judge.ask("reference"))


def handed_in(folder, books):
    for student, book in books.items():
        place = folder / "submitted" / CHAPTER / student
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{CHAPTER}.ipynb").write_text(json.dumps(book))


def code(source, **more):
    return {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": source, **more}


def bare(result):
    """A result without what two runs may differ in."""
    return {key: value for key, value in result.items() if key not in ("seconds", "graded")}


# ------------------------------------------------------------------------------------------- reading

def edition_of(*tasks):
    cells = [{"id": "03-sheet", "grade_id": "", "task": "", "part": "sheet", "source": "sheet = 0"}]
    for task in tasks:
        parts = {"given": "import torch", "answer": f"def {task}(): ...", "check": f"sheet.check('{task}')"}
        for part, source in parts.items():
            cells.append({"id": f"03-{task}-{part}", "grade_id": f"{task}-{part}", "task": task, "part": part,
                          "source": source})
    return {"chapter": "03_elbo", "answers": {task: task for task in tasks}, "cells": cells}


def planned(*cells, tasks=("kl", "gap")):
    found = [(number, cell.get("id", ""), "", cell["source"]) for number, cell in enumerate(cells, 1)]
    return [(step.source, step.task) for step in submission.plan(found, edition_of(*tasks))]


KL, GIVEN = {"source": "def kl(): return 1"}, "import torch"


@pytest.mark.parametrize(("cells", "expected"), [
    ([KL], [(GIVEN, ""), (KL["source"], "kl")]),
    ([{**KL, "id": "03-kl-answer"}], [(GIVEN, ""), (KL["source"], "kl")]),
    ([{"source": "x = 1"}, KL, KL], [("x = 1", ""), (GIVEN, ""), (KL["source"], "kl"), (KL["source"], "kl")]),
    ([{**KL, "id": "03-kl-check"}], [(GIVEN, ""), (KL["source"], "kl")]),  # an id that moved
    ([{"source": "helper = 1", "id": "03-gap-check"}, KL], [("helper = 1", ""), (GIVEN, ""), (KL["source"], "kl")]),
    ([{"source": "import evil", "id": "03-kl-given"}, KL], [(GIVEN, ""), (KL["source"], "kl")]),  # edited: ours
    ([{"source": "sheet.check = 1", "id": "03-kl-check"}, KL], [(GIVEN, ""), (KL["source"], "kl")]),
    ([{"source": GIVEN}, KL, {"source": GIVEN}, {"source": "gap = 2"}],
     [(GIVEN, ""), (KL["source"], "kl"), (GIVEN, ""), ("gap = 2", "gap")]),
    ([{"source": "%time y = 1\nkl = lambda: 1"}], [(GIVEN, ""), ("%time y = 1\nkl = lambda: 1", "kl")]),
    ([{"source": "def kl(:"}], [(GIVEN, ""), ("def kl(:", "kl")]),
])
def test_the_learners_cells_are_found_whatever_became_of_ids(cells, expected):
    assert planned(*cells) == [("sheet = 0", ""), *expected]


def test_bytes_become_cells_or_a_sentence(tmp_path):
    julia = {"cells": [], "metadata": {"kernelspec": {"language": "julia"}}}
    for data, said in ((b"{", "not valid JSON"), (b"PK\x03\x04", "archive"), (b"[]", "not a notebook"),
                       (b"[" * 10 ** 5, "deeper"), (b'{"cells":[' + b"1," * (2 * 10 ** 6) + b"1]}", "far more parts"),
                       (json.dumps(julia).encode(), "julia")):
        with pytest.raises(submission.Invalid, match=said):
            submission.cells(data)
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").symlink_to("a")
    os.link(tmp_path / "a", tmp_path / "c")
    for name, said in (("b", "link"), ("a", "second name"), ("none", "no file")):
        with pytest.raises(submission.Invalid, match=said):
            submission.read(tmp_path, name)


# ------------------------------------------------------------------------------------------- running

DRIVER = """
import sys
from pathlib import Path
from exercises.grading import batch
batch.grade(Path(sys.argv[1]), sys.argv[2], sys.argv[3], jobs=2, progress=False)
"""


def test_a_batch_killed_at_any_moment_goes_on_and_grades_nothing_twice(edition, tmp_path):
    _, reference = edition
    books = {f"student {k}": {**reference, "cells": [code(f"x = {k}"), *reference["cells"]]} for k in range(24)}
    books["wrong"] = {**reference, "cells": []}
    for folder in ("whole", "killed"):
        handed_in(tmp_path / folder, books)
    whole = batch.grade(tmp_path / "whole", CHAPTER, SEED, progress=False)
    results = tmp_path / "killed" / "results" / CHAPTER
    command = [sys.executable, "-c", DRIVER, str(tmp_path / "killed"), CHAPTER, SEED]
    draw, written = random.Random(0), {}
    for more in (1, 3):
        process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True)
        enough = len(written) + more
        waited_for(f"{more} results", lambda process=process, enough=enough: process.poll() is not None
                   or len(list(results.glob("*.json"))) >= enough, 300)
        time.sleep(draw.random() * 0.2)
        sandbox.put_down(process, "the grader")
        now = {path.name: path.read_bytes() for path in results.glob("*.json")}
        assert all(json.loads(data)["status"] in ("graded", "invalid") for data in now.values())  # each is whole
        assert {name: now[name] for name in written} == written  # nothing lost, nothing graded again
        written = now
    assert 0 < len(written) < len(books)
    again = batch.grade(tmp_path / "killed", CHAPTER, SEED, progress=False)
    assert {path.name: path.read_bytes() for path in results.glob("*.json") if path.name in written} == written
    assert {name: bare(result) for name, result in again.items()} == {name: bare(one) for name, one in whole.items()}
    assert not list(results.glob(".*.partial")) and not (results / ".environment").exists()
    times = {name: result["graded"] for name, result in again.items()}
    batch.grade(tmp_path / "killed", CHAPTER, SEED, progress=False)  # nothing is left to do
    assert {name: result["graded"] for name, result in again.items()} == times


def test_a_changed_submission_and_force_grade_again_with_other_inputs(edition, tmp_path):
    _, reference = edition
    handed_in(tmp_path, {"ann": {**reference, "cells": reference["cells"][:2]}, "bob": reference})
    first = dict(batch.grade(tmp_path, CHAPTER, SEED, progress=False))
    assert first["ann"]["status"] == "invalid" and first["ann"]["attempt"] == 0
    handed_in(tmp_path, {"ann": reference})
    second = dict(batch.grade(tmp_path, CHAPTER, SEED, progress=False))
    assert second["ann"]["status"] == "graded" and second["ann"]["attempt"] == 1
    assert second["bob"] == first["bob"]
    open_tasks = [task for task in second["ann"]["tasks"] if task["by_hand"]]
    assert open_tasks and all(task["points"] is None for task in open_tasks)
    assert all(task["points"] == task["of"] for task in second["ann"]["tasks"] if not task["by_hand"])


def test_without_nested_namespaces_it_is_slower_and_as_safe(edition, tmp_path):
    """The way of machines that forbid namespaces within namespaces: a sandbox and a Python for each."""
    _, reference = edition
    spy = ("import os\nopen('/tmp/left', 'w')\ntry: os.kill(-1, 9)\nexcept OSError: pass\n"
           f"raise RuntimeError('REPORT ' + str(os.path.exists({str(tmp_path / 'submitted')!r})))")
    handed_in(tmp_path, {"spy": {**reference, "cells": [code(spy), *reference["cells"]]}, "zoe": reference})
    found = batch.grade(tmp_path, CHAPTER, SEED, jobs=1, progress=False, nested=False)
    assert found["zoe"]["status"] == "graded" and all(task["passed"] in (True, None) for task in found["zoe"]["tasks"])
    assert found["spy"]["status"] == "crashed" and "REPORT True" not in found["spy"]["reason"], found["spy"]["reason"]


BUSY = "import time, os\nos.sched_setaffinity(0, {int(os.environ['CPU'])})\nprint(flush=True)\nwhile True: pass"
WORK = "import time\nwhile time.process_time() - start < 1: pass"


@pytest.mark.parametrize(("stretch", "status"), [(6, "graded"), (1, "timed out")])
def test_what_others_take_of_the_processor_does_not_count(edition, tmp_path, monkeypatch, stretch, status):
    """A cell with a second of work, a limit of two seconds, and a processor that four other programs keep busy.

    Each in a session of its own: Linux may share a processor out by sessions.
    """
    about, reference = edition
    cells = [cell for cell in reference["cells"] if cell["id"].startswith(f"{CHAPTER[:2]}-read-the-plane")]
    handed_in(tmp_path, {"ann": {**reference, "cells": [code("import time\nstart = time.process_time()"), code(WORK),
                                                        *cells]}})
    ask, cpu = Judge.ask, sorted(os.sched_getaffinity(0))[0]
    task = next(task for task in about["tasks"] if task["name"] == "read_the_plane")
    monkeypatch.setattr(Judge, "ask", lambda self, what, **words: {**about, "tasks": [task]} if what == "about"
                        else json.dumps({**reference, "cells": cells}) if what == "reference"
                        else ask(self, what, **words))
    monkeypatch.setattr(batch, "STRETCH", stretch)
    run, others = batch.Grader.run, []

    def among_others(self, data, attempt=0, _=None):
        if b"process_time" in data:
            others.extend(subprocess.Popen([sys.executable, "-c", BUSY], env={**os.environ, "CPU": str(cpu)},
                                           start_new_session=True) for _ in range(4))
        return run(self, data, attempt, cpu)

    monkeypatch.setattr(batch.Grader, "run", among_others)
    try:
        found = batch.grade(tmp_path, CHAPTER, SEED, progress=False, times={"cell": 2.0})["ann"]
    finally:
        for one in others:
            sandbox.put_down(one, "a busy program")
    assert found["status"] == status, found["reason"]


def test_a_closed_umask_keeps_no_one_from_the_graded_library(tmp_path):
    before = os.umask(0o077)
    try:
        (tmp_path / "a" / "b").mkdir(parents=True)
        (tmp_path / "a" / "b" / "c.py").touch()
    finally:
        os.umask(before)
    batch._readable(tmp_path / "a")
    assert oct((tmp_path / "a" / "b").stat().st_mode & 0o777) == "0o755"
    assert oct((tmp_path / "a" / "b" / "c.py").stat().st_mode & 0o777) == "0o644"


def test_two_runs_do_not_meet(tmp_path):
    handed_in(tmp_path, {"ann": {}})
    where = batch.paths(tmp_path, CHAPTER)
    where.results.mkdir(parents=True)
    with batch._alone(where.results), pytest.raises(batch.Busy, match=f"process {os.getpid()} is grading"):
        batch.grade(tmp_path, CHAPTER, SEED, progress=False)


def test_it_refuses_without_bubblewrap_and_says_what_to_install(tmp_path, monkeypatch):
    handed_in(tmp_path, {"ann": {}})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(sandbox.NoSandbox, match="apt-get install bubblewrap"):
        batch.grade(tmp_path, CHAPTER, SEED, progress=False)
    assert not (tmp_path / "results").exists()


def test_it_refuses_where_a_path_that_must_be_hidden_can_be_seen(tmp_path):
    library = tmp_path / "environment" / "vae_lib"
    shutil.copytree(ROOT / "vae_lib" / "exercises", library / "exercises")
    (library / "__init__.py").touch()
    batch._readable(tmp_path / "environment")
    seen = pytest.raises(sandbox.NoSandbox, match="one can see /usr/bin/env")
    with seen, sandbox.Sandbox(tmp_path / "environment", ["/usr/bin/env"]):
        pass


class Refusing:
    """A judge that refuses one task of the reference."""

    def __init__(self, judge, task):
        self.judge, self.task = judge, task

    def ask(self, what, **words):
        found = self.judge.ask(what, **words)
        if what == "verdict" and words["task"] == self.task:
            return found | {"passed": False, "points": 0, "sentence": "Off by 3."}
        return found


def test_it_refuses_where_the_reference_does_not_get_full_marks(edition, tmp_path, monkeypatch):
    handed_in(tmp_path, {"ann": edition[1]})
    task = next(task["name"] for task in edition[0]["tasks"] if not task["by_hand"])
    whole = batch.Grader.__init__

    def refusing(self, judge, *args):
        whole(self, Refusing(judge, task), *args)

    monkeypatch.setattr(batch.Grader, "__init__", refusing)
    with pytest.raises(batch.ReferenceFails, match=f"the reference answer to {task} gets 0 of .* Off by 3"):
        batch.grade(tmp_path, CHAPTER, SEED, progress=False)
    assert not list((tmp_path / "results" / CHAPTER).glob("*.json"))


def test_unknown_students_and_missing_submissions_are_named(tmp_path):
    with pytest.raises(ValueError, match="collect the submissions of 03_elbo first"):
        batch.grade(tmp_path, CHAPTER, SEED)
    handed_in(tmp_path, {"ann": {}})
    with pytest.raises(ValueError, match="nothing was collected of eve"):
        batch.grade(tmp_path, CHAPTER, SEED, students=["eve"])


def test_the_filter_of_calls_names_each_call_for_both_processors():
    numbers = [zygote.DENIED[name] for name in zygote.DENIED]
    for column in (0, 1):
        assert len({pair[column] for pair in numbers}) == len(numbers)


def test_cells_are_parsed_one_at_a_time():
    """Where Python collects garbage inside a parse, another thread may run; a parse there spoils the first one's."""
    source = "x = [" + ",".join(f"f(a{k}, b={k})" for k in range(400)) + "]"
    began, done = threading.Event(), threading.Event()

    class Garbage:
        def __init__(self):
            self.itself = self

        def __del__(self):
            began.set()
            done.wait(0.3)

    def other():
        began.wait(5)
        submission._defined(source)
        done.set()

    thread, before = threading.Thread(target=other), gc.get_threshold()
    thread.start()
    gc.collect()
    try:
        Garbage()
        gc.set_threshold(1500)
        assert submission._defined(source) == ["x"]
    finally:
        gc.set_threshold(*before)
        thread.join()
    assert began.is_set() and done.is_set()

"""A class of a thousand takes no more memory than a class of ten, and the same measure finds a leak that is planted.

A thousand real submissions take a quarter of an hour. So what is measured here is growth: of a batch with the real
judge, sandbox and zygote, each submission with one quick task; and of the steps around it, over rows of the gradebook.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import release
from waiting import waited_for

from exercises.grading.folder import ClassFolder, write_json
from exercises.grading.judge import Judge
from exercises.grading.sandbox import put_down

ROOT = Path(__file__).resolve().parents[1]
CHAPTER, SEED, TASK = "03_elbo", "a secret of a large class", "rate_of_bits"
CLEAN, LEAKING, LEAK = 100, 25, 300  # submissions; those graded while a leak is planted; its KiB for each
MOST = 20  # KiB for each submission: a thousand take 20 MiB more than ten, which is under one per cent of the peak

# Grades one task of each; from the file "leak" on, the grader keeps some memory for every submission.
DRIVER = """
import sys
from pathlib import Path
from exercises.grading import batch

folder, chapter, seed, task, leak, size = Path(sys.argv[1]), *sys.argv[2:7]
kept, write = [], batch._write

class OneTask(batch.Judge):
    def ask(self, what, **words):
        found = super().ask(what, **words)
        if what == "about":
            found["tasks"] = [one for one in found["tasks"] if one["name"] == task]
        return found

def leaking(path, result):
    if int(path.stem) >= int(leak):
        kept.append(b"x" * 1024 * int(size))
    write(path, result)

batch.Judge, batch._write = OneTask, leaking
batch.grade(folder, chapter, seed, progress=False)
"""


def numbers(pid):
    """The lines of /proc/PID/status that are numbers, in KiB where they are memory; nothing for one that has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    found = (line.partition(":") for line in lines)
    return {key: int(value.split()[0]) for key, _, value in found if value.split() and value.split()[0].isdigit()}


def family(pid):
    """A process and all below it."""
    children = {}
    for path in Path("/proc").glob("[0-9]*"):
        children.setdefault(numbers(path.name).get("PPid"), []).append(int(path.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def handed_in(folder, count):
    """So many submissions of one task, no two alike."""
    with Judge(CHAPTER, SEED) as judge:
        book = json.loads(judge.ask("reference"))
    stem = f"{CHAPTER[:2]}-{TASK.replace('_', '-')}-"
    cells = [cell for cell in book["cells"] if cell["id"].startswith(stem)]
    for k in range(count):
        place = folder / "submitted" / CHAPTER / f"{k:04}"
        place.mkdir(parents=True)
        mine = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": f"mine = {k}"}
        (place / f"{CHAPTER}.ipynb").write_text(json.dumps({**book, "cells": [mine, *cells]}))


def test_a_batch_needs_no_more_memory_for_many_than_for_ten(tmp_path):
    """Of the grader, the judge, the zygote and the learners: the peak of each, and how many there are at a time. Then,
    that a leak would be seen.
    """
    handed_in(tmp_path, CLEAN + LEAKING)
    process = subprocess.Popen([sys.executable, "-c", DRIVER, tmp_path, CHAPTER, SEED, TASK, str(CLEAN), str(LEAK)],
                               env=os.environ | {"PYTHONPATH": str(ROOT)})
    seen = []  # (results so far, {pid: its memory}, open descriptors of the grader)

    def over():
        one = {pid: memory for pid in family(process.pid) if (memory := numbers(pid)).get("VmHWM")}
        seen.append((len(list(tmp_path.glob(f"results/{CHAPTER}/*.json"))), one,
                     len(list(Path(f"/proc/{process.pid}/fd").glob("*")))))
        time.sleep(0.03)
        return process.poll() is not None

    try:
        waited_for(f"{CLEAN + LEAKING} results", over, 600)
    finally:
        put_down(process, "the grader")
    assert process.returncode == 0
    results = [json.loads(path.read_text()) for path in tmp_path.glob(f"results/{CHAPTER}/*.json")]
    assert len(results) == CLEAN + LEAKING and all(one["tasks"][0]["passed"] for one in results)

    first, last = ([one for one in seen if low <= one[0] < high] for low, high in ((10, 20), (CLEAN - 10, CLEAN)))
    stay = set.intersection(*(set(one[1]) for one in first + last))  # grader, judge, zygote, bubblewrap
    assert len(stay) >= 3
    growth = {pid: (max(one[1][pid]["VmHWM"] for one in last) - min(one[1][pid]["VmHWM"] for one in first))
              / (CLEAN - 10) for pid in stay}
    assert max(growth.values()) <= MOST, growth
    # a learner is at its peak for milliseconds: of ten, perhaps none is seen there, and of fifty some are
    halves = ([one for one in seen if low <= one[0] < high] for low, high in ((0, CLEAN // 2), (CLEAN // 2, CLEAN)))
    learner = [max((memory["VmHWM"] for one in part for pid, memory in one[1].items() if pid not in stay), default=0)
               for part in halves]
    assert min(learner) > 0, "no learner was seen"
    assert learner[1] <= learner[0] + MOST * CLEAN, "a late submission takes more than an early one"
    for what, count in (("processes", lambda one: len(one[1])), ("descriptors", lambda one: one[2])):
        assert min(map(count, last)) <= min(map(count, first)) + 2, f"{what} are left"

    leaking = [one[1][process.pid]["VmHWM"] for one in seen if CLEAN + 5 <= one[0] < CLEAN + LEAKING]
    assert (leaking[-1] - leaking[0]) / (LEAKING - 6) > 5 * MOST, "the measure does not see a leak"
    print(f"KiB for each submission: {', '.join(f'{one:.2f}' for one in sorted(growth.values())[-3:])}; "
          f"peaks, MiB: {sorted(max(one[1][pid]['VmHWM'] for one in last) // 1024 for pid in stay)}, "
          f"a learner {learner[1] // 1024}")


FEW, MANY = 10, 130
# Does each step for the small class and for the large one, each in a fresh fork, so that none finds another's memory.
STEPS = """
import os, sys
from pathlib import Path
from exercises.grading import answers, collect, export, feedback, formgrader, gradebook, stats
from exercises.grading.folder import ClassFolder

def peak(name, step, folder):
    if os.fork() == 0:
        step(folder)
        lines = Path("/proc/self/status").read_text().splitlines()
        print(name, next(line.split()[1] for line in lines if line.startswith("VmHWM")), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0, name

chapter, few, many = sys.argv[1], *map(ClassFolder, sys.argv[2:4])
for name, step in {
        "collect": lambda folder: collect.collect(folder, chapter, folder.path / "download"),
        "gradebook": lambda folder: gradebook.fill(folder, chapter, progress=False),
        "mark": lambda folder: gradebook.mark(folder, chapter, [("s0002", "which_is_better", 2, "Good.")]),
        "answers": lambda folder: answers.sheet(folder, chapter),
        "formgrader": lambda folder: formgrader.course(folder, chapter),
        "feedback": lambda folder: feedback.feedback(folder, chapter, "", progress=False),
        "export": lambda folder: export.write_table(folder, chapter, "generic", partial=True),
        "stats": lambda folder: stats.as_table(stats.statistics(folder, chapter))}.items():
    peak(name, step, few)
    peak(name, step, many)
"""


def a_class(path, edition, count):
    """A class whose submissions lie in its folder `download`, with results as the grader writes them."""
    folder, chapter = ClassFolder.create(path), "05_first_vae"
    for part in ("student", "teacher"):
        shutil.copytree(edition / part, folder.release(chapter, part))
    book = json.loads((folder.release(chapter, "student") / f"{chapter}.ipynb").read_text())
    answer = next(cell for cell in book["cells"] if cell["id"].endswith("which-is-better-answer"))
    for k in range(count):
        place = path / "download" / f"s{k:04}"
        place.mkdir(parents=True)
        mine = {**answer, "source": f"{k} words " * 2000}
        (place / f"{chapter}.ipynb").write_text(json.dumps({**book, "cells": [mine]}))
        tasks = [{"name": one["name"], "of": one["points"], "by_hand": one["by_hand"], "passed": not one["by_hand"],
                  "points": None if one["by_hand"] else one["points"], "sentence": f"Right {k}. " * 30,
                  "hint": f"Read on {k}. " * 30, "mistakes": []} for one in folder.released(chapter)["tasks"]]
        write_json(folder.results(chapter) / f"s{k:04}.json", {
            "student": f"s{k:04}", "chapter": chapter, "status": "graded", "reason": "All cells ran.", "tasks": tasks,
            "attempt": 0, "sha256": "0" * 64, "seconds": 1.5, "graded": "2027-03-02T08:00:00+00:00"})
    return folder


def test_the_steps_around_it_need_no_more_memory_for_many_rows(tmp_path):
    release.main("05_first_vae", "a secret of a large class", tmp_path / "edition")
    few, many = (a_class(tmp_path / str(count), tmp_path / "edition", count) for count in (FEW, MANY))
    done = subprocess.run([sys.executable, "-c", STEPS, "05_first_vae", few.path, many.path], text=True, check=False,
                          capture_output=True, timeout=600, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line.split() for line in done.stdout.splitlines() if not line.startswith("edition")]
    growth = {name: round((int(large) - int(small)) / (MANY - FEW), 2)
              for (name, small), (_, large) in zip(lines[::2], lines[1::2])}
    print(f"KiB for each row: {growth}; peak of `{lines[-1][0]}`, MiB: {int(lines[-1][1]) // 1024}")
    assert len(growth) == 8
    assert {name: one for name, one in growth.items() if one > MOST} == {}

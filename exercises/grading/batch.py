"""Grade a class: each submission in the sandbox, what comes out of it judged outside, one result file each.

A submission's cells run first, in their order, as far as each of them goes. Then come the hidden cells, one by one and
each with a word of its own (a nonce) that nobody knew before; the data that each sends is judged by `judge.py`.
The learner's process never holds an answer, so whatever it changes in itself earns nothing.

A cell that ends the process or cannot be stopped is left out and the rest is run once more, so that one bad
cell costs one task. Whoever sends data that nobody asked for is not asked again.
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

from tqdm import tqdm

from exercises.grading.judge import NO_ANSWER, ROOT, Judge, JudgeEnded
from exercises.grading.sandbox import Closed, Garbled, NoSandbox, Sandbox, Silent
from exercises.grading.submission import Invalid, cells, digest, plan, read

__all__ = ["TIMES", "Busy", "Grader", "ReferenceFails", "Results", "grade", "paths"]

TIMES = {"submission": 60.0, "cell": 15.0, "hidden": 25.0, "grace": 1.5}  # seconds
STRETCH = 4  # a limit is over at this multiple of it at the latest: seconds that others took are given back until then
RUNS = 3  # of one submission: two cells may be left out
RESTARTS = 2  # of the sandbox for one submission
UNASKED = "The notebook sent data that nobody asked for, so it was not asked any further."


class Busy(RuntimeError):
    """Another run grades the same chapter of the same class."""


class ReferenceFails(RuntimeError):
    """The reference answers do not get full marks in this sandbox, so no submission was graded."""


class _Ended(Exception):
    """A step did not come back: `kind` is "timed out" or "crashed", `why` says more."""

    def __init__(self, kind, why):
        super().__init__(why)
        self.kind, self.why = kind, why


class _Stopped(Exception):
    """The whole run was interrupted."""


class _Unasked(Exception):
    """The submission sent something that nobody asked for."""


def paths(folder, chapter):
    """Where a class keeps what this file reads and writes."""
    folder = Path(folder)
    return SimpleNamespace(folder=folder, submitted=folder / "submitted" / chapter,
                           results=folder / "results" / chapter)


class Results(Mapping):
    """{student: result} as the files hold it; each is read when it is asked for, so that a large class fits."""

    def __init__(self, folder, students):
        self._folder, self._students = folder, list(students)

    def __getitem__(self, student):
        found = stored(self._folder, student)
        if found is None:
            raise KeyError(student)
        return found

    def __iter__(self):
        return iter(self._students)

    def __len__(self):
        return len(self._students)


def grade(folder, chapter, seed, jobs=2, students=None, force=False, progress=True, times=None, limits=None,
          nested=True):
    """Grade what was handed in for a chapter and has no result yet. Go on after a stop by calling it again.

    folder: of the class. seed: its secret. jobs: submissions at a time. students: names, or all. force: also those
    that have a result. times, limits: changes to `TIMES` and `sandbox.LIMITS`.
    Returns
        {student: result}, read from the files when asked for.
    Raises
        NoSandbox: bubblewrap is missing or does not start here.
        ReferenceFails: the masters' own solutions do not get full marks here.
        Busy: another run is at it.
        ValueError: there is no such student, or nothing was collected.
    """
    where = paths(folder, chapter)
    if not where.submitted.is_dir():
        raise ValueError(f"there is no folder {where.submitted}: collect the submissions of {chapter} first")
    there = sorted(one.name for one in os.scandir(where.submitted)
                   if not one.name.startswith(".") and (one.is_symlink() or one.is_dir()))
    if students is not None and (unknown := set(students) - set(there)):
        raise ValueError(f"nothing was collected of {sorted(unknown)[0]} for {chapter}: the folder is "
                         f"{where.submitted}")
    chosen = there if students is None else sorted(set(students))
    Sandbox.available()
    where.results.mkdir(parents=True, exist_ok=True)
    with _alone(where.results), Judge(chapter, seed) as judge:
        for left in where.results.glob(".*.partial"):
            left.unlink()
        about = judge.ask("about")
        waiting = [one for one in chosen if force or not _done(where, chapter, one, about["edition"])]
        if waiting:
            environment = where.results / ".environment"
            try:
                judge.ask("prune", target=str(environment / "vae_lib"))
                _readable(environment)
                hidden = [ROOT / "exercises", ROOT / "tools", ROOT / "vae_lib", where.folder]
                with Sandbox(environment, hidden, limits, nested) as sandbox:
                    grader = Grader(judge, about, sandbox, times)
                    grader.check_reference()
                    _each(grader, where, chapter, waiting, jobs, progress)
            finally:
                shutil.rmtree(environment, ignore_errors=True)
    return Results(where.results, chosen)


def _readable(folder):
    """Let every user read a folder: it holds no secret, and the sandbox runs as a user of its own."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))


def stored(results, student):
    """The result of a student, or `None`."""
    try:
        found = json.loads(result_path(results, student).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def result_path(results, student):
    """The file of a student's result."""
    return Path(results, f"{student}.json")


def _done(where, chapter, student, edition):
    found = stored(where.results, student)
    if found is None or found.get("edition") != edition:
        return False
    return found.get("sha256") == _submitted(where, chapter, student)[1]


def _submitted(where, chapter, student):
    """(bytes, SHA-256, "") of what a student handed in, or (None, "", why not)."""
    try:
        data = read(where.submitted / student, f"{chapter}.ipynb")
    except Invalid as problem:
        return None, "", str(problem)
    return data, digest(data), ""


@contextlib.contextmanager
def _alone(results):
    """Hold the lock of a chapter's results. The kernel lets go of it when the process ends, however it ends."""
    with open(results / ".lock", "a+") as file:  # noqa: PTH123
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise Busy(f"process {file.read().strip() or 'unknown'} is grading into {results}: wait for its end, or "
                       "stop it; what it has done is kept") from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _each(grader, where, chapter, students, jobs, progress):
    """Grade the students, `jobs` at a time, and write each result when it is there."""
    waiting, lock, failed, stop = iter(students), threading.Lock(), [], threading.Event()
    cpus = sorted(os.sched_getaffinity(0))

    def work(slot):
        cpu = cpus[slot] if len(cpus) >= jobs > 1 else None
        while not stop.is_set():
            with lock:
                student = next(waiting, None)
            if student is None:
                return
            try:
                before = stored(where.results, student)
                data, sha, why = _submitted(where, chapter, student)
                attempt = int(before.get("attempt", -1)) + 1 if before else 0
                found = grader.refused(why) if data is None else grader.run(data, attempt, cpu)
                _write(result_path(where.results, student), {
                    "student": student, "chapter": chapter, "edition": grader.about["edition"], **found,
                    "attempt": attempt, "sha256": sha, "graded": datetime.now(UTC).isoformat(timespec="seconds")})
                with lock:
                    bar.update()
            except Exception as error:
                failed.append(error)
                stop.set()

    with tqdm(total=len(students), desc=f"grading {chapter}", unit="submission", disable=not progress) as bar:
        threads = [threading.Thread(target=work, args=(slot,)) for slot in range(min(jobs, len(students)))]
        for one in threads:
            one.start()
        try:
            for one in threads:
                one.join()
        finally:
            stop.set()
            if any(one.is_alive() for one in threads):  # an interrupt: what runs is given up
                grader.close()
                for one in threads:
                    one.join()
    if failed:
        raise failed[0]


def _write(path, result):
    """Write a result so that a stop at any moment leaves the old one or the new one, whole."""
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    with open(partial, "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(result, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class Grader:
    """Runs submissions of one edition: `run(data)` gives status, reason, tasks and seconds."""

    def __init__(self, judge, about, sandbox, times=None):
        self.judge, self.about, self.sandbox = judge, about, sandbox
        self.times = {**TIMES, **(times or {})}
        self._lock, self._closed = threading.Lock(), False

    def close(self):
        """Give up what runs."""
        self._closed = True
        self.sandbox.stop()

    def check_reference(self):
        """Grade the masters' solutions here.

        Raises
            ReferenceFails: they do not get full marks.
        """
        found = self.run(self.judge.ask("reference").encode(), 0)
        for task in found["tasks"]:
            if not task["by_hand"] and not task["passed"]:
                raise ReferenceFails(
                    f"the reference answer to {task['name']} gets {task['points']} of {task['of']} points in this "
                    f"sandbox, so nothing was graded: {task['sentence']} ({found['status']}: {found['reason']}) Look "
                    "for a package that the Python of the grader lacks, or too little memory or time on this machine")

    def refused(self, why):
        """The result of what cannot be graded."""
        return self._result("invalid", why, {}, time.monotonic())

    def run(self, data, attempt=0, cpu=None):
        """Grade the bytes of one notebook: {"status", "reason", "tasks", "seconds"}."""
        began = time.monotonic()
        try:
            steps = plan(cells(data), self.about)
        except Invalid as problem:
            return self._result("invalid", str(problem), {}, began)
        except Exception as problem:  # a file that nobody thought of must not stop the class
            return self._result("invalid", f"This file cannot be read as a notebook ({type(problem).__name__}).", {},
                                began)
        for _ in range(RESTARTS):
            try:
                return _Run(self, steps, attempt, cpu, began).result()
            except NoSandbox:
                self._restart()
        return self._result("crashed", "The sandbox itself ended while this notebook ran, twice.", {}, began)

    def _restart(self):
        with self._lock:
            if self._closed:
                raise _Stopped
            if not self.sandbox.alive():
                self.sandbox.stop()
                self.sandbox.start()

    def _result(self, status, reason, verdicts, began):
        tasks = []
        for task in self.about["tasks"]:
            row = {"name": task["name"], "points": 0, "of": task["points"], "passed": False, "by_hand": task["by_hand"],
                   "sentence": "", "hint": "", "mistakes": []}
            if task["by_hand"]:
                row |= {"points": None, "passed": None, "sentence": "A person marks this answer."}
            else:
                row |= verdicts.get(task["name"], {"sentence": NO_ANSWER if status != "invalid" else reason})
            tasks.append(row | {"sentence": _clean(row["sentence"], 600), "hint": _clean(row["hint"], 2000)})
        return {"status": status, "reason": _clean(reason, 600), "tasks": tasks,
                "seconds": round(time.monotonic() - began, 2)}


class _Run:
    """One submission: its steps, what its tasks got so far, and what went wrong."""

    def __init__(self, grader, steps, attempt, cpu, began):
        self.grader, self.steps, self.attempt, self.cpu, self.began = grader, steps, attempt, cpu, began
        self.times, self.judge = grader.times, grader.judge
        self.left = self.times["submission"]  # seconds: those that the judge takes are not counted
        self.skipped, self.verdicts = set(), {}
        self.problems, self.errors = [], {}  # (kind, sentence); {label: error}

    def result(self):
        for _ in range(RUNS):
            try:
                with self.grader.sandbox.child(self.cpu) as child:
                    if self._through(child):
                        break
            except _Unasked:
                self.problems.append(("crashed", UNASKED))
                break
            if self.left <= 0:
                break
        kinds = {kind for kind, _ in self.problems}
        status = "crashed" if "crashed" in kinds else "timed out" if kinds else "graded"
        if self.left <= 0:
            self.problems.append(("timed out", f"It ran longer than {self.times['submission']:g} seconds in all."))
            status = "timed out" if status == "graded" else status
        said = [sentence for _, sentence in self.problems]
        if self.errors:
            (label, error), more = next(iter(self.errors.items())), len(self.errors) - 1
            also = f" (and {more} more)" if more else ""
            said.append(f"{label} stopped with an error{also}: {error}")
        reason = " ".join(said) or "All cells ran without an error."
        return self.grader._result(status, reason, self.verdicts, self.began)

    def _through(self, child):
        """Run what is still to be run; whether it came to the end."""
        for place, step in enumerate(self.steps):
            if place in self.skipped:
                continue
            try:
                reply = self._step(child, step.label, step.source, self.times["cell"])
            except _Ended as end:
                self.skipped.add(place)
                self.problems.append((end.kind, f"{_named(step)} {end.why}"))
                return False
            if reply is None:
                self.problems.append(("timed out", f"{_named(step)} ran longer than {self.times['cell']:g} seconds and "
                                                   "was stopped."))
                self.skipped.add(place)  # should there be another run
            elif step.learner and isinstance(reply.get("error"), str):
                self.errors.setdefault(_named(step), reply["error"])
        for task in self.grader.about["tasks"]:
            if not task["by_hand"] and task["name"] not in self.verdicts and not self._asked(child, task["name"]):
                return False
        return True

    def _asked(self, child, name):
        """Ask for one task by its hidden cell; whether the process lives on."""
        nonce = secrets.token_hex(16)
        code = self.judge.ask("hidden_cell", task=name, nonce=nonce, attempt=self.attempt)
        refused = {"passed": False, "points": 0}
        self.verdicts[name] = {**refused, "sentence": NO_ANSWER}
        try:
            reply = self._step(child, "<hidden>", code, self.times["hidden"])
        except _Ended as end:
            self.verdicts[name] = {**refused, "sentence": f"While this answer was tried, it {end.why}"}
            self.problems.append((end.kind, f"The answer to {name} {end.why}"))
            return False
        if reply is None:
            self.verdicts[name] = {**refused, "sentence": "This answer took too long."}
            return True
        shown = reply.get("shown")
        if child.unasked():
            raise _Unasked
        if isinstance(shown, list) and len(shown) == 1:
            with contextlib.suppress(JudgeEnded):
                self.verdicts[name] = self.judge.ask("verdict", task=name, payload=shown[0], nonce=nonce,
                                                     attempt=self.attempt)
        return True

    def _step(self, child, label, source, seconds):
        """Run a piece of code in the sandbox: its reply, or `None` where it was interrupted for its time.

        Raises
            _Ended, _Unasked
        """
        if child.unasked():
            raise _Unasked
        if self.left <= 0:
            raise _Ended("timed out", "was not reached in time.")
        token, began = secrets.token_hex(8), time.monotonic()
        seconds = min(seconds, self.left)
        reply, late, back = None, False, _Back(child, seconds)
        try:
            child.tell({"of": token, "label": label, "source": source})
            try:
                reply = back.hear(began + seconds)
            except Silent:
                late = True
                child.interrupt()
                reply = child.hear(time.monotonic() + self.times["grace"])
        except Silent:
            end = child.end()
            self._gone(end)
            raise _Ended("timed out", f"ran longer than {seconds:.3g} seconds and could not be interrupted.") from None
        except Closed:
            raise _Ended(*self._gone(child.end(wait=True))) from None
        except Garbled:
            raise _Unasked from None
        finally:
            self.left -= time.monotonic() - began - back.seconds
        if set(reply) == {"failed"}:
            raise NoSandbox(f"the sandbox of this submission could not be made: {reply['failed']}")
        if reply.get("of") != token:
            raise _Unasked
        return None if late else reply

    def _gone(self, end):
        """(kind, why) of a process that ended."""
        if end["end"] == "failed" or (end["end"] == "gone" and not self.grader.sandbox.alive(2.0)):
            raise NoSandbox(f"the sandbox ended: {end}")
        limits, status = self.grader.sandbox.limits, end["status"]
        if end["end"] == "memory":
            return "crashed", f"took more than {limits['memory'] / 2**30:.3g} GiB of memory."
        if end["end"] == "processes":
            return "crashed", f"started more than {limits['processes'] * 3 // 4} processes and threads."
        if end["end"] == "left" and os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            if number in (signal.SIGXCPU, signal.SIGKILL) and self.left <= 0:
                return "timed out", "used up its time."
            return "crashed", f"ended Python by signal {number} ({signal.strsignal(number)})."
        if end["end"] == "left":
            return "crashed", f"ended Python (exit code {os.waitstatus_to_exitcode(status)})."
        return "crashed", "broke off the line to the grader."


class _Back:
    """Seconds that a busy machine took from a submission: they are given back, up to `STRETCH` times the limit."""

    def __init__(self, child, limit):
        self.child, self.most, self.seconds = child, (STRETCH - 1) * limit, 0.0

    def hear(self, until):
        """The next message, before the time `until` and what is given back. Raises as `Child.hear` does."""
        before = self.child.given_back
        while True:
            try:
                return self.child.hear(until + self.seconds)
            except Silent:
                back = min(self.child.waited() - before, self.most)
                if back < self.seconds + 0.05:
                    raise
                self.seconds, self.child.given_back = back, before + back


def _named(step):
    """A step as a person finds it in the notebook."""
    if not step.learner:
        return step.label
    first = next((line.strip() for line in step.source.split("\n") if line.strip()), "")
    shown = f" (`{first[:40]}{'…' if len(first) > 40 else ''}`)" if first else ""
    return f"Cell {step.label.strip('<>').split()[-1]}{shown}"


def _clean(text, most):
    """A sentence without control characters, of at most `most` letters."""
    text = " ".join("".join(one if one.isprintable() else " " for one in str(text)).split())
    return text if len(text) <= most else text[:most - 1] + "…"

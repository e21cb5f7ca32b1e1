"""The edition of a class in a process of its own: it makes hidden cells, and judges the data that came out.

It knows the secrets and runs none of a submission's code; but it computes with numbers that a submission chose. So it
has a limit on memory and on time, and the grader starts another one where it ends.
"""

import contextlib
import json
import os
import resource
import select
import subprocess
import sys
import threading
import time
from pathlib import Path

from exercises.grading.sandbox import put_down

__all__ = ["Judge", "JudgeEnded"]

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 30  # for a verdict over what a submission sent
STARTING = 180  # seconds for torch and the edition, and for what depends on no submission
MEMORY = 4 << 30  # bytes more than what it has after its imports
MOST = 100_000  # numbers and texts in what a submission sends for one task
NO_ANSWER = "No answer came out of the notebook."


class JudgeEnded(RuntimeError):
    """The judge did not answer."""


class Judge:
    """A line to the process that holds the edition; safe to use from several threads."""

    def __init__(self, chapter, seed):
        self._start = {"chapter": chapter, "seed": str(seed)}
        self._lock, self._process = threading.Lock(), None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def ask(self, what, **words):
        """Call one of the functions below; returns what it returns.

        Raises
            JudgeEnded: it needed too much memory or time, or a file of the course is not as it should be.
        """
        with self._lock:
            if self._process is None:
                self._open()
            try:
                return self._exchange({"ask": what, **words})
            except (OSError, ValueError) as error:
                said = str(error)
        self.stop()
        raise JudgeEnded(f"the judge ended while it was asked for {what}: {said}")

    def stop(self):
        """End the process."""
        with self._lock:
            if self._process:
                put_down(self._process, "the judge")
            self._process = None

    def _open(self):
        words = dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT))
        self._process = subprocess.Popen([sys.executable, str(Path(__file__))], stdin=subprocess.PIPE, env=words,
                                         stdout=subprocess.PIPE, start_new_session=True, bufsize=0)
        try:
            self._exchange(self._start)  # the secret goes through the pipe: a command line is everybody's to read
        except (OSError, ValueError) as error:
            raise JudgeEnded(f"the exercises of {self._start['chapter']} cannot be read: {error}") from None

    def _exchange(self, message):
        until, line = time.monotonic() + (SECONDS if "payload" in message else STARTING), b""
        words = memoryview(json.dumps(message).encode() + b"\n")
        while words:  # a pipe that is ready takes a piece of this size at once
            if not select.select([], [self._process.stdin], [], max(0, until - time.monotonic()))[1]:
                raise OSError("it does not listen")
            words = words[os.write(self._process.stdin.fileno(), words[:select.PIPE_BUF]):]
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self._process.stdout], [], [], max(0, until - time.monotonic()))
            part = os.read(self._process.stdout.fileno(), 1 << 20) if ready else b""
            if not part:
                raise OSError("it took too long" if not ready else "it stopped")
            line += part
        answer = json.loads(line)
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer["is"]


# ------------------------------------------------------------------------------------------- in the process

class _Court:
    """What can be asked for."""

    def __init__(self, chapter, seed):
        from release import Edition

        self.edition = Edition(chapter, seed)

    def about(self):
        """The edition as plain data: its name, tasks, removed symbols, the code cells that were handed out."""
        edition = self.edition
        tasks = [{"name": name, "points": task.points, "by_hand": task.by_hand, "answer": task.answer}
                 for name, task in edition.tasks.items()]
        return {"edition": edition.name, "chapter": edition.chapter, "tasks": tasks, "removes": edition.removes,
                "answers": {one["name"]: one["answer"] for one in tasks}, "cells": self._cells()}

    def _cells(self):
        stems = {f"{self.edition.chapter[:2]}-{name.replace('_', '-')}": name for name in self.edition.tasks}
        found = []
        for cell in self.edition.notebook().cells:
            if cell["cell_type"] == "code":
                stem, _, part = cell["id"].rpartition("-")
                found.append({"id": cell["id"], "grade_id": cell.metadata.get("nbgrader", {}).get("grade_id", ""),
                              "task": stems.get(stem, ""), "part": part, "source": cell["source"]})
        return found

    def reference(self):
        """The notebook with the masters' solutions as answers, JSON."""
        tasks = {f"{self.edition.chapter[:2]}-{name.replace('_', '-')}-answer": task
                 for name, task in self.edition.tasks.items() if not task.by_hand}
        book = self.edition.notebook()
        for cell in book.cells:
            if task := tasks.get(cell["id"]):
                cell["source"] = task.filled(task.parts["solution"], task.draw(self.edition.seed))
        return json.dumps(book)

    def prune(self, target):
        """Write the graded library into `target`."""
        from release import prune

        prune(ROOT / "vae_lib", Path(target), self.edition.removes)

    def hidden_cell(self, task, nonce, attempt):
        """The code of a hidden cell."""
        return self.edition.hidden_cell(task, nonce, attempt)

    def verdict(self, task, payload, nonce, attempt):
        """Judge what came out of the sandbox, whatever it is."""
        found = None
        if _counted(payload) <= MOST:
            with contextlib.suppress(Exception):
                found = self.edition.verdict(task, payload, nonce, attempt)
        if found is None:
            return {"passed": False, "points": 0, "sentence": NO_ANSWER, "hint": "", "mistakes": []}
        return {"passed": found.passed, "points": found.points if found.passed else 0, "sentence": found.sentence,
                "hint": found.hint, "mistakes": list(found.mistakes)}


def _counted(value):
    """How many numbers and texts there are in plain data."""
    count, waiting = 0, [value]
    while waiting and count <= MOST:
        one = waiting.pop()
        count += 1
        if isinstance(one, dict | list):
            waiting.extend(one.values() if isinstance(one, dict) else one)
    return count


def main():
    sys.path[:0] = [str(ROOT / "tools"), str(ROOT)]
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    start = json.loads(sys.stdin.readline())
    try:
        court = _Court(**start)
        with open("/proc/self/statm") as file:  # noqa: PTH123
            space = int(file.read().split()[0]) * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (space, space))
        _say(out, {"is": True})
    except (Exception, SystemExit) as error:
        _say(out, {"error": str(error)})
        return
    for line in sys.stdin:
        words = json.loads(line)
        try:
            _say(out, {"is": getattr(court, words.pop("ask"))(**words)})
        except (Exception, SystemExit) as error:
            _say(out, {"error": f"{type(error).__name__}: {error}"})


def _say(out, message):
    out.write(json.dumps(message) + "\n")
    out.flush()


if __name__ == "__main__":
    main()

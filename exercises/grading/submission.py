"""Read a notebook that somebody sent in: bytes that nobody trusts, to the code cells that are the learner's own.

Nothing of the notebook is run here and its outputs are never looked at. Of its cells only the learner's count: what
the edition brought (imports, constants, checks) is taken from the edition again, whatever the notebook holds now.
"""

import ast
import errno
import hashlib
import json
import os
import re
import stat
import threading
from dataclasses import dataclass

__all__ = ["Invalid", "Step", "cells", "digest", "plan", "read"]

LARGEST = 20 << 20  # bytes of a notebook
MOST_PARTS = 2_000_000  # brackets and commas of the JSON: each costs Python about 60 bytes
MOST_CELLS, MOST_CODE = 2000, 1 << 20  # cells; characters of all code cells together
LOCKED = ("given", "show", "sheet", "check", "install", "write")
PARSING = threading.RLock()  # Python counts the depth of a syntax tree for all threads together: python/cpython#106905


class Invalid(Exception):
    """A file that cannot be graded; the message is a sentence for the learner."""


@dataclass(frozen=True)
class Step:
    """A piece of code to run. `label` names it to a person; `task` is set where it holds an answer."""

    label: str
    source: str
    task: str = ""
    learner: bool = True


def read(folder, name):
    """The bytes of `folder/name`, if it is an ordinary file of an ordinary size.

    Raises
        Invalid: a link, a folder, a device, a file with a second name, one that is missing, empty or too large.
    """
    try:
        inside = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        _blame(error)
        raise Invalid("The place of the submission is not a folder.") from None
    try:
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=inside)
        except FileNotFoundError:
            raise Invalid(f"There is no file {name} in the submission.") from None
        except OSError as error:
            _blame(error)
            raise Invalid(f"{name} cannot be read as a file: it is a link, or closed to readers.") from None
    finally:
        os.close(inside)
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            raise Invalid(f"{name} is not an ordinary file.")
        if about.st_nlink > 1:
            raise Invalid(f"{name} is a second name of another file (a hard link).")
        with open(fd, "rb", closefd=False) as file:
            data = file.read(LARGEST + 1)
    finally:
        os.close(fd)
    if len(data) > LARGEST:
        raise Invalid(f"{name} is larger than {LARGEST >> 20} MB: clear the outputs, save, and hand in again.")
    if not data.strip():
        raise Invalid(f"{name} is empty.")
    return data


def _blame(error):
    """Raise an error again that is the machine's trouble and no fault of the submission."""
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO):
        raise error


def digest(data):
    """The SHA-256 of the submitted bytes."""
    return hashlib.sha256(data).hexdigest()


def cells(data):
    """The code cells of a notebook: a list of (number among all cells, id, grade_id, source).

    Raises
        Invalid: not a notebook of Python that could be read within limits.
    """
    if data[:2] in (b"PK", b"\x1f\x8b") or data[:3] == b"BZh" or data[:6] == b"\xfd7zXZ\x00":
        raise Invalid("This is an archive and not a notebook: hand in the .ipynb file itself.")
    if sum(map(data.count, (b"[", b"{", b","))) > MOST_PARTS:
        raise Invalid("This file holds far more parts than a notebook: clear the outputs, save, and hand in again.")
    try:
        book = json.loads(data)
    except RecursionError:
        raise Invalid("This file is nested deeper than any notebook.") from None
    except (ValueError, MemoryError):
        raise Invalid("This file is not a notebook: it is not valid JSON. Save it in Jupyter or Colab as .ipynb "
                      "and hand in that file.") from None
    if not isinstance(book, dict) or not isinstance(book.get("cells"), list):
        raise Invalid("This file is JSON but not a notebook of today's format: open it in Jupyter and save it again.")
    _check_language(book.get("metadata"))
    if len(book["cells"]) > MOST_CELLS:
        raise Invalid(f"This notebook has more than {MOST_CELLS:,} cells.")
    found = []
    for number, cell in enumerate(book["cells"], 1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source", "")
        if isinstance(source, list) and all(isinstance(line, str) for line in source):
            source = "".join(source)
        if not isinstance(source, str):
            raise Invalid(f"Cell {number} of this notebook holds no text.")
        found.append((number, _text(cell.get("id")) or _text(_at(cell, "metadata", "id")),
                      _text(_at(cell, "metadata", "nbgrader", "grade_id")), source))
    if sum(len(source) for *_, source in found) > MOST_CODE:
        raise Invalid(f"This notebook holds more than {MOST_CODE:,} characters of code.")
    return found


def _check_language(about):
    name = _text(_at(about, "kernelspec", "language")) or _text(_at(about, "language_info", "name"))
    kernel = _text(_at(about, "kernelspec", "name"))
    known = re.match(r"(ir|julia|octave|bash|javascript|deno|sagemath|xcpp|scala|kotlin)\b", kernel)
    if (name and not re.fullmatch(r"i?python\d?", name.lower())) or (not name and known):
        raise Invalid(f"This notebook is for the language {(name or kernel)[:20]}, and the exercises are in Python: "
                      "choose the kernel Python 3.")


def _at(value, *keys):
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _text(value):
    return value[:100] if isinstance(value, str) else ""


def plan(found, edition):
    """The steps to run: the learner's cells in their order, with the edition's own where these belong.

    found: what `cells` gives. edition: {"chapter", "answers": {task: name}, "cells": [{"id", "grade_id", "task",
    "part", "source"}]}, the code cells of the notebook that was handed out.
    Raises
        Invalid: no answer of this chapter is in it.
    """
    match = _Matcher(edition)
    matched = [(number, source, match(cell, grade, source)) for number, cell, grade, source in found]
    others = {cell[:2] for _, cell, _, _ in found if re.match(r"\d\d-.+-answer$", cell)}
    elsewhere = others and edition["chapter"][:2] not in others  # two chapters may ask for one name
    if elsewhere or not any(own and own["part"] == "answer" for *_, own in matched):
        guess = f" It looks like the one of chapter {int(min(others))}." if others else ""
        raise Invalid(f"This is not the notebook of {edition['chapter']}: none of its answers is in it.{guess}")
    given = {own["task"]: own for own in edition["cells"] if own["part"] in ("given", "show")}
    steps = [Step("the first cell", own["source"], learner=False) for own in edition["cells"] if own["part"] == "sheet"]
    ran = set()
    for number, source, own in matched:
        label = f"<cell {number}>"
        if own is None or own["part"] == "answer":
            task = own["task"] if own else ""
            if task in given and task not in ran:  # its imports and constants were deleted, or stand too low
                steps.append(Step(f"what {task} gives", given[task]["source"], learner=False))
                ran.add(task)
            steps.append(Step(label, source, task))
        elif own["part"] in ("given", "show") and own["task"] not in ran:
            steps.append(Step(f"what {own['task']} gives", own["source"], learner=False))
            ran.add(own["task"])
    return steps


class _Matcher:
    """Which cell of the edition a submitted one is; `None` for one that the learner added.

    By its text where that is one of the edition's; else by its id or nbgrader's grade_id; and an answer that lost both
    by the name that it defines, as a cell that the learner typed anew does.
    """

    def __init__(self, edition):
        self.by_id = {own["id"]: own for own in edition["cells"]}
        self.by_grade = {own["grade_id"]: own for own in edition["cells"] if own["grade_id"]}
        self.by_text = {}
        for own in edition["cells"]:
            if own["part"] in LOCKED:
                self.by_text.setdefault(_bare(own["source"]), []).append(own)
        self.by_name = {name: own for own in edition["cells"] if own["part"] == "answer"
                        for task, name in edition["answers"].items() if task == own["task"]}
        self.used = set()

    def __call__(self, cell, grade, source):
        named = self.by_id.get(cell) or self.by_grade.get(grade)
        if same := self.by_text.get(_bare(source)):
            own = named if named in same else next((one for one in same if one["id"] not in self.used), same[-1])
            self.used.add(own["id"])
            return own
        answer = next((self.by_name[name] for name in _defined(source) if name in self.by_name), None)
        if named and named["part"] == "answer" and (answer is None or named["source"] == source):
            return named
        if answer or named is None:
            return answer
        if named["part"] in ("given", "show") or "sheet." in source:
            return named  # ours, edited: the edition's is taken instead
        return None  # an id that moved onto a cell of the learner's


def _bare(source):
    return "\n".join(line.rstrip() for line in source.strip().split("\n"))


def _defined(source):
    """The names that a cell binds at its top level; none where it does not parse."""
    source = re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M)
    try:
        with PARSING:
            body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [name for name in re.findall(r"^(?:def +)?(\w+)(?: *=|\()", source[:100_000], re.M)]
    names = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        for target in getattr(node, "targets", [getattr(node, "target", None)]):
            names += [one.id for one in ast.walk(target) if isinstance(one, ast.Name)] if target else []
    return names

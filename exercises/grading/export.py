"""Marks for the LMS as tables, and the grader as a package for Gradescope.

    canvas    the columns of Canvas's gradebook import (its `GradebookImporter`)
    moodle    Moodle's grading worksheet (`assignfeedback_offline`): the three columns that its import needs and two
              more, or the teacher's own download filled in
    generic   everything, one line a student: for Google Classroom, a spreadsheet, or another LMS
"""

import csv
import io
import re
import unicodedata
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from course import ROOT

from exercises.grading import gradebook
from exercises.grading.folder import ClassError, write

__all__ = ["FORMATS", "gradescope", "guarded", "table", "write_table"]

FORMATS = ("canvas", "moodle", "generic")
GRADESCOPE = ("_config.yml", "_toc.yml", "pyproject.toml", "README.md", "LICENSE", "book/*.md", "book/references.bib",
              "chapters/*.md", "exercises/grading/*.py", "exercises/masters/{chapter}/*", "tools/*.py", "vae_lib/**/*")


def guarded(value):
    """A cell that no spreadsheet takes for a formula: numbers as they are, other texts that begin like one quoted."""
    if isinstance(value, int | float):
        return f"{value:g}"
    text = "".join(" " if unicodedata.category(c) == "Cc" else c for c in str(value)).strip()
    first = unicodedata.normalize("NFKC", text)[:1]
    return f"'{text}" if first in ("=", "+", "-", "@") and text != "-" and first else text


def table(rows):
    """Rows as CSV with every cell guarded."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerows([guarded(one) for one in row] for row in rows)
    return file.getvalue()


def write_table(folder, chapter, kind, column="", out_of=0, worksheet=None, partial=False):
    """Write the marks of a chapter for an LMS. Returns the path, and who was left blank because a mark is missing.

    column: what the LMS calls the assignment. out_of: the points of the LMS, where they are others than ours.
    """
    scores = gradebook.scores(folder, chapter)
    blank = [] if partial else [one.student for one in scores if one.waiting]
    of = scores[0].of
    marks = {one.student: "" if one.student in blank else round(one.total * (out_of or of) / of, 2) for one in scores}
    column, most = column or f"Exercises {chapter}", out_of or of
    if worksheet is not None:
        text, kind = _filled(worksheet, scores, marks), "moodle-worksheet"
    else:
        rows = {"canvas": _canvas, "moodle": _moodle, "generic": _generic}[kind](scores, marks, column, most)
        text = table(rows)
    path = folder.export / f"{chapter}-{kind}.csv"
    write(path, text)
    return path, blank


def _canvas(scores, marks, column, most):
    numbers = [one for one in scores if str(one.key).startswith("canvas:") and "anon" not in one.key]
    if not numbers:
        raise ClassError("no student of this class has a number of Canvas: collect from Canvas's download, or use "
                         "`--format generic`")
    yield ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", column]
    yield ["Points Possible", "", "", "", "", most]
    for one in numbers:
        if marks[one.student] == "":
            continue  # left out: Canvas takes an empty cell for a mark to be deleted
        yield [one.name, one.key.removeprefix("canvas:"), "", "", "", marks[one.student]]


def _moodle(scores, marks, column, most):
    numbers = [one for one in scores if re.match("moodle:", one.key) and one.number]
    if not numbers:
        raise ClassError("no student of this class has a participant's number of Moodle: collect from Moodle's "
                         "download, or use `--format generic`")
    yield ["Identifier", "Full name", "Grade", "Maximum Grade", "Last modified (grade)"]
    for one in numbers:
        yield [f"Participant {one.number}", one.name, marks[one.student], most, "-"]  # the dash is Moodle's "never"


def _generic(scores, marks, column, most):
    names = list(scores[0].tasks)
    yield ["student", "name", column, "out of", "points", "late percent", "penalty", "waiting", *names]
    for one in scores:
        yield [one.student, one.name, marks[one.student], most, one.points, one.late_percent, one.penalty, one.waiting,
               *("" if task["waiting"] else task["points"] for task in one.tasks.values())]


def _filled(path, scores, marks):
    """The teacher's own worksheet, with the grades in their places and nothing else changed."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ClassError(f"{path} cannot be read as CSV in UTF-8: {error}") from error
    if not rows or not {"Identifier", "Grade"} <= set(rows[0]):
        raise ClassError(f"{path} has no columns Identifier and Grade: download Moodle's grading worksheet in English")
    who, grade = rows[0].index("Identifier"), rows[0].index("Grade")
    numbers = {str(one.number): marks[one.student] for one in scores if one.number}
    for row in rows[1:]:
        number = re.search(r"(\d+)$", row[who] if who < len(row) else "")
        if number and numbers.get(number[1], "") != "":
            row[grade] = f"{numbers[number[1]]:g}"
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerows(rows)
    return file.getvalue()


def gradescope(folder, chapter):
    """Write the ZIP that Gradescope takes as an autograder. It holds the class's seed. Returns the path."""
    folder.released(chapter)
    path = folder.export / f"{chapter}-gradescope.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    stamp = datetime.now(UTC).timetuple()[:6]
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (("setup.sh", SETUP), ("run_autograder", RUN.format(chapter=chapter)),
                           ("class/class.toml", folder.config.read_text(encoding="utf-8"))):
            info = zipfile.ZipInfo(name, stamp)
            info.external_attr = (0o100755 if text.startswith("#!") else 0o100600) << 16
            archive.writestr(info, text, zipfile.ZIP_DEFLATED)
        for pattern in GRADESCOPE:
            for one in sorted(ROOT.glob(pattern.format(chapter=chapter))):
                if one.is_file() and "__pycache__" not in one.parts:
                    archive.write(one, f"course/{one.relative_to(ROOT).as_posix()}")
        for one in sorted(folder.release(chapter).rglob("*")):
            if one.is_file() and "environment" not in one.parts:  # the grader makes its own
                archive.write(one, f"class/{one.relative_to(folder.path).as_posix()}")
    partial.chmod(0o600)
    partial.replace(path)
    return path


SETUP = """\
#!/usr/bin/env bash
# Gradescope runs this once, as root, when it builds the image.
set -euo pipefail
apt-get update
apt-get install -y --no-install-recommends bubblewrap python3-venv
python3 -m venv /autograder/uv  # newer systems let nobody install beside their own packages
/autograder/uv/bin/python -m pip install uv
PATH="/autograder/uv/bin:$PATH"
uv venv --python 3.11 /autograder/venv
uv pip install --python /autograder/venv/bin/python --torch-backend cpu torch torchvision
uv pip install --python /autograder/venv/bin/python "/autograder/source/course[book,grading]"
uv pip uninstall --python /autograder/venv/bin/python vae_lib  # the sandbox brings its own, without the answers
chmod -R go-rwx /autograder/source
"""
RUN = """\
#!/usr/bin/env bash
# Gradescope runs this for every submission.
cd /autograder/source/course
PATH="/autograder/venv/bin:$PATH" exec /autograder/venv/bin/python -m exercises.grading.gradescope {chapter}
"""

"""What people have to read: the answers to the tasks that are marked by hand, on one page, and a list to fill in."""

import csv
import html
import json
import math
import re
from pathlib import Path

from make_exercises import ROOT, tasks

from exercises.grading import gradebook
from exercises.grading.collect import LARGEST
from exercises.grading.export import table
from exercises.grading.feedback import plain
from exercises.grading.folder import ClassError, write

__all__ = ["answer_text", "read_marks", "sheet", "submitted_bytes"]

BOM = "\ufeff"  # by it, spreadsheets read UTF-8
STYLE = ("body{font:1rem/1.5 system-ui,sans-serif;max-width:46rem;margin:0 auto;padding:1rem;color-scheme:light dark}"
         "pre{white-space:pre-wrap;overflow-wrap:anywhere;border-left:.3rem solid #888;padding-left:1rem}")
HEAD = ('<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        'content="default-src \'none\'; style-src \'unsafe-inline\'"><meta name="viewport" '
        f'content="width=device-width, initial-scale=1"><title>To be marked</title><style>{STYLE}</style></head><body>')


def answer_text(data, chapter, task):
    """The source of a task's answer cell in the bytes of a notebook, found by its id, its mark or what it defines."""
    try:
        cells = json.loads(data)["cells"]
        sources = [(cell, "".join(cell.get("source", ""))) for cell in cells if isinstance(cell, dict)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
    named = f"{chapter[:2]}-{task.name.replace('_', '-')}-answer"

    def marked(cell):
        marks = cell.get("metadata")
        marks = marks.get("nbgrader") if isinstance(marks, dict) else None
        return isinstance(marks, dict) and marks.get("grade_id") == f"{task.name}-answer"

    for fits in (lambda cell, text: cell.get("id") == named or marked(cell),
                 lambda cell, text: re.search(rf"^{re.escape(task.answer)}\s*=", text, re.M)):
        for cell, text in sources:
            if cell.get("cell_type") == "code" and fits(cell, text):
                return text
    return ""


def submitted_bytes(folder, chapter, student):
    """The bytes of a student's notebook, or none where there is none of an ordinary size."""
    path = folder.submitted(chapter, student) / f"{chapter}.ipynb"
    return path.read_bytes() if path.is_file() and path.stat().st_size <= LARGEST else b""


def sheet(folder, chapter):
    """Write the page of answers and the list for the marks. Returns their paths and how many answers wait."""
    known = [one for one in tasks(ROOT / "exercises" / "masters" / chapter).values() if one.by_hand]
    if not known:
        raise ClassError(f"{chapter} has no task that is marked by hand")
    scores = gradebook.scores(folder, chapter)
    page, marks = folder.export / f"{chapter}-answers.html", folder.export / f"{chapter}-marks.csv"
    write(page, _page(folder, chapter, known, scores))
    rows, waiting = [["student", "task", "points", "note"]], 0
    for task in known:
        for score in scores:
            mark = score.tasks[task.name]
            given = "" if mark["waiting"] and not mark["manual"] else f"{mark['points']:g}"
            rows.append([score.student, task.name, given, mark["note"]])
            waiting += mark["waiting"]
    write(marks, BOM + table(rows))
    return page, marks, waiting


def _page(folder, chapter, known, scores):
    """The page of answers, piece by piece: a class's answers need not be in memory together."""
    yield f"{HEAD}<h1>{chapter}: to be marked by hand</h1>\n"
    for task in known:
        yield (f"<h2>{html.escape(task.title)}, {task.points} points</h2>"
               f"<pre>{html.escape(task.parts['rubric'])}</pre>\n")
        for score in scores:
            text = answer_text(submitted_bytes(folder, chapter, score.student), chapter, task)[:20_000]
            text = "\n".join(plain(one, 2000) for one in text.splitlines())
            yield f"<h3>{score.student}</h3><pre>{html.escape(text) or 'No answer was found.'}</pre>\n"
    yield "</body></html>\n"


def read_marks(path):
    """[(student, task, points, note)] from a list that was filled in; lines without points are left out."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ClassError(f"{path} cannot be read as CSV in UTF-8: {error}") from error
    if not rows or not {"student", "task", "points"} <= set(rows[0]):
        raise ClassError(f"{path} needs the columns student, task, points, and note if you like; `answers` writes it")
    found = []
    for number, row in enumerate(rows, start=2):
        if not (text := (row["points"] or "").strip()):
            continue
        try:
            points = float(text.replace(",", "."))
        except ValueError:
            points = math.nan
        if not math.isfinite(points):
            raise ClassError(f"{path}, line {number}: {text!r} is no number of points")
        found.append((row["student"], row["task"], points, (row.get("note") or "").removeprefix("'")))
    return found

"""A course folder for nbgrader's formgrader: its pages on the class's own gradebook; nothing of a learner's runs there.

    CLASS/formgrader/nbgrader_config.py           names the gradebook of the class
    CLASS/formgrader/source/CHAPTER/              empty: by it the formgrader lists the chapter
    CLASS/formgrader/autograded/STUDENT/CHAPTER/  the edition's notebook with the learner's code in its answers

The formgrader renders these notebooks on the teacher's own server. So they are made here: of what was handed in they
hold the text of the answer cells, as code, which is shown and not rendered; no output, no text cell, no file beside it.
"""

import json

import nbformat
from make_exercises import ROOT, tasks

from exercises.grading.answers import answer_text, submitted_bytes
from exercises.grading.feedback import printable
from exercises.grading.folder import write

__all__ = ["course", "place"]

CONFIG = """\
c = get_config()
c.CourseDirectory.course_id = {course}
c.CourseDirectory.root = {root}
c.CourseDirectory.db_url = {gradebook}
"""


def place(folder, student="", chapter=""):
    """The course folder, or what it holds of a student, or of their chapter."""
    return folder.path / "formgrader" / (f"autograded/{student}/{chapter}" if student else "")


def course(folder, chapter):
    """Write the course folder with the answers of a chapter. Returns its path and how many notebooks there are."""
    root, known = place(folder).resolve(), tasks(ROOT / "exercises" / "masters" / chapter)
    book = nbformat.read(folder.release(chapter, "student") / f"{chapter}.ipynb", as_version=4)
    write(root / "nbgrader_config.py", CONFIG.format(
        course=json.dumps(folder.course), root=json.dumps(str(root)),
        gradebook=json.dumps(f"sqlite:///{folder.gradebook.resolve()}")))
    (root / "source" / chapter).mkdir(parents=True, exist_ok=True)
    students = folder.students(chapter)
    for student in students:
        data = submitted_bytes(folder, chapter, student)
        for cell in book.cells:
            marks = cell.metadata.get("nbgrader", {})
            if marks.get("solution"):
                text = answer_text(data, chapter, known[marks["grade_id"].removesuffix("-answer")])
                cell.source = "\n".join(map(printable, text[:20_000].splitlines())) or "# No answer was found."
        write(place(folder, student, chapter) / f"{chapter}.ipynb", nbformat.writes(book))
    return root, len(students)


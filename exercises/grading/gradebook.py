"""nbgrader's gradebook of the class, filled from the results, changed as a copy that replaces the old one in one step.

A moment's crash leaves the old gradebook or the new one, never a half. Manual marks belong to a person: grading again
writes the automatic scores alone.
"""

import hashlib
import os
import shutil
import sys
import tempfile
import warnings
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from filelock import FileLock, Timeout
from nbgrader.api import Gradebook, MissingEntry
from sqlalchemy import event, text
from sqlalchemy.exc import SAWarning
from tqdm import tqdm

from exercises.grading.folder import ClassError
from exercises.grading.late import lateness, penalty_percent

__all__ = ["Score", "changed", "fill", "mark", "opened", "remove", "scores"]

LOCK_SECONDS = 30


@contextmanager
def opened(path, course="vae"):
    """nbgrader's `Gradebook` of a database file; the journal stays in memory, for nobody else sees this file."""
    beside = str(Path(sys.executable).parent)  # nbgrader calls `alembic` by name when it makes a database
    if beside not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], beside])
    warnings.filterwarnings("ignore", category=SAWarning)  # nbgrader's ways with SQLAlchemy; they do no harm
    book = Gradebook(f"sqlite:///{path}", course_id=course)
    event.listen(book.engine, "connect", _quick)
    book.engine.dispose()  # of the connections that began without
    try:
        yield book
    finally:
        book.close()


def _quick(connection, _):
    for line in ("journal_mode = MEMORY", "synchronous = OFF", "secure_delete = ON"):
        connection.execute(f"PRAGMA {line}")


@contextmanager
def changed(folder):
    """The gradebook, to be changed: what the block does to it is kept in whole when the block ends well, else not."""
    try:
        with FileLock(str(folder.path / ".gradebook.lock"), timeout=LOCK_SECONDS):
            yield from _copied(folder)
    except Timeout as error:
        raise ClassError(f"another program has been changing {folder.gradebook} for {LOCK_SECONDS} s: wait for it, "
                         "then run this again") from error


def _copied(folder):
    for left in folder.path.glob(".gradebook-*.db*"):  # of a run that was killed
        left.unlink()
    handle, name = tempfile.mkstemp(dir=folder.path, prefix=".gradebook-", suffix=".db")
    os.close(handle)
    copy = Path(name)
    try:
        _closed(folder.gradebook)
        before = _state(folder.gradebook)
        if before is None:
            copy.unlink()
        else:
            shutil.copyfile(folder.gradebook, copy)
        with opened(copy, folder.course) as book:
            yield book
            book.db.commit()
        copy.chmod(0o600)
        with copy.open("rb") as file:
            os.fsync(file.fileno())
        if _state(folder.gradebook) != before:
            raise ClassError(f"{folder.gradebook} was changed meanwhile, by nbgrader's formgrader perhaps: close it, "
                             "then run this again. Nothing was written")
        _closed(folder.gradebook)
        copy.replace(folder.gradebook)
        place = os.open(folder.path, os.O_RDONLY)
        os.fsync(place)
        os.close(place)
    finally:
        copy.unlink(missing_ok=True)


def _closed(path):
    """Raises `ClassError` where another program of this user's has the gradebook open: it would write on into a file
    that is no longer there, and what a person marks in it would be lost.
    """
    for link in Path("/proc").glob("[0-9]*/fd/*") if path.exists() else ():
        try:
            other = int(link.parts[2])
            if other != os.getpid() and link.samefile(path):
                name = (link.parents[1] / "comm").read_text().strip()
                raise ClassError(f"process {other} ({name}) has {path} open, nbgrader's formgrader perhaps: close it, "
                                 "then run this again. Nothing was written")
        except OSError:  # another user's, or gone meanwhile
            continue


def _state(path):
    if not path.exists():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def define(book, folder, chapter):
    """Enter a chapter: its cells and points as the notebook that was handed out has them."""
    record = folder.released(chapter)
    notebook = nbformat.read(folder.release(chapter, "student") / f"{chapter}.ipynb", as_version=4)
    due = folder.due(chapter)
    book.update_or_create_assignment(chapter, duedate=due and due.astimezone(UTC).replace(tzinfo=None))
    book.update_or_create_notebook(chapter, chapter)
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader", {})
        if marks.get("grade"):
            book.update_or_create_grade_cell(marks["grade_id"], chapter, chapter, max_score=marks["points"],
                                             cell_type=cell.cell_type)
        if marks.get("solution"):
            book.update_or_create_solution_cell(marks["grade_id"], chapter, chapter)
        if marks:
            book.update_or_create_source_cell(marks["grade_id"], chapter, chapter, cell_type=cell.cell_type,
                                              source=cell.source, locked=marks["locked"])
    return record


def grade_cell(task):
    """The grade cell of a task of the record."""
    return f"{task['name']}-{'answer' if task['by_hand'] else 'check'}"


def fill(folder, chapter, progress=True):
    """Enter all results of a chapter. Returns how many there were."""
    with changed(folder) as book:
        record = define(book, folder, chapter)
        people, students = folder.people(), folder.students(chapter)
        entered = 0
        for student in tqdm(students, desc="gradebook", unit="student", disable=None if progress else True,
                            leave=False):
            if (result := folder.result(chapter, student)) is None:
                continue
            person = people.get(student, {})
            book.update_or_create_student(student, last_name=person.get("name", student),
                                          lms_user_id=str(person.get("numbers", {}).get(chapter, "")) or None)
            _enter(book, folder, chapter, record, student, result)
            entered += 1
    return entered


def _enter(book, folder, chapter, record, student, result):
    time = handed_in(folder, chapter, student)
    submission = book.update_or_create_submission(chapter, student, timestamp=time and time.isoformat())
    notebook = submission.notebooks[0]
    grades = {one.name: one for one in notebook.grades}
    comments = {one.name: one for one in notebook.comments}
    given = {one["name"]: one for one in result.get("tasks", [])}
    version = f"submission {str(result.get('sha256'))[:16]}"
    for task in record["tasks"]:
        grade, found = grades[grade_cell(task)], given.get(task["name"], {})
        comment = comments.get(f"{task['name']}-answer")
        if task["by_hand"]:
            grade.auto_score = None
            if result.get("status") == "invalid":
                grade.needs_manual_grade = False  # there is nothing to read
            elif grade.manual_score is None or (comment is not None and comment.auto_comment != version):
                grade.needs_manual_grade = True  # not marked yet, or another answer than the one that was
            if comment is not None:
                comment.auto_comment = version
        else:
            grade.auto_score = _points(found.get("points"), task["points"])
            grade.needs_manual_grade = False
            if comment is not None:
                comment.auto_comment = str(found.get("sentence", ""))[:500]
    book.db.commit()
    _settle(book, folder, chapter, student, notebook)


def _points(value, of):
    """The points of a result, which no result can take out of their range."""
    return float(min(max(value, 0), of)) if isinstance(value, int | float) else 0.0


def handed_in(folder, chapter, student):
    """When a submission came, or None where nobody knows."""
    time = folder.collected(chapter, student).get("time")
    return datetime.fromisoformat(time) if time else None


def percent_off(folder, chapter, student):
    """What is taken from a student's points for being late, in percent."""
    days = folder.extensions(chapter).get(student, 0)
    return penalty_percent(lateness(folder.due(chapter), handed_in(folder, chapter, student), days), folder.policy)


def _settle(book, folder, chapter, student, notebook):
    """Work the late penalty out anew, from the points as they now stand."""
    book.db.refresh(notebook)
    score = sum(one.score or 0 for one in notebook.grades)
    notebook.late_submission_penalty = score * percent_off(folder, chapter, student) / 100
    book.db.commit()


def mark(folder, chapter, marks):
    """Enter points that a person gave: a list of (student, task, points, note).

    They stand until the person changes them. A mark for a task that is graded automatically overrules the grader;
    points of None give the task back to it. Nothing is entered when one of the marks is not right.
    """
    record = {task["name"]: task for task in folder.released(chapter)["tasks"]}
    for student, task, points, _ in marks:
        if task not in record:
            raise ClassError(f"{chapter} has no task {task!r}; it has {', '.join(record)}")
        of = record[task]["points"]
        if points is not None and not 0 <= points <= of:
            raise ClassError(f"{student}, {task}: {points:g} points were given; it has 0 to {of}")
    with changed(folder) as book:
        for student, task, points, note in marks:
            try:
                notebook = book.find_submission_notebook(chapter, chapter, student)
            except MissingEntry as error:
                raise ClassError(f"the gradebook has no submission of {student!r} for {chapter}: "
                                 "`grade` enters those that were collected") from error
            grade = next(one for one in notebook.grades if one.name == grade_cell(record[task]))
            grade.manual_score = points
            grade.needs_manual_grade = points is None and record[task]["by_hand"]
            for comment in notebook.comments:
                if comment.name == f"{task}-answer" and note is not None:
                    comment.manual_comment = note or None
            book.db.commit()
            _settle(book, folder, chapter, student, notebook)


class Score(dict):
    """A student's line: student, name, number, points, of, penalty, total, waiting (by-hand tasks without a mark),
    late_percent, tasks {name: {points, of, manual, note, waiting}}.
    """

    __getattr__ = dict.__getitem__


def scores(folder, chapter, only=None):
    """The marks of a chapter as a list of `Score`, in the order of the ids."""
    if not folder.gradebook.exists():
        raise ClassError(f"{folder.path} has no gradebook yet: run `grade {folder.path} {chapter}` first")
    record, people = folder.released(chapter), folder.people()
    found = []
    with opened(folder.gradebook, folder.course) as book:
        if only is None:
            submissions = book.assignment_submissions(chapter) if _has(book, chapter) else []
        else:
            submissions = [one for one in book.student_submissions(only) if one.name == chapter]
        for submission in submissions:
            found.append(_score(folder, chapter, record, people, submission))
            book.db.expire(submission, ["notebooks"])  # lets go of its grades and comments
    if not found and only is None:
        raise ClassError(f"the gradebook has no marks of {chapter}: run `grade {folder.path} {chapter}` first")
    return sorted(found, key=lambda one: one["student"])


def _has(book, chapter):
    return any(one.name == chapter for one in book.assignments)


def _score(folder, chapter, record, people, submission):
    notebook, student = submission.notebooks[0], submission.student.id
    grades = {one.name: one for one in notebook.grades}
    notes = {one.name: (one.manual_comment or "").removeprefix(one.auto_comment or "").strip()  # it begins with ours
             for one in notebook.comments}  # where a person wrote into the formgrader's box
    tasks = {}
    for task in record["tasks"]:
        grade = grades[grade_cell(task)]
        tasks[task["name"]] = {
            "title": task["title"], "points": grade.score or 0.0, "of": task["points"], "by_hand": task["by_hand"],
            "manual": grade.manual_score is not None, "waiting": bool(grade.needs_manual_grade),
            "note": notes.get(f"{task['name']}-answer") or ""}
    points, penalty = sum(one["points"] for one in tasks.values()), notebook.late_submission_penalty or 0.0
    person = people.get(student, {})
    return Score(student=student, name=person.get("name", student), key=person.get("key", ""),
                 number=person.get("numbers", {}).get(chapter, ""), points=points,
                 of=sum(one["points"] for one in record["tasks"]), penalty=penalty, total=max(0.0, points - penalty),
                 waiting=sum(one["waiting"] for one in tasks.values()), tasks=tasks,
                 late_percent=percent_off(folder, chapter, student))


def remove(folder, student):
    """Take a student out of the gradebook, and what was theirs out of its free pages."""
    if not folder.gradebook.exists():
        return False
    with changed(folder) as book:
        try:
            book.remove_student(student)
        except MissingEntry:
            return False
        book.db.commit()
        with book.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM"))
    return True

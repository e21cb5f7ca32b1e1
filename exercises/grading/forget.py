"""Delete what is known of a student, or of a class, and look afterwards whether anything is left in its folder."""

import re
import shutil
from pathlib import Path

from exercises.grading import formgrader, gradebook
from exercises.grading.folder import ClassError, ClassFolder, write

__all__ = ["forget", "forget_class", "traces"]


def forget(folder, student):
    """Delete a student's data everywhere in the class's folder.

    Returns what was deleted, the files in which the id is left (none, unless something else was put there), and those
    that mention the name: another learner's notebook may.
    """
    people = folder.people()
    person = people.pop(student, None)
    chapters = {one.name for part in ("submitted", "results", "feedback") for one in (folder.path / part).glob("*")}
    places = [path for chapter in sorted(chapters) for path in (
        folder.submitted(chapter, student), folder.results(chapter) / f"{student}.json",
        folder.feedback(chapter) / f"{student}.html") if path.exists()]
    places += [one for one in [formgrader.place(folder, student)] if one.exists()]
    in_book = gradebook.remove(folder, student)
    if person is None and not places and not in_book:
        raise ClassError(f"{folder.path} knows no student {student!r}; their ids are the folders in "
                         f"{folder.path / 'submitted'}")
    name = {person["name"]} if person and len(person["name"]) >= 4 else set()
    known = {student} | ({person["key"]} if person else set())
    places += [one for one in folder.export.glob("*") if one.is_file()]  # tables of everybody: to be made again
    for path in places:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if person is not None:
        folder.save_people(people)
    lines = folder.config.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [one for one in lines if not re.match(rf'\s*"?{re.escape(student)}"?\s*=', one)]
    if kept != lines:
        write(folder.config, "".join(kept))
        ClassFolder(folder.path)  # still a class
    done = [str(one.relative_to(folder.path)) for one in places] + ["gradebook.db"] * in_book
    return done, traces(folder, known), traces(folder, name - known)


def traces(folder, words):
    """The files of the class's folder that hold one of the words, in their name or in their bytes."""
    wanted = [re.compile(rb"(?<![A-Za-z0-9_-])" + re.escape(one.encode()) + rb"(?![A-Za-z0-9_-])") for one in words]
    found = []
    for path in sorted(folder.path.rglob("*")):
        name = str(path.relative_to(folder.path)).encode("utf-8", "surrogateescape")
        data = path.read_bytes() if path.is_file() and "environment" not in path.parts else b""
        if any(one.search(name) or one.search(data) for one in wanted):
            found.append(str(path.relative_to(folder.path)))
    return found


def forget_class(folder):
    """Delete a class with everything in it, the seed too."""
    path = Path(folder.path)
    if path.is_symlink():
        raise ClassError(f"{path} is a link; name the folder itself")
    shutil.rmtree(path)
    return not path.exists()

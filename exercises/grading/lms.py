"""Whose file is it: what Canvas, Moodle, Google Classroom, nbgrader's exchange and plain folders put into a name.

Canvas     doejane_12345_678901_05_first_vae.ipynb, doejane_LATE_…, anon_x1y2z_678901_…, …-1.ipynb when handed in again
           (its `ContentZipper`: sortable name in small letters, LATE, user, attachment, the learner's file name)
Moodle     Jane Doe_1234567_assignsubmission_file_/… or, as one folder, Jane Doe_1234567_assignsubmission_file_….ipynb
           (its `mod_assign\\downloader`; the number is of this assignment alone, so the name is the person)
Classroom  Jane Doe - 05_first_vae.ipynb, with (1) after it when the name is there twice
nbgrader   jane+05_first_vae+2027-03-01 12:00:00 UTC/…, or jane/05_first_vae/…
plain      STUDENT/….ipynb or STUDENT.ipynb
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath

__all__ = ["Who", "copy_number", "whose", "wrappers"]

CANVAS = re.compile(r"(?:(?P<late1>LATE)_)?(?P<name>anon|\w+?)_(?:(?P<late>LATE)_)?(?P<user>\d+|(?<=anon_)[A-Za-z0-9]+)"
                    r"_(?P<file>\d+)_(?P<rest>.+)", re.S)
MOODLE = re.compile(r"(?P<name>[^_]+)_(?P<number>\d+)_assignsubmission_(?P<kind>[a-z]+)_?(?P<rest>.*)", re.S)
CLASSROOM = re.compile(r"(?P<name>.+?) - (?P<rest>.+)", re.S)
EXCHANGE = re.compile(r"(?P<name>[^+]+)\+(?P<what>[^+]+)\+"
                      r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) UTC(?:\+.*)?", re.S)
COPY = re.compile(r"(?:-(\d{1,3})| ?\((\d{1,3})\))$")


@dataclass(frozen=True)
class Who:
    """What a name says. key: the same for the same person; number: the LMS's own; order: larger is newer."""

    lms: str
    key: str
    name: str
    rest: str
    number: str = ""
    late: bool = False
    order: tuple = (0, 0)
    time: datetime | None = field(default=None)


def copy_number(name):
    """`("05_first_vae", 2)` of `05_first_vae-2.ipynb` or `05_first_vae (2).ipynb`."""
    stem = PurePosixPath(name).stem
    found = COPY.search(stem)
    return (stem[:found.start()], int(found[1] or found[2])) if found else (stem, 0)


def whose(parts, chapter):
    """Read the path `parts` of a file in what was downloaded; None where it names nobody.

    What the LMS wrote comes first in a path, and what the learner wrote last: only the first folder is read, or, of a
    file that lies in none, its name.
    """
    first, last = parts[0], parts[-1]
    if found := MOODLE.fullmatch(first):
        rest = last if len(parts) > 1 else found["rest"]
        blind = found["name"].strip().casefold() == "participant"
        name = f"Participant {found['number']}" if blind else found["name"].strip()
        key = f"moodle:{chapter}#{found['number']}" if blind else f"moodle:{name}"
        return Who("Moodle", key, name, rest, found["number"], order=(0, copy_number(rest)[1]))
    if len(parts) > 1:
        if found := EXCHANGE.fullmatch(first):
            time = datetime.fromisoformat(found["time"]).replace(tzinfo=UTC)
            return Who("nbgrader", f"plain:{found['name']}", found["name"], f"{found['what']}/{last}", time=time)
        return Who("folder", f"plain:{first}", first, last, order=(0, copy_number(last)[1]))
    if found := CANVAS.fullmatch(last):
        name = found["name"]
        key = f"canvas:{name}-{found['user']}" if name == "anon" else f"canvas:{found['user']}"
        return Who("Canvas", key, name, found["rest"], found["user"], bool(found["late1"] or found["late"]),
                   (int(found["file"][:18]), copy_number(found["rest"])[1]))
    if found := CLASSROOM.fullmatch(last):
        return Who("Classroom", f"classroom:{found['name']}", found["name"], found["rest"],
                   order=(0, copy_number(found["rest"])[1]))
    stem, number = copy_number(last)
    name = stem.replace(chapter, "").strip(" _-+")
    return Who("file", f"plain:{name}", name, last, order=(0, number)) if name else None


def wrappers(paths, chapter):
    """How many leading folders hold the whole class and not one student."""
    if len(paths) < 2:
        return 0
    shared = 0
    while min(map(len, paths)) - shared > 1 and len({parts[shared] for parts in paths}) == 1:
        shared += 1
    for top, part in enumerate(paths[0][:shared]):
        if MOODLE.fullmatch(part) or EXCHANGE.fullmatch(part):
            return top
    beside = [parts[shared:] for parts in paths]
    if shared and min(map(len, beside)) == 1 and not all(  # one student's files, unless each names another person
            (who := whose(one, chapter)) and who.lms in ("Canvas", "Moodle", "Classroom") for one in beside):
        shared -= 1
    while shared and paths[0][shared] == chapter:  # jane/05_first_vae/…, with jane alone in it
        shared -= 1
    return shared

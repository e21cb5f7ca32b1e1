"""The folder of a class: where everything is, its settings in `class.toml`, who is who, and writing without half files.

    CLASS/class.toml                      the secret seed, deadlines, late policy, extensions
    CLASS/people.json                     student id -> the name and the numbers that the LMS gave
    CLASS/release/CHAPTER/                student/ to hand out, teacher/ and environment/ to keep
    CLASS/submitted/CHAPTER/STUDENT/      CHAPTER.ipynb, collected.json, earlier/
    CLASS/results/CHAPTER/STUDENT.json    one a submission, written by `grade`
    CLASS/feedback/CHAPTER/STUDENT.html
    CLASS/gradebook.db                    nbgrader's
    CLASS/export/
"""

import hashlib
import json
import os
import re
import secrets
import tempfile
import tomllib
import unicodedata
from datetime import datetime
from pathlib import Path

from course import chapters

from exercises.grading.late import Policy

__all__ = ["ClassError", "ClassFolder", "read_json", "safe_id", "write", "write_json"]

SAFE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")  # of a student: a file name on any system, a bare key in TOML
TEMPLATE = """\
# The settings of a class. Keep this file to yourself: who has the seed knows every constant and every probe.
course = {course}
seed = {seed}

[late]
grace_minutes = 15      # free of charge after the deadline
percent_a_day = 10      # of the points, for every day that has begun
cap_percent = 50        # never more than this
closes_after_days = 14  # later counts nothing

# A deadline and, in days, who has more time:
#
# [chapters.05_first_vae]
# due = 2027-03-01T23:59:00+01:00
#
# [chapters.05_first_vae.extensions]
# doejane-12345 = 3
"""


class ClassError(Exception):
    """Something the teacher can mend: the message says what was given, what was expected and what to do."""


class ClassFolder:
    """A class on this machine.

    path: its folder. Raises `ClassError` where there is none, or where `class.toml` cannot be read.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.config, self.people_file = self.path / "class.toml", self.path / "people.json"
        self.gradebook, self.export = self.path / "gradebook.db", self.path / "export"
        if not self.config.is_file():
            raise ClassError(f"{self.path} is no class: it has no class.toml. Make one with "
                             "`python -m exercises.grading release CLASS CHAPTER`")
        try:
            self.settings = tomllib.loads(self.config.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ClassError(f"{self.config} cannot be read as TOML: {error}") from error
        self.policy = self._policy()
        for chapter in self.settings.get("chapters", {}):
            self.due(chapter), self.extensions(chapter)  # a wrong line is told at once, not when it is used

    @classmethod
    def create(cls, path, course="vae", seed=""):
        """A new class with a secret of its own; an existing one is opened, and keeps its seed."""
        path = Path(path)
        if (path / "class.toml").exists():
            if seed:
                raise ClassError(f"{path} has a seed already, and its notebooks were drawn with it. "
                                 "Leave the seed out, or choose another folder for another class")
            return cls(path)
        if inside := next((one for one in (path.resolve(), *path.resolve().parents) if (one / ".git").exists()), None):
            raise ClassError(f"{path} lies inside the repository {inside}: names, marks and the seed would end up in "
                             "git. Choose a folder outside, such as ~/classes/vae-2027")
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)
        text = TEMPLATE.format(course=json.dumps(course), seed=json.dumps(seed or secrets.token_urlsafe(24)))
        write(path / "class.toml", text)
        return cls(path)

    @property
    def course(self):
        return str(self.settings.get("course", "vae"))

    @property
    def seed(self):
        seed = self.settings.get("seed", "")
        if not isinstance(seed, str) or len(seed) < 12:
            raise ClassError(f"{self.config} has no seed of 12 letters or more: `seed = \"…\"`")
        return seed

    def _policy(self):
        given = self.settings.get("late", {})
        try:
            return Policy(**given)
        except (TypeError, ValueError) as error:
            raise ClassError(f"{self.config}, [late]: {error}. It takes grace_minutes, percent_a_day, cap_percent and "
                             "closes_after_days") from error

    def _chapter(self, chapter):
        return self.settings.get("chapters", {}).get(chapter, {})

    def due(self, chapter):
        """The deadline as a `datetime` with its time zone, or None."""
        due = self._chapter(chapter).get("due")
        if due is not None and (not isinstance(due, datetime) or due.tzinfo is None):
            raise ClassError(f"{self.config}, [chapters.{chapter}]: due is {due}, without a time zone. "
                             "Write it as 2027-03-01T23:59:00+01:00, without quotes")
        return due

    def extensions(self, chapter):
        """{student: days}"""
        found = self._chapter(chapter).get("extensions", {})
        for student, days in found.items():
            if isinstance(days, bool) or not isinstance(days, int | float) or days < 0:
                raise ClassError(f"{self.config}, [chapters.{chapter}.extensions]: {student} = {days!r}; "
                                 "a number of days is expected")
        return found

    def set_due(self, chapter, due):
        """Add a deadline where there is none; one that stands there is the teacher's to change."""
        if self._chapter(chapter):
            raise ClassError(f"{self.config} has a section [chapters.{chapter}] already: change its `due` there")
        text = self.config.read_text(encoding="utf-8").rstrip("\n")
        write(self.config, f"{text}\n\n[chapters.{chapter}]\ndue = {due.isoformat()}\n")
        self.settings = tomllib.loads(self.config.read_text(encoding="utf-8"))

    # where things are

    def release(self, chapter, part=""):
        return self.path / "release" / chapter / part

    def submitted(self, chapter, student=""):
        return self.path / "submitted" / chapter / student

    def results(self, chapter):
        return self.path / "results" / chapter

    def feedback(self, chapter):
        return self.path / "feedback" / chapter

    def released(self, chapter):
        """What the teacher keeps of the edition that was handed out."""
        record = self.release(chapter, "teacher") / f"{chapter}.json"
        if not record.is_file():
            known = sorted(one.name for one in (self.path / "release").glob("*")) or ["nothing"]
            raise ClassError(f"{chapter} was not handed out in {self.path}; there is: {', '.join(known)}. "
                             f"Run `release {self.path} {chapter}` first")
        return read_json(record)

    def students(self, chapter):
        """The ids of all who handed something in, in order."""
        names = {one.name for one in self.submitted(chapter).glob("*") if one.is_dir()}
        names |= {one.stem for one in self.results(chapter).glob("*.json")}
        return sorted(name for name in names if SAFE.fullmatch(name))

    def collected(self, chapter, student):
        """What `collect` noted of a submission: time, late, source, sha256, attempts. Empty where it did not."""
        path = self.submitted(chapter, student) / "collected.json"
        return read_json(path) if path.is_file() else {}

    def result(self, chapter, student):
        """The result of `grade`, or None."""
        path = self.results(chapter) / f"{student}.json"
        return read_json(path) if path.is_file() else None

    # who is who

    def people(self):
        """{student id: {"name": …, "key": …, "numbers": {chapter: …}, …}}"""
        return read_json(self.people_file) if self.people_file.is_file() else {}

    def save_people(self, people):
        write_json(self.people_file, people)

    def name(self, student):
        return self.people().get(student, {}).get("name", student)


def check_chapter(chapter):
    """The chapter's name, where there is such a chapter with exercises."""
    known = [path.stem for path in chapters() if (path.parents[1] / "exercises" / "masters" / path.stem).is_dir()]
    if chapter not in known:
        raise ClassError(f"there is no chapter {chapter!r} with exercises; there is: {', '.join(known)}")
    return chapter


def safe_id(text, key=""):
    """A name as a file name that no system and no program mistakes: small letters, digits, - and _.

    Where letters are lost that made the difference, a short hash of `key` keeps two people apart.
    """
    plain = unicodedata.normalize("NFKD", str(text))
    kept = "".join(c for c in plain if not unicodedata.combining(c))
    slug = re.sub(r"[^a-z0-9_]+", "-", kept.lower().encode("ascii", "ignore").decode()).strip("-_")[:48]
    lost = any(c.isalnum() and not c.isascii() for c in kept)
    if not slug or lost or len(kept) > 48:
        slug = f"{slug or 'student'}-{_short(key or str(text))}"
    return slug


def _short(text):
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]


def read_json(path):
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ClassError(f"{path} is damaged ({type(error).__name__}): delete it and run the step again that "
                         "writes it") from error


def write_json(path, value):
    write(path, json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def write(path, content):
    """Write a text, bytes, or texts one after another, so that the file is the old one or the new one at every moment;
    mode 0600.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            for part in [content] if isinstance(content, str | bytes) else content:
                file.write(part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise

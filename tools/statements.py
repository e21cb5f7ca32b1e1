"""The graded tasks of a chapter, for its section "Try it", from its page of exercises.

`folded` is what the book shows (book/_ext/graded_tasks.py), `listed` what the chapter's notebook shows (tools/myst.py).
Both are MyST. The page, book/exercises_NN_chapter.md, is made from the masters by tools/make_exercises.py.
"""

import re
from dataclasses import dataclass

from docutils.nodes import make_id

TASK = re.compile(r"^## (?P<title>\d+\. .+)\n\n"
                  r"(?P<facts>.+?)\. \*Goal:\* (?P<goal>.+?)\. (?P<again>\*Read again:\* .+)\n"
                  r"(?P<body>(?:(?!## ).*\n)*)", re.M)
TOTAL = re.compile(r"^(\d+ tasks) on .+?, (\d+ points, about \d+ minutes)\.", re.M)


@dataclass(frozen=True)
class Statement:
    """A task: "3. Its title"; its kind, difficulty, minutes and points; its goal; a link to read again; the text."""

    title: str
    facts: str
    goal: str
    again: str
    body: str


def page(root, chapter):
    """The page of exercises of a chapter such as "05_first_vae"."""
    return root / "book" / f"exercises_{chapter}.md"


def statements(text):
    """The tasks on a page of exercises, in order."""
    return [Statement(**{key: value.strip() for key, value in found.groupdict().items()})
            for found in TASK.finditer(text + "\n")]


def folded(root, chapter):
    """A box for each task, which says what it is about and opens its statement."""
    text = page(root, chapter).read_text(encoding="utf-8")
    return "\n\n".join([_opening(chapter, text) + " Open a box to read the statement.", *(
        f":::::{{dropdown}} **{task.title}** {_sentence(task.goal)} *{task.facts}*\n:class-container: graded-task\n\n"
        f"{task.again}\n\n{task.body}\n:::::" for task in statements(text))])


def listed(root, chapter):
    """A line for each task, which links to its statement."""
    text = page(root, chapter).read_text(encoding="utf-8")
    lines = []
    for task in statements(text):
        number, _, title = task.title.partition(". ")
        link = f"../book/exercises_{chapter}.md#{make_id(task.title)}"
        lines.append(f"{number}. [{title}]({link}). {_sentence(task.goal)} *{task.facts}*")
    return _opening(chapter, text) + "\n\n" + "\n".join(lines)


def _opening(chapter, text):
    tasks, cost = TOTAL.search(text).groups()
    return (f"{tasks}, {cost}, in {{download}}`a notebook of their own <../exercises/{chapter}.ipynb>`. The check "
            "under each one says what is right, what is wrong, and which mistake it looks like "
            "({doc}`how it does that <../book/exercises>`). "
            f"{{doc}}`Their page <../book/exercises_{chapter}>` has all statements open, and a button for Colab.")


def _sentence(goal):
    return f"{goal[0].upper()}{goal[1:]}."

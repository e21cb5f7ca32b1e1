"""A static page for each student: what counted, why, and where to read again.

Nothing of the learner's runs or is shown as markup here: every text is escaped and shorn of control characters, and the
page forbids scripts, pictures, fonts and connections by its own policy. No probe, no reference and no hidden cell is
in it.
"""

import re
import unicodedata

from course import ROOT, repository
from jinja2 import Environment, StrictUndefined
from make_exercises import anchor, make_id, tasks
from markupsafe import Markup, escape
from tqdm import tqdm

from exercises.grading import gradebook
from exercises.grading.folder import write

__all__ = ["feedback", "page", "plain", "printable"]

STATUS = {"graded": "Graded", "timed out": "Stopped: out of time", "crashed": "Crashed", "invalid": "Not graded"}
WHAT_NEXT = {"timed out": "Look for a loop that does not end, or for training that takes minutes.",
             "crashed": "Restart the kernel, run all cells from the top, and see where it stops.",
             "invalid": "Hand in the notebook of this class, saved as .ipynb, with its cells in place."}
PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{{ chapter }}: {{ name }}</title>
<style>
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --soft: #595959; --line: #c8c8c8; --right: #00694d;
        --wrong: #9c3a00; --wait: #004f9e; --link: #00549f }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ececec; --paper: #161616; --soft: #b4b4b4; --line: #4a4a4a; --right: #4fd0a5; --wrong: #ff9d66;
          --wait: #83c0ff; --link: #8cc4ff } }
body { font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 44rem;
       margin: 0 auto; padding: 1.2rem; overflow-wrap: anywhere }
h1 { font-size: 1.35rem; margin: 0 0 .2rem } h2 { font-size: 1.05rem; margin: 0 } p { margin: .35rem 0 }
a { color: var(--link) } code { font-size: .92em } .soft { color: var(--soft) }
.sum { font-size: 1.25rem; font-weight: 600 }
section { border-left: .3rem solid var(--line); padding: .1rem 0 .1rem .9rem; margin: 1.1rem 0 }
.right { border-color: var(--right) } .wrong { border-color: var(--wrong) } .wait { border-color: var(--wait) }
.right b { color: var(--right) } .wrong b { color: var(--wrong) } .wait b { color: var(--wait) }
.head { display: flex; justify-content: space-between; gap: 1rem; align-items: baseline } .head b { flex: none }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p class="soft">{{ name }}{% if time %} · handed in {{ time }} UTC{% endif %} · graded {{ graded }} UTC</p>
<p class="sum">{{ total }} of {{ of }} points</p>
{% if penalty %}<p>{{ points }} points, less {{ percent }} % for being late.</p>{% endif %}
{% if waiting %}<p>{{ waiting }} task{{ "s" if waiting > 1 }} to be marked by a person: not in the sum yet.</p>
{% endif %}
<p><strong>{{ status }}.</strong> {{ reason }}{% if next %} {{ next }}{% endif %}</p>
{% for task in tasks %}
<section class="{{ task.kind }}">
<div class="head"><h2>{{ task.title }}</h2><b>{{ task.said }}</b></div>
{% if task.sentence %}<p>{{ task.sentence }}</p>{% endif %}
{% if task.hint %}<p>{{ task.hint }}</p>{% endif %}
{% if task.note %}<p>From your teacher: {{ task.note }}</p>{% endif %}
{% if task.where %}<p class="soft">Read again: {% if task.link %}<a href="{{ task.link }}">{{ task.where }}</a>
{%- else %}{{ task.where }}{% endif %}.</p>{% endif %}
</section>
{% endfor %}
<p class="soft">A question about a mark? Write to your teacher, and name the task. The checks of the grader use inputs
that are not shown.</p>
</body>
</html>
"""
TEMPLATE = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(PAGE)


def printable(text):
    """A text without control and direction characters, and with spaces for breaks."""
    return "".join(" " if c.isspace() else c for c in str(text)
                   if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn"))


def plain(text, most=600):
    """A text as it may be shown: printable, with single spaces, cut at `most` letters."""
    text = " ".join(printable(text).split())
    return text if len(text) <= most else text[:most - 1] + "…"


def _marked(text):
    """A sentence with its `code` set as code; everything else is escaped."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(plain(text)))))


def page(folder, chapter, result, score, known, site=""):
    """The page of one student as HTML.

    result: of `grade`; score: of the gradebook; known: {name: Task} of the chapter; site: the book's address or "".
    """
    given = {one["name"]: one for one in result.get("tasks", [])}
    rows = [_task(chapter, name, task, given.get(name, {}), result["status"], known.get(name), site)
            for name, task in score.tasks.items()]
    time = folder.collected(chapter, score.student).get("time")
    return TEMPLATE.render(
        chapter=chapter, title=f"Exercises of chapter {int(chapter[:2])}", name=plain(score.name, 80),
        time=time and time[:16].replace("T", " "), graded=plain(result["graded"])[:16].replace("T", " "),
        total=f"{score.total:g}", of=f"{score.of:g}", points=f"{score.points:g}", penalty=score.penalty,
        percent=f"{score.late_percent:g}", waiting=score.waiting, status=STATUS.get(result["status"], "Not graded"),
        reason=_marked(result.get("reason", "")), next=WHAT_NEXT.get(result["status"], ""), tasks=rows)


def _task(chapter, name, task, given, status, known, site):
    said = f"{task['points']:g} of {task['of']:g}"
    full = task["points"] >= task["of"]
    kind = "right" if full else "wrong"
    sentence, hint = given.get("sentence", ""), given.get("hint", "")
    if task["by_hand"]:
        sentence, hint = "", ""
        if task["waiting"]:
            said, kind = f"waits, of {task['of']:g}", "wait"
    elif task["manual"]:
        sentence, hint = "Marked by your teacher.", ""
    elif status != "graded" and not given.get("passed"):
        sentence = sentence or "Not reached."
    where = link = ""
    if known and not full and kind != "wait":
        passage, mark = _passage(known, given.get("mistakes") or ())
        where = f"chapter {int(chapter[:2])}, “{passage}”"
        link = f"{site}chapters/{chapter}.html#{mark}" if site else ""
    return {"title": task["title"], "said": said, "kind": kind, "sentence": _marked(sentence), "hint": _marked(hint),
            "note": plain(task["note"], 2000), "where": where, "link": link}


def _passage(task, mistakes):
    """The heading to read again, and its anchor: the recognised mistake's own, else the task's."""
    for one in task.wrong:
        if one.name in mistakes and one.passage:
            return one.passage, make_id(one.passage)
    return task.passage, anchor(task)


def feedback(folder, chapter, site=None, progress=True):
    """Write all pages of a chapter. Returns how many."""
    if site is None:
        home = repository()
        site = home.site if home.configured else ""
    known, written = tasks(ROOT / "exercises" / "masters" / chapter), 0
    for score in tqdm(gradebook.scores(folder, chapter), desc="feedback", unit="page",
                      disable=None if progress else True, leave=False):
        result = folder.result(chapter, score.student)
        if result is not None:
            write(folder.feedback(chapter) / f"{score.student}.html",
                  page(folder, chapter, result, score, known, site))
            written += 1
    return written

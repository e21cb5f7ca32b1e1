"""What a learner's notebook holds: the checks of one chapter, and a report of what was done."""

import base64
import html
import json
import math
import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vae_lib.exercises import probing
from vae_lib.exercises.judging import Judge, Verdict
from vae_lib.exercises.task import bank

__all__ = ["Reply", "Sheet"]

LEARNING = ("This report is for learning. It is no proof of anything: it was written by the notebook it reports on. "
            "Where marks are given, only the teacher's own run counts.")


@dataclass(frozen=True)
class Reply:
    """A verdict with its heading and its link; in a notebook it shows itself in words."""

    title: str
    verdict: Verdict
    where: str = ""
    link: str = ""

    @property
    def passed(self):
        return self.verdict.passed

    @property
    def hint(self):
        return self.verdict.hint

    def _lines(self):
        """[(kind, text)]"""
        v = self.verdict
        if v.passed:
            lines = [("head", f"{self.title}: right, {v.points} of {v.of} points.")]
        else:
            lines = [("head", f"{self.title}: not yet."), ("text", v.sentence)]
        lines += [("law", f"{'✓' if ok else '✗'} {sentence}") for sentence, ok in v.laws]
        if v.hint:
            lines.append(("hint", ("It looks like this: " if v.mistakes else "A hint: ") + v.hint))
        return lines

    def __repr__(self):
        again = [] if self.passed or not self.where else [f"Read again: {self.where}."]
        return "\n".join([text for _, text in self._lines()] + again)

    def _repr_html_(self):
        color = "#009E73" if self.passed else "#D55E00"
        rows = []
        for kind, text in self._lines():
            text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))
            rows.append(f"<strong>{text}</strong>" if kind == "head" else text)
        if not self.passed and self.where:
            where = html.escape(self.where)
            place = f'<a href="{html.escape(self.link)}">{where}</a>' if self.link else where
            rows.append(f"Read again: {place}.")
        return f'<div style="border-left: 4px solid {color}; padding-left: 0.8em">{"<br>".join(rows)}</div>'


class Sheet:
    """The exercises of one chapter.

    chapter: such as "05_first_vae". draws: the constants of a class's edition, {task: {name: value}} or packed
    into one word; those of the public notebooks where it is left out. book: where the book is, for links.

    Example
        >>> sheet = Sheet("05_first_vae")
        >>> sheet.check("kl_to_prior", lambda mu, logvar: None).passed
        False
    """

    def __init__(self, chapter, draws=None, book="", edition="public"):
        self.chapter, self.book, self.edition = chapter, book, edition
        self.tasks = bank(chapter)
        self.draws = _unpacked(draws) if isinstance(draws, str) else draws or {}
        self.results = {}
        self._judges = {}

    def check(self, task, *answer):
        """Ask the answer with fresh random inputs and say what is right, what is wrong, and what it looks like.

        Whatever the answer is, the reply is a sentence; nothing is raised.
        """
        try:
            return self._check(task, *answer)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a fault of ours is a sentence too
            return Reply("The check", Verdict(False, "The check itself failed, which is a fault of the course and not "
                                                     f"yours ({type(error).__name__}). Please report the task."))

    def _check(self, name, *answer):
        if not self.tasks:
            return Reply("Checks", Verdict(False, f"This copy of vae_lib holds no checks for {self.chapter!r}."))
        if not isinstance(name, str) or name not in self.tasks:
            return Reply("Checks", Verdict(False, "The first argument names the task, one of: "
                                                  f"{', '.join(self.tasks)}."))
        task = self.tasks[name]
        if len(answer) != 1:
            return Reply(task.title, Verdict(False, f"Hand in one answer: sheet.check({name!r}, {task.answer})."))
        began, judge = time.perf_counter(), self._judge(name)
        if task.by_hand:
            verdict = _text(answer[0], task)
        else:
            seed = secrets.token_hex(8)
            inputs = [judge.space["inputs"](_rng(seed, k)) for k in range(task.repeats)]
            expected = judge.reference(inputs)
            observed = probing.observe(judge.space["probe"], answer[0], inputs, task.answer, task.returns)
            verdict = judge.verdict(observed, inputs, expected, began)
        self._keep(name, task, verdict)
        return Reply(task.title, verdict, *self._place(task, verdict))

    def report(self, folder="."):
        """Write what was done so far as `NN_chapter-report.html` and `.json` into `folder`, and sum it up.

        Where that can't be written, a sentence says so; nothing is raised.
        """
        rows = [{"task": name, "title": task.title, "points": self.results.get(name, {}).get("points", 0),
                 "of": task.points, "attempts": self.results.get(name, {}).get("attempts", 0),
                 "last": self.results.get(name, {}).get("last", "not tried"), "marked_by_hand": task.by_hand}
                for name, task in self.tasks.items()]
        summary = {"chapter": self.chapter, "edition": self.edition, "note": LEARNING,
                   "written": datetime.now(UTC).isoformat(timespec="seconds"),
                   "points": sum(row["points"] for row in rows),
                   "of": sum(row["of"] for row in rows if not row["marked_by_hand"]), "tasks": rows}
        try:
            target = Path(folder) / f"{self.chapter}-report"
            text = json.dumps(summary, indent=1, ensure_ascii=False) + "\n"
            # an answer may hold letters that no file takes
            target.with_suffix(".json").write_text(text, encoding="utf-8", errors="replace")
            target.with_suffix(".html").write_text(_page(summary), encoding="utf-8", errors="replace")
        except (OSError, TypeError, ValueError) as error:
            print(f"The report can't be written into {folder!r} ({error}). Name a folder that exists and takes files: "
                  "sheet.report(\".\")")
            return
        print(f"{summary['points']} of {summary['of']} points; written: {target.name}.html and {target.name}.json")
        print(LEARNING)

    def _judge(self, name):
        if name not in self._judges:
            task = self.tasks[name]
            public = name not in self.draws and task.kind == "mend"
            self._judges[name] = Judge(task, self.draws.get(name, task.draw()), task.starter() if public else "")
        return self._judges[name]

    def _place(self, task, verdict):
        title = verdict.passage or task.passage
        where = f"chapter {int(self.chapter[:2])}, “{title}”"
        anchor = task.meta.get("anchor", "") if not verdict.passage else ""
        page = f"chapters/{self.chapter}"
        if self.book:
            return where, f"{self.book}{page}.html" + (f"#{anchor}" if anchor else "")
        return where, f"../{page}.ipynb"

    def _keep(self, name, task, verdict):
        old = self.results.get(name, {"attempts": 0, "points": 0})
        self.results[name] = {"attempts": old["attempts"] + 1, "points": max(old["points"], verdict.points),
                              "last": "right" if verdict.passed else verdict.hint or verdict.sentence}


def _unpacked(draws):
    try:
        found = json.loads(base64.b64decode(draws))
        if isinstance(found, dict) and all(isinstance(one, dict) for one in found.values()):
            return found
        raise ValueError
    except ValueError:  # of base64 and of JSON too
        raise ValueError("the constants of your class's edition can't be read: the cell that begins with "
                         "`from vae_lib.exercises import Sheet` was changed. Copy it again from the notebook that was "
                         "handed out") from None


def _rng(seed, number):
    from vae_lib.exercises.task import Rng
    return Rng(f"{seed}/{number}")


def _text(answer, task):
    """An open answer: whether there is one."""
    if not isinstance(answer, str) or not answer.strip():
        return Verdict(False, "Write your answer as a text between triple quotes.", of=task.points)
    words = len(answer.split())
    least = int(task.meta.get("words", 60))
    if words < least:
        return Verdict(False, f"{words} words so far. At least {least} are needed to give the reasons.", of=task.points)
    return Verdict(False, f"{words} words. A person marks this one. Compare it with the rubric in the statement.",
                   of=task.points)


def _page(summary):
    def cell(value):
        return f"<td>{html.escape(str(value))}</td>"

    rows = "".join(f"<tr>{cell(r['title'])}{cell('by hand' if r['marked_by_hand'] else r['points'])}{cell(r['of'])}"
                   f"{cell(r['attempts'])}{cell(r['last'])}</tr>" for r in summary["tasks"])
    share = math.floor(100 * summary["points"] / max(1, summary["of"]))
    return ('<!doctype html><html lang="en"><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>Exercises of {html.escape(summary['chapter'])}</title>"
            "<style>body{font-family:sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
            "td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #999;vertical-align:top}"
            "table{border-collapse:collapse}</style>"
            f"<h1>Exercises of {html.escape(summary['chapter'])}</h1>"
            f"<p>{summary['points']} of {summary['of']} points ({share} %), {html.escape(summary['written'])}.</p>"
            f"<p>{LEARNING}</p><table><thead><tr><th>Task</th><th>Points</th><th>of</th><th>Checks</th>"
            f"<th>Last reply</th></tr></thead><tbody>{rows}</tbody></table></html>\n")

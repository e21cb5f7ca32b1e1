"""Make the pictures of the teacher's guide: a feedback page and the table of `stats`, of a class that answered with the
known right and wrong answers of the masters.

    python tools/picture_grading.py          writes book/_static/teachers/*.png
"""

import html
import itertools
import sys
import tempfile
from pathlib import Path

import chromium
import release
from course import ROOT
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(ROOT))
from exercises.grading import gradebook, stats
from exercises.grading.collect import collect
from exercises.grading.feedback import feedback
from exercises.grading.folder import ClassFolder, write_json
from vae_lib.exercises import probing

CHAPTER, SITE, PEOPLE = "05_first_vae", "https://book.example/", 24
OUT = ROOT / "book" / "_static" / "teachers"
TERMINAL = ('<body style="margin:0;padding:14px 18px;background:#16181d;color:#e6e6e6;display:inline-block">'
            '<pre style="margin:0;font:14px/1.35 \'DejaVu Sans Mono\',monospace">{}</pre>')


def results(folder):
    """Judge, for every made-up learner, the reference, another right answer or a known mistake of each task."""
    edition = release.Edition(CHAPTER, folder.seed)
    for k, student in enumerate(folder.students(CHAPTER)):
        rows = []
        for j, (name, task) in enumerate(edition.tasks.items()):
            row = {"name": name, "of": task.points, "by_hand": task.by_hand, "passed": False, "points": None,
                   "sentence": "", "hint": "", "mistakes": []}
            if not task.by_hand:
                judge, inputs = edition.judge(name), edition.inputs(name)
                answers = [task.parts["solution"], *task.right.values()] * (2 + (7 * j) % 3)
                answers += [one.source for one in task.wrong[:2]] * 2
                source = next(itertools.islice(itertools.cycle(answers), (5 * k + 3 * j) % len(answers), None))
                found = judge.verdict(probing.observe(judge.space["probe"], judge.answer(source), inputs, task.answer,
                                                      task.returns, limit=60), inputs)
                row |= {"points": found.points, "passed": found.passed, "sentence": found.sentence, "hint": found.hint,
                        "mistakes": list(found.mistakes)}
            rows.append(row)
        note = folder.collected(CHAPTER, student)
        write_json(folder.results(CHAPTER) / f"{student}.json", {
            "student": student, "chapter": CHAPTER, "status": "graded", "reason": "The notebook ran to its end.",
            "tasks": rows, "attempt": 0, "sha256": note["sha256"], "seconds": 0,
            "graded": "2027-03-02T08:00:00+00:00"})


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        folder = ClassFolder.create(Path(place) / "class", seed="only-for-these-pictures")
        release.main(CHAPTER, folder.seed, folder.release(CHAPTER))
        source = Path(place) / "download"
        for k in range(PEOPLE):
            (source / f"learner-{k + 1:02}").mkdir(parents=True)
            (source / f"learner-{k + 1:02}" / f"{CHAPTER}.ipynb").write_text(f'{{"cells": [], "k": {k}}}')
        collect(folder, CHAPTER, source)
        results(folder)
        gradebook.fill(folder, CHAPTER)
        shown = max(gradebook.scores(folder, CHAPTER),
                    key=lambda one: 3 <= sum(task["points"] > 0 for task in one.tasks.values()) <= 5).student
        feedback(folder, CHAPTER, SITE)
        text = f"$ make stats CLASS=~/vae CHAPTER={CHAPTER}\n" + \
            stats.as_table(stats.statistics(folder, CHAPTER))
        with sync_playwright() as playwright:
            browser = chromium.launch(playwright)
            for theme in ("light", "dark"):
                context = browser.new_context(viewport={"width": 400, "height": 860}, color_scheme=theme,
                                              device_scale_factor=1.5)
                page = context.new_page()
                page.goto((folder.feedback(CHAPTER) / f"{shown}.html").as_uri())
                page.screenshot(path=OUT / f"feedback-{theme}.png")
                context.close()
            page = browser.new_page(device_scale_factor=1.5)
            page.set_content(TERMINAL.format(html.escape(text)))
            page.locator("body").screenshot(path=OUT / "stats.png")
            browser.close()
    for path in sorted(OUT.glob("*.png")):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()

"""Make the pictures of the teacher's guide: a feedback page, the table of `stats`, and an answer in the formgrader, of
a class that answered with the known right and wrong answers of the masters.

    python tools/picture_grading.py          writes book/_static/teachers/*.png
"""

import html
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import chromium
import release
from course import ROOT
from PIL import Image
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(ROOT))
from exercises.grading import formgrader, gradebook, stats
from exercises.grading.collect import collect
from exercises.grading.feedback import feedback
from exercises.grading.folder import ClassFolder, write_json
from exercises.grading.sandbox import put_down
from vae_lib.exercises import probing

CHAPTER, SITE, PEOPLE = "05_first_vae", "https://book.example/", 24
OUT = ROOT / "book" / "_static" / "teachers"
ANSWER = "review = '''<script>alert(1)</script><img src=x onerror=alert(1)></pre>'''  # to be seen, not to be run"
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


@contextmanager
def formgrader_at(root, home, seconds=240):
    """Start Jupyter's server in a course folder, with an empty home; gives the address of its formgrader.

    Raises
        RuntimeError: it ended, or does not answer after `seconds`.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    home.mkdir()
    said, until = home / "server.log", time.monotonic() + seconds
    words = os.environ | dict.fromkeys(("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"),
                                       str(home))
    with said.open("w") as log:
        server = subprocess.Popen([sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root",
                                   "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={address.rpartition(':')[2]}",
                                   "--IdentityProvider.token=open"], cwd=root, env=words, stdout=log, stderr=log)
    try:
        while not _answers(f"{address}/api"):
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"waited {seconds} s for Jupyter's server; it says: {said.read_text()[-2000:]}")
            time.sleep(0.1)
        yield f"{address}/formgrader"
    finally:
        put_down(server, "Jupyter's server")


def _answers(address):
    try:
        with urllib.request.urlopen(address, timeout=20):
            return True
    except OSError:
        return False


def enter(page, field, text):
    """Enter a text into a box of the formgrader, and wait until it is saved."""
    page.wait_for_load_state("load")
    page.wait_for_timeout(3000)  # its script asks for the marks when the page is there
    with page.expect_response(lambda one: one.request.method == "PUT" and one.ok):
        field.fill(text)
        page.keyboard.press("Tab")


def let_in(page, address):
    """Open the formgrader, and let its pages ask for nothing from elsewhere."""
    page.route("https://**", lambda route: route.abort())
    page.goto(f"{address}?token=open")
    page.wait_for_load_state("load")


def answered(folder):
    """The class's notebook with an answer to the open task."""
    book = json.loads((folder.release(CHAPTER, "student") / f"{CHAPTER}.ipynb").read_text(encoding="utf-8"))
    for cell in book["cells"]:
        if cell["id"].endswith("which-is-better-answer"):
            cell["source"] = ANSWER
    return json.dumps(book)


def picture_formgrader(folder, browser, home):
    """An answer to the open task, with its points and a comment."""
    root, _ = formgrader.course(folder, CHAPTER)
    with formgrader_at(root, home) as address:
        page = browser.new_page(viewport={"width": 900, "height": 1400})
        page.set_default_timeout(120_000)  # milliseconds; a busy machine is not a wrong page
        let_in(page, address)
        page.goto(f"{address}/gradebook/{CHAPTER}/{CHAPTER}")
        page.get_by_role("link", name="Submission #1").first.wait_for()
        page.get_by_role("button", name="Show All Names").click()
        page.get_by_role("link", name="learner-01").click()
        box = page.locator("input.score[id='which_is_better-answer']")
        note = page.locator("textarea[id='which_is_better-answer-comment']")
        enter(page, box, "3")
        enter(page, note, "Well argued.")
        cell = page.locator(".nbgrader_cell").filter(has=box)
        cell.evaluate("one => window.scrollTo(0, one.getBoundingClientRect().top + window.scrollY - 520)")
        page.wait_for_timeout(1500)  # the tick that says "saved" fades
        place = cell.bounding_box()
        page.screenshot(path=OUT / "formgrader.png", clip={
            "x": place["x"] - 12, "y": place["y"] - 300, "width": place["width"] + 24, "height": place["height"] + 312})
        page.close()


def fewer_colours(path):
    """A picture of text needs no more than a palette; the file becomes a third as large."""
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(64, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        folder = ClassFolder.create(Path(place) / "class", seed="only-for-these-pictures")
        release.main(CHAPTER, folder.seed, folder.release(CHAPTER))
        source = Path(place) / "download"
        for k in range(PEOPLE):
            (source / f"learner-{k + 1:02}").mkdir(parents=True)
            (source / f"learner-{k + 1:02}" / f"{CHAPTER}.ipynb").write_text(
                f'{{"cells": [], "k": {k}}}' if k else answered(folder))
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
            picture_formgrader(folder, browser, Path(place) / "home")
            browser.close()
    for path in sorted(OUT.glob("*.png")):
        fewer_colours(path)
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()

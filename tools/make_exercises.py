"""Write what the masters in exercises/masters/ are the only source of.

exercises/masters/NN_chapter/*.py and quiz.toml -> exercises/NN_chapter.ipynb (the learner's notebook),
exercises/NN_chapter_solutions.ipynb, book/exercises_NN_chapter.md and book/solutions_NN_chapter.md (the pages),
vae_lib/exercises/bank/NN_chapter.txt (what the checks need). `--check` writes nothing and fails where one is out of
date.
"""

import base64
import json
import sys
import tomllib

import make_capstone
import nbformat
from course import ROOT, repository
from docutils.nodes import make_id
from make_notebooks import install_cell
from myst import Converter, Index

from vae_lib.exercises.task import Task

KINDS = {"implement": "derive and implement", "mend": "mend a broken one", "predict": "predict, then measure",
         "figure": "read a figure", "open": "write, marked by hand"}
DIFFICULTY = {1: "easy", 2: "medium", 3: "hard"}


class FromExercises(Index):
    """Links as seen from the folder exercises/."""

    def link(self, page, fragment=""):
        found = super().link(page, fragment)
        return f"../chapters/{found}" if page.startswith("chapters/") and not self.repository.configured else found


def chapters(root=ROOT):
    """The folders of masters whose chapter is written, in order."""
    return sorted(path for path in (root / "exercises" / "masters").iterdir()
                  if (root / "chapters" / f"{path.name}.md").exists())


def tasks(folder):
    """The tasks of a chapter by name, in the order of their files."""
    found = {}
    for path in sorted(folder.glob("[0-9][0-9]_*.py")):
        task = Task.parse(path.read_text(encoding="utf-8"), path.stem[3:])
        if task.meta.get("chapter") != folder.name:
            raise SystemExit(f"{path.relative_to(folder.parents[2])}: its header should say chapter: {folder.name}")
        found[task.name] = task
    return found


def quiz(folder):
    """The questions of a chapter."""
    path = folder / "quiz.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))["question"] if path.exists() else []


def anchor(task):
    """The id of the passage that the task links to."""
    return make_id(task.passage)


def bank_text(folder):
    """What the installed library needs for the checks of a chapter."""
    parts = []
    for path in sorted(folder.glob("[0-9][0-9]_*.py")):
        task = Task.parse(path.read_text(encoding="utf-8"), path.stem[3:])
        head, _, rest = Task.for_checks(path.read_text(encoding="utf-8")).partition("\n\n")
        parts.append(f"# ==== {task.name}\n{head}\n# anchor: {anchor(task)}\n\n{rest}".rstrip())
    return "\n\n\n".join(parts) + "\n"


def packed(draws):
    """Drawn constants as one word, so that a notebook does not spell out what a task asks for; it hides no secret."""
    return base64.b64encode(json.dumps(draws).encode()).decode()


def facts(task):
    """One line above a statement."""
    points = "1 point" if task.points == 1 else f"{task.points} points"
    return (f"{KINDS[task.kind].capitalize()} · {DIFFICULTY[task.difficulty]} · about {task.minutes} minutes · "
            f"{points}{' (by hand)' if task.by_hand else ''}. *Goal:* {task.goal}.")


def quiz_text(questions):
    """The questions as MyST: each option opens its explanation."""
    lines = []
    for number, question in enumerate(questions, 1):
        lines += [f"**{number}.** {question['ask']}", ""]
        for letter, option in zip("abcdef", question["option"]):
            word = "Right." if option.get("right") else "Not this one."
            lines += [f":::{{dropdown}} {letter}) {option['text']}", f"**{word}** {option['why']}", ":::", ""]
    return "\n".join(lines)


INTRO = """\
Write your answer into the cell under a statement, run it, then run the cell with `sheet.check`. It says what is
right, what is wrong, and which mistake it looks like: mostly within a second, for a mistake that nobody has seen within
three. It draws new inputs each time, needs no network and no account, and counts nothing against you: check as often as
you like.

Some cells give names that a task needs. Leave those as they are, and keep the names of the answers.
"""
HAND_IN = """\
`sheet.report()` writes two files beside this notebook, one to look at (HTML) and one for programs (JSON). The report is
for learning and proves nothing: where marks are given, the teacher runs your notebook again.

**In Colab**, what you change is lost when you close the tab. Choose *File → Save a copy in Drive* before you begin. To
hand in, choose *File → Download → Download .ipynb* and upload that file where your teacher says. In Jupyter, save and
hand in the `.ipynb`.
"""


def notebook(folder, index, seed="public", solved=False, edition="public"):
    """A chapter's notebook: the learner's for an edition's seed, or the one with the solutions."""
    name = folder.name
    page = f"chapters/{name}"
    converter = Converter(f"exercises/{name}", index)
    title = index.titles[page].split(". ", 1)[-1]
    heading = f"{'Solutions of the exercises' if solved else 'Exercises'} of chapter {int(name[:2])}: {title}"
    found = tasks(folder)
    cells = [("md", "top", "*Made from the masters of the course. Run the cells from top to bottom.*"),
             ("md", "intro", f"# {heading}\n\nThey follow [the chapter]({index.link(page)}).\n\n"
              + ("" if solved else INTRO)),
             ("code", "sheet", _sheet(name, found, index, seed, edition))]
    for number, (key, task) in enumerate(found.items(), 1):
        draws = task.draw(seed)
        body = [f"## {number}. {task.title}", facts(task),
                f"*Read again:* [{task.passage}]({index.link(page, anchor(task))})",
                converter.convert(task.statement(draws))]
        cells.append(("md", f"{key}-statement", "\n\n".join(body)))
        if given := task.given(draws):
            cells.append(("code", f"{key}-given", given))
        if "show" in task.parts:
            cells.append(("code", f"{key}-show", task.shown(draws)))
        if not solved or not task.by_hand:
            answer = task.parts["solution"] if solved else task.starter(seed)
            cells.append(("code", f"{key}-answer", task.filled(answer, draws)))
            cells.append(("code", f"{key}-check", f'sheet.check("{key}", {task.answer})'))
            if solved:
                cells.append(("md", f"{key}-why", converter.convert(task.filled(task.parts.get("why", ""), draws))))
    if solved:
        cells.append(("code", "all", "assert all(row['last'] == 'right' for row in sheet.results.values())\n"
                      "sheet.results"))
    else:
        cells += [("md", "report", "## What you have done\n\n" + HAND_IN), ("code", "report-write", "sheet.report()")]
        if questions := quiz(folder):
            cells.append(("md", "quiz", "## Questions to check yourself\n\nOpen an option to read what is right "
                          "or wrong about it.\n\n" + converter.convert(quiz_text(questions))))
    made = [_cell(kind, f"{name[:2]}-{key.replace('_', '-')}", text) for kind, key, text in cells]
    made.insert(1, install_cell(index.repository))
    book = nbformat.v4.new_notebook(cells=made, metadata={
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"}})
    book.nbformat_minor = 5
    nbformat.validate(book)
    return book


def _sheet(name, found, index, seed, edition):
    words = [f'"{name}"']
    if seed != "public":
        words += [f'edition="{edition}"', f'draws="{packed({key: task.draw(seed) for key, task in found.items()})}"']
    if index.repository.configured:
        words.append(f'book="{index.repository.site}"')
    return f"from vae_lib.exercises import Sheet\n\nsheet = Sheet({', '.join(words)})"


def _cell(kind, name, text):
    make = nbformat.v4.new_markdown_cell if kind == "md" else nbformat.v4.new_code_cell
    cell = make(text.strip("\n"), id=name[:64])
    if name.endswith("-show"):
        cell.metadata["jupyter"] = {"source_hidden": True}
    return cell


def as_text(book):
    """A notebook as text, the same bytes for the same cells."""
    return json.dumps(book, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def exercise_page(folder, index):
    """The page with the statements and the quiz, MyST."""
    name, found = folder.name, tasks(folder)
    number, title = int(name[:2]), index.titles[f"chapters/{name}"].split(". ", 1)[-1]
    points = sum(task.points for task in found.values())
    lines = [f"% made by tools/make_exercises.py from exercises/masters/{name}: edit there", "",
             f"(ex-{name.replace('_', '-')})=",
             f"# Exercises of chapter {number}", "",
             f"{len(found)} tasks on {{doc}}`{title} <../chapters/{name}>`, {points} points, about "
             f"{sum(task.minutes for task in found.values())} minutes. They are done in a notebook, "
             f"`exercises/{name}.ipynb`: the buttons above open or download it. Its checks say what is right, what is "
             f"wrong, and which mistake it looks like. The answers are in {{doc}}`solutions_{name}`.", ""]
    for place, task in enumerate(found.values(), 1):
        lines += [f"## {place}. {task.title}", "", facts(task) + f" *Read again:* {_passage(name, task)}.", "",
                  task.statement(task.draw()), ""]
        if task.kind == "mend":
            lines += ["```python", task.filled(task.starter(), task.draw()), "```", ""]
        if "show" in task.parts:
            lines += ["The figure stands in the notebook.", ""]
    if questions := quiz(folder):
        lines += ["## Questions to check yourself", "", "Open an option to read what is right or wrong about it.", "",
                  quiz_text(questions)]
    return "\n".join(lines).rstrip() + "\n"


def solution_page(folder, index):
    """The page with the reference solutions, other right answers and the mistakes that the check knows, MyST."""
    name, found = folder.name, tasks(folder)
    lines = [f"% made by tools/make_exercises.py from exercises/masters/{name}: edit there", "",
             f"# Solutions of chapter {int(name[:2])}", "",
             f"Try the {{doc}}`exercises <exercises_{name}>` first. Each solution below is executed with its check by "
             "the tests of the course. The constants are those of the public notebook; a class has others.", ""]
    for place, task in enumerate(found.values(), 1):
        draws = task.draw()
        lines += [f"## {place}. {task.title}", "",
                  f'<a href="exercises_{name}.html#{make_id(task.title)}">The task</a>', ""]
        if task.by_hand:
            lines += [task.filled(task.parts["rubric"], draws), ""]
            continue
        lines += ["```python", task.filled(task.parts["solution"], draws), "```", "",
                  task.filled(task.parts["why"], draws), ""]
        if planted := task.planted():
            lines += ["The faults of the public notebook:", "", *map(_told, planted), ""]
        for title, source in task.right.items():
            lines += [f":::{{dropdown}} Also right: {title}", "```python", task.filled(source, draws), "```", ":::", ""]
        lines += [":::{dropdown} Mistakes that the check knows"]
        lines += [*map(_told, task.wrong), ":::", ""]
    return "\n".join(lines).rstrip() + "\n"


def _told(mistake):
    return f"- *{mistake.name[0].upper()}{mistake.name[1:]}.* {mistake.hint}"


def _passage(name, task):
    return f'<a href="../chapters/{name}.html#{anchor(task)}">{task.passage}</a>'


def derived(root=ROOT):
    """{path: text} of everything that is derived."""
    plain, index = Index(root, repository(root)), FromExercises(root, repository(root))
    made = {}
    for folder in chapters(root):
        name = folder.name
        made[root / "exercises" / f"{name}.ipynb"] = as_text(notebook(folder, index))
        made[root / "exercises" / f"{name}_solutions.ipynb"] = as_text(notebook(folder, index, solved=True))
        made[root / "vae_lib" / "exercises" / "bank" / f"{name}.txt"] = bank_text(folder)
        made[root / "book" / f"exercises_{name}.md"] = exercise_page(folder, plain)
        made[root / "book" / f"solutions_{name}.md"] = solution_page(folder, plain)
    made[root / "exercises" / "capstone.ipynb"] = as_text(make_capstone.notebook(root, index))
    return made


def main(root=ROOT, check=False):
    expected = derived(root)
    wrong = [path for path, text in expected.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    left = [path for pattern in ("exercises/*.ipynb", "vae_lib/exercises/bank/*.txt", "book/exercises_*.md",
                                 "book/solutions_*.md") for path in root.glob(pattern) if path not in expected]
    if left:
        sys.exit("no master for " + ", ".join(str(path.relative_to(root)) for path in left) + ": delete it")
    if check and wrong:
        sys.exit("out of date: " + ", ".join(str(path.relative_to(root)) for path in wrong)
                 + ". Edit the masters, then run: make exercises")
    for path in wrong:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(expected[path], encoding="utf-8")
    print(f"exercises: {len(expected)} files in step with their masters"
          + (f", written: {', '.join(path.name for path in wrong)}" if wrong else ""))


if __name__ == "__main__":
    main(check="--check" in sys.argv[1:])

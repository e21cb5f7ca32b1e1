"""Make a class's edition of a chapter's exercises, and judge what comes back: the interface that the grader stands on.

    python tools/release.py --seed SECRET --chapter 05_first_vae --out FOLDER

writes FOLDER/student/05_first_vae.ipynb (to hand out), FOLDER/teacher/05_first_vae.json (to keep: probe inputs and what
the reference answers) and FOLDER/environment/vae_lib (the library of the grading sandbox, without what the tasks ask
for).
"""

import argparse
import ast
import hashlib
import json
import shutil
import sys
from pathlib import Path

from course import ROOT, repository
from make_exercises import FromExercises, as_text, chapters, notebook, tasks

from vae_lib.exercises import probing
from vae_lib.exercises.judging import Judge, Verdict
from vae_lib.exercises.task import Rng, fill

SHORTEST = 12  # letters of a seed: a short one can be guessed from the constants that it draws
NOT_SHIPPED = ("exercises/bank", "exercises/judging.py", "exercises/task.py", "exercises/sheet.py")


class Edition:
    """The exercises of one chapter for one secret seed.

    notebook: the learner's notebook, with nbgrader's metadata. removes: the symbols that the graded library lacks.
    """

    def __init__(self, chapter, seed, root=ROOT):
        self.chapter, self.seed, self.root = chapter, seed, root
        self.name = hashlib.sha256(f"edition/{seed}".encode()).hexdigest()[:8]
        self.tasks = tasks(root / "exercises" / "masters" / chapter)
        self._judges = {}

    @property
    def removes(self):
        """Names such as `vae_lib.objectives.gaussian_kl` or `vae_lib.vae.VAE.elbo`."""
        found = (one.strip() for task in self.tasks.values() for one in task.removes.split(","))
        return sorted({one for one in found if one})

    def judge(self, name):
        if name not in self._judges:
            task = self.tasks[name]
            starter = task.starter(self.seed) if task.kind == "mend" else ""
            self._judges[name] = Judge(task, task.draw(self.seed), starter)
        return self._judges[name]

    def inputs(self, name, attempt=0):
        """The probe inputs of a task: secret, and others for each `attempt`."""
        task, judge = self.tasks[name], self.judge(name)
        return [judge.space["inputs"](Rng(f"{self.seed}/{self.chapter}/{name}/inputs/{attempt}/{k}"))
                for k in range(task.repeats)]

    def hidden_cell(self, name, nonce="", attempt=0):
        """The code of the hidden cell: it runs in the learner's kernel, holds no answer, and sends plain data out."""
        task = self.tasks[name]
        draws = task.draw(self.seed)
        lines = ["import torch", "from vae_lib.exercises import probing", "globals().update(probing.HELPERS)"]
        if given := task.given(draws):
            lines.append(given)
        lines.append(fill(task.parts["probe"], draws))
        sent = [probing.encode(one) for one in self.inputs(name, attempt)]
        lines += [f"_inputs = {json.dumps(sent)}",
                  f"probing.send({name!r}, globals().get({task.answer!r}), probe, _inputs, {task.returns!r}, "
                  f"{task.answer!r}, {nonce!r})"]
        return "\n".join(lines)

    def verdict(self, name, payload, nonce="", attempt=0):
        """Judge the data that came out (the value under `application/x-probe+json`), whatever it is."""
        task = self.tasks[name]
        try:
            if payload["task"] != name or payload["nonce"] != nonce:
                raise ValueError
            observed = [_cleaned(one) for one in payload["observed"]]
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
            return Verdict(False, "No answer came out of the notebook.", problem="missing", of=task.points)
        return self.judge(name).verdict(observed, self.inputs(name, attempt))

    def notebook(self):
        """The learner's notebook of this edition, its cells marked for nbgrader."""
        book = notebook(self.root / "exercises" / "masters" / self.chapter,
                        FromExercises(self.root, repository(self.root)), self.seed, edition=self.name)
        parts = {f"{self.chapter[:2]}-{key.replace('_', '-')}": task for key, task in self.tasks.items()}
        for cell in book.cells:
            stem, _, part = cell["id"].rpartition("-")
            task = parts.get(stem)
            if task is None:
                continue
            solution = part == "answer"
            graded = (part == "check" and not task.by_hand) or (solution and task.by_hand)
            if part == "check" and task.by_hand:
                continue
            marks = {"grade_id": f"{task.name}-{part}", "schema_version": 3, "locked": not solution,
                     "solution": solution, "grade": graded, "task": False}
            cell.metadata["nbgrader"] = marks | ({"points": task.points} if graded else {})
        return book

    def record(self):
        """What the teacher keeps, as plain data."""
        rows = []
        for name, task in self.tasks.items():
            row = {"name": name, "title": task.title, "points": task.points, "answer": task.answer,
                   "by_hand": task.by_hand, "draws": task.draw(self.seed),
                   "planted": [one.name for one in task.planted(self.seed)]}
            if not task.by_hand:
                inputs = self.inputs(name)
                row |= {"inputs": [json.loads(probing.encode(one)) for one in inputs],
                        "reference": self.judge(name).reference(inputs)}
            rows.append(row)
        return {"chapter": self.chapter, "edition": self.name, "removes": self.removes, "tasks": rows}


def _cleaned(one):
    """An observation with nothing but the expected types."""
    if not isinstance(one, dict) or not ({"seen", "problem"} & set(one)):
        raise ValueError
    if "problem" in one:
        return {"problem": str(one["problem"])[:20], "sentence": str(one.get("sentence", ""))[:500]}
    return {"seen": one["seen"]}


def prune(source, target, removes):
    """Copy the library `source` to `target` without the code of the symbols, and without solutions and checks.

    A function that is taken out keeps its name and says so when called, so that what imports it still imports.
    Raises
        SystemExit: a symbol does not exist.
    """
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.partial"))
    for name in NOT_SHIPPED:
        path = target / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    (target / "exercises" / "__init__.py").write_text(_NO_CHECKS, encoding="utf-8")
    for symbol in removes:
        _, module, *names = symbol.split(".")
        path = target / f"{module}.py"
        text = path.read_text(encoding="utf-8")
        node = ast.parse(text)
        for name in names:
            node = next((one for one in getattr(node, "body", []) if getattr(one, "name", "") == name), None)
        if not isinstance(node, ast.FunctionDef):
            sys.exit(f"a task wants {symbol} removed, and vae_lib has no such function")
        lines = text.split("\n")
        indent = " " * (node.col_offset + 4)
        first = node.body[0].lineno - 1
        lines[first:node.end_lineno] = [
            f'{indent}raise NotImplementedError("{symbol} is not in the graded environment")']
        path.write_text("\n".join(lines), encoding="utf-8")


_NO_CHECKS = '''"""The graded environment: no checks here; the teacher's grader asks the answers itself."""

__all__ = ["Sheet"]


class Sheet:
    """Takes every call and checks nothing."""

    def __init__(self, *args, **kwargs):
        pass

    def check(self, *args):
        """Nothing is checked here."""

    def report(self, *args):
        """Nothing is written here."""
'''


def main(chapter, seed, out, root=ROOT):
    """Write the three folders of an edition.

    Raises
        SystemExit: no such chapter, a seed that can be guessed, or a folder that can't be written; a sentence says so.
    """
    known = [folder.name for folder in chapters(root)]
    if chapter not in known:
        sys.exit(f"no exercises for the chapter {chapter!r}: take CHAPTER= one of {', '.join(known)}")
    if len(seed) < SHORTEST:
        sys.exit(f"a seed of {len(seed)} letters can be guessed from the constants that it draws: take SEED= "
                 f"{SHORTEST} letters or more, or CLASS=folder, which draws one")
    try:
        _write(Edition(chapter, seed, root), Path(out), root)
    except OSError as error:
        sys.exit(f"the edition can't be written into {out}: {error.strerror or error}. Choose another folder")


def _write(edition, out, root):
    chapter = edition.chapter
    for part in ("student", "teacher"):
        (out / part).mkdir(parents=True, exist_ok=True)
    (out / "student" / f"{chapter}.ipynb").write_text(as_text(edition.notebook()), encoding="utf-8")
    (out / "teacher" / f"{chapter}.json").write_text(json.dumps(edition.record(), indent=1, ensure_ascii=False) + "\n",
                                                     encoding="utf-8")
    prune(root / "vae_lib", out / "environment" / "vae_lib", edition.removes)
    print(f"edition {edition.name} of {chapter}: {len(edition.tasks)} tasks. Hand out {out}/student; keep "
          f"{out}/teacher to yourself; grade with {out}/environment first on PYTHONPATH")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", required=True, help="the class's secret; the same seed gives the same edition")
    parser.add_argument("--chapter", required=True, help="such as 05_first_vae")
    parser.add_argument("--out", default="_build/release", help="the folder to write into")
    options = parser.parse_args()
    main(options.chapter, options.seed, options.out)

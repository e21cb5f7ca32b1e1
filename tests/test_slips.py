"""Slips: a mistake that nobody wrote down is named by the one change of the solution that makes it."""

import ast
import json
import secrets
import time

import make_exercises
import pytest
import torch

from vae_lib.exercises import probing
from vae_lib.exercises.judging import Judge
from vae_lib.exercises.slips import WORDS, slips
from vae_lib.exercises.task import Rng, Task, fill

TASKS = {f"{folder.name}/{name}": task for folder in make_exercises.chapters()
         for name, task in make_exercises.tasks(folder).items() if not task.by_hand}
ENERGY = '''
def energy(x, w):
    """One number for each row."""
    total = 0.5 * (x - w).square().sum(dim=1)
    if len(x) > 2:
        total = total + RATE * x.abs().mean(1)
    return total / len(x)
'''
PLACE = '''# title: Place
# chapter: 01_autoencoder
# goal: none
# answer: place
# minutes: 1
# points: 1
# difficulty: 1
# passage: none
# returns: tensor
# tolerance: 1e-5

# %% given
import torch

start = torch.tensor([1.0, 2.0, 4.0])

# %% solution
def place(x):
    at = start.clone()
    for row in x:
        at += 0.5 * row
    return at

# %% inputs
def inputs(rng):
    return {"x": rng.normal(4, 3)}

# %% probe
def probe(answer, x):
    return {"the_place": answer(x), "the_place_again": answer(x)}
'''


def judged(judge, source, seed="s"):
    """The verdict on `source`, from plain data."""
    task = judge.task
    inputs = [judge.space["inputs"](Rng(f"{seed}/{k}")) for k in range(task.repeats)]
    observed = probing.observe(judge.space["probe"], judge.answer(source), inputs, task.answer, task.returns, limit=60)
    return judge.verdict(json.loads(json.dumps(observed)), inputs)


@pytest.mark.parametrize(("line", "kind"), [
    ("(x - w).square().sum(dim=1)", "missing"),
    ("0.5 * (x + w).square().sum(dim=1)", "sign"),
    ("0.5 * (x - w).square().mean(dim=1)", "function"),
    ("0.5 * (x - w).abs().sum(dim=1)", "function"),
    ("0.5 * (x - w).square().sum(dim=0)", "dimension"),
    ("0.5 * (x - w).square().sum()", "dimension"),
    ("2 * (x - w).square().sum(dim=1)", "number"),
    ("0.5 * (x - x).square().sum(dim=1)", "name"),
    ("total + x.abs().mean(1)", "missing"),
    ("total + RATE * x.mean(1)", "missing"),
    ("total * len(x)", "operation"),
    ("len(x) >= 2", "operation"),
    ("(total + RATE) * x.abs().mean(1)", "brackets"),
    ("total / (len(x) - 1)", "number"),
    ("total / len(w)", "name"),
    ("total.detach() / len(x)", "gradient"),
])
def test_a_usual_mistake_is_a_slip(line, kind):
    found = [slip for slip in slips(ENERGY, ["RATE"]) if line in slip.line]
    assert kind in {slip.kind for slip in found}
    assert all(f"`{slip.line}`" in slip.sentence and WORDS[slip.kind] in slip.sentence for slip in found)


def test_a_step_left_out_is_named_and_not_shown():
    sentences = [slip.sentence for slip in slips(ENERGY, ["RATE"]) if slip.kind == "step"]
    assert len(sentences) == 2 and all("one step left out" in one and "`total`" in one for one in sentences)


@pytest.mark.parametrize("key", TASKS)
def test_slips_of_the_solutions_are_code_and_say_where(key):
    task = TASKS[key]
    solution, seen = fill(task.parts["solution"], task.draw()), set()
    for slip in slips(solution, [name for name in task.draw() if name.isupper()]):
        tree = ast.parse(slip.source)
        assert slip.source != solution and slip.source not in seen
        seen.add(slip.source)
        if len(seen) % 20 == 1 and slip.kind != "step":  # the line takes longer to make than the change
            assert slip.line
            assert ast.dump(ast.parse(slip.line).body[0]) in statements(tree)
    assert len(seen) > 20 or task.kind == "figure"


def statements(tree):
    """Every statement and, as if it stood alone, every expression."""
    found = {ast.dump(node) for node in ast.walk(tree) if isinstance(node, ast.stmt)}
    return found | {ast.dump(ast.Expr(node)) for node in ast.walk(tree) if isinstance(node, ast.expr)}


def test_no_slip_of_what_repeats_until_something_holds():
    assert list(slips("def f(x):\n    while x > 1:\n        x = x / 2\n    return x")) == []


def test_most_unknown_mistakes_are_named():
    """Of random changes of the solutions that nobody wrote down, two a task, at least four of five are named.

    Named by the hint of a known mistake, or by a line that gives the same numbers.
    """
    tried, unnamed = 0, []
    for key, task in TASKS.items():
        if task.kind not in ("implement", "mend"):
            continue
        judge, here = Judge(task, task.draw()), 0
        able = list(slips(task.parts["solution"], [name for name in task.draw() if name.isupper()]))
        for k in torch.randperm(len(able)).tolist():
            try:
                verdict = judged(judge, able[k].source, secrets.token_hex(4))
            except Exception:
                continue
            if verdict.passed or verdict.problem:
                continue
            here += 1
            if not verdict.mistakes and not verdict.hint.startswith("Your numbers are those of a solution with"):
                unnamed.append((key, able[k].line, verdict.sentence, verdict.hint))
            if here == 2:
                break
        tried += here
    assert tried > 80 and len(unnamed) <= 0.2 * tried, (tried, unnamed)


def test_numbers_that_are_all_alike_name_no_slip():
    task = TASKS["06_full_gpu_vae/unequal_shares"]
    verdict = judged(Judge(task, task.draw()), "def whole_gradient(means, sizes):\n    return torch.zeros(7)")
    assert not verdict.passed and "Your numbers" not in verdict.hint


def test_looking_for_a_slip_leaves_what_the_task_gives():
    """Of these changes one writes on a tensor that all answers share."""
    task = Task.parse(PLACE, "place")
    judge = Judge(task, task.draw())
    wrong = task.parts["solution"].replace("0.5 * row", "0.37 * row.abs()")
    assert not judged(judge, wrong).passed
    assert judge.space["start"].tolist() == [1, 2, 4]
    assert judged(judge, task.parts["solution"]).passed
    assert "at += row" in judged(judge, task.parts["solution"].replace("0.5 * row", "row")).hint


def test_who_has_waited_long_gets_an_answer_at_once():
    task = Task.parse(PLACE, "place")
    judge = Judge(task, {})
    inputs = [judge.space["inputs"](Rng(str(k))) for k in range(3)]
    answer = judge.answer(task.parts["solution"].replace("+=", "-="))
    observed = probing.observe(judge.space["probe"], answer, inputs, task.answer, task.returns, limit=60)
    assert "a solution with" in judge.verdict(observed, inputs).hint
    assert "a solution with" not in judge.verdict(observed, inputs, began=time.perf_counter() - 60).hint

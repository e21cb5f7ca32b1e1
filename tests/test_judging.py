"""Judging: what is said of wrong numbers is true of them, and of no others."""

import pytest
import torch

from vae_lib.exercises import probing
from vae_lib.exercises.judging import Judge, mismatches, relation
from vae_lib.exercises.task import Rng, Task

RIGHT = [torch.tensor([1.0, 2.5, -3.0, 0.5]), torch.tensor([4.0, -1.5, 0.7, 2.0])]


def said(change, right=RIGHT):
    """What is said where `change(right)` was given."""
    seen = [probing.plain({"losses": change(one), "gradient": one}) for one in right]
    want = [probing.plain({"losses": one, "gradient": one}) for one in right]
    return relation(seen, want, {"": 1e-4})


@pytest.mark.parametrize("change, words", [
    (lambda x: -x, "“losses” has the wrong sign"),
    (lambda x: x / 3, "0.3333 times"),
    (lambda x: x + 0.5, "off by the same amount, 0.5,"),
    (lambda x: x.mean().expand(4), "is the mean of the numbers that are asked for, repeated"),
    (lambda x: x.max().expand(4), "are the same within one input"),
    (lambda x: x.flip(0), "stand in another order"),
    (lambda x: x + torch.tensor([0.0, 1, 2, 3]), "number 1 of the 4 in “losses” is right, and the others are not"),
    (lambda x: x * torch.tensor([1.0, float("nan"), 1, 1]), "leaves what a float can hold"),
    (lambda x: x.sin(), ""),
    (lambda x: 1e4 + x.sin(), ""),  # near to one amount for all, as far as the large numbers go; not for what is asked
    (lambda x: x, "")])
def test_a_relation_is_named_where_it_holds(change, words):
    found = said(change)
    assert words in found if words else not found


def test_what_is_returned_in_the_wrong_order_is_named():
    pairs = [(one, one[:2].square() + 1) for one in RIGHT]
    want = [probing.plain({"weights": a, "means": b}) for a, b in pairs]
    seen = [probing.plain({"weights": b, "means": a}) for a, b in pairs]
    found = relation(seen, want, {"": 1e-4})
    assert found.startswith("“weights” and “means” are right, but each stands in the other's")


def test_a_gradient_that_is_wrong_alone_is_said_to_be_cut_off():
    want = [probing.plain({"value": one, "gradient": one}) for one in RIGHT]
    seen = [probing.plain({"value": one, "gradient": one.sin()}) for one in RIGHT]
    assert relation(seen, want, {"": 1e-4}).startswith("The values are right")


def test_a_shape_is_named_for_one_and_for_many():
    seen, want = (probing.plain({"losses": torch.ones(shape)}) for shape in ((4, 5), (4,)))
    found = mismatches(seen, want, {"": 1e-4})
    assert found["losses"].startswith("“losses” should have the shape (4,), and has (4, 5)")


def test_lists_of_another_length_have_another_form():
    found = mismatches({"size": [1.0, 2.0], "n": [1.0]}, {"size": [1.0], "n": {"a": 1.0}}, {"": 1e-4})
    assert found == {name: f"“{name}” has another form than expected." for name in ("size", "n")}


READING = '''# kind: figure
# answer: reading
# repeats: 1
# points: 1
# tolerance: 1e-4, size 0.1

# %% solution
reading = {"fit": "A", "wide": "B", "far": "C", "size": 20}

# %% probe
def probe(answer):
    return answer

# %% wrong: fit and wide
# hint: Fit and wide are exchanged.
reading = {"fit": "B", "wide": "A", "far": "C", "size": 20}

# %% wrong: all
# hint: Fifty is the number of all draws.
reading = {"fit": "A", "wide": "B", "far": "C", "size": 50}

# %% wrong: the other panel
# hint: Forty-eight is the size of another panel.
reading = {"fit": "A", "wide": "B", "far": "C", "size": 48}
'''


@pytest.mark.parametrize("reading, hint", [
    (("B", "A", "C", 20), "Fit and wide are exchanged."),
    (("A", "B", "C", 48.3), "Forty-eight is the size of another panel."),  # both lie within the tolerance: the nearest
    (("B", "A", "C", 50), "Fit and wide are exchanged. And: Fifty is the number of all draws."),
    (("B", "A", "C", 33), "Fit and wide are exchanged. Beside that, something else is not right yet: “size”."),
    (("B", "C", "A", 50), "Fifty is the number of all draws. Beside that, something else is not right yet: "
                          "“far” and “fit” and “wide”."),
    (("A", "B", "C", 33), "“fit” and “wide” and “far” came out right, and “size” did not: what does the one need and "
                          "the other not?"),
    (("B", "C", "A", 33), "")])
def test_a_reading_is_judged_part_by_part(reading, hint):
    judge = Judge(Task.parse(READING, "reading"), {})
    found = judge.verdict([{"seen": probing.plain(dict(zip(("fit", "wide", "far", "size"), reading)))}], [{}])
    assert found.hint == hint and not found.passed


def test_a_map_of_zeros_and_ones_is_no_reciprocal():
    want = [probing.plain({"counts": torch.tensor([0.0, 1, 0, 1])})]
    assert "one divided" not in relation([probing.plain({"counts": torch.tensor([1.0, 1, 0, 1])})], want, {"": 1e-4})


LAWS = """# kind: implement
# answer: double
# returns: tensor
# points: 1

# %% solution
def double(x):
    return 2 * x

# %% inputs
def inputs(rng):
    return {"x": rng.normal(4)}

# %% probe
def probe(answer, x):
    return {"value": answer(x), "value_of_zero": answer(0 * x)}

# %% laws
def laws(seen, x):
    yield (seen["value_of_zero"] == 0).all(), "zero stays zero", "Nothing is to be added."
"""


@pytest.mark.parametrize("answer, hint", [
    # exact for what is wrong first: it stands alone
    (lambda x: 2 * x + 0.37, "“value” is off by the same amount, 0.37,"),
    (lambda x: x.exp(), "Nothing is to be added."),
    (lambda x: x / 0, "Nothing is to be added."),
    (lambda x: 2 * x / (x != 0), "Nothing is to be added.")])
def test_a_law_and_a_relation_do_not_speak_at_once(answer, hint):
    judge = Judge(Task.parse(LAWS, "double"), {})
    inputs = [judge.space["inputs"](Rng(k)) for k in range(3)]
    found = judge.verdict(probing.observe(judge.space["probe"], answer, inputs, "double", "tensor"), inputs)
    assert found.hint.startswith(hint) and ("Nothing" in hint or "Nothing" not in found.hint)


def test_a_slip_and_a_law_speak_together():
    """The changed line says what was done, the law what is meant; the relation would say the first of it again."""
    judge = Judge(Task.parse(LAWS, "double"), {})
    inputs = [judge.space["inputs"](Rng(k)) for k in range(3)]
    observed = probing.observe(judge.space["probe"], lambda x: 2 * x + 1, inputs, "double", "tensor")
    found = judge.verdict(observed, inputs)
    assert found.hint.startswith("Your numbers are those of a solution with `return 2 * x + 1`.")
    assert found.hint.endswith(" Nothing is to be added.") and "same amount" not in found.hint

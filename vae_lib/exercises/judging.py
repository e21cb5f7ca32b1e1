"""From plain data to a verdict: what is right, what is wrong, and which mistake it looks like.

Nothing here runs a learner's code: the same lines judge in the notebook and outside the sandbox of a graded class.
"""

import itertools
import math
import re
import time
from dataclasses import dataclass, field

import torch

from vae_lib.exercises import probing
from vae_lib.exercises.task import apply_edits

__all__ = ["Judge", "Verdict", "mismatches", "relation"]

PATIENCE = 1.5  # seconds spent on finding the mistake


@dataclass(frozen=True)
class Verdict:
    """What a check says. `mistakes` are the names of the known mistakes it recognised; `laws` are (sentence, holds)."""

    passed: bool
    sentence: str
    hint: str = ""
    mistakes: tuple = ()
    laws: tuple = ()
    problem: str = ""
    passage: str = ""
    points: int = 0
    of: int = 0


@dataclass
class Judge:
    """Holds observations of an answer to one task against those of the reference, for the constants `draws`."""

    task: object
    draws: dict
    _answers: dict = field(default_factory=dict)

    def __post_init__(self):
        self._given = self.task.space(self.draws)
        self.space = self.task.probes(self.draws, self._given)
        self.tolerance = _tolerances(self.task.meta["tolerance"])

    def answer(self, source):
        """The object that `source` defines; it shares what the task gives with the others."""
        return self.task.defined(source, self.draws, self._given)

    def reference(self, inputs):
        """What the reference solution gives: a list of plain data."""
        return self._observe(self.task.parts["solution"], inputs)

    def verdict(self, observed, inputs, expected=None):
        """Judge what `probing.observe` gave for `inputs` (a list)."""
        of = self.task.meta["points"]
        expected = self.reference(inputs) if expected is None else expected
        bad = next((one for one in observed if "problem" in one), None)
        if bad:
            return Verdict(False, bad["sentence"], problem=bad["problem"], of=of)
        if len(observed) != len(expected):
            return Verdict(False, "The answer was not asked as often as it should have been.", problem="count", of=of)
        seen = [one["seen"] for one in observed]
        wrong = [mismatches(got, want, self.tolerance) for got, want in zip(seen, expected)]
        laws = self._laws(seen, inputs)
        failed = [(sentence, hint) for sentence, ok, hint in laws if not ok]
        shown = tuple((sentence, ok) for sentence, ok, _ in laws)
        if not any(wrong) and not failed:
            return Verdict(True, "Right.", laws=shown, points=of, of=of)
        sentence = next((line for lines in wrong for line in lines.values()), None)
        if sentence is None:
            sentence = f"This does not hold: {failed[0][0]}."
        if found := self._mistakes(seen, inputs):
            if self.task.meta["kind"] == "mend" and len(found) > 1:  # what stands there from the beginning
                hint = "Two faults are in it. Test each line on its own, with numbers that you can work out by hand."
            else:
                hint = " And: ".join(mistake.hint for mistake in found)
            return Verdict(False, sentence, hint, tuple(m.name for m in found), shown, of=of, passage=found[0].passage)
        hint = next((hint for _, hint in failed if hint), "")
        return Verdict(False, sentence, " ".join(filter(None, [relation(seen, expected, self.tolerance), hint])),
                       laws=shown, of=of)

    def _observe(self, source, inputs):
        """Plain data of an answer that the course wrote itself; `None` where it fails."""
        name = self.task.meta["answer"]
        if source not in self._answers:
            self._answers[source] = self.answer(source)
        answer = self._answers[source]
        returns = self.task.meta["returns"]
        with torch.random.fork_rng(devices=[]):
            subject = probing.Guard(answer, returns, name) if returns else answer
            return [probing.plain(self.space["probe"](subject, **{
                key: value.clone() if isinstance(value, torch.Tensor) else value for key, value in one.items()}))
                for one in inputs]

    def _matches(self, source, seen, inputs):
        try:
            given = self._observe(source, inputs)
        except Exception:
            return False
        return not any(mismatches(got, want, self.tolerance) for got, want in zip(seen, given))

    def _mistakes(self, seen, inputs):
        """The known mistake, or the two of them, that give what was seen."""
        began = time.perf_counter()
        for mistake in self.task.wrong:
            if self._matches(mistake.source, seen, inputs):
                return [mistake]
        pairs = [(a, b) for a, b in itertools.combinations(self.task.wrong, 2) if a.edits and b.edits]
        for pair in pairs:
            if time.perf_counter() - began > PATIENCE:
                break
            source = apply_edits(self.task.parts["solution"], [edit for one in pair for edit in one.edits])
            if source and self._matches(source, seen, inputs):
                return list(pair)
        return []

    def _laws(self, seen, inputs):
        """[(sentence, whether it held for all inputs, hint)]"""
        held = {}
        for got, one in zip(seen, inputs):
            try:
                for ok, sentence, *hint in self.space["laws"](_tensors(got), **one):
                    before = held.get(sentence, (True, ""))[0]
                    held[sentence] = (before and bool(ok), hint[0] if hint else "")
            except Exception:  # a law that an odd shape stops: the comparison says what is wrong
                break
        return [(sentence, ok, hint) for sentence, (ok, hint) in held.items()]


def mismatches(got, want, tolerance):
    """What differs, a sentence for each named part: {part: sentence}. Empty where all agrees."""
    got, want = _parts(got), _parts(want)
    found = {}
    for name, right in want.items():
        label = name.replace("_", " ")
        if name not in got:
            found[name] = f"There is nothing called “{label}”."
            continue
        (tokens, shape), (expected, form) = got[name], right
        if shape != form:
            found[name] = _about_shape(label, shape, form)
            continue
        allowed = tolerance.get(name, tolerance[""])
        off = [k for k, (a, b) in enumerate(zip(tokens, expected)) if not _close(a, b, allowed)]
        if off:
            if any(isinstance(tokens[k], str) and tokens[k] in ("nan", "inf", "-inf") for k in off):
                found[name] = f"Not finite for some inputs (NaN or infinity): {label}."
            elif all(isinstance(tokens[k], float) and isinstance(expected[k], float) for k in off):
                most = max(abs(tokens[k] - expected[k]) for k in off)
                count = f"{len(off)} of {len(tokens)} numbers are"
                found[name] = (f"Not right: {label}. {count} off, by up to {most:.2g}." if len(tokens) > 1
                               else f"Not right: {label}. It is off by {most:.2g}.")
            else:
                found[name] = f"Not right: {label}."
    return found


def relation(seen, expected, tolerance):
    """How the numbers of an answer relate to the right ones, where there is a simple relation; else ""."""
    names = list(_parts(expected[0]))
    wrong = [name for name in names if any(name in mismatches(g, w, tolerance) for g, w in zip(seen, expected))]
    for name in wrong:
        pairs = [(_parts(g).get(name, ([], None)), _parts(w)[name]) for g, w in zip(seen, expected)]
        if any(g[1] != w[1] for g, w in pairs):
            continue
        a = [x for g, _ in pairs for x in g[0]]
        b = [x for _, w in pairs for x in w[0]]
        if not all(isinstance(x, float) for x in a + b) or len(a) < 3:
            continue
        sentence = _relation(torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64),
                             tolerance.get(name, tolerance[""]), name.replace("_", " "))
        if sentence:
            return sentence
    return ""


def _relation(a, b, allowed, label):
    def near(x, y):
        return bool((x.isfinite() & ((x - y).abs() <= allowed * (1 + y.abs()))).all())

    varies = (b - b.mean()).abs().max() > 10 * allowed * (1 + b.abs().max())
    if (a == 0).all() and b.abs().max() > 10 * allowed:
        if "gradient" in label:
            return f"No {label} arrives: something cuts the computation off from it (`detach`, `item`, `no_grad`, " \
                   "a new tensor made from numbers, a draw that is not differentiable)."
        return f"The {label} is zero for every input."
    if not varies:
        return ""
    if (a - a.mean()).abs().max() <= allowed:
        return f"The {label} is the same number for every input: it does not depend on what is passed in."
    if near(a, -b):
        return f"The {label} has the wrong sign: everything else about it is right."
    clear = b.abs() > 0.05 * b.abs().max()
    ratio = (a[clear] / b[clear]).median()
    if near(a, ratio * b) and abs(ratio - 1) > 0.01:
        return f"The {label} is {ratio:.4g} times what it should be, for every input: look for a factor that is " \
               "missing or too many (½, a square, a sum where a mean is meant or the other way round)."
    shift = (a - b).median()
    if near(a, b + shift):
        return f"The {label} is off by the same amount, {shift:.4g}, for every input: a term that does not depend on " \
               "the input is missing or too many."
    for words, function in (("the square root of", lambda t: t.clamp(min=0).sqrt()), ("the square of", torch.square),
                            ("the exponential of", torch.exp), ("the logarithm of", lambda t: t.clamp(min=1e-30).log()),
                            ("one divided by", lambda t: 1 / t), ("the absolute value of", torch.abs)):
        if near(a, function(b)):
            return f"The {label} is {words} what it should be."
    if near(a.sort().values, b.sort().values):
        return f"The numbers of the {label} are right, but stand in another order."
    agree = ((a - b).abs() <= allowed * (1 + b.abs())).double().mean().item()
    if 0.2 <= agree < 1:
        return f"{agree:.0%} of the numbers of the {label} are right: look at what the others have in common."
    return ""


def _about_shape(label, got, want):
    if not (isinstance(got, tuple) and isinstance(want, tuple)):
        return f"The {label} has another form than expected."
    more = ""
    if got == () and want:
        more = ": a sum or mean goes over too much; one number for each image is meant to stay"
    elif len(got) > len(want) and got[:len(want)] == want:
        more = ": the last dimension is still there; sum over it" if got[len(want):] != (1,) else \
            ": a dimension of size 1 too many (`keepdim`, or `[:, None]`)"
    elif len(got) == len(want) and sorted(got) == sorted(want):
        more = ": its dimensions stand in another order"
    elif len(got) == len(want) - 1:
        more = ": one dimension is missing; the sum or mean went over one too many"
    return f"The {label} has shape {got}, and {want} is expected{more}."


def _parts(seen):
    """{name: (flat tokens, shape)} of plain data."""
    if not isinstance(seen, dict) or set(seen) == {"shape", "v"}:
        seen = {"value": seen}
    return {name: _flat(value) for name, value in seen.items()}


def _flat(value):
    if isinstance(value, dict) and set(value) == {"shape", "v"}:
        return list(value["v"]), tuple(value["shape"])
    if isinstance(value, list):
        inner = [_flat(one) for one in value]
        return [token for tokens, _ in inner for token in tokens], ("list", *(shape for _, shape in inner))
    if isinstance(value, dict):
        inner = {key: _flat(one) for key, one in sorted(value.items())}
        return [token for tokens, _ in inner.values() for token in tokens], ("dict", *inner)
    return [float(value) if isinstance(value, int) and not isinstance(value, bool) else value], ()


def _close(a, b, allowed):
    if isinstance(a, float) and isinstance(b, float):
        return math.isfinite(a) and abs(a - b) <= allowed * (1 + abs(b))
    return type(a) is type(b) and a == b


def _tensors(seen):
    """Plain data with its tensors back, float64."""
    if isinstance(seen, dict) and set(seen) == {"shape", "v"}:
        return torch.tensor([float(v) for v in seen["v"]], dtype=torch.float64).reshape(seen["shape"])
    if isinstance(seen, dict):
        return {key: _tensors(value) for key, value in seen.items()}
    return [_tensors(one) for one in seen] if isinstance(seen, list) else seen


def _tolerances(text):
    """"1e-4, spread 0.05" -> {"": 1e-4, "spread": 0.05}."""
    found = {"": 1e-4}
    for part in text.split(","):
        name, value = re.fullmatch(r"\s*(?:(\w+) +)?([\d.e-]+)\s*", part).groups()
        found[name or ""] = float(value)
    return found

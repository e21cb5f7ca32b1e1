"""From plain data to a verdict: what is right, what is wrong, and which mistake it looks like.

Nothing here runs a learner's code: the same lines judge in the notebook and outside the sandbox of a graded class.
"""

import itertools
import math
import re
import time
import warnings
from dataclasses import dataclass, field

import torch

from vae_lib.exercises import probing
from vae_lib.exercises.slips import slips
from vae_lib.exercises.task import apply_edits, fill

__all__ = ["Judge", "Verdict", "mismatches", "relation"]

PATIENCE = 1.5  # seconds after which no two mistakes at once are looked for any more
SEARCH = 2.5  # seconds after which no slip is looked for any more


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
    """Holds observations of an answer to one task against those of the reference, for the constants `draws`.

    starter: the code that the learner began with, where it is known: two faults are named one by one where it has not
    the same two.
    """

    task: object
    draws: dict
    starter: str = ""
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

    @torch.enable_grad()  # a learner may have switched gradients off for the whole notebook
    def verdict(self, observed, inputs, expected=None, began=None):
        """Judge what `probing.observe` gave for `inputs` (a list). began: since when somebody waits for it."""
        of, began = self.task.meta["points"], time.perf_counter() if began is None else began
        expected = self.reference(inputs) if expected is None else expected
        stopped = next((one for one in observed if "problem" in one), None)
        if stopped:
            return Verdict(False, stopped["sentence"], problem=stopped["problem"], of=of)
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
        found, left = self._mistakes(seen, expected, inputs, began)
        if found:
            if self.task.meta["kind"] == "mend" and len(found) > 1 and not (
                    self.starter and self._changed(seen, inputs)):  # what stands there from the beginning
                hint = "There are still two faults. Test each line on its own, with numbers that you can work out by " \
                       "hand."
            else:
                hint = " And: ".join(mistake.hint for mistake in found)
            if left:
                hint += f" Beside that, something else is not right yet: {_named(sorted(left))}."
            return Verdict(False, sentence, hint, tuple(m.name for m in found), shown, of=of, passage=found[0].passage)
        hint = next((hint for _, hint in failed if hint), "")
        if slip := self._slip(seen, expected, inputs, began):
            hint = hint or relation(seen, expected, self.tolerance, brief=True)
            return Verdict(False, sentence, f"{slip.sentence} {hint}".strip(), laws=shown, of=of)
        finite = not any(token in ("nan", "inf", "-inf") for one in seen for tokens, _ in _parts(one).values()
                         for token in tokens)
        if finite or not hint:  # a law says more than a relation, except for one of what is wrong first
            hint = relation(seen, expected, self.tolerance, brief=bool(hint)) or hint
        bad = self._differ(seen, expected)
        every = [name for name, (tokens, _) in _parts(expected[0]).items()
                 if name in bad or any(tokens)]  # zeros that came out right tell nothing
        if not hint and 0 < len(bad) < len(every):
            hint = f"{_named(name for name in every if name not in bad)} came out right, and " \
                   f"{_named(name for name in every if name in bad)} did not: what does the one need and the other not?"
        return Verdict(False, sentence, hint, laws=shown, of=of)

    def _observe(self, source, inputs):
        """Plain data of an answer that the course wrote itself; `None` where it fails."""
        name = self.task.meta["answer"]
        if source not in self._answers:
            self._answers[source] = self.answer(source)
        answer = self._answers[source]
        returns = self.task.meta["returns"]
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            subject = probing.Guard(answer, returns, name) if returns else answer
            return [probing.plain(self.space["probe"](subject, **{
                key: value.clone() if isinstance(value, torch.Tensor) else value for key, value in one.items()}))
                for one in inputs]

    def _given_by(self, source, inputs):
        try:
            return self._observe(source, inputs)
        except Exception:
            return None

    def _differ(self, seen, given, tolerance=None):
        """The names of the parts in which two answers differ."""
        return {name for got, want in zip(seen, given)
                for name in mismatches(got, want, tolerance or self.tolerance)}

    def _mistakes(self, seen, expected, inputs, began):
        """The known mistakes that give what was seen, and the names of the wrong parts that they leave unexplained."""
        coarse = _numbers(expected) < 3  # one or two numbers agree by chance: the nearest counts, and no pair
        known, same = [], []
        for mistake in self.task.wrong:
            given = self._given_by(mistake.source, inputs)
            if given is None:
                continue
            if not self._differ(seen, _filled(given, seen)):
                if not coarse:
                    return [mistake], set()
                same.append((_distance(seen, given), len(same), mistake))
            known.append((mistake, given))
        if same:
            return [min(same)[-1]], set()
        pairs = [(a, b) for a, b in itertools.combinations(self.task.wrong, 2) if a.edits and b.edits]
        for pair in pairs if not coarse else ():
            if time.perf_counter() - began > PATIENCE:
                break
            source = apply_edits(self.task.parts["solution"], [edit for one in pair for edit in one.edits])
            if source and self._same(source, seen, inputs):
                return list(pair), set()
        return self._part_by_part(seen, expected, known)

    def _changed(self, seen, inputs):
        """Whether an answer gives something else than the code that the learner began with."""
        begun = self._given_by(self.starter, inputs)
        return begun is not None and bool(self._differ(seen, _filled(begun, seen)))

    def _same(self, source, seen, inputs, tolerance=None):
        """Whether a wrong answer gives what was seen; most differ at the first of the inputs, and are left there."""
        for some in (inputs[:1], inputs):
            given = self._given_by(source, some)
            if not given or self._differ(seen[:len(some)], _filled(given, seen), tolerance):
                return False
        return True

    def _slip(self, seen, expected, inputs, began):
        """The single change of the solution that gives what was seen, or `None`.

        It gives the same, and not only something as near as an answer must be; of one or two numbers, which many
        changes nearly give, all digits must agree. An answer that was hardly begun names no slip, for the line shown
        would tell the rest of the solution: numbers that are all alike, single ones that are whole, an input given
        back.
        """
        names = self._differ(seen, expected)
        wrong = [[x for one in seen for x in _parts(one).get(name, ([], ()))[0]] for name in names]
        several = [part for part in wrong if len(part) > 1]
        begun = {len(set(part)) == 1 for part in several} or {float(x).is_integer() for part in wrong for x in part
                                                               if isinstance(x, float)}
        if self.task.kind == "figure" or begun == {True} or _given_back(seen, inputs, names):
            return None
        most = 1e-6 if sum(map(len, wrong)) < 3 else 1e-3
        tolerance = {name: min(float(value), most) for name, value in self.tolerance.items()}
        constants = [name for name in self.draws if name.isupper()]
        other = writes = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for slip in slips(fill(self.task.parts["solution"], self.draws), constants):
                if time.perf_counter() - began > SEARCH:
                    return None
                if other is None or other._writes() != writes:  # a change wrote on what the task gives
                    other = Judge(self.task, self.draws)
                    writes = other._writes()
                if other._same(slip.source, seen, inputs, tolerance):
                    return slip
        return None

    def _writes(self):
        """How often something was written on the tensors that the task gives."""
        return sum(value._version for value in self._given.values() if isinstance(value, torch.Tensor))

    def _part_by_part(self, seen, expected, known):
        """As `_mistakes`, where each mistake gives all the parts that it changes, and another the other parts."""
        wrong = self._differ(seen, expected)
        able = []
        for mistake, given in known:
            parts = self._differ(given, expected)
            told = self.task.kind in ("figure", "predict") or all(_numbers(expected, name) >= 3 for name in parts)
            if told and parts < wrong and not parts & self._differ(seen, given):
                near = _distance([_only(one, parts) for one in seen], [_only(one, parts) for one in given])
                able.append((-len(parts), near, len(able), mistake, parts))
        found, left = [], set(wrong)
        for *_, mistake, parts in sorted(able):
            if parts <= left:
                found.append(mistake)
                left -= parts
        if left and self.task.kind in ("mend", "predict"):  # a part of a few numbers agrees by chance
            return [], set()
        return found, left

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
                               else f"Not right: {label}.")  # how far off, of one number, would be the answer
            else:
                found[name] = f"Not right: {label}."
    return found


def relation(seen, expected, tolerance, brief=False):
    """How the numbers of an answer relate to the right ones, where there is a simple relation; else "".

    brief: look at the first part that is wrong alone; say neither which of its numbers are right nor that they agree.
    """
    names = list(_parts(expected[0]))
    wrong = [name for name in names if any(name in mismatches(g, w, tolerance) for g, w in zip(seen, expected))]
    for one, other in itertools.combinations(wrong, 2):
        exchanged = [_only(want, {one, other}) for want in expected]
        exchanged = [{one: want.get(other), other: want.get(one)} for want in exchanged]
        if not any(mismatches(_only(got, {one, other}), want, tolerance) for got, want in zip(seen, exchanged)):
            return f"{_named([one, other])} are right, but each stands in the other's place: look at the order in " \
                   "which you return them."
    values = [name for name in wrong if "gradient" not in name]
    for name in wrong[:1] if brief else wrong:
        pairs = [(_parts(g).get(name, ([], None)), _parts(w)[name]) for g, w in zip(seen, expected)]
        if any(g[1] != w[1] for g, w in pairs):
            continue
        if any(x in ("nan", "inf", "-inf") and x != y for g, w in pairs for x, y in zip(g[0], w[0])):
            return "Somewhere a number leaves what a float can hold: the exponential of a large number, the " \
                   "logarithm of a 0, or 0 divided by 0. Stay with logarithms (`logsumexp`, `logsigmoid`), or take " \
                   "out what is largest before `exp`."
        a = [x for g, _ in pairs for x in g[0]]
        b = [x for _, w in pairs for x in w[0]]
        if not all(isinstance(x, float) for x in a + b) or len(a) < 3:
            continue
        allowed, label = tolerance.get(name, tolerance[""]), _named([name])
        a, b = torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)
        if brief and (a == 0).all():
            continue
        sentence = _relation(a, b, allowed, label, brief)
        if not brief and not sentence:
            sentence = _within([(g[0], w[0]) for g, w in pairs], allowed, label)
        if not brief and not sentence and name == wrong[0]:
            sentence = _shared(a, b, pairs[0][1][1], len(pairs), allowed, label)
        if sentence:
            return sentence
    if wrong and not values and not brief and any("gradient" not in name for name in names):
        return "The values are right, and a gradient is not: a part of the computation is cut off from it (`detach`, " \
               "`no_grad`, `.data`), or goes round what it should go through."
    return ""


def _relation(a, b, allowed, label, brief=False):
    def near(x, y):
        return bool((x.isfinite() & y.isfinite() & ((x - y).abs() <= allowed * (1 + y.abs()))).all())

    varies = (b - b.mean()).abs().max() > 10 * allowed * (1 + b.abs().max())
    if (a == 0).all() and b.abs().max() > 10 * allowed:
        if "gradient" in label:
            return f"No gradient arrives ({label}): something cuts the computation off from it (`detach`, `item`, " \
                   "`no_grad`, a new tensor made from numbers, a draw that is not differentiable)."
        return f"{label} is zero for every input."
    if not varies:
        return ""
    if (a - a.mean()).abs().max() <= allowed:
        return "" if brief else f"{label} is the same number for every input that was tried: does it depend on all " \
                                "that is passed in?"
    if near(a, -b):
        return f"{label} has the wrong sign: everything else about it is right."
    clear = b.abs() > 0.05 * b.abs().max()
    ratio = (a[clear] / b[clear]).median()
    if near(a, ratio * b) and abs(ratio - 1) > 0.01:
        return f"{label} is {ratio:.4g} times what it should be, for every input: look for a factor that is " \
               "missing or too many (½, a square, a sum where a mean is meant or the other way round)."
    shift = (a - b).median()
    rest = (a - b - shift).abs()
    if (rest <= allowed * (1 + b.abs())).all() and abs(shift) > 2 * allowed * (1 + b.abs().max()):
        return f"{label} is off by the same amount, {shift:.4g}, for every input: a term that does not depend on " \
               "the input is missing or too many."
    for words, function in (("the square root of", lambda t: t.clamp(min=0).sqrt()), ("the square of", torch.square),
                            ("the exponential of", torch.exp), ("the logarithm of", lambda t: t.clamp(min=1e-30).log()),
                            ("one divided by", lambda t: 1 / t), ("the absolute value of", torch.abs)):
        if near(a, function(b)):
            return f"{label} is {words} what it should be."
    if near(a.sort().values, b.sort().values):
        return f"The numbers of {label} are right, but stand in another order."
    return ""


def _within(groups, allowed, label):
    """A sentence where every number of one input is the same, and should not be."""
    for got, want in groups:
        a, b = torch.tensor(got, dtype=torch.float64), torch.tensor(want, dtype=torch.float64)
        slack = allowed * (1 + b.abs().max())
        if (a - a.mean()).abs().max() > slack or (b - b.mean()).abs().max() <= 10 * slack:
            return ""
    if all(abs(sum(got) - sum(want)) <= allowed * (len(want) + abs(sum(want))) for got, want in groups):
        return f"{label} is the mean of the numbers that are asked for, repeated: each of them should be on its own."
    return f"All numbers of {label} are the same within one input: what was averaged or shared that should not be?"


def _given_back(seen, inputs, names):
    """Whether one of the parts is an input as it was passed."""
    given = [probing.plain(value)["v"] for value in inputs[0].values() if isinstance(value, torch.Tensor)]
    return any(len(part) > 1 and part in given for part in (_parts(seen[0]).get(name, ([], ()))[0] for name in names))


def _shared(a, b, shape, inputs, allowed, label):
    """A sentence that says which numbers are right, where some are."""
    right = (a - b).abs() <= allowed * (1 + b.abs())
    if not 0.2 <= right.double().mean() < 1:
        return ""
    if len(shape) == 1 and 1 < shape[0] <= 12:
        right = right.reshape(inputs, -1)
        if (right == right[0]).all():
            places = ", ".join(str(k + 1) for k in right[0].nonzero()[:, 0].tolist())
            return f"For every input number {places} of the {shape[0]} in {label} is right, and the others are not."
    return f"{right.double().mean():.0%} of the numbers of {label} are right: look at what the others have in common."


def _about_shape(label, got, want):
    if not all(isinstance(size, int) for size in (*got, *want)):  # lists and dicts
        return f"“{label}” has another form than expected."
    more = ""
    if got == () and want:
        more = ": a sum or mean goes over too much; one number for each image is meant to stay"
    elif len(want) == 1 and got == 2 * want:
        more = ": a column (n, 1) met a row (n,), and broadcasting made all pairs; give both the same shape"
    elif len(got) > len(want) and got[:len(want)] == want:
        more = ": the last dimension is still there; sum over it" if got[len(want):] != (1,) else \
            ": a dimension of size 1 too many (`keepdim`, or `[:, None]`)"
    elif len(got) == len(want) and sorted(got) == sorted(want):
        more = ": its dimensions stand in another order"
    elif len(got) == len(want) - 1:
        more = ": one dimension is missing; the sum or mean went over one too many"
    return f"“{label}” should have the shape {want}, and has {got}{more}."


def _parts(seen):
    """{name: (flat tokens, shape)} of plain data."""
    if not isinstance(seen, dict) or set(seen) == {"shape", "v"}:
        seen = {"value": seen}
    return {name: _flat(value) for name, value in seen.items()}


def _filled(given, seen):
    """What a known mistake gives; where that is no number, what was seen: whoever clamps it makes the same mistake."""
    def tokens(a, b):
        lost = [isinstance(x, str) for x in a["v"]]
        if not 0 < sum(lost) <= len(lost) / 2 or not isinstance(b, dict) or a["shape"] != b.get("shape"):
            return a
        return a | {"v": [y if gone and isinstance(y, float) else x for gone, x, y in zip(lost, a["v"], b["v"])]}

    def one(a, b):
        if not isinstance(a, dict) or not isinstance(b, dict):
            return a
        return {name: tokens(value, b.get(name)) if isinstance(value, dict) and set(value) == {"shape", "v"} else value
                for name, value in a.items()}

    return [one(a, b) for a, b in zip(given, seen)]


def _only(seen, names):
    """Some parts of plain data."""
    return {name: value for name, value in seen.items() if name in names} if isinstance(seen, dict) else {}


def _named(names):
    """Parts as words of a sentence."""
    return " and ".join(f"“{name.replace('_', ' ')}”" for name in names)


def _numbers(observed, name=None):
    """How many numbers the parts hold, or one of them, all inputs together."""
    return sum(isinstance(token, float) for one in observed for key, (tokens, _) in _parts(one).items()
               if name in (None, key) for token in tokens)


def _distance(seen, given):
    """How far the numbers of two answers of the same form lie apart, relative to their size."""
    return sum(abs(a - b) / (1 + abs(b)) for got, want in zip(seen, given) for name, (tokens, _) in _parts(want).items()
               for a, b in zip(_parts(got)[name][0], tokens) if isinstance(a, float) and isinstance(b, float))


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
        return math.isfinite(a) and abs(a - b) <= (allowed if isinstance(allowed, Absolute) else allowed * (1 + abs(b)))
    return type(a) is type(b) and a == b


def _tensors(seen):
    """Plain data with its tensors back, float64."""
    if isinstance(seen, dict) and set(seen) == {"shape", "v"}:
        return torch.tensor([float(v) for v in seen["v"]], dtype=torch.float64).reshape(seen["shape"])
    if isinstance(seen, dict):
        return {key: _tensors(value) for key, value in seen.items()}
    return [_tensors(one) for one in seen] if isinstance(seen, list) else seen


class Absolute(float):
    """A tolerance that does not grow with the number: that of something read off a figure."""


def _tolerances(text):
    """"1e-4, spread 0.05, share ±3" -> {"": 1e-4, "spread": 0.05, "share": Absolute(3)}."""
    found = {"": 1e-4}
    for part in text.split(","):
        name, sign, value = re.fullmatch(r"\s*(?:(\w+) +)?(±?)([\d.e-]+)\s*", part).groups()
        found[name or ""] = Absolute(value) if sign else float(value)
    return found

"""One task in one plain Python file: the format of `exercises/masters/`, described in `exercises/README.md`."""

import random
import re
from dataclasses import dataclass, field
from pathlib import Path

import torch

from vae_lib.exercises import probing

__all__ = ["BANK", "Mistake", "Rng", "Task", "bank", "read_bank"]

BANK = Path(__file__).parent / "bank"
NEEDED = ("given", "draws", "solution", "inputs", "probe", "laws", "wrong")  # what a check needs of a master
CELL = re.compile(r"^# %% *([a-z]+)(?:: *(.+?))? *$", re.M)
TASK = re.compile(r"^# ==== (\S+)$", re.M)
NUMBERS = {"minutes": int, "points": int, "difficulty": int, "plant": int, "repeats": int}


class Rng:
    """Random constants and inputs; the same for the same seed, on every machine."""

    def __init__(self, seed):
        self.random = random.Random(str(seed))
        self.generator = torch.Generator().manual_seed(self.random.getrandbits(62))

    def normal(self, *shape):
        """Standard normal numbers, float32."""
        return torch.randn(shape, generator=self.generator)

    def uniform(self, low, high, *shape):
        """Uniform numbers between `low` and `high`: a tensor, or a float where no shape is given."""
        if not shape:
            return self.random.uniform(low, high)
        return low + (high - low) * torch.rand(shape, generator=self.generator)

    def bits(self, *shape, p=0.5):
        """Zeros and ones as float32."""
        return (torch.rand(shape, generator=self.generator) < p).float()

    def integer(self, low, high):
        """A whole number, both ends included."""
        return self.random.randint(low, high)

    def choice(self, options):
        """One of the options."""
        return self.random.choice(list(options))

    def sample(self, options, n):
        """`n` different options."""
        return self.random.sample(list(options), n)


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that people give. `edits` are the (old, new) pairs that make it from the solution, for mistakes
    that may be planted and may come two at a time.
    """

    name: str
    hint: str
    source: str
    edits: tuple = ()
    passage: str = ""


@dataclass(frozen=True)
class Task:
    """The parts of one task; `parse` reads them.

    meta: the header, such as title, chapter, goal, minutes, points, difficulty, passage, answer, returns.
    parts: the cells without a name, as text: statement, given, draws, starter, solution, why, inputs,
        probe, laws, rubric.
    right: other right answers, by name. wrong: a list of `Mistake`.
    """

    name: str
    meta: dict
    parts: dict
    right: dict = field(default_factory=dict)
    wrong: tuple = ()

    @classmethod
    def parse(cls, text, name):
        """Read a master, or the part of it that the bank holds.

        Raises
            ValueError: the file is not in the format; the message says where.
        """
        found = list(CELL.finditer(text))
        head = text[:found[0].start()] if found else text
        meta = _header(head, name)
        parts, right, wrong = {}, {}, []
        for here, following in zip(found, [*found[1:], None]):
            kind, title = here.groups()
            body = text[here.end():following.start() if following else len(text)].strip("\n")
            if kind == "right":
                right[title] = body
            elif kind == "wrong":
                wrong.append(_mistake(title, body, parts.get("solution", ""), name))
            elif title:
                raise ValueError(f"{name}: the part {kind!r} takes no name")
            elif kind in parts:
                raise ValueError(f"{name}: the part {kind!r} stands twice")
            else:
                parts[kind] = _unquoted(body) if kind in ("statement", "rubric", "why") else body
        return cls(name, meta, parts, right, tuple(wrong))

    @staticmethod
    def for_checks(text):
        """The text of a master without what a check does not need: statement, starter, why, rubric, right answers."""
        found = list(CELL.finditer(text))
        kept = [text[:found[0].start()].strip("\n")]
        for here, following in zip(found, [*found[1:], None]):
            if here[1] in NEEDED:
                kept.append(text[here.start():following.start() if following else len(text)].strip("\n"))
        return "\n\n".join(kept)

    def __getattr__(self, key):
        if key.startswith("_") or key not in self.meta:
            raise AttributeError(f"the task {self.name!r} says nothing about {key!r}")
        return self.meta[key]

    @property
    def by_hand(self):
        """Whether a person marks the answer."""
        return self.meta["kind"] == "open"

    def draw(self, seed="public"):
        """The constants of an edition: the ones of the public notebooks, or those of a class by its secret seed."""
        rng = Rng(f"{seed}/{self.meta['chapter']}/{self.name}/draws")
        space = {"__name__": "draws"}
        exec(compile(self.parts.get("draws", "def draws(rng):\n    return {}"), f"<{self.name}: draws>", "exec"), space)
        return space["draws"](rng)

    def planted(self, seed="public"):
        """The mistakes planted into the starter of a task to mend, by the seed of the edition."""
        if not self.meta.get("plant"):
            return []
        able = [mistake for mistake in self.wrong if mistake.edits]
        rng = Rng(f"{seed}/{self.meta['chapter']}/{self.name}/plant")
        while True:  # until two mistakes do not touch the same line
            chosen = rng.sample(able, self.meta["plant"])
            if apply_edits(self.parts["solution"], [edit for one in chosen for edit in one.edits]) is not None:
                return chosen

    def starter(self, seed="public"):
        """What the learner begins with: the master's starter, or the solution with planted mistakes."""
        if "starter" in self.parts:
            return self.parts["starter"]
        return apply_edits(self.parts["solution"], [edit for one in self.planted(seed) for edit in one.edits])

    def given(self, draws):
        """The code that stands above the answer: what the master gives, then the drawn constants.

        Constants with a name in small letters are not shown: they are for `{{name}}` in statement and code.
        """
        lines = [f"{key} = {value!r}" for key, value in draws.items() if key.isupper()]
        return "\n".join([fill(self.parts.get("given", ""), draws), *lines]).strip("\n")

    def statement(self, draws):
        """The statement of an edition."""
        return fill(self.parts["statement"], draws)

    def shown(self, draws):
        """The code that draws the figure of an edition."""
        return fill(self.parts["show"], draws)

    @staticmethod
    def filled(text, draws):
        """Any other part, with the constants of an edition."""
        return fill(text, draws)

    def space(self, draws):
        """Run what is given, with the constants of an edition: a namespace to copy for each answer."""
        space = {"__name__": self.name}
        self._run(self.given(draws), "given", space)
        return space

    def probes(self, draws, space):
        """Run the parts that ask and judge an answer, in a copy of `space`."""
        space = space | {"torch": torch, **probing.HELPERS}
        for part in ("inputs", "probe", "laws"):
            self._run(fill(self.parts.get(part, ""), draws), part, space)
        space.setdefault("inputs", lambda rng: {})
        space.setdefault("laws", lambda seen, **inputs: ())
        return space

    def defined(self, source, draws, space=None, label="answer"):
        """The object that `source` defines as the answer, in a copy of `space`."""
        space = dict(self.space(draws) if space is None else space)
        self._run(fill(source, draws), label, space)
        return space[self.meta["answer"]]

    def _run(self, source, part, space):
        exec(compile(source, f"<{self.name}: {part}>", "exec"), space)


def fill(text, draws):
    """`text` with the drawn constants in place of `{{NAME}}`."""
    return re.sub(r"\{\{(\w+)\}\}", lambda m: _shown(draws[m[1]]), text)


def apply_edits(source, edits):
    """`source` with each (old, new) pair replaced, or `None` where an old text does not stand exactly once."""
    for old, new in edits:
        if source.count(old) != 1:
            return None
        source = source.replace(old, new)
    return source


def read_bank(text):
    """The tasks of one file of the bank, by name."""
    found = list(TASK.finditer(text))
    return {here[1]: Task.parse(text[here.end():following.start() if following else len(text)], here[1])
            for here, following in zip(found, [*found[1:], None])}


def bank(chapter):
    """The tasks of a chapter as the installed library has them, by name; none where a release took them out."""
    path = BANK / f"{chapter}.txt"
    return read_bank(path.read_text(encoding="utf-8")) if path.exists() else {}


def _header(text, name):
    meta, key = {"repeats": 3, "tolerance": "1e-4", "kind": "implement", "returns": "", "removes": ""}, None
    for line in text.strip("\n").split("\n"):
        if found := re.match(r"^# (\w+): *(.*)$", line):
            key = found[1]
            meta[key] = found[2].strip()
        elif key and re.match(r"^#  +\S", line):
            meta[key] += " " + line[1:].strip()
        elif line.strip() and key:
            raise ValueError(f"{name}: this line of the header is no `# key: value`: {line!r}")
    for key, kind in NUMBERS.items():
        if key in meta:
            meta[key] = kind(meta[key])
    return meta


def _mistake(title, body, solution, name):
    hint, passage, edits, code, alone = [], "", [], [], False
    for line in body.split("\n"):
        if line == "# alone":
            alone = True
        elif line.startswith("#-"):
            edits.append([line[2:].removeprefix(" "), ""])
        elif line.startswith("#+"):
            edits[-1][1] += ("\n" if edits[-1][1] else "") + line[2:].removeprefix(" ")
        elif line.startswith("# passage:"):
            passage = line.removeprefix("# passage:").strip()
        elif line.startswith("# ") and not code:
            hint.append(line[2:].removeprefix("hint:").strip())
        elif line.strip() or code:
            code.append(line)
    edits = tuple(map(tuple, edits))
    source = "\n".join(code).strip("\n") if code else apply_edits(solution, edits)
    if not source or (not code and not edits):
        raise ValueError(f"{name}: the wrong answer {title!r} has no code, or its #- text does not stand exactly "
                         "once in the solution")
    return Mistake(title, " ".join(hint), source, () if code or alone else edits, passage)


def _unquoted(body):
    """The text of a cell that holds one string."""
    found = re.fullmatch(r'r?"""\n?(.*?)\n?"""', body.strip("\n"), re.S)
    if not found:
        raise ValueError('a statement, a why and a rubric are one string between r""" and """')
    return found[1]


def _shown(value):
    return f"{value:g}" if isinstance(value, float) else str(value)

"""The ledger of claims: what we expected before measuring, and what came out.

Every claim stands in `claims.toml` with its expectation, which is written before the measurement and
stays. A chapter measures and calls `check(id, measured)`; the outcome is "reproduced" or "refuted".
The book's prose declares the same outcome, and the book does not build when the two disagree.
"""

import html
import math
import tomllib
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

__all__ = ["MIME", "Claim", "Result", "check", "registry"]

MIME = "application/x-vae-claim+json"
RELATIONS = {
    "at most": lambda measured, value, tolerance: measured <= value + tolerance,
    "at least": lambda measured, value, tolerance: measured >= value - tolerance,
    "within": lambda measured, value, tolerance: abs(measured - value) <= tolerance,
}


@dataclass(frozen=True)
class Claim:
    """One claim and the expectation written before measuring it.

    relation, value, tolerance: what is expected of the measured number: "at most" or "at least" `value`
        (with `tolerance` to spare), or "within" `tolerance` of it.
    evidence: "live" (measured by the chapter's own cells), "recomputed" (from committed weights, in the
        chapter) or "recorded" (by the recipe that made the weights, or by a study).
    source: a key of the bibliography, or "" for a claim of our own; published: its figure, if it has one.
    """

    id: str
    chapter: str
    statement: str
    relation: str
    value: float
    unit: str
    evidence: str
    tolerance: float = 0.0
    source: str = ""
    published: float | None = None
    images: int | None = None
    bound: str = ""
    k: int | None = None
    seeds: tuple = (0,)
    recipe: str = ""
    study: str = ""

    @property
    def expected(self):
        """The expectation in words, such as "at most 87.76 nats per image"."""
        words = f"{self.value:g}" + (f" ± {self.tolerance:g}" if self.tolerance else "")
        return f"{'' if self.relation == 'within' else self.relation} {words} {self.unit}".strip()


@dataclass(frozen=True)
class Result:
    """A measured claim; in a notebook it shows itself in words."""

    claim: Claim
    measured: float
    error: float | None

    @property
    def outcome(self):
        """"reproduced" where the measured number is as expected, "refuted" where it is not."""
        kept = RELATIONS[self.claim.relation](self.measured, self.claim.value, self.claim.tolerance)
        return "reproduced" if kept else "refuted"  # NaN compares as false: refuted

    @property
    def shown(self):
        """The measured number with its standard error and unit."""
        digits = 3 if abs(self.measured) < 10 else 2
        spread = f" ± {self.error:.{digits}f}" if self.error is not None else ""
        return f"{self.measured:.{digits}f}{spread} {self.claim.unit}".strip()

    def record(self):
        """One row of `claims.json`; NaN and infinity, which JSON does not know, become null."""
        numbers = {"measured": self.measured, "error": self.error}
        row = asdict(self.claim) | {"expected": self.claim.expected, "shown": self.shown, "outcome": self.outcome}
        row |= {key: value if value is None or math.isfinite(value) else None for key, value in numbers.items()}
        if self.claim.recipe:
            from vae_lib import pretrained
            notes = pretrained.provenance(self.claim.recipe)
            row["provenance"] = {key: notes[key] for key in ("recipe", "commit", "sha256")}
        return row

    def _lines(self):
        source = f" (published: {self.claim.published:g})" if self.claim.published is not None else ""
        return [f"Claim {self.claim.id}: {self.claim.statement}.",
                f"Expected {self.claim.expected}{source}; measured {self.shown}: {self.outcome}."]

    def __repr__(self):
        return "\n".join(self._lines())

    def _repr_mimebundle_(self, include=None, exclude=None):
        first, second = (html.escape(line) for line in self._lines())
        second = second.replace(self.outcome + ".", f"<strong>{self.outcome}</strong>.")
        return {"text/plain": repr(self), "text/html": f'<div class="claim {self.outcome}">{first}<br>{second}</div>',
                MIME: self.record()}


@lru_cache(maxsize=1)
def registry():
    """All claims, by id."""
    rows = tomllib.loads((Path(__file__).parent / "claims.toml").read_text(encoding="utf-8"))
    return {key: Claim(id=key, **{**row, "seeds": tuple(row.get("seeds", (0,)))}) for key, row in rows.items()}


def check(claim, measured, error=None):
    """Hold a measured number against the claim's expectation.

    claim: an id of `claims.toml`. measured: the number. error: its standard error, if known.
    Raises
        KeyError: the id is not registered: expectations are written down before measuring.
    """
    if claim not in registry():
        raise KeyError(f"claim {claim!r} is not registered: write its expectation into vae_lib/claims.toml first")
    return Result(registry()[claim], float(measured), None if error is None else float(error))

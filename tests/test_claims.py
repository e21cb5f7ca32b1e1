"""Laws of the ledger: every expectation is well formed, and an outcome follows from the numbers alone."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vae_lib import claims, pretrained

ROOT = Path(__file__).parents[1]
CLAIM = claims.Claim(id="one", chapter="05_first_vae", statement="A statement", relation="at most", value=10.0,
                     unit="nats", evidence="live", tolerance=0.5)


def outcome(relation, measured, tolerance=0.5):
    return claims.Result(replace(CLAIM, relation=relation, tolerance=tolerance), measured, None).outcome


@pytest.mark.parametrize("name", claims.registry())
def test_every_claim_is_well_formed(name):
    claim = claims.registry()[name]
    assert re.fullmatch(r"[a-z][a-z0-9-]*", claim.id) and claim.id == name
    assert claim.relation in claims.RELATIONS
    assert claim.evidence in {"live", "recomputed", "recorded"}
    assert math.isfinite(claim.value) and claim.tolerance >= 0
    assert claim.relation != "within" or claim.tolerance > 0, "nothing measured is ever exactly this"
    assert re.fullmatch(r"\d\d_[a-z_]+", claim.chapter)
    assert claim.statement[0].isupper() and not claim.statement.endswith(".")
    made_by = [name for name in (claim.recipe, claim.study) if name]
    assert len(made_by) == (claim.evidence != "live"), "a number that is not live has one recipe or study that made it"
    assert not claim.recipe or claim.recipe in pretrained.names()
    assert claim.published is None or claim.source, "a published figure has a source"


def test_every_source_stands_in_the_bibliography():
    keys = set(re.findall(r"^@\w+\{([^,]+),", (ROOT / "book/references.bib").read_text(encoding="utf-8"), re.M))
    assert {claim.source for claim in claims.registry().values() if claim.source} <= keys


def test_most_claims_are_live_or_recomputed():
    fresh = [claim.evidence != "recorded" for claim in claims.registry().values()]
    assert sum(fresh) / len(fresh) >= 0.6


@pytest.mark.parametrize(("relation", "measured", "expected"), [
    ("at most", 10.5, "reproduced"), ("at most", 10.501, "refuted"), ("at most", -1e9, "reproduced"),
    ("at least", 9.5, "reproduced"), ("at least", 9.499, "refuted"), ("at least", 1e9, "reproduced"),
    ("within", 9.5, "reproduced"), ("within", 10.5, "reproduced"), ("within", 9.499, "refuted"),
    ("within", 10.501, "refuted"),
    *((relation, math.nan, "refuted") for relation in claims.RELATIONS),
    ("at most", math.inf, "refuted"), ("at least", -math.inf, "refuted"), ("within", math.inf, "refuted"),
])
def test_an_outcome_is_on_the_right_side_of_its_bound(relation, measured, expected):
    assert outcome(relation, measured) == expected


@pytest.mark.parametrize("relation", ["at most", "at least"])
def test_without_tolerance_the_bound_itself_is_reproduced(relation):
    assert outcome(relation, 10.0, 0.0) == "reproduced"


@pytest.mark.parametrize(("claim", "words"), [
    (CLAIM, "at most 10 ± 0.5 nats"), (replace(CLAIM, tolerance=0.0), "at most 10 nats"),
    (replace(CLAIM, relation="within"), "10 ± 0.5 nats"), (replace(CLAIM, unit=""), "at most 10 ± 0.5"),
])
def test_the_expectation_in_words(claim, words):
    assert claim.expected == words


def test_checking_a_claim_holds_it_against_its_registered_expectation():
    name, claim = next(iter(claims.registry().items()))
    result = claims.check(name, torch.tensor(claim.value), torch.tensor(0.25))
    assert (result.claim, result.measured, result.error) == (claim, claim.value, 0.25)
    assert result.outcome == "reproduced"
    assert claims.check(name, math.nan).outcome == "refuted"


def test_an_unregistered_claim_is_an_error_that_names_the_fix():
    with pytest.raises(KeyError, match=r"'no-such' is not registered: write its expectation into vae_lib/claims\.toml"):
        claims.check("no-such", 1.0)


@pytest.mark.parametrize(("measured", "error", "shown"), [
    (9.87654, None, "9.877 nats"), (86.7654, 0.123, "86.77 ± 0.12 nats"), (0.00012, 0.00001, "0.000 ± 0.000 nats"),
])
def test_numbers_are_shown_with_their_error_and_unit(measured, error, shown):
    assert claims.Result(CLAIM, measured, error).shown == shown


def test_a_result_shows_itself_in_words_escapes_them_and_carries_its_record():
    result = claims.Result(replace(CLAIM, statement="x < y & z", published=9.0), 11.0, 0.1)
    shown = result._repr_mimebundle_()
    first, second = shown["text/plain"].split("\n")
    assert first == "Claim one: x < y & z."
    assert second == "Expected at most 10 ± 0.5 nats (published: 9); measured 11.00 ± 0.10 nats: refuted."
    assert "x &lt; y &amp; z" in shown["text/html"] and "<strong>refuted</strong>." in shown["text/html"]
    assert 'class="claim refuted"' in shown["text/html"]
    assert shown[claims.MIME] == result.record()


def test_a_record_is_one_row_of_json_with_all_fields():
    row = json.loads(json.dumps(claims.Result(CLAIM, 10.2, None).record()))
    wanted = {"id", "chapter", "statement", "source", "published", "expected", "measured", "tolerance", "outcome",
              "evidence", "images", "bound", "k", "seeds"}
    assert wanted <= set(row)
    assert (row["expected"], row["measured"], row["outcome"]) == ("at most 10 ± 0.5 nats", 10.2, "reproduced")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_record_of_no_number_is_json_too(value):
    row = claims.Result(CLAIM, value, value).record()
    assert json.loads(json.dumps(row, allow_nan=False))["measured"] is None
    assert str(abs(value)) in row["shown"]


def test_every_recipe_that_a_claim_names_has_weights():
    for name in {claim.recipe for claim in claims.registry().values() if claim.recipe}:
        assert pretrained.provenance(name)["sha256"]
        pretrained.load(name)  # it checks the weights against their hash


def test_a_record_from_weights_says_which(monkeypatch):
    notes = {"recipe": "iwae-mnist", "commit": "abc", "sha256": "def", "seconds": 1}
    monkeypatch.setattr(pretrained, "provenance", lambda name: notes)
    row = claims.Result(replace(CLAIM, evidence="recorded", recipe="iwae-mnist"), 1.0, None).record()
    assert row["provenance"] == {"recipe": "iwae-mnist", "commit": "abc", "sha256": "def"}

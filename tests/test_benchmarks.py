"""Laws of the recorded measurements: every row says what, in which unit, where and when; what is missing says so."""

import json
from pathlib import Path

import pytest

from vae_lib import benchmarks

ROOT = Path(__file__).parents[1]


def test_every_row_says_what_was_measured_where_and_when():
    found = benchmarks.rows()
    assert len(found) >= 10
    for one in found:
        assert {"name", "value", "unit", "device", "versions", "date", "command"} <= set(one)
    assert len({(one["name"], one["device"]) for one in found}) == len(found)


def test_the_package_has_the_committed_results():
    committed = {path.name: path.read_bytes() for path in (ROOT / "benchmarks" / "results").glob("*.json")}
    assert {path.name: path.read_bytes() for path in benchmarks.RESULTS.glob("*.json")} == committed, \
        "copy benchmarks/results/*.json to vae_lib/results"


@pytest.mark.parametrize(("name", "words"), [("speed", "1,234 images/s (Fast 1, 2026-01-01)"), ("goal", "not reached"),
                                             ("nothing", "not yet measured")])
def test_a_row_is_shown_in_words(tmp_path, name, words):
    one = {"name": "speed", "value": 1234, "unit": "images/s", "device": "Fast 1", "date": "2026-01-01"}
    (tmp_path / "fast.json").write_text(json.dumps([one, one | {"name": "goal", "value": None, "unit": "not reached"}]))
    assert benchmarks.shown(name, "fast", tmp_path) == words
    assert benchmarks.shown(name, "slow", tmp_path) == "not yet measured"

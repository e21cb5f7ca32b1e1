"""The pieces of `benchmarks/bench.py`: each is done when all its rows are there, and one that was cut off goes on."""

import dataclasses
import functools
import sys
from pathlib import Path

import pytest
import torch

from vae_lib import data, pretrained
from vae_lib.training import fit

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import bench

TINY = {"about": "tiny", "data": "mnist", "augment": True,
        "network": {"kind": "ladder", "widths": [4, 6, 8], "groups": [0, 1, 1], "blocks": [1, 1, 1], "z_dim": 2,
                    "flags": 1},
        "training": {"epochs": 2, "batch_size": 32, "lr": 1e-3, "ema": 0.9, "seed": 0, "precision": "bf16"}}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine of its own, with an empty file of results; counts the trainings that begin."""
    fits = []

    def counted(*args, **kwargs):
        fits.append(kwargs)
        return fit(*args, **kwargs | {"compile": False})  # a compiler takes a minute

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(bench, "name_of", lambda device: "A Fast One")
    monkeypatch.setattr(pretrained, "recipe", lambda name: TINY)
    monkeypatch.setattr(pretrained.training, "fit", counted)
    for name in ("load", "static_binarized"):
        monkeypatch.setattr(data, name, functools.partial(_some, getattr(data, name)))
    return fits


def _some(load, *args, **kwargs):
    found = load(*args, **kwargs)
    if isinstance(found, torch.Tensor):
        return found[:64]
    return dataclasses.replace(found, images=found.images[:64], labels=found.labels[:64])


def test_a_ladder_is_trained_in_slices_then_scored_and_each_seed_has_its_rows(machine):
    run = functools.partial(bench.bench_ladder, "cpu", k=2)
    with pytest.raises(pretrained.Unfinished, match="1 of 2 epochs"):
        next(run(seconds=1e-6))
    for seed in bench.SEEDS:
        rows = list(run())
        assert [name for name, *_ in rows] == [f"nll-best, seed {seed}", f"seconds-to-78.01, seed {seed}"]
        assert rows[0][1] > 0 and rows[0][3]["seed"] == seed and rows[1][1:3] == (None, "not reached")
        bench.write(rows[:1], "cpu", "c")  # cut off here, the seed is not done: its weights are scored once more
        trained = len(machine)
        assert [name for name, *_ in run()][1] == rows[1][0] and len(machine) == trained
        bench.write(rows, "cpu", "c")
    trained = len(machine)
    assert len(list(run())) == 2 and len(machine) == trained + 1, "asked again, it trains again"
    assert not bench.missing("ladder", "cpu")
    assert len({row["sha256"] for name, row in bench.results_of("cpu")[1].items() if "nll" in name}) == len(bench.SEEDS)


def test_the_rows_of_a_piece_are_those_that_it_yields(machine):
    rows = list(bench.bench_compile("cpu"))
    assert [name for name, *_ in rows] == bench.PIECES["compile"].rows("cpu")
    assert rows[1][3].keys() == {"seed", "seconds_to_compile"}


def test_a_piece_is_done_when_all_its_rows_are_there_and_none_is_stale(machine):
    first, *rest = bench.PIECES["roofline"].rows("cpu")
    bench.write([(first, 1, "s")], "cpu", "python benchmarks/bench.py roofline")
    assert bench.missing("roofline", "cpu") == rest
    bench.write([(name, 1, "s", {"stale": "older"}) for name in rest], "cpu", "c")
    assert bench.missing("roofline", "cpu") == rest
    bench.write([(name, 1, "s") for name in rest], "cpu", "c")
    assert not bench.missing("roofline", "cpu")


def test_it_says_what_is_left_and_when_all_is_done(machine, monkeypatch, capsys):
    def cut_off(device):
        yield "a", 1, "s"
        if not bench.results_of(device)[1].keys() & {"b"}:
            bench.write([("b", 1, "s")], device, "c")
            raise pretrained.Unfinished("the rest")

    monkeypatch.setattr(bench, "PIECES", {"part": bench.Piece(cut_off, lambda device: ["a", "b"])})
    monkeypatch.setattr(sys, "argv", ["bench.py", "--device", "cpu"])
    for words in ("not done yet: part", "all is done"):
        bench.main()
        assert words in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["bench.py", "--device", "cuda"])
    if not torch.cuda.is_available():
        with pytest.raises(SystemExit, match="no NVIDIA GPU"):
            bench.main()


def test_what_needs_a_package_is_left_out_and_not_asked_for_again(machine, monkeypatch, capsys):
    def without(device):
        raise ModuleNotFoundError(name="pythae")
        yield

    monkeypatch.setattr(bench, "PIECES", {"part": bench.Piece(without, lambda device: ["a"])})
    monkeypatch.setattr(sys, "argv", ["bench.py", "--device", "cpu"])
    bench.main()
    said = capsys.readouterr().out
    assert "pythae is not installed" in said and "all is done, without part" in said


def test_every_recorded_row_belongs_to_a_piece():
    """No row is written by hand."""
    for path in (Path(bench.__file__).parent / "results").glob("*.json"):
        device = "cpu" if path.name.startswith("cpu") else "cuda"
        names = {name for piece in bench.PIECES.values() for name in piece.rows(device)}
        for row in bench.json.loads(path.read_text()):
            assert row["name"] in names or (device == "cuda" and row["name"].endswith("processes")), row["name"]


def test_the_loops_of_the_chapter_are_those_that_are_measured(machine, monkeypatch):
    monkeypatch.setattr(bench.steps, "rate", lambda step, device: (step(), 1.0)[1])
    monkeypatch.setattr(bench.steps, "BATCH", 8)
    rows = list(bench.bench_steps("cpu"))
    assert [name for name, *_ in rows] == bench.PIECES["steps"].rows("cpu")
    chapter = (Path(__file__).parents[1] / "chapters" / "06_full_gpu_vae.md").read_text(encoding="utf-8")
    assert all(f'speed["{name}"]' in chapter or f'"{name}"' in chapter for name in bench.steps.LOOPS)

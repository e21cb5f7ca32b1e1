"""Laws of the command line: it does what the library does, and says what is wrong in one sentence."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import stop_in_second_epoch
from matplotlib.image import imread

from vae_lib import pretrained
from vae_lib.__main__ import main

NAME = "plane-mnist"


@pytest.fixture
def folder(tiny_data, tmp_path, monkeypatch, capsys):
    """A working folder with the weights that one epoch on little data made, in `runs`."""
    monkeypatch.chdir(tmp_path)
    main(["train", NAME, "--epochs", "1", "--device", "cpu"])
    assert f"weights in runs/{NAME}.safetensors" in capsys.readouterr().out
    return tmp_path


def said(capsys, *words):
    """What a command that works prints."""
    main(list(words))
    return capsys.readouterr().out


def assert_fails(capsys, words, *parts):
    """The command ends with a code that is not 0 and one sentence, no traceback."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code not in (0, None)
    message = ended.value.code if isinstance(ended.value.code, str) else capsys.readouterr().err
    assert "Traceback" not in message
    for part in parts:
        assert part in message, message
    return message


def test_recipes_are_listed_with_what_is_known_of_their_weights(capsys, folder, monkeypatch):
    listed = said(capsys, "recipes")
    assert all(name in listed for name in pretrained.names())
    pretrained.evaluate(NAME, "runs", k=2, progress=False, device="cpu")
    monkeypatch.setattr(pretrained, "WEIGHTS", Path("runs"))
    monkeypatch.setattr(pretrained.provenance, "__defaults__", (Path("runs"),))
    listed = said(capsys, "recipes")
    assert "trained in" in listed and "nats per image (IWAE-2, 120 test images)" in listed


def test_train_writes_weights_and_provenance(folder):
    assert {path.name for path in Path("runs").iterdir()} == {f"{NAME}.safetensors", f"{NAME}.json"}
    assert pretrained.provenance(NAME, "runs")["epochs"] == 1


def test_an_interrupted_training_says_how_to_go_on_and_does(folder, capsys, monkeypatch):
    train = ["train", NAME, "--epochs", "2", "--device", "cpu", "--out"]
    main([*train, "whole"])
    stop_in_second_epoch(monkeypatch)
    assert_fails(capsys, [*train, "other"], "stopped; train with --resume goes on from the last whole epoch")
    main([*train, "other", "--resume"])
    assert pretrained.provenance(NAME, "other")["sha256"] == pretrained.provenance(NAME, "whole")["sha256"]


def test_evaluate_prints_the_score_and_records_it(folder, capsys):
    out = said(capsys, "evaluate", NAME, "--weights", "runs", "--k", "3", "--device", "cpu")
    test = pretrained.provenance(NAME, "runs")["test"]
    assert f"NLL {test['nll']:.2f} ± {test['standard_error']:.2f} nats per image (IWAE-3, 120 test images)" in out


def test_sample_writes_a_sheet_of_images_that_depends_on_the_seed(folder, capsys):
    sheets = {}
    for name, words in {"one": [], "again": [], "other": ["--seed", "1"], "means": ["--means"]}.items():
        out = said(capsys, "sample", NAME, "--weights", "runs", "--n", "9", "--out", f"{name}.png", *words)
        assert f"9 images in {name}.png" in out
        sheets[name] = imread(f"{name}.png")
    assert sheets["one"].shape == (3 * 29 + 1, 3 * 29 + 1, 3)  # 3 × 3 of 28 pixels, and a line of 1 between
    assert (sheets["one"] == sheets["again"]).all()
    assert (sheets["one"] != sheets["other"]).any() and (sheets["one"] != sheets["means"]).any()


@pytest.mark.parametrize(("harm", "words", "parts"), [
    (None, ["sample", NAME, "--weights", "nowhere"],
     (f"nowhere/{NAME}.safetensors is missing", f"python -m vae_lib train {NAME} --out nowhere makes it")),
    (None, ["evaluate", NAME, "--weights", "nowhere"], (f"nowhere/{NAME}.safetensors is missing",)),
    ("safetensors", ["sample", NAME, "--weights", "runs"], ("not the file that its provenance tells of", "anew")),
    ("json", ["sample", NAME, "--weights", "runs"], ("is no JSON file", "anew")),
    (None, ["sample", NAME, "--weights", "runs", "--out", "no/such/folder.png"], ("no/such",)),
    (None, ["sample", "vae"], ("invalid choice: 'vae'", "iwae-mnist")),
    (None, ["train", "vae"], ("invalid choice: 'vae'", "iwae-mnist")),
    (None, ["train", NAME, "--epochs", "0"], ("--epochs: must be a whole number of at least 1, got 0",)),
    (None, ["evaluate", NAME, "--k", "-3"], ("--k",)),
    (None, ["evaluate", NAME, "--images", "0"], ("--images: must be a whole number of at least 1, got 0",)),
    (None, ["sample", NAME, "--n", "none"], ("--n: must be a whole number of at least 1, got none",)),
    (None, ["sample", NAME, "--weights", "runs", "--device", "abacus"], ("--device", "abacus")),
    (None, [], ("required: command",)),
])
def test_what_is_wrong_is_said_in_one_sentence(folder, capsys, harm, words, parts):
    if harm:
        path = Path("runs") / f"{NAME}.{harm}"
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    message = assert_fails(capsys, words, *parts)
    assert len(message.strip().splitlines()[-1]) < 400


def test_the_module_runs_and_ends_with_a_code():
    run = subprocess.run([sys.executable, "-m", "vae_lib", "sample", NAME, "--weights", "nowhere"],
                         capture_output=True, text=True)
    assert run.returncode == 1 and run.stderr.startswith("vae_lib: ") and run.stderr.count("\n") == 1

"""Laws of the one-class study: who is normal, what is scored, and that an interrupted study goes on."""

import json
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from vae_lib import anomaly, data, one_class
from vae_lib.__main__ import main

pytestmark = pytest.mark.filterwarnings("ignore:.*normal images cannot set a threshold:UserWarning")  # little data


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1])
def test_others_are_the_share_that_was_asked_for(share):
    images = one_class.normal_images("fashion_mnist", 9, share)
    train = data.load("fashion_mnist", "train")
    own = int((train.labels == 9).sum())
    assert (images[:own] == train.images[train.labels == 9]).all()
    assert len(images) - own == round(share / (1 - share) * own)
    if share:
        assert (len(images) - own) / len(images) == pytest.approx(share, abs=1e-3)
        boots = {image.numpy().tobytes() for image in train.images[train.labels == 9]}
        assert not [1 for image in images[own:] if image.numpy().tobytes() in boots]


def test_no_test_or_validation_image_is_learnt():
    seen = {image.numpy().tobytes() for image in one_class.normal_images("mnist", 1, 0.1)}
    for split in ("validation", "test"):
        assert not seen & {image.numpy().tobytes() for image in data.load("mnist", split).images}


def test_the_parts_are_all_classes_sets_and_seeds():
    parts = one_class.parts()
    assert len(parts) == len(set(parts)) == 2 * 10 * 3 + 10 * 2
    assert {part[2] for part in parts} == {0, 1, 2}


@pytest.fixture
def small(tiny_data, monkeypatch):
    """A study of three parts on little data; its scores are the real ones."""
    chosen = [("mnist", 1, 0, 0.0), ("fashion_mnist", 9, 0, 0.0), ("fashion_mnist", 9, 0, 0.1)]
    monkeypatch.setattr(one_class, "parts", lambda: chosen)
    monkeypatch.setattr(one_class, "SUBSET", 60)
    monkeypatch.setattr(one_class.pretrained, "fixed_subset", lambda n: torch.arange(n))
    return chosen


def test_scores_are_those_of_the_library_and_of_scikit_learn(small):
    found = one_class.score_part("mnist", 1, 0)
    assert {len(values) for values in found.values()} == {60, 120}
    assert one_class.HEADLINE in found and len(found) == 13
    rows = one_class.normal_images("mnist", 1).flatten(1).numpy() / np.float32(255)
    pca, x = PCA(30).fit(rows), data.load("mnist", "test").floats().flatten(1).numpy()
    expected = ((x - pca.inverse_transform(pca.transform(x))) ** 2).sum(1)
    ratio = found["PCA: error of 30 components"].numpy() / expected
    assert ratio.std() / ratio.mean() < 1e-3  # the study's pixels are divided by one number
    assert set(one_class.score_part("mnist", 1, 0, 0.1)) == {one_class.HEADLINE}


class InThisProcess:
    """A pool of one worker that works at once."""

    def __init__(self, workers, context):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def submit(self, call, *arguments):
        future = Future()
        future.set_result(call(*arguments))
        return future


def test_an_interrupted_study_goes_on_and_is_summed_up(small, tmp_path, monkeypatch):
    monkeypatch.setattr(one_class, "ProcessPoolExecutor", InThisProcess)
    said, calls, whole = [], [], one_class.score_part

    def counted(*part):
        calls.append(part)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*part)

    monkeypatch.setattr(one_class, "score_part", counted)
    with pytest.raises(KeyboardInterrupt):
        one_class.run(tmp_path, workers=1, progress=said.append)
    assert one_class.run(tmp_path, workers=1, progress=said.append)
    assert calls == [small[0], small[1], small[1], small[2]]
    one_class.summarise(tmp_path, tmp_path / "studies" / "found.json", repeats=20)
    found = json.loads((tmp_path / "studies" / "found.json").read_text())
    assert len(found["rows"]) == 13 + 13 + 1
    scores, labels = whole(*small[1])[one_class.HEADLINE], data.load("fashion_mnist", "test").labels
    expected = anomaly.auroc(scores[labels == 9], scores[labels != 9])
    row = next(row for row in found["rows"] if row["set"] == "fashion_mnist" and row["score"] == one_class.HEADLINE)
    assert row["auroc"] == pytest.approx(expected, abs=1e-5)
    low, high = found["intervals"]["fashion_mnist"]["headline"]
    assert low <= expected <= high


def test_time_that_is_over_begins_no_part(small, tmp_path, monkeypatch):
    monkeypatch.setattr(one_class, "ProcessPoolExecutor", InThisProcess)
    assert not one_class.run(tmp_path, workers=1, seconds=1e-9, progress=lambda _: None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("done", "words"), [(False, "the same command goes on"), (True, "mnist: mean AUROC 0.")])
def test_the_command_line_runs_the_study_and_says_how_far_it_is(monkeypatch, capsys, done, words):
    asked = []
    monkeypatch.setattr(one_class, "run", lambda *words: asked.append(words) or done)
    monkeypatch.setattr(one_class, "summarise", lambda folder: asked.append(folder))
    main(["study", "one_class", "--out", "somewhere", "--seconds", "7", "--workers", "3"])
    folder = Path("somewhere/one_class")
    assert asked == [(folder, 3, 7), *([folder] if done else [])]
    assert words in capsys.readouterr().out


# What is committed

def test_the_committed_study_is_whole():
    study = one_class.load()
    assert {"device", "versions", "date", "commit", "seconds", "settings", "headline", "chosen_on"} <= set(study)
    assert study["headline"] == one_class.HEADLINE
    whole = {(row["set"], row["class"], row["seed"], row["contamination"]) for row in study["rows"]
             if row["score"] == one_class.HEADLINE}
    assert whole == set(one_class.parts())
    assert all(0 <= row["auroc"] <= 1 for row in study["rows"])


@pytest.mark.parametrize("name", data.SETS)
def test_the_committed_means_lie_in_their_intervals(name):
    study = one_class.load()["intervals"][name]
    vae, pca = (one_class.mean(name, key)[0] for key in (one_class.HEADLINE, "PCA: error of 30 components"))
    assert study["headline"][0] < vae < study["headline"][1]
    assert study["lead on PCA"][0] < vae - pca < study["lead on PCA"][1]


def test_a_missing_study_says_how_to_make_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m vae_lib study one_class"):
        one_class.load(tmp_path / "none.json")

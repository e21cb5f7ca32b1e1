"""Laws of the study of chapter 7: what it trains, draws, measures and keeps; and that the record is what it says."""

import itertools

import pytest
import torch

from vae_lib import data, features, generation_study
from vae_lib.mixture import GaussianMixture
from vae_lib.vampprior import VampVAE

WAYS = {"AE, N(0, I)", "AE, one Gaussian", "AE, mixture", "VAE, N(0, I)", "VAE, one Gaussian", "VAE, mixture",
        "VAE, q(z)", "VampPrior", "real: training images"}
SMALL = {"hidden": [8], "z_dim": 2, "epochs": 1, "pseudo_inputs": 5, "components": 2, "codes": 100}


@pytest.fixture
def small(tiny_data, monkeypatch):
    """The study on little data with small networks that are not trained for features."""
    monkeypatch.setattr(generation_study, "SETTINGS", generation_study.SETTINGS | SMALL)
    monkeypatch.setattr(generation_study, "N", 60)
    networks = {name: features.Classes(d=4, width=2) for name in features.NAMES}
    monkeypatch.setattr(features, "load", networks.__getitem__)


@pytest.fixture
def folders(tmp_path):
    found = {name: tmp_path / name for name in ("whole", "parts")}
    for folder in found.values():
        folder.mkdir()
    return found


def test_all_three_models_have_the_same_networks_and_start(small):
    nets = {model: generation_study.train(model, "mnist", 0, False, lr=1e-12)[0] for model in generation_study.MODELS}
    start = nets["VAE"].encoder.state_dict() | nets["VAE"].decoder.state_dict()
    for net in nets.values():
        for key, value in (net.encoder.state_dict() | net.decoder.state_dict()).items():
            torch.testing.assert_close(value, start[key])
    assert isinstance(nets["VampPrior"], VampVAE) and nets["VampPrior"].pseudo_inputs().shape == (5, 1, 28, 28)


def test_the_autoencoder_has_neither_noise_nor_rate(small):
    net, _ = generation_study.train("VAE", "mnist", 0, False)
    x = data.static_binarized("mnist")
    loss = generation_study.plain_autoencoder(net, x)
    torch.testing.assert_close(loss, generation_study.plain_autoencoder(net, x))  # no draw in it
    net.encoder.body[-1].bias.data[2:] += 3  # logvar: it does not matter
    torch.testing.assert_close(loss, generation_study.plain_autoencoder(net, x))


def test_what_is_drawn_from_each_model(small):
    found = set()
    for model in generation_study.MODELS:
        net, _ = generation_study.train(model, "mnist", 0, False)
        ways = generation_study.draws(model, net, "mnist")
        found |= set(ways)
        for way, prior in ways.items():
            assert net.sample(3, prior=prior).shape == (3, 1, 28, 28)
            assert not way.endswith("mixture") or (isinstance(prior, GaussianMixture) and len(prior.weights) == 2)
    assert found == WAYS - {"real: training images"}


def test_a_stopped_study_goes_on_and_a_whole_one_does_nothing(small, folders, monkeypatch):
    options = {"seeds": (0,), "progress": False, "say": lambda line: None}
    whole = generation_study.run("mnist", folders["whole"], **options)
    assert {row["way"] for row in whole["rows"]} == WAYS and len(whole["rows"]) == 2 * len(WAYS)
    train = generation_study.train

    def stopped(model, *args):
        if model == "VampPrior":
            raise KeyboardInterrupt
        return train(model, *args)

    monkeypatch.setattr(generation_study, "train", stopped)
    with pytest.raises(KeyboardInterrupt):
        generation_study.run("mnist", folders["parts"], **options)
    monkeypatch.setattr(generation_study, "train", train)
    assert generation_study.run("mnist", folders["parts"], **options)["rows"] == whole["rows"]
    monkeypatch.setattr(generation_study, "train", None)  # would fail if it were called
    monkeypatch.setattr(generation_study, "measure", None)
    assert generation_study.run("mnist", folders["parts"], **options)["rows"] == whole["rows"]


def test_a_study_stopped_while_it_measures_goes_on_from_the_features(small, folders, monkeypatch):
    options = {"seeds": (0,), "progress": False, "say": lambda line: None}
    whole, measure, calls = generation_study.run("mnist", folders["whole"], **options), generation_study.measure, []

    def stopped(real, fake):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return measure(real, fake)

    monkeypatch.setattr(generation_study, "measure", stopped)
    with pytest.raises(KeyboardInterrupt):
        generation_study.run("mnist", folders["parts"], **options)
    assert all("fid" in row for row in generation_study.record("mnist", folders["parts"])["rows"])
    monkeypatch.setattr(generation_study, "train", None)
    assert generation_study.run("mnist", folders["parts"], **options)["rows"] == whole["rows"]
    assert len(calls) == 1 + len(whole["rows"])


def test_a_record_of_other_settings_is_not_continued(small, folders, monkeypatch):
    generation_study.run("mnist", folders["whole"], (0,), False, lambda line: None)
    monkeypatch.setattr(generation_study, "SETTINGS", generation_study.SETTINGS | {"epochs": 3})
    with pytest.raises(ValueError, match="other settings"):
        generation_study.run("mnist", folders["whole"])


# What is committed

@pytest.mark.parametrize("name", data.SETS)
def test_the_record_is_whole(name):
    record = generation_study.record(name)
    assert record["settings"] == generation_study.SETTINGS and record["images"] == generation_study.N
    seeds = {way: (0,) if way.startswith("real") else generation_study.SEEDS for way in WAYS}
    expected = [(way, seed, one) for way, one in itertools.product(WAYS, features.NAMES) for seed in seeds[way]]
    assert sorted((row["way"], row["seed"], row["extractor"]) for row in record["rows"]) == sorted(expected)
    assert len(record["trained"]) == len(generation_study.MODELS) * len(generation_study.SEEDS)
    for row in record["rows"]:
        assert row["fid"] >= 0 and 0 <= row["precision"] <= 1 and 0 <= row["recall"] <= 1


@pytest.mark.parametrize("extractor", features.NAMES)
def test_the_recorded_floor_is_measured_again(extractor):
    row, = (row for row in generation_study.record("mnist")["rows"]
            if row["extractor"] == extractor and row["way"].startswith("real"))
    network = features.load(extractor)
    real, fake = (generation_study.real_features(network, "mnist", split) for split in ("test", "train"))
    # kernels of another processor round the features anew
    assert generation_study.quality.frechet_distance(real, fake) == pytest.approx(row["fid"], rel=0.01, abs=1e-4)

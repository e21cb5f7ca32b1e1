"""Laws of the detector: scikit-learn's conventions, the false-alarm rate, and one file that brings all back."""

import json
import math
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from vae_lib import anomaly, data
from vae_lib.detector import SCORES, Detector, threshold

# float32 sums depend in their last digit on how many images are scored at once, and this check asks for seven digits
ROUNDING = {"check_methods_subset_invariance": "float32"}


@parametrize_with_checks([Detector(epochs=2, hidden=(8,), z_dim=2)], expected_failed_checks=lambda _: ROUNDING)
@pytest.mark.filterwarnings("ignore::UserWarning")  # the checks fit 20 points, of which 2 set the threshold
def test_a_detector_keeps_scikit_learns_conventions(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def shoes():
    """A detector of ankle boots after four short epochs, and images as bytes: boots, and others."""
    found = data.load("fashion_mnist", "validation")
    boots = data.load("fashion_mnist", "train")
    boots = boots.images[boots.labels == 9]
    return Detector(epochs=4, hidden=(64,), z_dim=8).fit(boots[:1500]), boots[1500:2500], found.images[found.labels < 5]


def test_signs_are_scikit_learns_and_the_opposite_of_the_scores(shoes):
    detector, boots, others = shoes
    assert detector.score_samples(boots).mean() > detector.score_samples(others).mean()
    assert (detector.decision_function(boots) == detector.score_samples(boots) - detector.offset_).all()
    assert (detector.predict(others) == np.where(detector.decision_function(others) < 0, -1, 1)).all()
    assert (detector.predict(others) == -1).mean() > 0.9


@pytest.mark.parametrize("measure", SCORES)
def test_every_score_is_minus_that_of_the_library(shoes, measure):
    detector, boots, _ = shoes
    other = Detector(measure).set_params(epochs=1)
    other.__dict__ |= {key: value for key, value in detector.__dict__.items() if key.endswith("_")}
    x = ((boots[:6] / 255).numpy() - detector.mean_.reshape(1, 1, 28, 28)) / np.float32(detector.scale_)
    expected = -SCORES[measure](detector.model_, torch.from_numpy(x)).double().numpy()
    np.testing.assert_allclose(other.score_samples(boots[:6]), expected, rtol=1e-5)


def test_scores_do_not_depend_on_the_company_beyond_rounding(shoes):
    detector, boots, _ = shoes
    whole = detector.score_samples(boots[:20])
    alone = np.concatenate([detector.score_samples(boots[k:k + 1]) for k in range(20)])
    np.testing.assert_allclose(alone, whole, rtol=1e-5)
    np.testing.assert_allclose(detector.score_samples(boots[:20].flip(0))[::-1], whole, rtol=1e-5)


def test_bytes_and_floats_rows_and_images_arrays_and_tensors_score_alike(shoes):
    detector, boots, _ = shoes
    expected = detector.score_samples(boots[:9])
    floats = boots[:9].float() / 255
    for same in (floats, floats.numpy(), floats.flatten(1), boots[:9].numpy(), floats.double().numpy()):
        np.testing.assert_allclose(detector.score_samples(same), expected, rtol=1e-5)


def test_a_pixel_map_adds_up_to_the_reconstruction_nll_at_the_mean(shoes):
    detector, boots, _ = shoes
    maps = detector.pixel_map(boots[:5])
    assert maps.shape == (5, 1, 28, 28)
    x = detector._standardised(boots[:5])
    sigma = detector.model_.likelihood.log_sigma.exp().item()
    error = anomaly.reconstruction_error(detector.model_, x).numpy()
    constant = 784 * (math.log(sigma) + 0.5 * math.log(2 * math.pi))
    np.testing.assert_allclose(maps.sum((1, 2, 3)), error / (2 * sigma**2) + constant, rtol=1e-4)
    difference = detector.reconstruct(boots[:5]) - boots[:5].numpy() / 255
    np.testing.assert_allclose((difference**2).sum((1, 2, 3)), error * detector.scale_**2, rtol=1e-3)


# The threshold

def assert_keeps_the_rate(choose):
    """Over many calibration sets the chance of a false alarm is k / (n + 1): exact for uniform scores."""
    random = np.random.default_rng(0)
    for n, rate in ((200, 0.05), (99, 0.1), (30, 0.04)):
        offsets = np.array([choose(random.random(n), rate) for _ in range(4000)])
        expected = math.floor(rate * (n + 1) + 1e-9) / (n + 1)  # P(a new uniform score < offset) = offset
        assert abs(offsets.mean() - expected) < 4 * offsets.std() / math.sqrt(4000)
        assert expected <= rate


def test_the_threshold_keeps_its_rate_on_average():
    assert_keeps_the_rate(threshold)


@pytest.mark.parametrize("wrong", [
    lambda scores, rate: np.quantile(scores, 1 - rate),  # the other end
    lambda scores, rate: np.sort(scores)[math.floor(rate * (len(scores) + 1))],  # one too far
    lambda scores, rate: scores.mean() - 1.645 * scores.std(),  # as if scores were Gaussian
])
def test_the_law_of_the_threshold_refuses(wrong):
    with pytest.raises(AssertionError):
        assert_keeps_the_rate(wrong)


def test_a_threshold_from_too_few_images_warns_and_says_how_many():
    with pytest.warns(UserWarning, match=r"at most 0\.091; pass at least 19"):
        assert threshold(np.arange(10.0), 0.05) == 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert threshold(np.arange(19.0), 0.05) == 0.0


def test_other_images_may_set_the_threshold():
    x, other = torch.rand(100, 1, 4, 4), torch.rand(40, 1, 4, 4)
    detector = Detector(epochs=1, hidden=(8,), z_dim=2, false_alarm_rate=0.1).fit(x, validation=other)
    assert detector.offset_ == np.sort(detector.score_samples(other))[3]


def test_a_detector_depends_on_its_seed_alone():
    x = torch.rand(60, 1, 4, 4)
    small = {"epochs": 2, "hidden": (8,), "z_dim": 2, "false_alarm_rate": 0.2}
    first = Detector(**small).fit(x).score_samples(x)
    torch.rand(3)
    assert (Detector(**small).fit(x).score_samples(x) == first).all()
    assert (Detector(**small, random_state=1).fit(x).score_samples(x) != first).any()


# Files

def test_a_saved_detector_comes_back_whole(shoes, tmp_path):
    detector, boots, _ = shoes
    detector.save(tmp_path / "boots.safetensors")
    found = Detector.load(tmp_path / "boots.safetensors", device="cpu")
    assert (found.decision_function(boots) == detector.decision_function(boots)).all()
    changed = {key for key, value in found.get_params().items() if value != detector.get_params()[key]}
    assert changed <= {"device"}
    assert found.x_shape_ == (1, 28, 28) and found.n_features_in_ == 784
    assert [path.name for path in tmp_path.iterdir()] == ["boots.safetensors"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(shoes, tmp_path, monkeypatch):
    path = tmp_path / "boots.safetensors"
    path.write_bytes(b"old")
    monkeypatch.setattr("vae_lib.detector.os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk is full")))
    with pytest.raises(OSError, match="full"):
        shoes[0].save(path)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", ["nothing", "no safetensors", "other weights", "half", "other network"])
def test_files_that_hold_no_detector(shoes, tmp_path, content):
    path = tmp_path / "boots.safetensors"
    shoes[0].save(path)
    raw = path.read_bytes()
    if content == "nothing":
        path.unlink()
    elif content == "no safetensors":
        path.write_bytes(b"a PNG file, say")
    elif content == "other weights":
        save_file({"a": torch.zeros(2)}, path)
    elif content == "half":
        path.write_bytes(raw[:len(raw) // 2])
    else:
        notes = {"settings": Detector(z_dim=3).get_params(), "x_shape": [1, 28, 28], "scale": 1.0, "offset": 0.0}
        save_file({"mean": torch.zeros(784), "model.a": torch.zeros(1)}, path, {"detector": json.dumps(notes)})
    with pytest.raises((FileNotFoundError, ValueError), match="boots"):
        Detector.load(path)


# Bad input

@pytest.mark.parametrize(("change", "x", "words"), [
    ({"measure": "loss"}, torch.rand(9, 1, 4, 4), "measure must be one of reconstruction_error"),
    ({"false_alarm_rate": 5}, torch.rand(9, 1, 4, 4), r"0\.05 is 5 %"),
    ({"validation_share": 0}, torch.rand(9, 1, 4, 4), "between 0 and 1"),
    ({}, torch.full((9, 1, 4, 4), math.nan), "NaN"),
    ({}, torch.rand(1, 1, 4, 4), "minimum of 2"),
])
def test_what_cannot_be_fitted(change, x, words):
    with pytest.raises(ValueError, match=words):
        Detector(epochs=1).set_params(**change).fit(x)


@pytest.mark.parametrize(("x", "words"), [
    (torch.rand(3, 1, 14, 14), "784 features"), (torch.rand(3, 28, 28, 1), r"shape \(1, 28, 28\), got \(28, 28, 1\)"),
    (torch.rand(28 * 28), "1D array"), (torch.zeros(0, 1, 28, 28), "0 sample"),
])
def test_images_of_another_shape(shoes, x, words):
    with pytest.raises(ValueError, match=words):
        shoes[0].predict(x)


def test_a_detector_that_saw_nothing_says_so(tmp_path):
    for call in (lambda one: one.predict(torch.rand(2, 4)), lambda one: one.save(tmp_path / "x")):
        with pytest.raises(NotFittedError):
            call(Detector())

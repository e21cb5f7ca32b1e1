"""What all tests share: repeatable property tests, and a law for averages of random numbers."""

import pytest
import torch
from hypothesis import settings

from vae_lib import data, likelihoods, networks, training
from vae_lib.vae import VAE

# the same examples on every machine, and no limit on the time of one: a busy machine is not a wrong one
settings.register_profile("course", derandomize=True, deadline=None, max_examples=40)
settings.load_profile("course")
# the networks here are small: a second thread costs more than it brings, and much more on a busy machine
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded():
    """Every test draws the same numbers, whatever ran before it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def assert_mean(values, expected, dim=0):
    """The average of independent `values` is `expected`: within 4 standard errors.

    A right one fails once in 16,000 seeds, and the seeds are fixed. 1e-7 is for what does not vary at all.
    """
    values = values.double()
    error = values.std(dim) / values.shape[dim] ** 0.5
    far = (values.mean(dim) - expected).abs() - 4 * error
    assert (far <= 1e-7).all(), f"off by {far.max():.3g} more than 4 standard errors"


def small_vae(x_shape=(1, 8, 8), z_dim=3, likelihood=None, hidden=(16,), seed=0):
    """A VAE for tests, with random weights that depend on `seed` alone."""
    likelihood = likelihoods.Bernoulli() if likelihood is None else likelihood
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return VAE(networks.MLPEncoder(x_shape, z_dim, hidden),
                   networks.MLPDecoder(x_shape, z_dim, hidden, parts=likelihood.parts), likelihood)


@pytest.fixture
def tiny_data(monkeypatch):
    """MNIST of 300 training, 100 validation and 120 test images, for what needs the whole path and not the scores."""
    sizes, whole = {"train": 300, "validation": 100, "test": 120}, data.load

    def load(name, split="train", device="cpu", as_float=False):
        return whole(name, split, device, as_float)[:sizes[split]]

    monkeypatch.setattr(data, "load", load)
    return sizes


def stop_in_second_epoch(monkeypatch):
    """Let the next training be interrupted once, when its second epoch is scored. Returns a list that grows by
    one at each scoring.
    """
    score, calls = training.score, []

    def stopped(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return score(*args, **kwargs)

    monkeypatch.setattr(training, "score", stopped)
    return calls


@pytest.fixture(scope="module")
def browser():
    # here, because a test's own process imports this file for its models, without the tools on its path
    import chromium
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = chromium.launch(playwright)
        yield started
        started.close()

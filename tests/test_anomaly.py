"""Laws of the anomaly scores: a linear-Gaussian model where all is known, brute force, and the mistakes refused."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from vae_lib import anomaly, exact, networks, objectives
from vae_lib.likelihoods import Gaussian
from vae_lib.networks import MLPDecoder, MLPEncoder
from vae_lib.vae import VAE

X_DIM, Z_DIM = 6, 2


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def linear_vae(shift=0.0):
    """A linear VAE in float64, its exact model, and some points; its encoder is the true posterior moved by `shift`."""
    W = torch.linalg.qr(torch.randn(X_DIM, Z_DIM, dtype=torch.float64)).Q * torch.tensor([2.0, 1.0]).double()
    x = torch.randn(200, Z_DIM).double() @ W.T + 0.5 * torch.randn(200, X_DIM).double()
    best = exact.PPCA(W, torch.zeros(X_DIM).double(), torch.tensor(0.25).double())
    mean, cov = best.posterior(torch.eye(X_DIM).double())  # W's columns are at right angles: cov is diagonal
    model = VAE(*networks.linear_vae_networks(X_DIM, Z_DIM), Gaussian(0.5)).double()
    encoder, decoder = model.encoder.body[0], model.decoder.body[0]
    with torch.no_grad():
        encoder.weight.zero_()
        encoder.weight[:Z_DIM] = mean.T
        encoder.bias[:Z_DIM] = shift
        encoder.bias[Z_DIM:] = cov.diagonal().log()
        decoder.weight.copy_(W)
        decoder.bias.zero_()
    return model, best, x, cov.diagonal()


def assert_mean(values, expected):
    assert abs((values - expected).mean()) <= 4 * values.sub(expected).std() / math.sqrt(len(values))


# Scores of a model

def assert_negative_elbo_is_exact(score):
    """With the true posterior the bound is log p(x): the draws' noise is left, with mean 0."""
    model, best, x, _ = linear_vae()
    found = score(model, x)
    assert found.shape == (200,)
    assert_mean(found, -best.log_prob(x))
    assert (found + best.log_prob(x)).std() < 0.2  # 1,000 draws: far less than the spread of the scores


def test_the_bound_is_the_sum_of_its_two_scores():
    assert_negative_elbo_is_exact(lambda model, x: anomaly.negative_elbo(model, x, k=1000))
    assert_negative_elbo_is_exact(lambda model, x: anomaly.reconstruction_nll(model, x, k=1000) + anomaly.kl(model, x))


@pytest.mark.parametrize("wrong", [
    lambda model, x: anomaly.reconstruction_nll(model, x, k=1000) - anomaly.kl(model, x),
    lambda model, x: anomaly.reconstruction_nll(model, x, k=1000),
    lambda model, x: -anomaly.negative_elbo(model, x, k=1000),
    lambda model, x: anomaly.negative_elbo(model, x, k=1000) / X_DIM,
])
def test_the_law_of_the_bound_refuses(wrong):
    with pytest.raises(AssertionError):
        assert_negative_elbo_is_exact(wrong)


def test_scores_do_not_depend_on_the_batches_they_came_in():
    model, _, x, _ = linear_vae()
    for score in (anomaly.reconstruction_error, anomaly.kl, anomaly.pixel_nll):
        torch.testing.assert_close(score(model, x, batch_size=7), score(model, x))
    mu, logvar = model.encode(x)
    torch.testing.assert_close(anomaly.kl(model, x), objectives.gaussian_kl(mu, logvar).detach())
    torch.testing.assert_close(anomaly.reconstruction_error(model, x), (x - model.decode(mu)).square().sum(1).detach())


def test_regret_is_the_gap_between_the_encoder_and_the_best_q():
    model, _, x, variance = linear_vae(shift=0.6)
    gap = (0.36 / (2 * variance)).sum()  # KL between Gaussians of one covariance, the means 0.6 apart
    found = anomaly.likelihood_regret(model, x, steps=300, lr=0.03, k=20)
    # the gain is unbiased at the q that was reached, which is short of the best by the noise of the last steps
    assert found.mean() == pytest.approx(gap.item(), rel=0.03)
    perfect, _, x, _ = linear_vae()
    assert anomaly.likelihood_regret(perfect, x, steps=100, lr=0.01).mean().abs() < 0.03 * gap
    assert all(p.grad is None for p in model.parameters())


def test_a_pixels_map_adds_up_to_the_image():
    model = VAE(MLPEncoder(z_dim=2, hidden=(8,)), MLPDecoder(z_dim=2, hidden=(8,)))
    x = torch.rand(5, 1, 28, 28).round()
    mu, _ = model.encode(x)
    expected = -model.likelihood.log_prob(x, model.decode(mu)).detach()
    pixels = anomaly.pixel_nll(model, x)
    assert pixels.shape == x.shape
    torch.testing.assert_close(pixels.flatten(1).sum(1), expected)


# Scores of the image alone

@pytest.mark.parametrize("channels", [1, 3])
def test_png_nats(channels):
    noise, black = torch.rand(20, channels, 28, 28), torch.zeros(1, channels, 28, 28)
    bits_of_noise = channels * 784 * math.log(256)  # noise of 8 bits can't be shortened
    lengths = anomaly.png_nats(torch.cat([noise, black]))
    assert lengths.shape == (21,)
    # a file also needs a signature, a header, checksums and an end: 67 bytes for the smallest, and PNG's filter bytes
    assert (lengths[:20] > bits_of_noise).all() and (lengths[:20] < bits_of_noise + 150 * math.log(256)).all()
    assert 67 * math.log(256) <= lengths[20] < 110 * math.log(256)


def test_a_file_holds_the_image():
    pixels = torch.randint(256, (9, 7, 3), dtype=torch.uint8).numpy()
    assert (np.asarray(Image.open(io.BytesIO(anomaly._png(pixels)))) == pixels).all()


def test_typicality_finds_both_sides():
    reference = torch.tensor([90.0, 100.0, 110.0])
    assert anomaly.typicality(torch.tensor([60.0, 100.0, 150.0]), reference).tolist() == [40.0, 0.0, 50.0]


# AUROC

def assert_auroc_is_sklearns(measure):
    for n, m, levels in ((50, 70, 5), (200, 30, 1000), (1, 1, 2), (40, 40, 1)):  # many ties, few ties, all tied
        normal, anomalous = torch.randint(levels, (n,)).float(), torch.randint(levels, (m,)).float() + 0.3 * levels // 1
        expected = roc_auc_score([0] * n + [1] * m, torch.cat([normal, anomalous]).numpy())
        assert measure(normal, anomalous) == pytest.approx(expected, abs=1e-12)


def test_auroc():
    assert_auroc_is_sklearns(anomaly.auroc)
    assert anomaly.auroc(torch.zeros(5), torch.zeros(7)) == 0.5
    assert anomaly.auroc(torch.tensor([0.0, 1.0]), torch.tensor([2.0])) == 1


@pytest.mark.parametrize("wrong", [
    lambda normal, anomalous: (anomalous[:, None] > normal).double().mean().item(),  # ties count nothing
    lambda normal, anomalous: (anomalous[:, None] >= normal).double().mean().item(),  # ties count whole
    lambda normal, anomalous: anomaly.auroc(anomalous, normal),
])
def test_the_law_of_auroc_refuses(wrong):
    with pytest.raises(AssertionError):
        assert_auroc_is_sklearns(wrong)


def test_the_interval_covers_as_often_as_it_says():
    """N(0, 1) against N(1, 1): the AUROC is Φ(1/√2). 95 % intervals of 200 samples; 4 standard errors are 6 %."""
    truth, covered = 0.5 * (1 + math.erf(0.5)), 0
    for _ in range(200):
        low, high = anomaly.auroc_interval(torch.randn(100), 1 + torch.randn(100), repeats=200)
        covered += low <= truth <= high
    assert 0.89 <= covered / 200 <= 1.0
    assert high - low < 0.25  # and it does not cover by being wide: 4 standard errors are 0.14


@pytest.mark.parametrize(("normal", "words"), [
    (torch.zeros(2, 3), "flatten"), (torch.zeros(0), "one score an image"), (torch.tensor([math.nan]), "NaN"),
])
def test_scores_that_are_none(normal, words):
    for measure in (anomaly.auroc, anomaly.auroc_interval):
        with pytest.raises(ValueError, match=words):
            measure(normal, torch.ones(3))


@pytest.mark.parametrize("x", [torch.zeros(2, 2, 5, 5), torch.zeros(5, 5), torch.full((1, 1, 4, 4), 7.0)])
def test_images_that_png_does_not_know(x):
    with pytest.raises(ValueError, match=r"PNG|\[0, 1\]"):
        anomaly.png_nats(x)

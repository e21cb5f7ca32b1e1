"""The probability of 8-bit images: it adds up to 1, it is the integral of the density, and mistakes are named."""

import math

import pytest
import torch
import torch.distributions as td

from vae_lib import eight_bit, likelihoods

LEVELS = (torch.arange(256, dtype=torch.float64) / 255)[:, None]
CASES = {
    "Gaussian": (likelihoods.Gaussian(0.3), [[0.2], [-4.0], [1.7], [0.5]]),
    "Gaussian, narrow": (likelihoods.Gaussian(0.001), [[0.0], [0.5], [0.5013], [1.0]]),
    "Gaussian, pixel": (likelihoods.Gaussian("pixel"), [[0.2, -3.0], [0.9, 1.0], [-0.5, -1.0]]),
    "continuous Bernoulli": (likelihoods.ContinuousBernoulli(), [[0.0], [1e-7], [2.0], [-30.0], [900.0], [-5000.0]]),
    "discretised logistic": (likelihoods.DiscretizedLogistic(), [[0.2, -3.0], [-0.5, -1.0], [1.0, -6.0]]),
    "categorical": (likelihoods.Categorical(), torch.linspace(-3, 3, 512).reshape(2, 256).tolist()),
}
each_case = pytest.mark.parametrize(("likelihood", "rows"), CASES.values(), ids=CASES)


def log_masses(log_prob, likelihood, params):
    """log P of the 256 levels of one pixel, (256,) nats."""
    return log_prob(likelihood.double(), LEVELS, torch.tensor(params, dtype=torch.float64).expand(256, -1))


def assert_adds_up_to_one(log_prob, likelihood, rows):
    for params in rows:
        found = log_masses(log_prob, likelihood, params)
        assert (found <= 1e-12).all()
        # 256 float64 roundings of numbers up to 1; the logistic's, of a half bin by 255
        assert found.exp().sum().item() == pytest.approx(1, abs=1e-6)


@each_case
def test_the_probabilities_of_a_pixel_add_up_to_one(likelihood, rows):
    assert_adds_up_to_one(eight_bit.log_prob, likelihood, rows)


def assert_is_the_integral(log_prob, name):
    likelihood, rows = CASES[name]
    inner = slice(1, 255)
    offsets = (torch.arange(200, dtype=torch.float64) + 0.5) / 200 - 0.5
    for params in rows[:3]:
        value = torch.tensor(params, dtype=torch.float64)
        x = (LEVELS + offsets / 255)[inner].reshape(-1, 1)
        density = likelihood.double().log_prob(x, value.expand(len(x), -1)).exp().reshape(254, 200).mean(1) / 255
        # the midpoint rule on 200 parts of a bin: (bin/200)² f''/24 below 1e-9 of f for these widths
        found = log_masses(log_prob, likelihood, params)[inner].exp()
        torch.testing.assert_close(found, density, rtol=1e-6, atol=1e-15)


@pytest.mark.parametrize("name", ["Gaussian", "Gaussian, pixel", "continuous Bernoulli"])
def test_a_probability_is_the_integral_of_the_density_over_its_bin(name):
    assert_is_the_integral(eight_bit.log_prob, name)


def density_times_bin(likelihood, x, params):
    return likelihood.log_prob(x, params) - math.log(255)


def no_tails(likelihood, x, params):
    normal = td.Normal(params, likelihood.log_sigma.exp())
    return (normal.cdf(x + 0.5 / 255) - normal.cdf(x - 0.5 / 255)).log().sum(-1)


def wrong_width(likelihood, x, params):
    return eight_bit.log_prob(likelihood, x, params) + math.log(255 / 256)


def bce(likelihood, x, params):
    return likelihoods.Bernoulli().log_prob(x, params) - math.log(255)


@pytest.mark.parametrize(("law", "mistake", "name"), [
    (assert_adds_up_to_one, density_times_bin, "Gaussian, narrow"),
    (assert_adds_up_to_one, density_times_bin, "continuous Bernoulli"),
    (assert_adds_up_to_one, no_tails, "Gaussian"),
    (assert_adds_up_to_one, wrong_width, "Gaussian"),
    (assert_adds_up_to_one, bce, "continuous Bernoulli"),
    (assert_is_the_integral, wrong_width, "Gaussian"),
    (assert_is_the_integral, bce, "continuous Bernoulli"),
])
def test_the_laws_refuse(law, mistake, name):
    arguments = CASES[name] if law is assert_adds_up_to_one else (name,)
    with pytest.raises(AssertionError):
        law(mistake, *arguments)


def test_far_tails_keep_their_digits():
    # 40 standard deviations away: the logarithm of the mass is known from the density at the near edge
    likelihood = likelihoods.Gaussian(0.01).double()
    found = eight_bit.log_prob(likelihood, LEVELS[102:103], torch.zeros(1, 1, dtype=torch.float64)).item()
    near = (102 - 0.5) / 255 / 0.01
    # Φ(-a) = φ(a) / a (1 - 1/a² + ...), and the far edge is e^-15 smaller
    expected = -0.5 * near**2 - 0.5 * math.log(2 * math.pi) - math.log(near)
    assert found == pytest.approx(expected, abs=2 / near**2)


def test_it_sums_over_pixels_and_takes_images():
    likelihood = likelihoods.Gaussian("pixel")
    x = torch.randint(256, (3, 1, 4, 4)) / 255
    params = torch.randn(3, 2, 4, 4) * 0.3
    flat = torch.stack([params[:, 0].flatten(), params[:, 1].flatten()], 1)
    expected = eight_bit.log_prob(likelihood, x.reshape(-1, 1), flat).reshape(3, 16).sum(1)
    torch.testing.assert_close(eight_bit.log_prob(likelihood, x, params), expected)


def test_gradients_are_finite_where_training_begins():
    for likelihood in (likelihoods.Gaussian("learned"), likelihoods.ContinuousBernoulli()):
        for scale in (0.0, 0.01, 1.0, 10.0):
            params = (scale * torch.randn(256, 1)).requires_grad_()
            eight_bit.log_prob(likelihood, LEVELS.float(), params).sum().backward()
            assert params.grad.isfinite().all(), f"{likelihood}, parameters of size {scale}"


X = torch.zeros(2, 4)
MISTAKES = {
    "Bernoulli": (lambda: eight_bit.log_prob(likelihoods.Bernoulli(), X, X), TypeError, "no probability"),
    "noise": (lambda: eight_bit.log_prob(likelihoods.Gaussian(), X + 0.001, X), ValueError, "multiples of 1/255"),
    "bytes": (lambda: eight_bit.log_prob(likelihoods.Gaussian(), X + 255, X), ValueError, "multiples of 1/255"),
    "NaN": (lambda: eight_bit.log_prob(likelihoods.Gaussian(), X + math.nan, X), ValueError, "multiples of 1/255"),
    "levels": (lambda: eight_bit.log_prob(likelihoods.DiscretizedLogistic(2), X, torch.zeros(2, 8)), ValueError,
               "256 levels, the likelihood 2"),
}


@pytest.mark.parametrize(("call", "error", "words"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call()

"""Laws of the aggregate posterior: its density, the two parts of the rate, and what a fitted prior saves."""

import math

import pytest
import torch
import torch.distributions as td

from vae_lib import generation, objectives
from vae_lib.generation import AggregatePosterior
from vae_lib.mixture import GaussianMixture
from vae_lib.networks import MLPDecoder, MLPEncoder
from vae_lib.vae import VAE


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def some(n=40, z_dim=3):
    mu, logvar = torch.randn(2, n, z_dim, dtype=torch.float64)
    return AggregatePosterior(2 * mu, logvar)


def torchs(aggregate):
    normals = td.Independent(td.Normal(aggregate.mu, (0.5 * aggregate.logvar).exp()), 1)
    return td.MixtureSameFamily(td.Categorical(torch.ones(len(aggregate.mu)).to(aggregate.mu)), normals)


def assert_mean(values, expected):
    """The mean is the expected one within 4 standard errors, and the error is small enough to tell."""
    error = values.std() / math.sqrt(len(values))
    assert abs(values.mean() - expected) <= 4 * error + 1e-9
    assert error <= 0.005 * max(1.0, abs(expected))


def test_the_density_is_torchs():
    aggregate, z = some(), 3 * torch.randn(500, 3, dtype=torch.float64)
    # one closed form in float64: only rounding
    torch.testing.assert_close(aggregate.log_prob(z), torchs(aggregate).log_prob(z), atol=1e-9, rtol=1e-9)


def test_the_density_survives_narrow_posteriors_far_from_zero():
    aggregate = AggregatePosterior(torch.full((2, 2), 30.0), torch.full((2, 2), -8.0))
    z = aggregate.sample(100)
    torch.testing.assert_close(aggregate.log_prob(z), torchs(AggregatePosterior(
        aggregate.mu.double(), aggregate.logvar.double())).log_prob(z.double()), atol=1e-6, rtol=1e-6)


def test_draws_are_of_the_density():
    """E_q[p(z) / q(z)] = 1 for any density p inside of the support: here the mixture's first half."""
    aggregate = some(20)
    half = AggregatePosterior(aggregate.mu[:10], aggregate.logvar[:10])
    z = aggregate.sample(200_000)
    assert_mean((half.log_prob(z) - aggregate.log_prob(z)).exp(), 1.0)


def assert_parts_are_known(split):
    same = AggregatePosterior(torch.full((50, 2), 0.7), torch.full((50, 2), -1.0))
    information, marginal = split(same, 200_000)
    assert_mean(information, 0.0)  # no image can be told from z
    assert_mean(marginal, objectives.gaussian_kl(same.mu, same.logvar)[0].item())
    apart = AggregatePosterior(100.0 * torch.arange(50)[:, None].expand(-1, 2), torch.zeros(50, 2))
    assert_mean(split(apart, 1000)[0], math.log(50))  # every one can


def assert_parts_add_up(split):
    aggregate = some()
    rate = objectives.gaussian_kl(aggregate.mu, aggregate.logvar).mean().item()
    assert_mean(sum(split(aggregate, 400_000)), rate)


def test_the_rate_has_two_parts():
    assert_parts_are_known(generation.rate_split)
    assert_parts_add_up(generation.rate_split)


def without_the_share(aggregate, n):
    information, marginal = generation.rate_split(aggregate, n)  # log Σ in the place of log 1/N Σ
    return information - math.log(len(aggregate.mu)), marginal + math.log(len(aggregate.mu))


def without_the_constant(aggregate, n):
    information, marginal = generation.rate_split(aggregate, n)
    return information, marginal + 0.5 * math.log(2 * math.pi)  # of one dimension of p(z)


@pytest.mark.parametrize("wrong", [without_the_share, without_the_constant])
def test_the_laws_of_the_rate_refuse(wrong):
    with pytest.raises(AssertionError):
        assert_parts_are_known(wrong)
        assert_parts_add_up(wrong)


def test_a_prior_fitted_to_the_aggregate_posterior_saves_what_the_marginal_kl_says():
    angle = torch.linspace(0, 2 * math.pi, 301, dtype=torch.float64)[:300]
    ring = AggregatePosterior(3 * torch.stack([angle.cos(), angle.sin()], 1), torch.full((300, 2), -3.0).double())
    mixture = GaussianMixture.fit(ring.sample(5000), k=12)
    _, to_normal = generation.rate_split(ring)
    _, to_mixture = generation.rate_split(ring, log_prior=mixture.log_prob)
    _, to_itself = generation.rate_split(ring, log_prior=ring.log_prob)
    assert to_itself.abs().max() == 0
    assert 0 < to_mixture.mean() < 0.1 * to_normal.mean()


# Draws of a model from another prior

def model():
    return VAE(MLPEncoder(z_dim=2, hidden=(8,)), MLPDecoder(z_dim=2, hidden=(8,)))


def test_a_model_draws_from_the_prior_it_is_given():
    vae, point = model(), torch.tensor([[3.0, -1.0]])
    far = AggregatePosterior(point, torch.full((1, 2), -60.0))  # all draws are this point
    expected = torch.sigmoid(vae.decode(point))
    torch.testing.assert_close(vae.sample(5, means=True, prior=far), expected.detach().expand(5, -1, -1, -1))
    mixture = GaussianMixture.fit(torch.randn(200, 2), k=2)
    assert vae.sample(7, prior=mixture).shape == (7, 1, 28, 28)


def test_a_temperature_is_only_defined_for_the_models_own_prior():
    with pytest.raises(ValueError, match="temperature"):
        model().sample(2, temperature=0.5, prior=some(z_dim=2))


def test_the_aggregate_posterior_of_a_model():
    vae, x = model(), torch.rand(30, 1, 28, 28).round()
    aggregate = AggregatePosterior.of(vae, x, batch_size=7)
    mu, logvar = vae.encode(x)
    torch.testing.assert_close((aggregate.mu, aggregate.logvar), (mu, logvar))


@pytest.mark.parametrize(("mu", "logvar"), [((3, 2), (3, 3)), ((3,), (3,)), ((0, 2), (0, 2))])
def test_parameters_that_are_none(mu, logvar):
    with pytest.raises(ValueError, match=r"AggregatePosterior\.of"):
        AggregatePosterior(torch.zeros(mu), torch.zeros(logvar))

"""Laws of the VampPrior: its density is a mixture of Gaussians, its draws are of that density, its bound is a bound."""

import math

import pytest
import torch
import torch.distributions as td
from conftest import assert_mean

from vae_lib import generation, objectives, training
from vae_lib.networks import MLPDecoder, MLPEncoder
from vae_lib.vampprior import VampVAE

SHAPE = (1, 6, 6)


def networks(z_dim=2):
    torch.manual_seed(0)
    return MLPEncoder(SHAPE, z_dim, (12,)), MLPDecoder(SHAPE, z_dim, (12,))


def vamp(k=5, z_dim=2):
    return VampVAE(*networks(z_dim), torch.rand(k, *SHAPE)).double()


def mixture(model):
    """The prior as torch writes it."""
    mu, logvar = model.encoder(model.pseudo_inputs())
    return td.MixtureSameFamily(td.Categorical(torch.ones(len(mu)).to(mu)),
                                td.Independent(td.Normal(mu, (0.5 * logvar).exp()), 1))


def assert_density_is_torchs(prior):
    model, z = vamp(), 2 * torch.randn(300, 2, dtype=torch.float64)
    # one closed form in float64: only rounding
    torch.testing.assert_close(prior(model).log_prob(z), mixture(model).log_prob(z), atol=1e-9, rtol=1e-9)


def test_the_density_is_torchs_mixture_of_gaussians():
    assert_density_is_torchs(VampVAE.prior)


class Moved:
    """A prior that is off: by the number of components, or with the standard deviations of N(0, I)."""

    def __init__(self, model, forgotten):
        self.prior, self.shift = VampVAE.prior(model), math.log(len(model.pseudo_logits)) if forgotten else 0.0
        self.prior.logvar = self.prior.logvar if forgotten else torch.zeros_like(self.prior.logvar)

    def log_prob(self, z):
        return self.prior.log_prob(z) + self.shift


@pytest.mark.parametrize("forgotten", [True, False])
def test_the_law_of_the_density_refuses(forgotten):
    with pytest.raises(AssertionError):
        assert_density_is_torchs(lambda model: Moved(model, forgotten))


def test_draws_are_of_the_density():
    """E_p[f(z)] over draws is that of the density: here f = N(z; 0, I) / p(z), whose average is 1."""
    model = vamp()
    # a wider p than f, so that the ratio has a small variance
    model.encoder.body[-1].bias.data[2:] = 1.5
    z = model.prior().sample(200_000)
    normal = td.Independent(td.Normal(torch.zeros(2).double(), 1.0), 1)
    assert_mean((normal.log_prob(z) - model.prior().log_prob(z)).exp().detach(), 1.0)


def test_with_one_pseudo_input_the_kl_is_that_of_two_gaussians():
    model, x = vamp(k=1), torch.rand(1, *SHAPE, dtype=torch.float64).round()
    exact = td.kl_divergence(model.posterior(x), mixture(model).component_distribution)
    with torch.no_grad():
        kl = model.elbo(x.expand(100_000, *SHAPE)).kl
    assert_mean(kl, exact.item())


def test_the_bound_is_one_draw_of_its_log_weights():
    model, x = vamp(), torch.rand(50_000, *SHAPE, dtype=torch.float64).round()[:1].expand(50_000, *SHAPE)
    with torch.no_grad():
        difference = model.elbo(x).elbo - model.log_weights(x, 1)[0]
    assert_mean(difference, 0.0)


def test_it_is_a_lower_bound_of_an_integral_over_a_grid():
    model, x = vamp(), torch.rand(4, *SHAPE, dtype=torch.float64).round()
    line = torch.linspace(-8, 8, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        params = model.decode(grid)
        log_px_z = torch.stack([model.likelihood.log_prob(one.expand(len(grid), *SHAPE), params) for one in x])
        exact = (model.prior().log_prob(grid) + log_px_z).logsumexp(1) + 2 * math.log(16 / 400)
        elbo = torch.stack([model.elbo(x).elbo for _ in range(2000)])
        estimate = model.log_prob(x, k=20_000)
    assert (elbo.mean(0) < exact + 4 * elbo.std(0) / 2000 ** 0.5).all()
    torch.testing.assert_close(estimate, exact, atol=0.05, rtol=0)  # 20,000 weights, standard error below 0.01


def test_pseudo_inputs_are_images_and_are_learned():
    model = vamp().float()
    start = model.pseudo_inputs().detach().clone()
    x = torch.rand(60, *SHAPE).round()
    training.fit(model, x, epochs=3, lr=1e-2, batch_size=20, progress=False)
    found = model.pseudo_inputs()
    assert found.min() >= 0 and found.max() <= 1 and (found - start).abs().max() > 1e-3


def test_it_samples_from_its_own_prior_unless_told():
    model = vamp()
    torch.manual_seed(0)
    own = model.sample(6, means=True)
    torch.manual_seed(0)
    torch.testing.assert_close(own, torch.sigmoid(model.decode(model.prior().sample(6))).detach())
    point = generation.AggregatePosterior(torch.zeros(1, 2), torch.full((1, 2), -60.0))
    assert model.sample(4, means=True, prior=point).var(0).max() < 1e-9
    with pytest.raises(ValueError, match="temperature"):
        model.sample(2, temperature=0.5)


def test_the_kl_may_be_split_for_it_as_for_any_prior():
    model, x = vamp(), torch.rand(40, *SHAPE, dtype=torch.float64).round()
    aggregate = generation.AggregatePosterior.of(model, x)
    information, marginal = generation.rate_split(aggregate, 100_000, model.prior().log_prob)
    with torch.no_grad():
        kl = torch.stack([model.elbo(x).kl for _ in range(2000)]).mean(0)
    assert (information + marginal).mean().item() == pytest.approx(kl.mean().item(), abs=0.05)
    assert objectives.gaussian_kl(*model.encode(x)).mean() > 0


@pytest.mark.parametrize("shape", [(0, *SHAPE), (3, 36), (*SHAPE,)])
def test_pseudo_inputs_that_are_no_images(shape):
    with pytest.raises(ValueError, match="take K training images"):
        VampVAE(*networks(), torch.zeros(shape))

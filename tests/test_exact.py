"""Where the truth is known in closed form, or by an integral, the VAE is held against it."""

import itertools
import math

import pytest
import torch
import torch.distributions as td
from conftest import assert_mean, small_vae

from vae_lib import evaluation, exact, networks, training
from vae_lib.likelihoods import Bernoulli, Gaussian
from vae_lib.objectives import Terms, gaussian_kl
from vae_lib.vae import VAE

X_DIM, Z_DIM, SIGMA = 20, 5, 0.5


class HalfDropped(VAE):
    """The KL without its ½, and the importance weights with log q and log p doubled."""

    def elbo(self, x, generator=None):
        _, log_px_z, kl = super().elbo(x, generator)
        return Terms(log_px_z - 2 * kl, log_px_z, 2 * kl)

    def _log_weights(self, x, mu, logvar, k, generator=None):
        z = mu + (0.5 * logvar).exp() * torch.randn(k, *mu.shape, dtype=mu.dtype)
        ratio = (((z - mu) / (0.5 * logvar).exp()).square() + logvar - z.square()).sum(-1)
        return ratio + self.likelihood.log_prob(x, self.decode(z))


class SignFlipped(VAE):
    """The KL added where it is taken away, and log p(z) - log q(z|x) the wrong way round."""

    def elbo(self, x, generator=None):
        _, log_px_z, kl = super().elbo(x, generator)
        return Terms(log_px_z + kl, log_px_z, -kl)

    def _log_weights(self, x, mu, logvar, k, generator=None):
        z = mu + (0.5 * logvar).exp() * torch.randn(k, *mu.shape, dtype=mu.dtype)
        ratio = -0.5 * (((z - mu) / (0.5 * logvar).exp()).square() + logvar - z.square()).sum(-1)
        return ratio + self.likelihood.log_prob(x, self.decode(z))


class StandardDeviation(VAE):
    """The encoder's second output taken for log σ in the draw, and for log σ² in the KL."""

    def elbo(self, x, generator=None):
        mu, logvar = self.encode(x)
        log_px_z = self.likelihood.log_prob(x, self.decode(mu + logvar.exp() * torch.randn_like(mu)))
        kl = gaussian_kl(mu, logvar)
        return Terms(log_px_z - kl, log_px_z, kl)


def linear_gaussian_data(n=2000):
    """Synthetic data: 5 directions at right angles, of decreasing strength, in 20 dimensions, and noise."""
    g = torch.Generator().manual_seed(0)
    W = torch.linalg.qr(torch.randn(X_DIM, Z_DIM, generator=g))[0] * torch.linspace(3.0, 1.0, Z_DIM)
    return torch.randn(n, Z_DIM, generator=g) @ W.T + SIGMA * torch.randn(n, X_DIM, generator=g) + 1.0


def true_vae(kind, x):
    """The VAE whose decoder is the closed-form optimum and whose encoder is its true posterior, float64.

    The columns of W are orthogonal, so that the true posterior is diagonal.
    """
    best = exact.ppca(x, Z_DIM)
    model = kind(*networks.linear_vae_networks(X_DIM, Z_DIM), Gaussian("learned")).double()
    mean, cov = best.posterior(torch.cat([best.mean[None], best.mean + torch.eye(X_DIM, dtype=x.dtype)]))
    torch.testing.assert_close(cov, torch.diag(cov.diagonal()), atol=1e-12, rtol=0)
    gain = mean[1:].T  # the posterior mean is linear: its matrix, read off at the unit vectors
    encoder, decoder = model.encoder.body[0], model.decoder.body[0]
    with torch.no_grad():
        encoder.weight.zero_()
        encoder.weight[:Z_DIM] = gain
        encoder.bias[:Z_DIM] = -gain @ best.mean
        encoder.bias[Z_DIM:] = cov.diagonal().log()
        decoder.weight.copy_(best.W)
        decoder.bias.copy_(best.mean)
        model.likelihood.log_sigma.copy_(0.5 * best.variance.log())
    return model, best


def average_elbo(model, x, draws=500):
    """The ELBO of each image at `draws` draws, `(draws, batch)`."""
    with torch.no_grad():
        return torch.stack([model.elbo(x).elbo for _ in range(draws)])


# Probabilistic PCA itself

def test_ppca_is_the_gaussian_it_says_and_no_model_near_it_is_better():
    x = linear_gaussian_data().double()
    best = exact.ppca(x, Z_DIM)
    cov = best.W @ best.W.T + best.variance * torch.eye(X_DIM)
    torch.testing.assert_close(best.log_prob(x), td.MultivariateNormal(x.mean(0), cov).log_prob(x))
    top = best.log_prob(x).mean()
    for _ in range(20):
        near = exact.PPCA(best.W + 0.02 * torch.randn_like(best.W), best.mean + 0.02 * torch.randn_like(best.mean),
                          best.variance * (1 + 0.02 * torch.randn(())))
        assert near.log_prob(x).mean() < top
    assert abs(best.variance.sqrt() - SIGMA) < 0.05 * SIGMA


def test_the_true_posterior_is_bayes_rule():
    x = linear_gaussian_data(50).double()
    model = exact.PPCA(torch.randn(X_DIM, Z_DIM, dtype=x.dtype), x.mean(0), torch.tensor(0.3, dtype=x.dtype))
    mean, cov = model.posterior(x)
    z = torch.randn(7, 1, Z_DIM, dtype=x.dtype)
    prior = td.Normal(torch.zeros((), dtype=x.dtype), 1.0).log_prob(z).sum(-1)
    likelihood = td.Normal(z @ model.W.T + model.mean, 0.3**0.5).log_prob(x).sum(-1)
    posterior = td.MultivariateNormal(mean, cov).log_prob(z)
    # p(z) p(x|z) / p(z|x) is p(x), whatever z
    torch.testing.assert_close(prior + likelihood - posterior, model.log_prob(x).expand(7, -1))


# The ELBO against the exact log p(x)

def assert_elbo_is_exact_at_the_true_posterior(kind):
    x = linear_gaussian_data().double()
    model, best = true_vae(kind, x)
    assert_mean(average_elbo(model, x[:20]), best.log_prob(x[:20]))


def assert_weights_are_exact_at_the_true_posterior(kind):
    """At the true posterior every single weight p(x, z) / q(z|x) is p(x): no draw matters."""
    x = linear_gaussian_data().double()
    model, best = true_vae(kind, x)
    with torch.no_grad():
        log_w = model.log_weights(x[:20], 9)
    torch.testing.assert_close(log_w, best.log_prob(x[:20]).expand(9, -1), atol=1e-8, rtol=0)  # float64, ~1e2


def assert_gap_is_the_kl_to_the_true_posterior(kind):
    """Away from the true posterior: ELBO = log p(x) - KL(q || p(z|x)), and so it is below log p(x)."""
    x = linear_gaussian_data().double()
    for shift, scale in itertools.product((0.0, 0.3), (-0.5, 0.0, 0.7)):
        model, best = true_vae(kind, x)
        with torch.no_grad():
            model.encoder.body[0].bias[:Z_DIM] += shift
            model.encoder.body[0].bias[Z_DIM:] += scale
            mu, logvar = model.encode(x[:10])
        mean, cov = best.posterior(x[:10])
        q = td.MultivariateNormal(mu, torch.diag_embed(logvar.exp()))
        gap = td.kl_divergence(q, td.MultivariateNormal(mean, cov))
        elbo, log_p = average_elbo(model, x[:10]), best.log_prob(x[:10])
        assert_mean(elbo, log_p - gap)
        assert shift == scale == 0 or (elbo.mean(0) < log_p).all()


EXACT_LAWS = [assert_elbo_is_exact_at_the_true_posterior, assert_weights_are_exact_at_the_true_posterior,
              assert_gap_is_the_kl_to_the_true_posterior]


@pytest.mark.parametrize("law", EXACT_LAWS)
def test_the_elbo_equals_log_p_at_the_true_posterior_and_is_below_it_elsewhere(law):
    law(VAE)


@pytest.mark.parametrize(("law", "kind"), [
    *itertools.product(EXACT_LAWS, (HalfDropped, SignFlipped)),
    (assert_elbo_is_exact_at_the_true_posterior, StandardDeviation),
])
def test_the_exact_laws_refuse(law, kind):
    with pytest.raises(AssertionError):
        law(kind)


# Training reaches the closed-form optimum

def assert_training_reaches_the_optimum(kind):
    """A linear VAE with a learned σ, trained by `fit`, comes to the closed-form optimum within 0.1 nat.

    The ELBO is averaged over 2,000 images and 20 draws: its standard error is asked to be below 0.02.
    """
    x = linear_gaussian_data()
    torch.manual_seed(1)
    model = kind(*networks.linear_vae_networks(X_DIM, Z_DIM), Gaussian("learned"))
    training.fit(model, x, epochs=200, batch_size=200, lr=5e-2, warmup_steps=100, decay=True, clip=20, progress=False)
    elbos = average_elbo(model, x, 20).mean(1).double()
    assert elbos.std() / 20**0.5 < 0.02
    best = exact.ppca(x.double(), Z_DIM).log_prob(x.double()).mean()
    assert abs(elbos.mean() - best) < 0.1, f"{elbos.mean():.3f} against {best:.3f}"


def test_training_reaches_the_ppca_optimum():
    assert_training_reaches_the_optimum(VAE)


@pytest.mark.parametrize("kind", [HalfDropped, SignFlipped, StandardDeviation])
def test_the_law_of_the_optimum_refuses(kind):
    with pytest.raises((AssertionError, training.NonFiniteLoss, FloatingPointError)):
        assert_training_reaches_the_optimum(kind)


# A one-dimensional z: importance weighting against quadrature

def one_dimensional(kind, likelihood):
    model = small_vae((1, 4, 4), 1, likelihood).double()
    model.__class__ = kind
    with torch.no_grad():
        for layer in model.decoder.body[::2]:
            layer.weight.mul_(2)  # so that x tells something about z
    x = likelihood.sample(model.decode(torch.randn(8, 1, dtype=torch.float64)))
    return model, x.double()


def assert_importance_weighting_is_quadrature(kind, likelihood):
    """The average weight is p(x) on average: 150 estimates of 4,000 weights each, within 4 standard errors."""
    model, x = one_dimensional(kind, likelihood)
    integral = exact.log_prob_by_quadrature(model, x).exp()
    estimates = torch.stack([model.log_prob(x, 4000).exp() for _ in range(150)]) / integral
    # a standard error of at most 0.5 % of the value
    assert (estimates.std(0) / 150**0.5 <= 0.005).all()
    assert_mean(estimates, 1.0)


@pytest.mark.parametrize("likelihood", [Bernoulli(), Gaussian(1.0)], ids=["Bernoulli", "Gaussian"])
def test_nll_of_a_one_dimensional_latent_equals_quadrature(likelihood):
    assert_importance_weighting_is_quadrature(VAE, likelihood)


@pytest.mark.parametrize("kind", [HalfDropped, SignFlipped])
def test_the_law_of_quadrature_refuses(kind):
    with pytest.raises(AssertionError):
        assert_importance_weighting_is_quadrature(kind, Bernoulli())


def test_quadrature_equals_the_exact_ppca_of_a_linear_model():
    x = linear_gaussian_data().double()
    best = exact.ppca(x, 1)
    model = VAE(*networks.linear_vae_networks(X_DIM, 1), Gaussian(best.variance.sqrt().item())).double()
    with torch.no_grad():
        model.decoder.body[0].weight.copy_(best.W)
        model.decoder.body[0].bias.copy_(best.mean)
        model.likelihood.log_sigma.copy_(0.5 * best.variance.log())
    # the trapezoid rule of a smooth function that vanishes at both ends is exact to rounding; an x whose z lies
    # beyond 8 standard deviations is not among 30
    torch.testing.assert_close(exact.log_prob_by_quadrature(model, x[:30]), best.log_prob(x[:30]), atol=1e-8, rtol=0)
    # and importance weighting from the untrained encoder comes to the same, from below
    found = model.log_prob(x[:30], 20_000)
    assert (found - best.log_prob(x[:30])).abs().median() < 0.1


def test_quadrature_asks_for_a_one_dimensional_latent():
    with pytest.raises(ValueError, match=r"one-dimensional z, got z_dim = 3: use model\.log_prob"):
        exact.log_prob_by_quadrature(small_vae(), torch.zeros(1, 1, 8, 8))


def test_quadrature_integrates_the_prior_to_one():
    model = small_vae((1, 2, 2), 1).double()
    every = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4)), dtype=torch.float64).reshape(-1, 1, 2, 2)
    # the probabilities of all 16 images add up to 1, less the prior's mass beyond 8 standard deviations (1e-15)
    assert abs(exact.log_prob_by_quadrature(model, every).exp().sum() - 1) < 1e-9


def test_nll_is_an_upper_bound_that_falls_with_k():
    model, x = one_dimensional(VAE, Bernoulli())
    truth = -exact.log_prob_by_quadrature(model, x).mean()
    ladder = {k: torch.stack([evaluation.nll(model, x, k, seed=seed, progress=False).mean() for seed in range(200)])
              for k in (1, 5, 50)}
    means = {k: values.mean() for k, values in ladder.items()}
    assert means[1] > means[5] > means[50]
    assert means[50] > truth - 4 * ladder[50].std() / math.sqrt(200)

"""q(z) of the observed pixels, held against models where it is known exactly."""

import math

import pytest
import torch
import torch.distributions as td
from conftest import small_vae
from torch import nn

from vae_lib import inference
from vae_lib.exact import PPCA
from vae_lib.likelihoods import Gaussian
from vae_lib.vae import VAE

D, SIGMA = 6, 0.7


class NoEncoder(nn.Module):
    """The encoder is not asked: only its shapes are."""

    x_shape, z_dim = (D,), 2

    def forward(self, x):
        raise AssertionError("the encoder must not be used where pixels are missing")


def linear_model(orthogonal=False):
    torch.manual_seed(3)
    decoder = nn.Linear(2, D).double()
    if orthogonal:  # of the observed rows, so that the true posterior has independent dimensions
        with torch.no_grad():
            decoder.weight[:3] = torch.linalg.qr(torch.randn(3, 2, dtype=torch.float64)).Q * torch.tensor([1.5, 0.8])
    model = VAE(NoEncoder(), decoder, Gaussian(SIGMA)).double()
    return model, PPCA(decoder.weight.detach(), decoder.bias.detach(), SIGMA**2)


OBSERVED = torch.tensor([True, True, True, False, False, False])


def test_the_fitted_posterior_is_bayes_rule_on_the_observed_pixels():
    model, exact = linear_model(orthogonal=True)
    x = torch.randn(4, D, dtype=torch.float64)
    mu, logvar = inference.fit_posterior(model, x, OBSERVED, steps=1500, lr=0.02, k=64)
    mean, cov = PPCA(exact.W[:3], exact.mean[:3], exact.variance).posterior(x[:, :3])
    # the last steps' noise: the gradient's standard error at 64 draws moves mu by some hundredths of σ
    torch.testing.assert_close(mu, mean, atol=0.02, rtol=0)
    torch.testing.assert_close(logvar.exp(), cov.diagonal().expand(4, 2), rtol=0.05, atol=0)


def conditional_nll(exact, x):
    """-log p(x_missing | x_observed) of a linear-Gaussian model, exact."""
    observed = PPCA(exact.W[:3], exact.mean[:3], exact.variance)
    return observed.log_prob(x[:, :3]) - exact.log_prob(x)


@pytest.mark.parametrize("broken", [False, True])
def test_missing_nll_is_the_exact_conditional_density(broken):
    model, exact = linear_model()
    x = torch.randn(50, D, dtype=torch.float64)
    mu, cov = PPCA(exact.W[:3], exact.mean[:3], exact.variance).posterior(x[:, :3])
    logvar = cov.diagonal().log().expand(50, 2) + 0.3  # somewhat too wide: the weights must make up for it
    found = inference.missing_nll(model, x, ~OBSERVED if broken else OBSERVED, mu, logvar, k=20_000)
    # weights of a q this near to the posterior have an effective sample size above 10,000: a standard error
    # of about 0.01 nats for an image; four of them bound their mean size
    difference = (found - conditional_nll(exact, x)).abs().mean().item()
    assert (difference > 0.4) if broken else (difference < 0.04)


def test_what_stands_at_the_missing_pixels_is_never_read():
    model, _ = linear_model()
    x = torch.randn(3, D, dtype=torch.float64)
    hidden = torch.where(OBSERVED, x, math.nan)
    for one, other in zip(inference.fit_posterior(model, x, OBSERVED, steps=5),
                          inference.fit_posterior(model, hidden, OBSERVED, steps=5)):
        torch.testing.assert_close(one, other, atol=0, rtol=0)


def test_with_nothing_observed_the_posterior_is_the_prior():
    model, _ = linear_model()
    x = torch.randn(3, D, dtype=torch.float64)
    mu, logvar = inference.fit_posterior(model, x, torch.zeros(D, dtype=torch.bool), steps=20)
    torch.testing.assert_close(mu, torch.zeros_like(mu))
    torch.testing.assert_close(logvar, torch.zeros_like(logvar))


def test_with_everything_observed_nothing_is_missing():
    model, _ = linear_model()
    x = torch.randn(3, D, dtype=torch.float64)
    zero = torch.zeros(3, 2, dtype=torch.float64)
    found = inference.missing_nll(model, x, torch.ones(D, dtype=torch.bool), zero, zero, k=50)
    torch.testing.assert_close(found, torch.zeros(3, dtype=torch.float64))


def test_the_missing_nll_does_not_depend_on_how_it_is_split_into_rows():
    model = small_vae().double()
    x = (torch.rand(5, 1, 8, 8, dtype=torch.float64) < 0.3).double()
    observed = torch.rand(5, 1, 8, 8) < 0.5
    q = torch.zeros(5, 3, dtype=torch.float64), torch.zeros(5, 3, dtype=torch.float64)
    one = inference.missing_nll(model, x, observed, *q, k=4000, rows=20_000)
    other = inference.missing_nll(model, x, observed, *q, k=4000, rows=500, seed=1)
    torch.testing.assert_close(one, other, atol=0.5, rtol=0)  # other draws, the same number


def test_the_bound_rises_while_it_is_fitted():
    model = small_vae()
    x = (torch.rand(5, 1, 8, 8) < 0.3).float()
    observed = torch.ones(1, 8, 8, dtype=torch.bool)
    observed[:, 4:] = False

    def bound(mu, logvar):
        q = td.Independent(td.Normal(mu, (0.5 * logvar).exp()), 1)
        z = q.sample((4000,))
        pixels = td.Bernoulli(logits=model.decode(z)).log_prob(x) * observed
        return (pixels.flatten(2).sum(2) + model.prior().log_prob(z) - q.log_prob(z)).mean().item()

    start = bound(torch.zeros(5, 3), torch.zeros(5, 3))
    with torch.enable_grad():
        fitted = inference.fit_posterior(model, x, observed)
    with torch.no_grad():
        assert bound(*fitted) > start + 0.01


def test_a_completion_keeps_the_known_pixels_and_draws_the_others():
    model = small_vae()
    x = (torch.rand(5, 1, 8, 8) < 0.3).float()
    observed = torch.ones(1, 8, 8, dtype=torch.bool)
    observed[:, 4:] = False
    q = torch.zeros(5, 3), torch.zeros(5, 3)
    drawn = inference.complete(model, x, observed, *q, n=40)
    assert drawn.shape == (40, 5, 1, 8, 8)
    assert torch.equal(drawn[:, :, :, :4], x[:, :, :4].expand(40, -1, -1, -1, -1))
    assert set(drawn.unique().tolist()) == {0.0, 1.0} and drawn[:, :, :, 4:].std(0).mean() > 0.1
    means = inference.complete(model, x, observed, *q, means=True)
    assert ((means[:, :, :, 4:] > 0) & (means[:, :, :, 4:] < 1)).all()


def test_a_wrong_mask_is_refused_in_words():
    model = small_vae()
    x = torch.zeros(2, 1, 8, 8)
    with pytest.raises(TypeError, match="bool"):
        inference.fit_posterior(model, x, torch.ones(1, 8, 8))
    with pytest.raises(ValueError, match="shape of x"):
        inference.fit_posterior(model, x, torch.ones(8, 8, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"0 or 1"):
        inference.fit_posterior(model, x + 0.5, torch.ones(1, 8, 8, dtype=torch.bool))

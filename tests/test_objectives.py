"""Laws of the objectives, and for each law the mistakes that it must refuse: a ½ dropped, a sign flipped."""

import itertools
import math

import pytest
import torch
import torch.distributions as td
from conftest import assert_mean, small_vae
from hypothesis import given
from hypothesis import strategies as st

from vae_lib import autoencoder, objectives
from vae_lib.likelihoods import Gaussian
from vae_lib.objectives import gaussian_kl, iwae_bound, negative_elbo, negative_iwae, reparameterize

# four posteriors of a 3-dimensional z: near the prior, narrow, wide, far away
MU = torch.tensor([[0.1, -0.2, 0.3], [1.0, 0.0, -1.0], [0.5, 2.0, 0.0], [3.0, -2.0, 1.0]], dtype=torch.float64)
LOGVAR = torch.tensor([[-1.0, 0.5, -0.7], [-4.0, -3.0, -5.0], [1.0, 1.5, 2.0], [-1.0, 0.3, 0.8]], dtype=torch.float64)


# The KL

def assert_kl_is_torchs(kl):
    q, p = td.Normal(MU, (0.5 * LOGVAR).exp()), td.Normal(torch.zeros_like(MU), 1.0)
    # the same closed form in float64: only rounding
    torch.testing.assert_close(kl(MU, LOGVAR), td.kl_divergence(q, p).sum(-1), atol=1e-12, rtol=1e-12)


def assert_kl_is_monte_carlo(kl):
    q, p = td.Normal(MU, (0.5 * LOGVAR).exp()), td.Normal(torch.zeros_like(MU), 1.0)
    z = q.sample((200_000,))
    log_ratio = (q.log_prob(z) - p.log_prob(z)).sum(-1)
    value, error = log_ratio.mean(0), log_ratio.std(0) / len(z) ** 0.5
    assert (error <= 0.005 * value).all(), "too few samples for a standard error of 0.5 %"
    assert ((kl(MU, LOGVAR) - value).abs() <= 4 * error).all()


WRONG_KL = {
    "½ dropped": lambda mu, logvar: 2 * gaussian_kl(mu, logvar),
    "½ dropped from mu²": lambda mu, logvar: gaussian_kl(mu, logvar) + 0.5 * mu.square().sum(-1),
    "sign flipped": lambda mu, logvar: -gaussian_kl(mu, logvar),
    "sign of logvar flipped": lambda mu, logvar: gaussian_kl(mu, logvar) + logvar.sum(-1),
    "sign of the 1 flipped": lambda mu, logvar: gaussian_kl(mu, logvar) + mu.shape[-1],
    "sign of mu² flipped": lambda mu, logvar: gaussian_kl(mu, logvar) - mu.square().sum(-1),
    "σ where log σ² was meant": lambda mu, logvar: gaussian_kl(mu, 0.5 * logvar),
    "mean over dimensions": lambda mu, logvar: gaussian_kl(mu, logvar) / mu.shape[-1],
}


@pytest.mark.parametrize("law", [assert_kl_is_torchs, assert_kl_is_monte_carlo])
def test_analytic_kl_equals_torch_and_monte_carlo(law):
    law(gaussian_kl)


@pytest.mark.parametrize("law", [assert_kl_is_torchs, assert_kl_is_monte_carlo])
@pytest.mark.parametrize("mistake", WRONG_KL)
def test_the_laws_of_the_kl_refuse(law, mistake):
    with pytest.raises(AssertionError):
        law(WRONG_KL[mistake])


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-80, 80)), min_size=1, max_size=8), st.booleans())
def test_kl_is_finite_and_never_negative(rows, double):
    mu, logvar = torch.tensor(rows, dtype=torch.float64 if double else torch.float32).T
    kl = gaussian_kl(mu, logvar)
    assert kl.isfinite() and kl >= -1e-5  # float32: e^logvar - 1 - logvar rounds by 6e-8 of its terms near 1
    assert gaussian_kl(torch.zeros(3), torch.zeros(3)) == 0


# The reparameterised draw

def assert_draws_from_q(draw):
    z = draw(MU, LOGVAR, 200_000)
    assert z.shape == (200_000, *MU.shape)
    assert_mean(z, MU)
    assert_mean((z - MU).square(), LOGVAR.exp())


def assert_gradient_is_finite_differences(draw):
    """∂/∂(mu, logvar) of the average of f(z) over fixed ε, against central differences of z = mu + e^(logvar/2) ε."""
    def f(z):
        return (z.square() + torch.sin(z) * z).mean()

    eps = torch.randn((5, *MU.shape), generator=torch.Generator().manual_seed(3), dtype=MU.dtype)
    params = torch.stack([MU, LOGVAR]).clone().requires_grad_()
    f(draw(params[0], params[1], 5, torch.Generator().manual_seed(3))).backward()
    step = 1e-5
    for index in itertools.product(range(2), range(4), range(3)):
        ends = []
        for sign in (1, -1):
            moved = params.detach().clone()
            moved[index] += sign * step
            ends.append(f(moved[0] + (moved[1] / 2).exp() * eps))
        difference = (ends[0] - ends[1]) / (2 * step)
        # error of a central difference: step² × f''' / 6 plus rounding 1e-16 / step × f: both below 1e-8 here
        torch.testing.assert_close(params.grad[index], difference, atol=1e-7, rtol=1e-6)


WRONG_DRAW = {
    "½ dropped": lambda mu, logvar, k, g=None: reparameterize(mu, 2 * logvar, k, g),
    "sign of logvar flipped": lambda mu, logvar, k, g=None: reparameterize(mu, -logvar, k, g),
    "sign of mu flipped": lambda mu, logvar, k, g=None: reparameterize(-mu, logvar, k, g),
    "no gradient through σ": lambda mu, logvar, k, g=None: reparameterize(mu, logvar.detach(), k, g) + 0 * logvar,
}


@pytest.mark.parametrize("law", [assert_draws_from_q, assert_gradient_is_finite_differences])
def test_reparameterised_draws_and_their_gradient(law):
    law(reparameterize)


@pytest.mark.parametrize(("law", "mistake"), [
    *((law, mistake) for law in (assert_draws_from_q, assert_gradient_is_finite_differences)
      for mistake in list(WRONG_DRAW)[:3]),
    (assert_gradient_is_finite_differences, "no gradient through σ"),
])
def test_the_laws_of_the_draw_refuse(law, mistake):
    with pytest.raises(AssertionError):
        law(WRONG_DRAW[mistake])


def assert_textbook_variances(draw, score_sign=1.0):
    """d/dμ E[z²] at μ = σ = 1 is 2 for both estimators; their variances are 4 and 30.

    Reparameterised: 2z. Score function: z² (z - μ), and E[ε² (1 + ε)⁴] = 34 = 30 + 2². From 10⁶ samples the
    variance itself is known to sqrt((μ4 - σ⁴) / n): 0.14 % of 4, and 0.64 % of 30 (μ4 = 37,812); 3 % is more
    than 4 of them.
    """
    mu = torch.ones(1_000_000, 1, dtype=torch.float64, requires_grad=True)
    z = draw(mu, torch.zeros_like(mu))
    z.square().sum().backward()
    reparameterised = mu.grad[:, 0]
    mu.grad = None
    q = td.Normal(mu, 1.0)
    (z.detach().square() * score_sign * q.log_prob(z.detach())).sum().backward()
    for gradient, variance in ((reparameterised, 4.0), (mu.grad[:, 0], 30.0)):
        assert_mean(gradient, 2.0)
        assert abs(gradient.var().item() / variance - 1) <= 0.03


def test_gradient_variances_are_4_and_30_in_the_textbook_case():
    assert_textbook_variances(reparameterize)


@pytest.mark.parametrize(("draw", "sign"), [
    (lambda mu, logvar: reparameterize(2 * mu, logvar) / 2, 1.0),
    (lambda mu, logvar: reparameterize(mu, logvar + 0.1), 1.0),
    (reparameterize, -1.0),
    (reparameterize, 0.5),
], ids=["halved noise", "wider σ", "sign of the score flipped", "½ too many"])
def test_the_law_of_the_variances_refuses(draw, sign):
    with pytest.raises(AssertionError):
        assert_textbook_variances(draw, sign)


def test_draws_have_the_shape_and_type_that_was_asked_for():
    mu = torch.zeros(4, 3)
    assert reparameterize(mu, mu).shape == (4, 3)
    assert reparameterize(mu, mu, 5).shape == (5, 4, 3)
    assert reparameterize(mu.double(), mu.double(), 1).dtype == torch.float64


# The importance-weighted bound

def by_subsets(log_w, k):
    """The average over all subsets of size k of log (1/k) Σ w, written out."""
    subsets = [log_w[list(s)] for s in itertools.combinations(range(len(log_w)), k)]
    return torch.stack([s.exp().mean(0).log() for s in subsets]).mean(0)


def assert_bound_is_log_of_the_mean_weight(bound, log_w):
    total = len(log_w)
    values = torch.stack([bound(log_w, k) for k in range(1, total + 1)])
    # float64, numbers of order 10: rounding stays below 1e-12 of them
    torch.testing.assert_close(values[0], log_w.mean(0), atol=1e-10, rtol=0)
    torch.testing.assert_close(values[-1], log_w.exp().mean(0).log(), atol=1e-10, rtol=0)
    for k in range(1, total + 1):
        torch.testing.assert_close(values[k - 1], by_subsets(log_w, k), atol=1e-10, rtol=0)
    assert (values.diff(dim=0) >= -1e-10).all(), "the bound fell as K rose"


def normalised_weights(log_w, k=None):
    """The well-known mistake: Σ w̃ log w, a gradient's surrogate, read as the bound."""
    return (log_w.softmax(0) * log_w).sum(0) if k in (None, len(log_w)) else iwae_bound(log_w, k)


WRONG_BOUND = {
    "Σ w̃ log w": normalised_weights,
    "sign of log K flipped": lambda w, k=None: iwae_bound(w, k) + 2 * math.log(k or len(w)),
    "log K dropped": lambda w, k=None: iwae_bound(w, k) + math.log(k or len(w)),
    "sign flipped": lambda w, k=None: -iwae_bound(w, k),
    "sign of log w flipped": lambda w, k=None: -iwae_bound(-w, k),
    "halved": lambda w, k=None: 0.5 * iwae_bound(w, k),
}


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=7))
def test_the_bound_averaged_over_all_subsets_rises_with_k(weights):
    log_w = torch.tensor(weights, dtype=torch.float64)[:, None]
    assert_bound_is_log_of_the_mean_weight(iwae_bound, log_w)


@pytest.mark.parametrize("mistake", WRONG_BOUND)
def test_the_law_of_the_bound_refuses(mistake):
    with pytest.raises(AssertionError):
        assert_bound_is_log_of_the_mean_weight(WRONG_BOUND[mistake], 3 * torch.randn(6, 4, dtype=torch.float64))


@pytest.mark.parametrize("shift", [-1e4, -90.0, 1e4])
def test_the_bound_of_tiny_and_huge_weights_is_finite_and_shifts_with_them(shift):
    log_w = torch.randn(6, 3, dtype=torch.float64)
    for k in range(1, 7):
        torch.testing.assert_close(iwae_bound(log_w + shift, k), iwae_bound(log_w, k) + shift)


@pytest.mark.parametrize(("k", "part"), [(0, "between 1 and the number of weights, 30"), (31, "got 31"),
                                         (15, "155,117,520 subsets of 15 of 30 weights are too many: use fewer")])
def test_a_k_without_subsets_is_an_error_that_names_the_fix(k, part):
    with pytest.raises(ValueError) as error:
        iwae_bound(torch.zeros(30, 2), k)
    assert part in str(error.value)


# One reduction convention: summed over dimensions, one number an image

def twice(f):
    """A function of one image's numbers, of the image that holds them twice."""
    return lambda *args: f(*(torch.cat([a, a], -1) for a in args))


LOSSES = {
    "negative_elbo": negative_elbo, "beta": lambda model, x: negative_elbo(model, x, beta=4.0),
    "warm-up": lambda model, x: negative_elbo(model, x, step=3, warmup=10),
    "free bits": lambda model, x: negative_elbo(model, x, free_bits=2.0),
    "negative_iwae": negative_iwae,
    "log_prob": lambda model, x: model.log_prob(x, 7), "log_weights": lambda model, x: model.log_weights(x, 7)[3],
}


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_one_number_an_image(name):
    model, x = small_vae(), torch.rand(6, 1, 8, 8).round()
    assert LOSSES[name](model, x).shape == (6,)


def test_the_squared_error_of_an_autoencoder_is_one_sum_an_image():
    x = torch.rand(6, 1, 8, 8)
    torch.testing.assert_close(autoencoder.squared_error(torch.nn.Identity(), x), torch.zeros(6))
    torch.testing.assert_close(autoencoder.squared_error(torch.zeros_like, x), x.square().sum((1, 2, 3)))


@pytest.mark.parametrize(("f", "args"), [
    (gaussian_kl, (MU, LOGVAR)),
    (lambda x, mean: Gaussian(0.5).log_prob(x, mean), (MU, LOGVAR)),
    (lambda x, z: autoencoder.squared_error(lambda _: z, x), (MU, LOGVAR)),
], ids=["kl", "log p(x|z)", "squared error"])
def test_twice_the_image_is_twice_the_number_and_no_image_changes_another(f, args):
    torch.testing.assert_close(twice(f)(*args), 2 * f(*args))
    torch.testing.assert_close(f(*(torch.cat([a, a]) for a in args)), torch.cat([f(*args), f(*args)]))


class Halves(torch.nn.Module):
    """Two independent halves of a model side by side: each sees its half of x and of z."""

    def __init__(self, part, z_dim):
        super().__init__()
        self.part, self.x_shape, self.z_dim = part, (8,), z_dim

    def forward(self, v):
        parts = [self.part(half) for half in v.chunk(2, -1)]
        if isinstance(parts[0], tuple):
            return tuple(torch.cat(pair, -1) for pair in zip(*parts))
        return torch.cat(parts, -1)


def test_an_image_of_two_independent_halves_has_the_sum_of_their_terms():
    one = small_vae((4,), 2)
    both = type(one)(Halves(one.encoder, 4), Halves(one.decoder, 4))
    x = torch.rand(5, 8).round()
    # z is drawn anew in each; so the terms agree on average over draws
    terms = [torch.stack([torch.stack(model.elbo(part)) for _ in range(500)])
             for model, part in ((both, x), (one, x[:, :4]), (one, x[:, 4:]))]
    assert_mean(terms[0] - terms[1] - terms[2], 0.0)


@pytest.mark.parametrize("mistake", ["none", "mean over pixels", "sum over the batch"])
def test_the_average_loss_does_not_depend_on_the_batch_size_and_grows_with_the_image(mistake):
    def loss(x, mean):
        value = -Gaussian(1.0).log_prob(x, mean)
        return {"none": value, "mean over pixels": value / x.shape[-1],
                "sum over the batch": value * len(x)}[mistake]

    def law():
        x, mean = torch.randn(12, 6, dtype=torch.float64), torch.randn(12, 6, dtype=torch.float64)
        whole = loss(x, mean).mean()
        parts = [loss(a, b).mean() for a, b in zip(x.split(4), mean.split(4))]
        torch.testing.assert_close(torch.stack(parts).mean(), whole)
        torch.testing.assert_close(twice(loss)(x, mean).mean(), 2 * whole)

    if mistake == "none":
        law()
    else:
        with pytest.raises(AssertionError):
            law()


def assert_terms_add_up(model, x):
    elbo, log_px_z, kl = model.elbo(x)
    torch.testing.assert_close(elbo, log_px_z - kl)
    torch.testing.assert_close(kl, gaussian_kl(*model.encode(x)))


def test_the_elbo_is_the_reconstruction_less_the_kl():
    assert_terms_add_up(small_vae(), torch.rand(6, 1, 8, 8).round())


def test_the_loss_weighs_the_kl_as_it_says(monkeypatch):
    model, x = small_vae(), torch.rand(6, 1, 8, 8).round()
    fixed = model.elbo(x)
    monkeypatch.setattr(model, "elbo", lambda x: fixed)
    cases = [
        (dict(), 1.0), (dict(beta=4.0), 4.0), (dict(beta=2.0, warmup=10, step=0), 0.2),
        (dict(beta=2.0, warmup=10, step=4), 1.0), (dict(warmup=10, step=9), 1.0), (dict(warmup=10, step=500), 1.0),
    ]
    for options, weight in cases:
        torch.testing.assert_close(negative_elbo(model, x, **options), weight * fixed.kl - fixed.log_px_z)
    free = fixed.kl.median().item()
    torch.testing.assert_close(negative_elbo(model, x, free_bits=free), fixed.kl.clamp(min=free) - fixed.log_px_z)


def test_every_public_name_is_tested_here():
    assert set(objectives.__all__) == {"Terms", "gaussian_kl", "iwae_bound", "negative_elbo", "negative_iwae",
                                       "reparameterize"}

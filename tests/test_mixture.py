"""Laws of the Gaussian mixture: its likelihood is exact, EM never lowers it, and each law refuses its mistakes."""

import math

import pytest
import torch
import torch.distributions as td

from vae_lib import mixture
from vae_lib.mixture import GaussianMixture

WEIGHTS = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
MEANS = torch.tensor([[-2.0, 0.0], [2.0, 1.0], [1.0, -2.0]], dtype=torch.float64)
COVARIANCES = torch.tensor([[[1.0, 0.6], [0.6, 0.8]], [[0.3, -0.2], [-0.2, 0.6]], [[1.2, 0.0], [0.0, 0.15]]],
                           dtype=torch.float64)


def the_mixture():
    return GaussianMixture(WEIGHTS, MEANS, COVARIANCES)


def torchs():
    return td.MixtureSameFamily(td.Categorical(WEIGHTS), td.MultivariateNormal(MEANS, COVARIANCES))


def some_points(n=600):
    return torchs().sample((n,))


# The likelihood

def assert_likelihood_is_torchs(kind):
    x = 3 * torch.randn(2500, 2, dtype=torch.float64)
    # the same closed form in float64: only rounding
    found = kind(WEIGHTS, MEANS, COVARIANCES).log_prob(x)
    torch.testing.assert_close(found, torchs().log_prob(x), atol=1e-11, rtol=1e-11)


def assert_density_integrates_to_one(kind):
    line = torch.linspace(-12, 12, 601, dtype=torch.float64)
    # the trapezoid rule of a smooth function that vanishes at the edges; the narrowest σ is 10 grid steps
    area = kind(WEIGHTS, MEANS, COVARIANCES).log_prob(torch.cartesian_prod(line, line)).exp().sum() * (24 / 600) ** 2
    assert abs(area - 1) < 1e-9


class WithoutConstant(GaussianMixture):
    """log 2π forgotten."""

    def log_joint(self, x):
        return super().log_joint(x) + 0.5 * x.shape[1] * math.log(2 * math.pi)


class WithoutWeights(GaussianMixture):
    """Every component counted in full."""

    def log_joint(self, x):
        return super().log_joint(x) - self.weights.log()


class HalfDeterminant(GaussianMixture):
    """The log-determinant of C where that of its root was meant."""

    def log_joint(self, x):
        return super().log_joint(x) - 0.5 * torch.logdet(self.covariances)


LIKELIHOOD_LAWS = [assert_likelihood_is_torchs, assert_density_integrates_to_one]


@pytest.mark.parametrize("law", LIKELIHOOD_LAWS)
def test_the_likelihood_is_exact(law):
    law(GaussianMixture)


@pytest.mark.parametrize("law", LIKELIHOOD_LAWS)
@pytest.mark.parametrize("mistake", [WithoutConstant, WithoutWeights, HalfDeterminant])
def test_the_laws_of_the_likelihood_refuse(law, mistake):
    with pytest.raises(AssertionError):
        law(mistake)


def test_blocks_of_points_change_nothing(monkeypatch):
    x = some_points()
    whole = GaussianMixture.fit(x, 3, steps=10, tolerance=-1)
    monkeypatch.setattr(mixture, "_block", lambda means: 7)
    torch.testing.assert_close(GaussianMixture.fit(x, 3, steps=10, tolerance=-1).means, whole.means, atol=1e-9, rtol=0)


def test_the_posterior_is_bayes_rule():
    x = some_points(50)
    joint = WEIGHTS * td.MultivariateNormal(MEANS, COVARIANCES).log_prob(x[:, None]).exp()
    torch.testing.assert_close(the_mixture().posterior(x), joint / joint.sum(1, keepdim=True))


def test_far_away_points_have_a_finite_likelihood():
    far = torch.full((1, 2), 1e4, dtype=torch.float64)
    assert the_mixture().log_prob(far).isfinite().all()
    torch.testing.assert_close(the_mixture().posterior(far).sum(), torch.tensor(1.0, dtype=torch.float64))


# Draws

def test_draws_have_the_mean_and_covariance_of_the_mixture():
    z = the_mixture().sample(200_000, torch.Generator().manual_seed(0))
    mean = WEIGHTS @ MEANS
    spread = MEANS - mean
    cov = (WEIGHTS[:, None, None] * (COVARIANCES + spread[:, :, None] * spread[:, None])).sum(0)
    products = (z - mean)[:, :, None] * (z - mean)[:, None]
    for values, expected in ((z, mean), (products, cov)):
        error = values.std(0) / len(z) ** 0.5
        assert ((values.mean(0) - expected).abs() <= 4 * error).all()


def test_draws_score_as_the_entropy_of_torchs_draws():
    ours, theirs = the_mixture().sample(50_000), torchs().sample((50_000,))
    a, b = torchs().log_prob(ours), torchs().log_prob(theirs)
    assert abs(a.mean() - b.mean()) <= 4 * ((a.var() + b.var()) / 50_000).sqrt()


def test_draws_are_repeatable_and_of_the_type_of_the_points():
    fit = GaussianMixture.fit(some_points().float(), 2)
    first, second = (fit.sample(5, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second) and first.dtype == torch.float32
    assert fit.log_prob(first).dtype == torch.float64


# EM

def assert_em_never_lowers_the_likelihood(fit):
    """On data with a real floor too: points on a line in three dimensions, where every covariance meets it."""
    flat = torch.cat([some_points(300), torch.zeros(300, 1)], 1)
    for x, k in ((some_points(), 3), (some_points(), 8), (flat, 4)):
        for floor in (1e-4, 1e-1):
            history = torch.tensor(fit(x, k, steps=60, tolerance=-1, floor=floor).history, dtype=torch.float64)
            assert len(history) == 61
            assert history.diff().min() > -1e-9, f"a step lost {-history.diff().min():.2e} nats per point"


def fit_with(patch):
    """`GaussianMixture.fit` with `patch(monkeypatch)` in place."""
    def fit(*args, **kwargs):
        with pytest.MonkeyPatch.context() as monkeypatch:
            patch(monkeypatch)
            return GaussianMixture.fit(*args, **kwargs)
    return fit


def floor_added(monkeypatch):
    """The floor added to the diagonal, as many programs do it."""
    monkeypatch.setattr(mixture, "_raise_eigenvalues", lambda cov, least: cov + least * torch.eye(len(cov)).to(cov))


def _with_maximise(change):
    right = GaussianMixture._maximise

    def patch(monkeypatch):
        monkeypatch.setattr(GaussianMixture, "_maximise", lambda self, x, r, least: change(right, self, x, r, least))
    return patch


def old_means(right, self, x, r, least):
    """Covariances about the new means, but the means themselves forgotten."""
    new = right(self, x, r, least)
    return GaussianMixture(new.weights, self.means, new.covariances)


def squared_shares(right, self, x, r, least):
    """Shares that are no probabilities of the model."""
    return right(self, x, r.square() / r.square().sum(1, keepdim=True), least)


def means_too_far(right, self, x, r, least):
    """A step of three times the length."""
    new = right(self, x, r, least)
    return GaussianMixture(new.weights, self.means + 3 * (new.means - self.means), new.covariances)


WRONG_FITS = {"floor added to the diagonal": fit_with(floor_added),
              "means forgotten": fit_with(_with_maximise(old_means)),
              "squared shares": fit_with(_with_maximise(squared_shares)),
              "too long a step": fit_with(_with_maximise(means_too_far))}


def test_em_never_lowers_the_likelihood():
    assert_em_never_lowers_the_likelihood(GaussianMixture.fit)


@pytest.mark.parametrize("mistake", WRONG_FITS)
def test_the_law_of_em_refuses(mistake):
    with pytest.raises(AssertionError):
        assert_em_never_lowers_the_likelihood(WRONG_FITS[mistake])


def test_history_is_the_likelihood_before_each_step_and_after_the_last():
    x = some_points()
    assert GaussianMixture.fit(x, 3, steps=0).history == [GaussianMixture.fit(x, 3, steps=0).log_prob(x).mean().item()]
    fit = GaussianMixture.fit(x, 3, steps=7, tolerance=-1)
    assert fit.history[-1] == pytest.approx(fit.log_prob(x).mean().item(), abs=1e-12)
    assert fit.history[:6] == GaussianMixture.fit(x, 3, steps=5, tolerance=-1).history


def test_one_component_is_the_maximum_likelihood_gaussian():
    x = some_points()
    fit = GaussianMixture.fit(x, 1)
    best = td.MultivariateNormal(x.mean(0), torch.cov(x.T, correction=0))
    torch.testing.assert_close(fit.log_prob(x), best.log_prob(x))


def test_fit_finds_the_mixture_that_made_the_points():
    x = some_points(20_000)
    fit = GaussianMixture.fit(x, 3, tolerance=1e-7)
    order = fit.weights.argsort(descending=True)
    # standard errors at 20,000 points: a weight 0.0035, a mean at most 1.1 / √4000 = 0.017, a variance 1.2 √(2/4000)
    torch.testing.assert_close(fit.weights[order], WEIGHTS, atol=0.015, rtol=0)
    torch.testing.assert_close(fit.means[order], MEANS, atol=0.07, rtol=0)
    torch.testing.assert_close(fit.covariances[order], COVARIANCES, atol=0.11, rtol=0)
    assert fit.log_prob(x).mean() >= torchs().log_prob(x).mean()  # the best fit beats the truth on its own points


@pytest.mark.parametrize("scale", [1e-3, 255.0])
def test_a_change_of_units_shifts_the_likelihood_by_its_log_determinant(scale):
    x = some_points()
    one, other = (GaussianMixture.fit(part, 3, steps=20, tolerance=-1) for part in (x, scale * x))
    torch.testing.assert_close(other.log_prob(scale * x), one.log_prob(x) - 2 * math.log(scale), atol=1e-8, rtol=0)


@pytest.mark.parametrize("floor", [1e-1, 1e-3, 1e-8])
def test_no_variance_is_below_the_floor(floor):
    x = some_points(60)
    fit = GaussianMixture.fit(x, 20, floor=floor)
    least = floor * x.var(0, correction=0).mean()
    assert torch.linalg.eigvalsh(fit.covariances).min() >= least * (1 - 1e-6)
    assert fit.log_prob(x).isfinite().all()


def test_a_component_without_points_stays_and_does_no_harm():
    start = GaussianMixture(torch.tensor([1.0, 0.0]).double(), MEANS[:2], COVARIANCES[:2])
    x = some_points()
    r = start.posterior(x)
    new = start._maximise(x, r, torch.tensor(1e-6, dtype=torch.float64))
    assert r[:, 1].max() == 0
    assert torch.equal(new.means[1], MEANS[1]) and torch.equal(new.covariances[1], COVARIANCES[1])
    assert new.log_prob(x).isfinite().all()


def test_fit_leaves_points_and_random_numbers_alone_and_is_repeatable():
    x, before = some_points(), torch.get_rng_state()
    copy = x.clone()
    first, second, other = (GaussianMixture.fit(x, 4, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.means, second.means) and not torch.equal(first.means, other.means)
    assert torch.equal(x, copy) and torch.equal(torch.get_rng_state(), before)


X = torch.randn(30, 2)


@pytest.mark.parametrize(("call", "error", "words"), [
    (lambda: GaussianMixture.fit([[1.0]], 1), TypeError, "got list"),
    (lambda: GaussianMixture.fit(torch.ones(4, 2, dtype=torch.int), 1), TypeError, "use x.float()"),
    (lambda: GaussianMixture.fit(torch.rand(4, 1, 8, 8), 1), ValueError, r"use x.flatten\(1\)"),
    (lambda: GaussianMixture.fit(X / 0 * 0, 1), ValueError, "NaN or infinity"),
    (lambda: GaussianMixture.fit(X, 0), ValueError, "at least 1, got 0"),
    (lambda: GaussianMixture.fit(X, 2.0), ValueError, "got 2.0"),
    (lambda: GaussianMixture.fit(X, 2, floor=0.0), ValueError, "floor must be positive"),
    (lambda: GaussianMixture.fit(X[:1].repeat(30, 1), 3), ValueError, "1 different points, too few for 3"),
])
def test_wrong_input_is_an_error_that_names_the_fix(call, error, words):
    with pytest.raises(error, match=words):
        call()

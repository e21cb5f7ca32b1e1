"""Laws of the likelihoods: each is a distribution over images, and its number is the one that torch gives."""

import math

import pytest
import torch
import torch.distributions as td
from hypothesis import given
from hypothesis import strategies as st

from vae_lib import likelihoods
from vae_lib.likelihoods import Bernoulli, Categorical, ContinuousBernoulli, DiscretizedLogistic, Gaussian

DISCRETE = {
    "Bernoulli": (Bernoulli(), torch.linspace(-30, 30, 41)[:, None], 2),
    "Categorical": (Categorical(8), 5 * torch.randn(41, 8, generator=torch.Generator().manual_seed(0)), 8),
    "DiscretizedLogistic": (DiscretizedLogistic(16), torch.cartesian_prod(torch.linspace(-0.5, 1.5, 9),
                                                                         torch.linspace(-6, 3, 7)), 16),
    "DiscretizedLogistic of 256": (DiscretizedLogistic(), torch.tensor([[0.3, -7.0], [0.0, -2.0], [0.99, 0.0]]), 256),
}
# parameters of one pixel, and the interval and number of points of the integral
CONTINUOUS = {
    "ContinuousBernoulli": (ContinuousBernoulli(), torch.tensor([[-200], [-30], [-3], [-0.02], [0], [1e-4], [0.05], [2],
                                                                 [16], [200.0]]), (0.0, 1.0)),
    "Gaussian": (Gaussian(0.3), torch.tensor([[-1.0], [0.2]]), (-6.0, 6.0)),
    "Gaussian, learned": (Gaussian("learned"), torch.tensor([[-1.0], [0.2]]), (-14.0, 14.0)),
    "Gaussian, per pixel": (Gaussian("pixel"), torch.tensor([[0.5, -2.0], [-1.0, 0.0]]), (-14.0, 14.0)),
}
EVERY = {
    "Bernoulli": Bernoulli(), "ContinuousBernoulli": ContinuousBernoulli(), "Gaussian": Gaussian(0.3),
    "Gaussian, learned": Gaussian("learned"), "Gaussian, per pixel": Gaussian("pixel"),
    "DiscretizedLogistic": DiscretizedLogistic(16), "Categorical": Categorical(8),
}
EVENTS = {"vector": (5,), "grey image": (1, 4, 3), "colour image": (3, 2, 4)}
over_all = pytest.mark.parametrize("name", EVERY)
over_events = pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)


def assert_sums_to_one(likelihood, params, levels):
    """Over all values that one pixel may take, the probabilities add up to 1."""
    x = torch.linspace(0, 1, levels, dtype=torch.float64)[:, None]
    total = likelihood.log_prob(x, params.double()[:, None].expand(-1, levels, -1)).exp().sum(1)
    # torch's softplus is the identity above 20: it leaves out e^-20 = 2.1e-9
    torch.testing.assert_close(total, torch.ones_like(total), atol=2.1e-9, rtol=0)


def assert_integrates_to_one(likelihood, params, interval):
    """The integral of the density of one pixel is 1, by Simpson's rule."""
    low, high = interval
    points = 20_001
    x = torch.linspace(low, high, points, dtype=torch.float64)[:, None]
    weight = torch.full((points,), 2.0, dtype=torch.float64)
    weight[1::2], weight[0], weight[-1] = 4.0, 1.0, 1.0
    density = likelihood.log_prob(x, params.double()[:, None].expand(-1, points, -1)).exp()
    total = (density * weight).sum(1) * (high - low) / (points - 1) / 3
    # Simpson's error is h⁴/180 × the difference of the third derivative at the ends: of e^(-200 x) · 200 on steps of
    # 5e-5 that is 6e-18/180 · 200⁴ < 1e-9; the Gaussians' cut tails, at 14 standard deviations, are below 1e-40;
    # 1e-7 is for the rounding of the parameters that stay float32
    torch.testing.assert_close(total, torch.ones_like(total), atol=1e-7, rtol=0)


@pytest.mark.parametrize("name", DISCRETE)
def test_probabilities_add_up_to_one(name):
    assert_sums_to_one(*DISCRETE[name])


@pytest.mark.parametrize("name", CONTINUOUS)
def test_densities_integrate_to_one(name):
    assert_integrates_to_one(*CONTINUOUS[name])


class WithoutHalf(Gaussian):
    """(x - mu)²/σ² where ½ of it was meant."""

    def log_prob(self, x, params):
        scale = self.log_sigma.exp()
        log_p = -((x - params) / scale).square() - scale.log() - 0.5 * math.log(2 * math.pi)
        return log_p.flatten(-(x.dim() - 1)).sum(-1)


class WrongSign(Gaussian):
    """+ log σ where - log σ was meant."""

    def log_prob(self, x, params):
        return super().log_prob(x, params) + 2 * self.log_sigma * (x[0].numel())


class LogisticWrongSign(DiscretizedLogistic):
    """The scale where its inverse was meant."""

    def log_prob(self, x, params):
        mean, log_scale = self.split(params, x.dim() - 1)
        return super().log_prob(x, torch.cat([mean + 0 * log_scale, -log_scale], -1)) + log_scale.flatten(-1).sum(-1)


class CrossEntropyOnGrey(ContinuousBernoulli):
    """Binary cross-entropy on grey values, called a likelihood."""

    log_prob = Bernoulli.log_prob


@pytest.mark.parametrize(("law", "case"), [
    (assert_integrates_to_one, (WithoutHalf(0.3), *CONTINUOUS["Gaussian"][1:])),
    (assert_integrates_to_one, (WrongSign(0.3), *CONTINUOUS["Gaussian"][1:])),
    (assert_integrates_to_one, (CrossEntropyOnGrey(), *CONTINUOUS["ContinuousBernoulli"][1:])),
    (assert_sums_to_one, (LogisticWrongSign(16), *DISCRETE["DiscretizedLogistic"][1:])),
], ids=["½ dropped", "sign of log σ", "cross-entropy on grey", "sign of log scale"])
def test_the_laws_refuse_what_is_no_distribution(law, case):
    with pytest.raises(AssertionError):
        law(*case)


# torch's continuous Bernoulli clamps its probability to float32's 1 - 1e-7; below |logit| = 8 that changes nothing
TORCH = {
    "Bernoulli": (Bernoulli(), lambda p: td.Bernoulli(logits=p), torch.tensor([0.0, 1.0])),
    "ContinuousBernoulli": (ContinuousBernoulli(), lambda p: td.ContinuousBernoulli(logits=p), torch.linspace(0, 1, 7)),
    "Gaussian": (Gaussian(0.3), lambda p: td.Normal(p, 0.3), torch.linspace(-2, 2, 7)),
    "Gaussian, learned": (Gaussian("learned"), lambda p: td.Normal(p, 1.0), torch.linspace(-2, 2, 7)),
}


@pytest.mark.parametrize("name", TORCH)
def test_log_prob_and_mean_equal_torch_distributions(name):
    likelihood, reference, values = TORCH[name]
    params = torch.linspace(-8, 8, 33, dtype=torch.float64)[:, None].expand(33, len(values))
    expected = reference(params).log_prob(values.double())
    found = likelihood.log_prob(values.double()[:, None], params[..., None])
    # σ is kept as a float32 log σ: relative 1e-7 of terms of up to (10/0.3)²; torch's Taylor series around logit 0
    # is itself good to 1e-8
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=1e-6)
    torch.testing.assert_close(likelihood.mean(params), reference(params).mean, atol=1e-6, rtol=1e-6)


def test_categorical_equals_torch_distributions():
    logits, level = torch.randn(9, 8, dtype=torch.float64), torch.arange(9) % 8
    found = Categorical(8).log_prob((level / 7).double()[:, None], logits)
    torch.testing.assert_close(found, td.Categorical(logits=logits).log_prob(level))


def test_the_per_pixel_gaussian_equals_torch_distributions():
    params, x = torch.randn(6, 2, 4, 4, dtype=torch.float64), torch.rand(6, 1, 4, 4, dtype=torch.float64)
    expected = td.Normal(params[:, :1], params[:, 1:].exp()).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(Gaussian("pixel").log_prob(x, params), expected)


def test_the_discretized_logistic_is_a_logistic_rounded_to_its_levels():
    likelihood, mean, log_scale = DiscretizedLogistic(16), 0.4, -2.0
    logistic = td.TransformedDistribution(td.Uniform(torch.tensor(0.0, dtype=torch.float64), 1.0),
                                          [td.SigmoidTransform().inv, td.AffineTransform(mean, math.exp(log_scale))])
    x = torch.linspace(0, 1, 16, dtype=torch.float64)[:, None]
    edges = (torch.arange(15, dtype=torch.float64) + 0.5) / 15
    inner = logistic.cdf(edges)
    expected = torch.diff(torch.cat([inner.new_zeros(1), inner, inner.new_ones(1)])).log()
    params = torch.tensor([[mean, log_scale]], dtype=torch.float64).expand(16, 2)
    torch.testing.assert_close(likelihood.log_prob(x, params), expected)


@pytest.mark.parametrize("name", [*DISCRETE, *CONTINUOUS])
def test_samples_have_the_mean_of_the_distribution(name):
    likelihood, params, third = (DISCRETE | CONTINUOUS)[name]
    draws = likelihood.sample(params.expand(20_000, *params.shape), event_dims=1)[..., 0]
    if name in DISCRETE:
        values = torch.linspace(0, 1, third, dtype=torch.float64)[:, None]
        p = likelihood.log_prob(values, params.double()[:, None].expand(-1, third, -1)).exp()
        expected = p @ values[:, 0]
        error = ((p @ values[:, 0].square() - expected.square()).clamp(min=0) / len(draws)).sqrt()
    else:
        expected = likelihood.mean(params.double(), event_dims=1)[:, 0]
        error = draws.double().std(0) / len(draws) ** 0.5
    # a pixel that changes less than once in 20,000 draws follows Poisson's law, not the normal one: three such changes
    assert ((draws.double().mean(0) - expected).abs() <= 4 * error + 3 / len(draws)).all()


@pytest.mark.parametrize("logit", [-200.0, -16.0, -0.1, 0.01, 3.0, 100.0])
def test_the_mean_of_the_continuous_bernoulli_is_that_of_its_density(logit):
    x = torch.linspace(0, 1, 200_001, dtype=torch.float64)
    density = ContinuousBernoulli().log_prob(x[:, None], torch.full((len(x), 1), logit, dtype=torch.float64)).exp()
    mean = ContinuousBernoulli().mean(torch.tensor([logit], dtype=torch.float64))
    # the trapezoid rule on steps of 5e-6: h²/12 × the slope at the ends (200²) < 1e-7
    assert abs(torch.trapezoid(density * x, x) - mean) < 1e-6


@over_all
@over_events
def test_one_number_an_image_over_any_leading_dimensions(name, event):
    likelihood = EVERY[name]
    x = likelihood.sample(params_for(likelihood, (4,), event), event_dims=len(event))
    x = x.clamp(0, 1) if likelihood.interval else x
    assert x.shape == (4, *event)
    params = params_for(likelihood, (3, 4), event)
    found = likelihood.log_prob(x, params)
    assert found.shape == (3, 4)
    for k in range(3):
        torch.testing.assert_close(found[k], likelihood.log_prob(x, params[k]))
    for n in range(4):
        torch.testing.assert_close(found[:, n], likelihood.log_prob(x[n:n + 1], params[:, n:n + 1])[:, 0])
    assert likelihood.mean(params[0], event_dims=len(event)).shape == x.shape


@over_all
def test_pixels_are_independent_so_that_halves_add_up(name):
    likelihood = EVERY[name]
    halves = [params_for(likelihood, (4,), (1, 2, 6)) for _ in range(2)]
    xs = [likelihood.sample(params) for params in halves]
    whole = likelihood.log_prob(torch.cat(xs, 2), torch.cat(halves, 2))
    parts = [likelihood.log_prob(x, params) for x, params in zip(xs, halves)]
    torch.testing.assert_close(whole, sum(parts))


# |log σ| up to 40: σ² and 1/σ² still fit in float32
@over_all
@given(size=st.floats(0, 40), sign=st.sampled_from([-1, 1]), double=st.booleans())
def test_extreme_parameters_give_finite_numbers_and_gradients(name, size, sign, double):
    likelihood = EVERY[name].double() if double else EVERY[name].float()
    dtype = torch.float64 if double else torch.float32
    params = (sign * size * params_for(likelihood, (5,), (1, 2, 2)).sign()).to(dtype).requires_grad_()
    x = torch.tensor([0.0, 1.0], dtype=dtype).repeat(5, 1, 2, 1)
    log_p = likelihood.log_prob(x, params)
    log_p.sum().backward()
    assert log_p.dtype == dtype
    assert log_p.isfinite().all() and params.grad.isfinite().all()
    EVERY[name].float()


@pytest.mark.parametrize("size", [1e3, 1e6])
def test_saturated_logits_give_finite_numbers_and_gradients(size):
    for likelihood in (Bernoulli(), ContinuousBernoulli(), Categorical(2)):
        params = (size * params_for(likelihood, (5,), (1, 2, 2)).sign()).requires_grad_()
        log_p = likelihood.log_prob(torch.tensor([0.0, 1.0]).repeat(5, 1, 2, 1), params)
        log_p.sum().backward()
        assert log_p.isfinite().all() and params.grad.isfinite().all()


IN_UNIT = [name for name in EVERY if EVERY[name].interval]


@pytest.mark.parametrize(("names", "value", "part"), [
    (IN_UNIT, 255.0, "x must lie in [0, 1], got [0, 255]: divide uint8 images by 255"),
    (IN_UNIT, -1.0, "x must lie in [0, 1], got [-1, 0]: undo any normalisation to zero mean"),
    (list(EVERY), math.nan, "x holds NaN"),
    (["Bernoulli"], 0.5, "draw them with data.binarize(x), or use likelihoods.ContinuousBernoulli()"),
])
def test_values_outside_the_support_are_errors_that_name_the_fix(names, value, part):
    for name in names:
        x = torch.zeros(2, 1, 2, 2)
        x[1, 0, 1, 0] = value
        with pytest.raises(ValueError) as error:
            EVERY[name].check(x)
        assert part in str(error.value)


@over_all
def test_values_inside_the_support_are_accepted(name):
    EVERY[name].check(torch.tensor([[0.0, 1.0]]))


@pytest.mark.parametrize("sigma", [0, -1.0, math.nan, "learn", None])
def test_a_wrong_sigma_is_an_error_that_names_the_choices(sigma):
    with pytest.raises(ValueError, match=r'sigma must be a positive number, "learned" or "pixel", got'):
        Gaussian(sigma)


def test_sigma_is_learned_only_where_it_is_asked_for():
    assert [len(list(Gaussian(sigma).parameters())) for sigma in (0.5, "learned", "pixel")] == [0, 1, 0]


def params_for(likelihood, batch, event):
    return torch.randn(*batch, likelihood.parts * event[0], *event[1:])


def test_every_public_likelihood_is_in_these_tables():
    public = {getattr(likelihoods, name) for name in likelihoods.__all__} - {likelihoods.Likelihood}
    assert public == {type(likelihood) for likelihood in EVERY.values()}

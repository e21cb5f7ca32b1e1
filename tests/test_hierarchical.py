"""Laws of the ladder VAE: pixels see only what comes before them, and its bound is a bound."""

import math

import pytest
import torch
import torch.nn.functional as F
from conftest import assert_mean
from torch import nn

from vae_lib import hierarchical, training
from vae_lib.hierarchical import LadderVAE, MaskedConv2d
from vae_lib.likelihoods import DiscretizedLogistic
from vae_lib.objectives import negative_elbo

SMALL = {"x_shape": (1, 8, 8), "widths": (4, 6), "groups": (1, 2), "z_dim": 2, "blocks": (1, 1)}


def ladder(**options):
    torch.manual_seed(0)
    return LadderVAE(**SMALL | options)


def images(n, channels=1):
    return torch.rand(n, channels, 8, 8, generator=torch.Generator().manual_seed(1)).round()


# Pixels that see their neighbours

def assert_causal(function, itself):
    """Output pixel k depends on input pixels before k, in reading order, and on k itself only where `itself`."""
    x = torch.randn(1, 1, 5, 5, requires_grad=True)
    seen = torch.zeros(25, 25, dtype=torch.bool)
    for k in range(25):
        gradient, = torch.autograd.grad(function(x).flatten(1).unflatten(1, (-1, 25))[0, :, k].sum(), x)
        seen[k] = gradient.flatten() != 0
    allowed = torch.ones(25, 25).tril(0 if itself else -1).bool()
    assert not (seen & ~allowed).any(), "a pixel sees itself or one after it"
    assert seen.diagonal(-1).sum() >= 16, "a pixel does not see the one before it"


def masked(itself, cls=MaskedConv2d):
    torch.manual_seed(0)
    return cls(1, 3, 5, itself=itself)


@pytest.mark.parametrize("itself", [False, True])
def test_a_masked_convolution_sees_only_the_pixels_before(itself):
    assert_causal(masked(itself), itself)


@pytest.mark.parametrize("layers", [1, 3])
def test_a_stack_of_masked_convolutions_sees_only_the_pixels_before(layers):
    context, h = hierarchical.Context(4, layers), torch.randn(1, 4, 5, 5)
    assert_causal(lambda x: context(h, x), itself=False)


class NoMask(MaskedConv2d):
    """A mistake: the mask is made and not used."""

    def forward(self, x):
        return F.conv2d(x, self.weight, self.bias, padding=self.padding)


class Backwards(MaskedConv2d):
    """A mistake: the pixels after it are seen."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.mask.copy_(self.mask.flip(0, 1))


@pytest.mark.parametrize("wrong", [lambda: masked(False, NoMask), lambda: masked(False, Backwards),
                                   lambda: masked(True)], ids=["no mask", "backwards", "sees itself"])
def test_the_law_of_causality_refuses(wrong):
    with pytest.raises(AssertionError):
        assert_causal(wrong(), itself=False)


def assert_pixels_are_drawn_as_they_are_scored(model):
    """The average log-probability of drawn pixels is minus their entropy, pixel by pixel.

    Each pixel is drawn with the probability p that `sample` states. If these are the conditional probabilities of
    log_prob, then at equal noise log p(x|z) by one pass equals the sum of log p(x_i) by the 64 passes.
    """
    torch.manual_seed(3)
    x = model.sample(16)
    torch.manual_seed(3)
    p = model.sample(16, means=True)
    torch.manual_seed(3)  # the latents are the first numbers drawn
    with torch.no_grad():
        h = model._down(None, torch.zeros(16, model.flags), 16)[0]
        logits = model._params(x, h)
    pixel_by_pixel = (x * p.log() + (1 - x) * (-p).log1p()).flatten(1).sum(1)
    # float32 sums of 64 numbers of order 1, by other kernels: 1e-5 each at most
    torch.testing.assert_close(model.likelihood.log_prob(x, logits), pixel_by_pixel, atol=1e-3, rtol=1e-4)
    assert p.std() > 0.01


def test_pixels_are_drawn_with_the_probabilities_that_they_are_scored_with():
    assert_pixels_are_drawn_as_they_are_scored(lively(ladder(context=2)))


def test_the_law_of_drawn_pixels_refuses_convolutions_that_see_ahead(monkeypatch):
    monkeypatch.setattr(MaskedConv2d, "forward", NoMask.forward)
    with pytest.raises(AssertionError):
        assert_pixels_are_drawn_as_they_are_scored(lively(ladder(context=2)))


def lively(model):
    """Larger weights: posteriors that differ from the prior, pixels that differ from one half."""
    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, hierarchical.LatentGroup):
                part.posterior[-1].weight.mul_(10)
                part.prior.weight.mul_(10)
        model.write.weight.mul_(3)
    return model


# The bound

def assert_kl_of_groups_is_monte_carlo(model, x):
    """The closed-form KL of each group has the same average over the groups above as log q - log p at the draws."""
    many = x.expand(4000, -1, -1, -1)
    with torch.no_grad():
        _, kls, ratios = model._down(model._up(many, torch.zeros(4000, 0)), torch.zeros(4000, 0), 4000)
    assert torch.stack(kls).mean() > 0.05, "the posteriors equal the priors: nothing is tested"
    for kl, ratio in zip(kls, ratios, strict=True):
        # the two use the same groups above: their difference is one average of independent numbers
        assert_mean(kl + ratio, 0.0)


def test_the_kl_of_every_group_equals_monte_carlo():
    assert_kl_of_groups_is_monte_carlo(lively(ladder()), images(1))


@pytest.mark.parametrize("wrong", [lambda mu, logvar: 2 * hierarchical_kl(mu, logvar),
                                   lambda mu, logvar: hierarchical_kl(mu, 0.5 * logvar),
                                   lambda mu, logvar: hierarchical_kl(mu, logvar) - 0.5 * mu.square().sum(-1)],
                         ids=["½ dropped", "σ where log σ² was meant", "mu² dropped"])
def test_the_law_of_the_kl_of_groups_refuses(monkeypatch, wrong):
    monkeypatch.setattr(hierarchical, "gaussian_kl", wrong)
    with pytest.raises(AssertionError):
        assert_kl_of_groups_is_monte_carlo(lively(ladder()), images(1))


hierarchical_kl = hierarchical.gaussian_kl


def test_the_kl_of_an_image_is_the_sum_over_its_groups():
    model, x = lively(ladder()), images(5)
    torch.manual_seed(0)
    whole = model.elbo(x)
    torch.manual_seed(0)
    groups = model.kl_of_groups(x)
    assert groups.shape == (3, 5) and (groups >= 0).all()
    torch.testing.assert_close(groups.sum(0), whole.kl)
    torch.testing.assert_close(whole.elbo, whole.log_px_z - whole.kl)


def test_the_mean_log_weight_is_the_elbo_and_the_bound_rises_with_k():
    model, x = lively(ladder()), images(1)
    with torch.no_grad():
        log_w = model.log_weights(x, 4000)[:, 0].double()
        elbo = model.elbo(x.expand(4000, -1, -1, -1)).elbo.double()
    assert_mean(log_w - elbo, 0.0)
    bounds = {k: log_w.view(-1, k).logsumexp(1) - math.log(k) for k in (1, 10, 100)}
    assert bounds[1].mean() < bounds[10].mean() < bounds[100].mean()
    torch.manual_seed(0)
    one = torch.stack([model.log_prob(x, 100)[0] for _ in range(40)]).double()
    # log_prob is that bound: the averages of 40 and of 40 agree within 4 standard errors of their difference
    error = (one.var() / 40 + bounds[100].var() / 40).sqrt()
    assert (one.mean() - bounds[100].mean()).abs() <= 4 * error


def test_with_the_prior_as_posterior_the_weights_are_the_likelihoods():
    model, x = ladder(), images(3)
    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, hierarchical.LatentGroup):
                nn.init.zeros_(part.posterior[-1].weight)
                nn.init.zeros_(part.posterior[-1].bias)
    terms = model.elbo(x)
    assert not terms.kl.any() and torch.equal(terms.elbo, terms.log_px_z)
    torch.manual_seed(0)
    log_w = model.log_weights(x, 5)
    torch.manual_seed(0)
    h = model._down(None, torch.zeros(15, 0), 15)[0]
    many = x.repeat(5, 1, 1, 1)
    torch.testing.assert_close(log_w.flatten(), model.likelihood.log_prob(many, model._params(many, h)))


def test_memory_bounded_log_prob_is_the_bound_of_all_weights():
    model, x = lively(ladder()), images(3)
    whole = torch.logsumexp(model.log_weights(x, 8, torch.Generator().manual_seed(0)), 0) - math.log(8)
    one_by_one = model.log_prob(x, 8, rows=1, generator=torch.Generator().manual_seed(0))
    assert one_by_one.shape == (3,)
    # other draws, of the same bound; in one piece the same draws
    torch.testing.assert_close(model.log_prob(x, 8, generator=torch.Generator().manual_seed(0)), whole)


# Interface

def test_flags_are_channels_and_left_out_they_are_zeros():
    model, x = lively(ladder(flags=1)), images(4)
    with torch.no_grad():
        model.flag_top.weight.add_(1)
    losses = []
    for flag in (None, 0.0, 1.0):
        torch.manual_seed(0)
        given = x if flag is None else torch.cat([x, torch.full_like(x, flag)], 1)
        losses.append(negative_elbo(model, given))
    assert torch.equal(losses[0], losses[1]) and not torch.allclose(losses[0], losses[2])
    assert model.sample(2).shape == (2, 1, 8, 8)


@pytest.mark.parametrize("side", [32, 64])
def test_colour_images_have_an_elbo_a_gradient_and_draws(side):
    torch.manual_seed(0)
    model = LadderVAE((3, side, side), (4, 6, 8), (0, 1, 1), 2, (1, 1, 1), DiscretizedLogistic())
    x = torch.randint(0, 256, (2, 3, side, side)) / 255
    loss = negative_elbo(model, x)
    loss.mean().backward()
    assert loss.shape == (2,) and loss.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    drawn = model.sample(2)
    assert drawn.shape == x.shape and torch.equal((drawn * 255).round(), drawn * 255)
    assert model.latents == [(2, side // 4, side // 4), (2, side // 2, side // 2)]


def test_training_lowers_the_loss():
    model = ladder(context=1, flags=1)
    history = training.fit(model, images(64), epochs=6, batch_size=16, lr=5e-3, progress=False)
    assert history[-1]["train"] < history[0]["train"]


def test_draws_depend_on_the_seed_and_the_temperature():
    model = lively(ladder())
    drawn = []
    for temperature in (1.0, 1.0, 0.0):
        torch.manual_seed(0)
        drawn.append(model.sample(4, means=True, temperature=temperature))
    assert torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[2][0], drawn[2][1]) and not torch.equal(drawn[0][0], drawn[0][1])


@pytest.mark.parametrize(("call", "kind", "part"), [
    (lambda: ladder(x_shape=(3, 8, 8), context=1), ValueError, "use context=0"),
    (lambda: ladder(likelihood=DiscretizedLogistic(), context=1), ValueError, "use context=0"),
    (lambda: ladder(x_shape=(1, 7, 8)), ValueError, "use fewer levels, or pad"),
    (lambda: ladder().elbo(images(2) * 255), ValueError, "divide uint8 images by 255"),
    (lambda: ladder().elbo(images(2)[:, 0]), ValueError, "must have shape (batch, 1, 8, 8)"),
    (lambda: ladder().elbo(images(2).byte()), TypeError, "divide uint8 images by 255"),
    (lambda: ladder().elbo(images(2) * 0.5), ValueError, "draw them with data.binarize(x)"),
    (lambda: ladder().elbo(images(2, 2)), ValueError, "must have shape (batch, 1, 8, 8)"),
    (lambda: ladder().log_prob(images(2), 0), ValueError, "k, the number of importance weights"),
    (lambda: nn.init.constant_(ladder_with_nan().write.bias, 0), FloatingPointError, "smaller learning rate"),
])
def test_errors_name_the_fix(call, kind, part):
    with pytest.raises(kind) as error:
        call()
    assert part in str(error.value)


def ladder_with_nan():
    model = ladder()
    nn.init.constant_(model.top, math.nan)
    model.elbo(images(2))
    return model

"""What the decoder's numbers mean: the likelihoods p(x|z) of chapter 3.

Every likelihood maps the decoder's output `params` to a distribution over images. All
`log_prob` are summed over the dimensions of an image, in nats: densities for `Gaussian` and
`ContinuousBernoulli` (which may be positive), probabilities for the others. Densities and
probabilities are not comparable with each other.
"""

import math

import torch
import torch.distributions as td
import torch.nn.functional as F
from torch import nn

from vae_lib.checks import check_values

__all__ = ["Bernoulli", "Categorical", "ContinuousBernoulli", "DiscretizedLogistic", "Gaussian", "Likelihood"]


class Likelihood(nn.Module):
    """p(x|z) with independent pixels, thin over `torch.distributions`.

    parts: how many numbers the decoder gives for each pixel. `params` has the shape of `x`, with
    its first event dimension `parts` times as long: `(..., parts * channels, height, width)` for images.
    interval: where the values of `x` must lie, `None` for anywhere.
    """

    parts = 1
    interval = (0.0, 1.0)

    def distribution(self, params, event_dims=3):
        """p(x|z) as a `torch.distributions` object with one value per pixel (not yet summed)."""
        raise NotImplementedError

    def log_prob(self, x, params):
        """log p(x|z), `(..., batch)` nats per image, for `x` `(batch, *event)` and `params` `(..., batch, *event)`."""
        event = x.dim() - 1
        return self.distribution(params, event).log_prob(x).flatten(-event).sum(-1)

    def mean(self, params, event_dims=3):
        """E[x|z], of the shape of `x`."""
        return self.distribution(params, event_dims).mean

    def sample(self, params, event_dims=3):
        """A draw x ~ p(x|z), of the shape of `x`."""
        return self.distribution(params, event_dims).sample()

    def check(self, x):
        """Raise a `ValueError` that names the fix where `x` is outside the support."""
        low, high = self.interval or (-math.inf, math.inf)
        check_values(x, low, high)

    def split(self, params, event_dims):
        """The `parts` parameter maps, each of the shape of `x`."""
        return params.chunk(self.parts, dim=-event_dims)


class Bernoulli(Likelihood):
    """p(x|z) = Bernoulli(x; sigmoid(params)) for pixels in {0, 1}; `params` are logits."""

    def distribution(self, params, event_dims=3):
        return td.Bernoulli(logits=params, validate_args=False)

    def log_prob(self, x, params):
        # log p = x l - log(1 + e^l): the same number as td.Bernoulli's, several times faster
        event = x.dim() - 1
        return (x * params - _softplus(params)).flatten(-event).sum(-1)

    def check(self, x):
        super().check(x)
        if bool(((x > 0) & (x < 1)).any()):
            raise ValueError("a Bernoulli likelihood is for pixels that are 0 or 1, got values in between: "
                             "draw them with data.binarize(x), or use likelihoods.ContinuousBernoulli()")


class ContinuousBernoulli(Likelihood):
    """p(x|z) for pixels in [0, 1]: the Bernoulli formula with the constant that makes it a density.

    Source: Loaiza-Ganem & Cunningham 2019.
    """

    def distribution(self, params, event_dims=3):
        # torch clamps its probabilities, at a logit of 16 in float32: the methods below are exact beyond that too
        return td.ContinuousBernoulli(logits=params, validate_args=False)

    def log_prob(self, x, params):
        # the constant is l / tanh(l/2); around l = 0 its logarithm is log 2 + l²/12 + O(l⁴)
        event = x.dim() - 1
        far = torch.where(params.abs() > 0.02, params, 1.0)
        log_constant = torch.where(params.abs() > 0.02, (far / torch.tanh(far / 2)).log(),
                                   math.log(2) + params.square() / 12)
        return (x * params - F.softplus(params) + log_constant).flatten(-event).sum(-1)

    def mean(self, params, event_dims=3):
        """E[x|z] = ½ + ½ coth(l/2) - 1/l, of the shape of `x`."""
        far = torch.where(params.abs() > 0.02, params, 1.0)
        return 0.5 + torch.where(params.abs() > 0.02, 0.5 / torch.tanh(far / 2) - 1 / far, params / 12)

    def sample(self, params, event_dims=3):
        # an exponential of rate |l| cut at 1, by its inverse; mirrored where the density rises
        rate = params.abs().clamp(min=1e-6)
        x = -torch.log1p(torch.rand_like(params) * torch.expm1(-rate)) / rate
        return torch.where(params > 0, 1 - x, x).clamp(0, 1)


class Gaussian(Likelihood):
    """p(x|z) = N(x; params, sigma²), a density over real pixels.

    sigma: a number (fixed), "learned" (one number for all pixels and images, `exp(log_sigma)`),
    or "pixel" (the decoder gives a log σ for every pixel).
    """

    interval = None

    def __init__(self, sigma=1.0):
        super().__init__()
        if sigma not in ("learned", "pixel") and not (isinstance(sigma, int | float) and sigma > 0):
            raise ValueError(f'sigma must be a positive number, "learned" or "pixel", got {sigma!r}')
        self.parts = 2 if sigma == "pixel" else 1
        start = torch.tensor(0.0 if isinstance(sigma, str) else math.log(sigma))
        if sigma == "learned":
            self.log_sigma = nn.Parameter(start)
        elif sigma != "pixel":
            self.register_buffer("log_sigma", start)

    def distribution(self, params, event_dims=3):
        mean, log_sigma = self._mean_and_log_sigma(params, event_dims)
        return td.Normal(mean, log_sigma.exp(), validate_args=False)

    def log_prob(self, x, params):
        # td.Normal's gradient divides by σ⁴, which a small σ rounds to 0; this one never does
        event = x.dim() - 1
        mean, log_sigma = self._mean_and_log_sigma(params, event)
        log_p = -0.5 * ((x - mean) * torch.exp(-log_sigma)).square() - log_sigma - 0.5 * math.log(2 * math.pi)
        return log_p.flatten(-event).sum(-1)

    def _mean_and_log_sigma(self, params, event_dims):
        return self.split(params, event_dims) if self.parts == 2 else (params, self.log_sigma)


class DiscretizedLogistic(Likelihood):
    """p(x|z) over `levels` equally spaced values in [0, 1]: the mass a logistic puts in each bin.

    The outermost bins take the tails, so the masses add up to 1. The decoder gives a mean and a
    log scale for every pixel. Source: Kingma et al. 2016, Salimans et al. 2017.
    """

    parts = 2

    def __init__(self, levels=256):
        super().__init__()
        self.levels = levels

    def log_prob(self, x, params):
        event = x.dim() - 1
        mean, log_scale = self.split(params, event)
        half, sharp = 0.5 / (self.levels - 1), torch.exp(-log_scale.clamp(min=-9))
        upper, lower = (x - mean + half) * sharp, (x - mean - half) * sharp
        # log(F(u) - F(l)) = log F(u) + log(1 - F(l)) + log(1 - e^(l - u)): no difference of equal numbers
        inside = F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(lower - upper))
        log_p = torch.where(x < half, F.logsigmoid(upper),
                            torch.where(x > 1 - half, F.logsigmoid(-lower), inside))
        return log_p.flatten(-event).sum(-1)

    def mean(self, params, event_dims=3):
        """The logistic's own mean, cut to [0, 1]: an approximation of E[x|z] where a tail is cut off."""
        return self.split(params, event_dims)[0].clamp(0, 1)

    def sample(self, params, event_dims=3):
        mean, log_scale = self.split(params, event_dims)
        u = torch.rand_like(mean).clamp_(1e-6, 1 - 1e-6)
        x = mean + log_scale.clamp(min=-9).exp() * torch.logit(u)
        return (x * (self.levels - 1)).round().div(self.levels - 1).clamp(0, 1)


class Categorical(Likelihood):
    """p(x|z) with a free probability for each of `levels` equally spaced values in [0, 1]."""

    def __init__(self, levels=256):
        super().__init__()
        self.levels = self.parts = levels

    def distribution(self, params, event_dims=3):
        logits = torch.stack(self.split(params, event_dims), -1)
        return td.Categorical(logits=logits, validate_args=False)

    def log_prob(self, x, params):
        event = x.dim() - 1
        level = (x * (self.levels - 1)).round()
        return self.distribution(params, event).log_prob(level).flatten(-event).sum(-1)

    def mean(self, params, event_dims=3):
        probs = self.distribution(params, event_dims).probs
        return probs @ torch.linspace(0, 1, self.levels, device=params.device, dtype=params.dtype)

    def sample(self, params, event_dims=3):
        return self.distribution(params, event_dims).sample() / (self.levels - 1)


def _softplus(logits):
    """log(1 + e^logits). Importance weighting spends much of its time here."""
    if logits.requires_grad or logits.device.type != "cpu":
        return F.softplus(logits)
    # with no gradient to keep, exp and log in place: twice as fast on a CPU as the log1p of F.softplus
    return logits.abs().neg_().exp_().add_(1).log_().add_(logits.clamp(min=0))

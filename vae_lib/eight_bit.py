"""The probability of an 8-bit image under a likelihood: one measure for densities and probabilities (chapter 3)."""

import math

import torch

from vae_lib.likelihoods import Categorical, ContinuousBernoulli, DiscretizedLogistic, Gaussian

__all__ = ["log_prob"]

LEVELS = 256


def log_prob(likelihood, x, params):
    """log P(x|z) of images of 256 grey levels, `(..., batch)` nats: never positive, and fair to all likelihoods.

    A density is integrated over the bin of each pixel, which ends half way to the next level. The two
    outermost bins take what lies beyond, so that the 256 probabilities of a pixel add up to 1.

    likelihood: `ContinuousBernoulli`, `Gaussian`, `DiscretizedLogistic(256)` or `Categorical(256)`.
    x: `(batch, *event)`, whole multiples of 1/255 in [0, 1].
    params: what the decoder gives, as for `likelihood.log_prob`.
    Raises
        ValueError: `x` is no 8-bit image, or the likelihood has another number of levels.
        TypeError: the likelihood gives grey pixels no probability (`Bernoulli`), or is not known.
    Source: Theis et al. 2016 (why densities of discrete data are not comparable).
    """
    level = x * (LEVELS - 1)
    if not bool(((level - level.round()).abs() < 1e-3).all() & (x >= 0).all() & (x <= 1).all()):
        raise ValueError("x must hold 8-bit images, whole multiples of 1/255 in [0, 1]: "
                         "use data.load(..., as_float=True), without noise or binarisation")
    event, half = x.dim() - 1, 0.5 / (LEVELS - 1)
    if isinstance(likelihood, DiscretizedLogistic | Categorical):
        if likelihood.levels != LEVELS:
            raise ValueError(f"8-bit images have {LEVELS} levels, the likelihood {likelihood.levels}")
        return likelihood.log_prob(x, params)
    if isinstance(likelihood, Gaussian):
        if likelihood.parts == 2:
            mean, log_sigma = likelihood.split(params, event)
        else:
            mean, log_sigma = params, likelihood.log_sigma.to(params)
        sharp = torch.exp(-log_sigma)
        lower = torch.where(x < half, -math.inf, (x - mean - half) * sharp)
        upper = torch.where(x > 1 - half, math.inf, (x - mean + half) * sharp)
        return _log_normal_mass(lower, upper).flatten(-event).sum(-1)
    if isinstance(likelihood, ContinuousBernoulli):
        lower, upper = (x - half).clamp(min=0), (x + half).clamp(max=1)
        return _log_exponential_mass(lower, upper, params).flatten(-event).sum(-1)
    raise TypeError(f"{type(likelihood).__name__} gives an 8-bit pixel no probability: a Bernoulli is for pixels 0 "
                    "and 1 (binarise them), other densities must be integrated over a bin")


def _log_normal_mass(lower, upper):
    """log of the mass of N(0, 1) between two bounds, exact in both tails."""
    flip = lower > -upper  # the interval lies mostly above 0: use the mirrored one, where Φ is small and exact
    lower, upper = torch.where(flip, -upper, lower), torch.where(flip, -lower, upper)
    top = torch.special.log_ndtr(upper)
    return top + torch.log1p(-torch.exp(torch.special.log_ndtr(lower) - top))


def _log_exponential_mass(lower, upper, logits):
    """log of the mass that a density ∝ e^(logit · x) on [0, 1] has between two bounds."""
    rising = logits > 0  # mirror, so that the density falls at `rate`
    lower, upper = torch.where(rising, 1 - upper, lower), torch.where(rising, 1 - lower, upper)
    rate = logits.abs().clamp(min=1e-6)
    return -rate * lower + _log1mexp(rate * (upper - lower)) - _log1mexp(rate)


def _log1mexp(a):
    """log(1 - e^(-a)) for a > 0."""
    near, far = a.clamp(max=1), a.clamp(min=1)  # each branch where it is exact and has a gradient
    return torch.where(a < 1, torch.log(-torch.expm1(-near)), torch.log1p(-torch.exp(-far)))

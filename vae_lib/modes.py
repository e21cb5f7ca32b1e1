"""Mixtures whose modes can be counted: what share of a generator's draws is good, and which modes it has lost.

Sources: the ring and the grid of Srivastava et al. 2017 (VEEGAN) and Lin et al. 2018 (PacGAN).
"""

import math
from typing import NamedTuple

import torch

from vae_lib.mixture import GaussianMixture

__all__ = ["Count", "count", "grid", "mode_kl", "overlap", "ring"]


def ring(k=8, radius=1.0, sigma=0.01):
    """`k` equal Gaussians of standard deviation `sigma` on a circle, as a `GaussianMixture` on the plane."""
    angle = 2 * math.pi * torch.arange(k) / k
    return _equal(radius * torch.stack([angle.cos(), angle.sin()], 1), sigma)


def grid(side=5, spacing=2.0, sigma=0.05):
    """`side` × `side` equal Gaussians of standard deviation `sigma`, `spacing` apart, around 0."""
    line = spacing * (torch.arange(side) - (side - 1) / 2)
    return _equal(torch.cartesian_prod(line, line), sigma)


def _equal(means, sigma):
    k, x_dim = means.shape
    return GaussianMixture(torch.full((k,), 1 / k), means, sigma**2 * torch.eye(x_dim).expand(k, -1, -1))


class Count(NamedTuple):
    """What `count` finds: modes kept, share of good draws, overlap with the truth, KL of the modes in nats."""

    kept: int
    quality: float
    overlap: float
    kl: float


def count(points, mixture, radius=3.0):
    """Count the modes of `mixture` that `points` `(n, x_dim)` reach.

    A point is of high quality when it lies within `radius` standard deviations of a mean; a mode is kept when at
    least one such point is nearest to it. Points that are not finite are of no quality. The components must be round.
    """
    if points.dim() != 2 or points.shape[1] != mixture.means.shape[1]:
        raise ValueError(f"points must have shape (n, {mixture.means.shape[1]}), got {tuple(points.shape)}")
    sigma = mixture.covariances[:, 0, 0].sqrt()
    away, nearest = (torch.cdist(points.double(), mixture.means) / sigma).min(1)
    counts = torch.bincount(nearest[away <= radius], minlength=len(sigma))  # NaN compares as false
    return Count(int((counts > 0).sum()), counts.sum().item() / len(points),
                 overlap(counts / len(points), mixture.weights), mode_kl(counts, mixture.weights))


def overlap(shares, weights):
    """Σ_k min(shares_k, weights_k), in [0, 1]: 1 minus the total variation distance of the two histograms.

    shares: of all draws, mode by mode; what is in no mode is missing from their sum.
    """
    return torch.minimum(shares.to(weights), weights).sum().item()


def mode_kl(counts, weights):
    """KL(q || p) of the histogram q of `counts` from the true `weights`, nats; infinite where nothing was counted."""
    if not counts.sum():
        return math.inf
    q = counts.double() / counts.sum()
    return torch.where(q > 0, q * (q / weights.double()).log(), 0).sum().item()

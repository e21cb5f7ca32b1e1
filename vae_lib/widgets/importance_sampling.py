"""Importance sampling in one dimension: move and widen the proposal q(z), watch weights and estimate (chapter 2)."""

import math

import anywidget
import numpy as np
import traitlets

from vae_lib.widgets.modules import source

__all__ = ["ImportanceSampling", "draws", "importance_sampling"]

COUNTS = (10, 100, 1000)  # of draws, to choose from
QUADRATURE = 4001  # points on [-8, 8]
HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


class ImportanceSampling(anywidget.AnyWidget):
    """The figure itself; `importance_sampling` makes it. `mu`, `sigma`, `k` and `seed` follow the controls, and the
    figure follows them.
    """

    _esm = source("importance_sampling.js")
    x = traitlets.Float().tag(sync=True)
    coefficients = traitlets.List().tag(sync=True)
    noise = traitlets.Float().tag(sync=True)
    counts = traitlets.List(list(COUNTS)).tag(sync=True)
    limit = traitlets.Float(4.0).tag(sync=True)
    widest = traitlets.Float(3.0).tag(sync=True)
    narrowest = traitlets.Float(0.05).tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    mu = traitlets.Float(0.0).tag(sync=True)
    sigma = traitlets.Float(1.0).tag(sync=True)
    k = traitlets.Int(100).tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)

    @traitlets.validate("mu", "sigma")
    def _check_proposal(self, proposal):
        name, value = proposal["trait"].name, float(proposal["value"])
        if not math.isfinite(value):
            raise traitlets.TraitError(f"{name} must be a finite number, got {value}")
        low, high = (-self.limit, self.limit) if name == "mu" else (self.narrowest, self.widest)
        return min(high, max(low, value))

    @traitlets.validate("k")
    def _check_k(self, proposal):
        if proposal["value"] not in self.counts:
            raise traitlets.TraitError(f"k must be one of {self.counts}, got {proposal['value']}")
        return proposal["value"]

    def log_joint(self, z):
        """log p(x, z) at points `z`, nats: p(z) = N(0, 1), p(x|z) = N(x; Σ_j c_j z^j, noise²)."""
        mean = np.polynomial.polynomial.polyval(z, self.coefficients)
        return -0.5 * z**2 - 0.5 * ((self.x - mean) / self.noise) ** 2 - math.log(self.noise) - 2 * HALF_LOG_2PI

    def result(self):
        """What the figure shows, as a dict: `exact` log p(x) by quadrature, its `estimate` from `k` draws of
        N(mu, sigma²), both in nats, and the effective sample size `ess`.
        """
        grid = np.linspace(-8, 8, QUADRATURE)
        exact = np.logaddexp.reduce(self.log_joint(grid)) + math.log(grid[1] - grid[0])
        eps = draws(self.seed, self.k)
        log_q = -0.5 * eps**2 - math.log(self.sigma) - HALF_LOG_2PI
        log_w = self.log_joint(self.mu + self.sigma * eps) - log_q
        total = np.logaddexp.reduce(log_w)
        return {"exact": float(exact), "estimate": float(total - math.log(self.k)),
                "ess": float(np.exp(2 * total - np.logaddexp.reduce(2 * log_w)))}

    def __repr__(self):
        return f"ImportanceSampling(q=N({self.mu:g}, {self.sigma:g}²), {self.k} draws)"


def importance_sampling(x=1.5, coefficients=(0.0, 0.0, 1.0), noise=0.5, mu=0.0, sigma=1.0, k=100, seed=0,
                        label="Importance sampling"):
    """A live figure: a proposal q(z) = N(mu, sigma²) to move and widen, its draws with their weights, the estimate
    of log p(x), the exact value, and the effective sample size.

    The model is z ~ N(0, 1), x|z ~ N(f(z), noise²) with one number z and one number x, where f is a polynomial.

    Arguments
        x: the observed number.
        coefficients: c_0, c_1, ... of f(z) = Σ_j c_j z^j. The default z² cannot tell z from -z.
        noise: standard deviation of x given z.
        mu, sigma: where the proposal starts: -4 to 4, and 0.05 to 3.
        k: number of draws: 10, 100 or 1000.
        seed: which draws; a button of the figure takes the next ones.
        label: what the figure is, in a few words.
    Raises
        ValueError: says what was given and what is expected.
    Example
        >>> importance_sampling(k=10)
        ImportanceSampling(q=N(0, 1²), 10 draws)
    """
    numbers = {"x": x, "noise": noise, "mu": mu, "sigma": sigma} | {f"c_{j}": c for j, c in enumerate(coefficients)}
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise ValueError(f"{name} must be a finite number, got {value}")
    for name, value in (("noise", noise), ("sigma", sigma)):
        if value <= 0:
            raise ValueError(f"{name} must be positive, got {value}: it is a standard deviation")
    if not coefficients:
        raise ValueError("coefficients is empty: f(z) needs at least one, such as (0, 1) for f(z) = z")
    if k not in COUNTS:
        raise ValueError(f"k must be one of {COUNTS}, got {k}")
    return ImportanceSampling(x=float(x), coefficients=[float(c) for c in coefficients], noise=float(noise),
                              mu=float(mu), sigma=float(sigma), k=int(k), seed=int(seed), label=str(label))


def draws(seed, n):
    """`n` standard Gaussian numbers, `(n,)`, the same here and in the browser.

    Uniform numbers by the generator mulberry32 (T. Ettinger), turned Gaussian in pairs (Box & Muller 1958).
    """
    state, mask = seed & 0xFFFFFFFF, 0xFFFFFFFF
    uniform = np.empty(n + n % 2)
    for k in range(len(uniform)):
        state = t = (state + 0x6D2B79F5) & mask
        t = ((t ^ (t >> 15)) * (t | 1)) & mask
        t ^= (t + ((t ^ (t >> 7)) * (t | 61))) & mask
        uniform[k] = (t ^ (t >> 14)) / 2**32
    radius, angle = np.sqrt(-2 * np.log(1 - uniform[::2])), 2 * np.pi * uniform[1::2]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).ravel()[:n]

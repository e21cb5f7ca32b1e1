"""The gap of the ELBO: move and widen q(z) over an exact posterior, and watch the nats add up (chapter 3)."""

import math

import anywidget
import numpy as np
import torch
import traitlets

from vae_lib.widgets.modules import source

__all__ = ["ElboGap", "elbo_gap"]

LIMIT, POINTS = 12.0, 1201  # the grid of z for all integrals
MU_LIMIT, NARROWEST, WIDEST = 3.0, math.log(0.1), math.log(1.5)  # what the sliders reach: q stays inside of the grid
MOST = 6  # observations to choose from


class ElboGap(anywidget.AnyWidget):
    """The figure itself; `elbo_gap` makes it. `mu`, `log_sigma` and `shown` (the number of the observation) follow
    the controls, and the figure follows them.
    """

    _esm = source("elbo_gap.js")
    log_likelihood = traitlets.Bytes().tag(sync=True)
    points = traitlets.Int(POINTS).tag(sync=True)
    limit = traitlets.Float(LIMIT).tag(sync=True)
    mu_limit = traitlets.Float(MU_LIMIT).tag(sync=True)
    narrowest = traitlets.Float(NARROWEST).tag(sync=True)
    widest = traitlets.Float(WIDEST).tag(sync=True)
    names = traitlets.List().tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    mu = traitlets.Float(0.0).tag(sync=True)
    log_sigma = traitlets.Float(0.0).tag(sync=True)
    shown = traitlets.Int(0).tag(sync=True)

    @traitlets.validate("mu", "log_sigma")
    def _check_q(self, proposal):
        name, value = proposal["trait"].name, float(proposal["value"])
        if not math.isfinite(value):
            raise traitlets.TraitError(f"{name} must be a finite number, got {value}")
        low, high = (-self.mu_limit, self.mu_limit) if name == "mu" else (self.narrowest, self.widest)
        return min(high, max(low, value))

    @traitlets.validate("shown")
    def _check_shown(self, proposal):
        if not 0 <= proposal["value"] < len(self.names):
            raise traitlets.TraitError(f"shown must be from 0 to {len(self.names) - 1}, got {proposal['value']}")
        return proposal["value"]

    def result(self):
        """What the figure shows, a dict in nats: `log_px`, `elbo`, `kl` (from q to the true posterior), `rate` and
        `distortion`. The first, the third and the last are sums over the grid, each on its own.
        """
        z = np.linspace(-self.limit, self.limit, self.points)
        dz = z[1] - z[0]
        log_px_z = np.frombuffer(self.log_likelihood, "<f8").reshape(-1, self.points)[self.shown]
        log_joint = log_px_z - 0.5 * z**2 - 0.5 * math.log(2 * math.pi)
        log_px = np.logaddexp.reduce(log_joint) + math.log(dz)
        log_q = -0.5 * ((z - self.mu) / math.exp(self.log_sigma)) ** 2 - self.log_sigma - 0.5 * math.log(2 * math.pi)
        q = np.exp(log_q) * dz
        kl = float((q * (log_q - log_joint + log_px)).sum())
        rate = 0.5 * (self.mu**2 + math.exp(2 * self.log_sigma) - 1 - 2 * self.log_sigma)
        distortion = float(-(q * log_px_z).sum())
        return {"log_px": float(log_px), "elbo": -distortion - rate, "kl": kl, "rate": rate, "distortion": distortion}

    def __repr__(self):
        return f"ElboGap({self.names[self.shown]}, q=N({self.mu:.2f}, {math.exp(self.log_sigma):.2f}²))"


@torch.no_grad()
def elbo_gap(model, x, names=None, mu=0.0, log_sigma=0.0, shown=0, label="The gap of the ELBO"):
    """A live figure: q = N(mu, sigma²) to move and widen over the exact posterior of a one-dimensional z. It shows
    log p(x), the ELBO, the gap between them, KL(q || p(z|x)), and the ELBO's two terms, in nats.

    The prior is N(0, 1). log p(x|z) is computed here, on a grid of z, and travels with the figure; all else is
    computed in the browser.

    Arguments
        model: has `z_dim` 1, `decode` and `likelihood`, as for `exact.log_prob_by_quadrature`.
        x: one to six observations to choose from, `(n, *x_shape)`.
        names: what each is called; "x 1", "x 2", ... if not given.
        mu, log_sigma: where q starts: -3 to 3, and log 0.1 to log 1.5.
        shown: the number of the observation that is shown first.
        label: what the figure is, in a few words.
    Raises
        ValueError: says what was given and what is expected.
    Example
        >>> from types import SimpleNamespace
        >>> from vae_lib import likelihoods
        >>> line = SimpleNamespace(z_dim=1, decode=lambda z: z, likelihood=likelihoods.Gaussian(1.0))
        >>> elbo_gap(line, torch.ones(1, 1))
        ElboGap(x 1, q=N(0.00, 1.00²))
    """
    if model.z_dim != 1:
        raise ValueError(f"the figure is for a one-dimensional z, got z_dim = {model.z_dim}: use model.log_prob")
    if not 1 <= len(x) <= MOST:
        raise ValueError(f"x must hold one to {MOST} observations, (n, *x_shape), got {len(x)}")
    names = [str(name) for name in (names or (f"x {k + 1}" for k in range(len(x))))]
    if len(names) != len(x):
        raise ValueError(f"names must name the {len(x)} observations, got {len(names)}")
    z = torch.linspace(-LIMIT, LIMIT, POINTS, dtype=x.dtype, device=x.device)
    params = model.decode(z[:, None])
    rows = torch.stack([model.likelihood.log_prob(one.expand(POINTS, *one.shape), params) for one in x])
    if not rows.isfinite().all():
        raise ValueError(f"log p(x|z) is not finite everywhere on [-{LIMIT:g}, {LIMIT:g}]: look at the decoder")
    table = rows.double().cpu().numpy().astype("<f8").tobytes()
    return ElboGap(log_likelihood=table, names=names, mu=float(mu), log_sigma=float(log_sigma), shown=int(shown),
                   label=str(label))

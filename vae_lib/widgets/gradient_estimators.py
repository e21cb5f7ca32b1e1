"""Two estimators of one gradient: draw from both and watch them reach the exact value (chapter 4)."""

import math

import anywidget
import traitlets

from vae_lib.widgets.modules import source

__all__ = ["GradientEstimators", "gradient_estimators"]

MOST_SAMPLES = 1_000_000


class GradientEstimators(anywidget.AnyWidget):
    """The figure itself; `gradient_estimators` makes it. Its settings follow the controls, and the controls them."""

    _esm = source("gradient_estimators.js")
    mu = traitlets.Float(1.0).tag(sync=True)
    sigma = traitlets.Float(1.0).tag(sync=True)
    samples = traitlets.Int(1000).tag(sync=True)
    baseline = traitlets.Bool(False).tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)

    @traitlets.validate("mu", "sigma")
    def _check_number(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        if not math.isfinite(value) or (name == "sigma" and value <= 0):
            kind = "positive" if name == "sigma" else "finite"
            raise traitlets.TraitError(f"{name} must be a {kind} number, got {value}")
        return value

    @traitlets.validate("samples")
    def _check_samples(self, proposal):
        if not 2 <= proposal["value"] <= MOST_SAMPLES:
            raise traitlets.TraitError(f"samples must be between 2 and {MOST_SAMPLES:,}, got {proposal['value']:,}")
        return proposal["value"]

    @traitlets.validate("seed")
    def _check_seed(self, proposal):
        if not 0 <= proposal["value"] < 2**53:
            raise traitlets.TraitError(f"seed must be between 0 and 2**53 - 1, got {proposal['value']}")
        return proposal["value"]

    def __repr__(self):
        return (f"GradientEstimators(mu={self.mu:g}, sigma={self.sigma:g}, samples={self.samples:,}, "
                f"baseline={self.baseline}, seed={self.seed})")


def gradient_estimators(mu=1.0, sigma=1.0, samples=1000, baseline=False, seed=0,
                        label="Two estimators of d/dμ E[z²]"):
    """A live figure: the reparameterised and the score-function gradient of E[z²], z ~ N(mu, sigma²).

    Both are estimated from the same `samples` draws, in the browser: the histogram of single gradients, the
    average of the first n, and the variance beside its exact value.

    Arguments
        mu, sigma: mean and standard deviation of z.
        samples: number of draws, from 2 to 1,000,000.
        baseline: whether E[z² ε²] = mu² + 3 sigma², the best constant, is subtracted from z² in the score function.
        seed: the same seed gives the same draws.
        label: what the figure is, in a few words.
    Returns
        A widget. Its `mu`, `sigma`, `samples`, `baseline` and `seed` are what is shown.
    Raises
        traitlets.TraitError: says what was given and what is expected.
    Example
        >>> gradient_estimators(sigma=0.5)
        GradientEstimators(mu=1, sigma=0.5, samples=1,000, baseline=False, seed=0)
    """
    return GradientEstimators(mu=mu, sigma=sigma, samples=samples, baseline=baseline, seed=seed, label=str(label))

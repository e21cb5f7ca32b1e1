"""Live figures: one ES module each, alive in Jupyter, in Colab and on the book's static pages."""

from vae_lib.widgets.elbo_gap import ElboGap, elbo_gap
from vae_lib.widgets.latent_plane import LatentPlane, latent_plane

__all__ = ["ElboGap", "LatentPlane", "elbo_gap", "latent_plane"]
from vae_lib.widgets.importance_sampling import ImportanceSampling, importance_sampling
from vae_lib.widgets.latent_plane import LatentPlane, latent_plane

__all__ = ["ImportanceSampling", "LatentPlane", "importance_sampling", "latent_plane"]
from vae_lib.widgets.gradient_estimators import GradientEstimators, gradient_estimators
from vae_lib.widgets.latent_plane import LatentPlane, latent_plane

__all__ = ["GradientEstimators", "LatentPlane", "gradient_estimators", "latent_plane"]

"""Live figures: one ES module each, alive in Jupyter, in Colab and on the book's static pages."""

from vae_lib.widgets.gradient_estimators import GradientEstimators, gradient_estimators
from vae_lib.widgets.latent_plane import LatentPlane, latent_plane

__all__ = ["GradientEstimators", "LatentPlane", "gradient_estimators", "latent_plane"]

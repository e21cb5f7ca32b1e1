"""Live figures: one ES module each, alive in Jupyter, in Colab and on the book's static pages."""

from vae_lib.widgets.elbo_gap import ElboGap, elbo_gap
from vae_lib.widgets.gradient_estimators import GradientEstimators, gradient_estimators
from vae_lib.widgets.importance_sampling import ImportanceSampling, importance_sampling
from vae_lib.widgets.latent_plane import LatentPlane, latent_plane
from vae_lib.widgets.modes_in_time import ModesInTime, modes_in_time

__all__ = ["ElboGap", "GradientEstimators", "ImportanceSampling", "LatentPlane", "ModesInTime", "elbo_gap",
           "gradient_estimators", "importance_sampling", "latent_plane", "modes_in_time"]

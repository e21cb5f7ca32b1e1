"""Live figures: one ES module each, alive in Jupyter, in Colab and on the book's static pages."""

from vae_lib.widgets.elbo_gap import ElboGap, elbo_gap
from vae_lib.widgets.fault_map import FaultMap, fault_map
from vae_lib.widgets.gradient_estimators import GradientEstimators, gradient_estimators
from vae_lib.widgets.image_editor import ImageEditor, image_editor
from vae_lib.widgets.importance_sampling import ImportanceSampling, importance_sampling
from vae_lib.widgets.latent_plane import LatentPlane, latent_plane
from vae_lib.widgets.modes_in_time import ModesInTime, modes_in_time

__all__ = ["ElboGap", "FaultMap", "GradientEstimators", "ImageEditor", "ImportanceSampling", "LatentPlane",
           "ModesInTime", "elbo_gap", "fault_map", "gradient_estimators", "image_editor", "importance_sampling",
           "latent_plane", "modes_in_time"]

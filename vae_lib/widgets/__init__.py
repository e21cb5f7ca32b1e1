"""Live figures: one ES module each, alive in Jupyter, in Colab and on the book's static pages."""

from vae_lib.widgets.importance_sampling import ImportanceSampling, importance_sampling
from vae_lib.widgets.latent_plane import LatentPlane, latent_plane

__all__ = ["ImportanceSampling", "LatentPlane", "importance_sampling", "latent_plane"]

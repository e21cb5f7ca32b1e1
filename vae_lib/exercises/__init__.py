"""Exercises whose checks know the mistakes: `Sheet("05_first_vae").check("kl_to_prior", kl)`."""

from vae_lib.exercises.sheet import Sheet

__all__ = ["Sheet"]

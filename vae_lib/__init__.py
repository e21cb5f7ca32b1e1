"""Variational autoencoders, one idea a file: the library behind the course."""

__version__ = "0.1.0"
__all__ = ["__version__"]

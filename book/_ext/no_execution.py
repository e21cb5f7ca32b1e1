"""Refuse to execute a notebook during the build: `make book` has executed them all, once, and filled the cache."""

from myst_nb.core.execute import cache
from sphinx.errors import ExtensionError


def refuse(notebook, **_):
    raise ExtensionError("a notebook is not in the cache of executed ones: build the book with `make book`")


def setup(app):
    cache.single_nb_execution = refuse
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

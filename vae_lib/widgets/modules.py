"""The text of a figure's ES module: what all figures share, then the figure's own files."""

from pathlib import Path

__all__ = ["source"]

HERE = Path(__file__).parent


def source(*names):
    """`common.js` and the files `names` as one module, which the static page holds and needs no import to run.

    Example
        >>> source("network.js", "latent_plane.js")[:7]
        '// What'
    """
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in ("common.js", *names))

"""The text of a figure's ES module: what all figures share, then the figure's own file."""

from pathlib import Path

__all__ = ["source"]

HERE = Path(__file__).parent


def source(name):
    """`common.js` and the file `name` as one module, which the static page holds and needs no import to run."""
    return "\n".join((HERE / part).read_text(encoding="utf-8") for part in ("common.js", name))

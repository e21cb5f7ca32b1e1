"""Draws of several models while they train, side by side: scrub through time and watch modes come and go (chapter 10).
"""


import anywidget
import numpy as np
import torch
import traitlets

from vae_lib.widgets.modules import source

__all__ = ["ModesInTime", "modes_in_time"]

MOST_BYTES = 400_000


class ModesInTime(anywidget.AnyWidget):
    """The figure itself; `modes_in_time` makes it. Its `frame` is the moment that is shown: it follows the slider."""

    _esm = source("modes_in_time.js")
    points = traitlets.Bytes().tag(sync=True)
    names = traitlets.List().tag(sync=True)
    steps = traitlets.List().tag(sync=True)
    kept = traitlets.List().tag(sync=True)
    quality = traitlets.List().tag(sync=True)
    means = traitlets.List().tag(sync=True)
    limit = traitlets.Float(5.0).tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    frame = traitlets.Int(0).tag(sync=True)

    @traitlets.validate("frame")
    def _check_frame(self, proposal):
        if not 0 <= proposal["value"] < len(self.steps):
            raise traitlets.TraitError(f"frame must be from 0 to {len(self.steps) - 1}, got {proposal['value']}")
        return proposal["value"]

    def __repr__(self):
        return f"ModesInTime({', '.join(self.names)}: {len(self.steps)} frames, frame={self.frame})"


def modes_in_time(frames, steps, kept, quality, means, limit=5.0, frame=0, label="Draws while training"):
    """A live figure: the draws of each model at each recorded moment, with a slider for the time.

    Arguments
        frames: for each model's name its draws, `(moments, n, 2)`: floats, or uint8 from `packed`, which are kept.
        steps: batches seen at each moment.
        kept, quality: for each name, modes kept and share of good draws at each moment; they are shown, not computed.
        means: centres of the modes, `(k, 2)`, shown as rings.
        limit: the figure shows the square [-limit, limit]²; what lies outside is drawn at its edge.
        frame: the moment that is shown first.
    Returns
        A widget. Its `frame` is the moment that is shown.
    Raises
        ValueError, traitlets.TraitError: each says what was given and what is expected.
    Example
        >>> draws = {"VAE": torch.zeros(3, 10, 2)}
        >>> modes_in_time(draws, [0, 5, 9], {"VAE": [1, 1, 1]}, {"VAE": [1.0, 1.0, 1.0]}, torch.zeros(1, 2))
        ModesInTime(VAE: 3 frames, frame=0)
    """
    names, arrays = list(frames), []
    for name, points in frames.items():
        points = torch.as_tensor(points)
        if points.dim() != 3 or points.shape[::2] != (len(steps), 2):
            raise ValueError(f"frames[{name!r}] must have shape ({len(steps)}, n, 2), one frame for each of steps, "
                             f"got {tuple(points.shape)}")
        arrays.append(points if points.dtype == torch.uint8 else packed(points, limit))
        for what, values in (("kept", kept), ("quality", quality)):
            if len(values.get(name, ())) != len(steps):
                raise ValueError(f"{what}[{name!r}] must have {len(steps)} values, one for each of steps")
    if len({len(points[0]) for points in arrays}) != 1:
        raise ValueError(f"frames must hold equally many points of each model, got {[len(p[0]) for p in arrays]}")
    if (size := sum(points.numel() for points in arrays)) > MOST_BYTES:
        raise ValueError(f"the figure would be {size:,} bytes, at most {MOST_BYTES:,}: take fewer frames or points")
    return ModesInTime(
        points=np.stack([points.numpy() for points in arrays]).tobytes(), names=names, steps=[int(s) for s in steps],
        kept=[[int(v) for v in kept[name]] for name in names],
        quality=[[float(v) for v in quality[name]] for name in names],
        means=torch.as_tensor(means).tolist(), limit=float(limit), label=str(label), frame=frame)


def packed(points, limit=5.0):
    """Points as 8-bit numbers: 0 to 255 over [-limit, limit], what lies outside (or is no number) at the edge."""
    return ((points.nan_to_num(limit) / limit).clamp(-1, 1) * 127.5 + 127.5).round().to(torch.uint8)

"""The latent plane: drag a code z and watch what the decoder makes of it (chapters 1 and 5)."""

import math

import anywidget
import numpy as np
import torch
import traitlets

from vae_lib.widgets.modules import source
from vae_lib.widgets.packing import pack

__all__ = ["LatentPlane", "latent_plane"]

MOST_POINTS = 5_000
MOST_CLASSES = 10


class LatentPlane(anywidget.AnyWidget):
    """The figure itself; `latent_plane` makes it. `figure.z` is the code that is shown, as a list of two
    numbers: it follows the pointer, and the figure follows it.
    """

    _esm = source("network.js", "latent_plane.js")
    weights = traitlets.Bytes().tag(sync=True)
    layers = traitlets.List().tag(sync=True)
    image_shape = traitlets.List().tag(sync=True)
    error = traitlets.Float().tag(sync=True)
    points = traitlets.Bytes().tag(sync=True)
    labels = traitlets.Bytes().tag(sync=True)
    classes = traitlets.List().tag(sync=True)
    limit = traitlets.Float(3.0).tag(sync=True)
    prior = traitlets.Bool(True).tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    z = traitlets.List([0.0, 0.0]).tag(sync=True)

    @traitlets.validate("z")
    def _check_z(self, proposal):
        z = [float(value) for value in proposal["value"]]
        if len(z) != 2 or not all(math.isfinite(value) for value in z):
            raise traitlets.TraitError(f"z must be two finite numbers, got {proposal['value']}")
        return [min(self.limit, max(-self.limit, value)) for value in z]

    def __repr__(self):
        sizes = "-".join(str(n) for n in [self.layers[0]["cols"], *(layer["rows"] for layer in self.layers)])
        return f"LatentPlane({sizes} decoder, {len(self.points) // 8:,} points, z={[round(v, 2) for v in self.z]})"


def latent_plane(model, points=None, labels=None, limit=3.0, label="The latent plane", classes=None, max_error=0.02):
    """A live figure: the plane of codes, a point to drag, and the image that the decoder makes of it.

    The decoder travels with the figure, in 8-bit weights, and runs in the browser. The figure shows E[x|z];
    for a VAE it also shows where its prior N(0, I) lies.

    Arguments
        model: a `VAE` or an `Autoencoder` with two codes and a fully connected decoder.
        points: codes of images, `(n, 2)`, shown as dots: at most 5,000.
        labels: the class of each point, `(n,)` integers from 0 to 9.
        limit: the figure shows the square [-limit, limit]².
        label: what the figure is, in a few words.
        classes: names of the classes; the numbers themselves if not given.
        max_error: the largest change of a pixel that rounding the weights may cause.
    Returns
        A widget. Its `z` is the code that is shown; its `error` the largest change of a pixel by the rounding.
    Raises
        TypeError, ValueError: each says what was given and what is expected.
    Example
        >>> from vae_lib import networks, vae
        >>> small = vae.VAE(networks.MLPEncoder(z_dim=2), networks.MLPDecoder(z_dim=2))
        >>> latent_plane(small)
        LatentPlane(2-200-200-784 decoder, 0 points, z=[0.0, 0.0])
    """
    if not (isinstance(limit, int | float) and 0 < limit < math.inf):
        raise ValueError(f"limit must be a positive number, got {limit!r}")
    packed = pack(model, limit, max_error)
    points = _points(points)
    labels = _labels(labels, points)
    needed = int(labels.max()) + 1 if len(labels) else 0
    classes = [str(name) for name in (range(needed) if classes is None or not needed else classes)]
    if len(classes) < needed:
        raise ValueError(f"classes names {len(classes)} classes, but a label is {needed - 1}")
    if len(classes) > MOST_CLASSES:
        raise ValueError(f"at most {MOST_CLASSES} classes can be told apart by colour, got {len(classes)}")
    return LatentPlane(
        weights=packed.weights, layers=packed.layers, image_shape=list(packed.image_shape), error=packed.error,
        points=points.tobytes(), labels=labels.tobytes(), classes=classes,
        limit=float(limit), prior=hasattr(model, "prior"), label=str(label),
    )


def _points(points):
    if points is None:
        return np.zeros((0, 2), "<f4")
    points = torch.as_tensor(points).detach().cpu().numpy().astype("<f4")
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points must have shape (n, 2), got {points.shape}: pass the codes, "
                         "for a VAE the means mu of model.encode(x)")
    if len(points) > MOST_POINTS:
        raise ValueError(f"points holds {len(points):,} codes; the figure shows at most {MOST_POINTS:,}: "
                         "take a random part of them")
    if not np.isfinite(points).all():
        raise ValueError("points holds NaN or infinity: look at the encoder's output")
    return points


def _labels(labels, points):
    """One byte a point, or none."""
    if labels is None:
        return np.zeros(0, np.uint8)
    labels = torch.as_tensor(labels).detach().cpu().numpy()
    if labels.shape != (len(points),):
        raise ValueError(f"labels must have shape ({len(points)},), one for each point, got {labels.shape}")
    if not np.issubdtype(labels.dtype, np.integer) or labels.min(initial=0) < 0 or labels.max(initial=0) > 255:
        raise ValueError(f"labels must be integers from 0 to {MOST_CLASSES - 1}, got {labels.dtype} "
                         f"from {labels.min(initial=0)} to {labels.max(initial=0)}")
    return labels.astype(np.uint8)

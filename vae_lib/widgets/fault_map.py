"""The fault map: damage a garment, or draw what you like, and the detector's score and map follow (chapter 9)."""

import anywidget
import numpy as np
import torch
import traitlets

from vae_lib.widgets.modules import source
from vae_lib.widgets.packing import pack_layers, run, stack, unpack, unpack_layers

__all__ = ["FaultMap", "fault_map"]

MOST = 10  # images to choose from


class FaultMap(anywidget.AnyWidget):
    """The figure itself; `fault_map` makes it. `shown` is the number of the image on the table, `pixels` what has
    become of it, a list of numbers from 0 to 255: both follow the reader's hand, and the figure follows them.
    """

    _esm = source("network.js", "fault_map.js")
    weights = traitlets.Bytes().tag(sync=True)
    layers = traitlets.List().tag(sync=True)
    mean = traitlets.Bytes().tag(sync=True)
    scale = traitlets.Float(1.0).tag(sync=True)
    threshold = traitlets.Float(0.0).tag(sync=True)
    images = traitlets.Bytes().tag(sync=True)
    image_shape = traitlets.List().tag(sync=True)
    names = traitlets.List().tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    error = traitlets.Float(0.0).tag(sync=True)
    shown = traitlets.Int(0).tag(sync=True)
    pixels = traitlets.List().tag(sync=True)

    @traitlets.validate("pixels")
    def _check_pixels(self, proposal):
        pixels, count = [int(value) for value in proposal["value"]], int(np.prod(self.image_shape))
        if len(pixels) != count or min(pixels) < 0 or max(pixels) > 255:
            raise traitlets.TraitError(f"pixels must be {count} numbers from 0 to 255, got {len(pixels)}")
        return pixels

    @traitlets.validate("shown")
    def _check_shown(self, proposal):
        if not 0 <= proposal["value"] < len(self.names):
            raise traitlets.TraitError(f"shown must be from 0 to {len(self.names) - 1}, got {proposal['value']}")
        return proposal["value"]

    def result(self):
        """What the figure shows: `score`, the reconstruction error, and `map`, its share of each pixel."""
        x = (np.array(self.pixels, "<f4") / 255 - np.frombuffer(self.mean, "<f4")) / np.float32(self.scale)
        x = torch.from_numpy(x)[None]
        squares = (x - run(unpack_layers(self.weights, self.layers), x)).square()[0]
        return {"score": squares.sum().item(), "map": squares.reshape(self.image_shape).numpy()}

    def __repr__(self):
        score = self.result()["score"]
        return f"FaultMap({self.names[self.shown]}, score {score:.0f}, threshold {self.threshold:.0f})"


def fault_map(detector, images, names=None, label="The fault map", max_error=0.02):
    """A live figure: an image to paint on, the detector's map beside it, and its score on a scale with the threshold.

    Arguments
        detector: a fitted `Detector` by "reconstruction_error" of grey images `(1, height, width)`.
        images: `(n, 1, height, width)`, floats in [0, 1] or uint8, to choose from; at most 10.
        names: what they are, a word each.
        label: what the figure is, in a few words.
        max_error: the largest relative change of a score of these images that 8-bit weights may cause.
    Returns
        A widget. Its `error` is the largest relative change of a score by the rounding.
    Raises
        TypeError, ValueError: each says what was given and what is expected.
    """
    if detector.measure != "reconstruction_error" or len(detector.x_shape_) != 3 or detector.x_shape_[0] != 1:
        raise ValueError("the figure shows the reconstruction error of grey images, got a detector by "
                         f"{detector.measure} of images {detector.x_shape_}")
    images = torch.as_tensor(images)
    if not 1 <= len(images) <= MOST:
        raise ValueError(f"images must hold 1 to {MOST} images to choose from, got {len(images)}")
    bytes_ = images if images.dtype == torch.uint8 else (255 * images).round().to(torch.uint8)
    names = [f"image {k + 1}" for k in range(len(images))] if names is None else [str(name) for name in names]
    if len(names) != len(images):
        raise ValueError(f"names must name the {len(images)} images, got {len(names)}")
    x = detector._standardised(bytes_).flatten(1)
    model = detector.model_
    layers = stack(model.encoder.body, model.z_dim) + stack(model.decoder.body)  # x to E[x|z] at the posterior's mean
    noise = torch.randn(500, x.shape[1], generator=torch.Generator().manual_seed(0))
    packed = pack_layers(layers, torch.cat([x, noise]))  # noise: what is drawn may be like none of the images
    scores = (x - run(unpack(packed), x)).square().sum(1)
    exact = torch.from_numpy(-detector.score_samples(bytes_))
    error = ((scores - exact) / exact).abs().max().item()
    if not error <= max_error:
        raise ValueError(f"8-bit weights change a score by {100 * error:.1f} %, more than {100 * max_error:g} %: "
                         "pass a larger max_error")
    return FaultMap(
        weights=packed.weights, layers=packed.layers, mean=detector.mean_.astype("<f4").tobytes(),
        scale=float(detector.scale_), threshold=float(-detector.offset_), error=error,
        images=bytes_.cpu().numpy().tobytes(), image_shape=list(detector.x_shape_[1:]), names=names,
        label=str(label), pixels=bytes_[0].flatten().tolist())

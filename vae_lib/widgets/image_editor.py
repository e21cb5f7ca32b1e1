"""The image editor: choose or draw a digit and move its attributes (chapter 8)."""

import anywidget
import numpy as np
import torch
import traitlets

from vae_lib.checks import check_images
from vae_lib.widgets.modules import source
from vae_lib.widgets.packing import pack_network, run, unpack

__all__ = ["ImageEditor", "image_editor"]

MOST_EXAMPLES = 24


class ImageEditor(anywidget.AnyWidget):
    """The figure itself; `image_editor` makes it. `figure.strengths` are the sliders' values, one an attribute."""

    _esm = source("network.js", "image_editor.js")
    encoder = traitlets.Bytes().tag(sync=True)
    encoder_layers = traitlets.List().tag(sync=True)
    decoder = traitlets.Bytes().tag(sync=True)
    decoder_layers = traitlets.List().tag(sync=True)
    image_shape = traitlets.List().tag(sync=True)
    error = traitlets.Float().tag(sync=True)
    vectors = traitlets.Bytes().tag(sync=True)
    names = traitlets.List().tag(sync=True)
    examples = traitlets.Bytes().tag(sync=True)
    limit = traitlets.Float(3.0).tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    strengths = traitlets.List().tag(sync=True)

    @traitlets.validate("strengths")
    def _check_strengths(self, proposal):
        values = [float(value) for value in proposal["value"]]
        if len(values) != len(self.names) or not np.isfinite(values).all():
            raise traitlets.TraitError(f"strengths must be {len(self.names)} finite numbers, got {proposal['value']}")
        return [min(self.limit, max(-self.limit, value)) for value in values]

    def __repr__(self):
        count = len(self.examples) // max(1, int(np.prod(self.image_shape)))
        return f"ImageEditor({', '.join(self.names)}; {count} examples, strengths={self.strengths})"


def image_editor(model, vectors, names, examples, limit=3.0, label="The image editor"):
    """A live figure: an image to choose or to draw, a slider for each attribute, and the edited image.

    Encoder and decoder travel with the figure, in 8-bit weights, and run in the browser: x is encoded to the
    posterior's mean z, z moves by Σ_k strength_k · vectors[k], and E[x|z] is shown.

    Arguments
        model: a `VAE` of binary pixels with fully connected networks.
        vectors: `(attributes, z_dim)`, the move of the code for a strength of 1.
        names: the attributes, one word each.
        examples: images to choose from, `(n, 1, height, width)` with pixels 0 or 1; at most 24.
        limit: the sliders go from -limit to limit.
    Raises
        TypeError, ValueError: each says what was given and what is expected.
    """
    check_images(examples, model.x_shape, "examples")
    if len(examples) > MOST_EXAMPLES:
        raise ValueError(f"the figure offers at most {MOST_EXAMPLES} examples, got {len(examples)}: take fewer")
    if bool(((examples != 0) & (examples != 1)).any()):
        raise ValueError("examples must have pixels 0 or 1: draw them with data.binarize(x)")
    if tuple(vectors.shape) != (len(names), model.z_dim):
        raise ValueError(f"vectors must have shape ({len(names)}, {model.z_dim}), one row for each name, "
                         f"got {tuple(vectors.shape)}")
    with torch.no_grad():
        x = examples.to(model.device, model.dtype)
        z = model.encode(x)[0].cpu().float()
    encoder = pack_network(model.encoder.body, x.flatten(1), outputs=model.z_dim)
    # the decoder is fed edited codes: the rounding is fitted to the ends of every slider too
    ends = limit * torch.cat([torch.zeros(1, model.z_dim), vectors.cpu().float(), -vectors.cpu().float()])
    edited = (z[:, None] + ends).flatten(0, 1)
    decoder = pack_network(model.decoder.body, edited, last="sigmoid")
    return ImageEditor(
        encoder=encoder.weights, encoder_layers=encoder.layers, decoder=decoder.weights, decoder_layers=decoder.layers,
        image_shape=list(model.x_shape[1:]), error=_error(model, x, ends, encoder, decoder),
        vectors=vectors.cpu().float().numpy().astype("<f4").tobytes(), names=list(names),
        examples=examples.flatten(1).cpu().numpy().astype(np.uint8).tobytes(), limit=float(limit), label=label,
        strengths=[0.0] * len(names))


@torch.no_grad()
def _error(model, x, ends, encoder, decoder):
    """The largest change of an edited image's pixel by the rounding of both networks."""
    exact = torch.sigmoid(model.decode((model.encode(x)[0].cpu()[:, None] + ends).to(model.device))).flatten(2).cpu()
    z = run(unpack(encoder), x.flatten(1).cpu().float())
    found = run(unpack(decoder), (z[:, None] + ends).flatten(0, 1)).reshape(exact.shape)
    return (found - exact).abs().max().item()

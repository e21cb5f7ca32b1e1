"""A decoder in a quarter of its bytes: fully connected layers as 8-bit integers, for the browser.

Each row of a weight matrix is stored as integers -127..127 times one float32 scale, so that no weight
moves by more than half a scale. Biases stay float32. `unpack` gives the rounded layers back; the module
`latent_plane.js` does the same arithmetic.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from vae_lib.likelihoods import Bernoulli, Gaussian

__all__ = ["PackedDecoder", "pack", "run", "unpack"]

NAMES = {nn.Tanh: "tanh", nn.ReLU: "relu", nn.SiLU: "silu", nn.GELU: "gelu"}
FUNCTIONS = {"tanh": torch.tanh, "relu": torch.relu, "silu": nn.functional.silu, "gelu": nn.functional.gelu,
             "linear": lambda a: a, "sigmoid": torch.sigmoid, "clip": lambda a: a.clamp(0, 1)}
WITHOUT_EFFECT = (nn.Identity, nn.Flatten, nn.Unflatten, nn.Dropout)  # on a vector, in evaluation mode
GRID = 41  # the error is measured at GRID × GRID points of the plane


@dataclass(frozen=True)
class PackedDecoder:
    """Weights and what is needed to run them.

    weights: for each layer rows × cols int8, then rows float32 scales, then rows float32 biases.
    layers: for each layer `{"rows": outputs, "cols": inputs, "activation": name}`. The last activation makes
        pixels in [0, 1]: "sigmoid" of logits, or "clip" of values that are pixels already.
    image_shape: (height, width).
    error: the largest difference of a pixel from the decoder's own, over a grid of points of the plane.
    """

    weights: bytes
    layers: list
    image_shape: tuple
    error: float

    @property
    def sizes(self):
        """The widths of the layers, such as "2-200-200-784"."""
        return "-".join(str(n) for n in [self.layers[0]["cols"], *(layer["rows"] for layer in self.layers)])


def pack(model, limit=3.0, max_error=0.02):
    """Pack the decoder of a `VAE` or an `Autoencoder`, and measure what the rounding changes.

    limit: the error is measured on the square [-limit, limit]² of codes.
    max_error: the largest difference of a pixel (in [0, 1]) that is accepted.
    Raises
        TypeError: the decoder has a layer that is neither linear nor a known activation.
        ValueError: the code is not two-dimensional, the images are not grey, the likelihood has no mean that
            the browser can compute, or the rounding changes a pixel by more than `max_error`.
    """
    if not hasattr(model, "decoder") or not hasattr(model, "x_shape"):
        raise TypeError(f"model must be a vae_lib VAE or Autoencoder, got {type(model).__name__}")
    if len(model.x_shape) != 3 or model.x_shape[0] != 1:
        raise ValueError(f"the figure shows grey images (1, height, width), got x_shape {tuple(model.x_shape)}")
    layers = _layers(model)
    if (inputs := layers[0][0].shape[1]) != 2:
        raise ValueError(f"the code z must have 2 dimensions to be a plane, got {inputs}: train a model with z_dim=2")
    if (outputs := layers[-1][0].shape[0]) != np.prod(model.x_shape):
        raise ValueError(f"the decoder gives {outputs} numbers for an image of {tuple(model.x_shape)}")
    packed = [(*_round(weight), bias, name) for weight, bias, name in layers]
    raw = b"".join(q.tobytes() + scale.tobytes() + bias.tobytes() for q, scale, bias, _ in packed)
    shapes = [{"rows": q.shape[0], "cols": q.shape[1], "activation": name} for q, _, _, name in packed]

    z = _grid(limit)
    exact = _pixels(model, z)
    difference = _largest(run(layers, z), exact)
    if difference > 1e-3:
        raise ValueError("the decoder does something beyond its linear layers and activations "
                         f"(a pixel differs by {difference:.3f}): build it as one nn.Sequential")
    result = PackedDecoder(raw, shapes, tuple(model.x_shape[1:]), 0.0)
    error = _largest(run(unpack(result), z), exact)
    if error > max_error:
        raise ValueError(f"8-bit weights change a pixel by {error:.3f}, more than {max_error:g}: the weights of a row "
                         "differ too much in size; train with weight decay, or pass a larger max_error")
    return PackedDecoder(raw, shapes, result.image_shape, error)


def unpack(packed):
    """The rounded layers [(weight `(rows, cols)`, bias `(rows,)`, activation), ...] as float32 arrays."""
    layers, at = [], 0
    for layer in packed.layers:
        rows, cols = layer["rows"], layer["cols"]
        q = np.frombuffer(packed.weights, np.int8, rows * cols, at).reshape(rows, cols)
        scale = np.frombuffer(packed.weights, "<f4", rows, at + rows * cols)
        bias = np.frombuffer(packed.weights, "<f4", rows, at + rows * cols + 4 * rows)
        layers.append((q * scale[:, None], bias, layer["activation"]))
        at += rows * cols + 8 * rows
    return layers


def run(layers, z):
    """The pixels `(n, height * width)` that unpacked layers make of codes `z` `(n, 2)`."""
    for weight, bias, name in layers:
        z = FUNCTIONS[name](z @ torch.tensor(weight).T + torch.tensor(bias))
    return z


def _layers(model):
    """[(weight, bias, activation), ...] of the decoder; the last activation gives pixels in [0, 1]."""
    layers = []
    for module in _flat(model.decoder):
        if isinstance(module, nn.Linear):
            weight = module.weight.detach().cpu().float().numpy()
            bias = np.zeros(len(weight), "<f4") if module.bias is None else module.bias.detach().cpu().float().numpy()
            layers.append([weight, bias.astype("<f4"), "linear"])
        elif isinstance(module, nn.Sigmoid) and layers and layers[-1][2] == "linear":
            layers[-1][2] = "sigmoid"
        elif type(module) in NAMES and layers and layers[-1][2] == "linear" and _is_exact(module):
            layers[-1][2] = NAMES[type(module)]
        elif not isinstance(module, WITHOUT_EFFECT):
            raise TypeError(f"the figure runs decoders of nn.Linear with tanh, relu, silu or gelu between, got {module}")
    if not layers:
        raise TypeError("the decoder has no nn.Linear layer")
    if layers[-1][2] == "linear":
        layers[-1][2] = _output(model)
    elif layers[-1][2] != "sigmoid" or hasattr(model, "likelihood"):
        raise TypeError(f"the decoder's last layer must be linear, got {layers[-1][2]} after it")
    return [tuple(layer) for layer in layers]


def _flat(module):
    """The layers in order; a module with one child, such as `MLPDecoder`, stands for that child."""
    children = list(module.children())
    if isinstance(module, nn.Sequential):
        return [layer for child in children for layer in _flat(child)]
    return _flat(children[0]) if len(children) == 1 else [module]


def _is_exact(module):
    return getattr(module, "approximate", "none") == "none"


def _output(model):
    likelihood = getattr(model, "likelihood", None)
    if isinstance(likelihood, Bernoulli):
        return "sigmoid"
    if likelihood is None or (isinstance(likelihood, Gaussian) and likelihood.parts == 1):
        return "clip"
    raise ValueError(f"the figure shows the mean of a Bernoulli or of a Gaussian likelihood with one σ, got {likelihood}")


def _round(weight):
    scale = np.maximum(np.abs(weight).max(1) / 127, 1e-12).astype("<f4")
    return np.clip(np.rint(weight / scale[:, None]), -127, 127).astype(np.int8), scale


def _grid(limit):
    line = torch.linspace(-limit, limit, GRID)
    return torch.cartesian_prod(line, line)


@torch.no_grad()
def _pixels(model, z):
    """What the model itself decodes, `(n, height * width)` in [0, 1]."""
    training = model.training
    model.eval()
    weight = next(model.decoder.parameters())
    params = model.decode(z.to(weight))
    model.train(training)
    likelihood = getattr(model, "likelihood", None)
    pixels = params if likelihood is None else likelihood.mean(params)
    return pixels.flatten(1).float().cpu().clamp(0, 1)


def _largest(a, b):
    difference = (a - b).abs().max().item()
    if difference != difference:
        raise ValueError("the decoder gives NaN: its weights are not finite")
    return difference

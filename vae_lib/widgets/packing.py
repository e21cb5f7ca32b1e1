"""A network in a quarter of its bytes: fully connected layers as 8-bit integers, for the browser.

Each row of a weight matrix is stored as integers -127..127 times one float32 scale; biases stay float32.
Columns are rounded one after the other, and the later ones make up for what the earlier ones changed
(Frantar et al. 2023). `unpack` gives the rounded layers back; `network.js` does the same arithmetic.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from vae_lib.likelihoods import Bernoulli, Gaussian

__all__ = ["PackedDecoder", "PackedNetwork", "pack", "pack_layers", "pack_network", "round_rows", "run", "stack",
           "unpack", "unpack_layers"]

NAMES = {nn.Tanh: "tanh", nn.ReLU: "relu", nn.SiLU: "silu", nn.GELU: "gelu"}
FUNCTIONS = {"tanh": torch.tanh, "relu": torch.relu, "silu": nn.functional.silu, "gelu": nn.functional.gelu,
             "linear": lambda a: a, "sigmoid": torch.sigmoid, "clip": lambda a: a.clamp(0, 1)}
WITHOUT_EFFECT = (nn.Identity, nn.Flatten, nn.Unflatten, nn.Dropout)  # on a vector, in evaluation mode
DAMPING = 1e-2  # of the mean square of the inputs
GRID = 41  # the error is measured at GRID × GRID points of the plane


@dataclass(frozen=True)
class PackedNetwork:
    """Weights and what is needed to run them.

    weights: for each layer rows × cols int8, then rows float32 scales, then rows float32 biases.
    layers: for each layer `{"rows": outputs, "cols": inputs, "activation": name}`.
    error: the largest difference of an output from the network's own, over the inputs at hand.
    """

    weights: bytes
    layers: list
    error: float

    @property
    def sizes(self):
        """The widths of the layers, such as "2-200-200-784"."""
        return "-".join(str(n) for n in [self.layers[0]["cols"], *(layer["rows"] for layer in self.layers)])


@dataclass(frozen=True)
class PackedDecoder(PackedNetwork):
    """A decoder whose last activation makes pixels in [0, 1]: "sigmoid" of logits, or "clip" of values that are pixels.

    image_shape: (height, width).
    """

    image_shape: tuple


def pack_network(module, inputs, outputs=None, last="linear"):
    """Pack any fully connected network, such as an encoder's `body`.

    inputs: examples of what it is fed, `(n, cols)`: the rounding is fitted to them, and its error measured on them.
    outputs: keep so many of the last layer's rows, from the first; all if not given.
    last: the activation after the last layer: "sigmoid" makes pixels of logits.
    Raises
        TypeError: the network has a layer that is neither linear nor a known activation.
    """
    layers = stack(module, outputs)
    weight, bias, name = layers[-1]
    layers[-1] = (weight, bias, last if name == "linear" else name)
    return pack_layers(layers, inputs)


def pack_layers(layers, inputs):
    """Pack layers [(weight `(rows, cols)`, bias `(rows,)`, activation), ...], as `stack` gives them."""
    inputs = inputs.detach().cpu().float()
    packed = _packed(layers, inputs)
    return PackedNetwork(*packed, _largest(run(unpack_layers(*packed), inputs), run(layers, inputs)))


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
    z = _grid(limit)
    exact = _pixels(model, z)
    difference = _largest(run(layers, z), exact)
    if difference > 1e-3:
        raise ValueError("the decoder does something beyond its linear layers and activations "
                         f"(a pixel differs by {difference:.3f}): build it as one nn.Sequential")
    raw, shapes = _packed(layers, z)
    error = _largest(run(unpack_layers(raw, shapes), z), exact)
    if error > max_error:
        raise ValueError(f"8-bit weights change a pixel by {error:.3f}, more than {max_error:g}: the weights of a row "
                         "differ too much in size; train with weight decay, or pass a larger max_error")
    return PackedDecoder(raw, shapes, error, tuple(model.x_shape[1:]))


def unpack(packed):
    """The rounded layers [(weight `(rows, cols)`, bias `(rows,)`, activation), ...] as float32 arrays."""
    return unpack_layers(packed.weights, packed.layers)


def unpack_layers(raw, shapes):
    """The same from the bytes and the shapes `{"rows", "cols", "activation"}`."""
    layers, at = [], 0
    for layer in shapes:
        rows, cols = layer["rows"], layer["cols"]
        q = np.frombuffer(raw, np.int8, rows * cols, at).reshape(rows, cols)
        scale = np.frombuffer(raw, "<f4", rows, at + rows * cols)
        bias = np.frombuffer(raw, "<f4", rows, at + rows * cols + 4 * rows)
        layers.append((q * scale[:, None], bias, layer["activation"]))
        at += rows * cols + 8 * rows
    return layers


def run(layers, z):
    """What unpacked layers make of inputs `(n, cols)`: the pixels `(n, height * width)` of codes, for a decoder."""
    for weight, bias, name in layers:
        z = FUNCTIONS[name](z @ torch.tensor(weight).T + torch.tensor(bias))
    return z


def _layers(model):
    """[(weight, bias, activation), ...] of the decoder; the last activation gives pixels in [0, 1]."""
    layers = stack(model.decoder)
    weight, bias, name = layers[-1]
    if name == "linear":
        layers[-1] = (weight, bias, _output(model))
    elif name != "sigmoid" or hasattr(model, "likelihood"):
        raise TypeError(f"the decoder's last layer must be linear, got {name} after it")
    return layers


def stack(network, outputs=None):
    """[(weight, bias, activation), ...] of a fully connected network.

    outputs: keep so many of the last layer's rows, from the first; all if not given.
    Raises
        TypeError: the network has a layer that is neither linear nor a known activation.
    """
    layers = []
    for module in _flat(network):
        if isinstance(module, nn.Linear):
            weight = module.weight.detach().cpu().float().numpy()
            bias = np.zeros(len(weight), "<f4") if module.bias is None else module.bias.detach().cpu().float().numpy()
            layers.append([weight, bias.astype("<f4"), "linear"])
        elif isinstance(module, nn.Sigmoid) and layers and layers[-1][2] == "linear":
            layers[-1][2] = "sigmoid"
        elif type(module) in NAMES and layers and layers[-1][2] == "linear" and _is_exact(module):
            layers[-1][2] = NAMES[type(module)]
        elif not isinstance(module, WITHOUT_EFFECT):
            raise TypeError("the figure runs networks of nn.Linear with tanh, relu, silu or gelu between, "
                            f"got {module}")
    if not layers:
        raise TypeError("the network has no nn.Linear layer")
    layers[-1][:2] = (part[:outputs] for part in layers[-1][:2])
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
    raise ValueError("the figure shows the mean of a Bernoulli or of a Gaussian likelihood with one σ, "
                     f"got {likelihood}")


def _packed(layers, x):
    """The bytes of all layers and their shapes; each is rounded for what the rounded layers before it make of `x`."""
    raw = b""
    for weight, bias, name in layers:
        q, scale = round_rows(weight, x.numpy())
        raw += q.tobytes() + scale.tobytes() + bias.tobytes()
        x = run([(q * scale[:, None], bias, name)], x)
    return raw, [{"rows": len(weight), "cols": weight.shape[1], "activation": name} for weight, _, name in layers]


def round_rows(weight, inputs):
    """A weight matrix `(rows, cols)` as int8 with one float32 scale a row.

    inputs: examples of what the layer is fed, `(n, cols)`. The change of a column is spread over the columns
        still to be rounded so that the layer's outputs on `inputs` stay as near as they can, in squares.
    Source: Frantar et al. 2023 (GPTQ).
    """
    scale = np.maximum(np.abs(weight).max(1) / 127, 1e-12).astype("<f4")
    inputs = inputs.astype(np.float64)
    moments = inputs.T @ inputs / len(inputs)
    moments += (DAMPING * np.trace(moments) / len(moments) + 1e-12) * np.eye(len(moments))  # invertible
    upper = np.linalg.cholesky(np.linalg.inv(moments)).T
    rest, q = weight.astype(np.float64), np.zeros(weight.shape, np.int8)
    for c in range(weight.shape[1]):
        q[:, c] = np.clip(np.rint(rest[:, c] / scale), -127, 127)
        change = (rest[:, c] - q[:, c] * scale.astype(np.float64)) / upper[c, c]
        rest[:, c + 1:] -= np.outer(change, upper[c, c + 1:])
    return q, scale


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

"""Encoders and decoders: the functions whose weights are learned.

An encoder maps `x` `(batch, *x_shape)` to `mu` and `logvar`, each `(batch, z_dim)`. A decoder maps `z`
`(..., z_dim)` to the likelihood's `params` `(..., parts * channels, height, width)`.
"""

import itertools
import math

import torch
from torch import nn

__all__ = ["ConvDecoder", "ConvEncoder", "MLPDecoder", "MLPEncoder", "linear_vae_networks", "mlp", "output_bias"]

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "linear": nn.Identity}


def mlp(sizes, activation="relu"):
    """Linear layers of the given sizes with the activation between them (none after the last)."""
    layers = []
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), _activation(activation)()]
    return nn.Sequential(*layers[:-1])


class MLPEncoder(nn.Module):
    """x -> (mu, logvar) by fully connected layers. With `hidden=(200, 200)`, `activation="tanh"`,
    `z_dim=50`: the one-layer encoder of Burda et al. 2016.
    """

    def __init__(self, x_shape=(1, 28, 28), z_dim=50, hidden=(200, 200), activation="tanh"):
        super().__init__()
        self.x_shape, self.z_dim = tuple(x_shape), z_dim
        self.body = mlp([math.prod(x_shape), *hidden, 2 * z_dim], activation)

    def forward(self, x):
        return self.body(x.flatten(1)).chunk(2, dim=1)


class MLPDecoder(nn.Module):
    """z -> params by fully connected layers: the mirror of `MLPEncoder`."""

    def __init__(self, x_shape=(1, 28, 28), z_dim=50, hidden=(200, 200), activation="tanh", parts=1):
        super().__init__()
        self.out_shape, self.z_dim = (parts * x_shape[0], *x_shape[1:]), z_dim
        self.body = mlp([z_dim, *hidden, math.prod(self.out_shape)], activation)

    def forward(self, z):
        return self.body(z).unflatten(-1, self.out_shape)


class ConvEncoder(nn.Module):
    """x -> (mu, logvar): two strided convolutions that halve the image twice, then a linear layer."""

    def __init__(self, x_shape=(1, 28, 28), z_dim=50, width=32, activation="relu"):
        super().__init__()
        self.x_shape, self.z_dim = tuple(x_shape), z_dim
        act, (c, h, w) = _activation(activation), _quarters(x_shape)
        self.body = nn.Sequential(nn.Conv2d(c, width, 4, 2, 1), act(), nn.Conv2d(width, 2 * width, 4, 2, 1), act(),
                                  nn.Flatten(), nn.Linear(2 * width * (h // 4) * (w // 4), 2 * z_dim))

    def forward(self, x):
        return self.body(x).chunk(2, dim=1)


class ConvDecoder(nn.Module):
    """z -> params: the mirror of `ConvEncoder`, with transposed convolutions."""

    def __init__(self, x_shape=(1, 28, 28), z_dim=50, width=32, activation="relu", parts=1):
        super().__init__()
        act, (c, h, w) = _activation(activation), _quarters(x_shape)
        self.out_shape, self.z_dim = (parts * c, h, w), z_dim
        self.body = nn.Sequential(nn.Linear(z_dim, 2 * width * (h // 4) * (w // 4)), act(),
                                  nn.Unflatten(1, (2 * width, h // 4, w // 4)),
                                  nn.ConvTranspose2d(2 * width, width, 4, 2, 1), act(),
                                  nn.ConvTranspose2d(width, parts * c, 4, 2, 1))

    def forward(self, z):
        # convolutions take one batch dimension; z may have several (samples, batch)
        return self.body(z.reshape(-1, self.z_dim)).reshape(*z.shape[:-1], *self.out_shape)


def linear_vae_networks(x_dim, z_dim):
    """An encoder and a decoder without activations, on vectors: with a Gaussian likelihood this
    VAE is probabilistic PCA, whose optimum is known (`exact.ppca`).
    """
    shape = (x_dim,)
    return MLPEncoder(shape, z_dim, (), "linear"), MLPDecoder(shape, z_dim, (), "linear")


@torch.no_grad()
def output_bias(decoder, images):
    """Start a decoder of logits at the data's pixel means, clipped to [0.001, 0.999] (Burda et al. 2016).

    images: floats in [0, 1], `(n, *x_shape)`. Spares the first epochs the learning of the mean image.
    """
    layer = [m for m in decoder.modules() if isinstance(m, nn.Linear)][-1]
    if len(layer.bias) != images[0].numel():
        raise ValueError(f"the decoder's last linear layer has {len(layer.bias)} outputs and an image "
                         f"{images[0].numel()} pixels: output_bias is for a decoder that ends in one logit a pixel")
    layer.bias.copy_(torch.logit(images.mean(0).flatten().clamp(0.001, 0.999)))


def _activation(name):
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {name!r}")
    return ACTIVATIONS[name]


def _quarters(x_shape):
    if len(x_shape) != 3 or x_shape[1] % 4 or x_shape[2] % 4:
        raise ValueError(f"x_shape must be (channels, height, width) with sides that 4 divides, got {tuple(x_shape)}: "
                         "pad the images, or use an MLP")
    return x_shape

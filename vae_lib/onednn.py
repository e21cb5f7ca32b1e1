"""Products of linear layers by oneDNN: on many processors the faster of the two libraries that PyTorch holds."""

import contextlib
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

__all__ = ["onednn_products"]

SMALL = 2**20  # multiplications of a product below which copying in and out costs more than is gained


@contextlib.contextmanager
def onednn_products(model):
    """Meanwhile, every `nn.Linear` of `model` multiplies by oneDNN, gradients included.

    PyTorch gives float32 products on a CPU to MKL, which leaves half of the speed of some processors unused (AMD's
    with AVX-512, say). The sums are in float32 here as there, in another order. Small products, other data types and
    other devices stay as they are.
    Raises
        ValueError: this PyTorch was built without oneDNN.
    """
    if not torch.backends.mkldnn.is_available():
        raise ValueError("this PyTorch has no oneDNN: leave out onednn=True")
    layers = [module for module in model.modules() if type(module) is nn.Linear]
    for layer in layers:
        layer.forward = partial(_forward, layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _forward(layer, x):
    large = x.numel() * layer.out_features >= SMALL
    if not large or x.dtype != torch.float32 or x.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        return F.linear(x, layer.weight, layer.bias)
    return F.linear(x.to_mkldnn(), layer.weight, layer.bias).to_dense()

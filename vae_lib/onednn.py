"""Products of linear layers by oneDNN: on many processors the faster of the two libraries that PyTorch holds."""

import contextlib
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

__all__ = ["onednn_products"]

SMALL = 2**22  # multiplications below which MKL was as fast or faster, on a processor where it otherwise is not


@contextlib.contextmanager
def onednn_products(model):
    """Meanwhile, every `nn.Linear` of `model` multiplies by oneDNN, gradients included.

    PyTorch gives float32 products on a CPU to MKL, which leaves half of the speed of some processors unused (AMD's
    with AVX-512, say). The sums are in float32 here as there, in another order. Small products, other data types and
    other devices stay as they are.
    Raises
        ValueError: this PyTorch was built without oneDNN.
    """
    if not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")):
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
    large = x.dim() > 1 and x.numel() * layer.out_features >= SMALL
    if not large or x.dtype != torch.float32 or x.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        return F.linear(x, layer.weight, layer.bias)
    return _Linear.apply(x.contiguous(), layer.weight, layer.bias)


class _Linear(torch.autograd.Function):
    """y = x Wᵀ + b. The two gradients are products of that kind too, x̄ = ȳ W and W̄ = ȳᵀ x, so one function does all."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        (x, weight), grad = ctx.saved_tensors, grad.contiguous()
        of_x, of_weight, of_bias = ctx.needs_input_grad
        rows = grad.flatten(0, -2)
        return (_product(grad, weight.T) if of_x else None,
                _product(rows.T, x.flatten(0, -2).T) if of_weight else None,
                rows.sum(0) if of_bias else None)


def _product(x, weight, bias=None):
    """x Wᵀ + b by the operator that torch.compile uses: it takes ordinary tensors, and none in oneDNN's own layout."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")

"""Input errors that say what was given, what was expected and what to do."""

import torch

__all__ = ["check_images", "check_values"]


def check_images(x, event_shape, name="x"):
    """Check, without reading its values, that `x` is a float batch `(batch, *event_shape)`.

    Raises
        TypeError: `x` is no tensor, or holds integers.
        ValueError: its shape is not `(batch, *event_shape)`, or the batch is empty.
    """
    expected = "(batch, " + ", ".join(str(n) for n in event_shape) + ")"
    if not isinstance(x, torch.Tensor):
        fix = f"{name}.images" if hasattr(x, "images") else f"torch.as_tensor({name})"
        raise TypeError(f"{name} must be a torch.Tensor of shape {expected}, got {type(x).__name__}: use {fix}")
    if not x.is_floating_point():
        fix = ("divide uint8 images by 255, or use data.load(..., as_float=True)" if x.dtype == torch.uint8
               else f"use {name}.float(); if these are labels, pass the images")
        raise TypeError(f"{name} must hold floats, got {x.dtype}: {fix}")
    if tuple(x.shape[1:]) != tuple(event_shape) or x.dim() == 0:
        fix = ""
        if tuple(x.shape) == tuple(event_shape):
            fix = f": add the batch dimension with {name}[None]"
        elif x.dim() and x.numel() and x[0].numel() == torch.Size(event_shape).numel():
            fix = f": use {name}.reshape{expected.replace('batch', '-1')}"
        raise ValueError(f"{name} must have shape {expected}, got {tuple(x.shape)}{fix}")
    if len(x) == 0:
        raise ValueError(f"{name} is an empty batch: check the index or mask that selected it")


def check_values(x, low=0.0, high=1.0, name="x"):
    """Check that every value of `x` is a number in `[low, high]`.

    Raises
        ValueError: `x` holds NaN or a value outside the interval.
    """
    smallest, largest = (v.item() for v in torch.aminmax(x.detach()))
    if smallest != smallest or largest != largest:
        raise ValueError(f"{name} holds NaN: look for 0/0 or log(0) in what made it")
    if smallest < low or largest > high:
        fix = ("divide uint8 images by 255, or use data.load(..., as_float=True)" if largest > 1 and smallest >= 0
               else "undo any normalisation to zero mean")
        raise ValueError(f"{name} must lie in [{low:g}, {high:g}], got [{smallest:g}, {largest:g}]: {fix}")

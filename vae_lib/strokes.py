"""How thick, how slanted and how wide a drawn digit is, measured from its pixels (chapter 8).

Each measure takes images `(n, 1, height, width)` in [0, 1], ink bright, binary or grey, and gives `(n,)`. None of them
changes when the digit is moved within the image.
"""

import torch

from vae_lib.checks import check_images, check_values

__all__ = ["measure", "slant", "thickness", "width"]


def _ink(x):
    """The ink of each image, `(n, height, width)`, float64."""
    check_images(x, (1, *x.shape[-2:]))
    check_values(x)
    if bool((x.flatten(1).sum(1) == 0).any()):
        raise ValueError("x holds an image without ink, which has no strokes to measure: leave it out")
    return x[:, 0].double()


def _moments(ink):
    """The variances of the ink's columns and rows and their covariance, rows counted upwards, `(n,)` pixels² each."""
    height, breadth = ink.shape[1:]
    across = torch.arange(breadth, dtype=ink.dtype, device=ink.device)
    up = torch.arange(height, dtype=ink.dtype, device=ink.device).flip(0)
    share = ink / ink.sum((1, 2), keepdim=True)
    dx = across - (share.sum(1) @ across)[:, None]
    dy = up - (share.sum(2) @ up)[:, None]
    # a pixel is a square of side 1, not a point: its own variance is 1/12
    var_x = (share.sum(1) * dx.square()).sum(1) + 1 / 12
    var_y = (share.sum(2) * dy.square()).sum(1) + 1 / 12
    cov = torch.einsum("nij,nj,ni->n", share, dx, dy)
    return var_x, var_y, cov


def thickness(x):
    """The width of the stroke, in pixels: twice the inked area over the length of its outline.

    A stroke of length L and width w has the area L w and an outline of 2 L, its two ends apart. The outline's length
    is the total variation Σ |∇x|, which also measures soft edges (coarea formula, Federer 1959).
    """
    ink = _ink(x)
    padded = torch.nn.functional.pad(ink, (1, 1, 1, 1))
    dx, dy = padded.diff(dim=2), padded.diff(dim=1)
    # both at the corner where four pixels meet, so that mirrored images have outlines of the same length
    dx, dy = (dx[:, 1:] + dx[:, :-1]) / 2, (dy[:, :, 1:] + dy[:, :, :-1]) / 2
    return (2 * ink.sum((1, 2)) / (dx.square() + dy.square()).sqrt().sum((1, 2))).to(x.dtype)


def slant(x):
    """The lean to the right, in degrees from upright: the line of the ink's columns on its rows, by least squares."""
    _, var_y, cov = _moments(_ink(x))
    return torch.atan2(cov, var_y).rad2deg().to(x.dtype)


def width(x):
    """The width of the digit set upright, in pixels: of a bar whose columns vary as the slant leaves them to."""
    var_x, var_y, cov = _moments(_ink(x))
    return (12 * (var_x - cov.square() / var_y)).sqrt().to(x.dtype)


def measure(x):
    """All three, `(n, 3)`: thickness in pixels, slant in degrees, width in pixels."""
    return torch.stack([thickness(x), slant(x), width(x)], 1)

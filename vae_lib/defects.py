"""Rendered defects on real images, with exact masks, and how well a map of scores finds them (chapter 9).

All images of a batch are damaged at once, each in its own place, by a seed. Outside its mask an image is
unchanged, inside every pixel differs visibly.
"""

import math

import numpy as np
import torch
from scipy import ndimage
from torchvision.transforms.functional import gaussian_blur

from vae_lib.anomaly import auroc
from vae_lib.checks import check_images, check_values

__all__ = ["KINDS", "damage", "pixel_auroc", "pro"]

VISIBLE = 0.1  # of the grey scale from 0 to 1
LEAST = 4  # pixels that a defect changes
ROUNDS = 100


def damage(x, kind, seed=0):
    """Damage every image, each in its own place.

    x: `(n, 1, height, width)` in [0, 1], dark around the object. kind: one of `KINDS`.
    Returns
        The damaged images, and a mask, `(n, 1, height, width)` of bools: True where a pixel differs from `x`, by
        at least 0.1 everywhere.
    Raises
        ValueError: an unknown kind; an image on which no such defect can be seen, such as a black one.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    check_images(x, (1, *x.shape[-2:]))
    check_values(x)
    generator = torch.Generator().manual_seed(seed)
    damaged, mask = x.clone(), torch.zeros_like(x, dtype=torch.bool)
    open_ = torch.arange(len(x))  # without a visible defect so far
    for _ in range(ROUNDS):
        if not (x[open_].flatten(1).sum(1) > 0).all():
            break
        changed = KINDS[kind](x[open_], generator)
        seen = (changed - x[open_]).abs() >= VISIBLE
        good = seen.flatten(1).sum(1) >= LEAST
        damaged[open_[good]] = torch.where(seen, changed, x[open_])[good]
        mask[open_[good]] = seen[good]
        open_ = open_[~good]
        if not len(open_):
            return damaged, mask
    raise ValueError(f"image {open_[0]} of x shows no {kind} of at least {LEAST} pixels: is it empty, or all grey?")


def _uniform(n, low, high, generator):
    return low + (high - low) * torch.rand(n, 1, 1, 1, generator=generator)


def _offsets(x, generator):
    """How far each pixel lies below and to the right of a random pixel of the object: two of `(n, 1, h, w)`."""
    n, _, height, width = x.shape
    at = torch.multinomial(x.flatten(1), 1, generator=generator).view(n, 1, 1, 1)
    down, right = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return down - at // width, right - at % width


def _scratch(x, generator):
    """A line of 8 to 20 pixels, one to two pixels wide, black on bright ground and white on dark."""
    down, right = _offsets(x, generator)
    angle, half = _uniform(len(x), 0, math.pi, generator), _uniform(len(x), 4, 10, generator)
    along, across = right * angle.cos() + down * angle.sin(), down * angle.cos() - right * angle.sin()
    line = (along.abs() <= half) & (across.abs() <= _uniform(len(x), 0.5, 1, generator))
    ground = (x * line).sum((1, 2, 3), keepdim=True) / line.sum((1, 2, 3), keepdim=True)
    return torch.where(line, (ground < 0.5).float().to(x), x)


def _hole(x, generator):
    """A black disc with a radius of 2 to 4 pixels."""
    down, right = _offsets(x, generator)
    return torch.where(down**2 + right**2 <= _uniform(len(x), 2, 4, generator) ** 2, 0.0, x)


def _blur(x, generator):
    """A disc with a radius of 5 to 9 pixels, in which the image is blurred by a Gaussian of 2 pixels."""
    down, right = _offsets(x, generator)
    disc = down**2 + right**2 <= _uniform(len(x), 5, 9, generator) ** 2
    return torch.where(disc, gaussian_blur(x, 13, 2.0), x)


def _missing(x, generator):
    """A straight cut, in any direction, behind which 10 to 30 % of the object's brightness is gone."""
    down, right = _offsets(x, generator)
    angle, share = _uniform(len(x), 0, 2 * math.pi, generator), _uniform(len(x), 0.1, 0.3, generator)
    place = right * angle.cos() + down * angle.sin()
    order = place.flatten(1).argsort(1)
    below = x.flatten(1).gather(1, order).cumsum(1)
    cut = (below <= share.view(-1, 1) * below[:, -1:]).sum(1, keepdim=True).clamp(max=below.shape[1] - 1)
    edge = place.flatten(1).gather(1, order).gather(1, cut).view(-1, 1, 1, 1)
    return torch.where(place < edge, 0.0, x)


KINDS = {"scratch": _scratch, "hole": _hole, "blur": _blur, "missing part": _missing}


def _check_maps(maps, masks):
    if maps.shape != masks.shape or maps.dim() != 4 or maps.shape[1] != 1:
        raise ValueError(f"maps and masks must have one shape (n, 1, height, width), got {tuple(maps.shape)} and "
                         f"{tuple(masks.shape)}")
    if masks.dtype != torch.bool:
        raise TypeError(f"masks must hold bools, got {masks.dtype}: use masks > 0.5")
    if maps.isnan().any():
        raise ValueError("maps hold NaN: look at the images and the model they were scored by")
    if not masks.any() or masks.all():
        raise ValueError("masks must show at least one damaged and one undamaged pixel")


def pixel_auroc(maps, masks):
    """The probability that a damaged pixel scores above an undamaged one, over the pixels of all images.

    maps: scores `(n, 1, height, width)`, larger where a pixel was less expected. masks: bools of the same shape.
    """
    _check_maps(maps, masks)
    return auroc(maps[~masks], maps[masks])


def pro(maps, masks, limit=0.3):
    """The per-region overlap, averaged over false positive rates from 0 to `limit`.

    For every threshold: the share of a region's pixels above it, averaged over the regions of all images, so that a
    small one counts as much as a large one, against the share of undamaged pixels above it. 1 for a map that finds
    all regions before any other pixel, limit / 2 for one that tells nothing. A region is what hangs together in a mask,
    over corners too. Source: Bergmann et al. 2021.
    """
    _check_maps(maps, masks)
    within = np.zeros((3, 3, 3), int)
    within[1] = 1  # neighbours in one image, none in the next
    regions, count = ndimage.label(masks[:, 0].cpu().numpy(), within)
    sizes = np.bincount(regions.ravel())
    overlap = np.where(regions > 0, 1 / (count * sizes[regions]), 0.0).ravel()
    normal = (regions == 0).ravel() / sizes[0]
    scores = maps.cpu().numpy().ravel()
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # pixels of one score pass the threshold together
    share, rate = (np.append(0.0, one[order].cumsum()[last]) for one in (overlap, normal))
    inside = rate < limit
    share, rate = np.append(share[inside], np.interp(limit, rate, share)), np.append(rate[inside], limit)
    return torch.trapezoid(torch.from_numpy(share), torch.from_numpy(rate)).item() / limit

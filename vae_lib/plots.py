"""One style for every figure of the book."""

import matplotlib.pyplot as plt
import torch

__all__ = ["COLORS", "image_grid", "image_rows", "style"]

# Okabe & Ito 2008: told apart by readers with any kind of colour vision
COLORS = {"blue": "#0072B2", "orange": "#D55E00", "green": "#009E73", "purple": "#CC79A7",
          "sky": "#56B4E9", "yellow": "#E69F00", "black": "#000000"}


def style():
    """Set matplotlib's defaults for the book: readable on a phone, light background, no frame on two sides."""
    plt.rcParams.update({
        "figure.figsize": (6.4, 3.8), "figure.dpi": 100, "savefig.dpi": 144, "savefig.bbox": "tight",
        "font.size": 12, "axes.titlesize": 12, "axes.spines.top": False, "axes.spines.right": False,
        "axes.prop_cycle": plt.cycler(color=list(COLORS.values())), "lines.linewidth": 2,
        "figure.facecolor": "white", "image.cmap": "gray", "image.interpolation": "nearest",
    })


def image_grid(images, columns=8, ax=None, title=None, pad=1):
    """Show images `(n, 1 or 3, h, w)` in [0, 1] as a grid, on one scale, grey or RGB, with a thin line between them."""
    images = torch.as_tensor(images).detach().float().cpu().clamp(0, 1)
    n, channels, h, w = images.shape
    rows = -(-n // columns)
    sheet = torch.full((rows * (h + pad) + pad, columns * (w + pad) + pad, channels), 0.5)
    for k, image in enumerate(images.movedim(1, -1)):
        top, left = pad + (k // columns) * (h + pad), pad + (k % columns) * (w + pad)
        sheet[top:top + h, left:left + w] = image
    if ax is None:
        _, ax = plt.subplots(figsize=(min(7.0, 0.7 * columns), min(7.0, 0.7 * columns) * rows / columns))
    ax.imshow(sheet, vmin=0, vmax=1)
    ax.set_axis_off()
    if title:
        ax.set_title(title)
    return ax


def image_rows(rows, ax=None):
    """Show labelled rows of images: `{"original": (n, 1 or 3, h, w), "reconstruction": ...}`, one under the other."""
    images = torch.cat([torch.as_tensor(part).detach().float().cpu() for part in rows.values()])
    columns = len(next(iter(rows.values())))
    ax = image_grid(images, columns, ax)
    step = images.shape[2] + 1
    ax.set_axis_on()
    ax.set_xticks([])
    ax.set_yticks([step * (k + 0.5) for k in range(len(rows))], rows.keys())
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    return ax

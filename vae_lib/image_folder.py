"""Images from a folder of files, a batch at a time; what cannot be used is named with its reason and skipped."""

from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

__all__ = ["batches", "files", "fit_shape", "load", "read"]

CHANNELS = {"1": 1, "L": 1, "RGB": 3}  # what a mode of PIL is read as; others would need a choice that we do not make
NAMES = {1: "grey", 3: "RGB"}


def files(folder):
    """All files below `folder`, in order, without hidden ones.

    Raises
        FileNotFoundError, NotADirectoryError: there is no such folder, or no file in it.
    """
    folder = Path(folder)
    if not folder.exists():
        raise FileNotFoundError(f"there is no folder {folder}")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file: pass the folder that holds the images")
    found = sorted(path for path in folder.rglob("*") if path.is_file()
                   and not any(part.startswith(".") for part in path.relative_to(folder).parts))
    if not found:
        raise FileNotFoundError(f"folder {folder} holds no files")
    return found


def read(path, x_shape=None):
    """One image as uint8 `(channels, height, width)`.

    x_shape: the shape it must have; any grey or RGB image if not given.
    Raises
        ValueError: it cannot be read, or has another shape; the message is a reason in a few words.
    """
    try:
        with Image.open(path) as image:
            mode, size, frames = image.mode, image.size, getattr(image, "n_frames", 1)
            _check(mode, size, frames, x_shape)  # before the pixels are decoded
            pixels = np.array(image.convert("L") if mode == "1" else image)
    except _Unfit:
        raise
    except Exception as error:  # a damaged file may fail in any way
        raise _unreadable(path, error) from error
    return torch.from_numpy(pixels if pixels.ndim == 3 else pixels[..., None]).movedim(-1, 0)


def fit_shape(path, x_shape):
    """One image brought to `x_shape`, uint8 `(channels, height, width)`: grey or RGB, the largest part around its
    middle that has the right proportions, scaled. What is transparent becomes white.

    Raises
        ValueError: it cannot be read, or holds several frames; the message is a reason in a few words.
    """
    channels, height, width = x_shape
    try:
        with Image.open(path) as image:
            _check("L", image.size, getattr(image, "n_frames", 1), None)
            image.draft(None, (4 * width, 4 * height))  # a large JPEG need not be decoded in full
            upright = ImageOps.exif_transpose(image)
            if "A" in upright.mode or "transparency" in upright.info:
                upright = upright.convert("RGBA")
                upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
            coloured = upright.convert({1: "L", 3: "RGB"}[channels])
            pixels = np.array(ImageOps.fit(coloured, (width, height), Image.Resampling.BOX))
    except _Unfit:
        raise
    except Exception as error:  # a damaged file may fail in any way
        raise _unreadable(path, error) from error
    return torch.from_numpy(pixels if channels == 3 else pixels[..., None]).movedim(-1, 0)


def load(folder, x_shape=None, least=1):
    """All images of a folder: (their paths, uint8 `(n, channels, height, width)`, [(path, reason), ...] skipped).

    x_shape: bring every image to this shape, by `fit_shape`. Without it the images stay as they are, and must be alike.
    least: how many images must be there.
    Raises
        FileNotFoundError, NotADirectoryError: there is no such folder, or no file in it.
        ValueError: the images have several shapes, too few can be used, or `x_shape` is no shape; the message says what
            to do.
    """
    if x_shape and (len(x_shape) != 3 or x_shape[0] not in NAMES or min(x_shape) < 1):
        raise ValueError(f"x_shape is (channels, height, width) with 1 or 3 channels, got {tuple(x_shape)}: such as "
                         "(3, 32, 32), or (1, 32, 32) for grey")
    paths, images, skipped = [], [], []
    for path in files(folder):
        try:
            images.append(fit_shape(path, x_shape) if x_shape else read(path))
            paths.append(path)
        except ValueError as error:
            skipped.append((path, str(error)))
    shapes = Counter(tuple(image.shape) for image in images)
    if len(shapes) > 1:
        common = shapes.most_common(3)
        shown = ", ".join(f"{NAMES[c]} {w} × {h}: {n}" for (c, h, w), n in common)
        raise ValueError(f"folder {folder} holds images of {len(shapes)} shapes ({shown}): pass one for all, such as "
                         f"x_shape={common[0][0]}, which is (channels, height, width)")
    if len(images) < least:
        why = f"; {len(skipped)} skipped, the first is {skipped[0][0].name}: {skipped[0][1]}" if skipped else ""
        raise ValueError(f"folder {folder} holds {len(images)} images that can be used, at least {least} are needed"
                         f"{why}")
    return paths, torch.stack(images), skipped


def batches(folder, x_shape=None, size=256):
    """Batches of a folder's images: (their paths, uint8 `(n, channels, height, width)`, [(path, reason), ...] skipped).

    x_shape: the shape of an image; that of the first that can be read if not given. The last batches may be empty.
    """
    found = files(folder)
    for start in range(0, len(found), size):
        paths, images, skipped = [], [], []
        for path in found[start:start + size]:
            try:
                image = read(path, x_shape)
            except ValueError as error:
                skipped.append((path, str(error)))
                continue
            x_shape = x_shape or tuple(image.shape)
            paths.append(path)
            images.append(image)
        yield paths, torch.stack(images) if images else torch.empty(0, dtype=torch.uint8), skipped


def _unreadable(path, error):
    words = str(error).replace(str(path), path.name if isinstance(path, Path) else "").strip()
    return ValueError(f"cannot be read as an image ({words or type(error).__name__})")


class _Unfit(ValueError):
    """An image that can be read and is not of the kind that was asked for."""


def _check(mode, size, frames, x_shape):
    channels = CHANNELS.get(mode)
    if frames > 1:
        raise _Unfit(f"has {frames} frames, expected 1")
    if channels is None:
        raise _Unfit(f"has the mode {mode}, expected grey (L) or RGB: convert it")
    if x_shape and channels != x_shape[0]:
        raise _Unfit(f"has {channels} channel{'s' * (channels > 1)} ({NAMES[channels]}), expected {x_shape[0]}")
    if x_shape and size != (x_shape[2], x_shape[1]):
        raise _Unfit(f"has {size[0]} × {size[1]} pixels, expected {x_shape[2]} × {x_shape[1]}")

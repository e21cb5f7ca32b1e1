"""Images from a folder of files, a batch at a time; what cannot be used is named with its reason and skipped."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

__all__ = ["batches", "files", "read"]

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
        words = str(error).replace(str(path), path.name if isinstance(path, Path) else "").strip()
        raise ValueError(f"cannot be read as an image ({words or type(error).__name__})") from error
    return torch.from_numpy(pixels if pixels.ndim == 3 else pixels[..., None]).movedim(-1, 0)


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

"""The data of the course: MNIST and Fashion-MNIST, shipped with the package, and their binarisation.

Binarisation is defined once, here. Training images are redrawn every time they are used,
`x ~ Bernoulli(pixel)` (dynamic). Test and validation images are drawn once, with seed 0 (static).
Thresholding at one half makes another, easier data set and is never used.
"""

import gzip
import hashlib
import os
import zlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from vae_lib.checks import check_values

__all__ = ["CLASSES", "SETS", "SPLITS", "CorruptData", "Images", "batches", "binarize", "labelled", "labelled_floats",
           "load", "static_binarized"]

SETS = ("mnist", "fashion_mnist")
SPLITS = ("train", "validation", "test")
VALIDATION = 2_000  # images cut from the 60,000 training images
CLASSES = {
    "mnist": tuple("0123456789"),
    "fashion_mnist": ("T-shirt", "trouser", "pullover", "dress", "coat",
                      "sandal", "shirt", "sneaker", "bag", "ankle boot"),
}
SHA256 = {  # of the content: any gzip of it will do
    "mnist/train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "mnist/train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "mnist/t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "mnist/t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    "fashion_mnist/train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "fashion_mnist/train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "fashion_mnist/t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "fashion_mnist/t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


class CorruptData(RuntimeError):
    """A data file is missing, truncated or altered; the message names the file and the fix."""


@dataclass(frozen=True)
class Images:
    """Labelled images of one split.

    images: `(n, 1, 28, 28)`, uint8 in 0..255, or float32 in [0, 1].
    labels: `(n,)`, int64.
    """

    images: torch.Tensor
    labels: torch.Tensor
    name: str
    split: str

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        """The images that a slice, a mask or an index tensor selects, as `Images`."""
        return replace(self, images=self.images[index], labels=self.labels[index])

    @property
    def classes(self):
        """Names of the ten classes, in the order of the labels."""
        return CLASSES[self.name]

    def to(self, device):
        """The same images on another device."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def floats(self):
        """Pixels as float32 in [0, 1], `(n, 1, 28, 28)`."""
        return _as_float(self.images)


def load(name, split="train", device="cpu", as_float=False):
    """Images of `name` ("mnist", "fashion_mnist") and `split` ("train", "validation", "test").

    The 60,000 training images are cut with seed 0 into 58,000 for training and 2,000 for validation;
    the 10,000 test images are the published ones, in their order. The environment variable
    `VAE_LIB_DATA` may name another folder with the same files; they are checked alike.

    Returns
        `Images` with uint8 pixels, or float32 in [0, 1] if `as_float`.
    Raises
        ValueError: unknown set or split.
        CorruptData: a file is missing, or the SHA-256 of its content is not the published one's.
    Example
        >>> load("mnist", "test").images.shape
        torch.Size([10000, 1, 28, 28])
    """
    if name not in SETS:
        raise ValueError(f"name must be one of {SETS}, got {name!r}")
    if split not in SPLITS:
        raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
    part = "t10k" if split == "test" else "train"
    images = torch.from_numpy(_read(f"{name}/{part}-images-idx3-ubyte.gz", _folder())).unsqueeze(1)
    labels = torch.from_numpy(_read(f"{name}/{part}-labels-idx1-ubyte.gz", _folder())).long()
    if split != "test":
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
        keep = order[-VALIDATION:] if split == "validation" else order[:-VALIDATION]
        images, labels = images[keep], labels[keep]
    else:
        images = images.clone()
    found = Images(images, labels, name, split).to(device)
    return replace(found, images=found.floats()) if as_float else found


def binarize(images, generator=None):
    """Draw every pixel: `x ~ Bernoulli(pixel)`, float32 in {0, 1}, of the shape of `images`.

    images: uint8 in 0..255 or floats in [0, 1]. Each call draws anew (dynamic binarisation,
    Burda et al. 2016); pass a `generator` for a repeatable draw.
    Raises
        TypeError: other integers, such as labels. ValueError: floats outside [0, 1], or NaN.
    """
    if not images.is_floating_point() and images.dtype != torch.uint8:
        raise TypeError(f"images must be uint8 or floats in [0, 1], got {images.dtype}: labels are not images")
    if images.is_floating_point() and images.numel():
        check_values(images, name="images")
    p = _as_float(images)
    u = torch.rand(p.shape, generator=generator, device=p.device)
    return (u < p).float()


def augment(images, share=0.5, angle=0.2, size=0.1, shear=0.15):
    """Turn, stretch and shear a share of the images a little, each by its own random map.

    images: uint8 or floats `(batch, 1, height, width)`. angle: largest turn, radians; size, shear: largest relative
    change.
    Returns
        floats in [0, 1] `(batch, 2, height, width)`: the image, and a channel that is 1 where it was changed. A model
        that reads it learns from both kinds and is scored on the unchanged.
    """
    p = _as_float(images)
    turn, wide, high, lean = (torch.rand(4, len(p), device=p.device) * 2 - 1).unbind()
    cos, sin, zero = torch.cos(angle * turn), torch.sin(angle * turn), torch.zeros_like(turn)
    wide, high = 1 + size * wide, 1 + size * high
    maps = torch.stack([wide * cos, shear * lean - wide * sin, zero, high * sin, high * cos, zero], 1).view(-1, 2, 3)
    changed = F.grid_sample(p, F.affine_grid(maps, p.shape, align_corners=False), align_corners=False)
    flag = (torch.rand(len(p), 1, 1, 1, device=p.device) < share).float()
    return torch.cat([flag * changed + (1 - flag) * p, flag.expand_as(p)], 1)


def augmented_binarized(images):
    """A share of the images changed a little, then every pixel drawn; the second channel tells which were changed."""
    x = augment(images)
    return (torch.rand_like(x) < x).float()  # a flag of 1 or 0 stays what it is


def labelled(found, first=0):
    """`Images` with their labels as a second channel that is the same at every pixel: `(n, 2, height, width)` uint8.

    So `training.fit`, which knows images alone, can train a model of both. first: what label 0 becomes.
    """
    label = (found.labels + first).to(torch.uint8)[:, None, None, None]
    return torch.cat([found.images, label.expand_as(found.images)], 1)


def labelled_floats(x):
    """What `labelled` made, as floats: the image in [0, 1], the label as its number."""
    return torch.cat([_as_float(x[:, :1]), x[:, 1:].float()], 1)


def labelled_binarized(x, generator=None):
    """The same with every pixel drawn."""
    return torch.cat([binarize(x[:, :1], generator), x[:, 1:].float()], 1)


def static_binarized(name, split="test", device="cpu"):
    """The one fixed draw of a split, `(n, 1, 28, 28)`, float32 in {0, 1}: seed 0, all images at once.

    It is drawn on the CPU whatever the device, so that every machine scores the same bits.
    """
    x = load(name, split).images
    return binarize(x, torch.Generator().manual_seed(0)).to(device)


def batches(x, size, generator=None, shuffle=True):
    """Batches of a tensor that stays where it is; the last, smaller one included.

    Shuffled with the CPU `generator`, so that the order is the same on every device.
    """
    if shuffle:
        order = torch.randperm(len(x), generator=generator).to(x.device)
        for index in order.split(size):
            yield x[index]
    else:
        yield from x.split(size)


def _as_float(images):
    return images.float().div_(255) if images.dtype == torch.uint8 else images


def _folder():
    return Path(os.environ.get("VAE_LIB_DATA") or Path(__file__).parent / "datasets").expanduser()


@lru_cache(maxsize=8)
def _read(file, folder):
    """One gzipped IDX file as an array; read and checked once a process."""
    path = folder / file
    fix = ("put the published file there, or unset VAE_LIB_DATA to use the files of the package"
           if os.environ.get("VAE_LIB_DATA") else
           "reinstall vae_lib, or set VAE_LIB_DATA to a folder that holds the published files "
           "mnist/*.gz and fashion_mnist/*.gz")
    if not path.exists():
        raise CorruptData(f"data file {path} is missing: {fix}")
    try:
        content = gzip.decompress(path.read_bytes())
        digest = hashlib.sha256(content).hexdigest()
    except (EOFError, gzip.BadGzipFile, zlib.error):
        content, digest = b"", "unreadable"
    if digest != SHA256[file]:
        raise CorruptData(f"data file {path} is damaged (SHA-256 of its content: {digest[:12]}…, "
                          f"expected {SHA256[file][:12]}…): {fix}")
    dims = content[3]  # magic number: two zero bytes, the type (8: uint8), the number of dimensions
    shape = np.frombuffer(content, ">i4", dims, offset=4)
    return np.frombuffer(bytearray(content), np.uint8, offset=4 + 4 * dims).reshape(shape)

"""The data of the course: MNIST and Fashion-MNIST, shipped with the package, and their binarisation.

Binarisation is defined once, here. Training images are redrawn every time they are used,
`x ~ Bernoulli(pixel)` (dynamic). Test and validation images are drawn once, with seed 0 (static).
Thresholding at one half makes another, easier data set and is never used.
"""

import gzip
import hashlib
import os
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from vae_lib.checks import check_values

__all__ = ["CLASSES", "SETS", "SPLITS", "CorruptData", "Images", "batches", "binarize", "load", "static_binarized"]

SETS = ("mnist", "fashion_mnist")
SPLITS = ("train", "validation", "test")
VALIDATION = 2_000  # images cut from the 60,000 training images
CLASSES = {
    "mnist": tuple("0123456789"),
    "fashion_mnist": ("T-shirt", "trouser", "pullover", "dress", "coat",
                      "sandal", "shirt", "sneaker", "bag", "ankle boot"),
}
SHA256 = {
    "mnist/train-images-idx3-ubyte.gz": "0b367032e93c5d0cea0925647cfdb18614af8ee15f83e6f2fc2ad904a6835971",
    "mnist/train-labels-idx1-ubyte.gz": "1787548bbe0bff1ec2ecdc0ef292b02df999e2d1a6002d27500982c652b17203",
    "mnist/t10k-images-idx3-ubyte.gz": "1a1a05eab793c14bb050b398624a11b0ffd1a2953baed553b1b9bd079e2a20be",
    "mnist/t10k-labels-idx1-ubyte.gz": "b91679a0acfe4ba0e50a2437a903084cba1f5f92592b016a25a7dfd00455798b",
    "fashion_mnist/train-images-idx3-ubyte.gz": "f46450982819e161325683178a5324fc64e606fb3758c65c6ca7dcc91aa489fd",
    "fashion_mnist/train-labels-idx1-ubyte.gz": "bee2410e017aef275ad0716cfa389481fe80dd89f974536e863d982da161f14c",
    "fashion_mnist/t10k-images-idx3-ubyte.gz": "55ec2dd7358c56fba81678bf2cd00a44de07bae64c342921600298a2b5eb517d",
    "fashion_mnist/t10k-labels-idx1-ubyte.gz": "bad34aa92450454a281e4959ab5a22f03213e21212f4261dadf52e42fa6cd580",
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
        CorruptData: a file is missing or its SHA-256 is not the published file's.
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
    raw = path.read_bytes()
    digest = hashlib.sha256(raw).hexdigest()
    if digest != SHA256[file]:
        raise CorruptData(f"data file {path} is damaged ({len(raw):,} bytes, SHA-256 {digest[:12]}…, "
                          f"expected {SHA256[file][:12]}…): {fix}")
    content = gzip.decompress(raw)
    dims = content[3]  # magic number: two zero bytes, the type (8: uint8), the number of dimensions
    shape = np.frombuffer(content, ">i4", dims, offset=4)
    return np.frombuffer(bytearray(content), np.uint8, offset=4 + 4 * dims).reshape(shape)

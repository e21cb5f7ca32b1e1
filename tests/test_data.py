"""Laws of the data: what is loaded is what was published, split once and binarised in one way."""

import gzip
import hashlib
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import assert_mean

from vae_lib import data

SIZES = {"train": 58_000, "validation": 2_000, "test": 10_000}
EVERY = [(name, split) for name in data.SETS for split in data.SPLITS]
# SHA-256 of the bits of the one fixed draw, eight pixels a byte
DRAWS = {
    ("mnist", "test"): "90bfcb1e870be9fb315a152fabfd4759b3171dd6b7ef4d15573353aa13307193",
    ("mnist", "validation"): "93378a419700c392efc21c72b97d1312aa13a50d6a9c061a95158f63ebd0a18e",
    ("fashion_mnist", "test"): "66a9316b69b01666907be28bc45980de35a40b2ed4b693078266b34ff034a1c0",
    ("fashion_mnist", "validation"): "de3bc2ac720a969ce28696623096bb766ce1972f245a4c5f2ee079a58e661c5b",
}
DAMAGES = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "altered": lambda path: path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])),
    "empty": lambda path: path.write_bytes(b""),
    "missing": lambda path: path.unlink(),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of the data files, named by VAE_LIB_DATA."""
    shutil.copytree(Path(data.__file__).parent / "datasets", tmp_path / "copy")
    monkeypatch.setenv("VAE_LIB_DATA", str(tmp_path / "copy"))
    return tmp_path / "copy"


def published(name, part):
    """The published array, read here by other code than the library's."""
    raw = gzip.decompress((Path(data.__file__).parent / f"datasets/{name}/{part}-images-idx3-ubyte.gz").read_bytes())
    return np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 784)


@pytest.mark.parametrize(("name", "split"), EVERY)
def test_shapes_sizes_types_and_ranges(name, split):
    found = data.load(name, split)
    assert found.images.shape == (SIZES[split], 1, 28, 28) and found.images.dtype == torch.uint8
    assert (found.images.min(), found.images.max()) == (0, 255)
    assert found.labels.shape == (SIZES[split],) and found.labels.dtype == torch.int64
    assert found.labels.unique().tolist() == list(range(10)) and len(found.classes) == 10
    assert len(found) == SIZES[split] and (found.name, found.split) == (name, split)


def test_floats_are_the_bytes_over_255():
    whole, floats = data.load("mnist", "test"), data.load("mnist", "test", as_float=True)
    assert floats.images.dtype == torch.float32
    assert torch.equal(floats.images, whole.images.float() / 255)
    assert torch.equal(whole.floats(), floats.images)


@pytest.mark.parametrize("name", data.SETS)
def test_train_and_validation_are_the_published_60000_and_test_is_untouched(name):
    def rows(images):
        return sorted(image.tobytes() for image in images.reshape(-1, 784))

    parts = [data.load(name, split).images.numpy() for split in ("train", "validation")]
    assert rows(np.concatenate(parts)) == rows(published(name, "train"))
    assert np.array_equal(data.load(name, "test").images.numpy().reshape(-1, 784), published(name, "t10k"))


def test_train_and_validation_share_no_image_and_images_keep_their_labels(monkeypatch):
    def numbered(file, folder):
        """60,000 images whose first three pixels and whose label spell the image's number."""
        number = np.arange(60_000)
        if "labels" in file:
            return number
        images = np.zeros((60_000, 28, 28), np.uint8)
        images[:, 0, :3] = np.stack([number >> 16, number >> 8 & 255, number & 255], 1)
        return images

    monkeypatch.setattr(data, "_read", numbered)
    index = {}
    for split in ("train", "validation"):
        found = data.load("mnist", split)
        index[split] = (found.images[:, 0, 0, :3].long() * torch.tensor([65536, 256, 1])).sum(1)
        assert torch.equal(index[split], found.labels)
        assert torch.equal(data.load("mnist", split).labels, found.labels), "the cut is not the same every time"
    train, validation = (set(index[split].tolist()) for split in ("train", "validation"))
    assert (len(train), len(validation)) == (58_000, 2_000)
    assert not train & validation
    assert train | validation == set(range(60_000))


def test_every_shipped_file_has_the_published_content():
    files = {path.relative_to(Path(data.__file__).parent / "datasets").as_posix(): path
             for path in (Path(data.__file__).parent / "datasets").rglob("*.gz")}
    found = {file: hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest() for file, path in files.items()}
    assert found == data.SHA256


@pytest.mark.parametrize("file", ["mnist/train-images-idx3-ubyte.gz", "fashion_mnist/t10k-labels-idx1-ubyte.gz"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_an_error_that_names_it_and_the_fix(folder, file, damage):
    DAMAGES[damage](folder / file)
    name, split = file.split("/")[0], "test" if "t10k" in file else "train"
    with pytest.raises(data.CorruptData) as error:
        data.load(name, split)
    assert str(folder / file) in str(error.value)
    assert "unset VAE_LIB_DATA" in str(error.value)


def test_a_damaged_file_of_the_package_names_reinstalling(monkeypatch, tmp_path):
    monkeypatch.delenv("VAE_LIB_DATA", raising=False)
    monkeypatch.setattr(data, "__file__", str(tmp_path / "data.py"))
    with pytest.raises(data.CorruptData, match=r"missing: reinstall vae_lib, or set VAE_LIB_DATA"):
        data.load("mnist")


def test_another_folder_is_honoured_and_gives_the_same_images(folder, monkeypatch):
    there = data.load("mnist", "test")
    monkeypatch.delenv("VAE_LIB_DATA")
    assert torch.equal(there.images, data.load("mnist", "test").images)
    monkeypatch.setenv("VAE_LIB_DATA", str(folder / "nowhere"))
    with pytest.raises(data.CorruptData, match=r"nowhere.*missing"):
        data.load("mnist", "test")


def test_both_sets_load_in_under_3_seconds():
    # in a fresh process, all splits; seconds of processor, which a busy machine does not stretch: on an idle
    # machine the wall clock shows no more
    code = ("import time, torch; from vae_lib import data; began = time.process_time()\n"
            "for name in data.SETS:\n    for split in data.SPLITS: data.load(name, split)\n"
            "print(time.process_time() - began)")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 3


def test_loading_needs_no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked for")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    data._read.cache_clear()
    for name, split in EVERY:
        assert len(data.load(name, split)) == SIZES[split]


@pytest.mark.parametrize(("call", "part"), [
    (lambda: data.load("cifar"), "name must be one of ('mnist', 'fashion_mnist'), got 'cifar'"),
    (lambda: data.load("mnist", "valid"), "split must be one of ('train', 'validation', 'test'), got 'valid'"),
    (lambda: data.binarize(torch.tensor([3, 7])), "labels are not images"),
    (lambda: data.binarize(torch.tensor([0.0, 255.0])), "divide uint8 images by 255"),
    (lambda: data.binarize(torch.tensor([-1.0, 1.0])), "undo any normalisation"),
    (lambda: data.binarize(torch.tensor([0.5, float("nan")])), "NaN"),
])
def test_errors_name_the_fix(call, part):
    with pytest.raises((TypeError, ValueError)) as error:
        call()
    assert part in str(error.value)


def test_what_a_caller_changes_does_not_come_back():
    data.load("mnist", "test").images.zero_()
    data.load("mnist", "train").labels.zero_()
    assert data.load("mnist", "test").images.max() == 255
    assert data.load("mnist", "train").labels.max() == 9


def test_images_are_selected_together_with_their_labels():
    found = data.load("mnist", "test")
    for index in (slice(10, 20), found.labels == 3, torch.tensor([5, 1])):
        assert torch.equal(found[index].images, found.images[index])
        assert torch.equal(found[index].labels, found.labels[index])
    assert found.to("meta").images.device.type == "meta"


# Binarisation

def assert_draws_pixels(draw):
    """Every grey value v is drawn 1 with probability v / 255: never at 0, always at 255, each time anew."""
    grey = torch.arange(256, dtype=torch.uint8).expand(20_000, 256)
    x = draw(grey)
    assert x.dtype == torch.float32 and set(x.unique().tolist()) == {0.0, 1.0}
    # the standard error of the mean of n draws of a Bernoulli(p) is sqrt(p (1 - p) / n): here at most 0.0035
    p = torch.arange(256) / 255
    assert ((x.mean(0) - p).abs() <= 4 * (p * (1 - p) / len(x)).sqrt()).all()
    assert not torch.equal(draw(grey), x)


@pytest.mark.parametrize("draw", [data.binarize, lambda grey: data.binarize(grey.float() / 255)])
def test_binarisation_draws_each_pixel_with_its_probability_anew_every_time(draw):
    assert_draws_pixels(draw)


@pytest.mark.parametrize("wrong", [
    lambda grey: (grey > 127).float(),
    lambda grey: (torch.rand(grey.shape) < 0.5 * grey / 255).float(),
    lambda grey: (torch.rand(grey.shape) > grey / 255).float(),
    lambda grey: data.binarize(grey, torch.Generator().manual_seed(0)),
], ids=["threshold", "half", "inverted", "always the same"])
def test_the_law_of_binarisation_refuses_others(wrong):
    with pytest.raises(AssertionError):
        assert_draws_pixels(wrong)


def test_pixels_are_drawn_independently():
    x = data.binarize(torch.full((100_000, 2), 0.5))
    # of independent fair pixels the product of the deviations has mean 0
    assert_mean((x[:, 0] - 0.5) * (x[:, 1] - 0.5), 0.0)


@pytest.mark.parametrize(("name", "split"), DRAWS)
def test_the_static_draw_is_one_fixed_draw(name, split):
    x = data.static_binarized(name, split)
    assert x.shape == (SIZES[split], 1, 28, 28)
    bits = np.packbits(x.numpy().astype(bool)).tobytes()
    assert hashlib.sha256(bits).hexdigest() == DRAWS[name, split]
    pixels = data.load(name, split).images
    assert torch.equal(x, data.binarize(pixels, torch.Generator().manual_seed(0)))
    assert not x[pixels == 0].any() and x[pixels == 255].all()
    # thresholding would make the pixels between a quarter and a half 0, all of them; drawn, 25 to 50 % are 1
    grey = x[(pixels > 64) & (pixels < 127)]
    assert 0.25 < grey.mean() < 0.5


def test_batches_hold_every_image_once():
    x = torch.arange(10)
    parts = list(data.batches(x, 4, torch.Generator().manual_seed(1)))
    assert [len(part) for part in parts] == [4, 4, 2]
    assert sorted(torch.cat(parts).tolist()) == x.tolist() and torch.cat(parts).tolist() != x.tolist()
    assert torch.cat(list(data.batches(x, 4, shuffle=False))).tolist() == x.tolist()


# Augmentation

def assert_augments_a_share(augment):
    """A share of the images is changed, the others are as they were, and the second channel tells which."""
    torch.manual_seed(0)
    images = data.load("mnist", "test").images[:2000]
    x = augment(images)
    assert x.shape == (2000, 2, 28, 28) and x.dtype == torch.float32 and x.min() >= 0 and x.max() <= 1
    flag = x[:, 1].flatten(1)
    assert set(flag.unique().tolist()) == {0.0, 1.0} and (flag.amin(1) == flag.amax(1)).all()
    assert_mean(flag[:, 0], 0.5)
    same = (x[:, 0] == images[:, 0] / 255).flatten(1).all(1)
    assert torch.equal(same, flag[:, 0] == 0), "the flag does not tell what was changed"
    # small maps keep the ink: sizes differ by a tenth at most, to both sides alike
    ink = x[:, 0].flatten(1).sum(1) / (images[:, 0] / 255).flatten(1).sum(1)
    assert 0.95 < ink.mean() < 1.1 and ink.min() > 0.6 and ink.max() < 1.5


def test_augmentation_changes_a_share_of_the_images_and_tells_which():
    assert_augments_a_share(data.augment)


@pytest.mark.parametrize("wrong", [
    lambda images: data.augment(images, share=1.0),
    lambda images: data.augment(images).flip(1),
    lambda images: torch.cat([data.augment(images, share=1.0)[:, :1], data.augment(images)[:, 1:]], 1),
    lambda images: data.augment(images, size=0.6),
], ids=["all", "channels swapped", "flags of other images", "half the size"])
def test_the_law_of_augmentation_refuses(wrong):
    with pytest.raises(AssertionError):
        assert_augments_a_share(wrong)


def test_without_change_augmentation_is_the_image_up_to_rounding():
    images = data.load("mnist", "test").images[:100]
    x = data.augment(images, share=1.0, angle=0.0, size=0.0, shear=0.0)
    torch.testing.assert_close(x[:, :1], images / 255, atol=1e-5, rtol=0)  # bilinear weights in float32


def test_augmented_images_are_drawn_and_their_flags_kept():
    torch.manual_seed(0)
    x = data.augmented_binarized(data.load("mnist", "test").images[:200])
    assert set(x.unique().tolist()) == {0.0, 1.0}
    assert (x[:, 1].flatten(1).amin(1) == x[:, 1].flatten(1).amax(1)).all()
    grey = torch.full((20_000, 1, 1, 1), 0.3)
    assert_mean(data.augmented_binarized(grey.expand(-1, 1, 3, 3))[:, 0, 1, 1], 0.3, dim=0)

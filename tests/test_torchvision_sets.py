"""CIFAR-10 and CelebA by torchvision's own loaders train a colour VAE: from archives of the same format, made here."""

import pickle

import pytest
import torch
from PIL import Image
from test_training import assert_same
from torchvision import datasets
from torchvision.transforms import v2

from vae_lib import training
from vae_lib.likelihoods import DiscretizedLogistic
from vae_lib.residual import ResidualDecoder, ResidualEncoder
from vae_lib.vae import VAE

FLOATS = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
IMAGES = 10


def pixels(*shape):
    return torch.randint(0, 256, shape, dtype=torch.uint8).numpy()


def cifar(root, monkeypatch):
    """CIFAR-10's five files, of two images each."""
    folder = root / datasets.CIFAR10.base_folder
    folder.mkdir()
    for name, _ in datasets.CIFAR10.train_list:
        (folder / name).write_bytes(pickle.dumps({"data": pixels(2, 3 * 32 * 32), "labels": [3, 5]}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    monkeypatch.setitem(datasets.CIFAR10.meta, "md5", None)
    monkeypatch.setattr(datasets.CIFAR10, "_check_integrity", lambda self: True)
    return datasets.CIFAR10(root, transform=v2.Compose(FLOATS))


def celeba(root, monkeypatch):
    """CelebA's tables and its aligned faces, 178 × 218 pixels."""
    folder = root / datasets.CelebA.base_folder
    (folder / "img_align_celeba").mkdir(parents=True)
    names = [f"{k:06d}.jpg" for k in range(IMAGES)]
    for name in names:
        Image.fromarray(pixels(218, 178, 3)).save(folder / "img_align_celeba" / name)

    def table(file, columns, head=True):
        rows = [f"{IMAGES}", " ".join(f"c{k}" for k in range(columns))] if head else []
        (folder / file).write_text("\n".join([*rows, *(f"{name} " + " ".join(["0"] * columns) for name in names)]))

    for file, columns in {"list_bbox_celeba.txt": 4, "list_landmarks_align_celeba.txt": 10,
                          "list_attr_celeba.txt": 40}.items():
        table(file, columns)
    for file in ("list_eval_partition.txt", "identity_CelebA.txt"):
        table(file, 1, head=False)
    monkeypatch.setattr(datasets.CelebA, "_check_integrity", lambda self: True)
    return datasets.CelebA(root, transform=v2.Compose([v2.CenterCrop(148), v2.Resize(64), *FLOATS]))


@pytest.mark.parametrize(("make", "side", "widths"), [(cifar, 32, (4, 6)), (celeba, 64, (4, 6, 8))])
def test_a_set_of_torchvision_trains_as_its_images_in_memory(make, side, widths, tmp_path, monkeypatch):
    images = make(tmp_path, monkeypatch)
    assert len(images) == IMAGES and images[0][0].shape == (3, side, side)

    def trained(x):
        torch.manual_seed(0)
        shape = {"x_shape": (3, side, side), "z_dim": 4, "widths": widths}
        model = VAE(ResidualEncoder(**shape), ResidualDecoder(**shape, parts=2), DiscretizedLogistic())
        history = training.fit(model, x, epochs=3, batch_size=4, lr=1e-3, progress=False)
        return model, [row["train"] for row in history]

    streamed = trained(images)
    assert_same(streamed, trained(torch.stack([image for image, _ in images])))
    assert streamed[1][-1] < streamed[1][0]

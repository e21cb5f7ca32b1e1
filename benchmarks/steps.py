"""Images per second of the loops of chapter 6, from the naive one to the library's; `bench.py steps` runs it.

One change a loop: images on the device, no question for the loss, all weights as one vector, and last `training.fit`,
which on a GPU records the whole step.
"""

import time

import speed
import torch
from torchvision.transforms.functional import to_pil_image, to_tensor

from vae_lib import data, networks, training
from vae_lib.flat import Flat
from vae_lib.objectives import negative_elbo
from vae_lib.vae import VAE

BATCH = 128
LOOPS = ("naive", "resident", "no .item()", "one vector", "library")


class Pictures(torch.utils.data.Dataset):
    """Images as pictures, turned into binarised tensors one by one."""

    def __init__(self, images):
        self.pictures = [to_pil_image(image) for image in images]

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, k):
        grey = to_tensor(self.pictures[k])
        return (torch.rand_like(grey) < grey).float()


def vae(device):
    """The network of chapter 5, the same weights at every call; it reads no value of its images."""
    torch.manual_seed(0)
    model = VAE(networks.MLPEncoder(), networks.MLPDecoder()).to(device)
    model.check_values = False
    return model


def rate(step, device, steps=25, rounds=3):
    """Images a second: the best of some rounds; the first, which pays for what is done once, is left out."""
    found = []
    for _ in range(rounds + 1):
        speed.synchronize(device)
        began = time.perf_counter()
        for _ in range(steps):
            step()
        speed.synchronize(device)
        found.append(steps * BATCH / (time.perf_counter() - began))
    return max(found[1:])


def images_per_second(device):
    """(name of the loop, images a second) for each of `LOOPS`, in that order."""
    device = torch.device(device)
    images = data.load("mnist").images
    resident, model = images.to(device), vae(device)
    adam = torch.optim.Adam(model.parameters(), eps=1e-4, foreach=False)
    batches = iter(torch.utils.data.DataLoader(Pictures(images[:20_000]), batch_size=BATCH, shuffle=True))
    total = torch.zeros((), device=device)

    def drawn():
        return data.binarize(resident[torch.randint(len(resident), (BATCH,), device=device)])

    def updated(x):
        loss = negative_elbo(model, x).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        return loss.detach()

    yield "naive", rate(lambda: updated(next(batches).to(device)).item(), device)
    yield "resident", rate(lambda: updated(drawn()).item(), device)
    yield "no .item()", rate(lambda: total.add_(updated(drawn())), device)

    other = vae(device)
    flat = Flat(other)
    flat.values.grad = flat.grad
    one = torch.optim.Adam([flat.values], eps=1e-4, fused=device.type != "mps")

    def as_one_vector():
        flat.grad.zero_()
        loss = negative_elbo(other, drawn()).mean()
        loss.backward()
        one.step()
        total.add_(loss.detach())

    yield "one vector", rate(as_one_vector, device)
    history = training.fit(vae(device), resident, epochs=4, batch_size=BATCH, lr=1e-3, binarize=True, progress=False)
    yield "library", max(row["images_per_second"] for row in history[1:])

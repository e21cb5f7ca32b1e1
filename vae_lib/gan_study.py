"""The study of chapter 10: VAE, non-saturating GAN and WGAN-GP, of the same networks, on the same batches.

`python -m vae_lib.gan_study` repeats it, piece by piece, and goes on where it was stopped; `--gather` puts the pieces
into the record. Every piece fixes a model and its settings; nothing is left out of the record, collapsed runs included.
"""

import argparse
import itertools
import json
import time
from functools import lru_cache
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from vae_lib import data, features, gan, modes, networks, pretrained, quality
from vae_lib.likelihoods import Gaussian
from vae_lib.many import Adam, Many
from vae_lib.vae import VAE
from vae_lib.widgets.modes_in_time import packed

__all__ = ["COLLAPSED", "MODELS", "RECORD", "SETTINGS", "Bound", "best_lr", "best_setting", "fall", "falls", "final",
           "fit_vae", "gather", "near_best", "pairs", "record", "recorded_draws", "run", "setting", "train"]

RECORD = Path(__file__).parent / "studies" / "gan.json"
FRAMES = RECORD.with_name("gan.safetensors")
MODELS = ("VAE", "GAN", "WGAN-GP")
GAMES = {"GAN": "non-saturating", "WGAN-GP": "wgan-gp"}
COLLAPSED = 13  # modes of 25: a run that ends with fewer has collapsed
SETTINGS = {
    "grid": {"batches": 8000, "batch_size": 128, "widths": [32, 64], "lrs": [3e-4, 1e-3, 3e-3, 1e-2], "runs": 5,
             "z_dim": 2, "activation": "relu", "watched": 40, "draws": 2500, "final_draws": 10_000},
    "ring": {"batches": 4000, "batch_size": 128, "widths": [128], "lrs": [1e-3], "runs": 5,
             "z_dim": 2, "activation": "relu", "watched": 40, "draws": 2500, "final_draws": 10_000},
    "images": {"set": "fashion_mnist", "batches": 1000, "batch_size": 64, "hidden": [128, 128], "z_dim": 32, "runs": 5,
               "lrs": [1e-4, 3e-4, 1e-3, 3e-3, 1e-2], "activation": "silu", "watched": 5, "draws": 2000},
    "realism": {"batches": 4000, "batch_size": 64, "width": 16, "z_dim": 32, "seeds": [0, 1, 2], "activation": "silu",
                "watched": 4, "draws": 10_000, "few": 5000},
    "stacked": {"batches": 4000, "batch_size": 64, "width": 16, "z_dim": 32, "seeds": [0, 1, 2], "activation": "silu",
                "watched": 4, "draws": 25_600},
}


# The two networks of each model, and their training

class Bound(nn.Module):
    """x -> -ELBO, averaged over the batch, in nats: a VAE as a network whose output is its loss."""

    def __init__(self, vae):
        super().__init__()
        self.vae = vae
        vae.check_values = False  # a check reads the values, and a stack of networks has none to read

    def forward(self, x):
        return -self.vae.elbo(x).elbo.mean()


def pairs(model, make, n=None, pixels=False, last=None):
    """The networks of one of `MODELS`: `(bound,)` or `(generator, discriminator)`; of `n` runs where `n` is given.

    make(): a new (encoder, decoder). pixels, last: of the generator and the discriminator.
    """
    def one():
        encoder, decoder = make()
        if model == "VAE":
            return (Bound(VAE(encoder, decoder, Gaussian("learned"))),)
        return gan.Generator(decoder, pixels), gan.Discriminator(encoder, last)
    return one() if n is None else tuple(Many(nets) for nets in zip(*(one() for _ in range(n)), strict=True))


def fit_vae(bound, draw, steps, lr=1e-3, every=None, watch=None):
    """Train a `Bound`, or `Many`, on `steps` batches with Adam; returns the history, as `gan.fit` does."""
    adam, history, watching, began = Adam(bound.parameters(), lr), [], 0.0, time.perf_counter()
    if watch:
        watch(0)
    for step in range(1, steps + 1):
        adam.zero_grad()
        loss = bound(draw())
        loss.sum().backward()
        adam.step()
        if every and step % every == 0:
            history.append(loss.detach())
            paused = time.perf_counter()
            watch(step)
            watching += time.perf_counter() - paused
    return {"bound": history, "seconds": time.perf_counter() - began - watching}


def train(model, nets, draw, noise, steps, lr, every=None, watch=None):
    """Train the networks of `pairs` by the rule of `model`."""
    if model == "VAE":
        return fit_vae(*nets, draw, steps, lr, every, watch)
    z = nets[0].mould[0].z_dim if isinstance(nets[0], Many) else nets[0].z_dim
    return gan.fit(*nets, draw, lambda: torch.randn(*noise, z), steps, GAMES[model], lr, every=every, watch=watch)


@torch.no_grad()
def drawn(model, net, n, means=False):
    """`n` draws of one trained network, in parts of 1,000."""
    parts = [min(1000, n - k) for k in range(0, n, 1000)]
    if model != "VAE":
        return torch.cat([net.sample(part) for part in parts])
    return torch.cat([net.vae.sample(part, means) for part in parts])


def size(nets):
    """The number of weights of one model."""
    return sum(p.numel() for net in nets for p in (net[0] if isinstance(net, Many) else net).parameters())


# The pieces

def plane(study, model, width):
    """Five runs of each learning rate on the grid or the ring, all trained at once and watched while they train."""
    s = SETTINGS[study]
    mixture, n = modes.grid() if study == "grid" else modes.ring(), s["runs"] * len(s["lrs"])
    torch.manual_seed(0)
    nets = pairs(model, lambda: (networks.MLPEncoder((2,), s["z_dim"], (width, width), s["activation"]),
                                 networks.MLPDecoder((2,), s["z_dim"], (width, width), s["activation"])), n)
    shape, rates = (n, s["batch_size"]), torch.tensor(s["lrs"]).repeat_interleave(s["runs"])
    seen, shown = [], []

    def counts(draws):
        points = [drawn(model, nets[0][k], draws) for k in range(n)]
        return points, torch.tensor([modes.count(x, mixture) for x in points]).view(len(s["lrs"]), s["runs"], -1)

    def watch(step):
        points, found = counts(s["draws"])
        seen.append((step, found))
        shown.append(torch.stack([x[:300] for x in points[::s["runs"]]]))

    history = train(model, nets, lambda: mixture.sample(shape[0] * shape[1]).view(*shape, 2), shape, s["batches"],
                    rates, s["batches"] // s["watched"], watch)
    steps, found = [step for step, _ in seen], torch.stack([one for _, one in seen])  # (moments, rates, runs, 4)
    _, final = counts(s["final_draws"])

    def named(table):
        return {name: table[..., k].tolist() for k, name in enumerate(modes.Count._fields)}

    rows = {f"{lr:g}": named(found[:, k]) | {"final": named(final[k])} for k, lr in enumerate(s["lrs"])}
    return {"weights": size(nets), "seconds": history["seconds"] / n, "step": steps, "rates": rows}, torch.stack(shown)


def images(model, lr):
    """Five runs of one learning rate on images, scored against validation images on the way, on test at the end."""
    s = SETTINGS["images"]
    torch.manual_seed(0)
    real = data.load(s["set"]).images
    network = features.load("features-classes")
    held = features.of(network, data.load(s["set"], "validation").floats()[:s["draws"]])
    test = features.of(network, data.load(s["set"], "test").floats()[pretrained.fixed_subset(s["draws"])])
    nets = pairs(model, lambda: (networks.MLPEncoder((1, 28, 28), s["z_dim"], s["hidden"], s["activation"]),
                                 networks.MLPDecoder((1, 28, 28), s["z_dim"], s["hidden"], s["activation"])),
                 s["runs"], pixels=True)
    steps, curve = [], []

    def scores(reference):
        return [score(network, reference, drawn(model, nets[0][k], s["draws"], means=True))
                for k in range(s["runs"])]

    def watch(step):
        steps.append(step)
        curve.append(scores(held))

    shape = (s["runs"], s["batch_size"])
    history = train(model, nets, lambda: real[torch.randint(len(real), shape)].float() / 255, shape, s["batches"], lr,
                    s["batches"] // s["watched"], watch)
    return {"weights": size(nets), "seconds": history["seconds"], "step": steps, "fid_validation": curve,
            "fid": scores(test)}


def score(network, reference, x):
    """FID of images against features of real ones; infinite where an image is not finite."""
    return quality.frechet_distance(reference, features.of(network, x.clamp(0, 1))) if x.isfinite().all() \
        else float("inf")


def convolutional(channels, s):
    return lambda: (networks.ConvEncoder((channels, 28, 28), s["z_dim"], s["width"], s["activation"]),
                    networks.ConvDecoder((channels, 28, 28), s["z_dim"], s["width"], s["activation"]))


@lru_cache(maxsize=4)
def reference(name):
    """The features of 10,000 test images by both extractors."""
    x = data.load(name, "test").floats()
    return {one: features.of(features.load(one), x) for one in features.NAMES}


def measure(name, x):
    """FID (10,000 images a side), KID, precision and recall (5,000 a side), by both extractors."""
    few, found = SETTINGS["realism"]["few"], {}
    for one, real in reference(name).items():
        fake = features.of(features.load(one), x.clamp(0, 1))
        part = pretrained.fixed_subset(few)
        precision, recall = quality.precision_recall(real[part], fake[:few])
        found[one] = {"fid": quality.frechet_distance(real, fake), "precision": precision, "recall": recall,
                      "kid": quality.kernel_distance(real[part], fake[:few])}
    return found


def watched_training(model, channels, s, seed, lr, draw, look):
    """Train one convolutional model; returns its size and what `look(net)` gave at each moment after the start."""
    torch.manual_seed(seed)
    nets = pairs(model, convolutional(channels, s), pixels=True, last=2 * s["z_dim"])
    steps, seen = [], []

    def watch(step):
        if step:
            with torch.random.fork_rng(devices=[]):  # looking changes no draw of the training
                steps.append(step)
                seen.append(look(nets[0]))

    history = train(model, nets, draw, (s["batch_size"],), s["batches"], lr, s["batches"] // s["watched"], watch)
    return {"weights": size(nets), "seconds": history["seconds"], "lr": lr, "step": steps}, seen


def realism(name, model, seed, lr):
    """One convolutional model on one data set: what its draws score at each moment, and 64 of the last."""
    s, real = SETTINGS["realism"], data.load(name).images
    if model == "real":
        return {"scores": {"real": [measure(name, real[:s["draws"]].float() / 255)]}}, None
    ways = {"images": None} if model == "GAN" else {"means": True, "draws": False} if seed == 0 else {"means": True}

    def look(net):
        x = {way: drawn(model, net, s["draws"], means) for way, means in ways.items()}
        return {way: measure(name, one) for way, one in x.items()}, next(iter(x.values()))[:64]

    found, seen = watched_training(model, 1, s, seed, lr, lambda: real[
        torch.randint(len(real), (s["batch_size"],))].float() / 255, look)
    return (found | {"scores": {way: [scores[way] for scores, _ in seen] for way in ways}},
            (255 * seen[-1][1].clamp(0, 1)).round().byte())


def stacked(model, seed, lr):
    """One model of three digits at a time, as three channels: 1,000 kinds of image, counted at each moment."""
    s, real = SETTINGS["stacked"], data.load("mnist").images[:, 0]
    found, seen = watched_training(model, 3, s, seed, lr, lambda: real[
        torch.randint(len(real), (s["batch_size"], 3))].float() / 255,
        lambda net: kinds(drawn(model, net, s["draws"], means=True)))
    return found | {key: [one[key] for one in seen] for key in seen[0]}, None


def kinds(x):
    """The modes of images of three digits `(n, 3, 28, 28)`: how many of 1,000, their KL from uniform, and the share of
    digits of which the classifier is sure (p(y|x) at least 0.9)."""
    network = features.load("features-classes")
    with torch.no_grad():
        p = torch.cat([network.classify(part.clamp(0, 1), "mnist") for part in x.reshape(-1, 1, 28, 28).split(2000)])
    digit = p.argmax(1).view(-1, 3)
    counts = torch.bincount(digit @ torch.tensor([100, 10, 1]), minlength=1000)
    return {"kept": int((counts > 0).sum()), "kl": modes.mode_kl(counts, torch.full((1000,), 1e-3)),
            "sure": (p.max(1).values >= 0.9).double().mean().item()}


# The order of the pieces, the record

def pieces(study):
    """The names and the arguments of a study's pieces."""
    s, two = SETTINGS[study], ("VAE", "GAN")
    if study in ("grid", "ring"):
        models = MODELS if study == "grid" else two
        return {f"{study} {model} {width}": (plane, (study, model, width)) for width in s["widths"] for model in models}
    if study == "images":
        return {f"images {model} {lr:g}": (images, (model, lr)) for lr in s["lrs"] for model in MODELS}
    if study == "realism":
        todo = [(name, "real", 0) for name in data.SETS]
        todo += list(itertools.product(data.SETS, two, s["seeds"]))
        return {f"realism {name} {model} {seed}": (realism, (name, model, seed)) for name, model, seed in todo}
    return {f"stacked {model} {seed}": (stacked, (model, seed)) for model in two for seed in s["seeds"]}


def best_lr(found, model):
    """The learning rate of the best mean validation FID at the end of the study on images."""
    rows = {lr: found[f"images {model} {lr:g}"]["fid_validation"][-1] for lr in SETTINGS["images"]["lrs"]}
    return min(rows, key=lambda lr: sum(rows[lr]) / len(rows[lr]))


# Reading the record

def record(file=RECORD):
    """The recorded study: a dict from the name of each piece, such as "grid GAN 128 0.001", to what it found."""
    return json.loads(Path(file).read_text(encoding="utf-8"))["pieces"]


def recorded_draws(file=FRAMES):
    """8-bit draws that were kept: of the best grid setting of each model while it trained, `(moments, 300, 2)` (see
    `widgets.modes_in_time.packed`), and of seed 0 of each model of images, `(64, 1, 28, 28)`."""
    return load_file(file)


def setting(found, model, width, lr, study="grid"):
    """What five runs of one setting found on the grid or the ring: `kept`, `quality`, `overlap`, `kl`, each `(moments,
    runs)`, and the same after training under `final`; with the piece's `step` and `weights`."""
    piece = found[f"{study} {model} {width}"]
    return piece | piece["rates"][f"{lr:g}"]


def best_setting(found, model):
    """(width, learning rate) of the grid with the highest mean overlap when training ended, on 2,500 draws a run."""
    s = SETTINGS["grid"]
    means = {(width, lr): sum(setting(found, model, width, lr)["overlap"][-1]) / s["runs"]
             for width in s["widths"] for lr in s["lrs"]}
    return max(means, key=means.get)


def final(found, model, what="overlap"):
    """What all runs of the grid ended with, on 10,000 fresh draws each: `(settings, runs)`, widths before rates."""
    s = SETTINGS["grid"]
    return torch.tensor([setting(found, model, width, lr)["final"][what] for width in s["widths"]
                         for lr in s["lrs"]], dtype=torch.float64)


def fall(kept):
    """The largest fall of the modes kept below an earlier count, in the second half of each run: `(runs,)`.

    kept: counts, `(moments, runs)`.
    """
    kept = torch.as_tensor(kept)[(len(kept) - 1) // 2:]
    return (kept.cummax(0).values - kept).amax(0)


def falls(found, model):
    """The `fall` of every run of the grid: `(settings, runs)`."""
    s = SETTINGS["grid"]
    return torch.stack([fall(setting(found, model, width, lr)["kept"])
                        for width, lr in itertools.product(s["widths"], s["lrs"])])


def near_best(values, larger=True):
    """Which runs `(settings, runs)` end within 10 % of the best setting's mean; one that is not finite does not."""
    means = values.mean(1)
    near = values >= 0.9 * means.max() if larger else values <= 1.1 * means.min()
    return near & values.isfinite()


def gather(folder, file=RECORD):
    """Put the pieces of `folder` into the record, beside those that it holds already with the same settings.

    Raises `FileNotFoundError` that names the pieces that are in neither.
    """
    folder, file = Path(folder), Path(file)
    old = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"settings": {}, "pieces": {}}
    names = {name: study for study in SETTINGS for name in pieces(study)}
    new = {name: json.loads(path.read_text()) for name in names if (path := folder / f"{name}.json").exists()}
    kept = {name: old["pieces"][name] for name, study in names.items()
            if name not in new and name in old["pieces"] and old["settings"].get(study) == SETTINGS[study]}
    if missing := [name for name in names if name not in new and name not in kept]:
        raise FileNotFoundError(f"{len(missing)} pieces are not done yet, such as {missing[0]!r}: "
                                "python -m vae_lib.gan_study does them")
    found = kept | {name: {key: value for key, value in content["found"].items() if key != "seconds"}  # pauses too
                    for name, content in new.items()}
    circumstances = (old["circumstances"] if kept else []) + [content["circumstances"] for content in new.values()]
    draws = recorded_draws(file.with_suffix(".safetensors")) if kept else {}
    for model in MODELS:
        width, lr = best_setting(found, model)
        if f"grid {model} {width}" in new:
            shown = torch.load(folder / f"grid {model} {width}.pt")  # (moments, rates, 300, 2)
            draws[f"grid {model}"] = packed(shown[:, SETTINGS["grid"]["lrs"].index(lr)])
    draws |= {f"{name} {model}": torch.load(folder / f"realism {name} {model} 0.pt")
              for name in data.SETS for model in ("VAE", "GAN") if f"realism {name} {model} 0" in new}
    file.parent.mkdir(exist_ok=True)
    save_file({name: value.contiguous() for name, value in draws.items()}, file.with_suffix(".safetensors"))
    once = list({json.dumps(one): one for one in circumstances}.values())
    content = {"settings": SETTINGS, "circumstances": once, "pieces": {name: found[name] for name in names}}
    file.write_text(json.dumps(_rounded(content), separators=(",", ":")) + "\n")


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


# Doing the work

def run(studies, folder, part=(0, 1), seconds=None):
    """Do the pieces that `folder` does not hold yet; of every `part[1]` pieces, the `part[0]`-th."""
    folder, began = Path(folder), time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    for study in studies:
        for k, (name, (work, arguments)) in enumerate(pieces(study).items()):
            file = folder / f"{name}.json"
            if file.exists() or k % part[1] != part[0]:
                continue
            if seconds and time.perf_counter() - began > seconds:
                return
            if study in ("realism", "stacked"):
                model = arguments[-2]
                done = {one.stem: json.loads(one.read_text())["found"] for one in folder.glob("images *.json")}
                arguments = (*arguments, None if model == "real" else best_lr(done, model))
            found, extra = work(*arguments) if work is not images else (images(*arguments), None)
            if extra is not None:
                torch.save(extra, folder / f"{name}.pt")
            content = {"found": found, "settings": SETTINGS[study],
                       "circumstances": pretrained.circumstances(torch.device("cpu"))}
            file.with_suffix(".partial").write_text(json.dumps(content))
            file.with_suffix(".partial").replace(file)
            print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="python -m vae_lib.gan_study", description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*", default=list(SETTINGS),
                        help=f"of {', '.join(SETTINGS)} (default: all)")
    parser.add_argument("--out", type=Path, default=Path("runs/gan"), help="folder of the pieces")
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), metavar=("K", "N"),
                        help="every N-th piece, from K")
    parser.add_argument("--seconds", type=int, help="begin no piece after so many seconds")
    parser.add_argument("--gather", action="store_true", help=f"put the pieces into {RECORD.name}, and train nothing")
    options = parser.parse_args()
    if options.gather:
        return gather(options.out)
    return run(options.studies, options.out, tuple(options.part), options.seconds)


if __name__ == "__main__":
    main()

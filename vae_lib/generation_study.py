"""The study of chapter 7: seven ways to draw new images, from three models of one architecture, each scored alike.

`python -m vae_lib study` repeats it: both data sets, three seeds, two feature networks, 10,000 images a side, pixels
drawn. What is done is kept in the file, so that a study that was stopped goes on.
"""

import json
from pathlib import Path

import torch

from vae_lib import data, features, networks, pretrained, quality, training
from vae_lib.generation import AggregatePosterior
from vae_lib.mixture import GaussianMixture
from vae_lib.vae import VAE
from vae_lib.vampprior import VampVAE

__all__ = ["HEADLINE", "MODELS", "RECORD", "SEEDS", "draws", "measure", "real_features", "record", "run", "train"]

RECORD = Path(__file__).parent / "studies" / "generation.json"
HEADLINE = "features-classes"  # named before anything was measured; the other extractor stands beside it
SEEDS = (0, 1, 2)
N = 10_000  # images a side
SETTINGS = {"z_dim": 20, "hidden": [256], "activation": "silu", "pseudo_inputs": 200, "components": 30, "codes": 10_000,
            "epochs": 20, "batch_size": 256, "lr": 4e-3, "warmup_steps": 300, "decay": True}


def plain_autoencoder(model, x, step=0):
    """The loss -log p(x|z) at z = mu(x), `(batch,)` nats: an autoencoder, with neither noise nor KL."""
    return -model.likelihood.log_prob(x, model.decode(model.encode(x)[0]))


MODELS = ("autoencoder", "VAE", "VampPrior")


def train(model, name, seed=0, progress=True, **changes):
    """Train one of `MODELS` on the training images of a data set. Returns the `VAE` and `fit`'s history.

    All three have the same encoder and decoder and see the same number of images; the autoencoder uses mu alone.
    """
    settings = SETTINGS | changes
    images = data.load(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        shape = {key: settings[key] for key in ("z_dim", "hidden", "activation")}
        encoder, decoder = networks.MLPEncoder(**shape), networks.MLPDecoder(**shape)
        networks.output_bias(decoder, images.floats())
        pseudo = images[:settings["pseudo_inputs"]].floats()
        net = VampVAE(encoder, decoder, pseudo) if model == "VampPrior" else VAE(encoder, decoder)
    options = {key: settings[key] for key in ("epochs", "batch_size", "lr", "warmup_steps", "decay")}
    loss = {"loss": plain_autoencoder} if model == "autoencoder" else {}
    history = training.fit(net, images, binarize=True, validation=data.static_binarized(name, "validation"), seed=seed,
                           progress=progress, label=f"{model}, {name}, seed {seed} ", **options, **loss)
    return net.eval(), history


def draws(model, net, name, seed=0):
    """What can be drawn from a trained model: a dict from the setting's name to a prior, `None` for the model's own.

    The mixtures are fitted to the codes of 10,000 training images: the autoencoder's mu, or draws of q(z|x).
    "VAE, q(z)" draws from posteriors of training images: no generator, but the best that another prior could do.
    """
    if model == "VampPrior":
        return {"VampPrior": None}
    x = data.binarize(data.load(name).images[:SETTINGS["codes"]], torch.Generator().manual_seed(seed))
    own = AggregatePosterior.of(net, x)
    codes = own.mu if model == "autoencoder" else own.sample(len(x), torch.Generator().manual_seed(seed))
    mixtures = {k: GaussianMixture.fit(codes, k, steps=60, seed=seed) for k in (1, SETTINGS["components"])}
    short = "AE" if model == "autoencoder" else model
    found = {f"{short}, N(0, I)": None, f"{short}, one Gaussian": mixtures[1],
             f"{short}, mixture": mixtures[SETTINGS["components"]]}
    return found | ({"VAE, q(z)": own} if model == "VAE" else {})


def real_features(network, name, split="test", n=N):
    """The features of real images: of the fixed draw of the test images, or of a fresh draw of training images."""
    x = data.static_binarized(name)[:n] if split == "test" else \
        data.binarize(data.load(name, split).images[:n], torch.Generator().manual_seed(1))
    return features.of(network, x)


def measure(real, fake):
    """All four measures between two sets of features, as a dict."""
    precision, recall = quality.precision_recall(real, fake)
    return {"fid": quality.frechet_distance(real, fake), "kid": quality.kernel_distance(real, fake),
            "precision": precision, "recall": recall}


def record(file=RECORD):
    """The recorded study: a dict with `settings`, `circumstances`, `trained` and `rows`."""
    return json.loads(Path(file).read_text(encoding="utf-8"))


def run(file=RECORD, seeds=SEEDS, sets=data.SETS, progress=True, say=print):
    """Train, draw and measure what the file does not yet hold; the file is written after each model."""
    file = Path(file)
    done = record(file) if file.exists() else {"settings": SETTINGS, "images": N, "trained": [], "rows": []}
    if done["settings"] != SETTINGS:
        raise ValueError(f"{file} is of a study with other settings: give this one another file with --out")
    extractors = {one: features.load(one) for one in features.NAMES}
    for name in sets:
        real = {one: real_features(network, name) for one, network in extractors.items()}
        jobs = [("real images", 0)] + [(model, seed) for seed in seeds for model in MODELS]
        for model, seed in jobs:
            if any((row["set"], row["model"], row["seed"]) == (name, model, seed) for row in done["rows"]):
                continue
            if model == "real images":
                fakes = {"real: training images": data.binarize(data.load(name).images[:N],
                                                                torch.Generator().manual_seed(1))}
            else:
                net, history = train(model, name, seed, progress)
                done["trained"].append({
                    "set": name, "model": model, "seed": seed, "seconds": round(history[-1]["seconds"], 1),
                    "validation": history[-1]["validation"], **pretrained.circumstances(net.device)})
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(1000 + seed)
                    fakes = {way: torch.cat([net.sample(1000, prior=prior) for _ in range(N // 1000)])
                             for way, prior in draws(model, net, name, seed).items()}
            for way, x in fakes.items():
                for one, network in extractors.items():
                    found = measure(real[one], features.of(network, x))
                    done["rows"].append({"set": name, "model": model, "seed": seed, "way": way, "extractor": one} |
                                        {key: round(value, 5) for key, value in found.items()})
                    say(f"{name:14s} seed {seed}  {way:24s} {one:17s} " +
                        "  ".join(f"{key} {value:.3f}" for key, value in found.items()))
            partial = file.with_name(file.name + ".partial")
            partial.write_text(json.dumps(done, indent=1) + "\n", encoding="utf-8")
            partial.replace(file)
    return done

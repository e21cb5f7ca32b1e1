"""The study of chapter 7: eight ways to draw new images, from three models of one architecture, each scored alike.

`python -m vae_lib study generation` repeats it: both data sets, three seeds, two feature networks, 10,000 images a
side, pixels drawn. What is done is kept in a file for each data set, so that a study that was stopped goes on.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save

from vae_lib import data, features, networks, pretrained, quality, training
from vae_lib.generation import AggregatePosterior
from vae_lib.mixture import GaussianMixture
from vae_lib.vae import VAE
from vae_lib.vampprior import VampVAE

__all__ = ["FOLDER", "HEADLINE", "MODELS", "SEEDS", "draws", "measure", "real_features", "record", "run", "train"]

FOLDER = Path(__file__).parent / "studies"
HEADLINE = "features-classes"  # named before anything was measured; the other extractor stands beside it
SEEDS = (0, 1, 2)
N = 10_000  # images a side
SETTINGS = {"z_dim": 20, "hidden": [256], "activation": "silu", "pseudo_inputs": 200, "components": 30, "codes": 10_000,
            "epochs": 5, "batch_size": 256, "lr": 4e-3, "warmup_steps": 300, "decay": True}


def plain_autoencoder(model, x, step=0):
    """The loss -log p(x|z) at z = mu(x), `(batch,)` nats: an autoencoder, with neither noise nor KL."""
    return -model.likelihood.log_prob(x, model.decode(model.encode(x)[0]))


MODELS = ("autoencoder", "VAE", "VampPrior")
REAL = "training images"  # the floor of the study


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


def record(name, folder=FOLDER):
    """The recorded study of a data set: a dict with `settings`, `images`, `trained` and `rows`."""
    return json.loads(_file(name, folder).read_text(encoding="utf-8"))


def run(name, folder=FOLDER, seeds=SEEDS, progress=True, say=print):
    """Train, draw and measure what the file of a data set does not yet hold; it is written after each step.

    FID, which takes no time, is measured at once; the other measures, which take longer than the training, follow when
    all are trained. Until then the features of the draws lie beside the file.
    """
    file, threads = _file(name, folder), torch.get_num_threads()
    done = record(name, folder) if file.exists() else {"settings": SETTINGS, "images": N, "trained": [], "rows": []}
    if done["settings"] != SETTINGS:
        raise ValueError(f"{file} is of a study with other settings: give this one another folder with --out")
    extractors = {one: features.load(one) for one in features.NAMES}
    real = {one: real_features(network, name) for one, network in extractors.items()}
    for job in [(REAL, 0), *((model, seed) for seed in seeds for model in MODELS)]:
        rows = [row for row in done["rows"] if (row["model"], row["seed"]) == job]
        if rows and (all("kid" in row for row in rows) or _kept(file, *job).exists()):
            continue
        model, seed = job
        if model == REAL:
            fakes = {f"real: {REAL}": data.binarize(data.load(name).images[:N], torch.Generator().manual_seed(1))}
        else:
            torch.set_num_threads(1)  # a second thread brings small networks little, and costs on a busy machine
            net, history = train(model, name, seed, progress)
            notes = {"model": model, "seed": seed, "seconds": round(history[-1]["seconds"], 1),
                     "validation": history[-1]["validation"], **pretrained.circumstances(net.device)}
            torch.set_num_threads(threads)
            done["trained"] = [*(one for one in done["trained"] if (one["model"], one["seed"]) != job), notes]
            fakes = _draw(model, net, name, seed)
        done["rows"] = [row for row in done["rows"] if row not in rows]
        found = {(way, one): features.of(network, x) for way, x in fakes.items() for one, network in extractors.items()}
        for (way, one), fake in found.items():
            row = {"model": model, "seed": seed, "way": way, "extractor": one,
                   "fid": round(quality.frechet_distance(real[one], fake), 5)}
            done["rows"].append(row)
            say(f"{name:14s} seed {seed}  {way:24s} {one:17s} FID {row['fid']:.3f}")
        pretrained.write(_kept(file, *job), save({f"{way}|{one}": fake for (way, one), fake in found.items()}))
        pretrained.write_json(file, done)
    for row in sorted(done["rows"], key=lambda row: row["seed"]):
        if "kid" in row:
            continue
        fake = load_file(_kept(file, row["model"], row["seed"]))[f"{row['way']}|{row['extractor']}"]
        row |= {key: round(value, 5) for key, value in measure(real[row["extractor"]], fake).items()}
        say(f"{name:14s} " + "  ".join(str(value) for value in row.values()))
        pretrained.write_json(file, done)
    return done


def _file(name, folder):
    return Path(folder) / f"generation-{name}.json"


def _draw(model, net, name, seed):
    """`N` images of each way to draw."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1000 + seed)
        return {way: torch.cat([net.sample(min(1000, N - i), prior=prior) for i in range(0, N, 1000)])
                for way, prior in draws(model, net, name, seed).items()}


def _kept(file, model, seed):
    """Where the features of a model's draws wait for their measures."""
    return file.with_name(f"{file.stem}-{model}-{seed}.safetensors")

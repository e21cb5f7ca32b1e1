"""The one-class study of chapter 9: each class in turn is normal, the other nine are not, and every score is tried.

`python -m vae_lib study one_class` runs it in parts that an interruption does not lose, and writes
`studies/one_class.json`: AUROCs, intervals and provenance. The headline score and all settings were chosen on
validation images of MNIST's classes 2 and 4 and Fashion-MNIST's 4 and 6, before a test image was scored.
"""

import functools
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.svm import OneClassSVM
from torch import nn

from vae_lib import anomaly, autoencoder, data, evaluation, networks, pretrained, training
from vae_lib.detector import Detector

__all__ = ["CHOSEN_ON", "HEADLINE", "SEEDS", "load", "mean", "normal_images", "parts", "run", "score_part", "summarise"]

HEADLINE = "VAE: reconstruction error"
SEEDS = (0, 1, 2)
CHOSEN_ON = {"mnist": (2, 4), "fashion_mnist": (4, 6)}  # classes whose validation images the settings were chosen on
CONTAMINATION = (0.05, 0.1)  # Fashion-MNIST, seed 0
SUBSET = 500  # test images, in a fixed random order, for the two scores that take long
SVM_IMAGES = 2000  # training images for the support vector machine, whose time grows with their square
STUDY = Path(__file__).parent / "studies" / "one_class.json"


def normal_images(name, label, contamination=0.0, seed=0):
    """The training images of a class, uint8 `(n, 1, 28, 28)`, of which other classes may be a share."""
    train = data.load(name, "train")
    images, others = train.images[train.labels == label], train.images[train.labels != label]
    count = round(contamination / (1 - contamination) * len(images))
    random = torch.Generator().manual_seed(seed)
    return torch.cat([images, others[torch.randperm(len(others), generator=random)[:count]]])


def parts():
    """All parts of the study: (set, class, seed, contamination)."""
    whole = [(name, label, seed, 0.0) for seed in SEEDS for name in data.SETS for label in range(10)]
    return whole + [("fashion_mnist", label, 0, share) for share in CONTAMINATION for label in range(10)]


def score_part(name, label, seed=0, contamination=0.0):
    """Scores of the 10,000 test images, larger for what is more anomalous, by name: `(10000,)`, or `(SUBSET,)`."""
    images, test = normal_images(name, label, contamination, seed), data.load(name, "test").images
    detector = Detector(random_state=seed).fit(images)
    model, x = detector.model_, detector._standardised(test)
    found = {HEADLINE: anomaly.reconstruction_error(model, x)}
    if contamination:
        return found
    found["VAE: reconstruction probability"] = anomaly.reconstruction_nll(model, x)
    found["VAE: KL"] = anomaly.kl(model, x)
    found["VAE: -ELBO"] = found["VAE: reconstruction probability"] + found["VAE: KL"]
    rows = torch.from_numpy((images.flatten(1).numpy() / np.float32(255) - detector.mean_) / detector.scale_).float()
    if seed == 0:
        some = x[pretrained.fixed_subset(SUBSET)]
        found["VAE: NLL (IWAE-50)"] = evaluation.nll(model, some, k=50, batch_size=200, progress=False)
        found["VAE: likelihood regret"] = anomaly.likelihood_regret(model, some, steps=50, k=4)
        found |= _deterministic(rows.numpy(), x.flatten(1).numpy(), images, test)
    plain = autoencoder_like(detector, rows.reshape(-1, *detector.x_shape_), seed)
    with torch.no_grad():
        found["autoencoder"] = torch.cat([autoencoder.squared_error(plain, part) for part in x.split(1000)])
    return {key: value.float().contiguous() for key, value in found.items()}


def autoencoder_like(detector, x, seed):
    """A plain autoencoder with the detector's network and training, fitted to standardised images."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sizes = [x[0].numel(), *detector.hidden, detector.z_dim]
        plain = autoencoder.Autoencoder(nn.Sequential(nn.Flatten(), networks.mlp(sizes)), networks.MLPDecoder(
            detector.x_shape_, detector.z_dim, tuple(detector.hidden)[::-1], "relu"))
    training.fit(plain, x, loss=autoencoder.squared_error, epochs=detector.epochs, batch_size=detector.batch_size,
                 lr=detector.lr, warmup_steps=50, decay=True, seed=seed, progress=False)
    return plain.eval()


def _deterministic(rows, x, images, test):
    """Baselines, run once, from standardised rows and from the images themselves."""
    found = {"PCA: error of 30 components": _pca_error(rows, x, 30)}
    some = np.random.default_rng(0).permutation(len(rows))[:SVM_IMAGES]
    found["one-class SVM"] = -torch.from_numpy(OneClassSVM(nu=0.1, gamma="scale").fit(rows[some]).score_samples(x))
    found["isolation forest"] = -torch.from_numpy(IsolationForest(random_state=0).fit(rows).score_samples(x))
    found["distance to the mean image"] = torch.from_numpy((x**2).sum(1))  # of standardised images it is 0
    for key, number in (("brightness", lambda one: one.float().mean((1, 2, 3))),
                        ("size as PNG", lambda one: anomaly.png_nats(one / 255))):
        found[key] = anomaly.typicality(number(test), number(images))
    return found


def _pca_error(rows, x, k):
    pca = PCA(k, svd_solver="covariance_eigh").fit(rows)
    return torch.from_numpy(((x - pca.inverse_transform(pca.transform(x))) ** 2).sum(1))


def _file(folder, part):
    name, label, seed, contamination = part
    return Path(folder) / f"{name} {label}, seed {seed}, {100 * contamination:g} % others.safetensors"


def _work(folder, part):
    torch.set_num_threads(1)  # the networks are small: one process a core is faster than two threads for one
    began = time.perf_counter()
    path, found = _file(folder, part), score_part(*part)
    partial = path.with_suffix(".partial")
    save_file(found, partial, {"seconds": f"{time.perf_counter() - began:.1f}"})
    partial.replace(path)


def run(folder="runs/one_class", workers=2, seconds=None, progress=print):
    """Do the parts whose scores are not in `folder` yet, `workers` at a time; True when all are done.

    seconds: begin no part later than this.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    began, todo = time.perf_counter(), [part for part in parts() if not _file(folder, part).exists()]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        running = set()
        while todo or running:
            while todo and len(running) < workers and (not seconds or time.perf_counter() - began < seconds):
                running.add(pool.submit(_work, folder, todo.pop(0)))
            if not running:
                break
            while not any(one.done() for one in running):
                time.sleep(0.05)
            for done in [one for one in running if one.done()]:
                running.discard(done)
                done.result()
            progress(f"one_class: {len(parts()) - len(todo) - len(running)} of {len(parts())} parts are done")
    return not todo


def summarise(folder="runs/one_class", path=STUDY, repeats=200):
    """Write AUROCs, their means over classes and seeds with bootstrap intervals, and provenance to `path`."""
    from safetensors import safe_open

    found, seconds = {}, 0.0
    for part in parts():
        found[part] = load_file(_file(folder, part))
        with safe_open(_file(folder, part), "pt") as file:
            seconds += float(file.metadata()["seconds"])
    rows = []
    for part, scores in found.items():
        labels = data.load(part[0], "test").labels
        for key, values in scores.items():
            normal = (labels if len(values) == len(labels) else labels[pretrained.fixed_subset(len(values))]) == part[1]
            rows.append({"set": part[0], "class": part[1], "seed": part[2], "contamination": part[3], "score": key,
                         "auroc": round(anomaly.auroc(values[normal], values[~normal]), 5)})
    intervals = {name: _intervals(found, name, repeats) for name in data.SETS}
    notes = {"study": "one_class", "headline": HEADLINE, "chosen_on": {k: list(v) for k, v in CHOSEN_ON.items()},
             "settings": Detector().get_params(), "seeds": list(SEEDS), "seconds": round(seconds),
             **pretrained.circumstances(torch.device("cpu"))}
    Path(path).parent.mkdir(exist_ok=True)
    text = json.dumps(notes | {"intervals": intervals}, indent=1)[:-2] + ',\n "rows": [\n'
    text += ",\n".join("  " + json.dumps(row) for row in rows) + "\n ]\n}\n"
    partial = Path(f"{path}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _intervals(found, name, repeats):
    """95 % intervals of the headline's mean AUROC and of its lead on PCA: test images are drawn anew with replacement,
    the same ones for all classes, seeds and scores.
    """
    labels, random = data.load(name, "test").labels, torch.Generator().manual_seed(0)
    means = []
    for _ in range(repeats):
        drawn = torch.randint(len(labels), (len(labels),), generator=random)
        auroc = {}
        for (one, label, _, share), scores in found.items():
            if one == name and not share:
                normal = labels[drawn] == label
                for key in {HEADLINE, "PCA: error of 30 components"} & set(scores):
                    values = scores[key][drawn]
                    auroc.setdefault(key, []).append(anomaly.auroc(values[normal], values[~normal]))
        vae, pca = (np.mean(auroc[key]) for key in (HEADLINE, "PCA: error of 30 components"))
        means.append((vae, vae - pca))
    low, high = np.quantile(means, [0.025, 0.975], axis=0).round(5).tolist()
    return {"headline": [low[0], high[0]], "lead on PCA": [low[1], high[1]]}


@functools.lru_cache(maxsize=1)
def load(path=STUDY):
    """What the study found: a dict with its provenance, `intervals` and `rows`."""
    if not Path(path).exists():
        raise FileNotFoundError(f"{path} is missing: python -m vae_lib study one_class makes it")
    return json.loads(Path(path).read_text(encoding="utf-8"))


def mean(name, score=HEADLINE, contamination=0.0, classes=range(10), seeds=SEEDS):
    """The mean recorded AUROC over classes and seeds, and its standard deviation over seeds (NaN for one seed)."""
    chosen = [row for row in load()["rows"] if row["set"] == name and row["score"] == score
              and row["contamination"] == contamination and row["class"] in classes and row["seed"] in seeds]
    by_seed = [np.mean([row["auroc"] for row in chosen if row["seed"] == seed])
               for seed in sorted({row["seed"] for row in chosen})]
    return float(np.mean(by_seed)), float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else float("nan")

"""Recipes and what they made: small text files that say how a network was trained, and its weights.

A recipe is `recipes/NAME.toml`. Training it writes `NAME.safetensors` (weights) and `NAME.json`
(provenance: device, versions, commit, seed, seconds, scores); evaluating it adds `NAME.nll.safetensors`,
the negative log-likelihood of every test image.
"""

import functools
import hashlib
import json
import os
import platform
import subprocess
import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import torch
from safetensors.torch import load_file, save

from vae_lib import conditional, data, distributed, evaluation, features, networks, objectives, training
from vae_lib.conditional import ConditionalVAE
from vae_lib.hierarchical import LadderVAE
from vae_lib.residual import ResidualDecoder, ResidualEncoder
from vae_lib.vae import VAE

__all__ = ["WEIGHTS", "Unfinished", "build", "circumstances", "evaluate", "fixed_subset", "load", "names",
           "provenance", "recipe", "recorded_nll", "train", "write", "write_json"]

HERE = Path(__file__).parent
WEIGHTS = HERE / "weights"
OTHERS = (*features.KINDS, "conditional")  # kinds of networks that are no plain VAE


class Unfinished(RuntimeError):
    """A run was stopped before its last epoch; its checkpoint is kept."""


def names(what="all"):
    """Names of the recipes: "all", or "vae" for those of a plain VAE: no feature networks, no conditional VAEs."""
    every = sorted(path.stem for path in (HERE / "recipes").glob("*.toml"))
    return [name for name in every if _kind(recipe(name)) not in OTHERS] if what == "vae" else every


def recipe(name):
    """The recipe as a dict: `about`, `data`, `network`, `training`, and `objective` where it is not the plain ELBO."""
    path = HERE / "recipes" / f"{name}.toml"
    if not path.exists():
        raise ValueError(f"there is no recipe {name!r}: choose one of {', '.join(names())}")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _kind(spec):
    return spec["network"].get("kind", "mlp")


def build(spec):
    """The untrained model of a recipe's dict; its weights depend on the recipe's seed alone."""
    options, kind = dict(spec["network"]), _kind(spec)
    options.pop("kind", None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec["training"]["seed"])
        if kind in features.KINDS:
            return features.KINDS[kind](**options)
        if kind == "conditional":
            return ConditionalVAE.mlp(mean_image=data.load(spec["data"]).floats().mean(0), **options)
        if kind == "ladder":
            return LadderVAE(**options)
        if kind == "residual":
            return VAE(ResidualEncoder(**options), ResidualDecoder(**options))
        hidden = tuple(options.pop("hidden"))
        model = VAE(networks.MLPEncoder(hidden=hidden, **options), networks.MLPDecoder(hidden=hidden[::-1], **options))
    networks.output_bias(model.decoder, data.load(spec["data"], as_float=True).images)
    return model


def _task(spec):
    """What a recipe trains on, as arguments of `training.fit`; what its score is called; what is done at the end."""
    kind, name = _kind(spec), spec["data"]
    if kind in features.KINDS:
        return {"x": features.training_images("train"), "draw": features.half_drawn, "loss": features.loss,
                "validation": features.validation_images()}, features.KINDS[kind].score, features.finish
    if kind == "conditional":
        loss = functools.partial(conditional.negative_elbo, **spec.get("objective", {}))
        return {"x": data.labelled(data.load(name)), "draw": data.labelled_binarized, "loss": loss,
                "validation": conditional.fixed_images(name, "validation")}, "negative_elbo", \
            functools.partial(conditional.finish, name=name)
    drawn = {"draw": data.augmented_binarized} if spec.get("augment") else {"binarize": True}
    loss = functools.partial(objectives.negative_elbo, **spec.get("objective", {}))
    return {"x": data.load(name), "validation": data.static_binarized(name, "validation"), "loss": loss,
            **drawn}, "negative_elbo", lambda model: {}


def train(name, folder, resume=False, device=None, progress=True, **changes):
    """Train a recipe; write weights and provenance to `folder`. Returns the model and its provenance.

    resume: start from the checkpoint of an interrupted run in `folder`, if there is one.
    changes: arguments of `training.fit` other than the recipe's, such as `epochs` for a trial or `seconds` for a piece;
        the provenance names them.
    Raises
        Unfinished: `seconds` were over before the last epoch; `resume` goes on.
        ValueError: the checkpoint of an interrupted run is there, and `resume` is not asked for.
    """
    spec = recipe(name)
    options = spec["training"] | changes
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"cannot make the folder {folder} ({error}): name another one") from error
    checkpoint = folder / f"{name}.checkpoint"
    if not resume and checkpoint.exists():
        raise ValueError(f"{checkpoint} is there, of a run that was interrupted: go on with resume=True (--resume), or "
                         "delete it to begin anew")
    model = build(spec | {"training": options}).to(device or training.best_device())
    material, score, finish = _task(spec)
    history = training.fit(model, **material, checkpoint=checkpoint, progress=progress, label=f"{name} ", **options)
    if len(history) < options["epochs"] and not options.get("patience"):
        raise Unfinished(f"{len(history)} of {options['epochs']} epochs of {name} are done: --resume goes on")
    device = next(model.parameters()).device
    notes = {
        "recipe": name, **circumstances(device), "seed": options["seed"], "epochs": len(history),
        "seconds": round(sum(len(material["x"]) / row["images_per_second"] for row in history), 1),
        "seconds_with_validation": round(history[-1]["seconds"], 1),
        f"validation_{score}": history[-1]["validation"], "changes": changes,
    }
    if distributed.rank() > 0:
        return model, notes
    if spec.get("half"):
        model.half().float()  # the weights as they will be read again
    notes |= finish(model)
    kept = torch.float16 if spec.get("half") else torch.float32
    raw = save({key: value.contiguous().cpu().to(kept) for key, value in model.state_dict().items()}, {"recipe": name})
    notes["sha256"] = hashlib.sha256(raw).hexdigest()
    write(folder / f"{name}.safetensors", raw)
    write_json(folder / f"{name}.json", notes)
    checkpoint.unlink()
    return model, notes


def load(name, folder=WEIGHTS, device="cpu"):
    """The trained model of a recipe, in evaluation mode. Loading weights never runs code (safetensors)."""
    path = Path(folder) / f"{name}.safetensors"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: python -m vae_lib train {name} --out {folder} makes it")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != provenance(name, folder)["sha256"]:
        raise RuntimeError(f"{path} is not the file that its provenance tells of (SHA-256 {found[:12]}…): "
                           f"python -m vae_lib train {name} --out {folder} makes both anew")
    model = build(recipe(name))
    model.load_state_dict(load_file(path))
    return model.to(device).eval()


def provenance(name, folder=WEIGHTS):
    """Where the weights come from: a dict with device, versions, commit, seed, seconds and scores."""
    path = Path(folder) / f"{name}.json"
    fix = f"python -m vae_lib train {name} --out {folder} makes it"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: {fix}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RuntimeError(f"{path} is no JSON file ({error}): {fix} anew") from error


def evaluate(name, folder=WEIGHTS, k=5000, images=None, progress=True, device=None):
    """Score a trained recipe on the test set by IWAE-`k`; with all images, the result is written down.

    images: score the first of a fixed random order only, and write nothing.
    Returns
        A dict with `nll`, its standard error over images, and `images`.
    """
    folder = Path(folder)
    model = load(name, folder, device or training.best_device())
    x = data.static_binarized(recipe(name)["data"], "test")
    if images is not None:
        x = x[fixed_subset(images)]
    began = time.perf_counter()
    values = evaluation.nll(model, x, k, progress=progress)
    mean, error = evaluation.mean_and_error(values)
    result = {"nll": mean, "standard_error": error, "k": k, "images": len(x)}
    if images is None:
        terms = evaluation.elbo_terms(model, x)
        result |= {
            "negative_elbo": -terms.elbo.mean().item(), "kl": terms.kl.mean().item(),
            **({"active_units": int(evaluation.active_units(model, x).sum())} if hasattr(model, "encode") else {}),
            "evaluation_seconds": round(time.perf_counter() - began), "sha256": provenance(name, folder)["sha256"],
            "binarisation": "one draw of all 10,000 images, seed 0", **circumstances(model.device),
        }
        write(folder / f"{name}.nll.safetensors", save({"nll": values.float()}, {"sha256": result["sha256"]}))
        write_json(folder / f"{name}.json", provenance(name, folder) | {"test": result})
    return result


def recorded_nll(name, folder=WEIGHTS):
    """The recorded negative log-likelihood of every test image, `(10000,)` nats."""
    test = provenance(name, folder).get("test", {})
    if test.get("sha256") != provenance(name, folder)["sha256"]:
        raise RuntimeError(f"the recorded scores of {name} are not of these weights: python -m vae_lib evaluate {name}")
    return load_file(Path(folder) / f"{name}.nll.safetensors")["nll"]


def fixed_subset(n, total=10_000):
    """Indices of `n` test images in a fixed random order (seed 0): the first n of the file are not typical."""
    return torch.randperm(total, generator=torch.Generator().manual_seed(0))[:n]


def circumstances(device):
    """Date, commit, device and versions, for a provenance: a dict."""
    cpu = f"CPU, {torch.get_num_threads()} threads ({platform.machine()})"
    return {
        "date": datetime.now(UTC).date().isoformat(), "commit": _commit(),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else cpu,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }


def _commit():
    def git(*words):
        return subprocess.run(["git", "-C", HERE, *words], capture_output=True, text=True, check=True).stdout.strip()
    try:
        changed = git("status", "--porcelain", "--", "*.py", "*.toml")
        return git("rev-parse", "HEAD") + (" with changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("VAE_LIB_COMMIT", "unknown")  # a copy of the files without git may be told


def write(path, raw):
    """Write the whole file, or leave the old one.

    Raises
        OSError: the disk is full, or the folder takes no files.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(raw)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(f"cannot write {path} ({error}): free some space there or name another folder; what was there "
                      "before is untouched") from error


def write_json(path, content):
    """Write `content` as JSON: the whole file, or leave the old one."""
    write(path, (json.dumps(content, indent=1) + "\n").encode())

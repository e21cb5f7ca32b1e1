"""The command line: python -m vae_lib recipes | train | evaluate | sample | study | fit | detect."""

import argparse
import csv
import sys
import time
from pathlib import Path

import torch

from vae_lib import data, distributed, image_folder, pretrained
from vae_lib.training import best_device

STUDIES = {"generation": "eight ways to draw (chapter 7)", "one_class": "each class as the normal one (chapter 9)"}


TRAIN = ("`python -m vae_lib recipes` says what each recipe is. While it trains, OUT/RECIPE.checkpoint holds all that "
         "--resume needs; in the end it gives way to OUT/RECIPE.safetensors and .json. On several GPUs: "
         "torchrun --nproc-per-node=4 -m vae_lib train RECIPE; on several machines OUT must be a folder that all "
         "of them share.")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m vae_lib", description="Train and use the VAEs of the course.")
    commands = parser.add_subparsers(dest="command", required=True)

    commands.add_parser("recipes", help="list the recipes and what is known of their weights")
    train = commands.add_parser("train", help="train a recipe; writes weights and provenance", epilog=TRAIN)
    evaluate = commands.add_parser("evaluate", help="negative log-likelihood of the test set by importance weighting")
    sample = commands.add_parser("sample", help="draw new images into a PNG file")
    fit = commands.add_parser("fit", help="learn what is normal from a folder of normal images; writes a detector")
    detect = commands.add_parser("detect", help="score a folder of images by a detector; writes a table (CSV)")
    study = commands.add_parser("study", help="repeat a study of many trainings; run again, it goes on")
    train.add_argument("recipe", choices=pretrained.names())
    train.add_argument("--out", type=Path, default=Path("runs"), help="folder to write to (default: runs)")
    train.add_argument("--resume", action="store_true", help="go on from the checkpoint of an interrupted run")
    train.add_argument("--epochs", type=_count, help="other than the recipe's, for a trial")
    train.add_argument("--seed", type=int, help="other than the recipe's")
    train.add_argument("--seconds", type=_count, help="stop after the epoch that ends later; --resume goes on")
    for command in (evaluate, sample):
        command.add_argument("recipe", choices=pretrained.names("vae"))
        command.add_argument("--weights", type=Path, default=pretrained.WEIGHTS,
                             help="folder of the weights (default: those that come with the package)")
    evaluate.add_argument("--k", type=_count, default=5000, help="importance samples per image (default: 5000)")
    evaluate.add_argument("--images", type=_count, help="a fixed random part of the test set; nothing is written")
    sample.add_argument("--n", type=_count, default=64, help="how many images (default: 64)")
    sample.add_argument("--seed", type=int, default=0)
    sample.add_argument("--means", action="store_true", help="show E[x|z] instead of drawing the pixels")
    sample.add_argument("--out", type=Path, default=Path("samples.png"))
    study.add_argument("study", choices=STUDIES, help="; ".join(f"{name}: {what}" for name, what in STUDIES.items()))
    study.add_argument("--out", type=Path, default=Path("runs"), help="folder to write to and go on from")
    study.add_argument("--set", choices=data.SETS, help="generation: one data set only; two may run side by side")
    study.add_argument("--seconds", type=_count, help="one_class: begin no part later; the same command goes on")
    study.add_argument("--workers", type=_count, default=2, help="one_class: processes of one thread (default: 2)")
    for command in (fit, detect):
        command.add_argument("folder", type=Path, help="folder of images, of one size, grey or RGB")
    fit.add_argument("--out", type=Path, default=Path("detector.safetensors"))
    fit.add_argument("--epochs", type=_count, default=15)
    fit.add_argument("--rate", type=float, default=0.05, help="false-alarm rate of the threshold (default: 0.05)")
    detect.add_argument("--model", type=Path, default=Path("detector.safetensors"), help="the detector, from fit")
    detect.add_argument("--out", type=Path, default=Path("scores.csv"))
    for command in (train, evaluate, sample, fit, detect):
        command.add_argument("--device", type=_device, help='"cpu", "cuda" or "mps" (default: the fastest here)')
    options = parser.parse_args(arguments)
    try:
        globals()[f"_{options.command}"](options)
    except (OSError, RuntimeError, ValueError) as error:
        sys.exit(f"vae_lib: {error}")
    except KeyboardInterrupt:
        sys.exit("vae_lib: stopped" + {"train": "; train with --resume goes on from the last whole epoch",
                                        "study": "; the same command goes on after the last whole model"}.get(
                                            options.command, ""))


def _count(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text}")
    return int(text)


def _device(text):
    try:
        torch.empty(1, device=text)
    except (RuntimeError, AssertionError) as error:  # torch raises either, by how it was built
        raise argparse.ArgumentTypeError(f'"{text}" is no device of this machine: "{best_device()}" is') from error
    return text


def _recipes(options):
    for name in pretrained.names():
        print(f"{name:16} {pretrained.recipe(name)['about']}")
        path = pretrained.WEIGHTS / f"{name}.json"
        notes = pretrained.provenance(name) if path.exists() else {}
        if notes:
            print(f"{'':16} trained in {notes['seconds']} s on {notes['device']}", end="")
            test = notes.get("test")
            print(f"; test NLL {_nll(test)}" if test else "")


def _train(options):
    asked = {name: getattr(options, name) for name in ("epochs", "seconds", "seed")}
    changes = {name: value for name, value in asked.items() if value is not None}
    device = distributed.start(options.device or best_device())
    _, notes = pretrained.train(options.recipe, options.out, options.resume, device, **changes)
    if distributed.rank() > 0:
        return
    score = next(key for key in notes if key.startswith("validation_"))
    shown = score.replace("negative_elbo", "-ELBO").replace("_", " ")
    print(f"{shown} {notes[score]:.2f} nats after {notes['epochs']} epochs, "
          f"{notes['seconds']} s; weights in {options.out / options.recipe}.safetensors")


def _evaluate(options):
    found = pretrained.evaluate(options.recipe, options.weights, options.k, options.images, device=options.device)
    print(f"NLL {_nll(found)}")


def _nll(found):
    return (f"{found['nll']:.2f} ± {found['standard_error']:.2f} nats per image "
            f"(IWAE-{found['k']}, {found['images']:,} test images)")


def _sample(options):
    from torchvision.utils import save_image

    model = pretrained.load(options.recipe, options.weights, options.device or "cpu")
    torch.manual_seed(options.seed)
    x = model.sample(options.n, options.means)
    save_image(x, options.out, nrow=max(1, round(options.n**0.5)), padding=1, pad_value=0.5)
    print(f"{options.n} images in {options.out}")


def _fit(options):
    from vae_lib.detector import Detector

    parts, skipped = [], []
    for _, images, unfit in image_folder.batches(options.folder):
        parts += [images] if len(images) else []
        skipped += unfit
    _name(skipped)
    if not parts:
        raise ValueError(f"no file in {options.folder} could be used: there is nothing to learn from")
    detector = Detector(epochs=options.epochs, false_alarm_rate=options.rate, device=options.device, progress=True)
    detector.fit(torch.cat(parts)).save(options.out)
    print(f"{sum(map(len, parts)):,} images learnt, {len(skipped)} skipped; detector in {options.out}")


def _detect(options):
    from vae_lib.detector import Detector

    detector = Detector.load(options.model, options.device)
    shape = detector.x_shape_
    if len(shape) != 3 or shape[0] not in image_folder.NAMES:
        raise ValueError(f"{options.model} was fitted to {shape}, which no image file has: fit it to (1 or 3, height, "
                         "width)")
    began, scored, alarms, skipped = time.perf_counter(), 0, 0, []
    partial = options.out.with_name(f".{options.out.name}.partial")  # hidden, so that it is no file of the folder
    with partial.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        table = csv.writer(file)
        table.writerow(["file", "decision", "anomaly", "skipped"])  # a decision below 0 is an anomaly
        for paths, images, unfit in image_folder.batches(options.folder, shape):
            decisions = detector.decision_function(images) if paths else []
            table.writerows([path.relative_to(options.folder), f"{value:.6g}", int(value < 0), ""]
                            for path, value in zip(paths, decisions, strict=True))
            table.writerows([path.relative_to(options.folder), "", "", reason] for path, reason in unfit)
            scored, skipped = scored + len(paths), skipped + unfit
            alarms += sum(value < 0 for value in decisions)
    partial.replace(options.out)
    seconds = time.perf_counter() - began
    _name(skipped)
    print(f"{scored:,} images scored ({scored / seconds:,.0f} images/s), {alarms:,} called anomalous, "
          f"{len(skipped)} skipped; table in {options.out}")
    if not scored:
        raise ValueError(f"no file in {options.folder} could be scored")


def _study(options):
    folder = options.out / options.study
    {"generation": _generation, "one_class": _one_class}[options.study](options, folder)


def _generation(options, folder):
    from vae_lib import generation_study

    folder.mkdir(parents=True, exist_ok=True)
    for name in [options.set] if options.set else data.SETS:
        done = generation_study.run(name, folder)
        print(f"{len(done['rows'])} rows of {name} in {folder}")


def _one_class(options, folder):
    from vae_lib import one_class

    if not one_class.run(folder, options.workers, options.seconds):
        print("not all parts are done: the same command goes on")
        return
    one_class.summarise(folder)
    for name in data.SETS:
        print(f"{name}: mean AUROC {one_class.mean(name)[0]:.4f} ({one_class.HEADLINE})")


def _name(skipped, most=20):
    for path, reason in skipped[:most]:
        print(f"skipped {path}: {reason}", file=sys.stderr)
    if len(skipped) > most:
        print(f"skipped {len(skipped) - most} more", file=sys.stderr)


if __name__ == "__main__":
    main()

"""The command line: python -m vae_lib recipes | train | evaluate | sample | study."""

import argparse
import sys
from pathlib import Path

import torch

from vae_lib import distributed, generation_study, pretrained
from vae_lib.training import best_device


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m vae_lib", description="Train and use the VAEs of the course.")
    commands = parser.add_subparsers(dest="command", required=True)

    commands.add_parser("recipes", help="list the recipes and what is known of their weights")
    train = commands.add_parser("train", help="train a recipe; writes weights and provenance")
    evaluate = commands.add_parser("evaluate", help="negative log-likelihood of the test set by importance weighting")
    sample = commands.add_parser("sample", help="draw new images into a PNG file")

    study = commands.add_parser("study", help="the study of chapter 7: train, draw and score; run again, it goes on")

    study.add_argument("--out", type=Path, default=Path("runs/generation.json"), help="file to write and go on from")
    train.add_argument("recipe", choices=pretrained.names())
    train.add_argument("--out", type=Path, default=Path("runs"), help="folder to write to (default: runs)")
    train.add_argument("--resume", action="store_true", help="go on from the checkpoint of an interrupted run")
    train.add_argument("--epochs", type=_count, help="other than the recipe's, for a trial")
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
    for command in (train, evaluate, sample):
        command.add_argument("--device", type=_device, help='"cpu", "cuda" or "mps" (default: the fastest here)')
    options = parser.parse_args(arguments)
    try:
        globals()[f"_{options.command}"](options)
    except (FileNotFoundError, RuntimeError, ValueError, PermissionError) as error:
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
    changes = {name: getattr(options, name) for name in ("epochs", "seconds") if getattr(options, name) is not None}
    device = distributed.start(options.device or best_device())
    _, notes = pretrained.train(options.recipe, options.out, options.resume, device, **changes)
    if distributed.rank() > 0:
        return
    score = next(key for key in notes if key.startswith("validation_"))
    shown = score.replace("negative_elbo", "-ELBO").replace("_", " ")
    print(f"{shown} {notes[score]:.2f} nats after {notes['epochs']} epochs, "
          f"{notes['seconds']} s; weights in {options.out / options.recipe}.safetensors")


def _study(options):
    options.out.parent.mkdir(parents=True, exist_ok=True)
    done = generation_study.run(options.out)
    print(f"{len(done['rows'])} rows in {options.out}")


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


if __name__ == "__main__":
    main()

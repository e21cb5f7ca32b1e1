"""All benchmarks of the course on this machine, in pieces of under ten minutes.

Run it again until it says that all is done.

    python benchmarks/bench.py [PIECE ...] [--device cuda] [--again]

speed     images/s against pythae, two batch sizes (needs `pip install -r benchmarks/requirements.txt`)
precision images/s in other precisions, two batch sizes
steps     images/s of the loops of chapter 6, one change after the other
compile   images/s of the ladder VAE, compiled and not (only where there is a GPU)
roofline  what fraction of the possible speed a step reaches
scaling   images/s against batch size, width of the network and number of processes
fast      seconds until the recipe fast-mnist has a test NLL below 86.76 nats
ladder    the best likelihood: the recipe ladder-mnist from three seeds, in slices (only where there is a GPU)

Results go to benchmarks/results/DEVICE.json: a list of {name, value, unit, device, versions, date, command}. A piece is
done when all its rows are there. One that is "stale", of an earlier version of what it measures, is measured again.
"""

import argparse
import contextlib
import dataclasses
import json
import platform
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import speed
import steps
import torch

from vae_lib import data, pretrained, training
from vae_lib.networks import MLPDecoder, MLPEncoder
from vae_lib.onednn import onednn_products
from vae_lib.vae import VAE

RESULTS = Path(__file__).parent / "results"
SLICE = 540  # seconds of a slice of a long recipe
SEEDS = (0, 1, 2)
SIZES, ROOFLINE, BATCHES, WIDTHS = (128, 1024), (128, 1024, 8192), (32, 128, 512, 2048, 8192), (128, 512, 2048)


def name_of(device):
    """Words for the machine."""
    return torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"


def results_of(device):
    """The device's file, and its rows by name."""
    path = RESULTS / (re.sub("[^a-z0-9]+", "-", name_of(device).lower()).strip("-") + ".json")
    return path, {row["name"]: row for row in json.loads(path.read_text())} if path.exists() else {}


def write(rows, device, command):
    """Put rows (name, value, unit, more) into the device's file, in the place of those with the same name."""
    path, known = results_of(device)
    for name, value, unit, *more in rows:
        known[name] = {"name": name, "value": value, "unit": unit, "device": name_of(device),
                       "versions": {"python": platform.python_version(), "torch": torch.__version__},
                       "date": datetime.now(UTC).date().isoformat(), "command": command} | (more[0] if more else {})
        print(f"{name:40} {value} {unit}", flush=True)
    RESULTS.mkdir(exist_ok=True)
    pretrained.write_json(path, list(known.values()))


def missing(piece, device):
    """The names of the rows of a piece that the device's file has not, or only of an earlier version."""
    known = results_of(device)[1]
    return [name for name in PIECES[piece].rows(device) if "stale" in known.get(name, {"stale": "never measured"})]


def net(device, z_dim=16, hidden=(512,), activation="relu"):
    torch.manual_seed(0)
    options = {"z_dim": z_dim, "hidden": hidden, "activation": activation}
    return VAE(MLPEncoder(**options), MLPDecoder(**options)).to(device)


def images_per_second(device, batch_size, epochs=3, network=None, **options):
    """The median over epochs, after one that is not counted."""
    x = data.load("mnist", device=device)
    history = training.fit(network or net(device), x, epochs=epochs + 1, batch_size=batch_size, binarize=True,
                           onednn=torch.device(device).type == "cpu", progress=False, **options)
    return sorted(row["images_per_second"] for row in history[1:])[epochs // 2]


def bench_speed(device):
    """Median of 5 alternating runs against pythae's BaseTrainer, in float32."""
    report = speed.compare(device, runs=5, steps=900)
    for row in report:
        yield (f"pythae-ratio, batch {row['batch_size']}", row["ratio"], "times pythae's images/s",
               {key: row[key] for key in ("epochs", "runs", "images_per_second", "negative_elbo", "standard_error")})


def precisions(device):
    return ("tf32", "bf16", "fp16") if device == "cuda" else ("bf16",)


def bench_precision(device):
    """Images a second of the same network in other precisions."""
    for precision in precisions(device):
        for size in SIZES:
            value = images_per_second(device, size, precision=precision, network=net(device))
            yield f"images per second, {precision}, batch {size}", round(value), "images/s"


def bench_steps(device):
    """Images a second of each loop of chapter 6."""
    for name, value in steps.images_per_second(device):
        yield f"steps, {name}", round(value), "images/s"


def bench_compile(device, epochs=3, **changes):
    """Images a second of the recipe ladder-mnist, compiled and not, in one process; the first epoch is left out."""
    spec = pretrained.recipe("ladder-mnist")
    options = {key: value for key, value in spec["training"].items()
               if key not in ("validate_every", "checkpoint_every", "decay", "warmup_steps")} | changes
    for compiled, words in ((False, ""), (True, ", compiled")):
        model = pretrained.build(spec).to(device)
        history = training.fit(model, data.load("mnist"), draw=data.augmented_binarized, progress=False,
                               **options | {"epochs": epochs, "compile": compiled})
        value = sorted(row["images_per_second"] for row in history[1:])[(epochs - 1) // 2]
        first, second = (row["seconds"] for row in history[:2])
        more = {"seed": options["seed"]} | ({"seconds_to_compile": round(2 * first - second, 1)} if compiled else {})
        yield f"ladder, {options['precision']}{words}, images per second", round(value), "images/s", more


def peaks(device, touched):
    """Measured on the spot: float32 operations a second of a large product, bytes a second of a copy.

    touched: bytes of the copy's two ends together; as many as a step touches, since what fits in a cache moves faster.
    """
    side = 8192 if device == "cuda" else 2048
    a, here = torch.randn(side, side, device=device), torch.randn(touched // 8).to(device)
    layer, there = torch.nn.Linear(side, side, device=device), torch.empty_like(here)

    def rate(work, run, times=10):
        for _ in range(3):
            run()
        speed.synchronize(torch.device(device))
        began = time.perf_counter()
        for _ in range(times):
            run()
        speed.synchronize(torch.device(device))
        return times * work / (time.perf_counter() - began)

    with torch.no_grad():
        flops = rate(2 * side**3, lambda: layer(a))
        if device == "cpu":  # the faster of the two libraries is the peak
            with onednn_products(layer):
                flops = max(flops, rate(2 * side**3, lambda: layer(a)))
    return flops, rate(2 * 4 * len(here), lambda: there.copy_(here), times=100)


def bench_roofline(device):
    """The time that arithmetic and memory need at least, over the time a step takes.

    Arithmetic: 2 operations a weight and image forward, 4 backward (2 in the first layer: its input needs no gradient).
    Bytes: the products read the weights twice and write the gradient, the optimiser reads and writes weights, gradient
    and two moments, and the images and activations pass once each way.
    """
    for size in ROOFLINE:
        model = net(device)
        layers = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
        first = layers[0].weight.numel()
        operations = size * (6 * sum(m.weight.numel() for m in layers) - 2 * first)
        weights = sum(p.numel() for p in model.parameters())
        activations = size * (sum(m.out_features for m in layers) + 784)
        moved = 4 * (7 * weights + 3 * weights + 4 * activations)
        flops, bandwidth = peaks(device, 4 * (4 * weights + 2 * activations))
        bounds = {"arithmetic": operations / flops, "memory": moved / bandwidth}
        which = max(bounds, key=bounds.get)
        seconds = size / images_per_second(device, size, network=model)
        yield (f"roofline-fraction, batch {size}", round(bounds[which] / seconds, 3), f"of the {which} bound",
               {"peak_flops": round(flops), "peak_bytes": round(bandwidth)})


def processes(device):
    return (1, 2) if device == "cpu" else (torch.cuda.device_count(),)


def bench_scaling(device):
    """Images a second against batch size, width and processes."""
    for size in BATCHES:
        yield f"scaling, batch {size}", round(images_per_second(device, size)), "images/s"
    for width in WIDTHS:
        value = images_per_second(device, 512, network=net(device, hidden=(width, width)))
        yield f"scaling, width {width}", round(value), "images/s"
    for many in processes(device):
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={many}",
                   Path(__file__).with_name("processes.py"), device]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        yield f"scaling, {many} processes", round(float(printed.split()[-1])), "images/s"


def trained(name, folder, last, device, **options):
    """The provenance of a recipe's weights in `folder`: of those that wait for a score, or of a training that goes on.

    last: the name of the last row of these weights; where it tells of them they were scored before, and we begin anew.
    Raises
        Unfinished: the training needs another call, or has ended with this one; the next one scores the weights.
    """
    with contextlib.suppress(FileNotFoundError, RuntimeError):
        pretrained.load(name, folder)
        notes = pretrained.provenance(name, folder)
        if notes["sha256"] != results_of(device)[1].get(last, {}).get("sha256"):
            return notes
    began = time.perf_counter()
    _, notes = pretrained.train(name, folder, resume=True, device=device, **options)
    if time.perf_counter() - began > SLICE / 4:  # the score has a call of its own
        raise pretrained.Unfinished(f"{name} is trained, and not yet scored")
    return notes


def bench_fast(device):
    """Train fast-mnist from nothing; the clock is training with validation and compilation, not the test's NLL."""
    folder = Path("runs") / name_of(device)
    notes = trained("fast-mnist", folder, "seconds-to-86.76", device, onednn=device == "cpu")
    test = pretrained.evaluate("fast-mnist", folder, device=device)
    more = {"nll": round(test["nll"], 2), "standard_error": round(test["standard_error"], 2), "k": test["k"],
            "images": test["images"], "seed": notes["seed"], "epochs": notes["epochs"], "sha256": notes["sha256"]}
    reached = test["nll"] <= 86.76
    yield ("seconds-to-86.76", notes["seconds_with_validation"] if reached else None, "s" if reached else "not reached",
           more)


def bench_ladder(device, seconds=SLICE, k=500, **changes):
    """Train ladder-mnist from the next seed, a slice at a time; score it on test when it is done."""
    left = missing("ladder", device)
    seed = next((seed for seed in SEEDS if any(name.endswith(f"seed {seed}") for name in left)), SEEDS[0])
    folder = Path("runs") / name_of(device) / f"seed-{seed}"
    last = f"seconds-to-78.01, seed {seed}"
    notes = trained("ladder-mnist", folder, last, device, seconds=seconds, seed=seed, **changes)
    test = pretrained.evaluate("ladder-mnist", folder, k=k, device=device)
    more = {"standard_error": round(test["standard_error"], 2), "k": k, "images": test["images"], "seed": seed,
            "epochs": notes["epochs"], "seconds": notes["seconds_with_validation"], "sha256": notes["sha256"],
            "validation_negative_elbo": round(notes["validation_negative_elbo"], 2)}
    yield f"nll-best, seed {seed}", round(test["nll"], 2), "nats per image", more
    reached = test["nll"] <= 78.01
    yield (last, notes["seconds_with_validation"] if reached else None, "s" if reached else "not reached",
           {"seed": seed, "sha256": notes["sha256"]})


@dataclasses.dataclass(frozen=True)
class Piece:
    """run: yields rows. rows: the names of all of them on a device. gpu: whether it waits for one."""

    run: object
    rows: object
    gpu: bool = False


PIECES = {
    "speed": Piece(bench_speed, lambda device: [f"pythae-ratio, batch {size}" for size in SIZES]),
    "precision": Piece(bench_precision, lambda device: [f"images per second, {precision}, batch {size}"
                                                        for precision in precisions(device) for size in SIZES]),
    "steps": Piece(bench_steps, lambda device: [f"steps, {name}" for name in steps.LOOPS]),
    "compile": Piece(bench_compile, lambda device: ["ladder, bf16, images per second",
                                                    "ladder, bf16, compiled, images per second"], gpu=True),
    "roofline": Piece(bench_roofline, lambda device: [f"roofline-fraction, batch {size}" for size in ROOFLINE]),
    "scaling": Piece(bench_scaling, lambda device: [
        *(f"scaling, batch {size}" for size in BATCHES), *(f"scaling, width {width}" for width in WIDTHS),
        *(f"scaling, {many} processes" for many in processes(device))]),
    "fast": Piece(bench_fast, lambda device: ["seconds-to-86.76"]),
    "ladder": Piece(bench_ladder, lambda device: [f"{name}, seed {seed}" for seed in SEEDS
                                                  for name in ("nll-best", "seconds-to-78.01")], gpu=True),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pieces", nargs="*", choices=[*PIECES, []], help="default: all that fit this machine")
    parser.add_argument("--device", default=str(training.best_device()), choices=["cpu", "cuda", "mps"])
    parser.add_argument("--again", action="store_true", help="measure anew what is already there")
    options = parser.parse_args()
    device, left, without = options.device, [], ""
    if device == "cuda" and not torch.cuda.is_available():
        sys.exit("PyTorch finds no NVIDIA GPU here: run this where one is, or take --device cpu")
    for piece in options.pieces or [name for name, one in PIECES.items() if device == "cuda" or not one.gpu]:
        if PIECES[piece].gpu and device != "cuda":
            sys.exit(f"{piece} would take days here: it waits for a GPU")
        if not missing(piece, device) and not options.again:
            print(f"{piece}: done before on this device (--again measures anew)")
            continue
        try:
            for row in PIECES[piece].run(device):
                write([row], device, f"python benchmarks/bench.py {piece}")
        except pretrained.Unfinished as unfinished:
            print(unfinished)
            left.append(piece)
            break  # one piece of training a call
        except ModuleNotFoundError as error:
            print(f"{piece}: left out, {error.name} is not installed: pip install -r benchmarks/requirements.txt")
            without = f", without {piece}"
            continue
        left += [piece] if missing(piece, device) else []
    print(f"not done yet: {', '.join(left)}. Run the same command again" if left else f"all is done{without}")


if __name__ == "__main__":
    main()

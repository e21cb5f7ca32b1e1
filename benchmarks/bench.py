"""All benchmarks of the course on this machine; each piece takes less than ten minutes and is done once.

    python benchmarks/bench.py [PIECE ...] [--device cuda] [--again]

speed     images/s against pythae, two batch sizes (needs `pip install -r benchmarks/requirements.txt`)
roofline  what fraction of the possible speed a step reaches
scaling   images/s against batch size, width of the network and number of processes
fast      seconds until the recipe fast-mnist has a test NLL below 86.76 nats
ladder    the best likelihood: the recipe ladder-mnist, in slices (only where there is a GPU)

Results go to benchmarks/results/DEVICE.json: a list of {name, value, unit, device, versions, date, command}.
"""

import argparse
import json
import platform
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import speed
import torch

from vae_lib import data, pretrained, training
from vae_lib.networks import MLPDecoder, MLPEncoder
from vae_lib.onednn import onednn_products
from vae_lib.vae import VAE

RESULTS = Path(__file__).parent / "results"
SLICE = 540  # seconds of a slice of a long recipe


def name_of(device):
    """Words for the machine."""
    return torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"


def write(rows, device, command):
    """Put rows (name, value, unit, more) into the device's file, in the place of those with the same name."""
    path = RESULTS / (re.sub("[^a-z0-9]+", "-", name_of(device).lower()).strip("-") + ".json")
    known = {row["name"]: row for row in json.loads(path.read_text())} if path.exists() else {}
    for name, value, unit, *more in rows:
        known[name] = {"name": name, "value": value, "unit": unit, "device": name_of(device),
                       "versions": {"python": platform.python_version(), "torch": torch.__version__},
                       "date": datetime.now(UTC).date().isoformat(), "command": command} | (more[0] if more else {})
        print(f"{name:40} {value} {unit}", flush=True)
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(list(known.values()), indent=1) + "\n", encoding="utf-8")


def done(piece, device):
    """Whether the device's file has rows of this piece."""
    path = RESULTS / (re.sub("[^a-z0-9]+", "-", name_of(device).lower()).strip("-") + ".json")
    return path.exists() and any(f"bench.py {piece}" in row["command"] for row in json.loads(path.read_text()))


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
    """Median of 5 alternating runs against pythae's BaseTrainer, in float32; other precisions are rows of their own."""
    report = speed.compare(device, runs=5, steps=900)
    for row in report:
        yield (f"pythae-ratio, batch {row['batch_size']}", row["ratio"], "times pythae's images/s",
               {key: row[key] for key in ("epochs", "runs", "images_per_second", "negative_elbo", "standard_error")})
    for precision in ("tf32", "bf16", "fp16") if device == "cuda" else ("bf16",):
        for size in (128, 1024):
            value = images_per_second(device, size, precision=precision, network=net(device))
            yield f"images per second, {precision}, batch {size}", round(value), "images/s"


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
    for size in (128, 1024, 8192):
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


def bench_scaling(device):
    """Images a second against batch size, width and processes."""
    for size in (32, 128, 512, 2048, 8192):
        yield f"scaling, batch {size}", round(images_per_second(device, size)), "images/s"
    for width in (128, 512, 2048):
        value = images_per_second(device, 512, network=net(device, hidden=(width, width)))
        yield f"scaling, width {width}", round(value), "images/s"
    for processes in (1, 2) if device == "cpu" else (torch.cuda.device_count(),):
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}",
                   Path(__file__).with_name("processes.py"), device]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        yield f"scaling, {processes} processes", round(float(printed.split()[-1])), "images/s"


def bench_fast(device):
    """Train fast-mnist from nothing; the clock is training with validation and compilation, not the test's NLL."""
    folder = Path("runs") / name_of(device)
    _, notes = pretrained.train("fast-mnist", folder, resume=True, device=device, onednn=device == "cpu")
    test = pretrained.evaluate("fast-mnist", folder, device=device)
    more = {"nll": round(test["nll"], 2), "standard_error": round(test["standard_error"], 2), "k": test["k"],
            "images": test["images"], "seed": notes["seed"], "epochs": notes["epochs"]}
    reached = test["nll"] <= 86.76
    yield ("seconds-to-86.76", notes["seconds_with_validation"] if reached else None, "s" if reached else "not reached",
           more)


def bench_ladder(device, seconds=SLICE, k=500, **changes):
    """Train ladder-mnist, a slice at a time; score it on test when it is done."""
    if device == "cpu":
        sys.exit("ladder-mnist takes days on a CPU: it waits for a GPU")
    folder = Path("runs") / name_of(device)
    _, notes = pretrained.train("ladder-mnist", folder, resume=True, device=device, seconds=seconds, **changes)
    test = pretrained.evaluate("ladder-mnist", folder, k=k, device=device)
    more = {"standard_error": round(test["standard_error"], 2), "k": k, "images": test["images"], "seed": notes["seed"],
            "epochs": notes["epochs"], "seconds": notes["seconds_with_validation"], "sha256": notes["sha256"],
            "validation_negative_elbo": round(notes["validation_negative_elbo"], 2)}
    yield f"nll-best, seed {notes['seed']}", round(test["nll"], 2), "nats per image", more
    reached = test["nll"] <= 78.01
    yield ("seconds-to-78.01", notes["seconds_with_validation"] if reached else None, "s" if reached else "not reached",
           {"seed": notes["seed"]})


PIECES = {"speed": bench_speed, "roofline": bench_roofline, "scaling": bench_scaling, "fast": bench_fast,
          "ladder": bench_ladder}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pieces", nargs="*", choices=[*PIECES, []], help="default: all that fit this machine")
    parser.add_argument("--device", default=training.best_device())
    parser.add_argument("--again", action="store_true", help="measure anew what is already there")
    options = parser.parse_args()
    for piece in options.pieces or [p for p in PIECES if p != "ladder" or options.device == "cuda"]:
        if done(piece, options.device) and not options.again:
            print(f"{piece}: done before on this device (--again measures anew)")
            continue
        try:
            for row in PIECES[piece](options.device):
                write([row], options.device, f"python benchmarks/bench.py {piece}")
        except pretrained.Unfinished as unfinished:
            sys.exit(f"{unfinished}: run the same command again")
        except ModuleNotFoundError as error:
            print(f"{piece}: left out, {error.name} is not installed: pip install -r benchmarks/requirements.txt")


if __name__ == "__main__":
    main()

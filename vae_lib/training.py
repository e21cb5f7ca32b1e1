"""Training: one plain loop for every model of the course.

The data stay on the device as bytes and are binarised there. A run depends on its seed and on
nothing else, and leaves the caller's random numbers as they were; stopped and started again from
its checkpoint, it ends as if it had not been stopped.
"""

import math
import os
import sys
import time
from pathlib import Path

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from vae_lib import data as datasets
from vae_lib.checks import check_images
from vae_lib.objectives import negative_elbo

__all__ = ["NonFiniteLoss", "best_device", "fit"]

READ_EVERY = 100  # steps between two looks at the running loss, the only waiting for the device


class NonFiniteLoss(RuntimeError):
    """The loss became NaN or infinite; the message says at which step and where to look."""


def best_device():
    """The fastest device here: "cuda", "mps" (Apple) or "cpu"."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def fit(model, x, *, epochs, loss=negative_elbo, batch_size=128, lr=1e-3, warmup_steps=0, decay=False, ema=None,
        clip=None, binarize=False, validation=None, seed=0, checkpoint=None, progress=True, label=""):
    """Minimise the mean of `loss(model, x, step)` with Adam; the model is changed in place.

    Arguments
        x: training images `(n, *x_shape)`: floats, or uint8 together with `binarize=True`.
        loss: gives one number an image, `(batch,)`; `objectives.negative_elbo`, or your own.
        lr, warmup_steps, decay: the learning rate rises linearly over `warmup_steps`, then stays, or
            falls to zero along a cosine if `decay`.
        ema: keep an exponential moving average of the weights with this decay (0.999, say); validation
            uses it, and the model ends with it.
        clip: largest norm of the gradient.
        binarize: draw x ~ Bernoulli(pixel) anew at every use.
        validation: images scored after every epoch, as they are (never drawn anew), by the loss of the last step
            (so that a KL weight that warms up is 1).
        checkpoint: a file to write after every epoch, atomically, and to start from where it exists. It goes on
            only with the model and the settings that it was written with.
    Returns
        A list with one dict an epoch: `epoch, train, validation, images_per_second`.
    Raises
        NonFiniteLoss: with the step and the likely causes.
        TypeError, ValueError: for images, settings or a checkpoint that do not fit, with the fix.
    """
    for name, value in {"epochs": epochs, "batch_size": batch_size}.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    x = _to_device(x, model, binarize)
    validation = _validation(validation)
    steps = math.ceil(len(x) / batch_size)
    # one fused kernel updates all weights; CPU and CUDA have it
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, eps=1e-4, fused=x.device.type != "mps")
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _schedule(warmup_steps, epochs * steps, decay))
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(ema)) if ema else None
    order = torch.Generator().manual_seed(seed)
    # the number of epochs matters to what was already done only through the decay
    settings = {"images": len(x), "batch_size": batch_size, "lr": lr, "warmup_steps": warmup_steps, "ema": ema,
                "decay over epochs": epochs if decay else 0, "clip": clip, "binarize": binarize, "seed": seed}
    history, start = [], 0

    with torch.random.fork_rng(devices=[x.device] if x.device.type == "cuda" else []):
        torch.manual_seed(seed)
        if checkpoint and Path(checkpoint).exists():
            history = _restore(checkpoint, model, optimizer, schedule, average, order, settings)
            start = len(history)
        bar = tqdm(total=epochs * steps, initial=start * steps, disable=not progress, file=sys.stdout, desc=label,
                   mininterval=0.5, ncols=90, bar_format="{desc}{percentage:3.0f}%|{bar}| {elapsed} {postfix}")
        for epoch in range(start, epochs):
            train, seconds = _epoch(model, x, loss, optimizer, schedule, average, order, batch_size, binarize, clip,
                                    epoch * steps, bar)
            row = {"epoch": epoch + 1, "train": train, "images_per_second": len(x) / seconds}
            if validation is not None:
                row["validation"] = score(average.module if average else model, validation, loss, epochs * steps)
            history.append(row)
            shown = row.get("validation", train)
            bar.set_postfix_str(f"epoch {epoch + 1}: {shown:.1f}" + (" (validation)" if "validation" in row else ""))
            if checkpoint:
                _save(checkpoint, model, optimizer, schedule, average, order, settings, history)
        bar.close()
    if average:
        model.load_state_dict(average.module.state_dict())
    return history


@torch.no_grad()
def score(model, x, loss=negative_elbo, step=0, batch_size=1000, seed=0):
    """The mean loss of `x`, nats per image. It draws with its own seed and leaves the random numbers as they were."""
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        total = sum(loss(model, part.to(device), step).double().sum() for part in x.split(batch_size))
    model.train(training)
    return (total / len(x)).item()


def _to_device(x, model, binarize):
    device = next(model.parameters()).device
    if isinstance(x, datasets.Images):
        x = x.images
    if len(x) == 0:
        raise ValueError("x is empty: there is nothing to train on")
    drawn = isinstance(x, torch.Tensor) and x.dtype == torch.uint8
    if drawn and not binarize:
        raise TypeError("x holds uint8 pixels: pass binarize=True to draw x ~ Bernoulli(pixel) at every use, "
                        "or use data.load(..., as_float=True)")
    if not drawn:
        check_images(x, getattr(model, "x_shape", x.shape[1:]))
    return x.to(device)


def _validation(x):
    if isinstance(x, datasets.Images):
        x = x.images
    if x is not None and x.dtype == torch.uint8:
        raise TypeError("validation holds uint8 pixels, and it is scored as it is: use "
                        'data.static_binarized(name, "validation"), or data.load(..., as_float=True)')
    if x is not None and len(x) == 0:
        raise ValueError("validation is empty: leave it out, or check the index that selected it")
    return x


def _schedule(warmup, total, decay):
    def factor(step):
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup))) if decay else 1.0
    return factor


def _epoch(model, x, loss, optimizer, schedule, average, order, batch_size, binarize, clip, step, bar):
    """One pass over the data; returns the mean loss and the seconds it took."""
    checked = getattr(model, "check_values", None)
    try:
        return _steps(model, x, loss, optimizer, schedule, average, order, batch_size, binarize, clip, step, bar)
    finally:
        if checked:
            model.check_values = True


def _steps(model, x, loss, optimizer, schedule, average, order, batch_size, binarize, clip, step, bar):
    model.train()
    began = time.perf_counter()
    total = torch.zeros((), device=x.device)
    first_bad = torch.full((), -1, device=x.device)
    done = 0
    for k, batch in enumerate(datasets.batches(x, batch_size, order)):
        if binarize:
            batch = datasets.binarize(batch)
        value = loss(model, batch, step + k)
        if value.shape != (len(batch),):
            raise ValueError(f"the loss must give one number an image, shape ({len(batch)},), got "
                             f"{tuple(value.shape)}: sum over the dimensions of an image, not over the batch")
        value = value.mean()
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        schedule.step()
        if average:
            average.update_parameters(model)
        if hasattr(model, "check_values"):
            model.check_values = False  # the first batch was read; reading each would wait for the device
        value = value.detach()
        first_bad = torch.where((first_bad < 0) & ~value.isfinite(), step + k, first_bad)
        total += value * len(batch)
        done += len(batch)
        bar.update()
        if k % READ_EVERY == READ_EVERY - 1 or done == len(x):
            if first_bad >= 0:
                raise NonFiniteLoss(_why(first_bad.item(), optimizer))
            bar.set_postfix_str(f"{total.item() / done:.1f}", refresh=False)
    return total.item() / len(x), time.perf_counter() - began


def _why(step, optimizer):
    lr = optimizer.param_groups[0]["lr"]
    return (f"the loss is not finite at step {step} (learning rate {lr:.2g}). Likely causes: a learning rate that is "
            "too high (try a tenth, or warmup_steps=500); an unbounded logvar or log σ (clip=100, or bound it); "
            "log(0) or 0/0 in your loss; NaN in the data")


def _save(path, model, optimizer, schedule, average, order, settings, history):
    """Write all that the next epoch depends on to `path`: the whole new file, or none of it."""
    state = {
        "model": model.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(),
        "average": average.state_dict() if average else None, "order": order.get_state(),
        "settings": settings,
        "random": torch.get_rng_state(), "history": history,
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,
    }
    partial = Path(f"{path}.partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _restore(path, model, optimizer, schedule, average, order, settings):
    fix = "delete it to begin anew, or give this run another file"
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        changed = [f"{name} {old!r} (now {settings.get(name)!r})"
                   for name, old in state.get("settings", {}).items() if old != settings.get(name)]
        history = state["history"]
    except OSError:
        raise
    except Exception as error:  # what is no checkpoint may fail to load in any way
        raise ValueError(f"checkpoint {path} is damaged or no checkpoint: {fix}") from error
    if changed:
        raise ValueError(f"checkpoint {path} is of a run with other settings, {', '.join(changed)}: {fix}")
    try:
        model.load_state_dict(state["model"])
    except RuntimeError as error:
        raise ValueError(f"checkpoint {path} is of another model: {fix}") from error
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    if average:
        average.load_state_dict(state["average"])
    order.set_state(state["order"])
    torch.set_rng_state(state["random"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    return history

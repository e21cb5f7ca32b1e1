"""Training: one call for every model of the course, on a CPU, on a GPU, or in many processes.

The data stay on the device as bytes and are binarised there. A run depends on its seed and on
nothing else, and leaves the caller's random numbers as they were; stopped and started again from
its checkpoint, it ends as if it had not been stopped. Chapter 6 builds it step by step. On Apple's MPS nothing of this
was tried: expect the same losses, and do not count on the same random numbers after a stop.
"""

import contextlib
import copy
import math
import numbers
import pickle
import sys
import time
from pathlib import Path

import torch
from torch.optim.adamw import adamw
from tqdm import tqdm

from vae_lib import checkpoints, distributed
from vae_lib import data as datasets
from vae_lib.checks import check_images
from vae_lib.flat import Flat
from vae_lib.objectives import negative_elbo
from vae_lib.onednn import onednn_products

__all__ = ["PRECISIONS", "NonFiniteLoss", "best_device", "fit", "score"]

READ_EVERY = 100  # steps between two looks at the running loss, the only waiting for the device
PRECISIONS = {"float32": None, "tf32": None, "bf16": torch.bfloat16, "fp16": torch.float16}

# what a step keeps beside the weights
STATE = ("average", "mean", "square", "updates", "number", "scale", "since_overflow")


class NonFiniteLoss(RuntimeError):
    """The loss became NaN or infinite; the message says at which step and where to look."""


def best_device():
    """The fastest device here: "cuda", "mps" (Apple) or "cpu"."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def fit(model, x, *, epochs, loss=negative_elbo, batch_size=128, lr=1e-3, betas=(0.9, 0.999), weight_decay=0.0,
        warmup_steps=0, decay=False, ema=None, clip=None, binarize=False, draw=None, validation=None, validate_every=1,
        patience=None, precision="float32", onednn=False, compile=False, graph=None, workers=0, seed=0,
        checkpoint=None, checkpoint_every=1, seconds=None, progress=True, label=""):
    """Minimise the mean of `loss(model, x, step)` with Adam; the model is changed in place.

    Arguments
        x: training images `(n, *x_shape)`: floats, or uint8 together with `binarize=True`; or, for more images than
            fit in memory, a `torch.utils.data.Dataset` of images or (image, label) pairs, read by `workers` processes.
            They begin anew in each epoch, which takes seconds, so that a run that was stopped goes on as if it had not.
        loss: gives one number an image, `(batch,)`; `objectives.negative_elbo`, or your own. `step` is a tensor.
        batch_size: images a step, over all processes.
        lr, warmup_steps, decay: the learning rate rises linearly over `warmup_steps`, then stays, or
            falls to zero along a cosine if `decay`.
        betas, weight_decay: as in `torch.optim.AdamW`.
        ema: keep an exponential moving average of the weights with this decay (0.999, say); validation
            uses it, and the model ends with it.
        clip: largest norm of the gradient.
        binarize: draw x ~ Bernoulli(pixel) anew at every use.
        draw: instead of `binarize`, any function from a batch as stored to what `loss` gets, called at every use.
        validation: images scored after every `validate_every` epochs, as they are (never drawn anew), by the loss of
            the last step (so that a KL weight that warms up is 1).
        patience: stop when that many validations in a row were no better than the best one; the model ends with the
            weights of the best.
        precision: "float32"; "tf32" (products of float32 rounded to 10 bits, on GPUs that have it); "bf16" or "fp16"
            (products in 16 bits, sums and weights in float32; "fp16" scales the loss). The score is always in float32.
        onednn: on a CPU, let oneDNN compute the products of linear layers; on many processors faster (see `onednn`).
        compile: pass the loss, or the model's `regions()` where it names some, through `torch.compile`; it pays
            when the run is longer than the compilation.
        graph: on CUDA, record the step once and replay it (a CUDA graph). Default: where that is possible.
        checkpoint: a file to write after every `checkpoint_every` epochs, atomically, and to start from where it
            exists. It goes on only with the model and the settings that it was written with.
        seconds: stop after the first epoch that ends later than this; call again, with `checkpoint`, to go on.
    Returns
        A list with one dict an epoch: `epoch, train, images_per_second, seconds` and, where it was scored,
        `validation`. `seconds` counts from the first call on, compilation and validation included.
    Raises
        NonFiniteLoss: with the step and the likely causes.
        TypeError, ValueError: for images, settings or a checkpoint that do not fit, with the fix.
        OSError: the checkpoint cannot be written; the one before is kept.
    """
    began = time.perf_counter()
    _check_counts(epochs=epochs, batch_size=batch_size, validate_every=validate_every,
                  checkpoint_every=checkpoint_every, **{} if patience is None else {"patience": patience})
    _check_range(lr=(lr, lr > 0 and math.isfinite(lr), "above 0"),
                 warmup_steps=(warmup_steps, warmup_steps >= 0, "0 or more"),
                 ema=(ema, not ema or 0 < ema < 1, "None, or between 0 and 1"),
                 clip=(clip, not clip or clip > 0, "None, or above 0"),
                 seconds=(seconds, not seconds or seconds > 0, "None, or above 0"))
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    if onednn and compile:
        raise ValueError("onednn=True and compile=True exclude each other: torch.compile chooses its own products")
    if patience and validation is None:
        raise ValueError("patience needs validation images: pass validation=data.static_binarized(name, 'validation')")
    draw = datasets.binarize if binarize else draw
    device = next(model.parameters()).device
    if device.type == "mps" and precision == "fp16":
        raise ValueError('fp16 needs a scaled Adam that PyTorch has not for MPS: take "float32" or "bf16"')
    source = _source(x, model, draw, batch_size, device, workers)
    validation = _validation(validation, device)
    if checkpoint and distributed.rank() == 0:
        checkpoints.writable(checkpoint)
    # the number of epochs matters to what was already done only through the decay
    settings = {"images": source.images, "batch_size": batch_size, "lr": lr, "betas": list(betas),
                "weight_decay": weight_decay, "warmup_steps": warmup_steps, "ema": ema,
                "decay over epochs": epochs if decay else 0, "clip": clip, "binarize": binarize, "patience": patience,
                "precision": precision, "onednn": onednn, "processes": distributed.world(), "seed": seed,
                "loss options": dict(getattr(loss, "keywords", {}))}

    with (_own_random_numbers(device, seed + distributed.rank()), _unchecked(model), _products(precision),
          onednn_products(model) if onednn else contextlib.nullcontext()):
        flat, order = Flat(model), torch.Generator().manual_seed(seed)
        try:
            total_steps = epochs * source.steps
            step = _Step(model, flat, loss, draw, source, _rates(lr, warmup_steps, total_steps, decay), device,
                         betas=betas, weight_decay=weight_decay, ema=ema, clip=clip, precision=precision)
            run = {"history": [], "best": None, "stale": 0}
            if checkpoint and Path(checkpoint).exists():
                run = _restore(checkpoint, settings, step, order)
            if len(set(distributed.gather(len(run["history"])))) > 1:
                raise ValueError(f"the processes go on from different checkpoints, or some from none: on several "
                                 f"machines {checkpoint} must lie in a folder that all of them share")
            past = run["history"][-1]["seconds"] if run["history"] else 0.0
            if len(run["history"]) < epochs:
                _look(model, source, draw, loss, order)
                step.prepare(compile, graph)
            bar = tqdm(total=total_steps, initial=len(run["history"]) * source.steps, file=sys.stdout, desc=label,
                       disable=not progress or distributed.rank() > 0, mininterval=0.5, ncols=110,
                       bar_format="{desc}{percentage:3.0f}%|{bar}| {elapsed} {postfix}")
            for epoch in range(len(run["history"]), epochs):
                if patience and run["stale"] >= patience:
                    break
                last = epoch + 1 == epochs
                row = {"epoch": epoch + 1} | _epoch(step, source, order, bar, checkpoint)
                if validation is not None and (last or (epoch + 1) % validate_every == 0):
                    with step.averaged(), _not_compiled(model):
                        row["validation"] = score(model, validation, loss, total_steps)
                    if not math.isfinite(row["validation"]):
                        raise NonFiniteLoss(f"the score of the validation images is {row['validation']} after epoch "
                                            f"{epoch + 1}, and the training loss is finite: look for values in them "
                                            "that training never met, and for an unbounded logvar or log σ")
                    _remember_best(run, row["validation"], step, patience)
                row["seconds"] = past + time.perf_counter() - began
                run["history"].append(row)
                nats, of = (row["validation"], " (validation)") if "validation" in row else (row["train"], "")
                bar.set_postfix_str(f"epoch {epoch + 1}: {nats:.1f} nats{of}, {row['images_per_second']:,.0f} images/s")
                late = bool(seconds) and distributed.any_of(time.perf_counter() - began > seconds)
                if checkpoint and (last or late or (epoch + 1) % checkpoint_every == 0):
                    _save(checkpoint, settings, step, order, run)
                if late:
                    break
            bar.close()
            flat.values.copy_(run["best"]["values"] if run["best"] else step.average)
        finally:
            flat.release()
            for part in getattr(model, "regions", list)():
                part._compiled_call_impl = None
    return run["history"]


@torch.no_grad()
def score(model, x, loss=negative_elbo, step=0, batch_size=1000, seed=0):
    """The mean loss of `x`, nats per image. It draws with its own seed and leaves the random numbers as they were."""
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    step = torch.as_tensor(step, device=device)
    with _own_random_numbers(device, seed):
        total = sum(loss(model, part.to(device), step).cpu().double().sum() for part in x.split(batch_size))
    model.train(training)
    return (total / len(x)).item()


class _Step:
    """One step of Adam, and all that the next step depends on.

    On CUDA the step is recorded once as a graph, from the indices of the batch to the new weights, and then replayed:
    one call starts a hundred small kernels.
    """

    def __init__(self, model, flat, loss, draw, source, rates, device, *, betas, weight_decay, ema, clip, precision):
        self.model, self.flat, self.draw, self.source = model, flat, draw, source
        self.loss = self.fast_loss = loss
        self.device, self.ema, self.clip, self.dtype = device, ema, clip, PRECISIONS[precision]
        distributed.broadcast(flat.values)
        self.rates = torch.as_tensor(rates, device=device)
        self.adam = {"betas": betas, "weight_decay": weight_decay}
        self.mean, self.square = torch.zeros_like(flat.values), torch.zeros_like(flat.values)
        # counters on the device: nothing in an epoch waits for them
        self.updates = torch.zeros((), device=device)
        self.average = flat.values.clone() if ema else flat.values
        self.number = torch.zeros((), dtype=torch.long, device=device)
        self.total = torch.zeros((), device=device)
        self.first_bad = torch.full((), -1, dtype=torch.long, device=device)
        # fp16 reaches down to 6e-8 only: the loss is scaled up, and the scale is halved when a gradient overflows
        self.scale = torch.full((), 2.0**16 if precision == "fp16" else 1.0, device=device)
        self.since_overflow = torch.zeros((), device=device)
        self.graph = None

    def prepare(self, compile, graph):
        """Compile the loss and record the graph, where asked for. Trial steps are undone."""
        if compile:
            regions = getattr(self.model, "regions", list)()
            for part in regions:
                part.compile(dynamic=False)
            self.fast_loss = self.loss if regions else torch.compile(self.loss, dynamic=False)
        if graph is None:
            graph = self.device.type == "cuda" and isinstance(self.source, _Resident) and distributed.world() == 1
        if not graph or self.source.steps_of_full_size == 0:
            return
        state = copy.deepcopy(self.state())
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # three steps, in which libraries choose their kernels
            for _ in range(3):
                self.source.first.zero_()  # there may be no second batch
                self(self.source.next_batch(), self.source.batch_size)
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self(self.source.next_batch(), self.source.batch_size)
        self.load(state)

    def __call__(self, batch, images):
        """Update the weights by this process's share of a batch of `images` images."""
        model, flat = self.model, self.flat
        flat.grad.zero_()
        if len(batch):
            x = self.draw(batch) if self.draw else batch
            # a smaller last batch is not worth a compilation of its own
            whole = images == self.source.batch_size
            with self.autocast(), contextlib.nullcontext() if whole else _not_compiled(self.model):
                values = (self.fast_loss if whole else self.loss)(model, x, self.number)
            if values.shape != (len(batch),):
                raise ValueError(f"the loss must give one number an image, shape ({len(batch)},), got "
                                 f"{tuple(values.shape)}: sum over the dimensions of an image, not over the batch")
            value = values.sum() / images
            (value * self.scale).backward() if self.dtype == torch.float16 else value.backward()
            value = value.detach()
            # written this way, it needs no answer from the device
            bad = (self.first_bad < 0) & ~value.isfinite()
            self.first_bad.copy_(torch.where(bad, self.number, self.first_bad))
            self.total += value * images
        distributed.add(flat.grad)
        overflow = self.unscale() if self.dtype == torch.float16 else None
        if self.clip:
            flat.grad.mul_((self.clip / (flat.grad.norm() + 1e-6)).clamp(max=1))
        self.update(overflow)
        if self.ema:
            # the average begins with the weights after the first step
            self.average.lerp_(flat.values, torch.where(self.number == 0, 1.0, 1 - self.ema).to(flat.values.dtype))
        self.number += 1

    @torch.no_grad()
    def update(self, overflow=None):
        """Adam, by one kernel over all weights; the method's class costs seconds of imports at its first step."""
        lr = self.rates.index_select(0, self.number.view(1)).squeeze()
        adamw([self.flat.values], [self.flat.grad], [self.mean], [self.square], [], [self.updates], amsgrad=False,
              beta1=self.adam["betas"][0], beta2=self.adam["betas"][1], lr=lr, eps=1e-4, maximize=False,
              weight_decay=self.adam["weight_decay"], fused=self.device.type != "mps", foreach=False,
              capturable=self.device.type == "cuda", found_inf=overflow)

    def unscale(self):
        """Divide the gradient by the scale, then choose the next one; returns 1 where the step must be left out."""
        self.flat.grad.div_(self.scale)
        overflow = 1.0 - self.flat.grad.sum().isfinite().float()
        self.since_overflow.copy_((self.since_overflow + 1) * (1 - overflow))
        double = (self.since_overflow > 0) & (self.since_overflow % 2000 == 0)
        self.scale.mul_(1 - 0.5 * overflow + double.float())
        return overflow

    def autocast(self):
        if self.dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    @contextlib.contextmanager
    def averaged(self):
        """The model has the averaged weights meanwhile."""
        if not self.ema:
            yield
            return
        own = self.flat.values.clone()
        self.flat.values.copy_(self.average)
        try:
            yield
        finally:
            self.flat.values.copy_(own)

    def state(self):
        """Everything but the random numbers of other processes: what a checkpoint holds."""
        return {name: getattr(self, name) for name in STATE} | {
            "values": self.flat.values, "buffers": dict(self.model.named_buffers()),
            "shapes": {name: list(p.shape) for name, p in self.model.named_parameters()},
            "random": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state() if self.device.type == "cuda" else None}

    def load(self, state):
        """Go back to such a state, in place: a recorded graph keeps its memory."""
        for name in STATE:
            getattr(self, name).copy_(state[name])
        self.flat.values.copy_(state["values"])
        self.total.zero_()
        self.first_bad.fill_(-1)
        for name, value in self.model.named_buffers():
            value.copy_(state["buffers"][name])
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda" and state["cuda"] is not None:
            torch.cuda.set_rng_state(state["cuda"])


class _Resident:
    """Images that stay on the device as they are stored."""

    def __init__(self, x, batch_size, device):
        self.x, self.images, self.batch_size = x.to(device), len(x), min(batch_size, len(x))
        self.steps = math.ceil(self.images / self.batch_size)
        self.steps_of_full_size = self.images // self.batch_size
        # where the epoch's order lies, and which batch of it is next: a recorded step reads both on the device
        self.order = torch.arange(self.images, device=device)
        self.row = torch.arange(self.batch_size, device=device)
        self.first = torch.zeros((), dtype=torch.long, device=device)

    def begin(self, order):
        self.order.copy_(torch.randperm(self.images, generator=order))
        self.first.zero_()

    def batches(self, workers=0):
        """This process's part of every batch, and how many images the whole batch has."""
        for index in self.order.split(self.batch_size):
            yield self.x.index_select(0, distributed.share(index)), len(index)

    def next_batch(self):
        index = self.order.index_select(0, self.first + self.row)
        self.first += self.batch_size
        return self.x.index_select(0, index)

    def rest(self):
        """The images of the last batch, if it is smaller than the others."""
        index = self.order[self.steps_of_full_size * self.batch_size:]
        return self.x.index_select(0, index), len(index)


class _Streamed:
    """Images of a `Dataset`, read by other processes while the device computes."""

    def __init__(self, dataset, batch_size, device, workers):
        self.dataset, self.images, self.batch_size = dataset, len(dataset), min(batch_size, len(dataset))
        self.device, self.workers = device, workers
        self.steps, self.steps_of_full_size = math.ceil(self.images / self.batch_size), 0

    def begin(self, order):
        self.order = torch.randperm(self.images, generator=order)
        # the loader seeds its workers: by the run's order, and without a number of the training's
        self.generator = torch.Generator().manual_seed(order.initial_seed() + int(self.order[0]))

    def batches(self, workers=None):
        workers = self.workers if workers is None else workers
        parts = self.order.split(self.batch_size)
        shares = [distributed.share(part).tolist() for part in parts]
        with _reading():
            loader = iter(torch.utils.data.DataLoader(
                self.dataset, batch_sampler=[share for share in shares if share], generator=self.generator,
                num_workers=workers, collate_fn=_images_of, pin_memory=self.device.type == "cuda",
                # "spawn" is what macOS and Windows do, and the only way that is safe after CUDA has started
                multiprocessing_context="spawn" if workers else None))
        for share, part in zip(shares, parts, strict=True):
            with _reading():
                # of a last batch smaller than the number of processes, some get nothing
                batch = next(loader) if share else torch.empty(0)
            yield batch.to(self.device, non_blocking=True), len(part)


@contextlib.contextmanager
def _reading():
    """Say what helps where the processes that read images can't begin or have ended."""
    try:
        yield
    except (AttributeError, RuntimeError, pickle.PicklingError) as error:
        words = str(error)
        if "pickle" not in words and "exited unexpectedly" not in words:
            raise
        raise RuntimeError(f"the workers that read images did not begin, or ended ({words.splitlines()[0]}): each is a "
                           "new process that imports the data set. Define its class and its functions in a file that "
                           "can be imported, without lambda, or take workers=0") from error


def _images_of(items):
    """A batch from what a data set gives: images, or pairs of image and label."""
    images = [item[0] if isinstance(item, (tuple, list)) else item for item in items]
    other = next((one for one in images if not isinstance(one, torch.Tensor)), None)
    if other is not None:
        raise TypeError(f"the data set gives {type(other).__name__} objects, and tensors are needed: give it "
                        "transform=torchvision.transforms.ToTensor()")
    shapes = {tuple(one.shape) for one in images}
    if len(shapes) > 1:
        raise ValueError(f"the data set gives images of several shapes, {sorted(shapes)[:3]}: bring them to one, as "
                         "torchvision.transforms.Resize and CenterCrop do")
    return torch.stack(images)


def _source(x, model, draw, batch_size, device, workers):
    if isinstance(x, datasets.Images):
        x = x.images
    if isinstance(x, torch.utils.data.Dataset):
        if len(x) == 0:
            raise ValueError("x is empty: there is nothing to train on")
        return _Streamed(x, batch_size, device, workers)
    if len(x) == 0:
        raise ValueError("x is empty: there is nothing to train on")
    drawn = isinstance(x, torch.Tensor) and x.dtype == torch.uint8
    if drawn and not draw:
        raise TypeError("x holds uint8 pixels: pass binarize=True to draw x ~ Bernoulli(pixel) at every use, "
                        "or use data.load(..., as_float=True)")
    if not drawn:
        check_images(x, getattr(model, "x_shape", x.shape[1:]))
    return _Resident(x, batch_size, device)


def _validation(x, device):
    if isinstance(x, datasets.Images):
        x = x.images
    if x is not None and x.dtype == torch.uint8:
        raise TypeError("validation holds uint8 pixels, and it is scored as it is: use "
                        'data.static_binarized(name, "validation"), or data.load(..., as_float=True)')
    if x is not None and x.is_floating_point() and not x.isfinite().all():
        raise ValueError("validation holds NaN or infinity: leave those images out")
    if x is not None and len(x) == 0:
        raise ValueError("validation is empty: leave it out, or check the index that selected it")
    return None if x is None else x.to(device)


def _check_counts(**counts):
    for name, value in counts.items():
        if not isinstance(value, numbers.Integral):
            raise ValueError(f"{name} must be a whole number, got {value!r}")
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def _check_range(**given):
    for name, (value, fits, words) in given.items():
        if not fits:
            raise ValueError(f"{name} must be {words}, got {value!r}")


def _rates(lr, warmup, total, decay):
    """The learning rate of every step."""
    step = torch.arange(total, dtype=torch.float64)
    rate = torch.ones_like(step)
    if decay:
        rate = 0.5 * (1 + torch.cos(math.pi * (step - warmup) / max(1, total - warmup)))
    return (lr * torch.where(step < warmup, (step + 1) / max(1, warmup), rate)).float()


@contextlib.contextmanager
def _own_random_numbers(device, seed):
    """Seed the generators that training uses, and give the caller's state back at the end."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices, device_type="cuda"):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            torch.cuda.manual_seed(seed)
        elif device.type == "mps":
            torch.mps.manual_seed(seed)
        yield


@contextlib.contextmanager
def _unchecked(model):
    """Leave out the reading of values, which would wait for the device at every step."""
    before = getattr(model, "check_values", None)
    try:
        yield
    finally:
        if before is not None:
            model.check_values = before


@contextlib.contextmanager
def _not_compiled(model):
    """Run the parts of the model that were compiled as they are written: for sizes that come up once."""
    parts = [part for part in getattr(model, "regions", list)() if part._compiled_call_impl]
    compiled = [part._compiled_call_impl for part in parts]
    for part in parts:
        part._compiled_call_impl = None
    try:
        yield
    finally:
        for part, call in zip(parts, compiled, strict=True):
            part._compiled_call_impl = call


@contextlib.contextmanager
def _products(precision):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest" if precision == "float32" else "high")
    convolutions, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, precision != "float32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
        torch.backends.cudnn.allow_tf32 = convolutions


@torch.no_grad()
def _look(model, source, draw, loss, order):
    """Let the model check the values of the first batch, then never again; no weight or random number changes."""
    if not hasattr(model, "check_values"):
        return
    state, training = order.get_state(), model.training
    source.begin(order)
    batch, _ = next(iter(source.batches(workers=0)))  # not worth their start
    order.set_state(state)
    with _own_random_numbers(next(model.parameters()).device, 0):
        model.eval()
        loss(model, draw(batch) if draw else batch, torch.zeros((), dtype=torch.long, device=batch.device))
        model.train(training)
    model.check_values = False


def _epoch(step, source, order, bar, checkpoint):
    """One pass over the data: the mean loss and the images per second."""
    step.model.train()
    began = time.perf_counter()
    source.begin(order)
    step.total.zero_()
    done = 0
    if step.graph:
        for k in range(source.steps_of_full_size):
            step.graph.replay()
            done += source.batch_size
            _report(step, k, done, source.images, bar, checkpoint)
        rest = [source.rest()] if done < source.images else []
    else:
        rest = source.batches()
    for k, (batch, images) in enumerate(rest):
        step(batch, images)
        done += images
        _report(step, k, done, source.images, bar, checkpoint)
    train = distributed.add(step.total.clone()).item() / source.images
    return {"train": train, "images_per_second": source.images / (time.perf_counter() - began)}


def _report(step, k, done, images, bar, checkpoint):
    """Now and then read what the device counted."""
    bar.update()
    if k % READ_EVERY == READ_EVERY - 1 or done == images:
        # the processes stop together, with the earliest step: a bad gradient reaches the others one step later
        bad = min((first for first in distributed.gather(step.first_bad.item()) if first >= 0), default=-1)
        if bad < 0 and done == images and not step.flat.values.isfinite().all():
            bad = step.number.item() - 1  # a finite loss may have a gradient that is not
        if bad >= 0:
            raise NonFiniteLoss(_why(bad, step, checkpoint))
        bar.set_postfix_str(f"{step.total.item() * distributed.world() / done:.1f}", refresh=False)


def _why(number, step, checkpoint):
    kept = ""
    if checkpoint:
        kept = (f". The last good checkpoint is {checkpoint}" if Path(checkpoint).exists()
                else f". There is no checkpoint {checkpoint} yet")
    return (f"the loss is not finite at step {number} (learning rate {step.rates[number].item():.2g}). Likely "
            "causes: a learning rate that is too high (try a tenth, or warmup_steps=500); an unbounded logvar or log σ "
            "(clip=100, or bound it); log(0) or 0/0 in your loss; NaN in the data" + kept)


def _remember_best(run, value, step, patience):
    if not patience:
        return
    if run["best"] is None or value < run["best"]["score"]:
        run["best"], run["stale"] = {"score": value, "values": step.average.clone()}, 0
    else:
        run["stale"] += 1


def _save(path, settings, step, order, run):
    """Write all that the next epoch depends on."""
    state = step.state()
    state["random"], state["cuda"] = zip(*distributed.gather((state["random"], state["cuda"])), strict=True)
    if distributed.rank() == 0:
        checkpoints.write(path, state | {"settings": settings, "order": order.get_state(), "run": run})


def _restore(path, settings, step, order):
    state = checkpoints.read(path, settings)
    if state["shapes"] != {name: list(p.shape) for name, p in step.model.named_parameters()}:
        raise ValueError(f"checkpoint {path} is of another model: {checkpoints.FIX}")
    rank = distributed.rank()
    step.load(state | {"random": state["random"][rank], "cuda": state["cuda"][rank]})
    order.set_state(state["order"])
    run = state["run"]
    if run["best"]:
        run["best"]["values"] = run["best"]["values"].to(step.device)
    return run

"""Laws of the engine: where the images lie, how many processes train, when it is killed: the weights are the same."""

import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
import torch
import torchvision
from conftest import small_vae
from PIL import Image
from test_training import FULL, HELD_OUT, PIXELS, RUN, assert_same, differ, run
from torch import nn
from torchvision import transforms
from tqdm import tqdm
from waiting import waited_for

from vae_lib import checkpoints, data, training
from vae_lib.hierarchical import LadderVAE
from vae_lib.objectives import negative_elbo

FLOATS = data.binarize(PIXELS, torch.Generator().manual_seed(3))
HERE = Path(__file__).parent
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU, and torch sees none here")


def fit(model=None, x=PIXELS, **options):
    """A trained small VAE and its history without the times."""
    model = small_vae() if model is None else model
    history = training.fit(model, x, **RUN | options)
    return model, [{key: row[key] for key in row if key not in ("images_per_second", "seconds")} for row in history]


# Streamed images

class Stored(torch.utils.data.Dataset):
    """Images that are read one by one, as from files."""

    def __init__(self, x, labels):
        self.x, self.labels = x, labels

    def __len__(self):
        return len(self.x)

    def __getitem__(self, k):
        return (self.x[k], k % 10) if self.labels else self.x[k]


@pytest.mark.parametrize(("labels", "workers"), [(False, 0), (True, 0), (True, 2)])
def test_images_of_a_dataset_train_like_those_in_memory(labels, workers):
    # with workers one epoch, and a class of torch's: each imports what it needs, which takes seconds
    options = FULL | ({"epochs": 1} if workers else {})
    resident = fit(**options)
    stored = torch.utils.data.TensorDataset(PIXELS, torch.arange(50)) if workers else Stored(PIXELS, labels)
    assert_same(fit(x=stored, workers=workers, **options), resident)
    assert differ(fit(x=Stored(PIXELS.flip(0), labels), **options), resident)


def folder_of_images(folder, transform, sizes=(8,)):
    for name in ("a", "b"):
        (folder / name).mkdir()
        for k in range(6):
            size = sizes[k % len(sizes)]
            Image.fromarray(PIXELS[k, 0].numpy()).resize((size, size)).save(folder / name / f"{k}.png")
    return torchvision.datasets.ImageFolder(folder, transform)


def test_a_folder_of_images_trains_with_workers_as_without(tmp_path):
    """torchvision's own loader, and transforms that other processes can import."""
    images = folder_of_images(tmp_path, transforms.Compose([transforms.Grayscale(), transforms.ToTensor()]))
    options = {"epochs": 1, "batch_size": 5, "draw": data.binarize, "binarize": False}
    assert_same(fit(x=images, workers=2, **options), fit(x=images, workers=0, **options))


@pytest.mark.parametrize(("transform", "sizes", "workers", "kind", "words"), [
    (None, (8,), 0, TypeError, "transform=torchvision.transforms.ToTensor()"),
    (transforms.ToTensor(), (8, 9), 0, ValueError, "Resize and CenterCrop"),
    (transforms.Lambda(lambda image: image), (8,), 1, RuntimeError, "without lambda, or take workers=0"),
])
def test_a_dataset_that_does_not_fit_is_an_error_that_names_the_fix(transform, sizes, workers, kind, words, tmp_path):
    images = folder_of_images(tmp_path, transform, sizes)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 64))  # it reads no values first
    with pytest.raises(kind) as error:
        training.fit(net, images, loss=lambda model, x, step: model(x).sum(1), epochs=1, batch_size=5, workers=workers,
                     progress=False)
    assert words in str(error.value)


def test_an_empty_dataset_is_an_error():
    with pytest.raises(ValueError, match="x is empty"):
        fit(x=Stored(PIXELS[:0], False))


# Stopped by the clock, by patience, by a fault

def test_a_run_in_pieces_by_the_clock_ends_as_in_one(tmp_path):
    whole = fit(**FULL, validation=HELD_OUT)
    for epochs in (1, 2, 3, 4):  # every piece is over after one epoch, though few are saved otherwise
        part = fit(**FULL, validation=HELD_OUT, checkpoint=tmp_path / "run", checkpoint_every=3, seconds=1e-9)
        assert len(part[1]) == epochs
    assert_same(part, whole)


def test_the_seconds_of_all_pieces_add_up(tmp_path):
    options = RUN | {"checkpoint": tmp_path / "run", "seconds": 1e-9}
    rows = [training.fit(small_vae(), PIXELS, **options)[-1]["seconds"] for _ in range(3)]
    assert 0 < rows[0] < rows[1] < rows[2]


def test_patience_keeps_the_best_weights():
    """Scored are scripted numbers: best at the second epoch, then three worse ones."""
    scores, weights = iter([5.0, 3.0, 4.0, 3.5, 3.0, 2.0]), []

    def scripted(model, *_):
        weights.append({key: value.clone() for key, value in model.state_dict().items()})
        return next(scores)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "score", scripted)
        model, history = fit(epochs=6, validation=HELD_OUT, patience=3)
    assert [row["validation"] for row in history] == [5.0, 3.0, 4.0, 3.5, 3.0]
    for key, value in model.state_dict().items():
        assert torch.equal(value, weights[1][key])


def test_patience_without_validation_is_an_error_that_names_the_fix():
    with pytest.raises(ValueError, match="pass validation="):
        fit(patience=2)


@pytest.mark.parametrize(("every", "scored"), [(1, [1, 2, 3, 4]), (3, [3, 4]), (9, [4])])
def test_validation_every_few_epochs_and_at_the_end(every, scored):
    model, history = fit(validation=HELD_OUT, validate_every=every)
    assert [row["epoch"] for row in history if "validation" in row] == scored
    assert not differ((model, None), fit())


@pytest.mark.parametrize("where", ["first epoch", "third epoch"])
def test_a_loss_that_is_not_finite_names_the_last_good_checkpoint(tmp_path, where):
    at = {"first epoch": 1, "third epoch": 9}[where]

    def loss(model, x, step):
        return negative_elbo(model, x, step) * torch.where(step == at, torch.nan, 1.0)

    with pytest.raises(training.NonFiniteLoss) as error:
        fit(loss=loss, checkpoint=tmp_path / "run")
    assert f"at step {at} " in str(error.value)
    said = "There is no checkpoint" if at < 4 else "The last good checkpoint is"
    assert f"{said} {tmp_path / 'run'}" in str(error.value)
    if at > 4:
        assert_same(fit(checkpoint=tmp_path / "run"), fit())


def test_weights_that_are_not_finite_are_never_kept(tmp_path):
    """A finite loss may have a gradient that is not, as √x at 0: here at the last step of the second epoch."""
    class Bad(torch.autograd.Function):
        forward = staticmethod(lambda ctx, v: v.clone())
        backward = staticmethod(lambda ctx, g: g * torch.nan)

    def loss(model, x, step):
        values = negative_elbo(model, x, step)
        return Bad.apply(values) if step == 7 else values

    with pytest.raises(training.NonFiniteLoss, match="at step 7 "):
        fit(loss=loss, checkpoint=tmp_path / "run")
    state = torch.load(tmp_path / "run", weights_only=True)
    assert len(state["run"]["history"]) == 1 and state["values"].isfinite().all()


# The disk

def test_a_folder_that_cannot_be_written_is_an_error_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    calls = []
    with pytest.raises(OSError) as error:
        fit(checkpoint=tmp_path / "file" / "run", loss=lambda *args: calls.append(1))
    assert not calls
    for part in ("cannot write checkpoint", "free some space there or give this run another folder", "nothing was"):
        assert part in str(error.value)


FULL_DISK = Path("/dev/full")


@pytest.mark.skipif(not FULL_DISK.exists(), reason="needs /dev/full, a device of Linux that is always full")
def test_a_full_disk_keeps_the_old_checkpoint_and_leaves_nothing_else(tmp_path, monkeypatch):
    fit(epochs=2, checkpoint=tmp_path / "run")
    before, opened = (tmp_path / "run").read_bytes(), Path.open

    def full(path, mode="r", *args, **kwargs):
        return opened(FULL_DISK if mode == "wb" else path, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError) as error:
        fit(checkpoint=tmp_path / "run")
    monkeypatch.undo()
    assert "the one written before is untouched" in str(error.value)
    assert (tmp_path / "run").read_bytes() == before and list(tmp_path.iterdir()) == [tmp_path / "run"]
    assert_same(fit(checkpoint=tmp_path / "run"), fit())


LIMITED = textwrap.dedent("""
    import resource, signal, sys
    from pathlib import Path
    import torch
    from vae_lib import checkpoints
    path, state = Path(sys.argv[1]), {"w": torch.zeros(2000), "m": [torch.ones(300)] * 3, "n": 3}
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    checkpoints.write(path, state)
    whole = path.read_bytes()
    for size in range(0, len(whole), 97):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        try:
            checkpoints.write(path, state)
            sys.exit(f"{size} bytes were enough")
        except OSError as error:
            assert "the one written before is untouched" in str(error), error
        assert path.read_bytes() == whole and list(path.parent.iterdir()) == [path]
""")


@pytest.mark.skipif(sys.platform == "win32", reason="needs the limit of a file's size that Unix has")
def test_a_disk_that_is_full_after_any_number_of_bytes_is_an_error_with_a_remedy(tmp_path):
    done = subprocess.run([sys.executable, "-c", LIMITED, tmp_path / "run"], capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(HERE.parent)})
    assert not done.returncode, done.stderr[-2000:]


def test_what_a_kill_left_behind_is_cleared_away(tmp_path):
    (tmp_path / "run.partial").write_bytes(b"half a checkpoint")
    assert_same(fit(checkpoint=tmp_path / "run"), fit())
    assert list(tmp_path.iterdir()) == [tmp_path / "run"]


# Killed

KILLS = 50
LIVES = FULL | {"validation": HELD_OUT, "epochs": 6}


def child(path, seconds, inside, options=LIVES):
    """Train in a forked process, killed after `seconds`, or inside the writing of checkpoint number `inside`.

    Returns whether the kill came before the end.
    """
    pid = os.fork()
    if pid == 0:
        try:
            # the progress bar's own lock is shared by all forks: whoever is killed while holding it stops the others
            tqdm.set_lock(threading.RLock())
            if inside:
                written, fsync = [], os.fsync

                def killing(fd):
                    written.append(fd)
                    if len(written) == inside:
                        os.truncate(fd, 1000)
                        os.kill(os.getpid(), signal.SIGKILL)
                    fsync(fd)

                os.fsync = killing
            fit(checkpoint=path, **options)
            os._exit(0)
        except BaseException:
            os._exit(1)
    if not inside:
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
    status = status_of(pid)
    assert not (os.WIFEXITED(status) and os.WEXITSTATUS(status)), "the run failed instead of being killed"
    return os.WIFSIGNALED(status)


def status_of(pid):
    """The status with which a child ends; one that does not end is a failure, not a wait for ever."""
    found = []
    try:
        waited_for("the end of a forked run", lambda: found.append(os.waitpid(pid, os.WNOHANG)) or found[-1][0], 60)
    except AssertionError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    return found[-1][1]


def survive(path, whole, kills, options=LIVES):
    """Kill runs at random moments and start them again until `kills` hit; each run's end is as that of `whole`."""
    draw, hit, lengths = random.Random(0), 0, []
    for _ in range(3):
        began = time.perf_counter()
        fit(**options)
        lengths.append(time.perf_counter() - began)
    length = min(lengths)  # a busy machine must not spread the kills over a time when nothing runs any more
    while hit < kills:
        Path(path).unlink(missing_ok=True)
        for _ in range(4):
            inside = draw.choice([0, 0, 0, 1, 2])
            if not child(path, draw.uniform(0.001, length), inside, options):
                break
            hit += 1
        assert_same(fit(checkpoint=path, **options), whole)
    return hit


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which Windows lacks")
def test_killed_at_50_random_moments_a_run_ends_as_if_it_had_not_been(tmp_path):
    assert survive(tmp_path / "run", fit(**LIVES), KILLS) >= KILLS


FORGOTTEN = {"moments": ("mean", "square"), "the count of steps": ("updates",), "place in the schedule": ("number",),
             "moving average": ("average",), "random numbers": ("random",), "order of the data": ("order",)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which Windows lacks")
@pytest.mark.parametrize("part", FORGOTTEN)
def test_the_law_of_the_kills_refuses_a_checkpoint_that_forgets(tmp_path, monkeypatch, part):
    path, whole, read = tmp_path / "run", fit(**LIVES), checkpoints.read
    assert child(path, 0, 3)
    fresh = {"random": lambda v: tuple(torch.Generator().manual_seed(9).get_state() for _ in v),
             "order": lambda v: torch.Generator().manual_seed(9).get_state()}

    def forgets(*args):
        state = read(*args)
        return state | {name: fresh.get(name, torch.zeros_like)(state[name]) for name in FORGOTTEN[part]}

    monkeypatch.setattr(checkpoints, "read", forgets)
    with pytest.raises(AssertionError):
        assert_same(fit(checkpoint=path, **LIVES), whole)


# Many processes

PROCESSES = textwrap.dedent("""
    import sys
    from pathlib import Path
    import torch
    sys.path.insert(0, sys.argv[2])
    torch.set_num_threads(1)
    import test_engine as t
    from vae_lib import distributed
    distributed.start("cpu")
    folder = Path(sys.argv[1])
    for name, options in t.SHARED.items():
        torch.save(t.shared(**options), folder / f"{name}.{distributed.rank()}")
    t.shared(epochs=1, checkpoint=folder / "run")
    torch.save(t.shared(epochs=3, checkpoint=folder / "run"), folder / f"resumed.{distributed.rank()}")
    try:  # each machine has its own folder: only that of process 0 gets a checkpoint
        own = folder / f"machine {distributed.rank()}" / "run"
        t.shared(epochs=1, checkpoint=own)
        t.shared(epochs=3, checkpoint=own)
    except ValueError as error:
        (folder / f"apart.{distributed.rank()}").write_text(str(error))
    try:
        t.shared(epochs=1, bad=distributed.rank() == 1)
    except t.training.NonFiniteLoss as error:
        (folder / f"error.{distributed.rank()}").write_text(str(error))
""")
# 50 images in batches of 7: the last batch has one image, fewer than there are processes
SHARED = {"step": {"epochs": 1, "batch_size": 50}, "epochs": {"epochs": 3}, "streamed": {"epochs": 3, "streamed": True}}


def shared(epochs, batch_size=7, streamed=False, bad=False, **more):
    """The weights of an autoencoder, in float64, after a training without random numbers."""
    torch.manual_seed(distributed_rank())  # process 0's weights are what counts
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.Tanh(), nn.Linear(5, 64)).double()
    x = FLOATS.double()

    def loss(model, x, step):
        return (model(x) - x.flatten(1)).square().sum(1) * (torch.nan if bad else 1.0)

    training.fit(net, Stored(x, False) if streamed else x, loss=loss, epochs=epochs, batch_size=batch_size, lr=1e-2,
                 ema=0.9, clip=5.0, decay=epochs > 1 and not more, progress=False, **more)
    return net.state_dict()


def distributed_rank():
    from vae_lib import distributed
    return distributed.rank()


def assert_close_weights(ours, theirs):
    for key, value in theirs.items():
        # a gradient is a sum in another order: 1e-16 of it, and 24 steps of Adam
        torch.testing.assert_close(ours[key], value, atol=1e-11, rtol=1e-11)


def test_two_processes_train_as_one_on_the_same_batches(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")]),
                                "OMP_NUM_THREADS": "1"}
    (tmp_path / "script.py").write_text(PROCESSES)
    done = subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
                           tmp_path / "script.py", tmp_path, HERE], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert not done.stdout, "something was printed"
    found = {name: [torch.load(tmp_path / f"{name}.{rank}") for rank in (0, 1)] for name in (*SHARED, "resumed")}
    for name, (first, second) in found.items():
        assert all(torch.equal(first[key], second[key]) for key in first), "the processes have other weights"
        alone = shared(**SHARED[name]) if name in SHARED else shared(epochs=3, checkpoint=tmp_path / "alone")
        assert_close_weights(first, alone)
    for rank in (0, 1):  # only the images of process 1 were bad; both stop, and name the same step
        assert "not finite at step 0 " in (tmp_path / f"error.{rank}").read_text()
        assert "a folder that all of them share" in (tmp_path / f"apart.{rank}").read_text()
    assert torch.load(tmp_path / "run", weights_only=True)["settings"]["processes"] == 2
    with pytest.raises(ValueError, match=r"processes 2 \(now 1\)"):
        shared(epochs=3, checkpoint=tmp_path / "run")


def test_the_law_of_two_processes_refuses_a_wrong_weight_of_the_last_batch(monkeypatch):
    """The mean over the processes of their means, say: the process without an image halves the other's."""
    right, batches = shared(epochs=3), training._Resident.batches
    monkeypatch.setattr(training._Resident, "batches", lambda self, workers=0: (
        (part, images if images > 1 else 2) for part, images in batches(self)))
    with pytest.raises(AssertionError):
        assert_close_weights(shared(epochs=3), right)


# Precision

def test_bf16_trains_as_well_as_float32():
    """Close: within four standard deviations of float32 over seeds."""
    options = {"epochs": 30, "validation": HELD_OUT, "validate_every": 30}
    exact = [fit(seed=seed, **options)[1][-1]["validation"] for seed in range(5)]
    rough = fit(precision="bf16", **options)
    assert abs(rough[1][-1]["validation"] - statistics.mean(exact)) <= 4 * statistics.stdev(exact)
    assert differ(rough, fit(**options)), "the precision had no effect"
    assert all(p.dtype == torch.float32 for p in rough[0].parameters())


def test_the_score_is_in_float32_whatever_the_training_was():
    model, history = fit(precision="bf16", validation=HELD_OUT, epochs=2)
    loss = training.score(model, HELD_OUT, step=8)
    assert history[-1]["validation"] == loss


@pytest.mark.parametrize("precision", ["tf32", "fp16"])
def test_other_precisions_train(precision):
    _, history = fit(precision=precision, epochs=10)
    assert history[-1]["train"] < history[0]["train"]


def step_of(precision="fp16"):
    """A step of training, in fp16, of a model of one weight."""
    from vae_lib.flat import Flat

    class One(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(1))

    model = One()
    cpu = torch.device("cpu")
    source = training._Resident(torch.ones(4, 1), 4, cpu)
    return training._Step(model, Flat(model), lambda m, x, s: m.w * x[:, 0], None, source, [0.1] * 9, cpu,
                          betas=(0.9, 0.999), weight_decay=0.0, ema=None, clip=None, precision=precision)


def test_the_loss_scale_halves_at_an_overflow_and_doubles_after_2000_good_steps():
    step = step_of()
    start = step.scale.item()
    step.flat.grad[0] = torch.inf
    assert step.unscale() == 1 and step.scale == start / 2 and step.since_overflow == 0
    for k in range(1, 4001):
        step.flat.grad.fill_(step.scale.item())
        assert step.unscale() == 0
        assert step.flat.grad[0] == 1, "the gradient is not divided by the scale"
        assert step.scale == start / 2 * 2 ** (k // 2000)


def test_a_step_that_overflows_is_left_out():
    step = step_of()
    batch = torch.ones(4, 1)
    step(batch, 4)
    after_one = step.flat.values.clone(), step.mean.clone(), step.updates.clone()
    step.scale.fill_(torch.inf)
    step(batch, 4)
    for value, before in zip((step.flat.values, step.mean, step.updates), after_one):
        assert torch.equal(value, before)
    assert step.number == 2 and step.first_bad == -1


def test_an_unknown_precision_is_an_error_that_names_those_there_are():
    with pytest.raises(ValueError, match="one of float32, tf32, bf16, fp16, got 'half'"):
        fit(precision="half")


# Compiled

needs_compiler = pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None,
                                    reason="torch.compile needs a C++ compiler on a CPU, and there is no g++")


@needs_compiler
def test_a_compiled_run_is_the_same_within_rounding_and_leaves_nothing_compiled():
    """No draw but those of the seed: compiled code draws other random numbers, so the model is deterministic here."""
    torch.manual_seed(0)
    models = [nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Tanh(), nn.Linear(3, 64)) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    models[1].regions = lambda: [models[1][1]]  # one layer: seconds

    def loss(model, x, step):
        return (model(x) - x.flatten(1)).square().sum(1)

    for model, compile in zip(models, (False, True)):
        training.fit(model, FLOATS, loss=loss, epochs=3, batch_size=16, compile=compile, progress=False)
    assert models[1][1]._compiled_call_impl is None
    for key, value in models[0].state_dict().items():
        # 12 steps of 1e-3: a sum in another order changes a step by at most some 1e-6 of it
        torch.testing.assert_close(models[1].state_dict()[key], value, atol=1e-5, rtol=1e-4)


# CUDA

def on_cuda(**options):
    return fit(small_vae().to("cuda"), **options)


@needs_cuda
@pytest.mark.parametrize("images", [50, 17])
def test_a_recorded_step_is_the_step_itself(images):
    options = FULL | {"x": PIXELS[:images]}
    assert_same(on_cuda(**options, graph=True), on_cuda(**options, graph=False))


@needs_cuda
def test_a_run_on_a_gpu_goes_on_as_if_it_had_not_been_stopped(tmp_path):
    whole = on_cuda(**FULL)
    for _ in range(4):
        part = on_cuda(**FULL, checkpoint=tmp_path / "run", seconds=1e-9)
    assert_same(part, whole)


@needs_cuda
@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
@pytest.mark.parametrize("compile", [False, True])
def test_every_precision_trains_on_a_gpu(precision, compile):
    _, history = on_cuda(precision=precision, compile=compile, epochs=10)
    assert history[-1]["train"] < history[0]["train"]


@needs_cuda
def test_a_compiled_ladder_trains_on_a_gpu():
    model = LadderVAE((1, 8, 8), (4, 6), (1, 2), 2, (1, 1), context=1).to("cuda")
    _, history = fit(model, compile=True, precision="bf16", epochs=6)
    assert history[-1]["train"] < history[0]["train"]
    assert all(part._compiled_call_impl is None for part in model.regions())


def test_the_runs_of_other_tests_are_those_of_these():
    assert_same(fit(), run())

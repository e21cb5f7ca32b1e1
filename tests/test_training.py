"""Laws of training: a run is a function of its seed, whether it is interrupted or not, and its errors say why."""

import math
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from conftest import assert_mean, small_vae

from vae_lib import data, networks, training
from vae_lib.objectives import negative_elbo
from vae_lib.vae import VAE

PIXELS = torch.randint(0, 256, (50, 1, 8, 8), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
HELD_OUT = data.binarize(PIXELS[:20], torch.Generator().manual_seed(2))
RUN = {"epochs": 4, "batch_size": 16, "lr": 1e-2, "binarize": True, "progress": False}
FULL = RUN | {"warmup_steps": 3, "decay": True, "ema": 0.9, "clip": 50.0}


def run(options=RUN, **more):
    """A trained small VAE and its history, without the times."""
    model = small_vae()
    history = training.fit(model, PIXELS, **(options | more))
    return model, [{key: row[key] for key in row if key not in ("images_per_second", "seconds")} for row in history]


def assert_same(one, other):
    """Two runs ended alike, bit for bit."""
    assert one[1] == other[1]
    for key, value in one[0].state_dict().items():
        assert torch.equal(value, other[0].state_dict()[key]), key


def differ(one, other):
    return any(not torch.equal(value, other[0].state_dict()[key]) for key, value in one[0].state_dict().items())


# Random numbers

def test_a_run_depends_on_its_seed_and_on_nothing_else():
    torch.manual_seed(1)
    one = run(FULL)
    torch.manual_seed(2)
    torch.rand(7)
    assert_same(one, run(FULL))
    assert differ(one, run(FULL, seed=1))


def test_a_run_leaves_the_callers_random_numbers_alone():
    before = torch.get_rng_state()
    run(validation=HELD_OUT)
    training.score(small_vae(), HELD_OUT)
    assert torch.equal(torch.get_rng_state(), before)


def test_validation_changes_nothing_but_what_is_reported():
    one, other = run(FULL), run(FULL, validation=HELD_OUT)
    assert not differ(one, other)
    assert [row["train"] for row in one[1]] == [row["train"] for row in other[1]]
    assert all(math.isfinite(row["validation"]) for row in other[1])


def test_scoring_is_repeatable_and_leaves_the_model_as_it_was():
    model = small_vae().train()
    assert training.score(model, HELD_OUT) == training.score(model, HELD_OUT)
    assert model.training and model.check_values
    assert training.score(model, HELD_OUT) != training.score(model, HELD_OUT, seed=1)


def test_images_are_drawn_anew_in_every_epoch_each_with_its_probability():
    seen = []

    def loss(model, x, step):
        if torch.is_grad_enabled():  # not when the first batch is looked at
            seen.append(x)
        return negative_elbo(model, x)

    training.fit(small_vae(), PIXELS[:1].expand(400, 1, 8, 8), loss=loss, **RUN | {"epochs": 5, "batch_size": 400})
    assert_mean(torch.cat(seen), PIXELS[0] / 255)
    assert not torch.equal(seen[0], seen[1])


def test_every_epoch_sees_every_image_once_in_another_order():
    x = torch.linspace(0, 1, 50)[:, None, None, None].expand(50, 1, 8, 8)
    seen, model = [], small_vae()
    model.check_values = False

    def loss(model, batch, step):
        if torch.is_grad_enabled():  # not when the first batch is looked at
            seen.append(batch[:, 0, 0, 0])
        return negative_elbo(model, batch)

    training.fit(model, x, loss=loss, **RUN | {"epochs": 2, "binarize": False})
    first, second = torch.cat(seen[:4]), torch.cat(seen[4:])
    assert torch.equal(first.sort().values, x[:, 0, 0, 0]) and torch.equal(second.sort().values, x[:, 0, 0, 0])
    assert not torch.equal(first, second)


# What is minimised, and what is reported

class Scalar(torch.nn.Module):
    """One weight w, for losses that are known by heart."""

    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(()))


def test_the_reported_loss_weighs_a_smaller_last_batch_by_its_images():
    x = torch.arange(10.0)[:, None]
    history = training.fit(Scalar(), x, loss=lambda model, batch, step: batch[:, 0] + 0 * model.w, epochs=1,
                           batch_size=4, progress=False)
    assert history[0]["train"] == pytest.approx(4.5)  # the mean of 0..9; of three batch means it would differ
    assert training.score(Scalar(), x, lambda model, batch, step: batch[:, 0], batch_size=4) == pytest.approx(4.5)


def test_training_minimises():
    model = Scalar()
    x = torch.full((64, 1), 3.0)
    training.fit(model, x, loss=lambda model, batch, step: (batch[:, 0] - model.w).square(), epochs=60, batch_size=16,
                 lr=0.1, decay=True, progress=False)
    assert abs(model.w.item() - 3.0) < 1e-2


def test_the_learning_rate_warms_up_and_falls_along_a_cosine(monkeypatch):
    rates = []

    adamw = training.adamw
    monkeypatch.setattr(training, "adamw",
                        lambda *args, lr, **more: rates.append(float(lr)) or adamw(*args, lr=lr, **more))
    training.fit(Scalar(), torch.ones(16, 1), loss=lambda model, batch, step: batch[:, 0] * model.w, lr=1.0,
                 warmup_steps=4, decay=True, epochs=5, batch_size=4, progress=False)
    expected = [0.25, 0.5, 0.75, 1.0] + [0.5 * (1 + math.cos(math.pi * k / 16)) for k in range(16)]
    assert rates == pytest.approx(expected)


def test_the_moving_average_is_what_the_model_ends_with():
    weights = []

    def loss(model, batch, step):
        weights.append(model.w.item())
        return (batch[:, 0] - model.w).square()

    model = Scalar()
    training.fit(model, torch.ones(8, 1), loss=loss, epochs=3, batch_size=4, lr=0.1, ema=0.9, progress=False)
    last = Scalar()
    training.fit(last, torch.ones(8, 1), loss=loss, epochs=3, batch_size=4, lr=0.1, progress=False)
    steps = [*weights[1:6], last.w.item()]  # the weight after each of six steps
    average = steps[0]
    for w in steps[1:]:
        average = 0.9 * average + 0.1 * w
    assert model.w.item() == pytest.approx(average, abs=1e-6)  # float32


def test_progress_is_printed_only_when_asked_for(capsys):
    run()
    assert capsys.readouterr() == ("", "")
    run(progress=True, label="small ", validation=HELD_OUT)
    shown = capsys.readouterr()
    assert "small 100%" in shown.out and "(validation)" in shown.out and not shown.err


# Interrupted and gone on with

class Stop(Exception):
    """An interruption."""


def stopping(at, error=KeyboardInterrupt):
    """A loss that is interrupted at a step."""
    def loss(model, x, step):
        if step == at:
            raise error
        return negative_elbo(model, x, step)
    return loss


@pytest.mark.parametrize("options", [RUN, FULL], ids=["plain", "warm-up, decay, average, clip"])
@pytest.mark.parametrize("at", [0, 4, 9, 15])
def test_an_interrupted_run_ends_as_if_it_had_not_been(tmp_path, options, at):
    whole = run(options, validation=HELD_OUT)
    with pytest.raises(KeyboardInterrupt):
        run(options, validation=HELD_OUT, checkpoint=tmp_path / "run", loss=stopping(at))
    assert (tmp_path / "run").exists() == (at >= 4)  # after the first epoch, of 4 steps
    assert_same(run(options, validation=HELD_OUT, checkpoint=tmp_path / "run"), whole)


def test_a_run_that_was_killed_ends_as_if_it_had_not_been(tmp_path):
    code = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        import test_training as t
        def loss(model, x, step):
            if step == 9:
                os.kill(os.getpid(), signal.SIGKILL)
            return t.negative_elbo(model, x, step)
        t.run(t.FULL, validation=t.HELD_OUT, checkpoint=Path(sys.argv[1]), loss=loss)
    """)
    killed = subprocess.run([sys.executable, "-c", code, tmp_path / "run", Path(__file__).parent])
    assert killed.returncode == -signal.SIGKILL
    assert_same(run(FULL, validation=HELD_OUT, checkpoint=tmp_path / "run"), run(FULL, validation=HELD_OUT))


def test_a_finished_run_is_not_run_again(tmp_path):
    whole = run(FULL, checkpoint=tmp_path / "run")
    assert_same(run(FULL, checkpoint=tmp_path / "run", loss=stopping(0)), whole)


def test_a_longer_run_goes_on_from_a_shorter_one(tmp_path):
    run(RUN | {"epochs": 2}, checkpoint=tmp_path / "run")
    assert_same(run(RUN, checkpoint=tmp_path / "run"), run(RUN))


def test_a_write_that_fails_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    run(RUN | {"epochs": 1}, checkpoint=tmp_path / "run")
    before, save = (tmp_path / "run").read_bytes(), torch.save

    def full_disk(state, file):
        save(state, file)
        file.truncate(100)
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="no space left"):
        run(RUN, checkpoint=tmp_path / "run")
    assert (tmp_path / "run").read_bytes() == before
    monkeypatch.undo()
    assert_same(run(RUN, checkpoint=tmp_path / "run"), run(RUN))


def test_a_checkpoint_is_whole_on_the_disk_before_it_replaces_the_old_one(tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr(os, "fsync", lambda fd: order.append("fsync"))
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, to: order.append("replace") or replace(self, to))
    run(RUN | {"epochs": 1}, checkpoint=tmp_path / "deep" / "run")
    assert order == ["fsync", "replace"]


def other_model(checkpoint):
    training.fit(small_vae(hidden=(17,)), PIXELS, checkpoint=checkpoint, **RUN)


@pytest.mark.parametrize(("again", "part"), [
    (lambda path: run(RUN | {"lr": 3e-3}, checkpoint=path), "other settings, lr 0.01 (now 0.003)"),
    (lambda path: run(RUN | {"seed": 5}, checkpoint=path), "other settings, seed 0 (now 5)"),
    (lambda path: run(RUN | {"ema": 0.9}, checkpoint=path), "other settings, ema None (now 0.9)"),
    (lambda path: run(RUN | {"decay": True}, checkpoint=path), "other settings, decay over epochs 0 (now 4)"),
    (lambda path: training.fit(small_vae(), PIXELS[:40], checkpoint=path, **RUN), "images 50 (now 40)"),
    (other_model, "is of another model"),
    (lambda path: path.write_bytes(path.read_bytes()[:500]) and run(RUN, checkpoint=path), "is damaged"),
    (lambda path: path.write_bytes(path.read_bytes()[:-50]) and run(RUN, checkpoint=path), "is damaged"),
    (lambda path: path.write_bytes(b"") or run(RUN, checkpoint=path), "is damaged"),
    (lambda path: torch.save(small_vae().state_dict(), path) or run(RUN, checkpoint=path), "no checkpoint"),
    (lambda path: path.write_text("hello") and run(RUN, checkpoint=path), "is damaged"),
])
def test_a_checkpoint_that_does_not_fit_is_an_error_that_names_the_fix(tmp_path, again, part):
    path = tmp_path / "run"
    run(RUN | {"epochs": 1}, checkpoint=path)
    with pytest.raises(ValueError) as error:
        again(path)
    assert part in str(error.value) and str(path) in str(error.value)
    assert "delete it to begin anew, or give this run another file" in str(error.value)


def test_a_folder_in_the_place_of_a_checkpoint_is_named(tmp_path):
    with pytest.raises(OSError, match="it is a folder"):
        run(RUN, checkpoint=tmp_path)


# Errors

@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("at", [0, 2, 130])
def test_a_loss_that_is_not_finite_names_the_step_and_likely_causes(bad, at):
    def loss(model, x, step):
        return negative_elbo(model, x) + (bad if step == at else 0.0)

    with pytest.raises(training.NonFiniteLoss) as error:
        training.fit(small_vae(), PIXELS, loss=loss, **RUN | {"batch_size": 1, "epochs": 3})
    for part in (f"not finite at step {at} ", "learning rate", "warmup_steps=500", "logvar", "log(0)", "NaN in the"):
        assert part in str(error.value)


def test_a_score_of_validation_that_is_not_finite_is_such_an_error():
    def loss(model, x, step):
        return negative_elbo(model, x) * (1.0 if model.training else math.nan)

    with pytest.raises(training.NonFiniteLoss, match="validation images is nan after epoch 1"):
        training.fit(small_vae(), PIXELS, loss=loss, validation=HELD_OUT, patience=2, **RUN)


def test_a_learning_rate_that_is_too_high_is_such_an_error():
    with pytest.raises(training.NonFiniteLoss, match="learning rate 1e\\+06"):
        run(RUN | {"lr": 1e6, "epochs": 50, "batch_size": 5})


@pytest.mark.parametrize("error", [KeyboardInterrupt, Stop, training.NonFiniteLoss])
@pytest.mark.parametrize("before", [True, False])
def test_values_are_checked_again_after_any_error(error, before):
    model = small_vae()
    model.check_values = before
    with pytest.raises(error):
        training.fit(model, PIXELS, loss=stopping(2, error), **RUN)
    assert model.check_values == before
    training.fit(model, PIXELS, **RUN)
    assert model.check_values == before


FLOATS = PIXELS / 255
LABELLED = data.Images(PIXELS, torch.zeros(50).long(), "mnist", "train")


@pytest.mark.parametrize(("x", "options", "kind", "part"), [
    (PIXELS, {"binarize": False}, TypeError, "x holds uint8 pixels: pass binarize=True"),
    (LABELLED, {"binarize": False}, TypeError, "x holds uint8 pixels: pass binarize=True"),
    (LABELLED.labels, {}, TypeError, "if these are labels, pass the images"),
    (PIXELS.numpy(), {}, TypeError, "use torch.as_tensor(x)"),
    (PIXELS[:0], {}, ValueError, "x is empty: there is nothing to train on"),
    (FLOATS[:, :, :4], {}, ValueError, "x must have shape (batch, 1, 8, 8), got (50, 1, 4, 8)"),
    (FLOATS.flatten(1), {}, ValueError, "use x.reshape(-1, 1, 8, 8)"),
    (PIXELS.flatten(1), {}, ValueError, "use x.reshape(-1, 1, 8, 8)"),
    (FLOATS * 255, {}, ValueError, "divide uint8 images by 255"),
    (FLOATS * 255, {"binarize": False}, ValueError, "divide uint8 images by 255"),
    (FLOATS, {"binarize": False}, ValueError, "draw them with data.binarize(x)"),
    (FLOATS * math.nan, {}, ValueError, "NaN"),
    (PIXELS, {"epochs": 0}, ValueError, "epochs must be at least 1, got 0"),
    (PIXELS, {"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
    (PIXELS, {"epochs": 2.5}, ValueError, "epochs must be a whole number, got 2.5"),
    (PIXELS, {"patience": -1, "validation": HELD_OUT}, ValueError, "patience must be at least 1"),
    (PIXELS, {"lr": -1.0}, ValueError, "lr must be above 0, got -1.0"),
    (PIXELS, {"lr": math.nan}, ValueError, "lr must be above 0"),
    (PIXELS, {"ema": 1.5}, ValueError, "ema must be None, or between 0 and 1"),
    (PIXELS, {"clip": -1.0}, ValueError, "clip must be None, or above 0"),
    (PIXELS, {"warmup_steps": -3}, ValueError, "warmup_steps must be 0 or more"),
    (PIXELS, {"seconds": -1}, ValueError, "seconds must be None, or above 0"),
    (PIXELS, {"validation": HELD_OUT * math.nan}, ValueError, "validation holds NaN"),
    (PIXELS, {"validation": PIXELS}, TypeError, "data.static_binarized(name, \"validation\")"),
    (PIXELS, {"validation": LABELLED}, TypeError, "data.static_binarized(name, \"validation\")"),
    (PIXELS, {"validation": HELD_OUT[:0]}, ValueError, "validation is empty"),
    (PIXELS, {"loss": lambda model, x, step: model.elbo(x).elbo.mean()}, ValueError, "one number an image"),
])
def test_a_wrong_argument_is_an_error_that_names_the_fix(x, options, kind, part):
    model = small_vae()
    with pytest.raises(kind) as error:
        training.fit(model, x, **RUN | options)
    assert part in str(error.value)
    assert model.check_values
    for key, value in small_vae().state_dict().items():
        assert torch.equal(value, model.state_dict()[key]), "the model was changed before the error"


def test_a_batch_larger_than_the_data_is_the_whole_data():
    assert_same(run(batch_size=50), run(batch_size=10_000))


def test_labelled_images_are_their_images():
    model = small_vae()
    history = training.fit(model, LABELLED, **RUN)
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert not differ((model, None), run())


def test_an_autoencoder_trains_on_floats_too():
    from vae_lib.autoencoder import Autoencoder, squared_error
    model = Autoencoder(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2)),
                        networks.MLPDecoder((1, 8, 8), 2, ()), (1, 8, 8))
    history = training.fit(model, FLOATS, loss=squared_error, **RUN | {"binarize": False})
    assert history[-1]["train"] < history[0]["train"]


def test_training_raises_the_elbo():
    model, history = run(RUN | {"epochs": 20})
    assert isinstance(model, VAE) and history[-1]["train"] < history[0]["train"]


def test_the_device_is_one_that_exists():
    torch.zeros(1, device=training.best_device())

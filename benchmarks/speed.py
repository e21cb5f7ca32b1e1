"""Images per second of `vae_lib.training.fit` against pythae's `BaseTrainer`, on this machine.

Same data (one fixed binarisation of MNIST's 58,000 training images), same network (pythae's default MLP:
784-512-z16, ReLU), same loss, optimiser, learning rate, batch size, epochs and float32 (on a CPU ours are products
by oneDNN, pythae's those that PyTorch chooses). Saving is left out on both sides. The two run in turn; the ratio is
taken of the medians. Both are scored by the same function, so that speed is not bought with a worse model.
`bench.py speed` runs it.
"""

import contextlib
import io
import math
import statistics
import tempfile
import time

import torch

from vae_lib import data, evaluation, training
from vae_lib.networks import MLPDecoder, MLPEncoder
from vae_lib.vae import VAE

NETWORK = {"z_dim": 16, "hidden": (512,), "activation": "relu"}
LR = 1e-3


def ours(x, batch_size, epochs, seed):
    """Train ours; returns the model and the seconds of its epochs."""
    torch.manual_seed(seed)
    model = VAE(MLPEncoder(**NETWORK), MLPDecoder(**NETWORK)).to(x.device)
    history = training.fit(model, x, epochs=epochs, batch_size=batch_size, lr=LR, seed=seed, progress=False,
                           onednn=x.device.type == "cpu")
    return model, sum(len(x) / row["images_per_second"] for row in history)


def pythae(x, batch_size, epochs, seed):
    """Train pythae's default VAE by its own trainer; returns it as our VAE, and the seconds of its epochs."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE as PythaeVAE
    from pythae.models import VAEConfig
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()), \
            contextlib.redirect_stdout(io.StringIO()):
        config = BaseTrainerConfig(output_dir=folder, num_epochs=epochs, learning_rate=LR, seed=seed,
                                   optimizer_params={"eps": 1e-4},  # as in vae_lib
                                   per_device_train_batch_size=batch_size, no_cuda=x.device.type == "cpu")
        net = PythaeVAE(VAEConfig(input_dim=(1, 28, 28), latent_dim=16, reconstruction_loss="bce"))
        trainer = BaseTrainer(model=net, train_dataset=BaseDataset(x, torch.zeros(len(x))), training_config=config)
        trainer.prepare_training()
        seconds = 0.0
        for epoch in range(1, epochs + 1):
            trainer.callback_handler.on_epoch_begin(training_config=config, epoch=epoch,
                                                    train_loader=trainer.train_loader, eval_loader=None)
            synchronize(x.device)
            began = time.perf_counter()
            trainer.train_step(epoch)
            synchronize(x.device)
            seconds += time.perf_counter() - began
    return as_ours(net).to(x.device), seconds


def as_ours(net):
    """The same weights in our VAE, so that one function scores both."""
    model = VAE(MLPEncoder(**NETWORK), MLPDecoder(**NETWORK))
    old = net.state_dict()
    heads = {part: torch.cat([old[f"encoder.embedding.{part}"], old[f"encoder.log_var.{part}"]])
             for part in ("weight", "bias")}
    new = {f"encoder.body.2.{part}": value for part, value in heads.items()}
    for part in ("weight", "bias"):
        new[f"encoder.body.0.{part}"] = old[f"encoder.layers.0.0.{part}"]
        new[f"decoder.body.0.{part}"] = old[f"decoder.layers.0.0.{part}"]
        new[f"decoder.body.2.{part}"] = old[f"decoder.layers.1.0.{part}"]
    model.load_state_dict(new)
    return model


def synchronize(device):
    if device.type == "cuda":
        torch.cuda.synchronize()


def compare(device, runs, steps):
    """Rows with images/s of both, the scores of what they trained, and the ratio of the medians.

    steps: at least so many a run, in whole epochs; early in training a score depends more on the seed than on who
        trains.
    """
    device = torch.device(device)
    x, test = data.static_binarized("mnist", "train", device), data.static_binarized("mnist", "test", device)
    rows = []
    for batch_size in (128, 1024):
        epochs = math.ceil(steps * batch_size / len(x))
        speeds, scores = {"vae_lib": [], "pythae": []}, {"vae_lib": [], "pythae": []}
        for run in range(runs):
            for name, train in (("vae_lib", ours), ("pythae", pythae)):
                model, seconds = train(x, batch_size, epochs, seed=run)
                speeds[name].append(len(x) * epochs / seconds)
                scores[name].append(-evaluation.elbo_terms(model, test).elbo.mean().item())
        row = {"batch_size": batch_size, "epochs": epochs, "runs": runs,
               "images_per_second": {name: round(statistics.median(s)) for name, s in speeds.items()},
               "negative_elbo": {name: round(statistics.mean(s), 2) for name, s in scores.items()},
               "standard_error": {name: round(statistics.stdev(s) / runs**0.5, 2) for name, s in scores.items()}}
        row["ratio"] = round(row["images_per_second"]["vae_lib"] / row["images_per_second"]["pythae"], 2)
        rows.append(row)
    return rows

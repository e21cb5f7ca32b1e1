"""A detector for use (chapter 9): a Gaussian VAE of normal images, a score, a threshold that keeps a false-alarm rate.

It follows scikit-learn's conventions, and so its signs: `score_samples` is higher for what is more normal, where the
scores of `anomaly` are higher for what is more anomalous.
"""

import json
import math
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from vae_lib import anomaly, evaluation, networks, training
from vae_lib.likelihoods import Gaussian
from vae_lib.vae import VAE

__all__ = ["SCORES", "Detector", "threshold"]

SCORES = {
    "reconstruction_error": anomaly.reconstruction_error,
    "reconstruction_nll": anomaly.reconstruction_nll,
    "negative_elbo": anomaly.negative_elbo,
    "nll": lambda model, x: evaluation.nll(model, x, k=50, batch_size=200, progress=False),
    "kl": anomaly.kl,
    "likelihood_regret": anomaly.likelihood_regret,
}


class Detector(OutlierMixin, BaseEstimator):
    """Learn what is normal; tell how normal an image is, whether to raise an alarm, and which pixels are to blame.

    A VAE with a Gaussian likelihood of learned σ is fitted to images from which the mean image is subtracted, divided
    by the standard deviation of all pixels. A part of the images is kept from it, and sets the threshold.

    Arguments
        measure: one of `SCORES`, functions of a model and images that are larger for what is more anomalous.
        false_alarm_rate: the share of normal images that `predict` may call anomalous.
        z_dim, hidden, epochs, batch_size, lr: the network, fully connected, and its training by Adam.
        validation_share: the share of the images that sets the threshold, where `fit` gets no others for that.
        random_state: of the weights, the training and the cut.
        device: "cpu", "cuda", "mps"; the fastest here by default.
    Attributes
        model_: the fitted `VAE`, of standardised images. offset_: the threshold on `score_samples`.
    Images are arrays or tensors `(n, *x_shape)`, or `(n, features)`: floats, or uint8, which are divided by 255.
    Example
        >>> from vae_lib import data
        >>> shoes = data.load("fashion_mnist", "train")
        >>> detector = Detector(epochs=1).fit(shoes.images[shoes.labels == 9][:500])
        >>> detector.predict(shoes.images[:3]).shape
        (3,)
    """

    def __init__(self, measure="reconstruction_error", false_alarm_rate=0.05, z_dim=16, hidden=(256,), epochs=15,
                 batch_size=128, lr=2e-3, validation_share=0.1, random_state=0, device=None, progress=False):
        self.measure = measure
        self.false_alarm_rate = false_alarm_rate
        self.z_dim = z_dim
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.validation_share = validation_share
        self.random_state = random_state
        self.device = device
        self.progress = progress

    def fit(self, X, y=None, validation=None):
        """Learn from normal images `(n, *x_shape)`.

        validation: other normal images, to set the threshold by; without them a part of `X` is kept for that.
        Returns
            The detector itself.
        Raises
            TypeError, ValueError: for images or settings that do not fit, with what was given and what is expected.
        """
        self._check_settings()
        X, self.x_shape_ = _rows(X, least=2)
        self.n_features_in_ = X.shape[1]
        random = check_random_state(self.random_state)
        if validation is None:
            order, kept = random.permutation(len(X)), max(1, round(self.validation_share * len(X)))
            X, validation = X[order[kept:]], X[order[:kept]].reshape(kept, *self.x_shape_)
        self.mean_ = X.mean(0)
        self.scale_ = float(np.sqrt(np.mean((X - self.mean_) ** 2))) or 1.0
        seed = random.randint(2**31)
        self.model_ = self._network(seed).to(self.device or training.best_device())
        training.fit(self.model_, self._standardised(X.reshape(-1, *self.x_shape_)), epochs=self.epochs,
                     batch_size=min(self.batch_size, len(X)), lr=self.lr, warmup_steps=50, decay=True, seed=seed,
                     progress=self.progress, label="detector ")
        self.model_.eval()
        self.offset_ = threshold(self.score_samples(validation), self.false_alarm_rate)
        return self

    def score_samples(self, X):
        """How normal each image is, `(n,)`: minus the score, so higher is more normal."""
        x = self._standardised(X)
        return -SCORES[self.measure](self.model_, x).double().numpy()

    def decision_function(self, X):
        """`score_samples` less the threshold, `(n,)`: below 0 for what raises an alarm."""
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """+1 for a normal image, -1 for an anomaly, `(n,)`."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def pixel_map(self, X):
        """-log p(x_i|z) of each standardised pixel, z the posterior's mean: `(n, *x_shape)` nats, larger where a pixel
        was less expected.
        """
        x = self._standardised(X)
        return anomaly.pixel_nll(self.model_, x).double().numpy()

    def reconstruct(self, X):
        """What the model makes of each image, E[x|z] at the posterior's mean: `(n, *x_shape)`, in the units of `X`."""
        x = self._standardised(X)
        with torch.no_grad():
            mean = self.model_.decode(self.model_.encode(x.to(self.model_.device))[0]).cpu().numpy()
        return mean * self.scale_ + self.mean_.reshape(self.x_shape_)

    def save(self, path):
        """Write settings, weights and threshold to one safetensors file: the whole new file, or the old one stays."""
        check_is_fitted(self)
        notes = {"settings": self.get_params(), "x_shape": list(self.x_shape_), "scale": self.scale_,
                 "offset": float(self.offset_)}
        tensors = {f"model.{key}": value.contiguous().cpu() for key, value in self.model_.state_dict().items()}
        raw = save(tensors | {"mean": torch.from_numpy(self.mean_)}, {"detector": json.dumps(notes)})
        partial = Path(f"{path}.partial")
        try:
            with partial.open("wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError:
            partial.unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path, device=None):
        """The detector that `save` wrote. Reading it runs no code of the file.

        Raises
            FileNotFoundError, ValueError: there is no such file, or it holds no detector.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"there is no file {path}: write it with Detector.save, "
                                    "or with python -m vae_lib fit FOLDER")
        try:
            with safe_open(path, "pt") as file:
                notes = json.loads((file.metadata() or {})["detector"])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no dict)
            found = cls(**notes["settings"] | {"hidden": tuple(notes["settings"]["hidden"])})
            found.x_shape_, found.scale_, found.offset_ = tuple(notes["x_shape"]), notes["scale"], notes["offset"]
            found.mean_ = tensors.pop("mean").numpy()
            found.n_features_in_ = math.prod(found.x_shape_)
            found.model_ = found._network(0)
            found.model_.load_state_dict({key.removeprefix("model."): value for key, value in tensors.items()})
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{path} holds no detector, or a damaged one ({error}): save it again") from error
        found.device = device
        found.model_.to(device or training.best_device()).eval()
        return found

    def _check_settings(self):
        if self.measure not in SCORES:
            raise ValueError(f"measure must be one of {', '.join(SCORES)}, got {self.measure!r}")
        for name in ("false_alarm_rate", "validation_share"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name)!r}: 0.05 is 5 %")

    def _network(self, seed):
        shape, hidden = self.x_shape_, tuple(self.hidden)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = VAE(networks.MLPEncoder(shape, self.z_dim, hidden, "relu"),
                        networks.MLPDecoder(shape, self.z_dim, hidden[::-1], "relu"), Gaussian("learned"))
        with torch.no_grad():
            model.likelihood.log_sigma.fill_(-1.0)  # 1/e of the pixels' spread: nearer to where σ ends than 1
        model.check_values = False  # _rows has looked
        return model

    def _standardised(self, X):
        """Images as the model takes them, float32 `(n, *x_shape)`."""
        check_is_fitted(self, "model_")
        X, shape = _rows(X)
        if X.shape[1] != self.n_features_in_:
            raise ValueError(f"X has {X.shape[1]} features, but Detector is expecting {self.n_features_in_} features "
                             f"as input: images of shape {self.x_shape_}")
        if len(shape) > 1 and shape != self.x_shape_:
            raise ValueError(f"X must hold images of shape {self.x_shape_}, got {shape}: use X.reshape")
        return torch.from_numpy((X - self.mean_) / np.float32(self.scale_)).reshape(-1, *self.x_shape_)


def threshold(scores, false_alarm_rate):
    """The score below which an alarm is raised, from scores of normal images `(n,)`, higher for what is more normal.

    It is the k-th smallest, k = ⌊rate · (n + 1)⌋. A new normal image is as likely to fall in any of the n + 1 gaps
    between the old ones, so the chance of a false alarm is at most k / (n + 1), whatever the scores' distribution. This
    holds on average over the n images; with these n, the rate varies by about √(rate (1 - rate) / n).
    Source: Bates et al. 2023.
    """
    scores = np.sort(np.asarray(scores))
    k = math.floor(false_alarm_rate * (len(scores) + 1) + 1e-9)
    if k == 0:
        warnings.warn(f"{len(scores)} normal images cannot set a threshold for a false-alarm rate of "
                      f"{false_alarm_rate:g}: the lowest score is taken, for a rate of at most "
                      f"{1 / (len(scores) + 1):.2g}; pass at least {math.ceil(1 / false_alarm_rate) - 1}", stacklevel=3)
    return scores[max(k, 1) - 1]


def _rows(X, least=1):
    """Images as float32 rows `(n, features)`, and the shape of one."""
    if isinstance(X, torch.Tensor):
        X = X.detach().cpu().numpy()
    if getattr(X, "dtype", None) == np.uint8:
        X = np.asarray(X, np.float32) / 255
    shape = tuple(getattr(X, "shape", ())[1:])
    if len(shape) > 1:
        X = X.reshape(len(X), math.prod(shape))
    X = check_array(X, dtype=np.float32, ensure_min_samples=least, estimator="Detector", input_name="X")
    return X, shape if len(shape) > 1 else X.shape[1:]

"""What the capstone asks of a learner's own images: a number for each question, and the pieces that its steps share."""

import copy
import html
import json
import math
import numbers
from pathlib import Path

import numpy as np
import torch
from torch import nn

__all__ = ["QUESTIONS", "PixelModel", "Report", "pixel_nll", "split"]

QUESTIONS = {  # name -> (step, question, unit)
    "images": (1, "How many images can be used?", "images"),
    "skipped": (1, "How many files are skipped?", "files"),
    "copies": (2, "How many held-out images are exact copies of a training image?", "images"),
    "between": (3, "Which share of the training pixels is neither 0 nor 255?", "of the pixels"),
    "constant": (3, "Which share of the pixels has one value in nearly all training images?", "of the pixels"),
    "error mean": (4, "How far is the mean image from a held-out image?", "squared error per image"),
    "error PCA": (4, "How far is the reconstruction by PCA, with as many components as z will have?",
                  "squared error per image"),
    "error nearest": (4, "How far is the nearest training image?", "squared error per image"),
    "NLL pixels": (4, "What does a model without z give, one distribution for each pixel?", "nats per image"),
    "error VAE": (5, "How far is the VAE's reconstruction?", "squared error per image"),
    "ELBO": (5, "What is the ELBO?", "nats per image"),
    "rate": (5, "Which part of it is the KL divergence to the prior?", "nats per image"),
    "K": (5, "How many importance weights has your bound?", "weights"),
    "NLL": (5, "What is the importance-weighted negative log-likelihood with this K?", "nats per image"),
    "active": (5, "How many latent dimensions are active?", "dimensions"),
    "use": (6, "What does your use measure?", ""),
    "use baseline": (6, "What does its floor, its control or its trivial baseline give?", ""),
    "failure": (7, "Which number shows the failure that you found?", ""),
}


def split(n, seed=0, validation=0.15, test=0.15):
    """The numbers 0 … n - 1 in random order, cut into three index tensors: for training, validation and test.

    Raises
        ValueError: one of the three would be empty.
    """
    if min(round(validation * n), round(test * n), n - round(validation * n) - round(test * n)) < 1:
        raise ValueError(f"{n} images, cut by validation={validation} and test={test}, leave a part empty: use more "
                         "images, or other shares")
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    kept, last = round(validation * n), round(test * n)
    return order[:n - kept - last], order[n - kept - last:n - last], order[n - last:]


class PixelModel(nn.Module):
    """The trivial baseline of a likelihood: a model without z, p(x) = Π_i p(x_i), each pixel with its own parameters.

    likelihood: one of `vae_lib.likelihoods`; a copy is kept. x_shape: the shape of an image.
    """

    def __init__(self, likelihood, x_shape):
        super().__init__()
        self.likelihood, self.x_shape = copy.deepcopy(likelihood), tuple(x_shape)
        self.params = nn.Parameter(torch.zeros(likelihood.parts * x_shape[0], *x_shape[1:]))


def pixel_nll(model, x, step=0):
    """-log p(x) of each image under a `PixelModel`, `(batch,)` nats: its loss, and its exact score."""
    return -model.likelihood.log_prob(x, model.params.expand(len(x), *model.params.shape))


class Report:
    """The answers of a capstone; in a notebook it shows itself as a table with what is still missing.

    Example
        >>> report = Report()
        >>> report.note("images", 1200)
        1. How many images can be used? 1200 images
    """

    def __init__(self):
        self.numbers = {}

    def note(self, name, value, error=None, what=""):
        """Keep the answer to the question `name`, with its standard error where it has one, and print it.

        what: the number in words, for the questions that leave it open.
        Raises
            KeyError: there is no such question. ValueError: the value is no finite number, or `what` no text.
        """
        if name not in QUESTIONS:
            raise KeyError(f"no question is called {name!r}: the names are {', '.join(QUESTIONS)}")
        for one in (value, 0.0 if error is None else error):
            if not isinstance(one, numbers.Real | torch.Tensor | np.number) or not math.isfinite(one):
                raise ValueError(f"the answer to {name!r} must be a finite number, got {one!r}")
        if not isinstance(what, str):
            raise ValueError(f"what says in words what the number is, got {what!r}")
        row = {"value": float(value), "error": None if error is None else float(error), "what": what}
        self.numbers[name] = row
        print(f"{QUESTIONS[name][0]}. {what or QUESTIONS[name][1]} {self._shown(name)}")

    @property
    def missing(self):
        """The names of the questions without an answer."""
        return [name for name in QUESTIONS if name not in self.numbers]

    def save(self, path="capstone.json"):
        """Write the answers as JSON, missing ones as null."""
        rows = {name: self.numbers.get(name) for name in QUESTIONS}
        Path(path).write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def _shown(self, name):
        row = self.numbers.get(name)
        if row is None:
            return "missing"
        digits = 0 if row["value"] == round(row["value"]) and row["error"] is None else \
            max(1, 2 - math.floor(math.log10(abs(row["value"]) or 1)))
        spread = "" if row["error"] is None else f" ± {row['error']:.{digits}f}"
        return f"{row['value']:.{digits}f}{spread} {QUESTIONS[name][2]}".strip()

    def __repr__(self):
        return "\n".join(f"{step}. {(self.numbers.get(name) or {}).get('what') or question} {self._shown(name)}"
                         for name, (step, question, _) in QUESTIONS.items())

    def _repr_html_(self):
        rows = []
        for name, (step, question, _) in QUESTIONS.items():
            what = (self.numbers.get(name) or {}).get("what") or question
            rows.append(f"<tr><td>{step}</td><td>{html.escape(what)}</td><td>{html.escape(self._shown(name))}</td></tr>")
        return f"<table><thead><tr><th>Step</th><th>Question</th><th>Answer</th></tr></thead>" \
               f"<tbody>{''.join(rows)}</tbody></table>"

"""How unlike the training data an image is, by several scores, and how well a score tells two sets of images apart.

Every score is one number an image, `(n,)` on the CPU, and larger for what is more anomalous. The negative
log-likelihood itself is `evaluation.nll`. Two scores are differences: nll - png_nats is corrected for an image's
complexity (Serrà et al. 2020), nll - nll of a background model is the likelihood ratio (Ren et al. 2019).
"""

import io
import math

import torch
from PIL import Image

from vae_lib.checks import check_images, check_values
from vae_lib.objectives import gaussian_kl, reparameterize

__all__ = ["auroc", "auroc_interval", "kl", "likelihood_regret", "negative_elbo", "pixel_nll", "png_nats",
           "reconstruction_error", "reconstruction_nll", "typicality"]


def _by_batch(model, x, score, batch_size):
    """`score(part, mu, logvar)` of every batch, joined, on the CPU."""
    check_images(x, model.x_shape)
    parts = (part.to(model.device) for part in x.split(batch_size))
    return torch.cat([score(part, *model.encode(part)).cpu() for part in parts])


def _generator(model, seed):
    return torch.Generator(model.device).manual_seed(seed)


def _mean_nll(model, x, mu, logvar, k, generator):
    """-1/k Σ_k log p(x|z_k) at draws z_k ~ N(mu, e^logvar), `(batch,)` nats."""
    z = reparameterize(mu.expand(k, -1, -1), logvar.expand(k, -1, -1), generator=generator)
    return -model.likelihood.log_prob(x, model.decode(z)).mean(0)


@torch.no_grad()
def reconstruction_error(model, x, batch_size=1000):
    """|x - E[x|z]|² with z the posterior's mean, summed over pixels: no nats, since it belongs to no likelihood."""
    def score(part, mu, logvar):
        mean = model.likelihood.mean(model.decode(mu), event_dims=len(model.x_shape))
        return (part - mean).square().flatten(1).sum(1)
    return _by_batch(model, x, score, batch_size)


@torch.no_grad()
def reconstruction_nll(model, x, k=10, seed=0, batch_size=200):
    """-E_q[log p(x|z)] from `k` draws, nats: the reconstruction probability as a score. Source: An & Cho 2015."""
    generator = _generator(model, seed)
    return _by_batch(model, x, lambda part, mu, logvar: _mean_nll(model, part, mu, logvar, k, generator), batch_size)


@torch.no_grad()
def kl(model, x, batch_size=1000):
    """KL(q(z|x) ‖ p(z)) in closed form, nats."""
    return _by_batch(model, x, lambda part, mu, logvar: gaussian_kl(mu, logvar), batch_size)


def negative_elbo(model, x, k=10, seed=0, batch_size=200):
    """-ELBO, the sum of the two scores above, nats."""
    return reconstruction_nll(model, x, k, seed, batch_size) + kl(model, x)


def likelihood_regret(model, x, steps=100, lr=0.05, k=10, seed=0, batch_size=500):
    """How many nats the bound gains when q is fitted to each image alone, beginning at the encoder's q.

    The gain is measured with `10 k` draws that the fit has not seen, so that it is not biased upwards by them; it can
    come out a little below zero. Encoder and decoder stay as they are. Source: Xiao et al. 2020, who fit the
    encoder's weights for each image; here it is mu and logvar themselves, all images of a batch at once.
    """
    generator = _generator(model, seed)

    def bound(part, mu, logvar, draws):
        return -_mean_nll(model, part, mu, logvar, draws, generator) - gaussian_kl(mu, logvar)

    def score(part, mu, logvar):
        start = mu.detach(), logvar.detach()
        fitted = [one.clone().requires_grad_() for one in start]
        optimizer = torch.optim.Adam(fitted, lr=lr)
        for _ in range(steps):
            gradients = torch.autograd.grad(-bound(part, *fitted, k).sum(), fitted)
            for one, gradient in zip(fitted, gradients, strict=True):
                one.grad = gradient
            optimizer.step()
        with torch.no_grad():
            return bound(part, *fitted, 10 * k) - bound(part, *start, 10 * k)

    return _by_batch(model, x, score, batch_size).detach()


@torch.no_grad()
def pixel_nll(model, x, batch_size=1000):
    """-log p(x_i|z) of each pixel with z the posterior's mean, `(n, *x_shape)` nats: a map of what was not expected."""
    def score(part, mu, logvar):
        return -model.likelihood.distribution(model.decode(mu), len(model.x_shape)).log_prob(part)
    return _by_batch(model, x, score, batch_size)


def png_nats(x):
    """The length of each image as an 8-bit PNG file, in nats, for `x` `(n, 1 or 3, height, width)` in [0, 1]."""
    if x.dim() != 4 or x.shape[1] not in (1, 3):
        raise ValueError(f"x must have shape (n, 1 or 3, height, width) to be stored as PNG, got {tuple(x.shape)}")
    check_values(x)
    pixels = (255 * x).round().byte().cpu().movedim(1, -1)
    return torch.tensor([8 * math.log(2) * len(_png(image.squeeze(-1).numpy())) for image in pixels])


def _png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png", optimize=True)
    return file.getvalue()


def typicality(nll, reference):
    """|nll - mean nll of normal images|, nats: too likely is anomalous too. Source: Nalisnick et al. 2019."""
    return (nll - reference.mean()).abs()


def _check_scores(normal, anomalous):
    for name, scores in (("normal", normal), ("anomalous", anomalous)):
        if scores.dim() != 1 or len(scores) == 0:
            raise ValueError(f"{name} must hold one score an image, got {tuple(scores.shape)}: use {name}.flatten()")
        if scores.isnan().any():
            raise ValueError(f"{name} holds NaN: look at the images and the model they were scored by")


def _auroc(normal, anomalous):
    """Of rows of scores `(..., n)` and `(..., m)`."""
    normal = normal.sort(-1).values
    below, not_above = (torch.searchsorted(normal, anomalous, right=right) for right in (False, True))
    return (below + not_above).double().mean(-1) / (2 * normal.shape[-1])


def auroc(normal, anomalous):
    """The probability that an anomalous image scores above a normal one, ties counted half, from scores `(n,)`, `(m,)`.

    It is the area under the ROC curve (Mann & Whitney 1947): 0.5 for a score that tells nothing.
    """
    _check_scores(normal, anomalous)
    return _auroc(normal, anomalous.contiguous()).item()


def auroc_interval(normal, anomalous, level=0.95, repeats=1000, seed=0):
    """The interval of `auroc` that `level` of the bootstrap's repeats lie in: (low, high).

    In each repeat, both sets are drawn anew with replacement. It is the spread over test images, not over trainings.
    """
    _check_scores(normal, anomalous)
    generator = torch.Generator().manual_seed(seed)
    values = []
    for _ in range(0, repeats, 20):
        drawn = [one.cpu()[torch.randint(len(one), (20, len(one)), generator=generator)] for one in (normal, anomalous)]
        values.append(_auroc(*drawn))
    tails = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    return tuple(torch.cat(values)[:repeats].quantile(tails).tolist())

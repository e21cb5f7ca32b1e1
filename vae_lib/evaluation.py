"""Scores of a trained model: negative log-likelihood, ELBO terms, active units; and of a set of importance weights."""

import sys

import torch
from tqdm import tqdm

from vae_lib.checks import check_images
from vae_lib.objectives import Terms

__all__ = ["active_units", "effective_sample_size", "elbo_terms", "mean_and_error", "nll"]


@torch.no_grad()
def nll(model, x, k=5000, batch_size=50, seed=0, progress=True):
    """An upper bound on -log p(x) from `k` importance weights (IWAE-`k`), `(n,)` nats, on the CPU.

    x: images `(n, *x_shape)`, already binarised where the likelihood asks for it. The mean over images is
    the published negative log-likelihood. Memory does not depend on `k`. Every batch of `batch_size` images
    draws with its own seed.
    """
    check_images(x, model.x_shape)
    parts = []
    bar = tqdm(total=len(x), disable=not progress, file=sys.stdout, mininterval=0.5, ncols=90, desc=f"IWAE-{k} ",
               bar_format="{desc}{percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}")
    for number, part in enumerate(x.split(batch_size)):
        generator = torch.Generator(model.device).manual_seed(1_000_003 * seed + number)
        parts.append(-model.log_prob(part.to(model.device), k, generator=generator).cpu())
        bar.update(len(part))
    bar.close()
    return torch.cat(parts)


@torch.no_grad()
def elbo_terms(model, x, batch_size=1000, seed=0):
    """The ELBO and its two terms for each image, one draw of z each: `Terms` of `(n,)` tensors, nats, on the CPU."""
    check_images(x, model.x_shape)
    generator = torch.Generator(model.device).manual_seed(seed)
    parts = [model.elbo(part.to(model.device), generator) for part in x.split(batch_size)]
    return Terms(*(torch.cat(term).cpu() for term in zip(*parts)))


@torch.no_grad()
def active_units(model, x, threshold=0.01, batch_size=1000):
    """Which latent dimensions are used, a `(z_dim,)` mask: those where the posterior mean varies over `x`
    with a variance above `threshold` (Burda et al. 2016).
    """
    check_images(x, model.x_shape)
    mu = torch.cat([model.encode(part.to(model.device))[0].cpu() for part in x.split(batch_size)])
    return mu.var(0) > threshold


def effective_sample_size(log_w):
    """How many equal weights would be as good: (Σ_k w_k)² / Σ_k w_k², `(batch,)`, between 1 and K.

    log_w: log weights `(K, batch)` or `(K,)`; a factor common to all weights of an image changes nothing.
    It judges only the draws at hand: a region that no draw has met does not lower it.
    Source: Kong, Liu & Wong 1994.
    """
    return torch.exp(2 * torch.logsumexp(log_w, 0) - torch.logsumexp(2 * log_w, 0))


def mean_and_error(values):
    """The mean of `(n,)` values and its standard error, as two floats."""
    return values.double().mean().item(), (values.double().std() / len(values) ** 0.5).item()

"""What training maximises. One convention everywhere: sum over dimensions, mean over images, nats."""

import math
from typing import NamedTuple

import torch

__all__ = ["Terms", "gaussian_kl", "iwae_bound", "negative_elbo", "negative_iwae", "reparameterize"]


class Terms(NamedTuple):
    """The ELBO of each image and its two terms, each `(batch,)`, nats: `elbo = log_px_z - kl`.

    Both terms are averages over q(z|x): `log_px_z` estimates E[log p(x|z)] with one draw of z.
    """

    elbo: torch.Tensor
    log_px_z: torch.Tensor
    kl: torch.Tensor


def gaussian_kl(mu, logvar):
    """KL(N(mu, diag e^logvar) || N(0, I)) in closed form, `(batch,)` nats.

    ½ Σ_d (mu² + e^logvar - 1 - logvar), for `mu` and `logvar` of shape `(batch, z_dim)`.
    Source: Kingma & Welling 2014, appendix B.
    """
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(-1)


def reparameterize(mu, logvar, k=None, generator=None):
    """A draw z = mu + e^(logvar/2) ε with ε ~ N(0, I): differentiable in `mu` and `logvar`.

    Returns
        `(batch, z_dim)`, or `(k, batch, z_dim)` when `k` draws are asked for.
    """
    shape = mu.shape if k is None else (k, *mu.shape)
    eps = torch.randn(shape, generator=generator, device=mu.device, dtype=mu.dtype)
    return mu + (0.5 * logvar).exp() * eps


def iwae_bound(log_w, k=None):
    """The importance-weighted bound log (1/K) Σ_k w_k of each image, `(batch,)` nats.

    log_w: log weights log p(x, z_k) - log q(z_k|x), `(K, batch)`. For `k` smaller than K the bound of
    `k` weights is returned, averaged over **all** subsets of size `k` of the K weights. That average
    never falls as `k` grows, whatever the weights.

    Raises
        ValueError: `k` is not between 1 and K.
    Source: Burda et al. 2016, theorem 1.
    """
    total = len(log_w)
    if k is None or k == total:
        return torch.logsumexp(log_w, 0) - math.log(total)
    if not 1 <= k <= total:
        raise ValueError(f"k must be between 1 and the number of weights, {total}, got {k}")
    if k == 1:
        return log_w.mean(0)
    if math.comb(total, k) > 200_000:
        raise ValueError(f"{math.comb(total, k):,} subsets of {k} of {total} weights are too many: use fewer weights")
    subsets = torch.combinations(torch.arange(total, device=log_w.device), k)
    return (torch.logsumexp(log_w[subsets], 1) - math.log(k)).mean(0)


def negative_elbo(model, x, step=0, beta=1.0, warmup=0, free_bits=0.0):
    """The loss -(E[log p(x|z)] - β KL) of each image, `(batch,)` nats.

    beta: weight of the KL (1 is the ELBO; Higgins et al. 2017).
    warmup: number of steps over which the weight rises linearly from 0 to `beta` (Bowman et al. 2016).
    free_bits: nats of KL an image has for free (Kingma et al. 2016).
    """
    terms = model.elbo(x)
    weight = beta * torch.as_tensor((step + 1) / warmup).clamp(max=1) if warmup else beta
    kl = terms.kl.clamp(min=free_bits) if free_bits else terms.kl
    return weight * kl - terms.log_px_z


def negative_iwae(model, x, step=0, k=5):
    """The loss of the importance-weighted autoencoder with `k` draws, `(batch,)` nats (Burda et al. 2016)."""
    return -iwae_bound(model.log_weights(x, k))

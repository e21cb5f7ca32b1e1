"""q(z) fitted to single images by gradient steps, for what the encoder was not trained to answer (chapter 8).

The encoder maps whole images to q(z|x). Where pixels are missing, q(z) of the pixels that are there is found by
maximising their own bound, E_q[log p(x_observed|z)] - KL(q ‖ p(z)), for each image apart.
"""

import math

import torch

from vae_lib.checks import check_images
from vae_lib.objectives import gaussian_kl, reparameterize

__all__ = ["complete", "fit_posterior", "missing_nll"]


def _check_observed(observed, x):
    if not isinstance(observed, torch.Tensor) or observed.dtype != torch.bool:
        raise TypeError("observed must be a tensor of bool, True where a pixel is known: use observed = mask.bool()")
    if observed.shape not in (x.shape, x.shape[1:]):
        raise ValueError(f"observed must have the shape of x, {tuple(x.shape)}, or of one image, {tuple(x.shape[1:])}, "
                         f"got {tuple(observed.shape)}")


def _log_px_z(model, x, z, chosen):
    """log p(x|z) of the chosen pixels, `(k, batch)` nats, for draws z `(k, batch, z_dim)`."""
    pixels = model.likelihood.distribution(model.decode(z), len(model.x_shape)).log_prob(x)
    return (pixels * chosen).flatten(2).sum(2)


def fit_posterior(model, x, observed, steps=200, lr=0.05, k=5, seed=0):
    """q(z | observed pixels) = N(mu, diag e^logvar) of each image, as (mu, logvar), each `(batch, z_dim)`.

    Adam maximises the bound on log p(x_observed) with `k` draws a step, from q = N(0, I). The model stays as it is.
    x: images `(batch, *x_shape)`; what stands at the missing pixels is never read, NaN neither.
    observed: True where a pixel is known, of the shape of x or of one image.
    """
    check_images(x, model.x_shape)
    _check_observed(observed, x)
    x = torch.where(observed, x, 0.0)
    model.likelihood.check(x)
    generator = torch.Generator(x.device).manual_seed(seed)
    fitted = [torch.zeros(len(x), model.z_dim, device=x.device, dtype=x.dtype, requires_grad=True) for _ in range(2)]
    optimizer = torch.optim.Adam(fitted, lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        mu, logvar = fitted
        z = reparameterize(mu, logvar, k, generator)
        bound = _log_px_z(model, x, z, observed).mean(0) - gaussian_kl(mu, logvar)
        gradients = torch.autograd.grad(-bound.sum(), fitted)
        for one, gradient in zip(fitted, gradients, strict=True):
            one.grad = gradient
        optimizer.step()
        schedule.step()
    return tuple(one.detach() for one in fitted)


@torch.no_grad()
def missing_nll(model, x, observed, mu, logvar, k=1000, rows=4096, seed=0):
    """-log p(x_missing | x_observed) of each image, `(batch,)` nats, by importance sampling from q = N(mu, e^logvar).

    It is log Σ_k w_k - log Σ_k w_k p(x_missing|z_k) with w_k = p(z_k) p(x_observed|z_k) / q(z_k): two estimates from
    the same draws. It converges with `k`; it is no bound. At most about `rows` decoded images are held at a time.
    """
    check_images(x, model.x_shape)
    _check_observed(observed, x)
    generator = torch.Generator(x.device).manual_seed(seed)
    sums = [torch.full((len(x),), -math.inf, device=x.device, dtype=x.dtype) for _ in range(2)]
    done, step = 0, max(1, rows // len(x))
    while done < k:
        now = min(step, k - done)
        eps = torch.randn(now, *mu.shape, generator=generator, device=x.device, dtype=x.dtype)
        z = mu + (0.5 * logvar).exp() * eps
        pixels = model.likelihood.distribution(model.decode(z), len(model.x_shape)).log_prob(x)
        log_w = 0.5 * (eps.square() + logvar - z.square()).sum(2) + (pixels * observed).flatten(2).sum(2)
        both = log_w + (pixels * ~observed).flatten(2).sum(2)
        sums = [torch.logaddexp(old, torch.logsumexp(new, 0)) for old, new in zip(sums, (log_w, both))]
        done += now
    return sums[0] - sums[1]


@torch.no_grad()
def complete(model, x, observed, mu, logvar, n=1, means=False, generator=None):
    """`n` completions of each image, `(n, batch, *x_shape)`: known pixels as they are, the others from p(x|z), z ~ q.

    means: E[x|z] in the place of drawn pixels.
    """
    check_images(x, model.x_shape)
    _check_observed(observed, x)
    params = model.decode(reparameterize(mu, logvar, n, generator))
    draw = model.likelihood.mean if means else model.likelihood.sample
    return torch.where(observed, x, draw(params, event_dims=len(model.x_shape)))

"""The variational autoencoder: prior p(z), posterior q(z|x) and likelihood p(x|z), trained together."""

import math

import torch
import torch.distributions as td
from torch import nn

from vae_lib.checks import check_images
from vae_lib.likelihoods import Bernoulli
from vae_lib.objectives import Terms, gaussian_kl, reparameterize

__all__ = ["VAE"]


class VAE(nn.Module):
    """A latent-variable model p(x, z) = p(z) p(x|z) with an approximate posterior q(z|x).

    p(z) = N(0, I); q(z|x) = N(mu(x), diag e^logvar(x)) from the encoder; p(x|z) from the decoder's
    output through `likelihood`. Source: Kingma & Welling 2014, Rezende et al. 2014.

    Arguments
        encoder: x `(batch, *x_shape)` -> (mu, logvar), each `(batch, z_dim)`; has `x_shape` and `z_dim`.
        decoder: z `(..., z_dim)` -> params of the likelihood.
        likelihood: one of `vae_lib.likelihoods`.
    Every method that takes `x` raises a `TypeError` or `ValueError` that names the fix for a wrong
    shape, dtype or device, an empty batch, NaN, or a value outside the likelihood's support, and a
    `FloatingPointError` for a bound that is no finite number. Reading the values costs a little time;
    `model.check_values = False` leaves that part out.
    Example
        >>> model = VAE(MLPEncoder(), MLPDecoder())
        >>> model.elbo(torch.zeros(2, 1, 28, 28)).kl.shape
        torch.Size([2])
    """

    check_values = True

    def __init__(self, encoder, decoder, likelihood=None):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.likelihood = Bernoulli() if likelihood is None else likelihood
        self.x_shape, self.z_dim = tuple(encoder.x_shape), encoder.z_dim

    @property
    def device(self):
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def dtype(self):
        """The kind of floats that the weights are."""
        return next(self.parameters()).dtype

    def prior(self):
        """p(z) = N(0, I) as a `torch.distributions` object with event shape `(z_dim,)`."""
        zero = torch.zeros(self.z_dim, device=self.device, dtype=self.dtype)
        return td.Independent(td.Normal(zero, zero + 1), 1)

    def encode(self, x):
        """The posterior's parameters (mu, logvar), each `(batch, z_dim)`; logvar = log σ²."""
        check_images(x, self.x_shape)
        if x.device != self.device:
            raise ValueError(f"x is on {x.device} and the model on {self.device}: use x.to(model.device)")
        if x.dtype != self.dtype:
            raise TypeError(f"x holds {x.dtype} and the model {self.dtype}: use x.to(model.dtype), "
                            "or model.double() for float64")
        if self.check_values:
            self.likelihood.check(x)
        return self.encoder(x)

    def posterior(self, x):
        """q(z|x) as a `torch.distributions` object with event shape `(z_dim,)`."""
        mu, logvar = self.encode(x)
        return td.Independent(td.Normal(mu, (0.5 * logvar).exp()), 1)

    def decode(self, z):
        """The parameters of p(x|z), `(..., parts * channels, height, width)` (logits for a Bernoulli)."""
        if z.shape[-1:] != (self.z_dim,):
            raise ValueError(f"z must have shape (..., {self.z_dim}), got {tuple(z.shape)}: "
                             "draw it with model.prior().sample((n,)), or take it from model.encode(x)")
        return self.decoder(z)

    def elbo(self, x, generator=None):
        """The evidence lower bound of each image, with one draw of z and the KL in closed form.

        Returns
            `Terms(elbo, log_px_z, kl)`, each `(batch,)`, nats.
        """
        mu, logvar = self.encode(x)
        z = reparameterize(mu, logvar, generator=generator)
        log_px_z = self.likelihood.log_prob(x, self.decode(z))
        kl = gaussian_kl(mu, logvar)
        self._check_finite(log_px_z - kl, mu, logvar)
        return Terms(log_px_z - kl, log_px_z, kl)

    def log_weights(self, x, k, generator=None):
        """log w = log p(z) + log p(x|z) - log q(z|x) at `k` draws z ~ q(z|x), `(k, batch)` nats."""
        mu, logvar = self.encode(x)
        log_w = self._log_weights(x, mu, logvar, k, generator)
        self._check_finite(log_w, mu, logvar)
        return log_w

    def _log_weights(self, x, mu, logvar, k, generator=None):
        eps = torch.randn(k, *mu.shape, generator=generator, device=mu.device, dtype=mu.dtype)
        z = mu + (0.5 * logvar).exp() * eps
        # log p(z) - log q(z|x): the two ½ log 2π cancel, and (z - mu) / σ is ε
        log_ratio = 0.5 * (eps.square() + logvar - z.square()).sum(-1)
        return log_ratio + self.likelihood.log_prob(x, self.decode(z))

    @torch.no_grad()
    def log_prob(self, x, k=5000, rows=4096, generator=None):
        """A lower bound on log p(x) from `k` importance weights, `(batch,)` nats (Burda et al. 2016).

        On average it is below log p(x) and rises to it with `k`. At most about `rows` decoded images
        are held at a time, so that memory does not depend on `k`.
        """
        if k < 1:
            raise ValueError(f"k, the number of importance weights, must be at least 1, got {k}")
        mu, logvar = self.encode(x)
        total = torch.full((len(x),), -math.inf, device=x.device, dtype=mu.dtype)
        done, step = 0, max(1, rows // len(x))
        while done < k:
            now = min(step, k - done)
            log_w = self._log_weights(x, mu, logvar, now, generator)
            total = torch.logaddexp(total, torch.logsumexp(log_w, 0))
            done += now
        self._check_finite(total, mu, logvar)
        return total - math.log(k)

    @torch.no_grad()
    def sample(self, n, means=False, temperature=1.0, prior=None):
        """New images: z ~ p(z), then x ~ p(x|z), `(n, *x_shape)`; seeded by `torch.manual_seed`.

        means: show E[x|z] instead of drawing the pixels. It looks smoother and is not a draw from p(x).
        temperature: standard deviation of z; 1 is the model, below 1 is nearer to the mode.
        prior: draw z from `prior.sample(n)`, `(n, z_dim)`, in the place of N(0, I): a `GaussianMixture` fitted to
            draws of the aggregate posterior, say.
        Raises
            ValueError: another prior and a temperature are asked for at once.
        """
        if prior is None:
            z = temperature * torch.randn(n, self.z_dim, device=self.device, dtype=self.dtype)
        elif temperature != 1:
            raise ValueError("a temperature scales N(0, I): leave it out, or leave out prior")
        else:
            z = prior.sample(n).to(self.device, self.dtype)
        return self._image(self.decode(z), means)

    @torch.no_grad()
    def reconstruct(self, x, means=True):
        """x -> z ~ q(z|x) -> an image of p(x|z), `(batch, *x_shape)`: E[x|z], or a draw if not `means`."""
        return self._image(self.decode(reparameterize(*self.encode(x))), means)

    def _check_finite(self, bound, mu, logvar):
        if self.check_values and not bound.isfinite().all():
            raise FloatingPointError(
                f"the bound is not finite: the encoder gives |mu| up to {mu.abs().max():.3g} and logvar from "
                f"{logvar.min():.3g} to {logvar.max():.3g}, and e^logvar must fit in {mu.dtype}. Bound logvar "
                "(logvar.clamp(-10, 10), say), train with a smaller learning rate, or look for NaN in the weights")

    def _image(self, params, means):
        draw = self.likelihood.mean if means else self.likelihood.sample
        return draw(params, event_dims=len(self.x_shape))

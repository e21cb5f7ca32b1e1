"""The VampPrior: a prior that is learned with the model, the average of the posteriors of invented images."""

import math

import torch
from torch import nn

from vae_lib.generation import AggregatePosterior
from vae_lib.objectives import Terms, reparameterize
from vae_lib.vae import VAE

__all__ = ["VampVAE"]


class VampVAE(VAE):
    """A VAE with the prior p(z) = 1/K Σ_k q(z|u_k), where the K pseudo-inputs u_k are learned with the rest.

    The best prior for given networks is the aggregate posterior q(z), which needs all images; this is its shape with K
    images that nobody wrote. The KL has no closed form any more: `elbo` estimates it with its one draw, without bias.
    Source: Tomczak & Welling 2018.

    Arguments
        pseudo_inputs: `(K, *x_shape)` in [0, 1], where they start, such as some training images.
    The others, and all methods, are those of `VAE`.
    """

    def __init__(self, encoder, decoder, pseudo_inputs, likelihood=None):
        super().__init__(encoder, decoder, likelihood)
        if tuple(pseudo_inputs.shape[1:]) != self.x_shape or len(pseudo_inputs) == 0:
            raise ValueError(f"pseudo_inputs must have shape (K, {', '.join(map(str, self.x_shape))}), got "
                             f"{tuple(pseudo_inputs.shape)}: take K training images")
        # pixels stay in [0, 1] without a constraint on what is learned
        self.pseudo_logits = nn.Parameter(torch.logit(pseudo_inputs.clamp(0.01, 0.99)))

    def pseudo_inputs(self):
        """The learned images u, `(K, *x_shape)` in [0, 1]."""
        return torch.sigmoid(self.pseudo_logits)

    def prior(self):
        """p(z), with `sample(n)` and `log_prob(z)`; the gradient reaches the encoder and the pseudo-inputs."""
        return AggregatePosterior(*self.encoder(self.pseudo_inputs()))

    def elbo(self, x, generator=None):
        """The evidence lower bound of each image: `Terms`, nats. Its `kl`, log q(z|x) - log p(z), may be negative."""
        mu, logvar = self.encode(x)
        z = reparameterize(mu, logvar, generator=generator)
        log_px_z = self.likelihood.log_prob(x, self.decode(z))
        kl = -self._log_ratio(z, (z - mu) * (-0.5 * logvar).exp(), logvar)
        self._check_finite(log_px_z - kl, mu, logvar)
        return Terms(log_px_z - kl, log_px_z, kl)

    @torch.no_grad()
    def sample(self, n, means=False, temperature=1.0, prior=None):
        """New images from the learned prior, `(n, *x_shape)`; `VAE.sample` says the rest. It has no temperature."""
        return super().sample(n, means, temperature, self.prior() if prior is None else prior)

    def _log_weights(self, x, mu, logvar, k, generator=None):
        eps = torch.randn(k, *mu.shape, generator=generator, device=mu.device, dtype=mu.dtype)
        z = mu + (0.5 * logvar).exp() * eps
        return self._log_ratio(z, eps, logvar) + self.likelihood.log_prob(x, self.decode(z))

    def _log_ratio(self, z, eps, logvar):
        """log p(z) - log q(z|x) at z = mu + σ ε, of the shape of z without its last dimension."""
        log_q = -0.5 * (eps.square() + logvar + math.log(2 * math.pi)).sum(-1)
        log_p = self.prior().log_prob(z.reshape(-1, self.z_dim)).reshape(z.shape[:-1])
        return log_p.to(z.dtype) - log_q

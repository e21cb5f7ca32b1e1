"""What the decoder draws from, the prior p(z), against what it was trained on, the aggregate posterior q(z)."""

import math

import torch

from vae_lib.checks import check_images
from vae_lib.objectives import reparameterize

__all__ = ["AggregatePosterior", "rate_split"]


class AggregatePosterior:
    """q(z) = 1/N Σ_n q(z|x_n): what the decoder meets in training. A mixture with one Gaussian for each image.

    mu, logvar: the posteriors' parameters, `(n, z_dim)` each; `of(model, x)` takes them from a model.
    Where q(z) is not the prior p(z), draws of p(z) fall where the decoder has learned nothing.
    Source: Makhzani et al. 2016.
    Example
        >>> aggregate = AggregatePosterior.of(model, images)
        >>> aggregate.sample(100).shape
        torch.Size([100, 50])
    """

    def __init__(self, mu, logvar):
        if mu.dim() != 2 or mu.shape != logvar.shape or len(mu) == 0:
            raise ValueError(f"mu and logvar must both have shape (images, z_dim), got {tuple(mu.shape)} and "
                             f"{tuple(logvar.shape)}: use AggregatePosterior.of(model, x)")
        self.mu, self.logvar = mu, logvar

    @classmethod
    @torch.no_grad()
    def of(cls, model, x, batch_size=1000):
        """The aggregate posterior of a model over images `(n, *x_shape)`."""
        check_images(x, model.x_shape)
        parts = [model.encode(part.to(model.device)) for part in x.split(batch_size)]
        return cls(*(torch.cat(part) for part in zip(*parts)))

    def draw(self, n, generator=None):
        """`n` draws and the images they belong to: z `(n, z_dim)` and indices `(n,)`."""
        index = torch.randint(len(self.mu), (n,), generator=generator, device=self.mu.device)
        return reparameterize(self.mu[index], self.logvar[index], generator=generator), index

    def sample(self, n, generator=None):
        """`n` draws of q(z), `(n, z_dim)`: an image, then a draw of its posterior."""
        return self.draw(n, generator)[0]

    def log_prob(self, z):
        """log q(z) of points `(m, z_dim)`, all N posteriors counted: `(m,)` nats, float64."""
        mu, logvar, z = self.mu.double(), self.logvar.double(), z.double()
        precision = (-logvar).exp()
        # Σ_d ((z - mu) / σ)², multiplied out, is two matrix products for all pairs of points and images
        constant = (mu.square() * precision + logvar).sum(1) + z.shape[1] * math.log(2 * math.pi)
        parts = []
        for part in z.split(max(1, 2**22 // len(mu))):  # 32 MB at a time
            squares = part.square() @ precision.T - 2 * part @ (mu * precision).T + constant
            parts.append(torch.logsumexp(-0.5 * squares, 1) - math.log(len(mu)))
        return torch.cat(parts)


def _log_standard_normal(z):
    return -0.5 * (z.double().square() + math.log(2 * math.pi)).sum(1)


@torch.no_grad()
def rate_split(aggregate, n=10_000, log_prior=_log_standard_normal, generator=None):
    """The two parts of the rate KL(q(z|x) ‖ p(z)) at `n` draws of q(z), `(n,)` nats each: their means add up to it.

    The first, log q(z|x) - log q(z), averages to the mutual information of an image's number and z, at most log N.
    The second, log q(z) - log p(z), averages to KL(q(z) ‖ p(z)): what another prior could save. Both speak of these N
    images alone: where the first comes near log N, a larger N would raise it and lower the second.
    log_prior: log p(z) of points `(n, z_dim)`; N(0, I) if not given, or the `log_prob` of another prior.
    Source: Hoffman & Johnson 2016.
    """
    z, index = aggregate.draw(n, generator)
    mu, logvar = aggregate.mu[index].double(), aggregate.logvar[index].double()
    log_own = -0.5 * ((z.double() - mu).square() * (-logvar).exp() + logvar + math.log(2 * math.pi)).sum(1)
    log_q = aggregate.log_prob(z)
    return log_own - log_q, log_q - log_prior(z)

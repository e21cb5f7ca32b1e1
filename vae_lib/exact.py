"""Models whose likelihood is known exactly: what the approximations are held against."""

import math

import torch
import torch.distributions as td

__all__ = ["PPCA", "log_prob_by_quadrature", "ppca"]


class PPCA:
    """Probabilistic PCA: z ~ N(0, I), x|z ~ N(W z + mean, σ² I), so that x ~ N(mean, W Wᵀ + σ² I).

    W: `(x_dim, z_dim)`; mean: `(x_dim,)`; variance: σ². Source: Tipping & Bishop 1999.
    """

    def __init__(self, W, mean, variance):
        self.W, self.mean, self.variance = W, mean, variance

    def log_prob(self, x):
        """log p(x), `(batch,)` nats, exact."""
        cov = self.W @ self.W.T + self.variance * torch.eye(len(self.mean), dtype=self.W.dtype)
        return td.MultivariateNormal(self.mean, cov).log_prob(x)

    def posterior(self, x):
        """The true p(z|x), a Gaussian: its mean `(batch, z_dim)` and its covariance `(z_dim, z_dim)`."""
        M = self.W.T @ self.W + self.variance * torch.eye(self.W.shape[1], dtype=self.W.dtype)
        return torch.linalg.solve(M, self.W.T @ (x - self.mean).T).T, self.variance * torch.linalg.inv(M)


def ppca(x, z_dim):
    """The maximum-likelihood `PPCA` of `x` `(n, x_dim)`, in closed form from the eigenvectors of its covariance."""
    mean = x.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(x.T, correction=0))
    values, vectors = values.flip(0), vectors.flip(1)
    variance = values[z_dim:].mean()
    return PPCA(vectors[:, :z_dim] * (values[:z_dim] - variance).sqrt(), mean, variance)


@torch.no_grad()
def log_prob_by_quadrature(model, x, points=2001, limit=8.0):
    """log p(x) of a VAE with a one-dimensional z, `(batch,)` nats: the integral over z by the trapezoid rule."""
    if model.z_dim != 1:
        raise ValueError(f"quadrature is for a one-dimensional z, got z_dim = {model.z_dim}: use model.log_prob")
    z = torch.linspace(-limit, limit, points, device=x.device, dtype=x.dtype)
    log_pz = -0.5 * z.square() - 0.5 * math.log(2 * math.pi)
    params = model.decode(z[:, None])
    log_px_z = torch.stack([model.likelihood.log_prob(one.expand(points, *one.shape), params) for one in x], 1)
    weight = torch.full((points, 1), math.log(2 * limit / (points - 1)), device=x.device, dtype=x.dtype)
    weight[[0, -1]] -= math.log(2)
    return torch.logsumexp(log_px_z + log_pz[:, None] + weight, 0)

"""A mixture of Gaussians, fitted by expectation maximisation: a latent-variable model with an exact likelihood."""

import math

import torch

__all__ = ["GaussianMixture"]


class GaussianMixture:
    """z ~ Categorical(π), x|z=k ~ N(m_k, C_k), so that p(x) = Σ_k π_k N(x; m_k, C_k), exactly.

    weights: π, `(k,)`, of sum 1; means: `(k, x_dim)`; covariances: `(k, x_dim, x_dim)`. All arithmetic is in float64.
    `history` holds the training log-likelihood of a fitted mixture, in nats per point: before each step of EM and
    after the last.
    """

    def __init__(self, weights, means, covariances):
        self.dtype = means.dtype
        self.weights, self.means, self.covariances = weights.double(), means.double(), covariances.double()
        self.history = []

    @classmethod
    def fit(cls, x, k, steps=200, tolerance=1e-4, floor=1e-4, seed=0):
        """Fit `k` components to points `x` `(n, x_dim)` by EM, from seeds spread over the points (k-means++).

        steps: at most so many steps of EM; fewer, once a step gains less than `tolerance` nats per point.
        floor: no eigenvalue of a covariance may be smaller than `floor` times the mean variance of `x`: without a
            floor, the likelihood has no maximum. Raising the smaller eigenvalues to it is the best covariance that
            keeps to it, so that EM still never lowers the likelihood.
        Raises
            TypeError, ValueError: each says what was given and what is expected.
        Source: Dempster, Laird & Rubin 1977; seeds: Arthur & Vassilvitskii 2007.
        Example
            >>> mixture = GaussianMixture.fit(torch.randn(500, 2), k=3)
            >>> mixture.log_prob(torch.zeros(4, 2)).shape
            torch.Size([4])
        """
        _check(x, k, floor)
        points = x.detach().double()
        least = floor * points.var(0, correction=0).mean()
        seeds = _seeds(points, k, torch.Generator().manual_seed(seed))
        whole = _raise_eigenvalues(torch.cov(points.T, correction=0).reshape(x.shape[1], -1), least)
        mixture = cls(torch.full((k,), 1 / k).to(points), seeds, whole.expand(k, -1, -1))
        nearest = torch.cdist(points, seeds).argmin(1)
        mixture = mixture._maximise(points, torch.nn.functional.one_hot(nearest, k).double(), least)
        history = []
        for step in range(steps + 1):
            log_joint = mixture.log_joint(points)
            log_px = torch.logsumexp(log_joint, 1, keepdim=True)
            history.append(log_px.mean().item())
            if step == steps or (step and history[-1] - history[-2] < tolerance):
                break
            mixture = mixture._maximise(points, (log_joint - log_px).exp(), least)
        mixture.history, mixture.dtype = history, x.dtype
        return mixture

    def log_joint(self, x):
        """log p(x, z=k) = log π_k + log N(x; m_k, C_k) of points `(n, x_dim)`: `(n, k)` nats."""
        k, x_dim = self.means.shape
        roots = torch.linalg.cholesky(self.covariances)
        inverse = torch.linalg.inv(roots)
        origin = (inverse @ self.means[:, :, None]).reshape(-1, 1)
        log_det = 2 * roots.diagonal(dim1=1, dim2=2).log().sum(1)
        constant = self.weights.log() - 0.5 * (log_det + x_dim * math.log(2 * math.pi))
        parts = []
        for part in x.double().split(_block(self.means)):
            white = torch.addmm(origin, inverse.reshape(-1, x_dim), part.T, beta=-1)  # all components in one product
            parts.append(constant - 0.5 * white.square_().reshape(k, x_dim, -1).sum(1).T)
        return torch.cat(parts)

    def log_prob(self, x):
        """log p(x) of points `(n, x_dim)`, exact: `(n,)` nats, float64."""
        return torch.logsumexp(self.log_joint(x), 1)

    def posterior(self, x):
        """p(z=k|x) by Bayes' rule, `(n, k)`: how far each component answers for each point."""
        return torch.softmax(self.log_joint(x), 1)

    def sample(self, n, generator=None):
        """`n` draws, `(n, x_dim)`: a component by its weight, then a point from it."""
        z = torch.multinomial(self.weights.cpu(), n, replacement=True, generator=generator).to(self.means.device)
        eps = torch.randn(n, self.means.shape[1], dtype=torch.float64, generator=generator).to(self.means.device)
        roots = torch.linalg.cholesky(self.covariances)
        return (self.means[z] + (roots[z] @ eps[:, :, None])[:, :, 0]).to(self.dtype)

    def _maximise(self, x, responsibilities, least):
        """The mixture of the largest expected log-likelihood, given p(z|x) `(n, k)`: the M-step."""
        counts = responsibilities.sum(0)
        shares = (responsibilities / counts.clamp(min=torch.finfo(counts.dtype).tiny)).T.contiguous()
        means = torch.where(counts[:, None] > 0, shares @ x, self.means)
        covariances = torch.zeros_like(self.covariances)
        for part, share in zip(x.split(_block(means)), shares.split(_block(means), 1)):
            centred = part.T - means[:, :, None]  # (k, x_dim, points)
            covariances += (centred * share[:, None]) @ centred.transpose(1, 2)
        for k, count in enumerate(counts):  # a component that answers for nothing stays as it is
            covariances[k] = _raise_eigenvalues(covariances[k], least) if count > 0 else self.covariances[k]
        return GaussianMixture(counts / counts.sum(), means, covariances)


def _block(means):
    """How many points to take at once: 8 MB of numbers, which is faster than all at once and needs no more memory."""
    return max(1, 2**20 // means.numel())


def _raise_eigenvalues(cov, least):
    """The covariance `(x_dim, x_dim)` with its eigenvalues raised to at least `least`."""
    values, vectors = torch.linalg.eigh(cov)
    return cov if values[0] >= least else (vectors * values.clamp(min=least)) @ vectors.T


def _seeds(x, k, generator):
    """`k` points of `x` far from each other: each is drawn by its squared distance to those before it."""
    chosen = [x[torch.randint(len(x), (), generator=generator)]]
    distance = (x - chosen[0]).square().sum(1)
    for _ in range(1, k):
        share = distance.cumsum(0).cpu() / distance.sum().cpu()
        drawn = torch.searchsorted(share, torch.rand((), dtype=torch.float64, generator=generator), right=True)
        chosen.append(x[drawn.clamp(max=len(x) - 1)])
        distance = torch.minimum(distance, (x - chosen[-1]).square().sum(1))
    return torch.stack(chosen)


def _check(x, k, floor):
    if not isinstance(x, torch.Tensor) or not x.is_floating_point():
        raise TypeError("x must be a tensor of floats (n, x_dim), got "
                        f"{x.dtype if isinstance(x, torch.Tensor) else type(x).__name__}: use x.float()")
    if x.dim() != 2:
        raise ValueError(f"x must have shape (n, x_dim), got {tuple(x.shape)}: use x.flatten(1) for images")
    if not x.isfinite().all():
        raise ValueError("x holds NaN or infinity: look at what made it")
    if not (isinstance(k, int) and k >= 1):
        raise ValueError(f"k must be a whole number of components, at least 1, got {k!r}")
    if floor <= 0:
        raise ValueError(f"floor must be positive, got {floor!r}: without it a component may shrink to a single point")
    if (distinct := len(x.unique(dim=0)) if len(x) < 100 * k else k + 1) <= k:
        raise ValueError(f"x holds {distinct} different points, too few for {k} components: use a smaller k")

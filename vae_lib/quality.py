"""How alike two sets of images are, judged on their features: Fréchet distance, KID, precision and recall.

Each function takes two sets of features, `(n, d)` and `(m, d)`, such as the last hidden layer of a classifier gives
them. What they measure depends on that network and, for the Fréchet distance, on the number of images: print both, and
beside each figure the same one between two halves of the real images, its floor.
"""

import torch

__all__ = ["frechet", "frechet_distance", "kernel_distance", "nearest", "precision_recall"]


def _check(real, fake, least):
    for name, features in (("real", real), ("fake", fake)):
        if not isinstance(features, torch.Tensor) or features.dim() != 2:
            got = tuple(features.shape) if isinstance(features, torch.Tensor) else type(features).__name__
            raise ValueError(f"{name} must be a tensor of features (images, d), got {got}: use features.flatten(1)")
        if not features.is_floating_point():
            raise TypeError(f"{name} must hold floats, got {features.dtype}: use {name}.float()")
        if len(features) < least:
            raise ValueError(f"{name} has {len(features)} images, at least {least} are needed")
        if not features.isfinite().all():
            raise ValueError(f"{name} holds NaN or infinite features: look at the images and at the network")
    if real.shape[1] != fake.shape[1]:
        raise ValueError(f"real has {real.shape[1]} features an image, fake {fake.shape[1]}: use one network for both")


def frechet(mean_a, cov_a, mean_b, cov_b):
    """The squared Fréchet distance of two Gaussians, |m_a - m_b|² + tr(C_a + C_b - 2 (C_a C_b)^½).

    means: `(d,)`; covariances: `(d, d)`, symmetric, singular ones too. A number, in squared units of the features.
    Source: Dowson & Landau 1982.
    """
    # C_a C_b is not symmetric, but has the eigenvalues of the symmetric R C_b R with R = C_a^½
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp_min(0).sqrt().sum()  # rounding makes a 0 negative
    return ((mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross).item()


def frechet_distance(real, fake):
    """The Fréchet distance of the Gaussians with the moments of two sets of features; of Inception's, the FID.

    It is biased upwards, the more the fewer the images: compare only figures from equally many.
    Source: Heusel et al. 2017.
    """
    _check(real, fake, 2)
    real, fake = real.double(), fake.double()
    return frechet(real.mean(0), real.T.cov(), fake.mean(0), fake.T.cov())


def _kernel_sum(a, b, rows):
    """Σ_ij k(a_i, b_j) of the cubic kernel k(a, b) = (a·b / d + 1)³."""
    one, total = torch.ones((), dtype=a.dtype, device=a.device), 0.0
    for part in a.split(rows):
        k = torch.addmm(one, part, b.T, alpha=1 / a.shape[1])
        total += torch.dot((k * k).view(-1), k.view(-1))  # Σ k³: four times as fast as a power
    return total


def kernel_distance(real, fake, rows=1000):
    """An unbiased estimate of the squared maximum mean discrepancy with the cubic kernel (a·b / d + 1)³, the KID.

    It can be below zero: its mean is 0 where both sets come from one distribution. Memory grows with `rows` times
    the number of images. Source: Bińkowski et al. 2018.
    """
    _check(real, fake, 2)
    real, fake = real.double(), fake.double()
    within = 0.0
    for one in (real, fake):
        itself = (one.square().sum(1) / one.shape[1] + 1).pow(3).sum()  # an image with itself is no pair
        within += (_kernel_sum(one, one, rows) - itself) / (len(one) * (len(one) - 1))
    return (within - 2 * _kernel_sum(real, fake, rows) / (len(real) * len(fake))).item()


def nearest(queries, candidates, rows=1000):
    """The Euclidean distance from each query to its nearest candidate, and that one's index: `(n,)` each."""
    _check(queries, candidates, 1)
    parts = [torch.cdist(part, candidates).min(1) for part in queries.split(rows)]
    return torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts])


def _share_inside(points, others, k, rows):
    """The share of `points` that lie no further from one of `others` than that one's k-th neighbour among `others`."""
    # k + 1, since the nearest of all is the point itself
    parts = [torch.cdist(part, others).topk(k + 1, dim=1, largest=False).values[:, -1] for part in others.split(rows)]
    radius = torch.cat(parts)
    inside = [(torch.cdist(part, others) <= radius).any(1) for part in points.split(rows)]
    return torch.cat(inside).double().mean().item()


def precision_recall(real, fake, k=3, rows=1000):
    """Improved precision and recall, two numbers in [0, 1].

    Each set is replaced by the balls around its points that reach to their k-th neighbours. Precision is the share
    of fakes within the balls of the real ones, recall the share of real ones within the balls of the fakes.
    Both grow with the number of images. Source: Kynkäänniemi et al. 2019.
    """
    _check(real, fake, k + 1)
    return _share_inside(fake, real, k, rows), _share_inside(real, fake, k, rows)

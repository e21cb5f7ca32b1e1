"""Changing one thing about an image through its code: paths between codes and attribute vectors (chapter 8)."""

import torch

__all__ = ["attribute_vectors", "slerp", "straight"]


def _check_ends(a, b):
    if a.shape != b.shape or a.dim() != 2:
        raise ValueError(f"both ends must have shape (n, z_dim), got {tuple(a.shape)} and {tuple(b.shape)}")


def straight(a, b, t):
    """The points (1 - t) a + t b: codes `(n, z_dim)` and numbers `(k,)` give `(k, n, z_dim)`."""
    _check_ends(a, b)
    t = torch.as_tensor(t, dtype=a.dtype, device=a.device).reshape(-1, 1, 1)
    return (1 - t) * a + t * b


def slerp(a, b, t):
    """The points [sin((1 - t) ω) a + sin(t ω) b] / sin ω, with ω the angle between a and b: `(k, n, z_dim)`.

    Where a and b have the same length, the path keeps it: a great circle. Where they point the same way, it is the
    straight line. Source: Shoemake 1985; for latent codes White 2016.
    Raises
        ValueError: a and b point in opposite directions, and no great circle is the shortest.
    """
    _check_ends(a, b)
    t = torch.as_tensor(t, dtype=a.dtype, device=a.device).reshape(-1, 1, 1)
    cosine = torch.nn.functional.cosine_similarity(a, b)[:, None].clamp(-1, 1)
    if bool((cosine < -1 + 1e-6).any()):
        raise ValueError("two codes point in opposite directions: many paths are equally short, take another pair")
    omega = torch.acos(cosine)
    parallel = cosine > 1 - 1e-6
    sine = torch.where(parallel, 1.0, torch.sin(omega))
    first = torch.where(parallel, 1 - t, torch.sin((1 - t) * omega) / sine)
    second = torch.where(parallel, t, torch.sin(t * omega) / sine)
    return first * a + second * b


def attribute_vectors(z, attributes):
    """How the code changes with each attribute, the others held fixed: `(attributes, z_dim)`, per unit.

    The slopes of the least-squares line of z on all attributes together. For one attribute that is 0 or 1 it is the
    difference of the two mean codes (Larsen et al. 2016).
    z: codes `(n, z_dim)`; attributes: `(n, attributes)`.
    Raises
        ValueError: an attribute does not vary, or follows from the others.
    Example
        >>> attribute_vectors(torch.randn(100, 50), torch.randn(100, 3)).shape
        torch.Size([3, 50])
    """
    if z.dim() != 2 or attributes.dim() != 2 or len(z) != len(attributes):
        raise ValueError("z and attributes must have shapes (n, z_dim) and (n, attributes), got "
                         f"{tuple(z.shape)} and {tuple(attributes.shape)}: use attributes[:, None] for a single one")
    centred = attributes.double() - attributes.double().mean(0)
    scale = centred.std(0)
    if bool((scale < 1e-12).any()) or torch.linalg.matrix_rank(centred / scale) < attributes.shape[1]:
        raise ValueError("an attribute is constant or follows from the others: leave it out")
    slopes = torch.linalg.lstsq(centred / scale, z.double() - z.double().mean(0)).solution
    return (slopes / scale[:, None]).to(z.dtype)

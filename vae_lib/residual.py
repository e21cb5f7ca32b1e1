"""Residual convolutional networks: each block adds a correction to what passes through it (He et al. 2016)."""

import torch
import torch.nn.functional as F
from torch import nn

__all__ = ["ResidualBlock", "ResidualDecoder", "ResidualEncoder"]


class ResidualBlock(nn.Module):
    """h -> h + scale * conv(silu(conv(silu(h)))), `(batch, width, height, width)` both.

    scale: starts small where many blocks follow each other, so that the sum of all corrections stays of order one
        (Child 2021); there is no normalisation.
    """

    def __init__(self, width, scale=1.0):
        super().__init__()
        self.first, self.second = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        with torch.no_grad():
            self.second.weight.mul_(scale)
            self.second.bias.zero_()

    def forward(self, h):
        return h + self.second(F.silu(self.first(F.silu(h))))


class ResidualEncoder(nn.Module):
    """x -> (mu, logvar), each `(batch, z_dim)`: residual blocks, the sides halved between the levels.

    widths: channels of each level, the first at full size. `(32, 64, 128)` takes 28×28 to 7×7, `(32, 64, 128, 256)`
    takes 64×64 to 8×8.
    Raises
        ValueError: the sides of `x_shape` can't be halved so often.
    """

    def __init__(self, x_shape=(1, 28, 28), z_dim=50, widths=(32, 64, 128), blocks=1):
        super().__init__()
        self.x_shape, self.z_dim = tuple(x_shape), z_dim
        sides = check_sides(x_shape, len(widths))
        scale = (blocks * len(widths)) ** -0.5
        layers = [nn.Conv2d(x_shape[0], widths[0], 3, padding=1)]
        for level, width in enumerate(widths):
            if level:
                layers.append(nn.Conv2d(widths[level - 1], width, 2, stride=2))
            layers += [ResidualBlock(width, scale) for _ in range(blocks)]
        self.body = nn.Sequential(*layers, nn.SiLU(), nn.Flatten(),
                                  nn.Linear(widths[-1] * sides[-1][0] * sides[-1][1], 2 * z_dim))

    def forward(self, x):
        return self.body(x).chunk(2, dim=1)


class ResidualDecoder(nn.Module):
    """z -> params: the mirror of `ResidualEncoder`; `parts` numbers a pixel, as the likelihood asks for."""

    def __init__(self, x_shape=(1, 28, 28), z_dim=50, widths=(32, 64, 128), blocks=1, parts=1):
        super().__init__()
        self.out_shape, self.z_dim = (parts * x_shape[0], *x_shape[1:]), z_dim
        sides = check_sides(x_shape, len(widths))
        scale = (blocks * len(widths)) ** -0.5
        layers = [nn.Linear(z_dim, widths[-1] * sides[-1][0] * sides[-1][1]), nn.Unflatten(1, (widths[-1], *sides[-1]))]
        for level in reversed(range(len(widths))):
            layers += [ResidualBlock(widths[level], scale) for _ in range(blocks)]
            if level:
                layers.append(nn.ConvTranspose2d(widths[level], widths[level - 1], 2, stride=2))
        self.body = nn.Sequential(*layers, nn.SiLU(), nn.Conv2d(widths[0], self.out_shape[0], 3, padding=1))

    def forward(self, z):
        # convolutions take one batch dimension; z may have several (samples, batch)
        return self.body(z.reshape(-1, self.z_dim)).reshape(*z.shape[:-1], *self.out_shape)


def check_sides(x_shape, levels):
    """(height, width) at each level; a `ValueError` where a side can't be halved."""
    factor = 2 ** (levels - 1)
    if len(x_shape) != 3 or x_shape[1] % factor or x_shape[2] % factor:
        raise ValueError(f"x_shape must be (channels, height, width) with sides that {factor} divides, got "
                         f"{tuple(x_shape)}: use fewer levels, or pad the images")
    return [(x_shape[1] >> level, x_shape[2] >> level) for level in range(levels)]

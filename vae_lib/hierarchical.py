"""A hierarchy of latents: the bidirectional (ladder) VAE, and pixels that see their neighbours.

A bottom-up pass reads the image; a top-down pass draws one group of latents after the other, each from a prior and a
posterior that see all groups above it. Sources: Sønderby et al. 2016 (ladder), Kingma et al. 2016 (bidirectional),
Vahdat & Kautz 2020 (posterior relative to the prior), Child 2021 (blocks), Gulrajani et al. 2017 (pixels that see
their neighbours).
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from vae_lib.checks import check_images
from vae_lib.likelihoods import Bernoulli
from vae_lib.objectives import Terms, gaussian_kl
from vae_lib.residual import ResidualBlock, check_sides

__all__ = ["LadderVAE", "MaskedConv2d"]


class MaskedConv2d(nn.Conv2d):
    """A convolution of which every pixel sees only the pixels before it, in reading order.

    itself: whether it sees its own input too, as every layer but the first one may (van den Oord et al. 2016).
    """

    def __init__(self, n_in, n_out, size, itself):
        super().__init__(n_in, n_out, size, padding=size // 2)
        before = torch.arange(size * size).view(size, size) < size * size // 2 + itself
        self.register_buffer("mask", before.float(), persistent=False)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class LatentGroup(nn.Module):
    """One group of latents: z = m(h) + s(h) z', where z' ~ N(0, I) a priori and N(mu, e^logvar) a posteriori.

    h, from the groups above, shifts and scales the prior; mu and logvar, from h and the image, are relative to it.
    """

    def __init__(self, width, z_dim, scale):
        super().__init__()
        self.prior = nn.Conv2d(width, 2 * z_dim, 3, padding=1)
        self.posterior = nn.Sequential(nn.Conv2d(2 * width, width, 3, padding=1), nn.SiLU(),
                                       nn.Conv2d(width, 2 * z_dim, 3, padding=1))
        self.back = nn.Conv2d(z_dim, width, 1)
        self.block = ResidualBlock(width, scale)
        with torch.no_grad():
            self.prior.weight.mul_(0.1)
            self.posterior[-1].weight.mul_(0.1)

    def forward(self, h, seen, eps):
        """What the groups below see at the draw of noise `eps`, `(batch, width, height, width)`, and the group's KL and
        log p(z) - log q(z|x), each `(batch,)`. With `seen` None, z is drawn from the prior, and both are 0.
        """
        kl = ratio = eps.new_zeros(len(eps))
        z = eps
        if seen is not None:
            mu, logvar = self.posterior(torch.cat([F.silu(h), seen], 1)).float().chunk(2, 1)
            logvar = 6 * torch.tanh(logvar / 6)  # bounded: e^logvar can't overflow
            z = mu + (0.5 * logvar).exp() * eps
            kl = gaussian_kl(mu.flatten(1), logvar.flatten(1))
            ratio = 0.5 * (eps.square() + logvar - z.square()).flatten(1).sum(1)
        shift, scale = self.prior(F.silu(h)).float().chunk(2, 1)
        return self.block(h + self.back((shift + (2 * torch.tanh(scale / 2)).exp() * z).to(h.dtype))), kl, ratio


class Context(nn.Module):
    """h and the pixels x before each pixel -> features of each pixel, by masked convolutions."""

    def __init__(self, width, layers):
        super().__init__()
        self.layers = nn.ModuleList(MaskedConv2d(width if i else 1, width, 5 if i else 7, itself=i > 0)
                                    for i in range(layers))

    def forward(self, h, x):
        for i, layer in enumerate(self.layers):
            h = h + (layer(F.silu(h)) if i else layer(2 * x - 1))
        return h


class LadderVAE(nn.Module):
    """p(x, z) = Π_l p(z_l | z_above) p(x | z), with q(z_l | z_above, x) from the same top-down pass.

    Arguments
        widths: channels of each level, the first at the size of the image, each next one at half of its sides.
        groups: latent groups of each level; the top-down pass begins at the last level.
        z_dim: channels of a latent group (at every place of its level).
        blocks: residual blocks of each level on the way up, and after the last latents.
        context: number of masked convolutions by which a pixel sees the pixels before it (0: pixels are
            independent given z). Only for one channel.
        flags: how many known properties of an image (whether it was augmented, say) the model is told, 0 or more: they
            are further channels of x, each constant over the image. Left out, they are zeros.
    The interface is that of `VAE`.
    """

    check_values = True

    def __init__(self, x_shape=(1, 28, 28), widths=(48, 96, 160), groups=(0, 5, 5), z_dim=8, blocks=(1, 2, 2),
                 likelihood=None, context=0, flags=0):
        super().__init__()
        self.likelihood = Bernoulli() if likelihood is None else likelihood
        if context and (x_shape[0] != 1 or self.likelihood.parts != 1):
            raise ValueError("context is for images of one channel with one number a pixel: use context=0")
        self.x_shape, self.z_dim, self.flags = tuple(x_shape), z_dim, flags
        self.sides = check_sides(x_shape, len(widths))
        scale = (sum(groups) + sum(blocks)) ** -0.5
        levels = range(len(widths))

        def stack(level):
            return nn.Sequential(*(ResidualBlock(widths[level], scale) for _ in range(blocks[level])))

        self.read = nn.Conv2d(x_shape[0] + flags, widths[0], 3, padding=1)
        self.up = nn.ModuleList(stack(level) for level in levels)
        self.down_sample = nn.ModuleList(nn.Conv2d(widths[i], widths[i + 1], 2, stride=2) for i in levels[:-1])
        self.top = nn.Parameter(torch.zeros(1, widths[-1], *self.sides[-1]))
        self.flag_top = nn.Linear(flags, widths[-1], bias=False) if flags else None
        self.groups = nn.ModuleList(nn.ModuleList(LatentGroup(widths[i], z_dim, scale) for _ in range(groups[i]))
                                    for i in levels)
        self.up_sample = nn.ModuleList(nn.ConvTranspose2d(widths[i + 1], widths[i], 2, stride=2) for i in levels[:-1])
        self.tail = stack(0)
        self.context = Context(widths[0], context) if context else None
        self.write = nn.Conv2d(widths[0], x_shape[0] * self.likelihood.parts, 1 if context else 3,
                               padding=0 if context else 1)
        self.to(memory_format=torch.channels_last)  # the order of memory that fast convolutions want

    def regions(self):
        """The parts that repeat: compiled one by one, they take seconds where the whole takes minutes."""
        return [part for part in self.modules() if isinstance(part, (ResidualBlock, LatentGroup, Context))]

    @property
    def device(self):
        """Where the weights are."""
        return self.top.device

    @property
    def latents(self):
        """Shapes of all latent groups, top first."""
        return [(self.z_dim, *side) for side, groups in zip(self.sides[::-1], reversed(self.groups)) for _ in groups]

    def elbo(self, x, generator=None):
        """The evidence lower bound of each image, with one draw of all latents: `Terms` of `(batch,)`, nats."""
        x, flags = self._split(x)
        h, kls, _ = self._down(self._up(x, flags), flags, len(x), generator)
        log_px_z, kl = self.likelihood.log_prob(x, self._params(x, h)), sum(kls)
        self._check_finite(log_px_z - kl)
        return Terms(log_px_z - kl, log_px_z, kl)

    def kl_of_groups(self, x):
        """The KL of each latent group, `(groups, batch)` nats, top first."""
        x, flags = self._split(x)
        return torch.stack(self._down(self._up(x, flags), flags, len(x))[1])

    def log_weights(self, x, k, generator=None):
        """log w = log p(x, z) - log q(z|x) at `k` draws z ~ q(z|x), `(k, batch)` nats."""
        x, flags = self._split(x)
        seen = [part.repeat(k, 1, 1, 1) for part in self._up(x, flags)]
        many, flags = x.repeat(k, 1, 1, 1), flags.repeat(k, 1)
        h, _, ratios = self._down(seen, flags, len(many), generator)
        log_w = sum(ratios) + self.likelihood.log_prob(many, self._params(many, h))
        self._check_finite(log_w)
        return log_w.view(k, len(x))

    @torch.no_grad()
    def log_prob(self, x, k=500, rows=4096, generator=None):
        """A lower bound on log p(x) from `k` importance weights, `(batch,)` nats, in bounded memory."""
        if k < 1:
            raise ValueError(f"k, the number of importance weights, must be at least 1, got {k}")
        total, done, step = None, 0, max(1, rows // len(x))
        while done < k:
            part = torch.logsumexp(self.log_weights(x, min(step, k - done), generator=generator), 0)
            total = part if total is None else torch.logaddexp(total, part)
            done += min(step, k - done)
        return total - math.log(k)

    @torch.no_grad()
    def sample(self, n, means=False, temperature=1.0):
        """New images: all latents from their priors, then the pixels, `(n, *x_shape)`.

        With `context` the pixels are drawn one after the other, in reading order; `means` then shows the probability
        with which each was drawn.
        """
        h = self._down(None, torch.zeros(n, self.flags, device=self.device), n, temperature=temperature)[0]
        if self.context is None:
            params = self.write(F.silu(h)).float()
            return self.likelihood.mean(params) if means else self.likelihood.sample(params)
        x, p = torch.zeros(n, *self.x_shape, device=self.device), torch.zeros(n, *self.x_shape, device=self.device)
        for i in range(self.x_shape[1]):
            for j in range(self.x_shape[2]):
                p[:, 0, i, j] = torch.sigmoid(self._params(x, h)[:, 0, i, j])
                x[:, 0, i, j] = torch.bernoulli(p[:, 0, i, j])
        return p if means else x

    def _split(self, x):
        """The image and its flags."""
        channels = self.x_shape[0]
        if x.dim() == 4 and self.flags and x.shape[1] == channels + self.flags:
            x, flags = x[:, :channels], x[:, channels:, 0, 0]
        else:
            flags = torch.zeros(len(x), self.flags, device=x.device)
        check_images(x, self.x_shape)
        if self.check_values:
            self.likelihood.check(x)
        return x, flags

    def _up(self, x, flags):
        """What the bottom-up pass sees at every level."""
        planes = flags[:, :, None, None].expand(-1, -1, *self.x_shape[1:])
        h = self.read(torch.cat([x, planes], 1).contiguous(memory_format=torch.channels_last))
        seen = []
        for level, stack in enumerate(self.up):
            h = stack(h if level == 0 else self.down_sample[level - 1](h))
            seen.append(F.silu(h))
        return seen

    def _down(self, seen, flags, n, generator=None, temperature=1.0):
        """The top-down pass; `seen` None: from the prior. Returns h at full size and, of each group, the KL and
        log p(z) - log q(z|x) at its draw.
        """
        h = self.top.expand(n, -1, -1, -1)
        if self.flags:
            h = h + self.flag_top(flags)[:, :, None, None]
        h, kls, ratios = h.contiguous(memory_format=torch.channels_last), [], []
        for level in reversed(range(len(self.sides))):
            for group in self.groups[level]:
                eps = temperature * torch.randn(n, self.z_dim, *self.sides[level], generator=generator, device=h.device)
                h, kl, ratio = group(h, None if seen is None else seen[level], eps)
                kls.append(kl)
                ratios.append(ratio)
            if level:
                h = self.up_sample[level - 1](h)
        return self.tail(h), kls, ratios

    def _params(self, x, h):
        """The likelihood's parameters from the features h and, with `context`, from the pixels before each."""
        if self.context is not None:
            h = self.context(h, x)
        return self.write(F.silu(h)).float()

    def _check_finite(self, bound):
        if self.check_values and not bound.isfinite().all():
            raise FloatingPointError("the bound is not finite: train with a smaller learning rate, clip the gradient, "
                                     "or look for NaN in the weights")

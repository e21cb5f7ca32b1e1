"""Generative adversarial networks: two networks, one game, and the losses of its two best-known forms (chapter 10).

A generator maps z ~ N(0, I) to a point or an image; a discriminator maps what it is shown to one number, the logit
of "this is real". Losses are averages over the last dimension, the batch, so that they serve one pair of networks and
`many.Many` pairs alike. Sources: Goodfellow et al. 2014 (the game), Gulrajani et al. 2017 (WGAN-GP).
"""

import sys
import time

import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from vae_lib.many import Adam

__all__ = ["BETAS", "GAMES", "Discriminator", "Generator", "critic_loss", "discriminator_loss", "fit",
           "generator_loss", "gradient_penalty", "saturating_loss"]

GAMES = ("non-saturating", "saturating", "wgan-gp")
BETAS = {"non-saturating": (0.5, 0.999), "saturating": (0.5, 0.999),  # of Adam: Radford et al. 2016
         "wgan-gp": (0.0, 0.9)}  # Gulrajani et al. 2017


class Generator(nn.Module):
    """z `(..., z_dim)` -> x `(..., *x_shape)` by a VAE's decoder, without a likelihood: one z gives one x.

    decoder: one of `vae_lib.networks`. pixels: end in a sigmoid, so that every value lies in [0, 1].
    Example
        >>> Generator(MLPDecoder((2,), z_dim=2, hidden=(32, 32))).sample(5).shape
        torch.Size([5, 2])
    """

    def __init__(self, decoder, pixels=False):
        super().__init__()
        self.decoder, self.z_dim, self.pixels = decoder, decoder.z_dim, pixels

    def forward(self, z):
        x = self.decoder(z)
        return torch.sigmoid(x) if self.pixels else x

    @torch.no_grad()
    def sample(self, n):
        """`n` draws, `(n, *x_shape)`; seeded by `torch.manual_seed`."""
        return self(torch.randn(n, self.z_dim, device=next(self.parameters()).device))


class Discriminator(nn.Module):
    """x `(batch, *x_shape)` -> the logit of "real", `(batch,)`, by the layers of a VAE's encoder with one output.

    encoder: one of `vae_lib.networks`; its last layer, which gives mu and logvar, is replaced. last: units of a layer
    in its place, before the output; with as many as the encoder's outputs, both networks have about the same number
    of weights. In a Wasserstein game the same network is the critic, and its output is no logit.
    """

    def __init__(self, encoder, last=None):
        super().__init__()
        *layers, outputs = encoder.body
        n = outputs.in_features
        layers += [] if last is None else [nn.Linear(n, last), nn.SiLU()]
        self.body = nn.Sequential(*layers, nn.Linear(n if last is None else last, 1))
        self.flat = not any(isinstance(layer, nn.Flatten) for layer in layers)

    def forward(self, x):
        return self.body(x.flatten(1) if self.flat else x).squeeze(-1)


def discriminator_loss(real, fake):
    """-E log D(x) - E log(1 - D(G(z))) from logits `(..., batch)`: `(...)` nats; 2 log 2 for one that only guesses."""
    return F.softplus(-real).mean(-1) + F.softplus(fake).mean(-1)


def generator_loss(fake):
    """-E log D(G(z)), the non-saturating loss, from logits `(..., batch)`: `(...)` nats."""
    return F.softplus(-fake).mean(-1)


def saturating_loss(fake):
    """E log(1 - D(G(z))), the loss of the minimax game: its slope vanishes where D is sure that G(z) is fake."""
    return -F.softplus(fake).mean(-1)


def critic_loss(real, fake):
    """E f(G(z)) - E f(x) from the critic's outputs `(..., batch)`: minus the estimated Wasserstein distance."""
    return fake.mean(-1) - real.mean(-1)


def gradient_penalty(critic, real, fake, mix=None):
    """E (|∇f(x̂)| - 1)² at x̂ between a real and a fake point: `(...)`, one number for each network.

    real, fake: `(..., batch, *x_shape)`, where `critic(real)` is `(..., batch)`. mix: the share of `real` in each x̂,
    of the shape of the critic's output; drawn from U(0, 1) if not given. Source: Gulrajani et al. 2017.
    """
    if real.shape != fake.shape:
        raise ValueError(f"real and fake must have one shape, got {tuple(real.shape)} and {tuple(fake.shape)}: "
                         "draw equally many of both")
    if mix is None:
        mix = torch.rand_like(critic(real))
    lead = mix.dim()
    mix = mix.reshape(*mix.shape, *[1] * (real.dim() - lead))
    x = (mix * real + (1 - mix) * fake).detach().requires_grad_()
    gradient, = torch.autograd.grad(critic(x).sum(), x, create_graph=True)  # f of one point depends on no other
    return (gradient.flatten(lead).norm(dim=-1) - 1).square().mean(-1)


def fit(generator, discriminator, draw, draw_z, steps, game="non-saturating", lr=1e-3, betas=None, turns=None,
        penalty=10.0, every=None, watch=None, progress=False, label=""):
    """Play the game for `steps` batches of real points; returns its history.

    draw(), draw_z(): a batch of real points and one of noise. Both networks may be `many.Many`.
    game: one of `GAMES`. lr: of both networks, or a tensor with one for each pair of `Many`.
    betas: of Adam; `BETAS[game]` if not given.
    turns: the discriminator learns from every batch, the generator after every `turns`-th: 1, or 5 for "wgan-gp".
    penalty: weight of the gradient penalty.
    every, watch: after every so many batches, and before the first, call `watch(batches seen)`.
    Returns
        A dict of lists: `step`, `discriminator`, `generator` (losses as tensors, nats, or the units of the critic) at
        every `every`-th batch, and `seconds`, without those that `watch` took.
    Raises
        ValueError: an unknown game. Nothing is raised where the game diverges: look at the history.
    """
    if game not in GAMES:
        raise ValueError(f"game must be one of {', '.join(GAMES)}, got {game!r}")
    turns = turns or (5 if game == "wgan-gp" else 1)
    players = {"discriminator": list(discriminator.parameters()), "generator": list(generator.parameters())}
    adam = {name: Adam(p, lr, betas or BETAS[game]) for name, p in players.items()}
    history, watching, began = {"step": [], "discriminator": [], "generator": []}, 0.0, time.perf_counter()

    def learn(name, loss):  # only this player's weights get a gradient
        for p, gradient in zip(players[name], torch.autograd.grad(loss.sum(), players[name]), strict=True):
            p.grad = gradient
        adam[name].step()

    loss_g = None
    if watch:
        watch(0)
    for step in tqdm(range(1, steps + 1), desc=label, disable=not progress, file=sys.stdout, ncols=80, mininterval=1):
        real = draw()
        with torch.no_grad():
            fake = generator(draw_z())
        if game == "wgan-gp":
            f = discriminator(real)
            loss_d = critic_loss(f, discriminator(fake))
            learn("discriminator", loss_d + penalty * gradient_penalty(discriminator, real, fake, torch.rand_like(f)))
        else:
            loss_d = discriminator_loss(discriminator(real), discriminator(fake))
            learn("discriminator", loss_d)
        if step % turns == 0:
            logits = discriminator(generator(draw_z()))
            loss_g = {"non-saturating": generator_loss, "saturating": saturating_loss,
                      "wgan-gp": lambda f: -f.mean(-1)}[game](logits)
            learn("generator", loss_g)
        if every and step % every == 0:
            history["step"].append(step)
            history["discriminator"].append(loss_d.detach())
            history["generator"].append(loss_g.detach() if loss_g is not None else torch.full_like(loss_d, torch.nan))
            if watch:
                paused = time.perf_counter()
                watch(step)
                watching += time.perf_counter() - paused
    return history | {"seconds": time.perf_counter() - began - watching}

"""The conditional VAE: a label is given, and the latent variable holds what the label does not tell."""

import torch
import torch.nn.functional as F
from torch import nn

from vae_lib import data, networks, objectives
from vae_lib.likelihoods import Bernoulli
from vae_lib.vae import VAE

__all__ = ["ConditionalVAE", "fixed_images", "negative_elbo"]


class ConditionalVAE(nn.Module):
    """p(x, z | y) = p(z) p(x|z, y) with q(z|x, y): for each label y one VAE, all with the same weights.

    p(z) = N(0, I) whatever y is, so that z is asked to hold what all classes have in common, such as the style.
    Source: Kingma et al. 2014 (M2 with the label observed), Sohn et al. 2015.

    Arguments
        encoder: vectors of the image's pixels and the one-hot label -> (mu, logvar), each `(batch, z_dim)`.
        decoder: vectors of z and the one-hot label -> params of the likelihood.
    Example
        >>> model = ConditionalVAE.mlp(z_dim=4, hidden=(8,))
        >>> y = torch.tensor([3, 3, 7])
        >>> model.given(y).sample(3).shape, model.given(y).elbo(torch.zeros(3, 1, 28, 28)).kl.shape
        (torch.Size([3, 1, 28, 28]), torch.Size([3]))
    """

    check_values = True

    def __init__(self, encoder, decoder, likelihood=None, x_shape=(1, 28, 28), classes=10):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.likelihood = Bernoulli() if likelihood is None else likelihood
        self.x_shape, self.z_dim, self.classes = tuple(x_shape), encoder.z_dim, classes

    @classmethod
    def mlp(cls, z_dim=20, hidden=(200,), activation="silu", x_shape=(1, 28, 28), classes=10, mean_image=None):
        """With fully connected networks; `mean_image`, `(*x_shape)` in [0, 1], starts the decoder there."""
        pixels = torch.Size(x_shape).numel()
        encoder = networks.MLPEncoder((pixels + classes,), z_dim, hidden, activation)
        decoder = networks.MLPDecoder((pixels,), z_dim + classes, tuple(hidden)[::-1], activation)
        if mean_image is not None:
            networks.output_bias(decoder, mean_image[None])
        return cls(encoder, decoder, x_shape=x_shape, classes=classes)

    def given(self, y):
        """The VAE of the labels `y` `(batch,)`, integers: p(z) p(x|z, y) and q(z|x, y), one label for each image.

        It has all that a `VAE` has, for batches as long as `y`: `elbo`, `log_prob`, `encode`, `sample`, ...
        Raises
            TypeError, ValueError: y is no batch of labels.
        """
        if not isinstance(y, torch.Tensor) or y.dim() != 1 or y.is_floating_point() or y.dtype == torch.bool:
            got = f"{y.dtype} {tuple(y.shape)}" if isinstance(y, torch.Tensor) else type(y).__name__
            raise TypeError(f"y must be integers of shape (batch,), got {got}: for n images of class 3 use "
                            "torch.full((n,), 3)")
        if self.check_values and len(y) and not (int(y.min()) >= 0 and int(y.max()) < self.classes):
            raise ValueError(f"y must hold labels from 0 to {self.classes - 1}, got {int(y.min())} to {int(y.max())}")
        device = next(self.parameters()).device
        model = VAE(_Given(self, y.to(device), self.encoder), _Given(self, y.to(device), self.decoder), self.likelihood)
        model.check_values = self.check_values
        return model.train(self.training)


class _Given(nn.Module):
    """A network of vectors with the one-hot label at their end, as a network of images, or of z, alone."""

    def __init__(self, model, y, network):
        super().__init__()
        self.x_shape, self.z_dim, self.network = model.x_shape, model.z_dim, network
        self.label = F.one_hot(y.long(), model.classes).to(next(network.parameters()).dtype)

    def forward(self, v):
        if isinstance(self.network, networks.MLPEncoder):
            return self.network(torch.cat([v.flatten(1), self._label(v.flatten(1))], -1))
        return self.network(torch.cat([v, self._label(v)], -1)).unflatten(-1, self.x_shape)

    def _label(self, v):
        if v.shape[-2] != len(self.label):
            raise ValueError(f"a batch of {v.shape[-2]} and {len(self.label)} labels: give one label for each image")
        return self.label.expand(*v.shape[:-1], -1)


def negative_elbo(model, x, step=0, **options):
    """`objectives.negative_elbo` for images with their label in a second channel (`data.labelled`): `(batch,)` nats."""
    return objectives.negative_elbo(model.given(x[:, 1, 0, 0].long()), x[:, :1], step, **options)


def fixed_images(name, split):
    """The static binarisation of a split with its labels in a second channel, floats `(n, 2, 28, 28)`."""
    found = data.load(name, split)
    label = found.labels.float()[:, None, None, None]
    x = data.static_binarized(name, split)
    return torch.cat([x, label.expand_as(x)], 1)


@torch.no_grad()
def finish(model, name):
    """The -ELBO of the test images, one draw each, for the provenance."""
    x = fixed_images(name, "test").to(next(model.parameters()).device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        value = torch.cat([negative_elbo(model.eval(), part) for part in x.split(1000)]).mean().item()
    return {"test_negative_elbo": round(value, 3)}

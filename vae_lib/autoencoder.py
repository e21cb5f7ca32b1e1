"""The plain autoencoder of chapter 1: compress and reconstruct, with no probability anywhere."""

from torch import nn

from vae_lib.checks import check_images

__all__ = ["Autoencoder", "squared_error"]


class Autoencoder(nn.Module):
    """x -> code z = f(x) -> reconstruction g(z), trained to make ‖x - g(f(x))‖² small.

    Arguments
        encoder: a network x `(batch, *x_shape)` -> z `(batch, z_dim)`.
        decoder: a network z `(batch, z_dim)` -> `(batch, *x_shape)`.
        x_shape: shape of one image.
    Source: Hinton & Salakhutdinov 2006.
    """

    def __init__(self, encoder, decoder, x_shape=(1, 28, 28)):
        super().__init__()
        self.encoder, self.decoder, self.x_shape = encoder, decoder, tuple(x_shape)

    def encode(self, x):
        """The codes z, `(batch, z_dim)`. Raises a clear error for a wrong shape or dtype, or an empty batch."""
        check_images(x, self.x_shape)
        return self.encoder(x)

    def decode(self, z):
        """The images of the codes, `(batch, *x_shape)`."""
        return self.decoder(z)

    def forward(self, x):
        """The reconstructions of `x`, of its shape."""
        return self.decode(self.encode(x))


def squared_error(model, x, step=0):
    """‖x - model(x)‖² of each image, `(batch,)`: summed over the pixels."""
    return (model(x) - x).square().flatten(1).sum(1)

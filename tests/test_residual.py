"""Laws of the residual networks: shapes, blocks near the identity, and errors that say what fits."""

import pytest
import torch
from conftest import assert_mean

from vae_lib.likelihoods import DiscretizedLogistic
from vae_lib.objectives import negative_elbo
from vae_lib.residual import ResidualBlock, ResidualDecoder, ResidualEncoder, check_sides
from vae_lib.vae import VAE


def vae(x_shape, widths, parts=1, likelihood=None):
    return VAE(ResidualEncoder(x_shape, 5, widths), ResidualDecoder(x_shape, 5, widths, parts=parts), likelihood)


@pytest.mark.parametrize(("x_shape", "widths", "parts", "likelihood"), [
    ((1, 28, 28), (4, 6, 8), 1, None), ((3, 32, 32), (4, 6, 8), 2, DiscretizedLogistic()),
    ((3, 64, 64), (4, 4, 6, 8), 2, DiscretizedLogistic()), ((1, 8, 12), (4,), 1, None),
])
def test_every_image_size_has_an_elbo_a_gradient_and_draws(x_shape, widths, parts, likelihood):
    model, x = vae(x_shape, widths, parts, likelihood), torch.rand(3, *x_shape).round()
    loss = negative_elbo(model, x)
    loss.mean().backward()
    assert loss.shape == (3,) and loss.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    drawn = model.sample(2)
    assert drawn.shape == (2, *x_shape) and drawn.min() >= 0 and drawn.max() <= 1
    assert model.decode(torch.randn(4, 3, 5)).shape == (4, 3, parts * x_shape[0], *x_shape[1:])


def test_a_decoder_decodes_every_code_on_its_own():
    decoder, z = ResidualDecoder((1, 8, 8), 5, (4, 6)), torch.randn(4, 3, 5)
    torch.testing.assert_close(decoder(z)[2], decoder(z[2]))


def assert_a_block_of_scale_0_is_the_identity(block):
    h = torch.randn(2, 4, 6, 6)
    assert torch.equal(block(4, 0.0)(h), h)
    # the correction grows with the scale: it is linear in it at the start
    torch.manual_seed(0)
    one = block(4, 1.0)(h) - h
    torch.manual_seed(0)
    torch.testing.assert_close(block(4, 0.25)(h) - h, 0.25 * one, atol=1e-6, rtol=1e-4)
    assert one.any()


def test_a_block_of_scale_0_is_the_identity():
    assert_a_block_of_scale_0_is_the_identity(ResidualBlock)


class NoSkip(ResidualBlock):
    """A mistake: the correction replaces what it should correct."""

    def forward(self, h):
        return super().forward(h) - h


class ScaleIgnored(ResidualBlock):
    """A mistake: every block starts at full size."""

    def __init__(self, width, scale):
        super().__init__(width)


@pytest.mark.parametrize("wrong", [NoSkip, ScaleIgnored])
def test_the_law_of_the_block_refuses(wrong):
    with pytest.raises(AssertionError):
        assert_a_block_of_scale_0_is_the_identity(wrong)


def test_the_elbo_of_colour_images_lies_below_their_log_probability():
    torch.manual_seed(0)
    model, x = vae((3, 8, 8), (4, 6), 2, DiscretizedLogistic()), torch.rand(1, 3, 8, 8).mul(255).round() / 255
    bound = model.elbo(x.expand(400, 3, 8, 8)).elbo
    weights = model.log_weights(x, 400)[:, 0]
    # one closed-form KL a draw, or one log weight a draw: the same average
    assert_mean(bound.detach() - weights.detach(), 0.0)
    assert torch.logsumexp(weights, 0) - torch.tensor(400.0).log() > bound.mean()


@pytest.mark.parametrize(("shape", "levels"), [((1, 28, 28), 4), ((3, 30, 32), 3), ((64,), 1), ((1, 28), 1)])
def test_sides_that_cannot_be_halved_are_an_error_that_names_the_fix(shape, levels):
    with pytest.raises(ValueError) as error:
        check_sides(shape, levels)
    assert f"{2 ** (levels - 1)} divides" in str(error.value) and "fewer levels, or pad" in str(error.value)
    with pytest.raises(ValueError):
        ResidualEncoder(shape, 5, (4,) * levels)


def test_sides_halve_at_every_level():
    assert check_sides((3, 64, 32), 3) == [(64, 32), (32, 16), (16, 8)]

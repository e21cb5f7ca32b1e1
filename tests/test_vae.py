"""Laws of the model: shapes and finite numbers for whatever it accepts, and a clear error for the rest."""

import math
import subprocess
import sys

import pytest
import torch
from conftest import assert_mean, small_vae
from hypothesis import given
from hypothesis import strategies as st

from vae_lib import autoencoder, checks, networks
from vae_lib.likelihoods import Bernoulli, Categorical, ContinuousBernoulli, DiscretizedLogistic, Gaussian
from vae_lib.networks import ConvDecoder, ConvEncoder, MLPDecoder, MLPEncoder

LIKELIHOODS = {
    "Bernoulli": Bernoulli, "ContinuousBernoulli": ContinuousBernoulli, "Gaussian": Gaussian,
    "Gaussian, learned": lambda: Gaussian("learned"), "Gaussian, per pixel": lambda: Gaussian("pixel"),
    "DiscretizedLogistic": lambda: DiscretizedLogistic(4), "Categorical": lambda: Categorical(4),
}
FAMILIES = {"mlp": (MLPEncoder, MLPDecoder), "conv": (ConvEncoder, ConvDecoder)}


def images(n, shape, dtype=torch.float32):
    return torch.rand(n, *shape, dtype=dtype).round()


# Shapes

@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 4, 8), (3, 32, 32)], ids=str)
@pytest.mark.parametrize("parts", [1, 2])
def test_networks_map_images_to_posteriors_and_z_to_params(family, shape, parts):
    encoder, decoder = FAMILIES[family]
    mu, logvar = encoder(shape, 7)(torch.rand(5, *shape))
    assert mu.shape == logvar.shape == (5, 7)
    decode = decoder(shape, 7, parts=parts)
    c, h, w = shape
    for leading in ((), (5,), (3, 5), (2, 3, 5)):
        assert decode(torch.randn(*leading, 7)).shape == (*leading, parts * c, h, w)
    z = torch.randn(3, 5, 7)
    torch.testing.assert_close(decode(z)[1], decode(z[1]), atol=1e-5, rtol=1e-5)


def test_the_papers_network_has_its_sizes():
    sizes = [tuple(layer.weight.shape) for net in (MLPEncoder(), MLPDecoder())
             for layer in net.modules() if isinstance(layer, torch.nn.Linear)]
    assert sizes == [(200, 784), (200, 200), (100, 200), (200, 50), (200, 200), (784, 200)]


@given(n=st.integers(1, 4), k=st.integers(1, 5), z_dim=st.integers(1, 6), channels=st.integers(1, 3),
       height=st.integers(1, 9), width=st.integers(1, 9), double=st.booleans(), name=st.sampled_from(list(LIKELIHOODS)))
def test_every_method_keeps_shapes_and_types(n, k, z_dim, channels, height, width, double, name):
    dtype, shape = torch.float64 if double else torch.float32, (channels, height, width)
    model = small_vae(shape, z_dim, LIKELIHOODS[name]()).to(dtype)
    x = images(n, shape, dtype)
    for term in model.elbo(x):
        assert term.shape == (n,) and term.dtype == dtype and term.isfinite().all()
    assert model.log_weights(x, k).shape == (k, n)
    assert model.log_prob(x, k).shape == (n,) and model.log_prob(x, k).dtype == dtype
    assert model.posterior(x).sample().shape == (n, z_dim)
    assert model.prior().sample((n,)).dtype == dtype
    for means in (False, True):
        for found in (model.sample(n, means), model.reconstruct(x, means)):
            assert found.shape == x.shape and found.dtype == dtype and found.isfinite().all()


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_model_of_vectors_works_like_one_of_images(name):
    model = small_vae((6,), 2, LIKELIHOODS[name]())
    x = images(4, (6,))
    assert model.elbo(x).elbo.shape == (4,)
    assert model.log_prob(x, 3).shape == (4,)
    assert model.sample(4).shape == model.reconstruct(x).shape == (4, 6)


# Extreme numbers: finite, or a clear error

@given(logvar=st.floats(-2000, 2000), mu=st.floats(-1e25, 1e25) | st.floats(-100, 100), double=st.booleans(),
       name=st.sampled_from(list(LIKELIHOODS)))
def test_extreme_posteriors_give_finite_bounds_or_a_clear_error(logvar, mu, double, name):
    model = small_vae((1, 4, 4), 2, LIKELIHOODS[name]())
    with torch.no_grad():
        last = model.encoder.body[-1]
        last.weight.zero_()
        last.bias.copy_(torch.tensor([mu, mu, logvar, logvar]))
    model = model.double() if double else model
    x = images(3, (1, 4, 4), torch.float64 if double else torch.float32)
    for bound in (lambda: model.elbo(x).elbo, lambda: model.log_weights(x, 2), lambda: model.log_prob(x, 4)):
        try:
            value = bound()
        except FloatingPointError as error:
            assert "the bound is not finite" in str(error) and "Bound logvar" in str(error)
            assert abs(logvar) > 20 or abs(mu) > 1e4, "an ordinary posterior was refused"
        else:
            assert value.isfinite().all()


def test_moderate_log_variances_always_give_finite_numbers_and_gradients():
    for logvar in (-80.0, -20.0, 0.0, 20.0, 40.0):
        model = small_vae((1, 4, 4), 2)
        with torch.no_grad():
            model.encoder.body[-1].bias[2:] = logvar
        elbo = model.elbo(images(3, (1, 4, 4))).elbo
        elbo.sum().backward()
        assert elbo.isfinite().all()
        assert all(p.grad.isfinite().all() for p in model.parameters())


def test_nan_in_the_weights_is_a_clear_error():
    model = small_vae()
    with torch.no_grad():
        model.encoder.body[0].weight[0, 0] = math.nan
    with pytest.raises(FloatingPointError, match=r"look for NaN in the weights"):
        model.elbo(torch.ones(2, 1, 8, 8))


# Errors that name the fix

MODEL, CODER = small_vae(), autoencoder.Autoencoder(torch.nn.Flatten(), torch.nn.Identity(), (1, 8, 8))
GOOD = torch.zeros(2, 1, 8, 8)


class Labelled:
    """Images with labels, as `data.load` gives them."""

    images = GOOD


WRONG_X = {
    "uint8": (GOOD.byte(), TypeError, "divide uint8 images by 255, or use data.load(..., as_float=True)"),
    "labels": (torch.tensor([3, 1]), TypeError, "if these are labels, pass the images"),
    "no tensor": ([[0.0]], TypeError, "got list: use torch.as_tensor(x)"),
    "images with labels": (Labelled(), TypeError, "got Labelled: use x.images"),
    "one image": (GOOD[0], ValueError, "got (1, 8, 8): add the batch dimension with x[None]"),
    "flat images": (GOOD.flatten(1), ValueError, "got (2, 64): use x.reshape(-1, 1, 8, 8)"),
    "no channel": (GOOD[:, 0], ValueError, "got (2, 8, 8): use x.reshape(-1, 1, 8, 8)"),
    "other size": (torch.zeros(2, 1, 9, 9), ValueError, "x must have shape (batch, 1, 8, 8), got (2, 1, 9, 9)"),
    "a number": (torch.tensor(1.0), ValueError, "got ()"),
    "empty batch": (GOOD[:0], ValueError, "x is an empty batch: check the index or mask that selected it"),
}
WRONG_VALUES = {
    "0 to 255": (GOOD + 255, ValueError, "x must lie in [0, 1], got [255, 255]: divide uint8 images by 255"),
    "zero mean": (GOOD - 0.5, ValueError, "undo any normalisation to zero mean"),
    "in between": (GOOD + 0.5, ValueError, "draw them with data.binarize(x)"),
    "NaN": (GOOD * math.nan, ValueError, "x holds NaN: look for 0/0 or log(0)"),
    "infinity": (GOOD + math.inf, ValueError, "x must lie in [0, 1], got [inf, inf]"),
    "float64": (GOOD.double(), TypeError, "x.to(model.dtype), or model.double() for float64"),
    "float16": (GOOD.half(), TypeError, "x.to(model.dtype)"),
    "elsewhere": (GOOD.to("meta"), ValueError, "x is on meta and the model on cpu: use x.to(model.device)"),
}
TAKES_X = {
    "encode": MODEL.encode, "posterior": MODEL.posterior, "elbo": MODEL.elbo, "reconstruct": MODEL.reconstruct,
    "log_weights": lambda x: MODEL.log_weights(x, 2), "log_prob": lambda x: MODEL.log_prob(x, 2),
}


def assert_error(call, kind, part):
    with pytest.raises(kind) as error:
        call()
    assert part in str(error.value)


@pytest.mark.parametrize("case", WRONG_X | WRONG_VALUES)
@pytest.mark.parametrize("method", TAKES_X)
def test_a_wrong_x_is_an_error_that_names_the_fix(method, case):
    x, kind, part = (WRONG_X | WRONG_VALUES)[case]
    assert_error(lambda: TAKES_X[method](x), kind, part)


@pytest.mark.parametrize("case", WRONG_X)
def test_a_wrong_x_of_an_autoencoder_is_an_error_that_names_the_fix(case):
    x, kind, part = WRONG_X[case]
    assert_error(lambda: CODER.encode(x), kind, part)


@pytest.mark.parametrize(("call", "part"), [
    (lambda: MODEL.decode(torch.zeros(2, 4)), "z must have shape (..., 3), got (2, 4): draw it with model.prior()"),
    (lambda: MODEL.decode(torch.tensor(0.0)), "z must have shape (..., 3), got ()"),
    (lambda: MODEL.log_prob(GOOD, 0), "must be at least 1, got 0"),
    (lambda: networks.mlp([2, 3, 1], "swish"), "activation must be one of tanh, relu, gelu, silu, linear, got 'swish'"),
    (lambda: ConvEncoder((1, 30, 30)), "4 divides, got (1, 30, 30): pad the images, or use an MLP"),
    (lambda: ConvDecoder((1, 28, 30)), "4 divides, got (1, 28, 30): pad the images, or use an MLP"),
    (lambda: networks.output_bias(ConvDecoder(), torch.rand(5, 1, 28, 28)), "a decoder that ends in one logit a pixel"),
])
def test_other_wrong_arguments_are_errors_that_name_the_fix(call, part):
    assert_error(call, ValueError, part)


def test_check_values_leaves_out_the_reading_of_values_and_nothing_else():
    model = small_vae()
    model.check_values = False
    model.elbo(GOOD + 0.5)
    assert_error(lambda: model.elbo(GOOD.byte()), TypeError, "divide uint8 images by 255")


def test_the_interval_of_the_check_is_closed():
    checks.check_values(torch.tensor([0.0, 1.0]))
    checks.check_values(torch.tensor([-3.0, 7.0]), -math.inf, math.inf)
    assert_error(lambda: checks.check_values(torch.tensor([1.0001])), ValueError, "x must lie in [0, 1]")


# Draws

def test_samples_are_draws_and_means_are_their_averages():
    model = small_vae()
    torch.manual_seed(3)
    first = model.sample(50)
    torch.manual_seed(3)
    assert torch.equal(first, model.sample(50))
    assert set(first.unique().tolist()) == {0.0, 1.0}
    # a draw and a mean have the same average over z and x
    assert_mean(model.sample(4000) - model.sample(4000, means=True), 0.0)


def test_temperature_scales_z():
    model = small_vae()
    torch.manual_seed(3)
    z = torch.randn(9, model.z_dim)
    torch.manual_seed(3)
    found = model.sample(9, means=True, temperature=0.5)
    torch.testing.assert_close(found, torch.sigmoid(model.decode(0.5 * z)))


def test_a_generator_makes_a_bound_repeatable_and_leaves_other_draws_alone():
    model, x = small_vae(), images(4, (1, 8, 8))
    before = torch.get_rng_state()
    for bound in (lambda g: model.elbo(x, g).elbo, lambda g: model.log_weights(x, 3, g),
                  lambda g: model.log_prob(x, 30, generator=g)):
        one, again = (bound(torch.Generator().manual_seed(5)) for _ in range(2))
        assert torch.equal(one, again)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_output_bias_starts_the_decoder_at_the_pixel_means():
    pixels = torch.rand(50, 1, 8, 8)
    pixels[:, 0, 0, 0] = 0
    decoder = MLPDecoder((1, 8, 8), 3)
    networks.output_bias(decoder, pixels)
    bias = decoder.body[-1].bias.sigmoid().reshape(1, 8, 8)
    torch.testing.assert_close(bias, pixels.mean(0).clamp(0.001, 0.999))


# The chunked log p(x)

def test_chunks_of_any_size_use_the_same_draws_and_give_the_same_number():
    model, x = small_vae(), images(4, (1, 8, 8))
    found = [model.log_prob(x, 37, rows, torch.Generator().manual_seed(5)) for rows in (1, 4, 12, 20, 148, 4096)]
    whole = model.log_weights(x, 37, torch.Generator().manual_seed(5))
    # torch.randn draws fewer than 16 numbers by another rule than more of them: 12 a chunk and up need not be the
    # same draws as the whole, so the law is on average; one chunk is exact
    torch.testing.assert_close(found[-1], torch.logsumexp(whole, 0) - math.log(37))
    weights = model.log_weights(x, 20_000).exp()
    spread = weights.std(0) / weights.mean(0) / 37**0.5
    for value in found:
        # log of an average of 37 weights: its standard error is that of the average, over the average
        assert ((value.exp() / weights.mean(0) - 1).abs() <= 4 * spread).all()


def test_k_5000_on_500_images_takes_bounded_memory():
    """At most 4,000 decoded images (500 × 8, of 49 float32) are held at once: 0.8 MB an array, and some ten arrays at
    a time with the heap's own slack: below 50 MB. All 2.5 million at once would take 490 MB an array. That the bound
    can be broken is shown by a fifth of them at once: 98 MB an array.
    """
    code = """
import resource, sys, torch
torch.set_num_threads(1)
from vae_lib.networks import MLPDecoder, MLPEncoder
from vae_lib.vae import VAE
shape = (1, 7, 7)
model = VAE(MLPEncoder(shape, 2, (8,)), MLPDecoder(shape, 2, (8,)))
x = torch.rand(500, *shape).round()
model.log_prob(x, 1)  # what a first call allocates is no part of it
unit = 1024**2 if sys.platform == "darwin" else 1024
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
start = peak()
assert model.log_prob(x, 5000).isfinite().all()
chunked = peak() - start
model.log_prob(x, 1000, rows=500_000)
print(chunked, peak() - start)
"""
    # a process starts with the peak of the one that started it: a small one stands between this and that
    relay = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)"
    run = subprocess.run([sys.executable, "-c", relay, code], capture_output=True, text=True, check=True)
    chunked, whole = map(float, run.stdout.split())
    assert chunked < 50 < whole

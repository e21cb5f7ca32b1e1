"""Live figures: what is packed is what the model decodes, in Python and in the browser, and errors are in words."""

import base64
import json
import re
from pathlib import Path

import chromium
import numpy as np
import pytest
import torch
import traitlets
from conftest import small_vae
from ipywidgets.embed import dependency_state, embed_data
from torch import nn

from vae_lib import likelihoods, networks
from vae_lib.autoencoder import Autoencoder
from vae_lib.vae import VAE
from vae_lib.widgets import latent_plane
from vae_lib.widgets.modules import source
from vae_lib.widgets.packing import pack, round_rows, run, unpack

ROOT = Path(__file__).parents[1]
MODULE = source("network.js", "latent_plane.js")
HOST = ROOT / "book" / "_static" / "afm_host.js"
SHAPE = (1, 8, 8)


def plane_vae(activation="tanh", hidden=(24, 24), likelihood=None, x_shape=SHAPE):
    """A VAE with a plane of codes whose decoder makes images with contrast."""
    torch.manual_seed(1)
    model = VAE(networks.MLPEncoder(x_shape, 2, hidden, activation),
                networks.MLPDecoder(x_shape, 2, hidden, activation), likelihood)
    with torch.no_grad():
        for weight in model.decoder.parameters():
            weight.mul_(2)
    return model


def plane_autoencoder(*layers):
    """An autoencoder whose decoder is the given layers."""
    return Autoencoder(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), nn.Sequential(*layers), SHAPE)


def linear_autoencoder():
    return plane_autoencoder(nn.Linear(2, 64), nn.Unflatten(-1, SHAPE))


def sigmoid_autoencoder():
    return plane_autoencoder(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 64), nn.Sigmoid(), nn.Unflatten(-1, SHAPE))


MODELS = {
    "tanh": plane_vae,
    "relu": lambda: plane_vae("relu"),
    "silu": lambda: plane_vae("silu"),
    "gelu": lambda: plane_vae("gelu"),
    "no activation": lambda: plane_vae("linear"),
    "one layer": lambda: plane_vae(hidden=()),
    "odd widths": lambda: plane_vae(hidden=(7, 5, 3)),
    "gaussian": lambda: plane_vae(likelihood=likelihoods.Gaussian()),
    "autoencoder, linear": linear_autoencoder,
    "autoencoder, sigmoid": sigmoid_autoencoder,
}
each_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


def codes(n=200, limit=3.0):
    return (2 * torch.rand(n, 2) - 1) * limit


@torch.no_grad()
def pixels(model, z):
    """What the model decodes, `(n, pixels)`, by its own code."""
    params = model.decode(z)
    mean = model.likelihood.mean(params) if hasattr(model, "likelihood") else params
    return mean.flatten(1).clamp(0, 1)


# ---------------------------------------------------------------- packing


def test_rounding_moves_a_single_column_by_at_most_half_a_step():
    weight = torch.randn(50, 1).numpy()
    q, scale = round_rows(weight, np.ones((10, 1)))
    assert (abs(q * scale[:, None] - weight) <= scale[:, None] * 0.5000001).all()


def test_rounding_keeps_what_is_on_the_grid_of_integers():
    step = np.exp2(np.random.default_rng(0).integers(-8, 0, 20)).astype("f4")  # powers of two: no float rounding
    integers = np.random.default_rng(1).integers(-127, 128, (20, 30))
    integers[:, 0] = 127
    q, scale = round_rows((integers * step[:, None]).astype("f4"), np.random.default_rng(2).normal(size=(100, 30)))
    np.testing.assert_array_equal(q, integers)
    np.testing.assert_array_equal(scale, step)


@pytest.mark.parametrize("limit", [1.0, 3.0, 10.0])
def test_one_layer_is_off_by_at_most_the_half_steps_of_its_inputs(limit):
    # the two columns are uncorrelated on the grid of codes, so none makes up for the other: each weight is off by
    # at most half a step s/2, a pre-activation by s/2 (|z₁| + |z₂|), and a sigmoid has slope at most 1/4
    model = plane_vae(hidden=())
    layers = unpack(pack(model, limit, max_error=1))
    step = model.decoder.body[0].weight.detach().abs().amax(1) / 127
    z = codes(limit=limit)
    bound = 0.25 * 0.5 * z.abs().sum(1, keepdim=True) * step
    assert ((run(layers, z) - pixels(model, z)).abs() <= bound + 1e-6).all()


def test_compensated_rounding_is_nearer_than_plain_rounding():
    weight, hidden = torch.randn(60, 40), torch.tanh(codes(500) @ torch.randn(2, 40))
    q, scale = round_rows(weight.numpy(), hidden.numpy())
    compensated = (hidden @ (torch.tensor(q * scale[:, None]) - weight).T).square().mean()
    plain = (hidden @ (torch.round(weight / torch.tensor(scale)[:, None]) * torch.tensor(scale)[:, None] - weight).T)
    assert compensated < 0.5 * plain.square().mean()


@each_model
def test_stated_error_is_the_error_on_its_grid(make):
    model = make()
    packed = pack(model)
    line = torch.linspace(-3, 3, 41)
    z = torch.cartesian_prod(line, line)
    measured = (run(unpack(packed), z) - pixels(model, z)).abs().max().item()
    assert packed.error == pytest.approx(measured, abs=1e-6)
    assert 0 < packed.error < 0.02


def test_too_large_an_error_is_refused():
    with pytest.raises(ValueError, match=r"8-bit weights change a pixel by .* more than 1e-06"):
        pack(plane_vae(), max_error=1e-6)


# ---------------------------------------------------------------- the figure in Python


def test_state_of_the_course_network_is_small():
    model = VAE(networks.MLPEncoder(z_dim=2), networks.MLPDecoder(z_dim=2))
    figure = latent_plane(model, torch.randn(2000, 2), torch.randint(10, (2000,)))
    state = json.dumps(dependency_state([figure], drop_defaults=False))
    assert 200_000 < len(state) < 700_000


def test_text_form_is_short():
    figure = latent_plane(plane_vae(), torch.zeros(5, 2), torch.arange(5))
    text = figure._repr_mimebundle_()[0]["text/plain"]
    assert text == "LatentPlane(2-24-24-64 decoder, 5 points, z=[0.0, 0.0])"


def test_model_is_left_as_it_was():
    model = plane_vae().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    latent_plane(model)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_code_moves_both_ways():
    figure, seen = latent_plane(plane_vae()), []
    figure.observe(lambda change: seen.append(change["new"]), "z")
    figure.set_state({"z": [1.5, -0.5]})  # what arrives when the pointer moves
    figure.z = (0.25, 9)
    assert seen == [[1.5, -0.5], [0.25, 3.0]]  # kept inside of the square
    assert figure.get_state("z") == {"z": [0.25, 3.0]}


@pytest.mark.parametrize("z", [[1.0], [1.0, 2.0, 3.0], [float("nan"), 0.0], [float("inf"), 0.0]])
def test_code_must_be_two_numbers(z):
    with pytest.raises(traitlets.TraitError, match="two finite numbers"):
        latent_plane(plane_vae()).z = z


class _Strange(nn.Module):
    """A decoder that does more than its layers."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 64), nn.Unflatten(-1, SHAPE))

    def forward(self, z):
        return self.body(z) * 2 + 0.1


MISTAKES = {
    "no model": (lambda: latent_plane(nn.Linear(2, 3)), TypeError, "VAE or Autoencoder, got Linear"),
    "three codes": (lambda: latent_plane(small_vae(SHAPE, 3)), ValueError, "2 dimensions .* got 3"),
    "colour": (lambda: latent_plane(small_vae((3, 8, 8), 2)), ValueError, "grey images"),
    "convolutions": (lambda: latent_plane(VAE(networks.ConvEncoder(SHAPE, 2, 4), networks.ConvDecoder(SHAPE, 2, 4))),
                     TypeError, "nn.Linear with tanh, relu, silu or gelu"),
    "unknown activation": (lambda: latent_plane(plane_autoencoder(nn.Linear(2, 9), nn.ELU(), nn.Linear(9, 64))),
                           TypeError, "got ELU"),
    "approximate gelu": (lambda: latent_plane(plane_autoencoder(
        nn.Linear(2, 9), nn.GELU(approximate="tanh"), nn.Linear(9, 64))), TypeError, "got GELU"),
    "activation at the end": (lambda: latent_plane(plane_autoencoder(nn.Linear(2, 64), nn.ReLU())),
                              TypeError, "last layer must be linear, got relu"),
    "no layer": (lambda: latent_plane(plane_autoencoder(nn.Identity())), TypeError, "no nn.Linear"),
    "other likelihood": (lambda: latent_plane(plane_vae(likelihood=likelihoods.ContinuousBernoulli())),
                         ValueError, "mean of a Bernoulli or of a Gaussian"),
    "hidden arithmetic": (lambda: latent_plane(Autoencoder(nn.Identity(), _Strange(), SHAPE)),
                          ValueError, "something beyond its linear layers"),
    "wrong image size": (lambda: latent_plane(plane_autoencoder(nn.Linear(2, 60))), ValueError, "60 numbers"),
    "points of images": (lambda: latent_plane(plane_vae(), torch.zeros(4, 64)), ValueError, r"shape \(n, 2\)"),
    "too many points": (lambda: latent_plane(plane_vae(), torch.zeros(5001, 2)), ValueError, "at most 5,000"),
    "points with NaN": (lambda: latent_plane(plane_vae(), torch.full((4, 2), torch.nan)), ValueError, "NaN"),
    "labels of others": (lambda: latent_plane(plane_vae(), torch.zeros(4, 2), torch.zeros(3, dtype=torch.int)),
                         ValueError, r"shape \(4,\)"),
    "labels without points": (lambda: latent_plane(plane_vae(), labels=torch.zeros(3, dtype=torch.int)),
                              ValueError, r"shape \(0,\)"),
    "float labels": (lambda: latent_plane(plane_vae(), torch.zeros(4, 2), torch.zeros(4)), ValueError, "integers"),
    "negative labels": (lambda: latent_plane(plane_vae(), torch.zeros(4, 2), -torch.ones(4, dtype=torch.int)),
                        ValueError, "from 0 to 9"),
    "eleven classes": (lambda: latent_plane(plane_vae(), torch.zeros(11, 2), torch.arange(11)),
                       ValueError, "at most 10"),
    "too few names": (lambda: latent_plane(plane_vae(), torch.zeros(4, 2), torch.arange(4), classes="abc"),
                      ValueError, "names 3 classes, but a label is 3"),
    "no size": (lambda: latent_plane(plane_vae(), limit=0), ValueError, "positive number"),
}


@pytest.mark.parametrize(("call", "error", "words"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_weights_that_are_not_finite_are_named():
    model = plane_vae()
    with torch.no_grad():
        model.decoder.body[0].weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        latent_plane(model)


# ---------------------------------------------------------------- the figure in the browser


@pytest.fixture
def page(browser):
    context = chromium.new_context(browser, "desktop", "light")
    yield context.new_page()
    context.close()


def show(page, *figures, edit=lambda state: None):
    """A page that holds the saved figures and the book's host script; `edit` changes their states first."""
    data = embed_data(list(figures), drop_defaults=False)
    edit(data["manager_state"]["state"])
    tags = [("widget-state", data["manager_state"]), *(("widget-view", view) for view in data["view_specs"])]
    body = "".join(f'<script type="application/vnd.jupyter.{kind}+json">{json.dumps(content)}</script>'
                   for kind, content in tags)
    page.set_content(f'<html lang="en"><body>{body}</body></html>')
    page.add_script_tag(content=HOST.read_text(encoding="utf-8"))
    page.wait_for_function("views => document.querySelectorAll('.afm-figure > *, .afm-note').length >= views",
                           arg=len(figures))


def image(page, figure=".lp"):
    """The decoded image that is shown, grey levels."""
    page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
    return page.locator(f"{figure} .lp-image").first.evaluate(
        "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).filter((_, k) => k % 4 == 0)")


@each_model
def test_browser_decodes_what_python_decodes(page, make):
    packed, z = pack(make()), codes(50)
    found = page.evaluate("""async ({ source, weights, layers, z }) => {
        const module = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
        const bytes = Uint8Array.from(atob(weights), (c) => c.charCodeAt(0));
        const padded = new Uint8Array(bytes.length + 3);  // a view that starts at an odd byte, as a kernel's may
        padded.set(bytes, 3);
        const net = module.unpack(new DataView(padded.buffer, 3), layers);
        return z.map((code) => Array.from(module.run(net, code)));
    }""", {"source": MODULE, "weights": base64.b64encode(packed.weights).decode(),
           "layers": packed.layers, "z": z.tolist()})
    # both round to float32 after each layer: 1e-5 is 80 such roundings of a number near 1; the polynomial of gelu
    # adds 1.5e-7
    torch.testing.assert_close(torch.tensor(found), run(unpack(packed), z), atol=1e-5, rtol=0)


# what a dichromat sees, from linear sRGB (Machado et al. 2009, severity 1)
VISION = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def linear(colors):
    """Linear sRGB, `(n, 3)`, of colours such as "#5829a5"."""
    c = np.array([[int(color[k:k + 2], 16) / 255 for k in (1, 3, 5)] for color in colors])
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def oklab(rgb):
    """Perceptual coordinates (Ottosson 2020), in which a just noticeable difference is about 0.02."""
    lms = rgb @ np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
                          [0.0883024619, 0.2817188376, 0.6299787005]]).T
    return np.cbrt(lms.clip(0)) @ np.array([[0.2104542553, 0.7936177850, -0.0040720468],
                                            [1.9779984951, -2.4285922050, 0.4505937099],
                                            [0.0259040371, 0.7827717662, -0.8086757660]]).T


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_class_colours_can_be_told_apart(page, theme):
    source = MODULE
    colors = page.evaluate("""async (source) => (await import(URL.createObjectURL(
        new Blob([source], { type: "text/javascript" })))).PALETTE""", source)[theme]
    assert len(colors) == len(set(colors)) == 10
    ground = re.search({"light": r"\.lp \{", "dark": r"\.lp-dark \{"}[theme] + r" --ground: (#\w{6});", source)[1]
    luminance = linear([*colors, ground]) @ [0.2126, 0.7152, 0.0722] + 0.05
    ratio = np.maximum(luminance[:-1], luminance[-1]) / np.minimum(luminance[:-1], luminance[-1])
    assert ratio.min() >= 3  # WCAG 1.4.11
    for vision, matrix in VISION.items():
        seen = oklab((linear(colors) @ np.array(matrix).T).clip(0, 1))
        apart = np.linalg.norm(seen[:, None] - seen, axis=-1)[~np.eye(10, dtype=bool)].min()
        assert apart > 0.08, f"{vision}: two colours are only {apart:.3f} apart"


def test_figure_shows_the_decoded_image(page):
    model = plane_vae()
    figure = latent_plane(model, codes(40), torch.arange(40) % 10, label="A plane")
    figure.z = [0.9, -2.1]  # of the grid on which the error was measured
    show(page, figure)
    expected = 255 * pixels(model, torch.tensor([[0.9, -2.1]]))[0]
    difference = (torch.tensor(image(page)) - expected).abs().max().item()
    assert difference <= 255 * figure.error + 0.51  # and half a grey level by rounding to one
    assert page.locator(".lp-z").inner_text() == "z = (0.90, −2.10)"
    assert page.get_by_role("img").get_attribute("aria-label") == "Decoded image at z₁ = 0.90, z₂ = −2.10"


def test_prior_is_shown_for_a_vae_alone(page):
    show(page, latent_plane(plane_vae()), latent_plane(linear_autoencoder()))
    figures = page.locator(".lp")
    assert "standard deviations of the prior" in figures.nth(0).inner_text()
    assert "More than 99 in 100 draws from the prior lie farther out" in figures.nth(0).inner_text()
    assert "prior" not in figures.nth(1).inner_text()


def test_draw_from_the_prior_moves_the_code(page):
    show(page, latent_plane(plane_vae()))
    before = image(page)
    page.get_by_role("button", name="Draw z from the prior").click()
    assert image(page) != before


def test_a_class_is_brought_out_and_put_back(page):
    torch.manual_seed(0)
    show(page, latent_plane(plane_vae(), codes(200), torch.arange(200) % 3, classes=["boot", "bag", "coat"]))

    def drawn():
        return page.locator(".lp-plane canvas").evaluate(
            "c => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(() => go(c.toDataURL()))))")

    button, plain = page.get_by_role("button", name="bag"), drawn()
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert drawn() != plain
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert drawn() == plain


def test_figure_shown_twice_shares_its_code(page):
    figure = latent_plane(plane_vae())
    show(page, figure, figure)
    page.get_by_role("slider", name="z₁").first.fill("2")
    page.wait_for_function("() => [...document.querySelectorAll('.lp-z')].every((p) => p.textContent.includes('2.00'))")


BROKEN = {
    "weights cut": (lambda state: state["buffers"].__delitem__(slice(None)), "bytes of weights, but 0 are there"),
    "unknown activation": (lambda state: state["state"]["layers"][0].update(activation="step"),
                           'does not know the activation "step"'),
    "wrong size": (lambda state: state["state"].update(image_shape=[3, 3]), "64 pixels, but its images have 3 × 3"),
}


@pytest.mark.parametrize(("damage", "words"), BROKEN.values(), ids=BROKEN)
def test_broken_figure_says_so_in_words(page, damage, words):
    figure = latent_plane(plane_vae())
    show(page, figure, edit=lambda states: damage(states[figure.model_id]))
    said = page.get_by_role("alert").inner_text()
    assert said.startswith("This figure could not be shown: ")
    assert words in said


def test_host_says_what_it_cannot_show(page):
    import ipywidgets

    figure = latent_plane(plane_vae())
    show(page, ipywidgets.IntSlider(), figure, edit=lambda states: states.pop(figure.model_id))
    assert page.locator(".afm-note").all_inner_texts() == [
        "This control needs a running kernel: open the chapter in Colab or Jupyter to use it.",
        "This figure could not be shown: the page does not hold its state.",
    ]

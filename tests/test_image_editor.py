"""The image editor: the browser encodes, moves and decodes what Python does, and errors are in words."""

import base64

import chromium
import pytest
import torch
import traitlets
from conftest import small_vae
from test_widgets import show

from vae_lib.widgets import image_editor
from vae_lib.widgets.modules import source

SHAPE = (1, 8, 8)


def model_with_contrast():
    model = small_vae(SHAPE, 3, hidden=(24,))
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(2)
    return model


def examples(n=4):
    return (torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(1)) < 0.4).float()


def vectors():
    return torch.randn(2, 3, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def expected(model, x, strengths):
    """E[x|z + move], `(n, pixels)`, by the model's own code."""
    z = model.encode(x)[0] + torch.tensor(strengths) @ vectors()
    return torch.sigmoid(model.decode(z)).flatten(1)


@pytest.fixture
def page(browser):
    context = chromium.new_context(browser, "desktop", "light")
    yield context.new_page()
    context.close()


def shown(page):
    """The edited image that is shown, grey levels."""
    page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
    return torch.tensor(page.locator(".ie-result").first.evaluate(
        "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).filter((_, k) => k % 4 == 0)"))


def test_the_stated_error_is_that_of_both_networks_at_the_sliders_ends():
    model, x = model_with_contrast(), examples()
    figure = image_editor(model, vectors(), ["a", "b"], x)
    assert 0 < figure.error < 0.05
    assert image_editor(model, vectors(), ["a", "b"], x, limit=1.0).error <= figure.error + 0.02


@pytest.mark.parametrize("strengths", [[0.0, 0.0], [3.0, 0.0], [0.0, -3.0]])
def test_the_figure_shows_the_edited_image(page, strengths):
    model, x = model_with_contrast(), examples()
    figure = image_editor(model, vectors(), ["a", "b"], x)
    figure.strengths = strengths
    show(page, figure)
    for k in range(len(x)):
        page.get_by_role("button", name=f"Example {k + 1}").click()
        difference = (shown(page) - 255 * expected(model, x[k:k + 1], strengths)[0]).abs().max().item()
        assert difference <= 255 * figure.error + 0.51  # and half a grey level by rounding to one


def test_a_slider_moves_the_image_and_the_number(page):
    figure = image_editor(model_with_contrast(), vectors(), ["first", "second"], examples())
    show(page, figure)
    before = shown(page)
    page.get_by_role("slider", name="second").focus()
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
    assert not torch.equal(shown(page), before)
    assert page.locator(".ie output").all_inner_texts() == ["0.0", "−1.2"]
    page.get_by_role("button", name="Sliders to 0").click()
    assert torch.equal(shown(page), before)


def test_a_drawing_is_edited_and_can_be_cleared(page):
    figure = image_editor(model_with_contrast(), vectors(), ["a", "b"], examples())
    show(page, figure)
    page.get_by_role("button", name="Clear and draw").click()
    assert shown(page).max() == 0
    assert page.locator(".ie-result").get_attribute("aria-label") == "Nothing is drawn yet"
    box = page.locator(".ie-draw").bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 120, steps=5)
    page.mouse.up()
    assert shown(page).max() > 0
    drawn = page.locator(".ie-draw").evaluate(
        "c => c.getContext('2d').getImageData(0, 0, 8, 8).data.filter((v, k) => k % 4 == 0 && v > 0).length")
    assert 5 <= drawn <= 30
    page.get_by_role("button", name="Example 1").click()
    assert shown(page).max() > 0
    assert page.get_by_role("button", name="Example 1").get_attribute("aria-pressed") == "true"


def test_a_drawing_is_moved_to_the_centre(page):
    found = page.evaluate("""async (source) => {
        const module = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
        const ink = new Float32Array(64);
        ink[0] = ink[1] = ink[8] = ink[9] = 1;
        return [Array.from(module.centred(ink, 8, 8)), module.centred(new Float32Array(64), 8, 8)];
    }""", source("network.js", "image_editor.js"))
    moved = torch.tensor(found[0]).reshape(8, 8)
    assert moved[3:5, 3:5].sum() == 4 == moved.sum()
    assert found[1] is None


MISTAKES = {
    "grey examples": (lambda: image_editor(small_vae(SHAPE), vectors(), ["a", "b"], examples() / 2), "pixels 0 or 1"),
    "too many": (lambda: image_editor(small_vae(SHAPE), vectors(), ["a", "b"], examples(25)), "at most 24"),
    "names": (lambda: image_editor(small_vae(SHAPE), vectors(), ["a"], examples()), r"shape \(1, 3\)"),
    "one image": (lambda: image_editor(small_vae(SHAPE), vectors(), ["a", "b"], examples()[0]), r"examples\[None\]"),
}


@pytest.mark.parametrize(("call", "words"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_strengths_stay_within_the_sliders():
    figure = image_editor(model_with_contrast(), vectors(), ["a", "b"], examples())
    figure.strengths = [9, -9]
    assert figure.strengths == [3.0, -3.0]
    with pytest.raises(traitlets.TraitError, match="2 finite numbers"):
        figure.strengths = [1.0]


def test_a_broken_figure_says_so_in_words(page):
    figure = image_editor(model_with_contrast(), vectors(), ["a", "b"], examples())
    show(page, figure, edit=lambda states: states[figure.model_id]["state"].update(image_shape=[3, 3]))
    assert "do not fit images of 3 × 3" in page.get_by_role("alert").inner_text()


def test_the_course_network_makes_a_small_figure():
    figure = image_editor(small_vae((1, 28, 28), 50, hidden=(200, 200)), torch.randn(3, 50), "abc",
                          torch.zeros(12, 1, 28, 28))
    size = len(base64.b64encode(figure.encoder + figure.decoder + figure.examples))
    assert 400_000 < size < 700_000

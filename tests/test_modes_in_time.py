"""The live figure of chapter 10: it shows the points it was given, and follows its controls."""


import chromium
import pytest
import torch
import traitlets
from test_gradient_estimators import call
from test_widgets import show

from vae_lib import modes
from vae_lib.widgets import modes_in_time
from vae_lib.widgets.modes_in_time import packed
from vae_lib.widgets.modules import source

MODULE = source("modes_in_time.js")
STEPS = [0, 100, 2000]
FRAMES = {"VAE": torch.linspace(-4, 4, 3 * 20 * 2).view(3, 20, 2), "GAN": torch.zeros(3, 20, 2)}


def figure(**changes):
    settings = dict(frames=FRAMES, steps=STEPS, kept={"VAE": [1, 20, 25], "GAN": [0, 22, 8]},
                    quality={"VAE": [0.01, 0.5, 0.561], "GAN": [0.0, 0.9, 0.951]}, means=modes.grid().means,
                    label="While they train")
    return modes_in_time(**settings | changes)


@pytest.fixture
def page(browser):
    context = chromium.new_context(browser, "desktop", "light")
    yield context.new_page()
    context.close()


def drawn(page):
    page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
    return page.locator(".mt canvas").evaluate_all("all => all.map((c) => c.toDataURL())")


def test_packed_points_come_back():
    points = torch.tensor([[[-5.0, 5.0], [0.1, -7.0], [float("nan"), 1.0]]])
    back = (packed(points).float() / 127.5 - 1) * 5
    expected = torch.tensor([[[-5.0, 5.0], [0.1, -5.0], [5.0, 1.0]]])
    assert (back - expected).abs().max() <= 5 / 255 + 1e-6  # half a step of 10 / 255


def test_the_browser_unpacks_what_python_packed(page):
    shape = {"models": 2, "moments": 3, "limit": 5}
    bytes_ = list(figure().points)
    found = call(page, "m.points(Uint8Array.from(a.bytes), a.shape, 0, 2)", {"bytes": bytes_, "shape": shape},
                 MODULE)
    assert (torch.tensor(found) - FRAMES["VAE"][2]).abs().max() <= 5 / 255 + 1e-6


def test_figure_follows_the_keyboard(page):
    show(page, figure())
    before, slider = drawn(page), page.get_by_role("slider", name="Batches seen")
    assert "1 modes, 1 % good draws" in page.locator(".mt").inner_text()
    slider.focus()
    page.keyboard.press("End")
    after = drawn(page)
    assert after[0] != before[0] and after[1] == before[1], "the VAE's points moved, the GAN's did not"
    assert slider.get_attribute("aria-valuetext") == "2,000 batches"
    words = page.locator(".mt").inner_text()
    assert "25 modes, 56 % good draws" in words and "8 modes, 95 % good draws" in words
    assert "8 of 25 modes" in page.get_by_role("img").nth(1).get_attribute("aria-label")
    assert slider.evaluate("e => getComputedStyle(e).outlineStyle") != "none"


def test_figure_plays_to_the_end(page):
    show(page, figure())
    button = page.get_by_role("button")
    button.click()
    assert button.inner_text() == "Pause"
    page.wait_for_function("() => document.querySelector('.mt-time').innerText === '2,000 batches'")
    page.wait_for_function("() => document.querySelector('.mt button').innerText === 'Play'")


def test_figure_follows_the_theme_and_a_narrow_screen(page):
    page.set_viewport_size({"width": 320, "height": 640})
    show(page, figure())
    before = drawn(page)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_function("() => document.querySelector('.mt').classList.contains('mt-dark')")
    assert drawn(page) != before
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_broken_figure_says_so_in_words(page):
    broken = figure()
    show(page, broken, edit=lambda states: states[broken.model_id]["state"].update(steps=[0, 1, 2, 3, 4, 5, 6]))
    assert "240 bytes are no 2 × 7 frames" in page.get_by_role("alert").inner_text()


@pytest.mark.parametrize(("changes", "words"), [
    ({"frames": {"VAE": torch.zeros(2, 20, 2)}}, r"must have shape \(3, n, 2\).*got \(2, 20, 2\)"),
    ({"kept": {"VAE": [1, 2, 3]}}, r"kept\['GAN'\] must have 3 values"),
    ({"frames": {"VAE": torch.zeros(3, 9, 2), "GAN": torch.zeros(3, 8, 2)}}, "equally many points"),
    ({"frames": {"VAE": torch.zeros(3, 99_999, 2)}}, "599,994 bytes, at most 400,000"),
])
def test_wrong_input_is_named(changes, words):
    with pytest.raises(ValueError, match=words):
        figure(**changes)


def test_a_frame_that_is_none():
    with pytest.raises(traitlets.TraitError, match="frame must be from 0 to 2, got 3"):
        figure(frame=3)
    assert repr(figure(frame=2)) == "ModesInTime(VAE, GAN: 3 frames, frame=2)"

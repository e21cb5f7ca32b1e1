"""The live figure of chapter 9: its score and map are the detector's, also in the browser, and it follows the hand."""

import base64

import chromium
import numpy as np
import pytest
import torch
import traitlets
from test_widgets import show

from vae_lib.detector import Detector
from vae_lib.widgets import fault_map
from vae_lib.widgets.modules import source

MODULE = source("network.js", "fault_map.js")


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    blots = torch.sigmoid(torch.randn(300, 1, 4, 3).repeat_interleave(2, 2).repeat_interleave(2, 3) * 2)
    return Detector(epochs=5, hidden=(15,), z_dim=3).fit(blots), blots[:4]


def figure_of(detector, **options):
    found, images = detector
    return fault_map(found, images, ["a", "b", "c", "d"], **options)


def test_the_score_is_the_detectors_within_the_rounding(detector):
    found, images = detector
    figure = figure_of(detector)
    bytes_ = (255 * images).round().to(torch.uint8)
    for k in range(4):
        figure.shown, figure.pixels = k, bytes_[k].flatten().tolist()
        expected = -found.score_samples(bytes_[k:k + 1])[0]
        assert figure.result()["score"] == pytest.approx(expected, rel=0.02)
        squares = (found.reconstruct(bytes_[k:k + 1]) - bytes_[k:k + 1].numpy() / 255) ** 2 / found.scale_**2
        np.testing.assert_allclose(figure.result()["map"], squares[0, 0], atol=0.05)
    assert figure.threshold == -found.offset_ and 0 < figure.error < 0.02


def test_what_is_drawn_is_scored_too(detector):
    found, _ = detector
    figure = figure_of(detector)
    drawn = np.random.default_rng(0).integers(0, 256, (20, 1, 8, 6), dtype=np.uint8)
    for one, expected in zip(drawn, -found.score_samples(drawn), strict=True):
        figure.pixels = one.ravel().tolist()
        assert figure.result()["score"] == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(("change", "words"), [
    ({"images": torch.rand(11, 1, 8, 6)}, "1 to 10 images"),
    ({"images": torch.rand(2, 1, 8, 6), "names": ["one"]}, "name the 2 images, got 1"),
    ({"images": torch.rand(2, 1, 6, 8)}, r"shape \(1, 8, 6\)"),
    ({"images": torch.rand(2, 1, 8, 6), "max_error": 1e-9}, "8-bit weights change a score"),
])
def test_mistakes_are_named(detector, change, words):
    with pytest.raises(ValueError, match=words):
        fault_map(detector[0], **change)


def test_only_grey_images_by_their_error():
    rows = Detector(epochs=1, hidden=(4,), z_dim=2, false_alarm_rate=0.2).fit(torch.rand(50, 6))
    with pytest.raises(ValueError, match="grey images"):
        fault_map(rows, torch.rand(1, 6))
    other = Detector("kl", 0.2, epochs=1, hidden=(4,), z_dim=2).fit(torch.rand(50, 1, 4, 4))
    with pytest.raises(ValueError, match="a detector by kl"):
        fault_map(other, torch.rand(1, 1, 4, 4))


def test_the_state_refuses_what_is_no_image(detector):
    figure = figure_of(detector)
    for pixels in ([0] * 47, [0] * 47 + [256], [-1] * 48):
        with pytest.raises(traitlets.TraitError, match="48 numbers"):
            figure.pixels = pixels
    with pytest.raises(traitlets.TraitError, match="from 0 to 3, got 4"):
        figure.shown = 4
    assert repr(figure).startswith("FaultMap(a, score ")


# In the browser

@pytest.fixture
def page(browser):
    context = chromium.new_context(browser, "desktop", "light")
    yield context.new_page()
    context.close()


def assert_browser_agrees(page, detector, source):
    figure = figure_of(detector)
    found = page.evaluate("""async ({ source, weights, layers, mean, scale, pixels }) => {
        const m = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
        const bytes = Uint8Array.from(atob(weights), (c) => c.charCodeAt(0));
        const padded = new Uint8Array(bytes.length + 3);  // a view that starts at an odd byte, as a kernel's may
        padded.set(bytes, 3);
        const data = { layers: m.unpack(new DataView(padded.buffer, 3), layers), mean, scale };
        const { score, map } = m.judge(data, pixels);
        return { score, map: Array.from(map) };
    }""", {"source": source, "weights": base64.b64encode(figure.weights).decode(), "layers": figure.layers,
           "mean": np.frombuffer(figure.mean, "<f4").tolist(), "scale": figure.scale, "pixels": figure.pixels})
    expected = figure.result()
    assert found["score"] == pytest.approx(expected["score"], rel=1e-4)
    np.testing.assert_allclose(found["map"], expected["map"].ravel(), rtol=1e-3, atol=1e-4)


def test_browser_computes_what_python_computes(page, detector):
    assert_browser_agrees(page, detector, MODULE)


@pytest.mark.parametrize(("right", "wrong"), [
    ("(value / 255 - mean[k]) / scale", "value / 255 - mean[k]"),
    ("let s0 = bias[r]", "let s0 = 0"),
    ("for (; c < cols; c++) s0 += w[base + c] * x[c];", ""),
    ("(a > 0 ? a : 0)", "a"),
])
def test_the_law_of_the_browser_refuses(page, detector, right, wrong):
    assert right in MODULE
    with pytest.raises(AssertionError):
        assert_browser_agrees(page, detector, MODULE.replace(right, wrong))


def verdict(page):
    page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
    return page.locator(".fm-verdict").inner_text()


def test_the_figure_says_what_python_says_and_follows_the_brush(page, detector):
    figure = figure_of(detector)
    show(page, figure)
    score = figure.result()["score"]
    start = verdict(page)
    alarm = "an alarm" if score > figure.threshold else "no alarm"
    assert start == f"Reconstruction error {score:.0f}, threshold {figure.threshold:.0f}: {alarm}."
    box = page.locator(".fm-paper").bounding_box()
    page.get_by_role("button", name="scratch").click()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 5, box["y"] + box["height"] - 5)
    page.mouse.up()
    assert verdict(page) != start
    page.get_by_role("button", name="as it was").click()
    assert verdict(page) == start


@pytest.mark.parametrize(("field", "value", "words"), [
    ("image_shape", [5, 5], "not for images of 5 × 5"), ("names", ["a"], "no image for each"),
    ("layers", [{"rows": 3, "cols": 3, "activation": "relu"}], "bytes of weights"),
])
def test_a_spoilt_figure_says_so(page, detector, field, value, words):
    show(page, figure_of(detector), edit=lambda state: [
        one["state"].update({field: value}) for one in state.values() if "_esm" in one["state"]])
    assert words in page.locator(".fm-error").inner_text()

"""The live figure of importance sampling: its numbers are right, the same in Python and in the browser."""

import json
from pathlib import Path

import chromium
import numpy as np
import pytest
import torch
import traitlets
from ipywidgets.embed import embed_data

from vae_lib import evaluation
from vae_lib.widgets import importance_sampling
from vae_lib.widgets.importance_sampling import draws
from vae_lib.widgets.modules import source

ROOT = Path(__file__).parents[1]
MODULE = source("importance_sampling.js")
HOST = ROOT / "book" / "_static" / "afm_host.js"
CASES = [
    {}, {"k": 1000, "seed": 7}, {"mu": 1.15, "sigma": 0.25}, {"mu": -4, "sigma": 0.05, "k": 10},
    {"x": -0.7, "coefficients": (0.3, -1.2), "noise": 0.8, "mu": 0.4, "sigma": 2.0, "seed": 123_456_789},
    {"coefficients": (0, 0, 0, 0.5), "sigma": 3.0, "k": 1000},
]


# The numbers

def test_draws_are_standard_gaussian():
    eps = draws(0, 40_000)
    # standard errors: of the mean 1/√n, of the variance √(2/n), of the fourth moment √(96/n)
    for power, expected, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((eps**power).mean() - expected) < 4 * (variance / len(eps)) ** 0.5
    assert abs((eps[::2] * eps[1::2]).mean()) < 4 / (len(eps) / 2) ** 0.5, "the two of a pair are independent"
    assert abs((draws(1, 40_000) * eps).mean()) < 4 / len(eps) ** 0.5, "the next draws are others"


def test_fewer_draws_are_the_first_of_more():
    np.testing.assert_array_equal(draws(3, 9), draws(3, 1000)[:9])


def test_exact_value_is_the_closed_form_of_a_linear_model():
    # x = c₀ + c₁ z + noise is Gaussian with mean c₀ and variance c₁² + noise²
    found = importance_sampling(x=1.3, coefficients=(0.2, 1.5), noise=0.7).result()["exact"]
    spread = 1.5**2 + 0.7**2
    assert found == pytest.approx(-0.5 * (1.3 - 0.2) ** 2 / spread - 0.5 * np.log(2 * np.pi * spread), abs=1e-9)


def test_every_weight_is_p_x_under_the_true_posterior():
    # x = z + noise with noise 1: the posterior is N(x/2, 1/2)
    found = importance_sampling(x=1.0, coefficients=(0, 1), noise=1.0, mu=0.5, sigma=0.5**0.5, k=10).result()
    assert found["estimate"] == pytest.approx(found["exact"], abs=1e-9)
    assert found["ess"] == pytest.approx(10)


def test_estimate_is_right_on_average_and_the_sample_size_is_the_librarys():
    figure, ratios = importance_sampling(mu=0.3, sigma=1.4, k=1000), []
    for figure.seed in range(200):
        found = figure.result()
        ratios.append(np.exp(found["estimate"] - found["exact"]))
    assert abs(np.mean(ratios) - 1) < 4 * np.std(ratios) / len(ratios) ** 0.5
    eps = draws(figure.seed, 1000)
    log_w = figure.log_joint(0.3 + 1.4 * eps) + 0.5 * eps**2
    assert found["ess"] == pytest.approx(evaluation.effective_sample_size(torch.tensor(log_w)).item())


# The figure in Python

def test_proposal_stays_inside_of_the_figure():
    figure = importance_sampling()
    figure.set_state({"mu": 9, "sigma": 0.001})
    assert (figure.mu, figure.sigma) == (4.0, 0.05)
    assert repr(figure) == "ImportanceSampling(q=N(4, 0.05²), 100 draws)"
    with pytest.raises(traitlets.TraitError, match="finite"):
        figure.mu = float("nan")
    with pytest.raises(traitlets.TraitError, match="one of"):
        figure.k = 50


@pytest.mark.parametrize(("options", "words"), [
    ({"x": float("nan")}, "x must be a finite number"), ({"noise": 0.0}, "noise must be positive"),
    ({"sigma": -1.0}, "sigma must be positive"), ({"coefficients": ()}, "needs at least one"),
    ({"coefficients": (0, float("inf"))}, "c_1 must be a finite"), ({"k": 7}, "k must be one of"),
])
def test_mistakes_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        importance_sampling(**options)


# The figure in the browser

@pytest.fixture
def page(browser):
    context = chromium.new_context(browser, "desktop", "light")
    yield context.new_page()
    context.close()


def show(page, *figures, edit=lambda state: None):
    """A page that holds the saved figures and the book's host script; `edit` changes their states first."""
    saved = embed_data(list(figures), drop_defaults=False)
    edit(saved["manager_state"]["state"])
    tags = [("widget-state", saved["manager_state"]), *(("widget-view", view) for view in saved["view_specs"])]
    body = "".join(f'<script type="application/vnd.jupyter.{kind}+json">{json.dumps(content)}</script>'
                   for kind, content in tags)
    page.set_content(f'<html lang="en"><body>{body}</body></html>')
    page.add_script_tag(content=HOST.read_text(encoding="utf-8"))
    page.wait_for_function("views => document.querySelectorAll('.afm-figure > *, .afm-note').length >= views",
                           arg=len(figures))


def numbers(page, figure=".ims"):
    """The three numbers that are shown: exact, estimate, effective sample size."""
    page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
    texts = page.locator(f"{figure} .ims-numbers").first.locator("dd").all_inner_texts()
    return [float(text.split(" of ")[0].replace("−", "-")) for text in texts]


def assert_shown(page, figure):
    expected = figure.result()
    exact, estimate, ess = numbers(page)
    assert (exact, estimate) == pytest.approx((expected["exact"], expected["estimate"]), abs=0.0051)
    assert ess == pytest.approx(expected["ess"], abs=0.051 if expected["ess"] < 100 else 0.51)


@pytest.mark.parametrize("options", CASES)
def test_browser_computes_what_python_computes(page, options):
    figure = importance_sampling(**options)
    state = {name: getattr(figure, name) for name in ("x", "coefficients", "noise", "mu", "sigma", "k", "seed")}
    found = page.evaluate("""async ({ source, state }) => {
        const module = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
        const { z, estimate, ess } = module.estimate(state);
        return { draws: module.draws(state.seed, state.k), exact: module.exact(state), estimate, ess, z };
    }""", {"source": MODULE, "state": state})
    # the same float64 arithmetic in another order of sums: a thousand roundings of numbers up to about 100
    np.testing.assert_allclose(found["draws"], draws(figure.seed, figure.k), rtol=1e-12, atol=1e-12)
    for name, value in figure.result().items():
        assert found[name] == pytest.approx(value, rel=1e-9), name
    show(page, figure)
    assert_shown(page, figure)


def test_figure_follows_sliders_and_buttons(page):
    figure = importance_sampling(mu=1.15, sigma=0.25)
    show(page, figure)
    assert_shown(page, figure)
    page.get_by_role("slider", name="mean of q").focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    figure.mu = 1.0
    assert_shown(page, figure)
    page.get_by_role("slider", name="width σ of q").focus()
    page.keyboard.press("ArrowRight")
    figure.sigma = 0.3
    assert_shown(page, figure)
    page.get_by_role("button", name="1000").click()
    figure.k = 1000
    assert_shown(page, figure)
    assert page.get_by_role("button", name="1000").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Draw anew").click()
    figure.seed = 1
    assert_shown(page, figure)
    page.get_by_role("button", name="Use the prior").click()
    figure.mu, figure.sigma = 0.0, 1.0
    assert_shown(page, figure)
    assert "Proposal with mean 0.00 and width 1.00" in page.get_by_role("img").get_attribute("aria-label")


def test_figure_follows_the_mouse_and_lets_go(page):
    show(page, importance_sampling(mu=1.0, sigma=0.25))
    box = page.locator(".ims-plot").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + 60
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 100, y, steps=4)
    page.mouse.up()
    numbers(page)
    slider = page.get_by_role("slider", name="mean of q")
    # the figure is 8 wide on the plot's width, less margins of 34 and 8
    assert float(slider.input_value()) == pytest.approx(1.0 - 100 * 8 / (box["width"] - 42), abs=0.06)
    before = slider.input_value()
    page.mouse.move(x + 50, y)
    numbers(page)
    assert slider.input_value() == before


@pytest.mark.parametrize(("damage", "words"), [
    ({"noise": 0}, "its noise must be positive"), ({"coefficients": []}, "no coefficients"),
])
def test_broken_figure_says_so_in_words(page, damage, words):
    figure = importance_sampling()
    show(page, figure, edit=lambda states: states[figure.model_id]["state"].update(damage))
    said = page.get_by_role("alert").inner_text()
    assert said.startswith("This figure could not be shown: ") and words in said

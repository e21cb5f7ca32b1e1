"""The live figure of chapter 4: its draws are right, its exact values are exact, and it follows its controls."""

import json

import chromium
import numpy as np
import pytest
import traitlets
from ipywidgets.embed import dependency_state
from test_widgets import show

from vae_lib.widgets import gradient_estimators
from vae_lib.widgets.modules import source

MODULE = source("gradient_estimators.js")
SETTINGS = [dict(mu=1.0, sigma=1.0, baseline=False), dict(mu=1.0, sigma=1.0, baseline=True),
            dict(mu=-0.7, sigma=0.3, baseline=False), dict(mu=0.0, sigma=2.0, baseline=True),
            dict(mu=2.0, sigma=0.5, baseline=True)]
each_setting = pytest.mark.parametrize("setting", SETTINGS, ids=str)

# Gauss-Hermite quadrature with 20 points is exact for polynomials of degree up to 39; the fourth power of the
# score-function gradient has degree 12
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(20)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def by_quadrature(mu, sigma, baseline):
    """Mean, variance and fourth central moment of both estimators, from their definitions."""
    z = mu + sigma * NODES
    b = WEIGHTS @ (z**2 * NODES**2) / (WEIGHTS @ NODES**2) if baseline else 0.0  # Cov(f s, s) / Var(s)
    found = {}
    for name, g in {"reparameterised": 2 * z, "score": (z**2 - b) * NODES / sigma}.items():
        mean = WEIGHTS @ g
        found[name] = mean, WEIGHTS @ (g - mean) ** 2, WEIGHTS @ (g - mean) ** 4
    return found


@pytest.fixture
def page(browser):
    context = chromium.new_context(browser, "desktop", "light")
    yield context.new_page()
    context.close()


def call(page, expression, argument=None, source=None):
    """What an expression of the module, named `m`, and of the argument, named `a`, gives in the browser."""
    source = MODULE if source is None else source
    return page.evaluate(f"""async ({{ source, a }}) => {{
        const m = await import(URL.createObjectURL(new Blob([source], {{ type: "text/javascript" }})));
        return {expression};
    }}""", {"source": source, "a": argument})


def test_a_uniform_number_is_as_likely_in_one_place_as_in_another(page):
    counts = call(page, """(() => { const next = m.uniform(7), counts = new Array(100).fill(0);
        for (let k = 0; k < 1e6; k++) counts[Math.floor(100 * next())]++; return counts; })()""")
    # chi squared with 99 degrees of freedom: mean 99, variance 198
    chi2 = ((np.array(counts) - 1e4) ** 2 / 1e4).sum()
    assert abs(chi2 - 99) < 4 * 198**0.5


def test_draws_are_standard_normal(page):
    eps = np.array(call(page, "Array.from(m.normals(3, 200001))"))
    assert len(eps) == 200_001 and np.isfinite(eps).all()
    # the variances of ε, ε², ε³, ε⁴ are 1, 2, 15, 96
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((eps**power).mean() - mean) < 4 * (variance / len(eps)) ** 0.5
    for lag in (1, 2):  # neighbours share nothing: their product has mean 0 and variance 1
        assert abs((eps[lag:] * eps[:-lag]).mean()) < 4 / (len(eps) - lag) ** 0.5


def test_the_same_seed_gives_the_same_draws_and_more_draws_begin_with_the_fewer(page):
    same, again, more, other = call(page, "[[5, 9], [5, 9], [5, 1000], [6, 9]].map((a) => Array.from(m.normals(...a)))")
    assert same == again == more[:9] and same != other


@each_setting
def test_exact_values_are_those_of_quadrature(page, setting):
    found, expected = call(page, "m.exact(a)", setting), by_quadrature(**setting)
    for name in ("reparameterised", "score"):
        mean, variance, _ = expected[name]
        assert found[name] == pytest.approx(variance, rel=1e-9)
        assert found["mean"] == pytest.approx(mean, abs=1e-9)


def test_the_numbers_of_the_chapter(page):
    plain, subtracted = (call(page, "m.exact(a)", setting) for setting in SETTINGS[:2])
    assert (plain["reparameterised"], plain["score"], subtracted["score"]) == (4, 30, 14)


def assert_law(page, setting, source=None):
    n = 100_000
    found = call(page, """(() => { const g = m.gradients(a), exact = m.exact(a);
        return [m.moments(g.reparameterised), m.moments(g.score), exact]; })()""",
                 setting | {"samples": n, "seed": 1}, source)
    exact = found.pop()
    for (name, (mean, variance, fourth)), moments in zip(by_quadrature(**setting).items(), found, strict=True):
        assert abs(moments["mean"] - exact["mean"]) < 4 * (variance / n) ** 0.5, name
        # the variance of a sample variance is (fourth central moment - variance²) / n, to first order
        assert abs(moments["variance"] - exact[name]) < 4 * ((fourth - variance**2) / n) ** 0.5, name
        assert exact["mean"] == pytest.approx(mean, abs=1e-9)


@each_setting
def test_mean_and_variance_of_the_draws_are_the_exact_ones(page, setting):
    assert_law(page, setting)


MISTAKES = {
    "the factor 2 dropped": ("2 * (mu + sigma * e)", "(mu + sigma * e)"),
    "the score not divided by σ": ("* e) / sigma)", "* e))"),
    "the baseline added": ("** 2 - b)", "** 2 + b)"),
    "the baseline outside of the product": ("** 2 - b) * e) / sigma)", "** 2) * e) / sigma - b)"),
    "one number of each pair used twice": ("r * Math.sin(angle)", "eps[k]"),
    "r without the square root": ("Math.sqrt(-2 * Math.log(next()))", "-2 * Math.log(next())"),
}


@pytest.mark.parametrize(("right", "wrong"), MISTAKES.values(), ids=MISTAKES)
def test_the_laws_see_a_mistake(page, right, wrong):
    source = MODULE
    assert source.count(right) == 1
    damaged = source.replace(right, wrong)
    with pytest.raises(AssertionError):
        for setting in SETTINGS:
            assert_law(page, setting, damaged)
        eps = np.array(call(page, "Array.from(m.normals(3, 200001))", source=damaged))
        assert abs((eps[1:] * eps[:-1]).mean()) < 4 / (len(eps) - 1) ** 0.5


# ---------------------------------------------------------------- the figure in Python


def test_text_form_is_short_and_the_state_is_small():
    figure = gradient_estimators(mu=0.5, samples=2000, baseline=True, seed=3)
    text = figure._repr_mimebundle_()[0]["text/plain"]
    assert text == "GradientEstimators(mu=0.5, sigma=1, samples=2,000, baseline=True, seed=3)"
    assert len(json.dumps(dependency_state([figure], drop_defaults=False))) < 40_000


@pytest.mark.parametrize(("name", "value", "words"), [
    ("sigma", 0.0, "sigma must be a positive number, got 0"), ("sigma", float("nan"), "positive number"),
    ("mu", float("inf"), "mu must be a finite number"), ("samples", 1, "between 2 and 1,000,000, got 1"),
    ("samples", 10**7, "got 10,000,000"), ("seed", -1, "seed must be between 0"),
])
def test_mistakes_are_named(name, value, words):
    figure = gradient_estimators()
    with pytest.raises(traitlets.TraitError, match=words):
        setattr(figure, name, value)
    with pytest.raises(traitlets.TraitError, match=words):
        gradient_estimators(**{name: value})


# ---------------------------------------------------------------- the figure in the browser


def settle(page):
    page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")


def row(page, name):
    settle(page)
    return page.get_by_role("row", name=name).get_by_role("cell").all_inner_texts()


def drawn(page):
    settle(page)
    return page.locator(".ge canvas").evaluate_all("all => all.map((c) => c.toDataURL())")


def test_figure_shows_the_numbers_of_its_draws(page):
    show(page, gradient_estimators(samples=100_000, label="Two estimators"))
    mean, variance, exact = row(page, "Score function")
    found = call(page, "m.moments(m.gradients(a).score)",
                 {"mu": 1, "sigma": 1, "samples": 100_000, "baseline": False, "seed": 0})
    assert (mean, exact) == (f"{found['mean']:.2f}", "30.0")
    assert variance == f"{found['variance']:.1f}"
    assert row(page, "Reparameterised")[2] == "4.00"
    assert page.get_by_role("group", name="Two estimators").count() == 1
    assert all("100,000" in label or "exact gradient is 2.00" in label for label in
               page.get_by_role("img").evaluate_all("all => all.map((c) => c.getAttribute('aria-label'))"))


def test_figure_follows_the_keyboard(page):
    show(page, gradient_estimators())
    for name, key, expected in (("Mean μ", "ArrowRight", "4.00"), ("Standard deviation σ", "ArrowLeft", "3.24"),
                                ("Number of draws", "ArrowRight", "3.24")):
        before = drawn(page)
        page.get_by_role("slider", name=name).focus()
        page.keyboard.press(key)
        assert all(a != b for a, b in zip(drawn(page), before, strict=True)), f"{name} changes nothing"
        assert row(page, "Reparameterised")[2] == expected
    count = page.get_by_role("slider", name="Number of draws")
    assert count.get_attribute("aria-valuetext") == "3,000"
    assert count.evaluate("e => getComputedStyle(e).outlineStyle") != "none"


def test_the_baseline_lowers_the_variance_and_new_draws_are_new(page):
    show(page, gradient_estimators())
    plain, box = row(page, "Score function"), page.get_by_role("checkbox", name="Subtract the best constant baseline")
    box.check()
    assert row(page, "Score function")[2] == "14.0" and plain[2] == "30.0"
    assert "Baseline: μ² + 3σ² = 4.00" in page.locator(".ge-note").inner_text()
    box.uncheck()
    assert row(page, "Score function") == plain
    page.get_by_role("button", name="Draw again").click()
    assert row(page, "Score function")[0] != plain[0]
    assert "Seed 1" in page.locator(".ge-note").inner_text()


def test_figure_follows_the_theme(page):
    show(page, gradient_estimators())
    before, light = drawn(page), page.locator(".ge").evaluate("e => getComputedStyle(e).backgroundColor")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_function("() => document.querySelector('.ge').classList.contains('ge-dark')")
    assert drawn(page) != before
    assert page.locator(".ge").evaluate("e => getComputedStyle(e).backgroundColor") != light


def test_figure_fits_a_narrow_screen(page):
    page.set_viewport_size({"width": 320, "height": 640})
    show(page, gradient_estimators(samples=100_000, mu=-2))
    settle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize(("change", "words"), [
    ({"sigma": 0}, "σ must be positive, got 0"), ({"mu": None}, "mu must be a number, got null"),
    ({"samples": 1}, "needs 2 to 1,000,000 draws, got 1"),
])
def test_broken_figure_says_so_in_words(page, change, words):
    figure = gradient_estimators()
    show(page, figure, edit=lambda states: states[figure.model_id]["state"].update(change))
    said = page.get_by_role("alert").inner_text()
    assert said.startswith("This figure could not be shown: ") and words in said

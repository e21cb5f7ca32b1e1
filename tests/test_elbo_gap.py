"""The live figure of chapter 3: its numbers are the model's, also in the browser, and it follows its controls."""

import base64
import math
from types import SimpleNamespace

import chromium
import pytest
import torch
import torch.distributions as td
import traitlets
from conftest import small_vae
from test_widgets import show

from vae_lib import exact, likelihoods
from vae_lib.widgets import elbo_gap
from vae_lib.widgets.modules import source

MODULE = source("elbo_gap.js")
SETTINGS = [(0.0, 0.0), (-1.0, -1.2), (1.7, -0.9), (3.0, math.log(1.5)), (-3.0, math.log(0.1))]
each_setting = pytest.mark.parametrize(("mu", "log_sigma"), SETTINGS)


def distance(z):
    return ((z - 0.4).square() + 0.25).sqrt()


SHIP = SimpleNamespace(z_dim=1, decode=distance, likelihood=likelihoods.Gaussian(0.5).double())
LINE = SimpleNamespace(z_dim=1, decode=lambda z: 2 * z, likelihood=likelihoods.Gaussian(1.0).double())
X = torch.tensor([[0.5], [1.5]], dtype=torch.float64)


def test_log_p_is_the_librarys():
    for k, value in enumerate(exact.log_prob_by_quadrature(SHIP, X)):
        assert elbo_gap(SHIP, X, shown=k).result()["log_px"] == pytest.approx(value.item(), abs=1e-9)


@each_setting
def test_the_terms_of_a_linear_model_are_its_closed_forms(mu, log_sigma):
    # x|z ~ N(2z, 1): x ~ N(0, 5), z|x ~ N(2x/5, 1/5)
    found, x = elbo_gap(LINE, X[1:], mu=mu, log_sigma=log_sigma).result(), 1.5
    q = td.Normal(torch.tensor(mu).double(), math.exp(log_sigma))
    kl = td.kl_divergence(q, td.Normal(torch.tensor(2 * x / 5).double(), 0.2**0.5)).item()
    log_px = td.Normal(0.0, 5**0.5).log_prob(torch.tensor(x).double()).item()
    # q ends 6 standard deviations inside of the grid, where log p(x|z) is about -300: what lies beyond is below 1e-6
    assert found["log_px"] == pytest.approx(log_px, abs=1e-6)
    assert found["kl"] == pytest.approx(kl, abs=1e-5)
    assert found["elbo"] == pytest.approx(log_px - kl, abs=1e-5)


@each_setting
def test_the_gap_is_the_kl(mu, log_sigma):
    for k in range(2):
        found = elbo_gap(SHIP, X, mu=mu, log_sigma=log_sigma, shown=k).result()
        assert found["log_px"] - found["elbo"] == pytest.approx(found["kl"], abs=1e-6)
        assert found["elbo"] == -found["rate"] - found["distortion"]


MISTAKES = {
    "two codes": (lambda: elbo_gap(small_vae(z_dim=2), X), "one-dimensional z, got z_dim = 2"),
    "nothing": (lambda: elbo_gap(SHIP, X[:0]), "one to 6 observations"),
    "too many": (lambda: elbo_gap(SHIP, X.repeat(4, 1)), "got 8"),
    "names": (lambda: elbo_gap(SHIP, X, ["one"]), "name the 2 observations, got 1"),
    "NaN": (lambda: elbo_gap(SimpleNamespace(z_dim=1, decode=lambda z: z / 0 * 0, likelihood=SHIP.likelihood), X),
            "not finite everywhere"),
}


@pytest.mark.parametrize(("call", "words"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_q_stays_where_the_grid_is_good():
    figure = elbo_gap(SHIP, X, mu=100, log_sigma=-100)
    assert figure.mu == 3.0 and figure.log_sigma == math.log(0.1)
    for name in ("mu", "log_sigma"):
        with pytest.raises(traitlets.TraitError, match="finite"):
            setattr(figure, name, math.nan)
    with pytest.raises(traitlets.TraitError, match="from 0 to 1, got 2"):
        figure.shown = 2
    assert repr(elbo_gap(SHIP, X, ["near", "far"], shown=1)) == "ElboGap(far, q=N(0.00, 1.00²))"


# ---------------------------------------------------------------- in the browser


@pytest.fixture
def page(browser):
    context = chromium.new_context(browser, "desktop", "light")
    yield context.new_page()
    context.close()


def in_browser(page, figure, source):
    """What the module computes for the figure's state."""
    return page.evaluate("""async ({ source, table, points, limit, mu, logSigma, shown }) => {
        const m = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
        const bytes = Uint8Array.from(atob(table), (c) => c.charCodeAt(0));
        const padded = new Uint8Array(bytes.length + 3);  // a view that starts at an odd byte, as a kernel's may
        padded.set(bytes, 3);
        const row = m.unpack(new DataView(padded.buffer, 3), points)[shown];
        const exact = m.posterior(row, limit);
        return { log_px: exact.logPx, ...m.terms(row, exact, mu, logSigma) };
    }""", {"source": source, "table": base64.b64encode(figure.log_likelihood).decode(), "points": figure.points,
           "limit": figure.limit, "mu": figure.mu, "logSigma": figure.log_sigma, "shown": figure.shown})


def assert_browser_agrees(page, mu, log_sigma, source):
    for shown in range(2):
        figure = elbo_gap(SHIP, X, mu=mu, log_sigma=log_sigma, shown=shown)
        # the same sums of 1,201 float64 terms below 1e3
        assert in_browser(page, figure, source) == pytest.approx(figure.result(), abs=1e-9)


@each_setting
def test_browser_computes_what_python_computes(page, mu, log_sigma):
    assert_browser_agrees(page, mu, log_sigma, MODULE)


@pytest.mark.parametrize(("right", "wrong"), [
    ("const rate = 0.5 * (", "const rate = ("),
    ("Math.exp(2 * logSigma) - 1", "Math.exp(logSigma) - 1"),
    ("logQ - logPosterior[k]", "logPosterior[k] - logQ"),
    ("- 0.5 * z[k] ** 2 - HALF_LOG_2PI", "- 0.5 * z[k] ** 2"),
], ids=["½ dropped", "σ for σ²", "sign of the KL", "prior not normalised"])
def test_the_law_of_the_browser_refuses(page, right, wrong):
    source = MODULE
    assert right in source
    with pytest.raises(AssertionError):
        assert_browser_agrees(page, -1.0, -1.2, source.replace(right, wrong))


def numbers(page):
    """What the figure says: log p(x), ELBO, gap, KL and σ."""
    page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
    text = page.locator(".eg-sum").inner_text().replace("−", "-")
    return [float(part.split("=")[1].split()[0].rstrip(",")) for part in text.replace(" nats;", ",").split(", ")]


def test_figure_shows_its_numbers_and_follows_python(page):
    figure = elbo_gap(SHIP, X, ["near", "far"], mu=-1.0, log_sigma=-0.9, shown=1, label="A gap")
    show(page, figure)
    found = figure.result()
    expected = [found["log_px"], found["elbo"], found["kl"], found["kl"], math.exp(-0.9)]
    assert numbers(page) == pytest.approx(expected, abs=0.0051)
    assert page.get_by_role("group", name="A gap").count() == 1
    assert page.get_by_role("button", name="far").get_attribute("aria-pressed") == "true"
    assert "mean −1.00" in page.locator(".eg-plot svg").get_attribute("aria-label")


def test_figure_follows_keyboard_and_buttons(page):
    show(page, elbo_gap(SHIP, X, ["near", "far"]))
    for name, key in (("Mean μ of q", "ArrowRight"), ("log σ of q", "ArrowLeft")):
        before = numbers(page)
        page.get_by_role("slider", name=name).focus()
        page.keyboard.press(key)
        after = numbers(page)
        assert after[0] == before[0] and after != before, f"{name} moves nothing, or log p(x)"
        assert after[0] - after[1] == pytest.approx(after[2], abs=0.0011)
    assert page.get_by_role("slider", name="log σ of q").evaluate("e => getComputedStyle(e).outlineStyle") != "none"
    page.get_by_role("button", name="far").click()
    assert numbers(page)[0] != after[0]


def test_figure_follows_the_mouse(page):
    show(page, elbo_gap(SHIP, X, ["near", "far"]))
    before = numbers(page)
    box = page.locator(".eg-plot").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 80, steps=3)
    page.mouse.up()
    after = numbers(page)
    assert after != before
    # three quarters of the way from -4 to 4
    assert float(page.get_by_role("slider", name="Mean μ of q").input_value()) == pytest.approx(2, abs=0.1)
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 80)
    assert numbers(page) == after, "the figure follows a mouse that has let go"


def test_damaged_state_gets_a_sentence(page):
    def cut(state):
        for one in state.values():
            if "_esm" in one["state"]:
                one["state"]["points"] = 1000
    show(page, elbo_gap(SHIP, X), edit=cut)
    assert "This figure could not be shown: it needs rows of 1000 numbers" in page.get_by_role("alert").inner_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_figure_fits_a_phone_and_follows_the_theme(browser, theme):
    context = chromium.new_context(browser, "phone", theme)
    page = context.new_page()
    show(page, elbo_gap(SHIP, X, ["near", "far"]))
    page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
    numbers(page)
    assert page.locator(".eg").evaluate("e => e.classList.contains('eg-dark')") == (theme == "dark")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()

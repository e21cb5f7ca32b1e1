"""The built book in a real browser: every page, on a desktop and a phone, light and dark.

Each page is opened once a view; what is found there is kept, and each test asks one question of it.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import chromium
import pytest

ROOT = Path(__file__).parents[1]
SITE = ROOT / "_build" / "html"
AXE = ROOT / "tests" / "vendor" / "axe-core" / "axe.min.js"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

LOOK = r"""() => {
    const article = document.querySelector("article.bd-article") ?? document.querySelector("main") ?? document.body;
    const images = [...article.querySelectorAll("img")].map((image) => ({
        src: image.getAttribute("src").slice(0, 80), width: image.naturalWidth, alt: (image.alt ?? "").trim() }));
    const prose = article.cloneNode(true);
    for (const part of prose.querySelectorAll("pre, code, script, style, mjx-container")) part.remove();
    const tex = /\$\$|\\[([]|\\(?:begin|frac|mathbb|mathcal)\b/g;
    const myst = /\{(?:cite|ref|numref|eq|term|doc)[:\w]*\}`/g;
    const raw = [tex, myst].flatMap((pattern) => prose.textContent.match(pattern) ?? []);
    const screen = document.documentElement.clientWidth;  // innerWidth of a phone grows with what is too wide
    const wide = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > screen + 1
        && !e.closest(".bd-sidebar-primary, .bd-sidebar-secondary, dialog")).slice(0, 3)
        .map((e) => `${e.tagName.toLowerCase()}.${e.className} to ${Math.round(e.getBoundingClientRect().right)}`);
    const cut = [...article.querySelectorAll("mjx-container:not([display])")].filter((e) => e.offsetParent
        && !e.closest("table") && e.getBoundingClientRect().right > screen + 1)
        .map((e) => e.parentElement.textContent.slice(0, 60));
    return {
        theme: document.documentElement.dataset.theme, images, raw,
        math: article.querySelectorAll(".math").length, typeset: article.querySelectorAll("mjx-container").length,
        errors: article.querySelectorAll("mjx-merror").length, cut,
        width: document.documentElement.scrollWidth, screen, wide,
        views: document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]').length,
        figures: document.querySelectorAll(".afm-figure > :not(:has([role=alert]))").length,
    };
}"""


@dataclass
class Visit:
    """What one page gave in one view."""

    page: str
    view: str
    console: list = field(default_factory=list)
    failed: list = field(default_factory=list)
    foreign: list = field(default_factory=list)
    seen: dict = field(default_factory=dict)
    axe: list = field(default_factory=list)

    def __str__(self):
        return f"{self.page} ({self.view})"


REDIRECT = re.compile(r'http-equiv="refresh" content="0; *url=([^"]+)"', re.IGNORECASE)


def the_site():
    """The built pages, in order, without those that only lead to another. A missing book is a failure, never a skip."""
    pages = [path for path in sorted(SITE.rglob("*.html"))
             if path.relative_to(SITE).parts[0] not in ("_static", "_sources")]
    if not (SITE / "index.html").exists() or len(pages) < 2:
        pytest.fail("_build/html holds no book: run make book", pytrace=False)
    return [path.relative_to(SITE).as_posix() for path in pages if not REDIRECT.search(path.read_text("utf-8"))]


def live_pages(mark="lp-plane"):
    """The pages with a live figure whose module names the class `mark`: the latent plane if not said otherwise."""
    texts = {name: (SITE / name).read_text(encoding="utf-8") for name in the_site()}
    found = [name for name, text in texts.items() if "jupyter.widget-view+json" in text and mark in text]
    assert found, f"no page has a live figure with {mark}"
    return found


@pytest.fixture(scope="module")
def address():
    the_site()
    with chromium.serve(SITE) as url:
        yield url


@pytest.fixture(scope="module")
def contexts(browser):
    """One browser profile a view."""
    made = {view: chromium.new_context(browser, *what) for view, what in chromium.VIEWS.items()}
    yield made
    for context in made.values():
        context.close()


@pytest.fixture(scope="module", params=chromium.VIEWS)
def visits(request, contexts, address):
    """Every page of the site, opened once in one view."""
    page = contexts[request.param].new_page()
    found = []

    def on_console(message):
        if message.type == "error":
            found[-1].console.append(message.text[:300])

    def on_request(sent):
        if re.match(r"(https?|wss?):", sent.url) and not sent.url.startswith(address):
            found[-1].foreign.append(sent.url[:200])

    page.on("console", on_console)
    page.on("pageerror", lambda error: found[-1].console.append(str(error)[:300]))
    page.on("request", on_request)
    page.on("requestfailed", lambda sent: found[-1].failed.append(f"{sent.url[:200]}: {sent.failure}"))
    page.on("response", lambda got: got.status >= 400 and found[-1].failed.append(f"{got.url[:200]}: {got.status}"))
    for name in the_site():
        visit = Visit(name, request.param)
        found.append(visit)
        page.goto(address + name)
        chromium.settle(page)
        visit.seen = page.evaluate(LOOK)
        page.evaluate(AXE.read_text(encoding="utf-8"))
        # the results that are not asked for are the slow part
        violations = page.evaluate("""async (tags) => (await axe.run(document, {
            runOnly: tags, resultTypes: ["violations"] })).violations""", WCAG)
        visit.axe = [f"{rule['id']} at {node['html'][:160]}: {(node['failureSummary'] or '')[:200]}"
                     for rule in violations for node in rule["nodes"]]
    page.close()
    return found


def complain(visits, what):
    """Fail with all that is wrong: page, view, what."""
    bad = [f"{visit}: {complaint}" for visit in visits for complaint in what(visit)]
    assert not bad, f"{len(bad)} complaints\n" + "\n".join(bad[:40])


def test_pages_follow_the_theme(visits):
    complain(visits, lambda v: [] if v.seen["theme"] == v.view.split("-")[1] else [f"theme is {v.seen['theme']}"])


def test_pages_have_no_errors_in_the_console(visits):
    complain(visits, lambda v: v.console)


def test_pages_get_all_that_they_ask_for(visits):
    complain(visits, lambda v: v.failed)


def test_pages_ask_no_other_site(visits):
    complain(visits, lambda v: v.foreign)


def test_pages_are_not_wider_than_the_screen(visits):
    complain(visits, lambda v: [f"{v.seen['width']} px on a screen of {v.seen['screen']}: {v.seen['wide']}"]
             if v.seen["width"] > v.seen["screen"] + 1 else [])


def test_formulas_in_a_line_fit_the_screen(visits):
    """One in a line cannot be scrolled: a long one stands on a line of its own."""
    complain(visits, lambda visit: visit.seen["cut"])


def test_images_are_there_and_described(visits):
    complain(visits, lambda v: [f"{image['src']} did not load" for image in v.seen["images"] if not image["width"]]
             + [f"{image['src']} has no alt text" for image in v.seen["images"] if not image["alt"]])


def test_mathematics_is_typeset(visits):
    complain(visits, lambda v: [f"raw source in the text: {v.seen['raw'][:5]}"] * bool(v.seen["raw"])
             + [f"{v.seen['math']} formulas, {v.seen['typeset']} typeset"] * (v.seen["typeset"] < v.seen["math"])
             + [f"{v.seen['errors']} formulas with an error"] * bool(v.seen["errors"]))
    assert sum(v.seen["math"] for v in visits) > 0, "no page has a formula"


def test_pages_are_accessible(visits):
    complain(visits, lambda v: v.axe)


def test_all_live_figures_are_shown(visits):
    complain(visits, lambda v: [f"{v.seen['figures']} of {v.seen['views']} figures are shown"]
             if v.seen["figures"] != v.seen["views"] else [])
    assert sum(v.seen["views"] for v in visits) > 0, "no page has a live figure"


def test_front_door_leads_to_a_page():
    the_site()
    target = REDIRECT.search((SITE / "index.html").read_text("utf-8"))
    assert not target or (SITE / target[1]).is_file(), f"index.html leads to {target[1]}, which is missing"


# ---------------------------------------------------------------- live figures


def opened(context, url):
    page = context.new_page()
    page.goto(url)
    chromium.settle(page)
    assert page.locator(".lp").count(), f"{url}: no live figure is shown"
    return page


def grey(figure):
    """The decoded image that is shown, once it is drawn."""
    return figure.locator(".lp-image").evaluate("""c => new Promise((go) => requestAnimationFrame(() =>
        requestAnimationFrame(() => go(Array.from(c.getContext("2d").getImageData(0, 0, c.width, c.height).data)
            .filter((_, k) => k % 4 == 0)))))""")


def ring(figure):
    """The middle of the ring, in pixels of the window."""
    box = figure.locator(".lp-handle").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def comes_to(figure, x, y):
    """Whether the ring is at a point of the window, or gets there within some seconds."""
    for _ in range(100):
        if ring(figure) == pytest.approx((x, y), abs=1.5):
            return True
        figure.page.wait_for_timeout(50)
    return False


def code(figure):
    """The code that the figure says it shows."""
    return tuple(float(n.replace("−", "-")) for n in re.findall(r"−?\d+\.\d+", figure.locator(".lp-z").inner_text()))


def each_figure(page):
    for figure in page.locator(".lp").all():
        figure.locator(".lp-plane").scroll_into_view_if_needed()
        before = grey(figure)
        assert max(before) - min(before) > 50, f"{page.url}: the decoded image is blank"
        yield figure, before


@pytest.mark.parametrize("where", ["http", "file"])
def test_figure_follows_the_mouse(contexts, address, where):
    for name in live_pages():
        page = opened(contexts["desktop-light"], (address if where == "http" else f"{SITE.as_uri()}/") + name)
        for figure, before in each_figure(page):
            (x, y), start = ring(figure), code(figure)
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x + 60, y - 40, steps=4)
            page.mouse.up()
            after = grey(figure)
            assert after != before, f"{name} ({where}): the image stays when the ring is dragged"
            assert code(figure)[0] > start[0], f"{name} ({where}): z₁ does not rise to the right"
            assert code(figure)[1] > start[1], f"{name} ({where}): z₂ does not rise upwards"
            assert comes_to(figure, x + 60, y - 40), f"{name} ({where}): the ring is not where the mouse is"
            page.mouse.move(x - 50, y)
            assert grey(figure) == after, f"{name} ({where}): the ring follows a mouse that has let go"
        page.close()


def test_figure_follows_the_keyboard(contexts, address):
    for name in live_pages():
        page = opened(contexts["desktop-dark"], address + name)
        for figure, before in each_figure(page):
            for k, axis in enumerate(("z₁", "z₂")):
                start = code(figure)
                figure.get_by_role("slider", name=axis).focus()
                for _ in range(6):
                    page.keyboard.press("ArrowRight")
                after, moved = grey(figure), code(figure)
                assert after != before, f"{name}: the image stays when the slider {axis} moves"
                assert moved[k] > start[k], f"{name}: the slider {axis} does not move its code"
                assert moved[1 - k] == start[1 - k], f"{name}: the slider {axis} moves the other code"
                before = after
            outline = figure.get_by_role("slider", name="z₂").evaluate("e => getComputedStyle(e).outlineStyle")
            assert outline != "none", f"{name}: the focus is not to be seen"
        page.close()


def test_figure_follows_a_finger(contexts, address):
    for name in live_pages():
        page = opened(contexts["phone-light"], address + name)
        touch = page.context.new_cdp_session(page)

        def send(kind, *points, touch=touch):
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]})

        for figure, before in each_figure(page):
            (x, y), scrolled = ring(figure), page.evaluate("scrollY")
            send("touchStart", (x, y))
            for step in range(1, 6):
                send("touchMove", (x - 10 * step, y + 12 * step))
            send("touchEnd")
            after = grey(figure)
            assert after != before, f"{name}: the image stays when a finger drags the ring"
            assert comes_to(figure, x - 50, y + 60), f"{name}: the ring is not where the finger is"
            assert page.evaluate("scrollY") == scrolled, f"{name}: dragging the ring scrolls the page"
            page.touchscreen.tap(x + 40, y - 40)
            assert comes_to(figure, x + 40, y - 40), f"{name}: the ring does not go to a tap"
            assert grey(figure) != after, f"{name}: the image stays at a tap"
        page.close()


def test_figure_follows_the_theme(contexts, address):
    for name in live_pages():
        page = opened(contexts["desktop-light"], address + name)
        ground = "e => getComputedStyle(e).backgroundColor"
        figure = page.locator(".lp").first
        light = figure.evaluate(ground)
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        page.wait_for_function("() => document.querySelector('.lp').classList.contains('lp-dark')")
        assert figure.evaluate(ground) != light, f"{name}: the figure stays light on a dark page"
        page.close()


def test_gradient_estimators_follow_their_controls(contexts, address):
    for name in live_pages("ge-controls"):
        for view in ("desktop-light", "phone-dark"):
            page = contexts[view].new_page()
            page.goto(address + name)
            chromium.settle(page)
            figure = page.locator(".ge")
            figure.scroll_into_view_if_needed()
            score = figure.get_by_role("row", name="Score function")
            plain = score.inner_text()
            assert "30.0" in plain, f"{name} ({view}): the exact variance is not shown"
            figure.get_by_role("checkbox").check()
            page.wait_for_function("() => document.querySelector('.ge').innerText.includes('14.0')")
            figure.get_by_role("slider", name="Number of draws").focus()
            page.keyboard.press("End")
            page.wait_for_function("() => document.querySelector('.ge').innerText.includes('100,000')")
            assert score.inner_text() != plain, f"{name} ({view}): the numbers stay"
            page.close()


def test_elbo_gap_follows_its_controls(contexts, address):
    for name in live_pages("eg-plot"):
        for view in ("desktop-light", "phone-dark"):
            page = contexts[view].new_page()
            page.goto(address + name)
            chromium.settle(page)
            figure = page.locator(".eg")
            figure.scroll_into_view_if_needed()
            page.wait_for_function("() => document.querySelector('.eg-sum').innerText.includes('ELBO')")
            before = figure.locator(".eg-sum").inner_text()
            figure.get_by_role("slider", name="Mean μ of q").focus()
            page.keyboard.press("End")
            page.wait_for_function("text => document.querySelector('.eg-sum').innerText !== text", arg=before)
            after = figure.locator(".eg-sum").inner_text()
            assert after.split(",")[0] == before.split(",")[0], f"{name} ({view}): log p(x) moves with q"
            figure.get_by_role("button").last.click()
            page.wait_for_function("text => document.querySelector('.eg-sum').innerText !== text", arg=after)
            page.close()


def test_fault_map_follows_brush_and_keys(contexts, address):
    for name in live_pages("fm-paper"):
        for view in ("desktop-light", "phone-dark"):
            page = contexts[view].new_page()
            page.goto(address + name)
            chromium.settle(page)
            figure = page.locator(".fm")
            figure.scroll_into_view_if_needed()
            page.wait_for_function("() => document.querySelector('.fm-verdict').innerText.includes('threshold')")
            seen = [figure.locator(".fm-verdict").inner_text()]

            def changed(seen=seen, page=page, figure=figure):
                page.wait_for_function("text => document.querySelector('.fm-verdict').innerText !== text", arg=seen[-1])
                seen.append(figure.locator(".fm-verdict").inner_text())

            box = figure.locator(".fm-paper").bounding_box()
            page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.6 * box["height"])
            page.mouse.down()
            page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.6 * box["height"])
            page.mouse.up()
            changed()
            figure.get_by_role("button", name="as it was").click()
            changed()
            assert seen[2] == seen[0], f"{name} ({view}): a garment made whole scores as before"
            figure.get_by_role("button", name="scratch").click()
            figure.locator(".fm-paper").focus()
            for key in ("ArrowDown", "Space"):
                page.keyboard.press(key)
            changed()
            figure.get_by_role("button", name="empty").click()
            changed()
            page.close()


# ---------------------------------------------------------------- importance sampling


def proposal(page, url):
    """The opened page's figure, in view, and how to read its mean of q."""
    page.goto(url)
    chromium.settle(page)
    figure = page.locator(".ims").first
    figure.locator(".ims-plot").scroll_into_view_if_needed()
    return figure, lambda: float(figure.get_by_role("slider", name="mean of q").input_value())


@pytest.mark.parametrize("where", ["http", "file"])
def test_proposal_follows_mouse_keys_and_theme(contexts, address, where):
    for name in live_pages("ims-plot"):
        page = contexts["desktop-light"].new_page()
        figure, mean = proposal(page, (address if where == "http" else f"{SITE.as_uri()}/") + name)
        start, shown = mean(), figure.locator(".ims-numbers").inner_text()
        box = figure.locator(".ims-plot").bounding_box()
        page.mouse.move(box["x"] + 200, box["y"] + 80)
        page.mouse.down()
        page.mouse.move(box["x"] + 120, box["y"] + 80, steps=4)
        page.mouse.up()
        page.wait_for_timeout(100)
        assert mean() < start, f"{name} ({where}): q stays when it is dragged"
        assert figure.locator(".ims-numbers").inner_text() != shown, f"{name} ({where}): the numbers stay"
        start = mean()
        figure.get_by_role("slider", name="mean of q").focus()
        page.keyboard.press("ArrowRight")
        assert mean() > start, f"{name} ({where}): the slider does not follow the keyboard"
        light = figure.evaluate("e => getComputedStyle(e).backgroundColor")
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        page.wait_for_function("() => document.querySelector('.ims').classList.contains('ims-dark')")
        assert figure.evaluate("e => getComputedStyle(e).backgroundColor") != light
        page.close()


def test_proposal_follows_a_finger(contexts, address):
    for name in live_pages("ims-plot"):
        page = contexts["phone-light"].new_page()
        figure, mean = proposal(page, address + name)
        touch = page.context.new_cdp_session(page)
        box, start = figure.locator(".ims-plot").bounding_box(), mean()
        for step in range(6):
            touch.send("Input.dispatchTouchEvent", {"type": "touchMove" if step else "touchStart", "touchPoints": [
                {"x": box["x"] + 200 - 16 * step, "y": box["y"] + 80}]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.wait_for_timeout(100)
        assert mean() < start, f"{name}: q stays when a finger drags it"
        page.close()


# ---------------------------------------------------------------- search


def test_search_finds_a_word_of_the_book(contexts, address):
    page = contexts["desktop-light"].new_page()
    page.goto(f"{address}search.html?q=autoencoder")
    page.locator("#search-results li a").first.wait_for(timeout=10_000)
    targets = page.locator("#search-results li a").evaluate_all("links => links.map((a) => a.href)")
    assert any("chapters/" in target for target in targets), f"search finds no chapter: {targets}"
    page.goto(f"{address}search.html?q=xylophonist")
    page.get_by_text("did not match any documents").wait_for(timeout=10_000)
    page.close()


def test_image_editor_follows_sliders_examples_and_drawing(contexts, address):
    for name in live_pages("ie-result"):
        for view in ("desktop-light", "phone-dark"):
            page = contexts[view].new_page()
            page.goto(address + name)
            chromium.settle(page)
            figure = page.locator(".ie")
            figure.scroll_into_view_if_needed()

            def edited(figure=figure, page=page):
                page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
                return figure.locator(".ie-result").evaluate("c => c.toDataURL()")

            seen = [edited()]
            figure.get_by_role("slider", name="slant").focus()
            page.keyboard.press("End")
            seen.append(edited())
            figure.get_by_role("button", name="Example 3").click()
            seen.append(edited())
            figure.get_by_role("button", name="Clear and draw").click()
            box = figure.locator(".ie-draw").bounding_box()
            page.mouse.move(box["x"] + 80, box["y"] + 30)
            page.mouse.down()
            page.mouse.move(box["x"] + 80, box["y"] + 130, steps=8)
            page.mouse.up()
            seen.append(edited())
            assert len(set(seen)) == 4, f"{name} ({view}): the edited image stays as it was"
            page.close()


def test_modes_in_time_follow_their_slider(contexts, address):
    for name in live_pages("mt-models"):
        for view in ("desktop-light", "phone-dark"):
            page = contexts[view].new_page()
            page.goto(address + name)
            chromium.settle(page)
            figure = page.locator(".mt")
            figure.scroll_into_view_if_needed()
            page.wait_for_function("() => document.querySelector('.mt').innerText.includes('good draws')")
            read = "all => all.map((c) => c.toDataURL())"
            before, words = figure.locator("canvas").evaluate_all(read), figure.inner_text()
            assert len(before) == 2, f"{name} ({view}): two models are compared"
            figure.get_by_role("slider", name="Batches seen").focus()
            page.keyboard.press("Home")
            page.wait_for_function("() => document.querySelector('.mt-time').innerText === '0 batches'")
            after = figure.locator("canvas").evaluate_all(read)
            assert all(a != b for a, b in zip(after, before, strict=True)), f"{name} ({view}): the draws stay"
            assert figure.inner_text() != words, f"{name} ({view}): the numbers stay"
            page.close()

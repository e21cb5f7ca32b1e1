"""Chromium for the browser tests and for look.py: where it is, how it starts, and a server for the built site."""

import os
import shutil
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from doctor import BROWSERS, MAC_BROWSERS

__all__ = ["VIEWS", "executable", "launch", "new_context", "serve", "settle"]

# no sandbox: containers have none; the rest keeps the browser from asking for updates by itself
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
VIEWS = {f"{size}-{theme}": (size, theme) for theme in ("light", "dark") for size in SIZES}


def executable():
    """The path of Chromium: `$CHROMIUM`, or /usr/bin/chromium, or what is on the PATH.

    Raises
        FileNotFoundError: there is none; the message says how to get it.
    """
    found = [os.environ.get("CHROMIUM"), "/usr/bin/chromium", *map(shutil.which, BROWSERS),
             *(f"{app}/Contents/MacOS/{Path(app).stem}" for app in MAC_BROWSERS)]
    for path in found:
        if path and Path(path).exists():
            return path
    raise FileNotFoundError("Chromium is missing: install it (Debian, Ubuntu: apt-get install chromium) "
                            "or set the environment variable CHROMIUM to its path; `make doctor` tells more")


def launch(playwright):
    """A headless browser."""
    return playwright.chromium.launch(executable_path=executable(), headless=True, args=FLAGS)


def new_context(browser, size, theme, **options):
    """A fresh profile with the screen of a "desktop" or a "phone" whose reader wants the "light" or "dark" theme."""
    touch = {"has_touch": True, "is_mobile": True, "device_scale_factor": 2} if size == "phone" else {}
    context = browser.new_context(viewport=SIZES[size], color_scheme=theme, **touch, **options)
    context.set_default_timeout(60_000)  # milliseconds; a busy machine is not a wrong page
    return context


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        """Say nothing."""


@contextmanager
def serve(folder):
    """Serve a folder on this machine alone while the block runs; gives the address, which ends with "/"."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def settle(page):
    """Wait until mathematics, fonts, images and live figures of a loaded page are there."""
    page.evaluate("""async () => {
        await window.MathJax?.startup?.promise;
        await document.fonts.ready;
        for (const image of document.images) {
            image.loading = "eager";
            await image.decode().catch(() => {});  // a broken image is told by its naturalWidth
        }
        const views = document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]').length;
        const until = performance.now() + 20000;
        const shown = () => document.querySelectorAll(".afm-figure > *, .afm-note").length;
        while (shown() < views && performance.now() < until) await new Promise((go) => setTimeout(go, 20));
        await new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)));
    }""")

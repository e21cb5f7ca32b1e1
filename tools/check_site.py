"""Check the built pages offline.

Every local link, file and #fragment exists; no page loads anything from another site; every figure that a chapter
drew stands on its page, is not blank and has alt text; every live figure has its state; no raw MyST is shown.
"""

import base64
import hashlib
import io
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import numpy as np
from PIL import Image

LOADS = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src"), ("video", "src")}
PICTURES = {"image/png": ".png", "image/svg+xml": ".svg", "image/jpeg": ".jpg"}
VIEW, STATE = "application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json"
SILENT = {"remove-cell", "remove-output", "remove_cell", "remove_output"}
RAW_MYST = re.compile(r":::|```\{|\{[a-z][\w:.-]*\}`")
NO_ALT = re.compile(r"^\W*$|\.(png|svg|jpe?g|gif)$|^(image|figure|plot|picture|output|<Figure.*)$", re.I)


class Page(HTMLParser):
    """What the checks need of a page: ids, links, images, text outside code, JSON scripts."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.images, self.words, self.data = set(), [], [], [], {}
        self._inside, self._json = [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids |= {attributes[key] for key in ("id", "name") if attributes.get(key)}
        if tag in ("script", "style", "pre", "code", "article"):
            self._inside.append(tag)
            self._json = attributes.get("type") if tag == "script" else None
        if tag == "img":
            self.images.append((attributes.get("src", ""), attributes.get("alt"), "article" in self._inside))
        if tag == "link" and attributes.get("rel") in ("canonical", "search", "prev", "next", "index"):
            return
        for key in ("href", "src"):
            if attributes.get(key):
                self.links.append((tag, key, attributes[key]))

    def handle_endtag(self, tag):
        if tag in self._inside:
            del self._inside[len(self._inside) - 1 - self._inside[::-1].index(tag)]

    def handle_data(self, text):
        if not {"script", "style", "pre", "code"} & set(self._inside):
            self.words.append(text)
        elif self._inside[-1] == "script" and self._json in (VIEW, STATE):
            self.data.setdefault(self._json, []).append(text)


def is_blank(data):
    """Whether a PNG or JPEG shows one colour only, on white where it is transparent."""
    picture = Image.open(io.BytesIO(data)).convert("RGBA")
    on_white = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return float(np.asarray(on_white, float).var(axis=(0, 1)).sum()) == 0.0


def _pictures(folder):
    """(page, number of the code cell, cell, MIME type, bytes) for every picture that a page should show."""
    for path in sorted(Path(folder).glob("*.ipynb")):
        cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
        for number, cell in enumerate(cells):
            if SILENT & set(cell.metadata.get("tags", [])):
                continue
            for output in cell.outputs:
                kind = next((kind for kind in PICTURES if kind in output.get("data", {})), None)
                if kind:
                    raw = output.data[kind]
                    raw = raw.encode() if kind == "image/svg+xml" else base64.b64decode(raw)
                    yield f"chapters/{path.stem}", number, cell, kind, raw


def manifest(folder):
    """One row for every figure that the executed notebooks in `folder` drew."""
    rows = []
    for page, number, cell, kind, raw in _pictures(folder):
        notes = cell.metadata.get("mystnb", {})
        figure = notes.get("figure", {})
        rows.append({"page": page, "cell": number, "name": figure.get("name", ""), "kind": kind,
                     "alt": notes.get("image", {}).get("alt", ""), "caption": str(figure.get("caption", "")).strip(),
                     "sha256": hashlib.sha256(raw).hexdigest()})
    return rows


def check_figures(html, folder, pages):
    """Complaints about figures: missing, blank, or without alt text."""
    bad = []
    for page, number, cell, kind, raw in _pictures(folder):
        where = f"{page}, code cell {number}"
        if kind != "image/svg+xml" and is_blank(raw):
            bad.append(f"{where}: the figure is blank")
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "").strip()
        if NO_ALT.search(alt):
            bad.append(f"{where}: the figure has no alt text (cell metadata mystnb: image: alt: what is to be seen)")
        path = html / f"{page}.html"
        shown = [a for src, a, _ in pages[path].images if not urlsplit(src).scheme and
                 (file := path.parent / unquote(src)).exists() and file.read_bytes() == raw] if path in pages else []
        if not shown:
            bad.append(f"{where}: the figure is not on the page")
        elif alt not in shown:
            bad.append(f"{where}: the page shows the figure with the alt text {shown[0]!r}")
    for path, page in pages.items():
        for src, alt, content in page.images:
            if content and NO_ALT.search((alt or "").strip()):
                bad.append(f"{path.relative_to(html)}: {src} has no alt text")
    return bad


def check_widgets(html, folder, pages):
    """Complaints about live figures whose view or state is not on the page."""
    bad = []
    for path in sorted(Path(folder).glob("*.ipynb")):
        page = pages.get(html / "chapters" / f"{path.stem}.html")
        views = [output.data[VIEW]["model_id"] for cell in nbformat.read(path, as_version=4).cells
                 if cell.cell_type == "code" and not SILENT & set(cell.metadata.get("tags", []))
                 for output in cell.outputs if VIEW in output.get("data", {})]
        data = page.data if page else {}
        shown = {json.loads(text)["model_id"] for text in data.get(VIEW, [])}
        states = {key for text in data.get(STATE, []) for key in json.loads(text)["state"]}
        bad += [f"chapters/{path.stem}: live figure {view} has no {'state' if view in shown else 'place'} on the page"
                for view in views if view not in shown & states]
    return bad


def check_links(html, pages):
    """Complaints about links: missing file, missing id, another site's file."""
    bad = []
    for path, page in pages.items():
        for tag, key, link in page.links:
            url, where = urlsplit(link), path.relative_to(html)
            if url.scheme in ("http", "https") or link.startswith("//"):
                if (tag, key) in LOADS:
                    bad.append(f"{where}: loads {link} from another site")
                continue
            if url.scheme:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            if not target.exists():
                bad.append(f"{where}: missing: {link}")
            elif url.fragment and target in pages and unquote(url.fragment) not in pages[target].ids:
                bad.append(f"{where}: no such id: {link}")
    for path in html.rglob("*.css"):
        if found := re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^\s\"')]+", path.read_text(encoding="utf-8")):
            bad.append(f"{path.relative_to(html)}: loads {found[0]} from another site")
    return bad


def main(html, executed):
    html = Path(html).resolve()
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(html.rglob("*.html"))
             if not {"_static", "_sources"} & set(path.relative_to(html).parts)}
    bad = check_links(html, pages) + check_figures(html, executed, pages) + check_widgets(html, executed, pages)
    for path, page in pages.items():
        if raw := RAW_MYST.search(" ".join(page.words)):
            bad.append(f"{path.relative_to(html)}: shows raw MyST: {raw[0]}")
    if not pages:
        bad.append(f"no pages in {html}")
    for line in bad:
        print(line, file=sys.stderr)
    print(f"{len(pages)} pages, {sum(len(page.links) for page in pages.values())} links, "
          f"{len(manifest(executed))} figures: {len(bad) or 'none'} wrong")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))

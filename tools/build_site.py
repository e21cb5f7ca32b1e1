"""Build the book from what was executed: chapters/*.md, book/*.md and .executed/ -> _build/html.

Writes claims.json, status.json and figures.json beside the pages, then checks the pages.
"""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import check_site
import feed_cache
from course import ROOT

FIELDS = ("id", "chapter", "statement", "source", "published", "expected", "measured", "error", "shown", "tolerance",
          "unit", "outcome", "evidence", "images", "bound", "k", "seeds", "recipe", "provenance")


def write(path, content):
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main(root=ROOT):
    began = time.perf_counter()
    html = root / "_build" / "html"
    for old in (html, root / "_build" / ".doctrees", root / "_build" / "jupyter_execute"):
        shutil.rmtree(old, ignore_errors=True)
    feed_cache.main(root)
    command = [Path(sys.executable).with_name("jupyter-book"), "build", ".", "--path-output", ".", "-W", "-n",
               "--keep-going", "--all", "-q"]
    if subprocess.run(command, cwd=root).returncode:
        shutil.rmtree(html, ignore_errors=True)  # a page with a warning is not shown
        sys.exit("the book was not built: see the warnings above")
    measured = json.loads((root / ".executed" / "measured.json").read_text(encoding="utf-8"))
    write(html / "claims.json", [{key: row.get(key) for key in FIELDS} for row in measured["claims"]])
    chapters = [{key: value for key, value in row.items() if key != "cells"} for row in measured["chapters"]]
    last = max(chapters, key=lambda row: row["date"], default={"device": "", "versions": {}, "date": ""})
    write(html / "status.json", {"chapters": chapters} | {key: last[key] for key in ("device", "versions", "date")})
    write(html / "figures.json", check_site.manifest(root / ".executed" / "pages"))
    if check_site.main(html, root / ".executed" / "pages"):
        sys.exit("the pages were built, but are not right: see above")
    print(f"built in {time.perf_counter() - began:.0f} s: {html.relative_to(root)}/index.html; `make serve` shows it")


if __name__ == "__main__":
    main()

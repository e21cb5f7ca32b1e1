"""Take pictures of built pages, for authors: desktop and phone width, light and dark, whole pages.

    python tools/look.py shots                              every page, into the folder shots/
    python tools/look.py shots chapters/01_autoencoder.html one page
"""

import argparse
import sys
from pathlib import Path

from chromium import VIEWS, launch, new_context, serve, settle
from course import ROOT
from playwright.sync_api import sync_playwright


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the PNG files")
    parser.add_argument("pages", nargs="*", help="pages below the site's folder (default: all)")
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--views", nargs="*", choices=VIEWS, default=list(VIEWS))
    options = parser.parse_args()
    if not options.site.is_dir():
        sys.exit(f"{options.site} is missing: make book")
    pages = options.pages or [path.relative_to(options.site).as_posix() for path in options.site.rglob("*.html")
                              if "_static" not in path.parts]
    options.out.mkdir(parents=True, exist_ok=True)
    with serve(options.site) as address, sync_playwright() as playwright:
        browser = launch(playwright)
        for view in options.views:
            context = new_context(browser, *VIEWS[view])
            page = context.new_page()
            for name in pages:
                if not page.goto(address + name).ok:
                    sys.exit(f"{name} is no page of {options.site}: name it as chapters/01_autoencoder.html")
                settle(page)
                target = options.out / f"{name.removesuffix('.html').replace('/', '_')}-{view}.png"
                page.screenshot(path=target, full_page=True)
                print(target)
            context.close()
        browser.close()


if __name__ == "__main__":
    main()

"""Buttons of a chapter and of its exercises: open the notebook in Colab, download it.

The theme would point both to the MyST source. Until `make configure`, the Colab button leads to the book's page on
Colab, and no page shows a link to a repository.
"""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
from course import repository

COLAB_PAGE = "book/colab"


def configure(app, config):
    repo = repository(Path(app.srcdir))
    if repo.configured:
        config.html_baseurl = repo.site
    else:
        config.html_theme_options.update(use_repository_button=False, use_edit_page_button=False, repository_url="")


def notebook_of(pagename):
    """The notebook that belongs to a page, or None: exercises/05_x.ipynb to book/exercises_05_x."""
    if pagename.startswith("chapters/"):
        return f"{pagename}.ipynb"
    if pagename == "book/capstone":
        return "exercises/capstone.ipynb"
    if pagename.startswith("book/exercises_"):
        return f"exercises/{pagename.removeprefix('book/exercises_')}.ipynb"
    return None


def buttons(app, pagename, templatename, context, doctree):
    notebook = notebook_of(pagename)
    if notebook is None or "header_buttons" not in context:
        return
    repo = repository(Path(app.srcdir))
    colab = repo.colab(notebook) if repo.configured else context["pathto"](COLAB_PAGE)
    kept = [group for group in context["header_buttons"]
            if group.get("label") not in ("launch-buttons", "download-buttons")]
    context["header_buttons"] = [
        _link("Open in Colab" if repo.configured else "How to run this notebook in Colab", colab,
              "fa-solid fa-rocket", "colab-button"),
        _link("Download this page's notebook", context["pathto"](f"_sources/{notebook}", 1),
              "fa-solid fa-download", "download-notebook-button"),
        *kept]


def _link(text, url, icon, label):
    return {"type": "link", "url": url, "tooltip": text, "icon": icon, "label": label}


def copy_notebooks(app, exception):
    if exception or app.builder.format != "html":
        return
    for folder in ("chapters", "exercises"):
        target = Path(app.outdir) / "_sources" / folder
        target.mkdir(parents=True, exist_ok=True)
        for notebook in sorted((Path(app.srcdir) / folder).glob("*.ipynb")):
            shutil.copy2(notebook, target)


def setup(app):
    app.connect("config-inited", configure, priority=1)
    app.connect("html-page-context", buttons, priority=950)
    app.connect("build-finished", copy_notebooks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

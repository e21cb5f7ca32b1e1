"""Fill jupyter-cache from the executed notebooks, so that Jupyter Book has nothing to execute.

.executed/chapters/*.ipynb + chapters/*.md -> _build/.jupyter_cache, and the same notebooks in .executed/pages/
for the checks: the source's cells, alt text and captions with the outputs of the execution.
"""

import shutil
import sys

import jupytext
import nbformat
from course import ROOT, chapters
from execute import CLAIM, seconds
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from make_notebooks import INSTALL_ID


def merge(source, executed):
    """The source's notebook with the outputs of the executed one, whose install cell it lacks.

    The cache's key hashes the metadata of cells, and execution adds to it: the source's stays.
    """
    ran = [cell for cell in executed.cells if cell.cell_type == "code" and cell.get("id") != INSTALL_ID]
    cells = [cell for cell in source.cells if cell.cell_type == "code"]
    if [cell.source for cell in cells] != [cell.source for cell in ran]:
        raise ValueError("the executed notebook is not of this source: run make notebooks")
    for cell, result in zip(cells, ran):
        cell.outputs, cell.execution_count = result.outputs, result.execution_count
        for output in cell.outputs:
            output.get("data", {}).pop(CLAIM, None)  # for the ledger; a page has no way to show it
    if "widgets" in executed.metadata:
        source.metadata.widgets = executed.metadata.widgets
    return source


def main(root=ROOT):
    folder = root / "_build" / ".jupyter_cache"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    cache = get_cache(folder)
    pages = root / ".executed" / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir(parents=True)
    for path in chapters(root):
        executed = root / ".executed" / "chapters" / f"{path.stem}.ipynb"
        if not executed.exists():
            sys.exit(f"{path.stem} has not been executed: run make execute")
        executed = nbformat.read(executed, as_version=4)
        notebook = merge(jupytext.read(path, fmt="md:myst"), executed)
        took = sum(seconds(cell) for cell in executed.cells if cell.cell_type == "code")
        cache.cache_notebook_bundle(CacheBundleIn(nb=notebook, uri=str(path), data={"execution_seconds": took}),
                                    overwrite=True, check_validity=False)
        nbformat.write(notebook, pages / f"{path.stem}.ipynb")


if __name__ == "__main__":
    main()

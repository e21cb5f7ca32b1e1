"""Write chapters/NN_name.ipynb, which learners run, from chapters/NN_name.md, the source.

`--check` writes nothing and fails where a notebook is out of date, left over, or not as committed.
"""

import json
import re
import sys

import jupytext
import nbformat
from course import ROOT, chapters, repository
from myst import Converter, Index, Unsupported

INSTALL_ID = "install"
FIND = """\
# Gets the course's library where it is missing, and changes nothing that is installed.
import importlib.util

if importlib.util.find_spec("vae_lib") is None:
"""
INSTALL = FIND + """\
    import re, subprocess, sys, tempfile
    from importlib.metadata import distributions, requires

    def pip(*words):
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", *words], check=True)

    def plain(name):
        return re.sub(r"[-_.]+", "-", name).lower()

    present = {{plain(d.metadata["Name"]): d.version for d in distributions() if d.metadata["Name"]}}
    pip("--no-deps", "vae_lib @ {archive}")
    importlib.invalidate_caches()
    needed = [line for line in requires("vae_lib") if "extra ==" not in line]
    missing = [line for line in needed if plain(re.match(r"[\\w.-]+", line)[0]) not in present]
    if missing:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as keep:  # what is here stays as it is
            keep.write("\\n".join(f"{{name}}=={{version}}" for name, version in present.items()))
            keep.flush()
            pip("-c", keep.name, *missing)
"""
NOT_CONFIGURED = FIND + """\
    raise SystemExit("vae_lib is missing, and this notebook does not know where the course is kept: run "
                     "`pip install .` in your copy of the course, then run this cell again.")
"""


def install_cell(repo):
    """The first code cell: installs vae_lib where it is missing, or says what to do."""
    source = INSTALL.format(archive=repo.archive) if repo.configured else NOT_CONFIGURED
    return nbformat.v4.new_code_cell(source.strip(), metadata={"tags": ["remove-cell"]}, id=INSTALL_ID)


def derive(source, index):
    """The notebook of a chapter as text, the same bytes for the same source.

    Raises
        SystemExit: syntax without a plain form; names file and line.
    """
    text = source.read_text(encoding="utf-8")
    page = f"chapters/{source.stem}"
    converter = Converter(page, index)
    where = f"[the chapter in the book]({index.link(page)})" if index.repository.configured else "the chapter"
    cells = [nbformat.v4.new_markdown_cell(f"*The notebook to run, made from {where}. "
                                           "Run the cells from top to bottom.*"), install_cell(index.repository)]
    for cell in jupytext.reads(text, "md:myst").cells:
        try:
            cells += _plain(cell, converter, index, page)
        except Unsupported as error:
            raise SystemExit(f"{source.name}:{_line(text, error.snippet)}: {error.snippet.strip()}: {error}") from None
    for k, cell in enumerate(cells):
        if cell["id"] != INSTALL_ID:
            cell["id"] = f"{source.stem[:2]}-{k:03d}"
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"}})
    notebook.nbformat_minor = 5
    nbformat.validate(notebook)
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _plain(cell, converter, index, page):
    """The cell or cells of the derived notebook for one of the source's."""
    if cell.cell_type != "code":
        source = converter.convert(cell.source)
        return [nbformat.v4.new_markdown_cell(source)] if source else []
    metadata = dict(cell.metadata)
    if {"hide-input", "hide-cell"} & set(metadata.get("tags", [])):
        metadata["jupyter"] = {"source_hidden": True}
    notes = dict(metadata.pop("mystnb", {}))
    figure = notes.pop("figure", {})  # the caption stands below the cell
    if notes:
        metadata["mystnb"] = notes
    cells = [nbformat.v4.new_code_cell(cell.source, metadata=metadata)]
    if figure.get("caption"):
        caption = str(figure["caption"]).strip()
        number = next(entry.number for entry in index.labels.values()
                      if entry.page == page and entry.kind == "figure" and entry.title == caption)
        cells.append(nbformat.v4.new_markdown_cell(converter.caption(caption, number)))
    return cells


def _line(text, snippet):
    """The line of `text` at which `snippet` stands, code cells left out."""
    masked = re.sub(r"^```\{code-cell\}.*?^```$", lambda m: "\n" * m[0].count("\n"), text, flags=re.M | re.S)
    for body in (masked, text):
        if (at := body.find(snippet)) >= 0:
            return body.count("\n", 0, at) + 1
    return 1


def main(root=ROOT, check=False):
    index = Index(root, repository(root))
    wrong = []
    expected = {source.with_suffix(".ipynb"): derive(source, index) for source in chapters(root)}
    for target, text in expected.items():
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            wrong.append(target)
            if not check:
                target.write_text(text, encoding="utf-8")
    left_over = sorted(set((root / "chapters").glob("*.ipynb")) - set(expected))
    if left_over:
        sys.exit("no source for " + ", ".join(path.name for path in left_over) + ": delete it, or write its .md")
    if check and wrong:
        sys.exit("out of date: " + ", ".join(path.name for path in wrong) + ". Edit the .md, then run: make notebooks")
    print(f"notebooks: {len(expected)} in step with their sources"
          + (f", written: {', '.join(path.name for path in wrong)}" if wrong else ""))


if __name__ == "__main__":
    main(check="--check" in sys.argv[1:])

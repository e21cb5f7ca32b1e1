"""The capstone's starter from its page: book/capstone.md -> exercises/capstone.ipynb, by `make exercises`.

The part of the page between two comments becomes the notebook: Python blocks are its cells, the rest its text.
"""

import re

import nbformat
from make_notebooks import install_cell
from myst import Converter, blocks

PAGE = "book/capstone"
PART = re.compile(r"^% the notebook begins\n(.*?)^% the notebook ends$", re.M | re.S)
PYTHON = re.compile(r"```python\n(.*)\n```", re.S)


def notebook(root, index):
    """The starter; `index` gives links as seen from exercises/."""
    text = (root / f"{PAGE}.md").read_text(encoding="utf-8")
    converter, cells, prose = Converter(PAGE, index), [], []

    def add_prose():
        if plain := converter.convert("\n".join(prose)):
            cells.append(nbformat.v4.new_markdown_cell(plain))
        prose.clear()

    for kind, block in blocks(PART.search(text)[1]):
        if kind == "code" and (code := PYTHON.fullmatch(block)):
            add_prose()
            cells.append(nbformat.v4.new_code_cell(code[1]))
        elif kind == "directive":
            raise SystemExit(f"{PAGE}.md: {block.opening} in the notebook's part: write plain text there")
        else:
            prose.append(block)
    add_prose()
    words = (f"# {index.titles[PAGE]}\n\n*Made from [its page]({index.link(PAGE)}), which has the rubric. Work from "
             "top to bottom: each step builds on the one before.*")
    head = nbformat.v4.new_markdown_cell(words)
    cells = [head, install_cell(index.repository), *cells]
    for number, cell in enumerate(cells):
        if cell.id != "install":
            cell.id = f"capstone-{number:02d}"
    made = nbformat.v4.new_notebook(cells=cells, metadata={
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"}})
    made.nbformat_minor = 5
    nbformat.validate(made)
    return made

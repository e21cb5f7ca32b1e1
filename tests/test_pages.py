"""The pages around the chapters: terms, symbols, citations, wording, and the facts about the data."""

import doctest
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest
import torch

from vae_lib import data

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "book"
PAGES = sorted(BOOK.glob("*.md")) + sorted((ROOT / "chapters").glob("*.md"))
BANNED = re.compile(r"\b(simply|just|obviously|powerful|as we know)\b", re.IGNORECASE)

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def without_code(text):
    """The page without front matter, code blocks, inline code and comments; directives with prose stay."""
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    text = re.sub(r"^(`{3,})(?!\{(?!code))[^\n]*\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    return re.sub(r"(?<!\})`[^`\n]+`", "", text)  # a role's text, {role}`text`, stays


def roles(text, name):
    """The targets of a role: {name}`target` and {name}`words <target>`."""
    found = re.findall(r"\{" + re.escape(name) + r"\}`([^`]+)`", text)
    return [re.sub(r"\s+", " ", re.sub(r"^.*<(.+)>$", r"\1", one, flags=re.DOTALL)) for one in found]


def glossary_terms(text):
    """The terms of the glossary: the lines of its block that are not indented."""
    block = re.search(r"^```\{glossary\}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE).group(1)
    return [line.strip() for line in block.splitlines() if re.match(r"[^\s:]", line)]


def symbols(text):
    """The first column of every table of the notation page."""
    rows = re.findall(r"^\| (.+?) \|", text, re.MULTILINE)
    return [cell for cell in rows if cell.startswith("$")]


def bib_keys(text):
    return re.findall(r"^@\w+\{([^,\s]+),", text, re.MULTILINE)


def citations(text):
    return [key.strip() for role in ("cite:p", "cite:t", "cite") for keys in roles(text, role)
            for key in keys.split(",")]


TERMS = glossary_terms((BOOK / "glossary.md").read_text(encoding="utf-8"))
KEYS = bib_keys((BOOK / "references.bib").read_text(encoding="utf-8"))


@each_page
def test_every_term_is_in_the_glossary(page):
    known = {term.lower() for term in TERMS}
    used = roles(page.read_text(encoding="utf-8"), "term")
    assert not [term for term in used if term.lower() not in known]


@each_page
def test_every_citation_is_in_the_bibliography(page):
    assert not set(citations(page.read_text(encoding="utf-8"))) - set(KEYS)


def test_every_source_of_a_claim_is_in_the_bibliography():
    claims = tomllib.loads((ROOT / "vae_lib" / "claims.toml").read_text(encoding="utf-8"))
    assert not {row["source"] for row in claims.values() if row.get("source")} - set(KEYS)


@pytest.mark.parametrize("names", [
    [term.lower() for term in TERMS],
    symbols((BOOK / "notation.md").read_text(encoding="utf-8")),
    KEYS,
], ids=["glossary", "notation", "bibliography"])
def test_nothing_is_defined_twice(names):
    assert len(names) > 20
    assert not [name for name, count in Counter(names).items() if count > 1]


def test_every_term_has_a_definition_in_sentences():
    block = re.search(r"```\{glossary\}\n(.*?)^```$", (BOOK / "glossary.md").read_text(encoding="utf-8"),
                      re.DOTALL | re.MULTILINE).group(1)
    entries = [entry for entry in block.split("\n\n") if entry and not entry.startswith(":")]
    assert not [entry for entry in entries if len(entry.splitlines()) < 2 or not entry.rstrip().endswith((".", "`."))]


@each_page
def test_no_filler_words(page):
    text = without_code(page.read_text(encoding="utf-8"))
    assert not [line.strip() for line in text.splitlines() if BANNED.search(line)]


@pytest.mark.parametrize("text, found", [
    ("We just train.", True),
    ("This is Obviously so.", True),
    ("as we know, x", True),
    (":::{note}\nThis is simply so.\n:::", True),
    ("```{figure} a.svg\n:name: f\n\nA powerful figure.\n```", True),
    ("We adjust and justify, in simplicity.", False),
    ("Call `just` it.", False),
    ("```python\n# just code\n```", False),
    ("```{code-cell} ipython3\n# simply\n```", False),
])
def test_the_rule_on_filler_words_reads_prose_and_not_code(text, found):
    assert bool(BANNED.search(without_code(text))) == found


def test_the_answers_of_the_self_test_are_right():
    blocks = re.findall(r"^```pycon\n(.*?)^```$", (BOOK / "prerequisites.md").read_text(encoding="utf-8"),
                        re.DOTALL | re.MULTILINE)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "prerequisites", None, 0)
    result = doctest.DocTestRunner(verbose=False).run(test)
    assert result.attempted >= 10 and result.failed == 0


def test_the_page_on_data_names_the_files_as_they_are():
    text = (BOOK / "data.md").read_text(encoding="utf-8")
    sums = re.findall(r"^(\w{64})  (\S+)$", text, re.MULTILINE)
    assert {f"{name}.gz": digest for digest, name in sums} == data.SHA256
    folder = ROOT / "vae_lib" / "datasets"
    sizes = re.findall(r"^\| `(\S+\.gz)` \| ([\d,]+) \|$", text, re.MULTILINE)
    assert {name: int(size.replace(",", "")) for name, size in sizes} == {
        name: (folder / name).stat().st_size for name in data.SHA256}


@pytest.mark.parametrize("name", data.SETS)
def test_the_page_on_data_counts_right(name):
    parts = {split: data.load(name, split) for split in data.SPLITS}
    assert [len(parts[split]) for split in data.SPLITS] == [58_000, 2_000, 10_000]

    seen = [{image.numpy().tobytes() for image in parts[split].images} for split in data.SPLITS]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 70_000, "no image occurs twice"

    per_class = torch.bincount(torch.cat([parts["train"].labels, parts["validation"].labels]))
    assert (len(set(per_class.tolist())) == 1) == (name == "fashion_mnist")


def test_half_of_the_pixels_of_fashion_mnist_are_grey():
    grey = {name: ((x := data.load(name).images).gt(0) & x.lt(255)).float().mean().item() for name in data.SETS}
    assert 0.45 < grey["fashion_mnist"] < 0.55 and grey["mnist"] < 0.25


def test_the_licences_name_what_they_cover():
    assert "The authors of the VAE course" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    text = (ROOT / "LICENSE-TEXT").read_text(encoding="utf-8")
    assert "Attribution 4.0 International" in text and "Section 8 -- Interpretation." in text
    sets = (ROOT / "LICENSE-DATA.md").read_text(encoding="utf-8")
    assert all(words in sets for words in ("licenses/by-sa/3.0", "Corinna Cortes", "© 2017 Zalando SE"))

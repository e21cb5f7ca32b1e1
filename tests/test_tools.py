"""The repository's machinery: deriving notebooks, executing once, the ledger of claims, checking the pages."""

import base64
import io
import json
import re
import subprocess
import tomllib
import types
from pathlib import Path

import check_site
import configure
import course
import doctor
import execute
import feed_cache
import ledger
import make_notebooks
import myst
import nbformat
import numbering
import numpy as np
import pytest
import statements
from PIL import Image

from vae_lib import claims

ROOT = Path(__file__).parents[1]
SITE = "https://someone.github.io/course/"
HOME = course.Repository("https://github.com/Someone/course")
HEAD = """---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

"""
CHAPTER = HEAD + """\
(ch-one)=
# 1. One

```{math}
:label: eq-a
a = 1
```

```{code-cell} ipython3
---
mystnb:
  figure:
    caption: Points, see {eq}`eq-a`.
    name: fig-one
  image:
    alt: Ten points on a line
---
draw()
```

:::{exercise} Show it
:label: ex-one
By {eq}`eq-a`.
:::

:::{prf:theorem} Bound
:label: thm-one
It holds.
:::
"""
OTHER = HEAD + """\
(ch-five)=
# 5. Five

$$
b = 2
$$ (eq-b)
"""
BIB = """\
@article{two, author = {Kingma, Diederik P. and Welling, Max}, title = {T}, year = {2014}}
@article{three, author = {Burda, Yuri and Grosse, Roger and Other, An}, title = {T}, year = {2016}}
"""


@pytest.fixture
def small(tmp_path):
    """A course with two chapters, a glossary and a bibliography, whose repository is named."""
    for name, text in {"chapters/01_one.md": CHAPTER, "chapters/05_five.md": OTHER, "book/glossary.md": "# Glossary\n",
                       "book/references.bib": BIB}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "_config.yml").write_text("title: T\nrepository:\n  url: https://github.com/Someone/course\n"
                                          "  branch: main\nexecute: {}\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def convert(small):
    return myst.Converter("chapters/01_one", myst.Index(small, HOME)).convert


# deriving notebooks

@pytest.mark.parametrize("source, plain", [
    ("{term}`decoder`", f"[decoder]({SITE}book/glossary.html#term-decoder)"),
    ("{term}`decoders <active unit>`", f"[decoders]({SITE}book/glossary.html#term-active-unit)"),
    ("{term}`ELBO`", f"[ELBO]({SITE}book/glossary.html#term-ELBO)"),
    ("{cite:p}`two,three`", f"([Kingma & Welling, 2014]({SITE}book/references.html); "
                            f"[Burda et al., 2016]({SITE}book/references.html))"),
    ("{cite:t}`two`", f"[Kingma & Welling (2014)]({SITE}book/references.html)"),
    ("{eq}`eq-a`", "(1.1)"),
    ("{eq}`eq-b`", f"[(5.1)]({SITE}chapters/05_five.html#eq-b)"),
    ("{numref}`fig-one`", "Figure 1.1"),
    ("{numref}`Fig. %s <fig-one>`", "Fig. 1.1"),
    ("{numref}`ex-one`", "Exercise 1.1"),
    ("{prf:ref}`thm-one`", "Theorem 1.1"),
    ("{ref}`ch-five`", f"[5. Five]({SITE}chapters/05_five.html#ch-five)"),
    ("{ref}`the next <ch-five>`", f"[the next]({SITE}chapters/05_five.html#ch-five)"),
    ("{doc}`05_five`", f"[5. Five]({SITE}chapters/05_five.html)"),
    ("{doc}`../book/glossary`", f"[Glossary]({SITE}book/glossary.html)"),
    ("[next](05_five.md)", f"[next]({SITE}chapters/05_five.html)"),
    ("[next](#ch-five)", f"[next]({SITE}chapters/05_five.html#ch-five)"),
    ("{claim}`refuted <ae-pca>`", f"[refuted (claim ae-pca)]({SITE}book/claims.html#claim-ae-pca)"),
    ("{measured}`ae-pca`", f"[the measured value]({SITE}book/claims.html#claim-ae-pca)"),
    ("{math}`x^2`", "$x^2$"),
    ("`{term}` and `x`", "`{term}` and `x`"),
    ("(label)=\n## Title\n% a comment\ntext", "## Title\ntext"),
    ("$$\nx\n$$ (eq-a)", "$$\nx \\tag{1.1}\n$$"),
    ("$$ x $$", "$$\nx\n$$"),
    ("```{math}\n:label: eq-a\nx\n```", "$$\nx \\tag{1.1}\n$$"),
    (":::{note}\nSee {eq}`eq-a`.\n:::", "> **Note**\n>\n> See (1.1)."),
    ("```{admonition} Title\n:class: tip\nA\n\nB\n```", "> **Title**\n>\n> A\n>\n> B"),
    ("::::{note}\n:::{tip}\nA\n:::\n::::", "> **Note**\n>\n> > **Tip**\n> >\n> > A"),
    (":::{dropdown} More\nA\n:::", "<details><summary>More</summary>\n\nA\n\n</details>"),
    (":::{admonition} T\n:class: dropdown\nA\n:::", "<details><summary>T</summary>\n\nA\n\n</details>"),
    (":::{exercise} Show it\n:label: ex-one\nA\n:::", "> **Exercise 1.1 (Show it)**\n>\n> A"),
    ("{download}`it <../exercises/01_one.ipynb>`",
     "[it](https://colab.research.google.com/github/Someone/course/blob/main/exercises/01_one.ipynb)"),
    (":::{solution} ex-one\nA\n:::", "<details><summary>Solution of Exercise 1.1</summary>\n\nA\n\n</details>"),
    (":::{prf:theorem} Bound\n:label: thm-one\nA\n:::", "> **Theorem 1.1 (Bound)**\n>\n> A"),
    ("```{figure} ../book/_static/a.svg\n:alt: A net\nThe net.\n```", f"![A net]({SITE}_images/a.svg)\n\nThe net."),
    ("![A net](../book/_static/a.svg)", f"![A net]({SITE}_images/a.svg)"),
    ("```python\n{term}`x`\n% y\n```", "```python\n{term}`x`\n% y\n```"),
])
def test_myst_becomes_plain_markdown(convert, source, plain):
    assert convert(source) == plain


@pytest.mark.parametrize("source, advice", [
    ("{unknown}`x`", "no plain form"),
    ("```{tab-set}\nx\n```", "no plain form"),
    (":::{note}\nnever closed", "never closed"),
    ("::: \nx\n:::", "opens nothing"),
    ("text[^1]", "footnotes"),
    ("{eq}`eq-nowhere`", "no page has the label"),
    ("{cite:p}`nobody`", "has no entry"),
    ("{doc}`nowhere`", "no page"),
    ("{download}`it <a.csv>`", "no plain form"),
    ("```{image} a.png\n```", ":alt:"),
    ("![](a.png)", "alt text"),
    ("- a\n  :::{note}\n  x\n  :::", "beginning of the line"),
    ("an open {term}`decoder", "shown raw"),
])
def test_what_has_no_plain_form_is_refused(convert, source, advice):
    with pytest.raises(myst.Unsupported, match=re.escape(advice)):
        convert(source)


TASKS = """\
# Exercises of chapter 1

2 tasks on {doc}`One <../chapters/01_one>`, 5 points, about 25 minutes. They are done in a notebook.

## 1. Add up

Derive and implement · easy · about 5 minutes · 1 point. *Goal:* add. *Read again:* <a href="x.html#y">Sums</a>.

By {eq}`eq-a`, add.

## 2. Mend it

Mend a broken one · hard · about 20 minutes · 4 points. *Goal:* find a. b. *Read again:* <a href="x.html#y">Sums</a>.

It has a fault.

```python
a = 2
```

## Questions to check yourself

Open an option.
"""


@pytest.fixture
def with_tasks(small):
    """The small course with a page of exercises."""
    (small / "book" / "exercises.md").write_text("# Exercises\n", encoding="utf-8")
    (small / "book" / "exercises_01_one.md").write_text(TASKS, encoding="utf-8")
    return small


def test_statements_are_read_from_their_page():
    first, second = statements.statements(TASKS)
    assert (first.title, first.goal, first.body) == ("1. Add up", "add", "By {eq}`eq-a`, add.")
    assert first.facts == "Derive and implement · easy · about 5 minutes · 1 point"
    assert second.goal == "find a. b" and second.body == "It has a fault.\n\n```python\na = 2\n```"


def test_a_chapters_notebook_lists_its_graded_tasks(with_tasks):
    convert = myst.Converter("chapters/01_one", myst.Index(with_tasks, HOME)).convert
    text = convert("### Graded tasks\n\n:::{graded-tasks}\n:::\n")
    assert "2 tasks, 5 points, about 25 minutes" in text and HOME.colab("exercises/01_one.ipynb") in text
    assert f"1. [Add up]({SITE}book/exercises_01_one.html#add-up). Add. *Derive and implement · easy" in text
    assert f"2. [Mend it]({SITE}book/exercises_01_one.html#mend-it). Find a. b. *Mend a broken one" in text
    assert "Questions" not in text and not myst.LEAKS.search(text)


def test_a_chapters_page_folds_its_graded_tasks(with_tasks):
    text = statements.folded(with_tasks, "01_one")
    boxes = [block for kind, block in myst.blocks(text) if kind == "directive"]
    assert [box.name for box in boxes] == ["dropdown"] * 2
    assert boxes[0].argument == "**1. Add up** Add. *Derive and implement · easy · about 5 minutes · 1 point*"
    assert boxes[1].body.startswith("*Read again:*") and boxes[1].body.endswith("```python\na = 2\n```")


def test_refusal_names_file_and_line(small):
    path = small / "chapters" / "01_one.md"
    path.write_text(CHAPTER + "\nSee {unknown}`x`.\n", encoding="utf-8")
    line = path.read_text(encoding="utf-8").splitlines().index("See {unknown}`x`.") + 1
    with pytest.raises(SystemExit, match=rf"01_one\.md:{line}: .*unknown"):
        make_notebooks.main(small)


def test_derived_notebooks_are_byte_stable_and_plain(small):
    make_notebooks.main(small)
    path = small / "chapters" / "01_one.ipynb"
    first = path.read_bytes()
    path.unlink()
    make_notebooks.main(small)
    assert path.read_bytes() == first
    notebook = nbformat.reads(first.decode(), as_version=4)
    nbformat.validate(notebook)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    for cell in notebook.cells:
        assert not myst.LEAKS.search(cell.source)
    assert f"({SITE}chapters/01_one.html)" in notebook.cells[0].source
    assert "**Figure 1.1.** Points, see (1.1)." in [cell.source for cell in notebook.cells]
    drawn = next(cell for cell in notebook.cells if cell.source == "draw()")
    assert drawn.metadata.mystnb.image.alt == "Ten points on a line"


def test_check_sees_a_stale_an_edited_and_a_left_over_notebook(small):
    make_notebooks.main(small)
    make_notebooks.main(small, check=True)
    source, derived = small / "chapters" / "01_one.md", small / "chapters" / "01_one.ipynb"
    source.write_text(CHAPTER + "\nMore.\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"out of date: 01_one\.ipynb"):
        make_notebooks.main(small, check=True)
    make_notebooks.main(small)
    notebook = json.loads(derived.read_text(encoding="utf-8"))
    notebook["cells"][-1].setdefault("metadata", {})["edited"] = True
    derived.write_text(json.dumps(notebook), encoding="utf-8")
    with pytest.raises(SystemExit, match="out of date"):
        make_notebooks.main(small, check=True)
    source.unlink()
    with pytest.raises(SystemExit, match=r"no source for 01_one\.ipynb"):
        make_notebooks.main(small, check=True)


def test_site_and_notebook_number_alike():
    env = types.SimpleNamespace(toc_fignumbers={
        "chapters/05_x": {"figure": {"b": (4,), "a": (3,)}, "displaymath": {"e": (7,)}},
        "book/y": {"figure": {"c": (5,)}}})
    numbering.renumber(None, env)
    assert env.toc_fignumbers["chapters/05_x"] == {"figure": {"a": (5, 1), "b": (5, 2)}, "displaymath": {"e": (5, 1)}}
    assert env.toc_fignumbers["book/y"]["figure"] == {"c": (1,)}


def test_repository_is_written_in_one_place(small):
    configure.write("https://github.com/Other/vae", "v1", small)
    repo = course.repository(small)
    assert repo == course.Repository("https://github.com/Other/vae", "v1") and repo.configured
    assert repo.archive == "https://github.com/Other/vae/archive/v1.zip"
    assert repo.colab("chapters/a.ipynb") == (
        "https://colab.research.google.com/github/Other/vae/blob/v1/chapters/a.ipynb")
    assert "title: T" in (small / "_config.yml").read_text(encoding="utf-8")


# the install cell

def run_install_cell(monkeypatch, repository, missing, present=("torch", "anywidget")):
    """Run the cell with stubs for pip and for what is installed; returns the pip calls."""
    import importlib.metadata
    import importlib.util

    calls = []

    def pip(command, check):
        words = command[command.index("install") + 1:]
        if "-c" in words:
            kept = Path(words[words.index("-c") + 1]).read_text(encoding="utf-8").splitlines()
            words = [*words, kept]
        calls.append(words)

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if missing else object())
    monkeypatch.setattr(importlib.metadata, "distributions", lambda: [
        types.SimpleNamespace(metadata={"Name": name}, version="1.0") for name in present])
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: [
        "torch>=2.4", "any_widget>=0.9", "scikit-learn>=1.3", 'pytest>=8; extra == "tests"'])
    monkeypatch.setattr(subprocess, "run", pip)
    exec(make_notebooks.install_cell(repository).source, {})
    return calls


def test_install_cell_does_nothing_where_the_library_is(monkeypatch):
    assert run_install_cell(monkeypatch, HOME, missing=False) == []
    assert run_install_cell(monkeypatch, course.Repository(course.PLACEHOLDER), missing=False) == []


def test_install_cell_says_what_to_do_until_the_repository_is_named(monkeypatch):
    with pytest.raises(SystemExit, match="pip install"):
        run_install_cell(monkeypatch, course.Repository(course.PLACEHOLDER), missing=True)


def test_install_cell_installs_the_archive_and_only_what_is_missing(monkeypatch):
    first, second = run_install_cell(monkeypatch, HOME, missing=True, present=("torch", "Any.Widget"))
    assert first == ["-q", "--no-deps", f"vae_lib @ {HOME.archive}"]
    assert second[:2] == ["-q", "-c"] and second[3:-1] == ["scikit-learn>=1.3"]
    assert second[-1] == ["torch==1.0", "any-widget==1.0"]


# executing

@pytest.mark.parametrize("text, shown", [
    ("a\rb\n", "b\n"), ("100%\r  5%\n", "  5%\n"), ("long line\rab", "abng line"), ("a\nb\n", "a\nb\n"),
    ("0%|  |\r50%|# |\r100%|##| 3.1\nloss  \n", "100%|##| 3.1\nloss  \n")])
def test_progress_bars_keep_their_last_state(text, shown):
    assert execute.collapse(text) == shown


def test_neighbouring_streams_are_joined_before_collapsing():
    outputs = [nbformat.v4.new_output("stream", name="stdout", text=text) for text in ("1%", "\r2%", "\r3%\n")]
    assert [output.text for output in execute.tidy(outputs)] == ["3%\n"]


def notebook_of(*cells):
    return nbformat.v4.new_notebook(cells=list(cells))


def ran(source, outputs=(), took=1):
    day = "2026-01-01T00:00"
    times = {"iopub.execute_input": f"{day}:00+00:00", "shell.execute_reply": f"{day}:0{took}+00:00"}
    return nbformat.v4.new_code_cell(source, outputs=list(outputs), metadata={"execution": times})


def said(text="x", name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


def test_key_changes_with_all_that_outputs_depend_on():
    notebook = notebook_of(nbformat.v4.new_code_cell("1"), nbformat.v4.new_markdown_cell("a"))
    same = notebook_of(nbformat.v4.new_code_cell("1"), nbformat.v4.new_markdown_cell("b"))
    key = execute.key_of(notebook, "lib", "lock", "cpu", {})
    assert execute.key_of(same, "lib", "lock", "cpu", {}) == key
    others = [execute.key_of(notebook_of(nbformat.v4.new_code_cell("2")), "lib", "lock", "cpu", {}),
              execute.key_of(notebook, "lib2", "lock", "cpu", {}), execute.key_of(notebook, "lib", "lock2", "cpu", {}),
              execute.key_of(notebook, "lib", "lock", "cuda", {}),
              execute.key_of(notebook, "lib", "lock", "cpu", {"VAE_LIB_BUDGET": "large"})]
    assert len({key, *others}) == 6


def test_library_hash_sees_code_weights_and_claims(tmp_path):
    folder = tmp_path / "vae_lib"
    (folder / "weights").mkdir(parents=True)
    seen = set()
    for name in ("vae.py", "weights/a.json", "claims.toml"):
        (folder / name).write_text("1", encoding="utf-8")
        seen.add(execute.library_hash(tmp_path))
    (folder / "vae.py").write_text("2", encoding="utf-8")
    seen.add(execute.library_hash(tmp_path))
    assert len(seen) == 4
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "vae.pyc").write_text("3", encoding="utf-8")
    assert execute.library_hash(tmp_path) in seen
    (folder / "exercises").mkdir()
    (folder / "exercises" / "sheet.py").write_text("4", encoding="utf-8")
    assert execute.library_hash(tmp_path) in seen


def test_no_chapter_imports_the_exercises():
    """Their outputs do not depend on them: see `execute.library_hash`."""
    assert not [path for path in (ROOT / "chapters").glob("*.md") if "vae_lib.exercises" in path.read_text("utf-8")]


@pytest.mark.parametrize("cells, fault", [
    ([ran("1", [said()])], None),
    ([nbformat.v4.new_markdown_cell("no code")], None),
    ([ran("1")], "no cell gave an output"),
    ([ran("1", [said()], took=0)], "0.0 s"),
    ([nbformat.v4.new_code_cell("1", outputs=[said()])], "0.0 s"),
    ([ran("1", [said("careful", "stderr")])], "stderr"),
    ([ran("1", [nbformat.v4.new_output("error", ename="ValueError", evalue="v", traceback=[])])], "raised ValueError"),
])
def test_notebooks_that_did_not_run_well_are_found(cells, fault):
    found = " ".join(execute.faults(notebook_of(*cells)))
    assert fault in found if fault else not found


def test_outputs_go_to_the_cells_of_the_source():
    install = nbformat.v4.new_code_cell("install", id=make_notebooks.INSTALL_ID)
    text = nbformat.v4.new_markdown_cell("x")
    executed = notebook_of(install, ran("1", [said("one")]), text, ran("2", [said("two")]))
    source = notebook_of(nbformat.v4.new_code_cell("1", metadata={"tags": ["a"]}), nbformat.v4.new_code_cell("2"))
    merged = feed_cache.merge(source, executed)
    assert [cell.outputs[0].text for cell in merged.cells] == ["one", "two"]
    assert merged.cells[0].metadata == {"tags": ["a"]}
    with pytest.raises(ValueError, match="not of this source"):
        feed_cache.merge(notebook_of(nbformat.v4.new_code_cell("1")), executed)


def test_a_claim_is_measured_once(tmp_path):
    row = {"id": "ae-pca"}
    twice = notebook_of(*[ran("1", [nbformat.v4.new_output("display_data", data={execute.CLAIM: row})])
                          for _ in range(2)])
    twice.metadata["course"] = {"circumstances": {}}
    nbformat.write(twice, tmp_path / "01_one.ipynb")
    with pytest.raises(SystemExit, match="more than once: ae-pca"):
        execute.summary(tmp_path)
    assert execute.CLAIM == claims.MIME


# the ledger

def test_declared_outcome_must_be_the_measured_one():
    row = claims.check("ae-pca", 1.5).record()
    assert row["outcome"] == "refuted"
    assert ledger.mismatch("ae-pca", "refuted", row) is None
    why = ledger.mismatch("ae-pca", "reproduced", row)
    assert "ae-pca" in why and "declared 'reproduced'" in why and "'refuted'" in why and row["shown"] in why
    assert "not registered" in ledger.mismatch("no-such-claim", "reproduced", row)
    assert "no cell" in ledger.mismatch("ae-pca", "reproduced", None)


def test_undeclared_and_unmeasured_claims_are_found():
    mine = [key for key, claim in claims.registry().items() if claim.chapter == "01_autoencoder"]
    measured = {key: {"outcome": "reproduced"} for key in mine}
    declared = {key: {"chapters/01_autoencoder"} for key in mine}
    assert ledger.omissions(measured, declared, {"01_autoencoder"}) == []
    assert ledger.omissions({}, {}, set()) == []
    [(chapter, why)] = ledger.omissions(measured, declared | {"ae-pca": {"chapters/05_first_vae"}}, {"01_autoencoder"})
    assert chapter == "01_autoencoder" and "does not say so" in why
    del measured["ae-pca"]
    [(_, why)] = ledger.omissions(measured, declared, {"01_autoencoder"})
    assert "no cell of its chapter measures it" in why


def test_share_of_claims_measured_in_this_build():
    kinds = ["live", "recomputed", "recorded", "recorded"]
    assert ledger.share_of_own([{"evidence": kind} for kind in kinds]) == 0.5


# the pages

def png(pixels):
    out = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(out, "PNG")
    return out.getvalue()


DRAWN = png(np.arange(64).reshape(8, 8))
BLANK = png(np.full((8, 8), 200))
CLEAR = png(np.zeros((8, 8, 4)))


def test_blank_figures_are_seen():
    assert check_site.is_blank(BLANK) and check_site.is_blank(CLEAR) and not check_site.is_blank(DRAWN)


@pytest.fixture
def site(tmp_path):
    """A page with one figure and one live figure, and a function that builds and checks it with changes."""
    def complaints(figure=DRAWN, alt="Ten points on a line", tags=(), image=None, shown_alt=None, view=True, state=True,
                   extra=""):
        html, executed = tmp_path / "html", tmp_path / "executed"
        for folder in (html / "_images", html / "chapters", executed):
            folder.mkdir(parents=True, exist_ok=True)
        picture = nbformat.v4.new_output("display_data", data={"image/png": base64.b64encode(figure).decode()})
        live = nbformat.v4.new_output("display_data", data={check_site.VIEW: {"model_id": "m1"}})
        cell = nbformat.v4.new_code_cell("1", outputs=[picture, live], metadata={
            "tags": list(tags), "mystnb": {"image": {"alt": alt}}})
        nbformat.write(notebook_of(cell), executed / "01_one.ipynb")
        (html / "_images" / "a.png").write_bytes(figure if image is None else image)
        views = f'<script type="{check_site.VIEW}">{{"model_id": "m1"}}</script>' if view else ""
        states = json.dumps({"state": {"m1": {}} if state else {}})
        (html / "chapters" / "01_one.html").write_text(
            f'<article><p id="here">t</p><img src="../_images/a.png" alt="{alt if shown_alt is None else shown_alt}">'
            f'{views}{extra}</article><script type="{check_site.STATE}">{states}</script>', encoding="utf-8")
        return check_site.main(html, executed)

    return complaints


def test_a_right_page_passes(site):
    assert not site(extra='<a href="#here">x</a><code>{term}`x`</code><a href="https://example.org">y</a>')


@pytest.mark.parametrize("change, complaint", [
    ({"figure": BLANK}, "is blank"),
    ({"image": png(np.eye(8) * 255)}, "not on the page"),
    ({"alt": ""}, "no alt text"),
    ({"alt": "plot"}, "no alt text"),
    ({"shown_alt": "_images/a.png"}, "alt text"),
    ({"view": False}, "no place"),
    ({"state": False}, "no state"),
    ({"extra": '<a href="nowhere.html">x</a>'}, "missing: nowhere.html"),
    ({"extra": '<a href="#nowhere">x</a>'}, "no such id"),
    ({"extra": '<script src="https://example.org/x.js"></script>'}, "from another site"),
    ({"extra": '<link rel="stylesheet" href="//example.org/x.css">'}, "from another site"),
    ({"extra": "<p>:::{note}</p>"}, "raw MyST"),
    ({"extra": "<p>{term}`x`</p>"}, "raw MyST"),
])
def test_a_wrong_page_is_found(site, capsys, change, complaint):
    assert site(**change)
    assert complaint in capsys.readouterr().err


# the repository

def test_requirements_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    expected = project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == list(dict.fromkeys(expected))


def test_lock_pins_all_requirements():
    def plain(line):
        return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", line)[0]).lower()

    locked = {plain(line) for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
              if re.match(r"\w", line) and "==" in line}
    wanted = {plain(line) for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
              if not line.startswith("#")}
    assert wanted - locked == set()


def test_committed_notebooks_are_derived_and_hold_no_outputs():
    make_notebooks.main(check=True)
    for path in (ROOT / "chapters").glob("*.ipynb"):
        assert not any(cell.get("outputs") for cell in nbformat.read(path, as_version=4).cells)


def test_doctor_names_what_is_missing_and_its_command(monkeypatch, capsys):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    monkeypatch.setattr(doctor, "MAC_BROWSERS", ())
    monkeypatch.setattr(doctor.platform, "system", lambda: "Linux")
    assert doctor.main(["test"])
    told = capsys.readouterr().out
    assert "MISSING Chromium" in told and "apt-get install -y chromium" in told and "bubblewrap" in told


def test_lint():
    done = subprocess.run(["make", "lint"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

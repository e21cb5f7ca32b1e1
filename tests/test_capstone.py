"""The capstone: its page, its starter on a learner's folder, its two worked examples, and the library's part of it."""

import json
import re
from pathlib import Path

import make_capstone
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from make_exercises import FromExercises, as_text, repository
from PIL import Image

from vae_lib import capstone, likelihoods

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "book" / "capstone.md").read_text(encoding="utf-8")
EXAMPLES = sorted((ROOT / "chapters").glob("*_capstone_*.md"))
TODO = re.compile(r"raise NotImplementedError\(['\"]Step (\d)")


def table(text, heading):
    """The rows of the first table under a heading, as lists of cells."""
    part = text[text.index(heading):]
    rows = re.search(r"(?:^\|.*\n)+", part, re.M)[0].strip().split("\n")[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


RUBRIC = {row[0]: int(row[-1]) for row in table(PAGE, "## Rubric")}


# the page and its starter


def test_the_starter_is_derived_from_the_page():
    index = FromExercises(ROOT, repository(ROOT))
    made = as_text(make_capstone.notebook(ROOT, index))
    assert made == as_text(make_capstone.notebook(ROOT, index))
    assert made == (ROOT / "exercises" / "capstone.ipynb").read_text(encoding="utf-8")
    assert json.loads(made)["cells"][1]["id"] == "install"


def test_the_page_asks_every_question_in_its_step():
    steps = re.split(r"^## Step (\d)", PAGE, flags=re.M)
    for step, text in zip(steps[1::2], steps[2::2], strict=True):
        asked = {name for line in re.findall(r"^\*\*Questions?\.\*\*.*?(?=^```|^##|\Z)", text, re.M | re.S)
                 for name in re.findall(r"\(`([\w ]+)`\)", line)}
        assert asked == {name for name, row in capstone.QUESTIONS.items() if row[0] == int(step)}, step


def test_the_rubric_adds_up():
    assert sum(RUBRIC.values()) == 30 and "30 points" in PAGE


def images(folder, count, shape=(8, 8), start=0):
    folder.mkdir(exist_ok=True)
    for k, pixels in enumerate(np.random.default_rng(start).integers(0, 256, (count, *shape, 3), dtype=np.uint8)):
        Image.fromarray(pixels).save(folder / f"{start}-{k}.png")


def run(change=lambda source: source):
    """Run the starter's cells, each changed by `change`, until one raises; returns what they defined and the error."""
    space = {"__name__": "notebook"}
    for cell in nbformat.read(ROOT / "exercises" / "capstone.ipynb", as_version=4).cells:
        if cell.cell_type == "code":
            try:
                exec(compile(change(cell.source), cell.id, "exec"), space)
            except Exception as error:
                plt.close("all")
                return space, error
    plt.close("all")
    return space, None


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("matplotlib.rcParams", dict(plt.rcParams))
    return tmp_path


def test_the_untouched_starter_runs_to_its_first_gap(here):
    images(here / "images", 210)
    (here / "images" / "notes.txt").write_text("no image")
    space, error = run()
    assert isinstance(error, NotImplementedError) and "Step 3" in str(error)
    assert space["images"].shape == (210, 3, 32, 32)
    assert [space["report"].numbers[name]["value"] for name in ("images", "skipped", "copies")] == [210, 1, 0]


@pytest.mark.parametrize("shape, words", [(None, ("2 shapes (RGB 8 × 8: 205, RGB 12 × 8: 3)", "x_shape=(3, 8, 8)")),
                                          ((3, 32, 32), None)])
def test_mixed_sizes_are_named_or_made_alike(here, shape, words):
    images(here / "images", 205)
    images(here / "images", 3, (8, 12), start=1)
    _, error = run(lambda source: source.replace("X_SHAPE = (3, 32, 32)", f"X_SHAPE = {shape}"))
    if words:
        assert isinstance(error, ValueError) and all(word in str(error) for word in words)
    else:
        assert isinstance(error, NotImplementedError)


def test_a_wrong_folder_and_too_few_images_are_named(here):
    _, error = run()
    assert isinstance(error, FileNotFoundError) and "there is no folder images" in str(error)
    images(here / "images", 12)
    _, error = run()
    assert "folder images holds 12 images that can be used, at least 200 are needed" in str(error)


def test_the_starter_can_be_filled_to_the_end(here):
    """Short answers in the place of each gap: nothing after them breaks, and no question stays open."""
    images(here / "images", 210)
    answers = {"3": 'likelihood = likelihoods.Gaussian("learned")',
               "4": 'report.note("error PCA", 1.0)\nreport.note("error nearest", 1.0)',
               "5": "from vae_lib import networks, vae as v\nvae = v.VAE(networks.MLPEncoder((3, 32, 32), 2, (8,)), "
                    "networks.MLPDecoder((3, 32, 32), 2, (8,)), likelihood)",
               "6": 'report.note("use", 0.5, what="A")\nreport.note("use baseline", 0.5, what="B")',
               "7": 'report.note("failure", 0.5, what="C")'}

    def change(source):
        source = source.replace("epochs=50", "epochs=1, progress=False").replace("K = 500", "K = 2")
        found = TODO.search(source)
        return source[:found.start()] + answers[found[1]] if found else source

    space, error = run(change)
    assert error is None and not space["report"].missing
    kept = json.loads((here / "capstone.json").read_text(encoding="utf-8"))
    assert list(kept) == list(capstone.QUESTIONS) and kept["use"] == {"value": 0.5, "error": None, "what": "A"}


# the worked examples


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_answers_every_question_and_is_marked_by_the_rubric(path):
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r'report\.note\("([\w ]+)"', text)) == set(capstone.QUESTIONS)
    assert "assert not report.missing" in text
    marks = {row[0]: row[1] for row in table(text, "## Marked by the rubric")}
    total = marks.pop("**Together**")
    assert list(marks) == list(RUBRIC)
    points = {name: re.fullmatch(r"(\d) of (\d)", mark) for name, mark in marks.items()}
    assert all(int(found[1]) <= int(found[2]) == RUBRIC[name] for name, found in points.items())
    assert total == f"**{sum(int(found[1]) for found in points.values())} of 30**"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_was_executed_with_the_book(path):
    kept = ROOT / ".executed" / "chapters" / f"{path.stem}.ipynb"
    if not kept.exists():
        pytest.fail(f"{path.stem} has not been executed: run make book", pytrace=False)
    last = [cell for cell in nbformat.read(kept, as_version=4).cells if cell.cell_type == "code"][-1]
    assert "<table>" in last.outputs[0].data["text/html"] and "missing" not in last.outputs[0].data["text/html"]


def test_there_are_two_examples():
    assert len(EXAMPLES) == 2


# the library


def test_the_parts_are_disjoint_complete_and_repeatable():
    parts = capstone.split(200)
    assert [len(part) for part in parts] == [140, 30, 30]
    assert torch.cat(parts).sort().values.equal(torch.arange(200))
    assert all(a.equal(b) for a, b in zip(parts, capstone.split(200)))
    assert not capstone.split(200, seed=1)[0].equal(parts[0])
    for n, shares in ((3, {}), (0, {}), (10, {"validation": 0.6, "test": 0.6}), (100, {"test": 0})):
        with pytest.raises(ValueError, match="leave a part empty"):
            capstone.split(n, **shares)


@pytest.mark.parametrize("value, more", [(None, {}), ("12", {}), ([1], {}), (1.0, {"error": "x"}), (1.0, {"what": 3})])
def test_an_answer_that_is_no_number_is_refused(value, more):
    report = capstone.Report()
    with pytest.raises(ValueError, match=r"finite number|in words"):
        report.note("use", value, **more)
    assert report.numbers == {} and report._repr_html_()


@pytest.mark.parametrize("likelihood", [likelihoods.Bernoulli(), likelihoods.Gaussian("learned"),
                                        likelihoods.DiscretizedLogistic(), likelihoods.Categorical(4)])
def test_the_model_without_z_gives_every_image_the_same_parameters(likelihood):
    x = torch.randint(0, 2, (5, 1, 4, 4)).float()
    model = capstone.PixelModel(likelihood, x.shape[1:])
    one_by_one = [-likelihood.log_prob(image[None], model.params[None])[0] for image in x]
    torch.testing.assert_close(capstone.pixel_nll(model, x), torch.stack(one_by_one))
    assert model.likelihood is not likelihood


@pytest.mark.parametrize("name, value, error", [("no question", 1, KeyError), ("NLL", float("nan"), ValueError),
                                                ("NLL", torch.tensor(float("inf")), ValueError)])
def test_an_answer_that_is_none_is_refused(name, value, error):
    with pytest.raises(error, match=r"no question|finite"):
        capstone.Report().note(name, value)


def test_a_report_says_what_is_missing(tmp_path, capsys):
    report = capstone.Report()
    report.note("NLL", torch.tensor(-567.123), 19.25)
    assert "-567.1 ± 19.2 nats per image" in capsys.readouterr().out
    assert "NLL" not in report.missing and len(report.missing) == len(capstone.QUESTIONS) - 1
    assert repr(report).count("missing") == report._repr_html_().count("missing") == len(report.missing)
    report.save(tmp_path / "a.json")
    kept = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert kept["images"] is None and kept["NLL"]["error"] == 19.25

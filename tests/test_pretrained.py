"""Laws of the recipes and their weights: what is committed is what its provenance tells of."""

import hashlib
import json

import pytest
import torch
from conftest import stop_in_second_epoch
from safetensors.torch import load_file

from vae_lib import data, evaluation, objectives, pretrained, training

COMMITTED = sorted(path.stem for path in pretrained.WEIGHTS.glob("*.json"))


@pytest.fixture
def trained(tiny_data, tmp_path):
    """A folder with the weights of a recipe after one epoch on little data."""
    pretrained.train("plane-mnist", tmp_path, device="cpu", epochs=1, progress=False)
    return tmp_path


@pytest.mark.parametrize("name", pretrained.names("vae"))
def test_every_recipe_builds_the_network_it_describes(name, tiny_data):
    spec = pretrained.recipe(name)
    assert set(spec) - {"objective", "augment", "half"} == {"about", "data", "network", "training"}
    assert spec["data"] in data.SETS
    model = pretrained.build(spec)
    assert model.z_dim == spec["network"]["z_dim"]
    x = data.static_binarized(spec["data"], "validation")[:3]
    assert objectives.negative_elbo(model, x, **spec.get("objective", {})).shape == (3,)
    assert model.sample(2).shape == (2, 1, 28, 28)


def test_the_recipes_of_other_networks_are_told_apart(tiny_data):
    others = set(pretrained.names()) - set(pretrained.names("vae"))
    assert others == {"features-classes", "features-patches", "conditional-mnist", "conditional-fashion"}
    for name in others:
        spec = pretrained.recipe(name)
        assert spec["network"]["kind"] in pretrained.OTHERS and isinstance(pretrained.build(spec), torch.nn.Module)


def test_an_untrained_network_depends_on_its_seed_alone(tiny_data):
    spec = pretrained.recipe("plane-mnist")
    before = torch.get_rng_state()
    one = pretrained.build(spec).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(9)
    again = pretrained.build(spec).state_dict()
    assert all(torch.equal(one[key], again[key]) for key in one)
    other = pretrained.build(spec | {"training": spec["training"] | {"seed": 1}}).state_dict()
    assert not torch.equal(one["encoder.body.0.weight"], other["encoder.body.0.weight"])


def test_training_writes_weights_and_their_provenance(trained):
    files = {path.name for path in trained.iterdir()}
    assert files == {"plane-mnist.safetensors", "plane-mnist.json"}  # the checkpoint is gone
    notes = pretrained.provenance("plane-mnist", trained)
    assert set(notes) == {"recipe", "date", "commit", "device", "versions", "seed", "epochs", "seconds",
                          "seconds_with_validation", "validation_negative_elbo", "changes", "sha256"}
    assert notes["epochs"] == 1 and notes["changes"] == {"epochs": 1}
    assert notes["versions"]["torch"] == torch.__version__
    assert notes["sha256"] == hashlib.sha256((trained / "plane-mnist.safetensors").read_bytes()).hexdigest()
    model = pretrained.load("plane-mnist", trained)
    assert not model.training
    found = training.score(model, data.static_binarized("mnist", "validation"), step=0)
    assert found == pytest.approx(notes["validation_negative_elbo"], rel=1e-6)  # float32 kernels may round anew


def test_an_interrupted_recipe_goes_on_to_the_same_weights(tiny_data, tmp_path, monkeypatch):
    options = {"device": "cpu", "epochs": 3, "progress": False}
    pretrained.train("plane-mnist", tmp_path / "whole", **options)
    calls = stop_in_second_epoch(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        pretrained.train("plane-mnist", tmp_path / "parts", **options)
    assert (tmp_path / "parts/plane-mnist.checkpoint").exists()
    pretrained.train("plane-mnist", tmp_path / "parts", resume=True, **options)
    assert len(calls) == 4  # two epochs were left
    assert pretrained.provenance("plane-mnist", tmp_path / "parts")["sha256"] == \
        pretrained.provenance("plane-mnist", tmp_path / "whole")["sha256"]


def test_evaluating_all_images_writes_the_score_of_each(trained):
    found = pretrained.evaluate("plane-mnist", trained, k=3, progress=False, device="cpu")
    recorded = pretrained.recorded_nll("plane-mnist", trained)
    assert recorded.shape == (120,) and found["images"] == 120
    assert recorded.double().mean().item() == pytest.approx(found["nll"], abs=1e-3)
    notes = pretrained.provenance("plane-mnist", trained)
    assert notes["test"] == found and notes["test"]["sha256"] == notes["sha256"]
    assert 0 <= notes["test"]["active_units"] <= 2 and notes["test"]["negative_elbo"] > 0


def test_evaluating_a_part_writes_nothing(trained, monkeypatch):
    monkeypatch.setattr(pretrained, "fixed_subset", lambda n: torch.arange(n))
    before = {path.name: path.read_bytes() for path in trained.iterdir()}
    assert pretrained.evaluate("plane-mnist", trained, 3, 10, progress=False, device="cpu")["images"] == 10
    assert {path.name: path.read_bytes() for path in trained.iterdir()} == before


def test_the_fixed_subset_is_fixed_spread_out_and_nested():
    index = pretrained.fixed_subset(500)
    assert len(set(index.tolist())) == 500 and index.max() < 10_000 and (index >= 500).sum() > 400
    assert torch.equal(pretrained.fixed_subset(100), index[:100])
    assert len(pretrained.fixed_subset(10_000).unique()) == 10_000


def spoil(path, content):
    path.write_bytes(content)


@pytest.mark.parametrize(("harm", "use", "parts"), [
    (lambda f: (f / "plane-mnist.safetensors").unlink(), pretrained.load, ("is missing", "train plane-mnist --out")),
    (lambda f: (f / "plane-mnist.json").unlink(), pretrained.load, ("is missing", "train plane-mnist --out")),
    (lambda f: spoil(f / "plane-mnist.json", b"{"), pretrained.load, ("is no JSON file", "makes it anew")),
    (lambda f: spoil(f / "plane-mnist.safetensors", (f / "plane-mnist.safetensors").read_bytes()[:-1] + b"x"),
     pretrained.load, ("is not the file that its provenance tells of", "makes both anew")),
    (lambda f: None, pretrained.recorded_nll, ("are not of these weights", "evaluate plane-mnist")),
], ids=["no weights", "no provenance", "spoilt provenance", "altered weights", "no scores"])
def test_what_is_missing_or_altered_is_an_error_that_names_the_fix(trained, harm, use, parts):
    harm(trained)
    with pytest.raises((FileNotFoundError, RuntimeError)) as error:
        use("plane-mnist", trained)
    assert all(part in str(error.value) for part in parts)


def test_scores_of_other_weights_are_not_taken_for_these(trained):
    pretrained.evaluate("plane-mnist", trained, k=2, progress=False, device="cpu")
    notes = pretrained.provenance("plane-mnist", trained)
    (trained / "plane-mnist.json").write_text(json.dumps(notes | {"sha256": "0" * 64}))
    with pytest.raises(RuntimeError, match="are not of these weights"):
        pretrained.recorded_nll("plane-mnist", trained)


def test_an_unknown_recipe_is_an_error_that_names_the_others():
    with pytest.raises(ValueError, match=r"there is no recipe 'vae': choose one of .*iwae-mnist"):
        pretrained.recipe("vae")


# What is committed

def test_committed_weights_are_those_of_their_provenance_and_small():
    for name in COMMITTED:
        notes, path = pretrained.provenance(name), pretrained.WEIGHTS / f"{name}.safetensors"
        assert hashlib.sha256(path.read_bytes()).hexdigest() == notes["sha256"]
        assert path.stat().st_size < 5_000_000
        assert notes["recipe"] == name and notes["epochs"] == pretrained.recipe(name)["training"]["epochs"]
        assert notes["seed"] == pretrained.recipe(name)["training"]["seed"]
        pretrained.load(name)


def test_every_weights_file_has_a_provenance_and_a_line_of_the_model_card():
    assert {path.name.split(".")[0] for path in pretrained.WEIGHTS.glob("*.safetensors")} == set(COMMITTED)
    card = (pretrained.WEIGHTS / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in card for name in COMMITTED)


def test_the_recorded_scores_of_every_image_average_to_the_recorded_nll():
    for name in COMMITTED:
        test = pretrained.provenance(name).get("test")
        if test is None:
            assert not (pretrained.WEIGHTS / f"{name}.nll.safetensors").exists()
            continue
        values = pretrained.recorded_nll(name)
        mean, error = evaluation.mean_and_error(values)
        assert len(values) == test["images"] == 10_000 and test["k"] == 5000
        # the values are float32, near 100: each rounds by 4e-6
        assert mean == pytest.approx(test["nll"], abs=1e-4)
        assert error == pytest.approx(test["standard_error"], abs=1e-4)
        assert list(load_file(pretrained.WEIGHTS / f"{name}.nll.safetensors")) == ["nll"]

"""Laws of the study of chapter 10: equal networks, every run counted, and a record that is complete or says so."""

import json

import pytest
import torch

from vae_lib import gan_study, modes, networks
from vae_lib.many import Adam, Many


def plane(width=16):
    return networks.MLPEncoder((2,), 2, (width, width), "relu"), networks.MLPDecoder((2,), 2, (width, width), "relu")


def some_record(values, kept=None):
    """A record of the grid in which every setting holds these values of five runs."""
    s = gan_study.SETTINGS["grid"]
    moments = s["watched"] + 1
    row = {"overlap": [values] * moments, "kept": kept or [[25] * 5] * moments,
           "final": {"overlap": values, "kept": [25] * 5}}
    return {f"grid {model} {width}": {"step": list(range(moments)), "weights": 1,
                                      "rates": {f"{lr:g}": row for lr in s["lrs"]}}
            for model in gan_study.MODELS for width in s["widths"]}


@pytest.mark.parametrize("make, last", [
    (lambda: plane(64), None),
    (gan_study.convolutional(1, gan_study.SETTINGS["realism"]), 2 * gan_study.SETTINGS["realism"]["z_dim"]),
])
def test_models_that_are_compared_have_as_many_weights(make, last):
    sizes = [gan_study.size(gan_study.pairs(model, make, last=last)) for model in gan_study.MODELS]
    assert max(sizes) <= 1.05 * min(sizes)


def test_many_bounds_are_the_bounds_of_each():
    """The loss of a stack is an average over draws of z: over many draws it is that of each network alone."""
    many, = gan_study.pairs("VAE", plane, n=3)
    x = modes.grid().sample(20_000)
    together = many(x.expand(3, -1, -1))
    for k in range(3):
        terms = many[k].vae.elbo(x).elbo
        error = (terms.var() * 2 / len(x)).sqrt()
        assert abs(together[k] + terms.mean()) < 4 * error


@pytest.mark.parametrize("model", gan_study.MODELS)
def test_training_changes_all_runs(model):
    nets = gan_study.pairs(model, plane, n=2)
    before = [p.clone() for p in nets[0].parameters()]
    seen = []
    history = gan_study.train(model, nets, lambda: torch.randn(2, 16, 2), (2, 16), 10, torch.tensor([1e-3, 1e-2]), 5,
                              seen.append)
    assert seen == [0, 5, 10] and history["seconds"] > 0
    moved = torch.stack([(a - b).view(2, -1).abs().amax(1)
                         for a, b in zip(nets[0].parameters(), before, strict=True)]).amax(0)
    assert moved[1] > 3 * moved[0] > 0, "the faster rate moves further"
    assert gan_study.drawn(model, nets[0][1], 1500).shape == (1500, 2)


def test_each_network_steps_at_its_own_rate():
    """Adam with several rates is, network by network, PyTorch's Adam with that rate, up to float32 rounding."""
    rates, start, slopes = [1e-3, 1e-2], torch.randn(2, 4, 3), torch.randn(30, 2, 4, 3)
    ours = start.clone().requires_grad_()
    adam = Adam([ours], torch.tensor(rates))
    for slope in slopes:
        ours.grad = slope
        adam.step()
    for k, rate in enumerate(rates):
        theirs = start[k].clone().requires_grad_()
        reference = torch.optim.Adam([theirs], rate)
        for slope in slopes[:, k]:
            theirs.grad = slope
            reference.step()
        torch.testing.assert_close(ours[k], theirs, atol=1e-5, rtol=0)  # 30 steps of rate 1 round by 1e-7 each


def test_a_run_that_ends_within_a_tenth_of_the_best_setting_is_near_it():
    values = torch.tensor([[1.0, 1.0, 1.0], [0.91, 0.89, 0.0]])
    assert gan_study.near_best(values).tolist() == [[True] * 3, [True, False, False]]
    assert gan_study.near_best(values * 10 + 10, larger=False).tolist() == [[False] * 3, [False, False, True]]
    assert not gan_study.near_best(torch.tensor([[1.0, float("inf")]]), larger=False)[0, 1]


def test_a_fall_is_counted_from_an_earlier_height_of_the_second_half():
    half = gan_study.SETTINGS["grid"]["watched"] // 2
    kept = [[25] * 5] * half + [[10, 10, 0, 25, 5]] + [[25, 4, 1, 24, 5]] * half
    found = some_record([0.5] * 5, kept)
    assert gan_study.falls(found, "GAN").shape == (8, 5)
    assert gan_study.falls(found, "GAN")[3].tolist() == [0, 6, 0, 1, 0]


def test_the_best_setting_is_chosen_on_the_draws_while_training():
    found = some_record([0.5] * 5)
    width, lr = gan_study.SETTINGS["grid"]["widths"][1], gan_study.SETTINGS["grid"]["lrs"][2]
    better = json.loads(json.dumps(found[f"grid GAN {width}"]))
    better["rates"][f"{lr:g}"]["overlap"][-1] = [0.6] * 5
    better["rates"]["0.0003"]["final"]["overlap"] = [0.9] * 5  # must not be seen
    found[f"grid GAN {width}"] = better
    assert gan_study.best_setting(found, "GAN") == (width, lr)
    assert gan_study.final(found, "GAN").max() == 0.9


def test_pieces_are_done_once_and_gathered_when_all_are_there(tmp_path, monkeypatch):
    calls = []

    def work(name):
        calls.append(name)
        return {"value": 1.23456}, None

    monkeypatch.setattr(gan_study, "SETTINGS", {"grid": gan_study.SETTINGS["grid"]})
    monkeypatch.setattr(gan_study, "pieces", lambda study: {name: (work, (name,)) for name in ("a", "b", "c")})
    gan_study.run(["grid"], tmp_path, part=(0, 2))
    assert calls == ["a", "c"]
    with pytest.raises(FileNotFoundError, match="1 pieces are not done yet, such as 'b'"):
        gan_study.gather(tmp_path, tmp_path / "gan.json")
    gan_study.run(["grid"], tmp_path)
    assert calls == ["a", "c", "b"]
    content = json.loads((tmp_path / "b.json").read_text())
    assert content["found"] == {"value": 1.23456} and "torch" in content["circumstances"]["versions"]


def test_the_record_keeps_what_was_done_with_the_same_settings(tmp_path, monkeypatch):
    """A study that changes is done again as a whole; the other ones stay, with their draws."""
    def study_of(batches):
        return {"grid": gan_study.SETTINGS["grid"], "stacked": {"batches": batches}}

    grid, file = list(gan_study.pieces("grid")), tmp_path / "record" / "gan.json"
    monkeypatch.setattr(gan_study, "pieces", lambda study: {name: None for name in (grid if study == "grid" else "ab")})
    monkeypatch.setattr(gan_study, "best_setting", lambda found, model: (32, 1e-3))

    def do(folder, names, value):
        folder.mkdir(exist_ok=True)
        for name in names:
            content = {"found": {"value": value}, "circumstances": {"run": value}}
            (folder / f"{name}.json").write_text(json.dumps(content))
            torch.save(torch.zeros(3, 4, 300, 2), folder / f"{name}.pt")

    monkeypatch.setattr(gan_study, "SETTINGS", study_of(10))
    do(tmp_path / "one", [*grid, "a", "b"], 1)
    gan_study.gather(tmp_path / "one", file)
    monkeypatch.setattr(gan_study, "SETTINGS", study_of(20))
    do(tmp_path / "two", ["a"], 2)
    with pytest.raises(FileNotFoundError, match="1 pieces are not done yet, such as 'b'"):
        gan_study.gather(tmp_path / "two", file)
    do(tmp_path / "two", ["b"], 2)
    gan_study.gather(tmp_path / "two", file)
    found = json.loads(file.read_text())
    values = {name: one["value"] for name, one in found["pieces"].items()}
    assert values == {name: 1 for name in grid} | {"a": 2, "b": 2}
    assert found["circumstances"] == [{"run": 1}, {"run": 2}] and found["settings"] == study_of(20)
    assert set(gan_study.recorded_draws(file.with_suffix(".safetensors"))) == {f"grid {m}" for m in gan_study.MODELS}


def test_watching_a_training_does_not_change_it():
    s = gan_study.SETTINGS["realism"] | {"batches": 4, "watched": 2, "batch_size": 8, "width": 4}

    def weights(look):
        kept = []

        def last(net):
            look()
            kept.append(torch.cat([p.detach().flatten() for p in net.parameters()]))

        found, _ = gan_study.watched_training("GAN", 1, s, 0, 1e-3, lambda: torch.rand(8, 1, 28, 28), last)
        assert found["step"] == [2, 4]
        return kept[-1]

    assert torch.equal(weights(lambda: None), weights(lambda: torch.rand(5)))


def test_images_of_three_digits_are_counted():
    """Constructed: real digits stacked in known orders."""
    from vae_lib import data, features
    digits = data.load("mnist", "test").floats()
    with torch.no_grad():
        p = features.load("features-classes").classify(digits[:300], "mnist").max(1).values
    sure = digits[:300][p > 0.99][:9]
    x = torch.stack([sure[[0, 1, 2], 0], sure[[0, 1, 2], 0], sure[[3, 4, 5], 0]])
    found = gan_study.kinds(x)
    assert found["kept"] == 2 and found["sure"] == 1
    q = torch.tensor([2 / 3, 1 / 3]).double()
    assert found["kl"] == pytest.approx((q * (q / 1e-3).log()).sum().item())


def test_many_is_a_stack():
    nets = gan_study.pairs("GAN", plane, n=4)
    assert all(isinstance(net, Many) and len(net) == 4 for net in nets)

"""The numbers that a solution's text tells, and does not draw, come out of the task's own code."""

from pathlib import Path

import make_exercises
import pytest
import torch

from vae_lib import data, pretrained, strokes

MASTERS = Path(__file__).parents[1] / "exercises" / "masters"


def of(chapter, name, **draws):
    """The task, its text in one line, and what its given code defines for the public draws with some changed."""
    task = make_exercises.tasks(MASTERS / chapter)[name]
    draws = task.draw() | draws
    return task, " ".join(task.filled(task.parts["why"], draws).split()), draws


def solved(task, draws):
    return task.defined(task.parts["solution"], draws)


def test_three_curves():
    task, text, draws = of("01_autoencoder", "three_curves")
    share_lost = task.space(draws)["share_lost"]
    half = {kind: int((share_lost(kind) <= 0.5).nonzero()[0]) for kind in ("clothes", "digits", "shuffled")}
    assert "It is {clothes} for the garments, {digits} for the digits and {shuffled} for".format(**half) in text
    assert "almost a third" in text and 0.28 < 1 - share_lost("clothes")[1] < 1 / 3
    variance = data.load("mnist", "validation", as_float=True).images.flatten(1).var(0, correction=0)
    assert f"takes off {100 * (1 - share_lost('shuffled')[1]):.1f} %" in text
    assert f"has up to {100 * variance.max() / variance.sum():.1f} %" in text


def test_few_images():
    task, text, _ = of("01_autoencoder", "few_images")
    factors = {parts: [solved(task, {"FEW": few, "KEPT": few // parts})["measured"] for few in (60, 80, 100, 150)]
               for parts in (4, 3, 2)}
    for parts, words in {4: "it is {} to {},", 3: "with a third {} to {},", 2: "with half {} to {},"}.items():
        assert words.format(*(f"{end:.1f}" for end in (min(factors[parts]), max(factors[parts])))) in text


def test_read_the_weights():
    _, text, _ = of("02_latent_variable_models", "read_the_weights")
    ratio = 9 / 17**0.5  # σ² / √(2σ² - 1) for σ = 3
    assert f"that is {ratio:.2f}: of 50 draws {50 / ratio:.1f} are left" in text
    for shift in (2.5, 3.0, 3.5):
        task, _, draws = of("02_latent_variable_models", "read_the_weights", SHIFT=shift)
        shares = task.space(draws)["shares"]
        assert 2 <= 1 / shares("shifted").square().sum() <= 4 and abs(1 / shares("wide").square().sum() - 22.9) < 0.05


def test_read_the_runs():
    _, text, draws = of("05_first_vae", "read_the_runs")
    last = {name: draws["runs"][draws[name]][-1] for name in ("right", "mean", "four", "none")}
    rate, distortion = last["right"]
    assert f"${rate} + {distortion} = {rate + distortion:.1f}$" in text
    assert all(f"{sum(last[name]):.1f}" in text for name in ("four", "mean", "none"))
    dear, free = (last["four"], last["none"])
    assert f"one nat saves {(dear[1] - distortion) / (rate - dear[0]):.1f}" in text
    assert f"{free[0] - rate:.0f} nats of rate save {distortion - free[1]:.0f} nats of distortion" in text


@pytest.mark.parametrize("first", range(0, 1500, 300))
def test_where_the_rate_goes(first):
    _, text, _ = of("05_first_vae", "where_the_rate_goes")
    x = data.static_binarized("mnist", "validation")[first:first + 300]
    with torch.no_grad():
        mu, logvar = pretrained.load("iwae-mnist").encode(x)
    rate = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).mean(0).sort(descending=True).values
    assert "22 dimensions are used; the other 28 carry less than 0.001 nats" in text
    assert rate[22:].sum() < 1e-3 < rate[21]
    for top, share in {3: 0.29, 4: 0.37, 5: 0.44, 8: 0.62, 10: 0.71}.items():
        assert f"{share}" in text and abs(rate[:top].sum() / rate.sum() - share) < 0.01
    assert "from 2.7 nats to a quarter of one, of 26 in all" in text
    assert abs(rate[0] - 2.7) < 0.1 and abs(rate[21] - 0.25) < 0.1 and abs(rate.sum() - 26) < 1


@pytest.mark.parametrize("begin", range(6))
def test_predict_the_holes(begin):
    task = make_exercises.tasks(MASTERS / "07_generation")["predict_the_holes"]
    draws = task.draw(begin)
    found = solved(task, draws)
    assert found["few"] > 0.6 and found["many"] < 0.5
    assert "more than 0.6" in task.parts["why"] and "5,000 less than 0.5" in " ".join(task.parts["why"].split())


@pytest.mark.parametrize("first", [0, 900])
@pytest.mark.parametrize("share", [10, 40])
def test_the_push_of_two_groups(first, share):
    task, text, draws = of("08_image_editing", "the_push_of_two_groups", SHARE=share, FIRST=first)
    pushed = solved(task, draws)
    assert pushed["thicker"] > -pushed["thinner"] > 0
    model, x, thickness, count = task.space(draws)["model_and_images"](first)
    order, unit = thickness.argsort(), thickness.std()
    apart = ((thickness[order[-count:]].mean() - thickness[order[:count]].mean()) / unit).item()
    assert "1.8 to 3.5 standard deviations" in text and 1.8 < apart < 3.5 and abs(pushed["thicker"] / apart - 1) < 0.1
    with torch.no_grad():
        z = model.encode(x)[0]
        vector = z[order[-count:]].mean(0) - z[order[:count]].mean(0)
        before, down = (strokes.thickness(torch.sigmoid(model.decode(z + c * vector))) for c in (0, -1))
    moved, quarter = (before - down)[order], len(x) // 4
    assert "moves less than half as far" in text and moved[:quarter].mean() < 0.5 * moved[-quarter:].mean()

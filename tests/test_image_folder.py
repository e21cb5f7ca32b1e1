"""Laws of the folder of images: what can be used comes out as it went in, the rest is named and never stops a run."""

import csv
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_cli import assert_fails, said

from vae_lib import image_folder
from vae_lib.detector import Detector

RIGHT = 7


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def write(path, pixels, mode=None, **options):
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Seven images of 12 × 8 grey pixels in two folders, and one file of every kind that can't be used."""
    monkeypatch.chdir(tmp_path)
    Path("images/more").mkdir(parents=True)
    pixels = noise(RIGHT, 8, 12)
    for k in range(RIGHT):
        write(f"images/{'more/' * (k > 4)}right {k}.png", pixels[k])
    write("images/bad colour.png", noise(8, 12, 3))
    write("images/bad palette.png", noise(8, 12, 3), "P")
    write("images/bad size.png", noise(28, 28))
    write("images/bad turned.png", noise(12, 8))
    Image.fromarray(noise(8, 12)).save("images/bad moving.gif", save_all=True, append_images=[
        Image.fromarray(255 - noise(8, 12))])
    Image.fromarray(noise(8, 12).astype(np.uint16) * 256).save("images/bad deep.png")
    Path("images/bad half.png").write_bytes(Path("images/right 0.png").read_bytes()[:90])
    Path("images/bad empty.png").touch()
    Path("images/bad notes.txt").write_text("no image")
    Path("images/.hidden.png").write_text("not looked at")
    os.mkfifo("images/bad pipe")  # no regular file: to read it would wait for ever
    return Path("images"), pixels


def test_what_can_be_used_comes_out_as_it_went_in(folder):
    path, pixels = folder
    names, images, skipped = [], [], []
    for paths, batch, unfit in image_folder.batches(path, (1, 8, 12), size=4):
        names, skipped = names + [one.stem for one in paths], skipped + unfit
        images += list(batch)
    assert names == [f"right {k}" for k in (5, 6, 0, 1, 2, 3, 4)]  # "more/…" comes first
    assert (torch.stack(images)[:, 0].numpy() == pixels[[5, 6, 0, 1, 2, 3, 4]]).all()
    reasons = {one.name: reason for one, reason in skipped}
    assert reasons["bad colour.png"] == "has 3 channels (RGB), expected 1"
    assert reasons["bad size.png"] == "has 28 × 28 pixels, expected 12 × 8"
    assert reasons["bad turned.png"] == "has 8 × 12 pixels, expected 12 × 8"
    assert "mode P" in reasons["bad palette.png"] and "mode I;16" in reasons["bad deep.png"]
    assert reasons["bad moving.gif"] == "has 2 frames, expected 1"
    for name in ("bad half.png", "bad empty.png", "bad notes.txt"):
        assert reasons[name].startswith("cannot be read as an image")
    assert len(reasons) == 9


def test_the_first_image_sets_the_shape_and_colours_have_their_order(tmp_path):
    pixels = noise(8, 12, 3)
    write(tmp_path / "a.png", pixels)
    write(tmp_path / "b.png", noise(8, 12))
    ((paths, images, skipped),) = image_folder.batches(tmp_path)
    assert (images[0].movedim(0, -1).numpy() == pixels).all() and len(paths) == 1
    assert skipped == [(tmp_path / "b.png", "has 1 channel (grey), expected 3")]


def test_two_colours_are_grey(tmp_path):
    Image.fromarray(np.eye(8, dtype=bool)).save(tmp_path / "a.png")
    assert (image_folder.read(tmp_path / "a.png")[0] == 255 * torch.eye(8)).all()


@pytest.mark.parametrize(("name", "words"), [("none", "there is no folder"), ("a.png", "pass the folder"),
                                             ("empty", "holds no files")])
def test_what_is_no_folder_of_images(tmp_path, name, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.png").touch()
    with pytest.raises(OSError, match=words):
        list(image_folder.batches(tmp_path / name))


# A whole folder

def test_a_folder_comes_as_one_tensor(folder):
    path, pixels = folder
    for bad in path.glob("bad [cpstm]*"):
        bad.unlink()
    names, images, skipped = image_folder.load(path, least=RIGHT)
    assert (images[:, 0].numpy() == pixels[[5, 6, 0, 1, 2, 3, 4]]).all() and len(names) == RIGHT
    assert {one.name for one, _ in skipped} == {"bad deep.png", "bad half.png", "bad empty.png", "bad notes.txt"}


def test_every_image_can_be_brought_to_one_shape(folder):
    names, images, skipped = image_folder.load(folder[0], (3, 4, 4))
    assert images.shape == (RIGHT + 5, 3, 4, 4) and images.dtype == torch.uint8
    assert {one.name for one, _ in skipped} == {"bad half.png", "bad empty.png", "bad notes.txt", "bad moving.gif"}
    one = images[[one.name for one in names].index("right 0.png")]
    middle = folder[1][0][:, 2:10].astype(float).reshape(4, 2, 4, 2).mean((1, 3))
    assert (one[0] == one[2]).all() and np.abs(one[0].numpy() - middle).max() <= 1


def test_shapes_are_made_as_a_person_sees_the_image(tmp_path):
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[:4] = (255, 0, 0, 255)
    write(tmp_path / "clear.png", clear)
    red, rest = image_folder.fit_shape(tmp_path / "clear.png", (3, 8, 8)).split(4, dim=1)
    assert (red == torch.tensor([255, 0, 0])[:, None, None]).all() and (rest == 255).all()
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright: to be turned by 90 degrees
    light = np.zeros((8, 12), np.uint8)
    light[:, :6] = 255
    write(tmp_path / "turned.png", light, exif=turned)
    upright = image_folder.fit_shape(tmp_path / "turned.png", (1, 12, 8))[0]
    assert (upright[:6] == 255).all() and (upright[6:] == 0).all()


def test_a_folder_that_does_not_do_says_what_to_do(folder):
    with pytest.raises(ValueError, match=r"4 shapes \(grey 12 × 8: 7, .*x_shape=\(1, 8, 12\)"):
        image_folder.load("images")
    with pytest.raises(ValueError, match=r"holds 12 images that can be used, at least 200 .* 4 skipped, the first is"):
        image_folder.load("images", (1, 8, 8), least=200)
    for bad in Path("images").glob("*.png"):
        bad.unlink()
    with pytest.raises(ValueError, match="holds 2 images that can be used, at least 3 are needed"):
        image_folder.load("images", least=3)


# The command line

@pytest.fixture
def detector(folder):
    Detector(epochs=1, hidden=(8,), z_dim=2).fit(torch.from_numpy(noise(300, 1, 8, 12))).save("one.safetensors")


def test_detect_scores_what_it_can_and_names_the_rest(folder, detector, capsys):
    _, pixels = folder
    out = said(capsys, "detect", "images", "--model", "one.safetensors", "--device", "cpu")
    assert re.search(r"7 images scored \([\d,]+ images/s\), \d called anomalous, 9 skipped; table in scores.csv", out)
    with Path("scores.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert len(rows) == 16 and not [name for name in rows if "hidden" in name or "pipe" in name]
    expected = Detector.load("one.safetensors").decision_function(pixels[:, None])
    found = [float(rows[f"{'more/' * (k > 4)}right {k}.png"]["decision"]) for k in range(RIGHT)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    for row in rows.values():
        assert bool(row["skipped"]) == (row["decision"] == "")
        assert row["skipped"] or (row["anomaly"] == "1") == (float(row["decision"]) < 0)
    assert not list(Path().glob(".*partial"))


def test_detect_names_what_it_skips(folder, detector, capsys):
    from vae_lib.__main__ import main
    main(["detect", "images", "--model", "one.safetensors"])
    said_aside = capsys.readouterr().err
    assert said_aside.count("skipped ") == 9
    assert "skipped images/bad size.png: has 28 × 28 pixels, expected 12 × 8" in said_aside


def test_fit_learns_from_a_folder_what_detect_uses(folder, capsys):
    random = noise(60, 8, 12)
    Path("normal").mkdir()
    for k, one in enumerate(random):
        write(f"normal/{k}.png", one)
    write("normal/z.png", noise(28, 28))
    out = said(capsys, "fit", "normal", "--out", "two.safetensors", "--epochs", "1", "--rate", "0.2", "--device", "cpu")
    assert "60 images learnt, 1 skipped; detector in two.safetensors" in out
    assert "7 images scored" in said(capsys, "detect", "images", "--model", "two.safetensors")


@pytest.mark.parametrize(("words", "parts"), [
    (["detect", "images", "--model", "no.safetensors"], ("there is no file no.safetensors", "python -m vae_lib fit")),
    (["detect", "nowhere", "--model", "one.safetensors"], ("there is no folder nowhere",)),
    (["detect", "one.safetensors", "--model", "one.safetensors"], ("is a file",)),
    (["detect", "images", "--model", "images/bad notes.txt"], ("holds no detector",)),
    (["detect", "text", "--model", "one.safetensors"], ("no file in text could be scored",)),
    (["detect", "images", "--model", "flat.safetensors"], ("fitted to (96,)",)),
    (["detect", "images", "--model", "one.safetensors", "--out", "no/such/table.csv"], ("no/such",)),
    (["fit", "text"], ("nothing to learn from",)),
    (["fit", "images", "--rate", "5"], ("0.05 is 5 %",)),
])
def test_what_is_wrong_is_said_in_one_sentence(folder, detector, capsys, words, parts):
    Path("text").mkdir()
    Path("text/a.png").write_text("no image")
    Detector(epochs=1, hidden=(8,), z_dim=2).fit(noise(300, 96)).save("flat.safetensors")
    assert_fails(capsys, words, *parts)


@pytest.mark.parametrize("x_shape", [(32, 32), (2, 32, 32), (3, 0, 32)])
def test_a_shape_that_is_none_is_named(x_shape, tmp_path):
    Image.new("L", (32, 32)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="channels, height, width"):
        image_folder.load(tmp_path, x_shape)

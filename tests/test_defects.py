"""Laws of the rendered defects and of the two figures that judge a map: brute force, hand-made cases, and mistakes."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from vae_lib import data, defects

KINDS = list(defects.KINDS)


@pytest.fixture(scope="module")
def garments():
    return data.load("fashion_mnist", "validation", as_float=True).images[:300]


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_unchanged_outside_its_mask_and_visibly_changed_inside(garments, kind):
    before = garments.clone()
    damaged, mask = defects.damage(garments, kind)
    assert (garments == before).all() and mask.shape == garments.shape and mask.dtype == torch.bool
    assert (damaged[~mask] == garments[~mask]).all()
    assert ((damaged - garments)[mask].abs() >= defects.VISIBLE).all()
    assert (mask.flatten(1).sum(1) >= defects.LEAST).all()
    assert damaged.min() >= 0 and damaged.max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_defect_depends_on_its_seed_and_differs_from_image_to_image(garments, kind):
    first, mask = defects.damage(garments, kind)
    torch.rand(3)
    assert (defects.damage(garments, kind)[0] == first).all()
    assert (defects.damage(garments, kind, seed=1)[1] != mask).any(dim=(1, 2, 3)).float().mean() > 0.9
    same = garments[:1].expand(50, -1, -1, -1)
    places = defects.damage(same, kind)[1].flatten(1)
    assert len(places.unique(dim=0)) > 40


@pytest.mark.parametrize(("kind", "most"), [("scratch", 63), ("hole", 49), ("blur", 18 * 18), ("missing part", 784)])
def test_a_defect_has_the_size_that_it_says(garments, kind, most):
    sizes = defects.damage(garments, kind)[1].flatten(1).sum(1)
    assert sizes.max() <= most and sizes.float().mean() >= 6


def test_a_missing_part_takes_its_share_and_lies_behind_a_line(garments):
    damaged, mask = defects.damage(garments, "missing part")
    gone = 1 - damaged.flatten(1).sum(1) / garments.flatten(1).sum(1)
    assert gone.max() <= 0.3 + 1e-5 and gone.min() > 0.02  # dim pixels change less than visibly and stay
    assert (damaged[mask] == 0).all()


def test_a_hole_is_black_and_a_blur_is_smoother(garments):
    damaged, mask = defects.damage(garments, "hole")
    assert (damaged[mask] == 0).all()
    blurred, mask = defects.damage(garments, "blur")
    total = lambda x: x.diff(dim=2).abs().sum() + x.diff(dim=3).abs().sum()  # noqa: E731
    assert total(torch.where(mask, blurred, 0)) < total(torch.where(mask, garments, 0))


@pytest.mark.parametrize(("x", "kind", "words"), [
    (torch.rand(2, 1, 28, 28), "stain", "kind must be one of scratch, hole"),
    (torch.zeros(2, 1, 28, 28), "hole", "image 0 of x shows no hole"),
    (torch.full((1, 1, 28, 28), 0.5), "blur", "no blur of at least 4 pixels"),
    (torch.rand(2, 3, 28, 28), "hole", "shape"),
    (255 * torch.rand(2, 1, 28, 28), "hole", r"\[0, 1\]"),
])
def test_images_that_cannot_be_damaged(x, kind, words):
    with pytest.raises(ValueError, match=words):
        defects.damage(x, kind)


# Judging a map

def example(levels=1000):
    """Maps with some signal, and masks with regions of many sizes; two images have none."""
    masks = torch.rand(12, 1, 16, 16) < 0.08
    masks[:2] = False
    maps = (torch.rand(12, 1, 16, 16) + 0.4 * masks).mul(levels).floor()
    return maps, masks


def brute_force(maps, masks, limit):
    """PRO by its definition: every threshold, every region by itself."""
    regions = []
    for k, mask in enumerate(masks[:, 0].numpy()):
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        regions += [maps[k, 0].numpy()[labels == one] for one in range(1, count + 1)]
    normal = maps[~masks].numpy()
    points = [(0.0, 0.0)]
    for threshold in np.unique(maps.numpy())[::-1]:
        points.append(((normal >= threshold).mean(), np.mean([(one >= threshold).mean() for one in regions])))
    rate, share = np.array(points).T
    grid = np.linspace(0, limit, 200_001)
    return np.interp(grid, rate, share).mean()


@pytest.mark.parametrize(("levels", "limit"), [(1000, 0.3), (1000, 1.0), (5, 0.3), (3, 0.05)])
def test_pro_is_its_definition(levels, limit):
    maps, masks = example(levels)
    assert defects.pro(maps, masks, limit) == pytest.approx(brute_force(maps, masks, limit), abs=1e-4)


def test_a_perfect_map_a_constant_map_and_a_reversed_one():
    _, masks = example()
    perfect = masks.float()
    assert defects.pro(perfect, masks) == pytest.approx(1) and defects.pixel_auroc(perfect, masks) == 1
    assert defects.pro(0 * perfect, masks) == pytest.approx(0.15) and defects.pixel_auroc(0 * perfect, masks) == 0.5
    assert defects.pro(-perfect, masks) == 0 and defects.pixel_auroc(-perfect, masks) == 0


def test_only_the_order_of_the_scores_counts():
    maps, masks = example()
    for changed in (maps / 1000 + 7, (maps / 1000).exp(), -1 / (1 + maps)):
        assert defects.pro(changed.double(), masks) == pytest.approx(defects.pro(maps, masks), abs=1e-12)
        assert defects.pixel_auroc(changed, masks) == pytest.approx(defects.pixel_auroc(maps, masks), abs=1e-12)


def test_a_small_region_counts_as_much_as_a_large_one():
    """By hand: a region of 8 pixels that is found, one of 2 that scores below all else."""
    masks = torch.zeros(1, 1, 6, 6, dtype=torch.bool)
    masks[0, 0, 0:2, 0:4], masks[0, 0, 4, 4:] = True, True
    maps = torch.zeros(1, 1, 6, 6)
    maps[0, 0, 0:2, 0:4], maps[0, 0, 4, 4:] = 1, -1
    assert defects.pro(maps, masks) == pytest.approx(0.5)
    assert defects.pixel_auroc(maps, masks) == pytest.approx(0.8)


def test_regions_of_two_images_do_not_touch():
    masks = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    masks[0, 0, 0, 0], masks[1, 0, :2, :2] = True, True
    maps = torch.zeros(2, 1, 4, 4)
    maps[0, 0, 0, 0], maps[1, 0, :2, :2] = 1, -1
    assert defects.pro(maps, masks) == pytest.approx(0.5)


def test_pixel_auroc_is_sklearns():
    maps, masks = example(5)
    expected = roc_auc_score(masks.flatten().numpy(), maps.flatten().numpy())
    assert defects.pixel_auroc(maps, masks) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("maps", "masks", "words"), [
    (torch.rand(2, 1, 4, 4), torch.rand(2, 4, 4) > 0.5, "one shape"),
    (torch.rand(2, 1, 4, 4), torch.rand(2, 1, 4, 4), "bools"),
    (torch.full((1, 1, 2, 2), math.nan), torch.eye(2)[None, None] > 0, "NaN"),
    (torch.rand(2, 1, 4, 4), torch.zeros(2, 1, 4, 4) > 0, "at least one damaged"),
])
def test_maps_that_cannot_be_judged(maps, masks, words):
    for judge in (defects.pro, defects.pixel_auroc):
        with pytest.raises((ValueError, TypeError), match=words):
            judge(maps, masks)

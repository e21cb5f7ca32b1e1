"""Thickness, slant and width of drawn strokes: laws and shapes of known size."""

import math

import pytest
import torch

from vae_lib import data, strokes


def bar(thick, long=20, lean=0.0, size=40, fine=8):
    """A bar `(1, 1, size, size)`, `thick` pixels across, that leans by `lean` degrees, with soft edges."""
    line = (torch.arange(size * fine, dtype=torch.float64) + 0.5) / fine - size / 2
    y, x = torch.meshgrid(-line, line, indexing="ij")
    inside = ((x - y * math.tan(math.radians(lean))).abs() <= thick / 2) & (y.abs() <= long / 2)
    return torch.nn.functional.avg_pool2d(inside[None, None].double(), fine)


@pytest.mark.parametrize("thick", [2, 4, 6])
@pytest.mark.parametrize("long", [20, 30])
def test_thickness_of_a_bar_is_its_area_over_half_its_outline(thick, long):
    # L w / (L + w): the two ends count. Each of the four corners is cut by a diagonal of √½ in the place of 1
    outline = 2 * (thick + long) - 4 * (1 - math.sqrt(0.5))
    found = strokes.thickness(bar(thick, long)).item()
    assert found == pytest.approx(2 * thick * long / outline, rel=1e-9)


@pytest.mark.parametrize("lean", [-40, -25, 10, 25, 40])
def test_thickness_is_measured_across_the_stroke(lean):
    # the bar is a parallelogram with its corners cut, as above; on the grid of pixels the rest is found to 2 %
    outline = 2 * (4 + 20 / math.cos(math.radians(lean))) - 4 * (1 - math.sqrt(0.5))
    assert strokes.thickness(bar(4, lean=lean)).item() == pytest.approx(2 * 4 * 20 / outline, rel=0.02)


@pytest.mark.parametrize("lean", [-30, -10, 0, 20])
def test_slant_of_a_sheared_bar_is_its_angle(lean):
    torch.testing.assert_close(strokes.slant(bar(4, lean=lean)).item(), float(lean), atol=0.5, rtol=0)


@pytest.mark.parametrize("lean", [-20, 0, 20])
@pytest.mark.parametrize("thick", [4, 9])
def test_width_does_not_depend_on_the_slant(thick, lean):
    # half a pixel of a soft edge on either side adds at most 3/12 to the variance w²/12 of a bar on whole pixels
    assert thick - 0.05 <= strokes.width(bar(thick, lean=lean)).item() <= math.sqrt(thick**2 + 3) + 1e-6


def test_a_mirrored_digit_has_the_opposite_slant_and_the_same_width():
    x = data.load("mnist", "test", as_float=True).images[:100]
    torch.testing.assert_close(strokes.slant(x.flip(-1)), -strokes.slant(x))
    torch.testing.assert_close(strokes.width(x.flip(-1)), strokes.width(x))
    torch.testing.assert_close(strokes.thickness(x.flip(-1)), strokes.thickness(x))


def test_nothing_changes_when_the_digit_is_moved():
    x = torch.nn.functional.pad(data.load("mnist", "test", as_float=True).images[:100], (4, 4, 4, 4))
    torch.testing.assert_close(strokes.measure(x.roll((3, -4), (2, 3))), strokes.measure(x))


def test_a_dilated_digit_is_thicker_and_a_stretched_one_wider():
    x = data.load("mnist", "test", as_float=True).images[:200]
    thicker = torch.nn.functional.max_pool2d(x, 3, stride=1, padding=1)
    assert (strokes.thickness(thicker) > strokes.thickness(x) + 0.5).double().mean() > 0.99
    wider = torch.nn.functional.interpolate(x, scale_factor=(1, 2), mode="nearest")
    torch.testing.assert_close(strokes.width(wider) / strokes.width(x), torch.full((200,), 2.0), atol=0.15, rtol=0)


def test_soft_edges_have_the_length_of_sharp_ones():
    x = bar(5, 30)
    blurred = torch.nn.functional.avg_pool2d(x, 3, stride=1, padding=1)
    # only corners get shorter when they are rounded: by less than 2 pixels each of an outline of 70
    torch.testing.assert_close(strokes.thickness(blurred).item(), strokes.thickness(x).item(), rtol=0.06, atol=0)


def test_wrong_images_are_refused_in_words():
    with pytest.raises(ValueError, match="without ink"):
        strokes.thickness(torch.zeros(2, 1, 28, 28))
    with pytest.raises(ValueError, match="must lie in"):
        strokes.slant(torch.full((1, 1, 28, 28), 2.0))
    with pytest.raises(TypeError, match="divide uint8"):
        strokes.width(torch.zeros(1, 1, 28, 28, dtype=torch.uint8))
    with pytest.raises(ValueError, match="shape"):
        strokes.width(torch.zeros(28, 28))

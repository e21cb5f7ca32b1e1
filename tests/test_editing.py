"""Paths between codes and attribute vectors: laws."""

import math

import pytest
import torch

from vae_lib import editing


def ends(n=5, z_dim=7):
    return torch.randn(n, z_dim, dtype=torch.float64), torch.randn(n, z_dim, dtype=torch.float64)


@pytest.mark.parametrize("path", [editing.straight, editing.slerp])
def test_a_path_leads_from_one_end_to_the_other(path):
    a, b = ends()
    points = path(a, b, [0.0, 0.5, 1.0])
    assert points.shape == (3, 5, 7)
    torch.testing.assert_close(points[0], a)
    torch.testing.assert_close(points[2], b)
    torch.testing.assert_close(path(b, a, [0.5])[0], points[1])  # and back through the same middle


def test_a_spherical_path_keeps_the_length_and_turns_evenly():
    a, b = (3 * one / one.norm(dim=1, keepdim=True) for one in ends())
    points = editing.slerp(a, b, torch.linspace(0, 1, 9))
    torch.testing.assert_close(points.norm(dim=2), torch.full((9, 5), 3.0, dtype=torch.float64))
    steps = torch.cosine_similarity(points[1:], points[:-1], dim=2)
    torch.testing.assert_close(steps, steps[:1].expand_as(steps))


def test_the_middle_of_a_straight_path_between_draws_of_the_prior_is_too_near_to_the_origin():
    # (a + b) / 2 ~ N(0, I/2): its mean square length is d/2. The standard error of the mean over n draws of χ²_d/2 is
    # √(d/2n), 0.05 here
    a, b = torch.randn(10_000, 50), torch.randn(10_000, 50)
    middle = editing.straight(a, b, [0.5])[0].square().sum(1).mean().item()
    assert middle == pytest.approx(25, abs=4 * math.sqrt(50 / 2 / 10_000))
    assert editing.slerp(a, b, [0.5])[0].square().sum(1).mean().item() == pytest.approx(50, abs=1)


def test_between_parallel_codes_the_spherical_path_is_straight():
    a = torch.randn(3, 4, dtype=torch.float64)
    torch.testing.assert_close(editing.slerp(a, 2 * a, [0.25]), editing.straight(a, 2 * a, [0.25]))


def test_opposite_codes_have_no_shortest_great_circle():
    with pytest.raises(ValueError, match="opposite"):
        editing.slerp(torch.ones(1, 3), -torch.ones(1, 3), [0.5])


def test_the_vector_of_one_binary_attribute_is_the_difference_of_the_means():
    z, label = torch.randn(200, 6, dtype=torch.float64), torch.randint(2, (200,))
    found = editing.attribute_vectors(z, label[:, None])
    torch.testing.assert_close(found[0], z[label == 1].mean(0) - z[label == 0].mean(0))


def test_attribute_vectors_find_the_slopes_that_made_the_codes():
    slopes = torch.randn(3, 6, dtype=torch.float64)
    values = torch.randn(500, 3, dtype=torch.float64) @ torch.randn(3, 3, dtype=torch.float64)  # correlated
    z = 2 + values @ slopes
    torch.testing.assert_close(editing.attribute_vectors(z, values), slopes)
    # one at a time, a vector takes in what goes along with its attribute
    alone = editing.attribute_vectors(z, values[:, :1])
    assert (alone[0] - slopes[0]).norm() > 0.1 * slopes[0].norm()


def test_the_unit_of_an_attribute_is_the_unit_of_its_vector():
    z, values = torch.randn(100, 4), torch.randn(100, 2)
    torch.testing.assert_close(editing.attribute_vectors(z, 10 * values), editing.attribute_vectors(z, values) / 10)


def test_wrong_attributes_are_refused_in_words():
    z, values = torch.randn(50, 4), torch.randn(50, 1)
    with pytest.raises(ValueError, match="leave it out"):
        editing.attribute_vectors(z, torch.cat([values, 2 * values], 1))
    with pytest.raises(ValueError, match="leave it out"):
        editing.attribute_vectors(z, torch.ones(50, 1))
    with pytest.raises(ValueError, match=r"attributes\[:, None\]"):
        editing.attribute_vectors(z, values[:, 0])
    with pytest.raises(ValueError, match="z_dim"):
        editing.slerp(z[0], z[1], [0.5])

"""Laws of the measures between two sets of features: closed forms, brute force, and the mistakes each law refuses."""

import math

import pytest
import scipy.linalg
import torch

from vae_lib import quality


def covariance(seed, d=4):
    factor = torch.randn(d, d + 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return factor @ factor.T / d


def normal(n, d, seed, shift=0.0, scale=1.0):
    noise = torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return shift + scale * noise


# Fréchet distance

def assert_frechet_is_closed_form(distance):
    """On a line, and for covariances that share their axes, it is |m_a - m_b|² + Σ (σ_a - σ_b)²."""
    axes = torch.linalg.qr(normal(4, 4, 0)).Q
    a, b = torch.tensor([[2.0, 1.0, 0.5, 0.0], [0.5, 1.5, 3.0, 1.0]], dtype=torch.float64)
    mean_a, mean_b = normal(1, 4, 1)[0], normal(1, 4, 2)[0]
    expected = (mean_a - mean_b).square().sum() + (a - b).square().sum()
    found = distance(mean_a, axes * a ** 2 @ axes.T, mean_b, axes * b ** 2 @ axes.T)
    assert found == pytest.approx(expected.item(), abs=1e-6)  # square roots of eigenvalues that are 0 up to 1e-14


def assert_frechet_is_scipys(distance):
    zero, a, b = torch.zeros(4, dtype=torch.float64), covariance(1), covariance(2)
    root = scipy.linalg.sqrtm((a @ b).numpy()).real
    expected = (a.trace() + b.trace()).item() - 2 * root.trace()
    assert distance(zero, a, zero, b) == pytest.approx(expected, rel=1e-9)


def test_frechet():
    assert_frechet_is_closed_form(quality.frechet)
    assert_frechet_is_scipys(quality.frechet)


def elementwise_root(mean_a, cov_a, mean_b, cov_b):
    cross = (cov_a @ cov_b).abs().sqrt().trace()
    return ((mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross).item()


def without_the_two(mean_a, cov_a, mean_b, cov_b):
    exact = quality.frechet(mean_a, cov_a, mean_b, cov_b)
    return (exact + ((mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace()).item()) / 2


def mean_not_squared(mean_a, cov_a, mean_b, cov_b):
    return quality.frechet(0 * mean_a, cov_a, 0 * mean_b, cov_b) + (mean_a - mean_b).norm().item()


@pytest.mark.parametrize("wrong", [elementwise_root, without_the_two, mean_not_squared])
def test_frechet_refuses(wrong):
    with pytest.raises(AssertionError):
        assert_frechet_is_closed_form(wrong)
        assert_frechet_is_scipys(wrong)


def test_frechet_distance_of_samples():
    x = normal(5000, 3, 0)
    assert quality.frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert quality.frechet_distance(x, x + 2) == pytest.approx(12, rel=1e-9)  # 3 dimensions, 2² each
    assert quality.frechet_distance(x, 3 * x) == pytest.approx(
        (2 * x.mean(0)).square().sum().item() + 4 * x.var(0).sum().item(), rel=1e-9)


def test_frechet_distance_needs_no_more_images_than_features():
    few, others = normal(5, 20, 0), normal(6, 20, 1)
    assert math.isfinite(quality.frechet_distance(few, others))
    assert quality.frechet_distance(few, few) == pytest.approx(0, abs=1e-6)


def test_fewer_images_read_as_worse():
    """The bias: between sets of one distribution, the mean over 20 repeats falls as the sets grow."""
    means = [sum(quality.frechet_distance(normal(n, 8, 2 * s), normal(n, 8, 2 * s + 1)) for s in range(20)) / 20
             for n in (20, 80, 320)]
    assert means[0] > 2 * means[1] > 4 * means[2]


# Kernel distance

def brute_force_kernel_distance(real, fake):
    def kernel(a, b):
        return (sum(p * q for p, q in zip(a.tolist(), b.tolist(), strict=True)) / len(a) + 1) ** 3

    def within(x):
        pairs = [(i, j) for i in range(len(x)) for j in range(len(x)) if i != j]
        return sum(kernel(x[i], x[j]) for i, j in pairs) / len(pairs)

    across = [kernel(a, b) for a in real for b in fake]
    return within(real) + within(fake) - 2 * sum(across) / len(across)


def test_kernel_distance_is_brute_force_in_any_blocks():
    real, fake = normal(9, 3, 0), normal(7, 3, 1, shift=0.4)
    expected = brute_force_kernel_distance(real, fake)
    for rows in (1, 4, 1000):
        assert quality.kernel_distance(real, fake, rows) == pytest.approx(expected, rel=1e-12)


def assert_unbiased(distance):
    """Between small sets of one distribution its mean is 0, within 4 standard errors of 400 repeats."""
    values = torch.tensor([distance(normal(20, 4, 2 * s), normal(20, 4, 2 * s + 1)) for s in range(400)])
    assert abs(values.mean()) < 4 * values.std() / math.sqrt(len(values))


def with_the_diagonal(real, fake):
    a = real.shape[1]
    return (((real @ real.T / a + 1) ** 3).mean() + ((fake @ fake.T / a + 1) ** 3).mean()
            - 2 * ((real @ fake.T / a + 1) ** 3).mean()).item()


def test_kernel_distance_is_unbiased():
    assert_unbiased(quality.kernel_distance)
    with pytest.raises(AssertionError):
        assert_unbiased(with_the_diagonal)


# Precision and recall

def brute_force_share(points, others, k):
    count = 0
    for point in points:
        for i, other in enumerate(others):
            radius = sorted((others[j] - other).norm().item() for j in range(len(others)) if j != i)[k - 1]
            if (point - other).norm().item() <= radius:
                count += 1
                break
    return count / len(points)


def assert_precision_recall_is_brute_force(measure):
    real, fake = normal(30, 2, 0), normal(25, 2, 1, shift=1.0)
    for k in (1, 3):
        expected = brute_force_share(fake, real, k), brute_force_share(real, fake, k)
        assert measure(real, fake, k) == pytest.approx(expected)
        assert 0 < expected[0] < 1  # else the comparison says little


def test_precision_recall_is_brute_force():
    assert_precision_recall_is_brute_force(quality.precision_recall)
    assert_precision_recall_is_brute_force(lambda real, fake, k: quality.precision_recall(real, fake, k, rows=7))


@pytest.mark.parametrize("wrong", [
    lambda real, fake, k: quality.precision_recall(real, fake, k + 1),  # the neighbours counted wrongly by one
    lambda real, fake, k: quality.precision_recall(fake, real, k),  # the two confused
])
def test_precision_recall_refuses(wrong):
    with pytest.raises(AssertionError):
        assert_precision_recall_is_brute_force(wrong)


def test_precision_and_recall_tell_two_faults_apart():
    centres = torch.tensor([[0.0, 0.0], [20.0, 0.0]], dtype=torch.float64)
    real = torch.cat([normal(500, 2, s, centre) for s, centre in enumerate(centres)])
    one_mode = normal(1000, 2, 5, centres[0])
    precision, recall = quality.precision_recall(real, one_mode)
    assert precision > 0.9 and 0.4 < recall <= 0.5  # good images, half of the modes
    good = [normal(1000, 2, 6 + number, centre) for number, centre in enumerate(centres)]
    spread = torch.cat([*good, normal(2000, 2, 8, shift=300.0)])
    precision, recall = quality.precision_recall(real, spread)
    assert 0.4 < precision <= 0.5 and recall > 0.9  # all modes, half of the images nonsense
    assert quality.precision_recall(real, real + 1000) == (0, 0)
    assert quality.precision_recall(real, real) == (1, 1)


# Nearest

def test_nearest_is_brute_force():
    queries, candidates = normal(11, 3, 0), normal(13, 3, 1)
    distances, index = quality.nearest(queries, candidates, rows=4)
    for query, distance, i in zip(queries, distances, index, strict=True):
        all_of_them = (candidates - query).norm(dim=1)
        assert i == all_of_them.argmin() and distance == pytest.approx(all_of_them.min().item())


# Input

@pytest.mark.parametrize(("fake", "error", "words"), [
    (torch.rand(10, 4), ValueError, "one network for both"),
    (torch.rand(10, 1, 3), ValueError, "flatten"),
    (torch.ones(10, 3, dtype=torch.long), TypeError, "float"),
    (torch.rand(1, 3), ValueError, "1 images"),
    (torch.full((10, 3), math.nan), ValueError, "NaN"),
    ([1.0, 2.0], ValueError, "got list"),
])
@pytest.mark.parametrize("measure", [quality.frechet_distance, quality.kernel_distance, quality.precision_recall])
def test_input_that_cannot_be_compared(measure, fake, error, words):
    with pytest.raises(error, match=words):
        measure(torch.rand(10, 3), fake)

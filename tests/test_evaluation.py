"""Laws of the scores: repeatable, of the images alone, and right where the answer is known."""

import math

import pytest
import torch
from conftest import assert_mean, small_vae

from vae_lib import evaluation
from vae_lib.objectives import gaussian_kl

X = torch.rand(23, 1, 8, 8, generator=torch.Generator().manual_seed(0)).round()


def nll(**options):
    return evaluation.nll(small_vae(), X, **{"k": 20, "batch_size": 10, "progress": False} | options)


def test_nll_is_one_number_an_image_and_repeatable():
    values = nll()
    assert values.shape == (23,) and values.isfinite().all()
    torch.rand(5)
    assert torch.equal(nll(), values)
    assert not torch.equal(nll(seed=1), values)


def test_nll_does_not_depend_on_the_progress_bar(capsys):
    silent = nll()
    assert capsys.readouterr() == ("", "")
    assert torch.equal(nll(progress=True), silent)
    assert "IWAE-20 100%" in capsys.readouterr().out


def test_nll_of_the_first_batches_is_that_of_the_whole():
    assert torch.equal(evaluation.nll(small_vae(), X[:20], 20, 10, progress=False), nll()[:20])


def test_scores_leave_the_random_numbers_and_the_gradients_alone():
    model, before = small_vae(), torch.get_rng_state()
    found = [evaluation.nll(model, X, 3, progress=False), *evaluation.elbo_terms(model, X)]
    assert not any(values.requires_grad for values in found)
    assert torch.equal(torch.get_rng_state(), before)


def test_elbo_terms_add_up_and_are_repeatable():
    model = small_vae()
    terms = evaluation.elbo_terms(model, X, batch_size=7)
    assert all(term.shape == (23,) for term in terms)
    torch.testing.assert_close(terms.elbo, terms.log_px_z - terms.kl)
    torch.testing.assert_close(terms.kl, gaussian_kl(*model.encode(X)).detach())
    assert torch.equal(evaluation.elbo_terms(model, X, batch_size=7).elbo, terms.elbo)


def test_nll_with_one_weight_is_the_negative_elbo_on_average():
    model = small_vae()
    pairs = [(evaluation.nll(model, X, 1, seed=seed, progress=False), evaluation.elbo_terms(model, X, seed=seed).elbo)
             for seed in range(400)]
    assert_mean(torch.stack([one + elbo for one, elbo in pairs]), 0.0)


@pytest.mark.parametrize(("spread", "active"), [
    ([0.0, 0.05, 0.2], [False, False, True]), ([1.0, 0.09, 0.11], [True, False, True]),
])
def test_a_unit_is_active_where_the_posterior_mean_varies(spread, active):
    model = small_vae((3,))
    with torch.no_grad():
        for part in model.encoder.body:
            if hasattr(part, "weight"):
                part.weight.zero_()
                part.bias.zero_()
    # posterior means of standard deviation `spread`: the threshold is a variance of 0.01, a deviation of 0.1
    codes = torch.tensor(spread) * torch.tensor([[-1.0], [1.0]]).expand(2, 3).repeat(500, 1)
    model.encoder.forward = lambda x: (codes[:len(x)], torch.zeros(len(x), 3))
    assert evaluation.active_units(model, torch.ones(1000, 3)).tolist() == active


LOG_W = torch.tensor([[0.0, 5.0, -800.0], [0.0, 0.0, -800.0], [0.0, 0.0, -1700.0], [0.0, 0.0, -800.0]],
                     dtype=torch.float64)  # three images, four weights: equal; one larger; too small for exp


def assert_ess_counts_equal_weights(ess):
    w = LOG_W[:, :2].exp()
    expected = torch.cat([w.sum(0) ** 2 / w.square().sum(0), torch.tensor([3.0], dtype=torch.float64)])
    torch.testing.assert_close(ess(LOG_W), expected)
    torch.testing.assert_close(ess(LOG_W + 123.0), expected)  # a common factor changes nothing
    torch.testing.assert_close(ess(LOG_W[:, 0]), torch.tensor(4.0, dtype=torch.float64))


def test_effective_sample_size_counts_equal_weights():
    assert_ess_counts_equal_weights(evaluation.effective_sample_size)


@pytest.mark.parametrize("wrong", [
    lambda log_w: log_w.exp().sum(0) ** 2 / log_w.exp().square().sum(0),  # underflow: 0 / 0
    lambda log_w: torch.exp(2 * torch.logsumexp(log_w, 0) - torch.logsumexp(log_w, 0)),  # the square forgotten
    lambda log_w: torch.exp(torch.logsumexp(log_w, 0) - log_w.max(0).values),  # the sum over the largest
    lambda log_w: torch.exp(2 * torch.logsumexp(log_w, -1) - torch.logsumexp(2 * log_w, -1)),  # over the images
])
def test_the_law_of_the_effective_sample_size_refuses(wrong):
    with pytest.raises((AssertionError, IndexError)):
        assert_ess_counts_equal_weights(wrong)


def test_effective_sample_size_of_a_shifted_gaussian_is_known():
    # weights of N(0, 1) under q = N(s, 1): E[w²] / E[w]² = e^(s²), so ESS / K goes to e^(-s²)
    z = 0.5 + torch.randn(400_000, dtype=torch.float64)
    found = evaluation.effective_sample_size(-0.5 * z.square() + 0.5 * (z - 0.5).square())
    assert found.item() / len(z) == pytest.approx(math.exp(-0.25), abs=0.005)


def test_mean_and_error_are_those_of_the_textbook():
    values = torch.tensor([1.0, 2.0, 3.0, 4.0])
    mean, error = evaluation.mean_and_error(values)
    assert mean == 2.5 and error == pytest.approx(math.sqrt(5 / 3 / 4))
    # in float64, so that 10,000 numbers near 87 keep their digits
    assert evaluation.mean_and_error(torch.full((10_000,), 86.7654))[0] == pytest.approx(86.7654, abs=1e-5)


def test_the_stated_error_is_the_spread_of_the_mean():
    draws = torch.randn(2000, 400)
    errors = torch.tensor([evaluation.mean_and_error(row)[1] for row in draws])
    # the standard deviation of 2,000 means is known to 1 / sqrt(2 · 2000) = 1.6 %: 4 of them
    assert abs(draws.mean(1).std() / errors.mean() - 1) < 0.064


@pytest.mark.parametrize("score", [
    lambda model, x: evaluation.nll(model, x, 3, progress=False), evaluation.elbo_terms, evaluation.active_units,
], ids=["nll", "elbo_terms", "active_units"])
@pytest.mark.parametrize(("x", "part"), [
    ((X * 255).byte(), "divide uint8 images by 255"), (X.flatten(1), "use x.reshape(-1, 1, 8, 8)"),
    (X[:0], "empty batch"), (X * math.nan, "NaN"), (X / 2, "data.binarize(x)"),
])
def test_wrong_images_are_errors_that_name_the_fix(score, x, part):
    with pytest.raises((TypeError, ValueError)) as error:
        score(small_vae(), x)
    assert part in str(error.value)

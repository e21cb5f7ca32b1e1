"""Laws of products by oneDNN: the same sums in another order, and nothing is left behind."""

import pytest
import torch
from test_training import FULL, assert_same, differ, run
from torch import nn

from vae_lib import onednn, training
from vae_lib.onednn import onednn_products

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN")


@pytest.fixture
def no_size_is_small(monkeypatch):
    monkeypatch.setattr(onednn, "SMALL", 0)


def both(layer, x):
    """The output and the gradients of a layer, by oneDNN and in float64."""
    found = []
    for exact in (False, True):
        one, at = (layer.double(), x.detach().double()) if exact else (layer, x.detach().clone())
        at.requires_grad_()
        with onednn_products(one):
            y = one(at)
        g = torch.autograd.grad((y * torch.arange(y.numel(), dtype=y.dtype).view_as(y).cos()).sum(),
                                [at, one.weight] + ([] if one.bias is None else [one.bias]))
        found.append([y.detach(), *(part.clone() for part in g)])
    return found


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(40, 30), (3, 40, 30), (1, 30), (2, 2, 5, 30)])
def test_the_products_are_right_to_float32(no_size_is_small, shape, bias):
    ours, exact = both(nn.Linear(30, 20, bias), torch.randn(shape))
    for one, right in zip(ours, exact, strict=True):
        assert one.shape == right.shape
        # a sum of at most 120 terms of size 1, each rounded by 6e-8
        torch.testing.assert_close(one.double(), right, atol=1e-5, rtol=1e-5)


def test_an_image_that_is_not_contiguous_is_read_right(no_size_is_small):
    layer, x = nn.Linear(30, 20), torch.randn(30, 40).T
    plain = layer(x)
    with onednn_products(layer):
        torch.testing.assert_close(layer(x), plain)


def test_a_gradient_that_is_one_number_everywhere_is_read_right(no_size_is_small):
    layer, x = nn.Linear(30, 20), torch.randn(40, 30)
    with onednn_products(layer):
        layer(x).sum().backward()  # its gradient takes the memory of one number
    torch.testing.assert_close(layer.weight.grad, x.sum(0).expand(20, 30))


def test_large_products_only_and_float32_only():
    small, large = nn.Linear(30, 20), nn.Linear(1024, 1024)
    with onednn_products(nn.ModuleList([small, large])):
        calls = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(onednn, "_product", lambda x, *layer: calls.append(x.shape) or torch.zeros(len(x), 1024))
            small(torch.zeros(4, 30))
            large.double()(torch.zeros(4, 1024, dtype=torch.float64))
            with torch.autocast("cpu", torch.bfloat16):
                large.float()(torch.zeros(4, 1024))
            assert not calls
            large(torch.zeros(4, 1024))
            assert calls == [(4, 1024)]


def test_a_layer_is_itself_again_afterwards(no_size_is_small):
    layer = nn.Linear(30, 20)
    with pytest.raises(KeyError), onednn_products(layer):
        assert "forward" in vars(layer)
        raise KeyError
    assert "forward" not in vars(layer)


def test_training_by_onednn_is_the_same_within_rounding_and_resumes_exactly(no_size_is_small, tmp_path):
    options = FULL | {"epochs": 2}
    plain, ours = run(options), run(options, onednn=True)
    assert differ(plain, ours), "the option had no effect"
    for key, value in plain[0].state_dict().items():
        # 8 steps of 1e-2: where a gradient is near zero, Adam makes of a rounding some 1e-3 of a step
        torch.testing.assert_close(ours[0].state_dict()[key], value, atol=1e-3, rtol=0)
    run(options | {"epochs": 1, "decay": False}, onednn=True, checkpoint=tmp_path / "run")
    resumed = run(options | {"decay": False}, onednn=True, checkpoint=tmp_path / "run")
    assert_same(resumed, run(options | {"decay": False}, onednn=True))
    with pytest.raises(ValueError, match="onednn True"):
        run(options | {"decay": False}, checkpoint=tmp_path / "run")


def test_onednn_and_compile_exclude_each_other():
    with pytest.raises(ValueError, match="exclude each other"):
        run(onednn=True, compile=True)


@pytest.mark.parametrize("part, name, without", [(torch.backends.mkldnn, "is_available", lambda: False),
                                                 (torch.ops, "mkldnn", object())])
def test_a_pytorch_without_onednn_is_an_error_that_names_the_fix(monkeypatch, part, name, without):
    monkeypatch.setattr(part, name, without)
    with pytest.raises(ValueError, match="leave out onednn=True"):
        run(onednn=True)


def test_the_score_of_a_trained_model_is_that_of_its_weights(no_size_is_small):
    model, history = run(FULL | {"epochs": 1}, onednn=True, validation=torch.ones(9, 1, 8, 8))
    assert history[-1]["validation"] == pytest.approx(training.score(model, torch.ones(9, 1, 8, 8), step=4), rel=1e-5)

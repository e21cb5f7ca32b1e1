"""Laws of the weights as one vector: the model is the same function with the same gradients."""

import copy

import pytest
import torch
from conftest import small_vae
from torch import nn

from vae_lib.flat import Flat


def convolutions():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.SiLU(), nn.Flatten(), nn.Linear(48, 5))
    return net.to(memory_format=torch.channels_last)


class Tied(nn.Module):
    """Two layers that share one matrix, and a frozen third."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = (nn.Linear(4, 4) for _ in range(3))
        self.second.weight = self.first.weight
        self.third.requires_grad_(False)

    def forward(self, x):
        return self.third(self.second(torch.tanh(self.first(x))))


MODELS = {"MLP": (lambda: small_vae().encoder.body, (6, 64)), "channels last": (convolutions, (6, 2, 6, 6)),
          "tied and frozen": (Tied, (6, 4))}
each_model = pytest.mark.parametrize("name", MODELS)


def gradients(model, x):
    model(x).square().sum().backward()
    return [p.grad for p in model.parameters() if p.requires_grad]


def assert_flat_is_the_same_model(flatten, name):
    make, shape = MODELS[name]
    torch.manual_seed(0)
    plain, x = make(), torch.randn(shape)
    model = copy.deepcopy(plain)
    flat = flatten(model)
    assert torch.equal(model(x), plain(x))  # the same numbers in the same order of memory: the same kernels
    for ours, theirs in zip(gradients(model, x), gradients(plain, x), strict=True):
        assert torch.equal(ours, theirs)
    # the vectors are the weights and the gradients, not copies
    flat.values.mul_(2)
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        if ours.requires_grad:
            assert torch.equal(ours, 2 * theirs) and ours.stride() == theirs.stride()
    squares = sum(p.grad.double().square().sum() for p in plain.parameters() if p.requires_grad)
    torch.testing.assert_close(flat.grad.double().square().sum(), squares)  # all of it, and zeros between
    flat.grad.zero_()
    assert all(not p.grad.any() for p in model.parameters() if p.requires_grad)


@each_model
def test_the_model_computes_the_same_with_its_weights_in_one_vector(name):
    assert_flat_is_the_same_model(Flat, name)


class Copies(Flat):
    """A mistake: the weights are copied into the vector and do not move with it."""

    def __init__(self, model):
        super().__init__(model)
        for p in self.parameters:
            p.data = p.data.clone()


class Shifted(Flat):
    """A mistake: a gradient lies one place beside its weight."""

    def __init__(self, model):
        super().__init__(model)
        self.grad = torch.cat([self.grad[1:], self.grad[:1]])


class Contiguous(Flat):
    """A mistake: the order of memory is lost, and convolutions become slow."""

    def __init__(self, model):
        super().__init__(model)
        for p in self.parameters:
            p.data = p.data.contiguous()


@pytest.mark.parametrize("wrong", [Copies, Shifted, Contiguous])
def test_the_law_of_the_flat_model_refuses(wrong):
    with pytest.raises(AssertionError):
        assert_flat_is_the_same_model(wrong, "channels last")


@each_model
def test_release_gives_every_weight_its_own_memory_and_its_last_value(name):
    model = MODELS[name][0]()
    order = [p.stride() for p in model.parameters()]
    flat = Flat(model)
    flat.values.add_(1)
    before = [p.clone() for p in model.parameters()]
    flat.release()
    flat.values.zero_()
    for p, value, stride in zip(model.parameters(), before, order, strict=True):
        assert torch.equal(p, value) and p.grad is None and p.stride() == stride
    own = {p.untyped_storage().data_ptr() for p in flat.parameters}
    assert len(own) == len(flat.parameters) and flat.values.untyped_storage().data_ptr() not in own


def test_every_tensor_begins_at_128_bytes():
    flat = Flat(small_vae())
    assert all((p.data_ptr() - flat.values.data_ptr()) % 128 == 0 for p in flat.parameters)


def frozen():
    return small_vae().requires_grad_(False)


def mixed():
    model = small_vae()
    model.decoder.double()
    return model


@pytest.mark.parametrize(("model", "part"), [
    (frozen, "none of its parameters requires a gradient"), (nn.Identity, "no trainable weights"),
    (mixed, "use model.to(device, dtype)"),
])
def test_a_model_without_one_vector_is_an_error_that_names_the_fix(model, part):
    with pytest.raises(ValueError) as error:
        Flat(model())
    assert part in str(error.value)

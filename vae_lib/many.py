"""Many networks of one shape, trained at the same time: their weights are stacked, and each layer is one product.

A study trains the same small network from several seeds. One after the other, most of the time is spent on calling
small operations; stacked, n networks need as many calls as one.
"""

import copy

import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

__all__ = ["Adam", "Many"]


class Many(nn.Module):
    """n independent networks as one: inputs and outputs have a first dimension more, the networks.

    models: modules of one class and shape. Their weights are copied. `many(x)`, with `x` `(n, batch, ...)`, gives
    what `models[k](x[k])` gives, for all k; draws inside of the networks differ from one to the next. The sum of the
    n losses trains each as if it were alone. `many[k]` is a copy of network k.
    Raises
        ValueError: there is no model, or they are of several shapes.
    Example
        >>> Many([nn.Linear(2, 3) for _ in range(5)])(torch.zeros(5, 10, 2)).shape
        torch.Size([5, 10, 3])
    """

    def __init__(self, models):
        super().__init__()
        shapes = [{name: tuple(p.shape) for name, p in model.named_parameters()} for model in models]
        if not shapes or any(shape != shapes[0] for shape in shapes):
            raise ValueError(f"models must be at least one network, all of one shape, got {len(shapes)} networks "
                             f"of {len({str(shape) for shape in shapes})} shapes")
        params, buffers = stack_module_state(list(models))
        self.names, self.weights = list(params), nn.ParameterList(params.values())
        self.fixed = buffers
        self.mould = [copy.deepcopy(models[0])]  # in a list: its weights are not the model's

    def __len__(self):
        return len(self.weights[0])

    def __getitem__(self, k):
        one = copy.deepcopy(self.mould[0])
        one.load_state_dict({name: value[k].detach() for name, value in self._state().items()})
        return one

    def forward(self, *x):
        def one(state, *x):
            return functional_call(self.mould[0], state, x)
        return vmap(one, randomness="different")(self._state(), *x)

    def _state(self):
        return dict(zip(self.names, self.weights, strict=True)) | self.fixed


class Adam(torch.optim.Adam):
    """Adam in which each of many networks has a learning rate of its own: `lr` is a tensor of them, or one number."""

    def __init__(self, parameters, lr, betas=(0.9, 0.999)):
        self.rates = lr if isinstance(lr, torch.Tensor) and lr.dim() else None
        super().__init__(parameters, lr if self.rates is None else 1.0, betas)

    @torch.no_grad()
    def step(self):
        """One step; with several rates, a step of rate 1 of which each network goes its part."""
        if self.rates is None:
            return super().step()
        weights = [p for group in self.param_groups for p in group["params"]]
        before = [p.clone() for p in weights]
        super().step()
        for p, old in zip(weights, before, strict=True):
            p.copy_(torch.lerp(old, p, self.rates.view(-1, *[1] * (p.dim() - 1))))
        return None

"""All weights of a model as one vector, and all gradients as another: one operation then updates, averages,
clips, sums over processes or saves the whole model.
"""

import torch

__all__ = ["Flat"]

ALIGN = 32  # every tensor begins at a multiple of 128 bytes, as fast kernels want it


class Flat:
    """The trainable weights of `model` as views of the vector `values`, their gradients as views of `grad`.

    Both are `(n,)`, on the model's device. Between tensors lie up to 31 zeros that nothing reads. A backward pass
    adds to `grad`: set it to zero before. `release()` gives every weight its own memory again.
    Raises
        ValueError: the model has no trainable weights, or they are of several types or on several devices.
    """

    def __init__(self, model):
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        kinds = {(p.dtype, p.device) for p in self.parameters}
        if not kinds:
            raise ValueError("the model has no trainable weights: none of its parameters requires a gradient")
        if len(kinds) > 1:
            raise ValueError("the model's weights must be of one type and on one device, got "
                             f"{sorted(map(str, kinds))}: use model.to(device, dtype)")
        padded = [-(-p.numel() // ALIGN) * ALIGN for p in self.parameters]
        self.values = torch.zeros(sum(padded), dtype=self.parameters[0].dtype, device=self.parameters[0].device)
        self.grad = torch.zeros_like(self.values)
        for p, value, grad in zip(self.parameters, self.values.split(padded), self.grad.split(padded), strict=True):
            view = _like(value, p)
            view.copy_(p.data)
            p.data, p.grad = view, _like(grad, p)

    def release(self):
        """Give every weight its own memory, with the values it has now, and no gradient."""
        for p in self.parameters:
            p.data, p.grad = p.data.clone(), None


def _like(part, p):
    """A view of the vector `part` with the shape of `p` and, where that is dense, its order of memory."""
    if p.dim() == 4 and p.is_contiguous(memory_format=torch.channels_last):
        return part[:p.numel()].as_strided(p.shape, p.stride())
    return part[:p.numel()].view(p.shape)

# title: Under the roof
# chapter: 06_full_gpu_vae
# goal: bound the speed of a layer by what a device computes and by what it moves
# kind: implement
# minutes: 10
# points: 2
# difficulty: 1
# passage: How far can it go? The roofline
# answer: seconds
# returns: tensor
# tolerance: 1e-4

# %% statement
r"""
A device makes {{PEAK}} · 10¹² operations a second and moves {{MOVES}} · 10⁹ bytes a second, both at the same time. A linear layer
without biases turns a batch of shape `(n, a)` into `(n, b)`. Its numbers take {{BYTES}} bytes each. It reads the batch and its
weights once and writes its result once; a multiplication and an addition are two operations.

Write `seconds(n, a, b)`: the least time that the layer can take. The arguments are float tensors of one shape, as is the result.
"""

# %% draws
def draws(rng):
    return {"PEAK": rng.choice([8, 20, 65, 120]), "MOVES": rng.choice([320, 900, 2000]), "BYTES": rng.choice([4, 8])}

# %% given
import torch

# %% starter
def seconds(n, a, b):
    """The least time of a linear layer (n, a) -> (n, b) on the device, in seconds."""
    ...

# %% solution
def seconds(n, a, b):
    """The least time of a linear layer (n, a) -> (n, b) on the device, in seconds."""
    compute = 2 * n * a * b / (PEAK * 1e12)
    move = BYTES * (n * a + a * b + n * b) / (MOVES * 1e9)
    return torch.maximum(compute, move)

# %% inputs
def inputs(rng):
    return {"n": torch.tensor([1.0, 16.0, 128.0, 4096.0, 65536.0, 4096.0]),
            "a": torch.cat([rng.uniform(200, 900, 5), rng.uniform(2, 5, 1)]).round(),
            "b": torch.cat([rng.uniform(200, 900, 4), rng.uniform(5000, 9000, 1), rng.uniform(2, 5, 1)]).round()}

# %% probe
def probe(answer, n, a, b):
    return {"microseconds": 1e6 * answer(n, a, b), "microseconds_of_a_square": 1e6 * answer(n + 8192, n + 8192, n + 8192)}

# %% laws
def laws(seen, n, a, b):
    yield seen["microseconds"].shape == (6,), "there is one time for each layer"
    yield (seen["microseconds"] > 0).all(), "a time is positive"

# %% right: from the arithmetic intensity
def seconds(n, a, b):
    operations, moved = 2 * n * a * b, BYTES * (n * a + a * b + n * b)
    speed = torch.clamp(operations / moved * MOVES * 1e9, max=PEAK * 1e12)
    return operations / speed

# %% right: one layer after the other, in plain numbers
def seconds(n, a, b):
    found = []
    for i, j, k in zip(n.tolist(), a.tolist(), b.tolist()):
        found.append(max(i * j * k / (PEAK * 5e11), (i * j + j * k + i * k) * BYTES / (MOVES * 1e9)))
    return torch.tensor(found, dtype=torch.float64)

# %% wrong: computing and moving one after the other
# hint: You add the two times. The device computes and moves at the same time, so the slower of the two decides.
#- torch.maximum(compute, move)
#+ compute + move

# %% wrong: the faster of the two
# hint: You take the shorter time. The layer is done when both are done: the slower of the two decides.
#- torch.maximum
#+ torch.minimum

# %% wrong: only what is computed
# hint: You count operations only. A small batch reads all weights for little arithmetic: what is moved then decides.
#- torch.maximum(compute, move)
#+ compute

# %% wrong: only what is moved
# hint: You count bytes only. In a large square layer each number that is read is used often: arithmetic then decides.
#- torch.maximum(compute, move)
#+ move

# %% wrong: the weights are forgotten
# hint: You move the batch and the result, and not the weights. Every step reads them too.
#- + a * b + n * b
#+ + n * b

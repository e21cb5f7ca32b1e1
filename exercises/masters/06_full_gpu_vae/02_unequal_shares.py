# title: Unequal shares
# chapter: 06_full_gpu_vae
# goal: put the gradient of a whole batch together from what each process has
# kind: implement
# minutes: 15
# points: 2
# difficulty: 2
# passage: Many GPUs
# answer: whole_gradient
# returns: tensor
# tolerance: 1e-4

# %% statement
r"""
{{RANKS}} processes have shares of one batch, of different sizes. Each has made the *mean* of the loss over its own share, and its gradient.
The loss of the batch is the mean over all its images. Adam should see the gradient of that, clipped: where its length is above
{{LONGEST}}, it is made {{LONGEST}} long and keeps its direction.

Write `whole_gradient(means, sizes)`: `means` has shape `(processes, weights)`, `sizes` has shape `(processes,)` and holds the numbers of
images, as floats. Give the vector of shape `(weights,)`.
"""

# %% draws
def draws(rng):
    return {"RANKS": rng.choice([3, 4, 5]), "LONGEST": rng.choice([0.5, 1.0, 2.0])}

# %% given
import torch

# %% starter
def whole_gradient(means, sizes):
    """The clipped gradient of the batch's mean loss, (weights,)."""
    ...

# %% solution
def whole_gradient(means, sizes):
    """The clipped gradient of the batch's mean loss, (weights,)."""
    whole = (means * sizes[:, None]).sum(0) / sizes.sum()
    length = whole.norm()
    return whole * torch.clamp(LONGEST / length, max=1.0)

# %% inputs
def inputs(rng):
    sizes = torch.tensor([float(rng.integer(1, 9) + 12 * k) for k in range(RANKS)])
    return {"long": 5 * LONGEST * rng.normal(RANKS, 7), "sizes": sizes, "short": 0.05 * LONGEST * rng.normal(RANKS, 7)}

# %% probe
def probe(answer, long, sizes, short):
    return {"clipped": answer(long, sizes), "left_alone": answer(short, sizes)}

# %% laws
def laws(seen, long, sizes, short):
    yield seen["clipped"].shape == (7,), "there is one number for each weight"
    yield seen["clipped"].norm() < LONGEST * 1.001, "no gradient is longer than allowed"

# %% right: a loop over the processes, in float64
def whole_gradient(means, sizes):
    total = torch.zeros(means.shape[1], dtype=torch.float64)
    for mean, size in zip(means.double(), sizes.tolist()):
        total += mean * size
    total /= sum(sizes.tolist())
    length = total.square().sum().sqrt()
    return total if length <= LONGEST else total / length * LONGEST

# %% right: as a product, renormalised
def whole_gradient(means, sizes):
    return torch.renorm(((sizes / sizes.sum()) @ means)[None], 2, 0, LONGEST)[0]

# %% wrong: the mean of the means
# hint: You average the averages, so an image of a small share counts more than others. Weigh each share by its size.
#- (means * sizes[:, None]).sum(0) / sizes.sum()
#+ means.mean(0)

# %% wrong: every weight clipped by itself
# hint: You cut each number by itself, which turns the direction. Scale the whole vector by one factor.
#- whole * torch.clamp(LONGEST / length, max=1.0)
#+ whole.clamp(-LONGEST, LONGEST)

# %% wrong: short gradients made longer
# hint: You give every gradient the same length. One that is short enough stays as it is: the factor is at most 1.
#- torch.clamp(LONGEST / length, max=1.0)
#+ (LONGEST / length)

# %% wrong: clipped before the sum
# hint: You clip the gradient of each process, then put them together. It is the length of the whole that counts: clip last.
def whole_gradient(means, sizes):
    clipped = means * torch.clamp(LONGEST / means.norm(dim=1, keepdim=True), max=1.0)
    return (clipped * sizes[:, None]).sum(0) / sizes.sum()

# %% wrong: not clipped
# hint: The gradient is put together rightly and never clipped.
#- whole * torch.clamp(LONGEST / length, max=1.0)
#+ whole

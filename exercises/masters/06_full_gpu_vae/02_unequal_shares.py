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
    return {"RANKS": rng.choice([3, 4, 5]), "LONGEST": rng.choice([0.5, 1.5, 2.0])}

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
    sizes = torch.tensor([float(rng.integer(1, 9) + 20 * k) for k in range(RANKS)])
    near = rng.normal(RANKS, 7)
    near = near / ((near * sizes[:, None]).sum(0) / sizes.sum()).norm()  # the whole has the length 1
    far = 20 * torch.nn.functional.normalize(rng.normal(7), dim=0)  # the smallest share is long, and the whole stays
    near[0], near[-1] = near[0] + far, near[-1] - far * sizes[0] / sizes[-1]
    cancel = torch.zeros(RANKS)  # what cancels in the plain mean of the shares, and in the weighted one
    cancel[:3] = torch.stack([sizes[1] - sizes[2], sizes[2] - sizes[0], sizes[0] - sizes[1]]) / (sizes[2] - sizes[0])
    apart = torch.nn.functional.normalize(rng.normal(7), dim=0) + 3 * cancel[:, None] * far / 20
    return {"long": 5 * LONGEST * rng.normal(RANKS, 7), "sizes": sizes, "short": 0.05 * LONGEST * rng.normal(RANKS, 7), "near": near, "apart": apart}

# %% probe
def probe(answer, long, sizes, short, near, apart):
    lengths = {f"a_gradient_of_{part}_times_the_bound": answer(part * LONGEST * near, sizes) for part in (0.3, 0.6, 0.75, 0.9, 1.2, 1.7)}
    return lengths | {"a_gradient_below_the_bound_of_long_shares": answer(0.9 * LONGEST * apart, sizes), "a_long_gradient": answer(long, sizes), "a_short_gradient": answer(short, sizes), "ten_thousand_times_a_tiny_gradient": 1e4 * answer(short / 1e4, sizes)}

# %% laws
def laws(seen, long, sizes, short, near, apart):
    got, whole = seen["a_long_gradient"], (long * sizes[:, None]).sum(0).double()
    yield got.shape == (7,), "there is one number for each weight"
    yield got.norm() < LONGEST * 1.001, "no gradient is longer than allowed"
    tiny = seen["ten_thousand_times_a_tiny_gradient"]
    yield (tiny - (short * sizes[:, None]).sum(0) / sizes.sum()).abs().max() < 1e-4, "a tiny gradient is the mean over all images", \
        "The mean over all images: each share's mean counts as often as it has images, and the sum is divided by the number of all images."
    one = (near * sizes[:, None]).sum(0) / sizes.sum()
    yield all((seen[f"a_gradient_of_{part}_times_the_bound"] - part * LONGEST * one).abs().max() < 1e-3 for part in (0.3, 0.6, 0.75, 0.9)), \
        "a gradient shorter than the bound stays as it is", "Up to the bound nothing is changed. Length means the root of the sum of the squares of all numbers."
    yield torch.dot(got, whole) > 0.999 * got.norm() * whole.norm(), "a clipped gradient keeps its direction", \
        "The direction of a long gradient changes: multiply the whole vector by one factor."
    yield abs(got.norm() - LONGEST) < 1e-3, "a long gradient is made as long as the bound", \
        "Where the whole is too long, multiply it by the bound over its length: the root of the sum of the squares of its numbers."

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
# hint: The gradient is never clipped. Where it is longer than the bound, multiply it by the bound over its length.
#- whole * torch.clamp(LONGEST / length, max=1.0)
#+ whole

# %% wrong: the sum of the means
# hint: You add up the averages. The mean over all images weighs each of them by its number of images and divides by the number of all.
#- (means * sizes[:, None]).sum(0) / sizes.sum()
#+ means.sum(0)

# %% wrong: not divided by the images
# hint: The weighted sum is not divided by the number of all images: it is the gradient of a sum, and not of a mean.
#- (means * sizes[:, None]).sum(0) / sizes.sum()
#+ (means * sizes[:, None]).sum(0)

# %% wrong: divided by the number of processes
# hint: The weighted sum is divided by the number of processes. Divide it by the number of all images.
#- (means * sizes[:, None]).sum(0) / sizes.sum()
#+ (means * sizes[:, None]).sum(0) / len(sizes)

# %% wrong: divided twice
# hint: The mean over all images is divided by the number of processes once more.
#- (means * sizes[:, None]).sum(0) / sizes.sum()
#+ (means * sizes[:, None]).sum(0) / sizes.sum() / len(sizes)

# %% wrong: taken for sums
# hint: You add up the averages and divide by the number of images, as if each process had made a sum. It made a mean: multiply it by its number of images first.
#- (means * sizes[:, None]).sum(0) / sizes.sum()
#+ means.sum(0) / sizes.sum()

# %% wrong: weighed the wrong way round
# hint: A small share counts most in yours: you divide by the sizes. Multiply by them.
#- (means * sizes[:, None]).sum(0) / sizes.sum()
#+ (means / sizes[:, None]).sum(0) / (1 / sizes).sum()

# %% wrong: weighed by the largest share
# hint: You divide the sizes by the largest of them. The weights of a mean add up to 1: divide by their sum.
#- (means * sizes[:, None]).sum(0) / sizes.sum()
#+ (means * sizes[:, None]).sum(0) / sizes.max() / len(sizes)

# %% wrong: the largest share alone
# hint: This is the gradient of the largest share alone, or nearly so (a softmax of the sizes does that). All images belong to the batch.
#- (means * sizes[:, None]).sum(0) / sizes.sum()
#+ means[sizes.argmax()]

# %% wrong: clipped before the division
# hint: You clip the weighted sum and divide by the number of images afterwards. The length of the mean counts: divide, then clip.
def whole_gradient(means, sizes):
    total = (means * sizes[:, None]).sum(0)
    return total * torch.clamp(LONGEST / total.norm(), max=1.0) / sizes.sum()

# %% wrong: the square of the length
# hint: You compare the square of the length with the bound. The length is its root.
#- length = whole.norm()
#+ length = whole.norm() ** 2

# %% wrong: the sum of the sizes of the numbers
# hint: Your length is the sum of the absolute values. The length of a vector is the root of the sum of the squares.
#- length = whole.norm()
#+ length = whole.abs().sum()

# %% wrong: the largest number as the length
# hint: Your length is the largest of the numbers. The length of a vector is the root of the sum of the squares.
#- length = whole.norm()
#+ length = whole.abs().max()

# %% wrong: the root of the mean square as the length
# hint: Your length is the root of the *mean* of the squares. The length of a vector is the root of their sum.
#- length = whole.norm()
#+ length = whole.square().mean().sqrt()

# %% wrong: clipped softly
# hint: Your factor falls smoothly, so gradients shorter than the bound are changed too. Up to the bound the factor is 1.
#- torch.clamp(LONGEST / length, max=1.0)
#+ LONGEST / length * torch.tanh(length / LONGEST)

# %% wrong: clipped by one over one plus
# hint: Your factor changes every gradient, short ones too. Up to the bound the factor is 1.
#- torch.clamp(LONGEST / length, max=1.0)
#+ LONGEST / (LONGEST + length)

# %% wrong: stretched where it is short
# hint: Your factor is at least 1: short gradients are stretched and long ones are left. It must be at most 1.
#- max=1.0
#+ min=1.0

# %% wrong: long gradients left out
# hint: A gradient that is too long becomes zero. It is shortened, and keeps its direction.
#- torch.clamp(LONGEST / length, max=1.0)
#+ (length <= LONGEST)

# %% wrong: halved
# hint: A gradient that is too long is halved once. It is to become as long as the bound, whatever it was.
#- torch.clamp(LONGEST / length, max=1.0)
#+ torch.where(length > LONGEST, 0.5, 1.0)

# %% wrong: the length one
# hint: A gradient that is too long gets the length 1. It is to become as long as the bound.
#- whole * torch.clamp(LONGEST / length, max=1.0)
#+ torch.where(length > LONGEST, whole / length, whole)

# %% wrong: the square compared
# hint: You compare the square of the length with the bound, and scale rightly afterwards. Compare the length itself.
#- whole * torch.clamp(LONGEST / length, max=1.0)
#+ torch.where(length**2 > LONGEST, whole * LONGEST / length, whole)

# %% wrong: compared with the square of the bound
# hint: You compare the length with the square of the bound. Compare it with the bound itself.
#- whole * torch.clamp(LONGEST / length, max=1.0)
#+ torch.where(length > LONGEST**2, whole * LONGEST / length, whole)

# %% wrong: compared with one
# hint: You scale what is longer than 1, whatever the bound. What is longer than `LONGEST` is made `LONGEST` long.
#- whole * torch.clamp(LONGEST / length, max=1.0)
#+ torch.where(length > 1, whole * LONGEST / length, whole)

# %% wrong: the plain mean decides
# hint: Whether you clip depends on the length of the plain mean of the shares. The length of the whole decides, with each share weighed by its size.
#- whole * torch.clamp(LONGEST / length, max=1.0)
#+ torch.where(means.mean(0).norm() > LONGEST, whole * LONGEST / length, whole)

# %% wrong: the longest share decides
# hint: Whether you clip depends on the longest share. Shares may cancel each other: the length of the whole decides.
#- whole * torch.clamp(LONGEST / length, max=1.0)
#+ torch.where(means.norm(dim=1).max() > LONGEST, whole * LONGEST / length, whole)

# %% wrong: the mean of the lengths
# hint: Your length is the weighted mean of the shares' lengths. Shares may cancel each other: put them together first, then take the length.
#- length = whole.norm()
#+ length = sizes @ means.norm(dim=1) / sizes.sum()

# %% wrong: each share divided by its size
# hint: You divide each share by its number of images, and average. Each process has made a mean already: multiply it by its number of images.
#- (means * sizes[:, None]).sum(0) / sizes.sum()
#+ (means / sizes[:, None]).mean(0)

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

# %% why
r"""
The mean over all images is the sum over all, divided by their number. A process knows the mean over its share, and $n_r$ times that is its sum. So
the whole gradient is $\sum_r n_r\, g_r / \sum_r n_r$. The plain average of the means would let each image of a small share count more than one of a
large share. On equal shares the two agree, so only a batch that does not split evenly shows the fault, often the last of an epoch.

Clipping comes last, for it is not linear: clipped shares do not add up to the clipped whole. The factor is $\min(1, {{LONGEST}} / \text{length})$,
one number for all weights, so the direction stays. A gradient that is short enough stays as it is.
"""

# %% inputs
def inputs(rng):
    sizes = torch.tensor([float(rng.integer(1, 9) + 12 * k) for k in range(RANKS)])
    shares, around = sizes / sizes.sum(), {}
    for name, plain in (("near", 3), ("far", 0)):  # the whole is LONGEST long, the mean of the means 3 times that or nearly 0
        noise, way, along = 0.1 * rng.normal(RANKS, 7), rng.normal(7), torch.zeros(RANKS)
        along[-1] = (1 - shares[0] * plain * RANKS) / (shares[-1] - shares[0])
        along[0] = plain * RANKS - along[-1]
        around[name] = LONGEST * (noise - shares @ noise + along[:, None] * way / way.norm())
    return {"long": 5 * LONGEST * rng.normal(RANKS, 7), "sizes": sizes, "short": 0.05 * LONGEST * rng.normal(RANKS, 7), **around}

# %% probe
def probe(answer, long, sizes, short, near, far):
    around = [answer(times * near, sizes) for times in (0.3, 0.6, 0.75, 0.9, 1.2, 1.7)] + [answer(times * far, sizes) for times in (0.9,
        1.2)]
    return {"a_long_gradient": answer(long, sizes), "a_short_gradient": answer(short, sizes), "ten_thousand_times_a_tiny_gradient": 1e4 * answer(short / 1e4, sizes),
            "gradients_of_0.3_to_1.7_times_the_bound": torch.stack(around)}

# %% laws
def laws(seen, long, sizes, short, near, far):
    got, whole = seen["a_long_gradient"], (long * sizes[:, None]).sum(0).double()
    yield got.shape == (7,), "there is one number for each weight"
    yield got.norm() < LONGEST * 1.001, "no gradient is longer than allowed"
    tiny, shares, means = seen["ten_thousand_times_a_tiny_gradient"], sizes.double() / sizes.sum(), short.double()
    counts = torch.linalg.lstsq(means.T, tiny[:, None]).solution[:, 0]  # what each share's mean is multiplied by
    listed = lambda numbers, form: ", ".join(format(x, form) for x in numbers[:-1].tolist()) + f" and {numbers[-1].item():{form}}"
    hint = "The mean over all images: each share's mean counts as often as it has images, and the sum is divided by the number " \
        "of all images."
    if (tiny - means[-1]).norm() < 0.1 * means[-1].norm():
        hint = "This is the gradient of the largest share alone, or nearly so (a softmax of the sizes does that). All images belong to " \
            "the batch."
    elif (tiny - counts @ means).norm() < 1e-3 * tiny.norm():
        hint = f"The means of shares of {listed(sizes, '.0f')} images are multiplied by {listed(counts, '.2g')} in yours. Every image of " \
            f"the batch should count alike, and all together once."
    yield (tiny - shares @ means).abs().max() < 1e-4, "a tiny gradient is the mean over all images", hint
    times = torch.tensor([0.3, 0.6, 0.75, 0.9, 1.2, 1.7, 0.9, 1.2]).double()[:, None]
    around, ways = seen["gradients_of_0.3_to_1.7_times_the_bound"], torch.stack([shares @ near.double()] * 6 + [shares @ far.double()] * 2)
    kept = ((around - times * ways).abs() < 1e-3 * LONGEST).all(1)
    cut = ((around - ways).abs() < 1e-3 * LONGEST).all(1)
    below = times[:, 0] < 1
    if (kept | cut).all() and not ((kept == below).all() and (cut != below).all()):  # the right factor, at the wrong time
        some = "You clip by the right factor, and decide wrongly when: " + " and ".join(
            ["a whole gradient shorter than the bound is clipped"] * (below & cut).any().item() +
            ["one that is longer is left as it is"] * (~below & kept).any().item())
        yield False, "a gradient is clipped where the whole is longer than the bound", \
            f"{some}. Hold the length of the whole against `LONGEST`."
    yield kept[below].all(), "a gradient shorter than the bound stays as it is", "Up to the bound nothing is changed. Length means the " \
        "root of the sum of the squares of all numbers."
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

# %% wrong: the square is held against the bound
# hint: You clip by the right factor, but hold the square of the length against the bound. Hold the length itself against it.
#- return whole * torch.clamp(LONGEST / length, max=1.0)
#+ return whole * LONGEST / length if length**2 > LONGEST else whole

# %% wrong: one is taken for the bound
# hint: You clip by the right factor where the length is above 1. It is to be clipped where the length is above `LONGEST`.
#- return whole * torch.clamp(LONGEST / length, max=1.0)
#+ return whole * LONGEST / length if length > 1 else whole

# %% wrong: the square of the bound decides
# hint: You clip by the right factor, but hold the length against the square of the bound. Hold it against the bound itself.
#- return whole * torch.clamp(LONGEST / length, max=1.0)
#+ return whole * LONGEST / length if length > LONGEST**2 else whole

# %% wrong: the mean of the means decides
# hint: You clip by the right factor, but the length of the plain mean of the means decides when. It is the length of the weighted whole
#   that counts.
#- return whole * torch.clamp(LONGEST / length, max=1.0)
#+ return whole * LONGEST / length if means.mean(0).norm() > LONGEST else whole

# %% wrong: the longest share decides
# hint: You clip by the right factor, but as soon as one share is too long. Shares may cancel in part: the length of the whole decides.
#- return whole * torch.clamp(LONGEST / length, max=1.0)
#+ return whole * LONGEST / length if means.norm(dim=1).max() > LONGEST else whole

# %% wrong: the mean of the lengths
# hint: Your length is the mean of the lengths of the shares. Shares cancel in part, so the whole is shorter: put them together first, then
#   measure.
#- length = whole.norm()
#+ length = (sizes / sizes.sum()) @ means.norm(dim=1)

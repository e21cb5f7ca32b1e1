# title: A distance that is zero on average
# chapter: 07_generation
# goal: derive the bias of an estimate and take it off
# kind: implement
# minutes: 20
# points: 3
# difficulty: 2
# passage: A bias in the number of images
# answer: apart
# returns: tensor
# removes: vae_lib.quality.kernel_distance

# %% statement
r"""
The first part of the Fréchet distance is $\lVert m_r - m_f \rVert^2$. Put in the means of two *samples*, and it is too large on average, as the chapter
saw: every error of a mean makes it larger. By how much? Derive it, and take it off.

Somebody published the `mean` $(d,)$ and the `cov` $(d, d)$ of the features of **{{COUNT}}** real images; the covariance has
{{COUNT}} − 1 as its divisor (so it is right on average for the covariance of one image). Of the fakes you have the features themselves, `fake` $(n, d)$. Write `apart(mean, cov, fake)`: an estimate of
$\lVert m_r - m_f \rVert^2$ between the true means that is right on average, a tensor of shape `()`.

*Check yourself first:* may such an estimate be negative?
"""

# %% draws
def draws(rng):
    return {"COUNT": rng.choice([16, 20, 25, 40, 50])}

# %% given
import torch

# %% starter
def apart(mean, cov, fake):
    """An unbiased estimate of the squared distance of the true means, ()."""
    ...

# %% solution
def apart(mean, cov, fake):
    """An unbiased estimate of the squared distance of the true means, ()."""
    raw = (mean - fake.mean(0)).square().sum()
    error_of_real = cov.trace() / COUNT
    error_of_fake = fake.var(0).sum() / len(fake)
    return raw - error_of_real - error_of_fake

# %% why
r"""
A sample mean is the true mean plus an error that is 0 on average. The two errors are independent, so in the square of the difference the mixed
terms average to 0, and the squares of both errors stay. The raw distance is on average

$$
\lVert m_r - m_f \rVert^2 + \frac{\operatorname{tr} C_r}{{{COUNT}}} + \frac{\operatorname{tr} C_f}{n} .
$$

In each dimension the mean of $n$ draws has an $n$-th of the variance of one, and a squared length adds up the dimensions: hence the traces. The
two divisors do different jobs. $n - 1$ makes the variance of *one* image right on average; $n$ turns it into that of the mean.

The estimate may be negative. Where the true distance is 0 it must be, at times, and cutting it off at 0 brings a bias back. The bias of the means
is a part of the FID that the chapter finds between real images. The KID has none for the same reason: with the kernel $a \cdot b$ in place of its
own it *is* this estimate.
"""

# %% inputs
def inputs(rng):
    mix = torch.eye(4) + 0.4 * rng.normal(4, 4)
    fake = rng.normal(9, 4) @ mix + rng.normal(4)
    return {"mean": rng.normal(4), "cov": mix.T @ mix, "fake": fake, "seed": rng.integer(0, 10**6)}

# %% probe
def probe(answer, mean, cov, fake, seed):
    generator = torch.Generator().manual_seed(seed)
    means = torch.randn(150, 4, generator=generator) / COUNT**0.5
    sets = torch.randn(150, 5, 4, generator=generator)
    alike = torch.stack([answer(m, torch.eye(4), one) for m, one in zip(means, sets)])
    return {"value": answer(mean, cov, fake), "value_where_the_means_agree": answer(fake.mean(0), cov, fake),
            "average_over_sets_of_one_distribution": alike.mean()}

# %% laws
def laws(seen, mean, cov, fake, seed):
    yield seen["value"].shape == (), "there is one number for the two sets"
    # each value scatters by about (2 · 4)^½ (1/5 + 1/COUNT) ≤ 0.75, so that 150 of them have an error of at most 0.06
    yield abs(seen["average_over_sets_of_one_distribution"]) < 0.36, "it is near zero on average, where both sets come from one distribution", \
        "The mean of n draws has the variance σ²/n in each dimension. Which means here have an error, and do the errors add up?"
    yield seen["value_where_the_means_agree"] < 0, "it is below zero for equal sample means: true means that differ could give these too"

# %% right: over pairs of different fakes
def apart(mean, cov, fake):
    n = len(fake)
    products = fake @ fake.T
    square_of_fake = (products.sum() - products.trace()) / (n * (n - 1))
    square_of_real = mean @ mean - torch.diagonal(cov).sum() / COUNT
    return square_of_real + square_of_fake - 2 * mean @ fake.mean(0)

# %% right: dimension by dimension, in float64
def apart(mean, cov, fake):
    total = 0.0
    for j in range(len(mean)):
        column = [float(v) for v in fake[:, j]]
        middle = sum(column) / len(column)
        variance = sum((v - middle) ** 2 for v in column) / (len(column) - 1)
        total += (float(mean[j]) - middle) ** 2 - float(cov[j, j]) / COUNT - variance / len(column)
    return torch.tensor(total, dtype=torch.float64)

# %% right: from the covariance of the difference
def apart(mean, cov, fake):
    difference = mean - fake.mean(0)
    of_difference = cov / COUNT + torch.cov(fake.T) / fake.shape[0]
    return torch.trace(torch.outer(difference, difference) - of_difference)

# %% wrong: nothing is taken off
# hint: This is the squared distance of the two sample means, with its bias. Both means have an error, and the expected square of each is still in it.
#- raw - error_of_real - error_of_fake
#+ raw

# %% wrong: the real mean is taken for exact
# hint: Only the error of the fakes' mean is taken off. The published mean also comes from a limited number of images.
#- raw - error_of_real - error_of_fake
#+ raw - error_of_fake

# %% wrong: the fakes' mean is taken for exact
# hint: Only the error of the published mean is taken off. The fakes' mean has one too.
#- raw - error_of_real - error_of_fake
#+ raw - error_of_real

# %% wrong: the bias is added
# hint: You add the bias. The raw distance is too large on average, so it is taken off.
#- raw - error_of_real - error_of_fake
#+ raw + error_of_real + error_of_fake

# %% wrong: the variance of a draw for that of a mean
# hint: You take off the variances of single images. The mean of n images has an n-th of it.
def apart(mean, cov, fake):
    return (mean - fake.mean(0)).square().sum() - cov.trace() - fake.var(0).sum()

# %% wrong: cut off at zero
# hint: You cut the estimate off at zero. Then it is too large on average again: an estimate that is right on average around zero must be negative at times.
#- return raw - error_of_real - error_of_fake
#+ return (raw - error_of_real - error_of_fake).clamp(min=0)

# %% wrong: all entries of the covariance
# hint: You add up all entries of the covariance. The squared length of an error is the sum of its squares, dimension by dimension: the diagonal alone.
#- cov.trace() / COUNT
#+ cov.sum() / COUNT

# %% wrong: the variance divided by n
# hint: The variance of the fakes is divided by n where n − 1 belongs: measured around the sample's own mean, it comes out too small.
#- fake.var(0).sum()
#+ fake.var(0, correction=0).sum()

# %% wrong: the counts of both added
# hint: You pool both sets and divide by the number of all images. Each mean has an error of its own, from its own number of images, and the two add up.
#- raw - error_of_real - error_of_fake
#+ raw - (cov.trace() + fake.var(0).sum()) / (COUNT + len(fake))

# %% wrong: the number of fakes for both
# hint: Both variances are divided by the number of fakes. The published mean comes from `COUNT` images: its error has the variance
#   σ²/`COUNT`.
#- cov.trace() / COUNT
#+ cov.trace() / len(fake)

# %% wrong: the number of real images for both
# hint: Both variances are divided by `COUNT`. The fakes' mean comes from as many images as `fake` has rows: divide its variance by that
#   number.
#- fake.var(0).sum() / len(fake)
#+ fake.var(0).sum() / COUNT

# %% wrong: n minus one twice
# hint: You divide by n − 1 once more. That divisor belongs to the variance of an image, where it is already; the mean of n images has an
#   n-th of that variance.
#- cov.trace() / COUNT
#+ cov.trace() / (COUNT - 1)
#- fake.var(0).sum() / len(fake)
#+ fake.var(0).sum() / (len(fake) - 1)

# %% wrong: all entries of both covariances
# hint: You add up all entries of both covariances. The squared length of an error is the sum of its squares, dimension by dimension: both
#   times the diagonal alone.
#- cov.trace() / COUNT
#+ cov.sum() / COUNT
#- fake.var(0).sum()
#+ torch.cov(fake.T).sum()

# %% wrong: a covariance of images
# hint: `torch.cov` takes a row for a variable, so this is the covariance of the images over their features. Asked for is that of the
#   features over the images: turn `fake` over first.
#- fake.var(0).sum()
#+ torch.cov(fake).trace()

# %% wrong: one pooled covariance
# hint: You pool the covariances of both sets. They may come from different distributions, so that each mean has the error of its own
#   covariance.
def apart(mean, cov, fake):
    n = len(fake)
    pooled = ((COUNT - 1) * cov.trace() + (n - 1) * fake.var(0).sum()) / (COUNT + n - 2)
    return (mean - fake.mean(0)).square().sum() - pooled * (1 / COUNT + 1 / n)

# %% wrong: a root in place of a square
# hint: This is a distance, with a root, less a bias that belongs to its square. Asked for is the squared distance: leave the root out.
#- (mean - fake.mean(0)).square().sum()
#+ (mean - fake.mean(0)).norm()

# %% wrong: norms of the covariances
# hint: You take off the norm of a covariance matrix. The expected square of an error's length is the sum of its variances: the trace.
# alone
#- cov.trace() / COUNT
#+ cov.norm() / COUNT
#- fake.var(0).sum()
#+ torch.cov(fake.T).norm()

# %% wrong: means over the dimensions
# hint: You average over the dimensions. A squared distance adds up the squares of all of them.
# alone
#- return raw - error_of_real - error_of_fake
#+ return (raw - error_of_real - error_of_fake) / len(mean)

# %% wrong: the published covariance divided again
# hint: The published variances are divided by COUNT − 1 once more. That divisor is in them already; the mean of COUNT images has a COUNT-th of such a
#   variance.
# alone
#- cov.trace() / COUNT
#+ cov.trace() / (COUNT - 1)

# %% wrong: the fakes' variance divided by n minus one again
# hint: The variance of the fakes is divided by n − 1 once more. Their mean comes from n images and has an n-th of the variance of one.
# alone
#- fake.var(0).sum() / len(fake)
#+ fake.var(0).sum() / (len(fake) - 1)

# %% wrong: the bias twice
# hint: You take the bias off twice. Each of the two means brings the expected square of its own error, once.
# alone
#- raw - error_of_real - error_of_fake
#+ raw - 2 * error_of_real - 2 * error_of_fake

# %% wrong: the errors against each other
# hint: You take one error off and add the other. Both means have an error, both make the distance larger on average, and their squares do not cancel.
# alone
#- raw - error_of_real - error_of_fake
#+ raw - error_of_real + error_of_fake

# %% wrong: the real covariance for both
# hint: You use the published covariance for the fakes too. They may scatter differently: take the variances of the fakes from `fake`.
# alone
#- fake.var(0).sum()
#+ cov.trace()

# %% wrong: squares around zero
# hint: You measure the spread of the fakes around zero. The error of a mean comes from the spread around the mean.
# alone
#- fake.var(0).sum()
#+ fake.square().sum(1).mean()

# %% wrong: all of the distance
# hint: This is all of the Fréchet distance, with its covariances. Asked for is its first part alone, the squared distance of the means, without its bias.
def apart(mean, cov, fake):
    of_fake = torch.cov(fake.T)
    roots = torch.linalg.eigvals(cov @ of_fake).real.clamp(min=0).sqrt()
    return (mean - fake.mean(0)).square().sum() + cov.trace() + of_fake.trace() - 2 * roots.sum()

# %% wrong: the published divisor turned into n
# hint: You turned the divisor of the published covariance into the number of images. With n − 1 it is right on average for one image; the mean of n
#   images has an n-th of that.
#- cov.trace() / COUNT
#+ cov.trace() * (COUNT - 1) / COUNT**2

# %% wrong: both divisors turned into n
# hint: You turned both divisors into n, the published one and that of the fakes. With n − 1 a variance is right on average for one image; the mean of n
#   images has an n-th of that.
# alone
#- cov.trace() / COUNT
#+ cov.trace() * (COUNT - 1) / COUNT**2
#- fake.var(0).sum()
#+ fake.var(0, correction=0).sum()

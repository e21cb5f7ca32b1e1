# title: Whose spread is it?
# chapter: 04_sampling
# goal: tell the two randomnesses of an image apart by their variances
# kind: implement
# minutes: 10
# points: 2
# difficulty: 1
# passage: Two chances, told apart
# answer: spreads
# returns: tensor, tensor
# removes:

# %% statement
r"""
A decoder gives the mean $m(z)$ of every pixel, and the likelihood is $p(x \mid z) = \mathcal{N}(x;\, m(z), \sigma^2)$ with
$\sigma = {{SIGMA}}$. The picture that is shown is ${{GAIN}}\,x$.

Write `spreads(means)`: `means` holds $m(z_k)$ for many draws of $z$ from the prior, of shape `(draws, pixels)`. Give two tensors of shape
`(pixels,)`: the part of the shown pixel's variance that comes from **drawing the pixel**, and the part that comes from **drawing
$z$**. (Divide by the number of draws.) Together they are the variance of the shown pixel.
"""

# %% draws
def draws(rng):
    return {"SIGMA": rng.choice([0.1, 0.2, 0.3, 0.4]), "GAIN": rng.choice([2.0, 3.0, 4.0, 6.0])}

# %% given
import torch

# %% starter
def spreads(means):
    """(variance from drawing the pixel, variance from drawing z), each (pixels,)."""
    ...

# %% solution
def spreads(means):
    """(variance from drawing the pixel, variance from drawing z), each (pixels,)."""
    pixel = torch.full(means.shape[1:], SIGMA**2)
    latent = means.var(0, correction=0)
    return GAIN**2 * pixel, GAIN**2 * latent

# %% why
r"""
By the law of total variance, the variance of the shown pixel $y = {{GAIN}}\,x$ is its variance at a fixed $z$, averaged over $z$, plus the variance
over $z$ of its average at a fixed $z$. A factor multiplies each distance from the average, and a variance averages their squares, so the factor
comes out squared:

$$
\mathrm{Var}[y] = {{GAIN}}^2 \cdot {{SIGMA}}^2 + {{GAIN}}^2\, \mathrm{Var}_z[m(z)] .
$$

The first term needs no average, because $\sigma$ does not depend on $z$. For a pixel that is a coin it would: there $m(1 - m)$ is averaged. The
second is measured for each pixel from its own average over the draws; a bright pixel whose mean never moves gets 0.

Standard deviations do not add up, so they cannot be shared out in this way. A sheet that shows the means $m(z)$ in place of draws has lost the first
term, and varies too little.
"""

# %% inputs
def inputs(rng):
    return {"means": rng.normal(40, 5) * torch.tensor([0.1, 0.4, 0.0, 1.0, 2.0]) + rng.normal(5)}

# %% probe
def probe(answer, means):
    pixel, latent = answer(means)
    return {"part_of_the_pixel": pixel, "part_of_z": latent}

# %% laws
def laws(seen, means):
    pixel, latent = seen["part_of_the_pixel"], seen["part_of_z"]
    yield pixel.shape == latent.shape == (5,), "there is one number for each pixel"
    yield (pixel > -1e-4).all() and (latent > -1e-4).all(), "a variance is never negative"
    if pixel.shape == latent.shape == (5,):
        yield (pixel - (GAIN * SIGMA) ** 2).abs().max() < 1e-3 * (1 + (GAIN * SIGMA) ** 2), "the first part is that of the likelihood", \
            "Your first part is not the variance of the shown pixel at a fixed z: a Gaussian with the standard deviation `SIGMA`, multiplied by `GAIN`."
        moved = (GAIN * means.double()).var(0, correction=0)
        yield ((latent - moved).abs() < 1e-3 * (1 + moved)).all(), "the second part is that of the means", \
            "Your second part is not the variance of the means times the gain: for each pixel, the average over the draws of the squared distance from its own average."
    yield abs(latent[2]) < 1e-3, "a pixel whose mean never moves gets nothing from z", \
        "A variance is measured from the average of the same pixel, taken over the draws (dimension 0)."
    yield (pixel - pixel[0]).abs().max() < 1e-6, "the likelihood is as wide at every pixel", \
        "Drawing a pixel adds the same variance everywhere, that of the likelihood: it depends on no mean, and nothing has to be drawn for it."

# %% right: by the averages of the squares, in float64
def spreads(means):
    m = GAIN * means.double()
    latent = (m**2).mean(0) - m.mean(0) ** 2
    return (GAIN * SIGMA) ** 2 + torch.zeros_like(latent), latent

# %% right: pixel by pixel
def spreads(means):
    first, second = [], []
    for column in means.T:
        centre = sum(column) / len(column)
        second.append(sum((GAIN * (one - centre)) ** 2 for one in column) / len(column))
        first.append(torch.tensor(GAIN * GAIN * SIGMA * SIGMA))
    return torch.stack(first), torch.stack(second)

# %% wrong: the two the wrong way round
# hint: You have the two parts the wrong way round: the first is the spread of the likelihood, the second that of the means.
#- return GAIN**2 * pixel, GAIN**2 * latent
#+ return GAIN**2 * latent, GAIN**2 * pixel

# %% wrong: standard deviations
# hint: These are standard deviations. Variances add up, standard deviations do not.
#- return GAIN**2 * pixel, GAIN**2 * latent
#+ return GAIN * pixel.sqrt(), GAIN * latent.sqrt()

# %% wrong: the gain without its square
# hint: A variance grows with the square of the factor that multiplies the pixel.
#- return GAIN**2 * pixel, GAIN**2 * latent
#+ return GAIN * pixel, GAIN * latent

# %% wrong: the whole as the second part
# hint: Your second part holds the first as well: it is the whole variance. Asked for is what the means alone do.
#- GAIN**2 * latent
#+ GAIN**2 * (latent + pixel)

# %% wrong: sigma for its square
# hint: The likelihood's variance is the square of `SIGMA`.
#- SIGMA**2)
#+ SIGMA)

# %% wrong: the mean of the squares
# hint: You took the mean of the squares of the means. A variance is measured from the average: a bright pixel that never changes has none.
#- means.var(0, correction=0)
#+ means.square().mean(0)

# %% wrong: the gain forgotten in the part of the pixel
# hint: The gain multiplies the pixel that is shown, noise and all. It is missing from your first part.
#- return GAIN**2 * pixel,
#+ return pixel,

# %% wrong: the gain forgotten in the part of z
# hint: The gain multiplies the pixel that is shown, so it also widens what z does. It is missing from your second part.
#- , GAIN**2 * latent
#+ , latent

# %% wrong: the gain forgotten in both
# hint: These are the variances of the pixel x. Asked for are those of the pixel that is shown, which is `GAIN` times as large.
#- return GAIN**2 * pixel, GAIN**2 * latent
#+ return pixel, latent

# %% wrong: the variance of an average of pixels
# hint: Your first part is divided by the number of draws, as if pixels were averaged. One shown pixel has the whole variance of the likelihood.
#- SIGMA**2)
#+ SIGMA**2 / len(means))

# %% wrong: sigma squared twice
# hint: In your first part σ is squared twice. The standard deviation of the shown pixel is the gain times σ; square that once.
#- SIGMA**2)
#+ SIGMA**4)

# %% wrong: divided by one less than the draws
# hint: You divide by the number of draws minus one, the default of `var`. Here the statement says to divide by the number of draws.
#- correction=0
#+ correction=1

# %% wrong: a sum and no mean
# hint: The squares are added up and not averaged: divide by the number of draws.
#- means.var(0, correction=0)
#+ means.var(0, correction=0) * len(means)

# %% wrong: the variance over the pixels
# hint: You take the variance over the pixels of one image. Asked for is how much one pixel changes from draw to draw: dimension 0.
#- means.var(0, correction=0)
#+ means.var(1, correction=0).mean().expand(means.shape[1])

# %% wrong: measured from the average of all pixels
# hint: You measure from the average of all pixels. Each pixel has an average of its own.
#- means.var(0, correction=0)
#+ (means - means.mean()).square().mean(0)

# %% wrong: the variance of a coin
# hint: m(1 − m) is the variance of a coin. The likelihood here is a Gaussian, and its variance is σ², whatever the mean.
#- torch.full(means.shape[1:], SIGMA**2)
#+ (means * (1 - means)).mean(0)

# %% wrong: a standard deviation as the first part
# hint: Your first part is a standard deviation, the gain times σ. A variance is its square.
#- return GAIN**2 * pixel,
#+ return GAIN * pixel.sqrt(),

# %% wrong: the whole as the first part
# hint: Your first part holds the second as well: it is the whole variance. Asked for is what drawing the pixel alone does.
#- return GAIN**2 * pixel,
#+ return GAIN**2 * (pixel + latent),

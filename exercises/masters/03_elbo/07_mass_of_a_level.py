# title: The mass of a grey level
# chapter: 03_elbo
# goal: make a probability out of a density, tails included
# kind: implement
# minutes: 20
# points: 3
# difficulty: 3
# passage: A measure that is fair to all
# answer: log_mass
# returns: tensor
# tolerance: 3e-4
# removes: vae_lib.likelihoods.DiscretizedLogistic.log_prob

# %% statement
r"""
Pixels have {{LEVELS}} grey levels, equally spaced from 0 to 1, both included. Give each level the mass that $\mathcal{N}(m, s^2)$ with
$s = {{WIDTH}}$ puts nearer to it than to any other level. The lowest level also takes all that lies below it, the highest all that lies above.

Write `log_mass(x, mean)`: the log-probability of each image in nats, summed over pixels, for `x` and `mean` of shape `(batch, pixels)`; the
values of `x` are levels. A mean may lie five or six standard deviations from its level: work in float64 where you subtract. Then even such a mass is
not rounded to 0: cut nothing off, and add no small number.
"""

# %% draws
def draws(rng):
    return {"LEVELS": rng.choice([4, 5, 8, 16]), "WIDTH": rng.choice([0.15, 0.2, 0.25])}

# %% given
import torch

# %% starter
def log_mass(x, mean):
    """log p(x|z) over LEVELS grey levels, (batch,) nats."""
    ...

# %% solution
def log_mass(x, mean):
    """log p(x|z) over LEVELS grey levels, (batch,) nats."""
    half = 0.5 / (LEVELS - 1)
    x, mean = x.double(), mean.double()
    upper = torch.special.ndtr((x + half - mean) / WIDTH)
    lower = torch.special.ndtr((x - half - mean) / WIDTH)
    upper = torch.where(x > 1 - half, torch.ones_like(upper), upper)
    lower = torch.where(x < half, torch.zeros_like(lower), lower)
    return torch.log(upper - lower).sum(-1)

# %% why
r"""
Levels from 0 to 1, both included, are $1/({{LEVELS}} - 1)$ apart, so a bin reaches $h = \tfrac12 / ({{LEVELS}} - 1)$ to each side. With the
distribution function $\Phi$ of $\mathcal{N}(0, 1)$, its mass is

$$
\Phi\Big(\frac{x + h - m}{s}\Big) - \Phi\Big(\frac{x - h - m}{s}\Big) .
$$

The lowest level has no lower edge: its second term is 0. The highest has no upper edge: its first term is 1. Neighbours share an edge, so the edges
cancel in the sum over all levels, and $1 - 0 = 1$ is left. Density times width does not add up to 1: it is near the mass only where the bin is
narrow against $s$.

Five standard deviations above the mean $\Phi$ lies $3 \cdot 10^{-7}$ below 1. Numbers of float32 are $6 \cdot 10^{-8}$ apart there and keep hardly a
digit; float64 keeps nine. A small number added would hide how wrong a mean is.

As $s \to 0$ the mass of the level nearest to $m$ tends to 1. Its logarithm never exceeds 0, while a density at $x = m$ grows without limit.
"""

# %% inputs
def inputs(rng):
    level = torch.floor(LEVELS * rng.uniform(0, 0.9999, 5, 6))
    level[0, :2] = torch.tensor([0.0, LEVELS - 1.0])
    x = level / (LEVELS - 1)
    return {"x": x, "mean": x + 0.25 * (2 * rng.uniform(0, 1, 5, 6) - 1), "one": rng.uniform(-0.1, 1.1, 1, 1),
            "sigmas": 5 + rng.uniform(0, 0.2, 3, 1) + torch.tensor([0.0, 0.4, 0.8])[:, None]}

# %% probe
def probe(answer, x, mean, one, sigmas):
    every = (torch.arange(LEVELS) / (LEVELS - 1))[:, None]
    level = torch.full((3, 1), 1 / (LEVELS - 1))  # the second one, with the mean far below it
    return {"value": answer(x, mean), "log_probability_of_every_level": answer(every, one.expand(LEVELS, 1)),
            "value_with_the_mean_far_away": answer(level, level / 2 - WIDTH * sigmas)}

# %% laws
def laws(seen, x, mean, one, sigmas):
    yield seen["value"].shape == (5,), "there is one number for each image"
    yield (seen["value"] <= 1e-6).all(), "a log-probability is never above 0", "A density can be; a mass cannot."
    step, x, mean = 1 / (LEVELS - 1), x.double(), mean.double()
    upper, lower = (torch.special.ndtr((x + side - mean) / WIDTH) for side in (step, -step))
    wide = (torch.where(x > 1 - step / 2, 1.0, upper) - torch.where(x < step / 2, 0.0, lower)).log().sum(-1)
    if seen["value"].shape == (5,) and (seen["value"] - wide).abs().max() < 1e-3:
        yield False, "a bin ends half way to the next level", "Your bins overlap: each reaches to the neighbouring levels. A bin ends half a step to each side."
    yield abs(seen["log_probability_of_every_level"].exp().sum() - 1) < 1e-3, "the masses of all levels add up to 1", \
        "Add the masses of all levels up, for a mean of your own. A mass is the difference of the distribution function at two edges; neighbours share an edge, half way between them; the tails go to "\
        "the ends; and each image has a number of its own."
    far = seen["value_with_the_mean_far_away"]
    yield not (far.isfinite().all() and (far >= -12).any()), "a mean far away leaves a small mass", \
        "Five standard deviations from the mean your mass is too large. A mass is divided by nothing and cut off at nothing: it is as small as the Gaussian says."
    level, half = 1 / (LEVELS - 1), 0.5 / (LEVELS - 1)
    away = level / 2 - WIDTH * sigmas.double()[:, 0]
    mass = torch.special.ndtr((away - level + half) / WIDTH) - torch.special.ndtr((away - level - half) / WIDTH)
    off = (far - mass.log()).abs().max() if far.shape == (3,) else torch.tensor(torch.inf)
    floor = off.isfinite() and far.max() - far.min() < 0.5 * (mass.max() / mass.min()).log()  # it no longer falls with the distance
    yield off < 0.02, "the small mass is that of the Gaussian", \
        "Your smallest masses end at a floor: a number was added, masses were cut off, or the subtraction ran in float32. Subtract in float64, and add nothing." if floor else \
        "Five or six standard deviations away your mass is not the Gaussian's. Either something is cut off or added, or two numbers near 1 are subtracted in float32, where " \
        "hardly a digit is left: use `x.double()` and `mean.double()`." if off < 1.5 or not (far > -45).all() else ""

# %% right: from the distribution's cdf, with edges
def log_mass(x, mean):
    edges = (torch.arange(1, LEVELS, dtype=torch.float64) - 0.5) / (LEVELS - 1)
    below = torch.distributions.Normal(mean.double()[..., None], WIDTH).cdf(edges)
    cdf = torch.cat([torch.zeros_like(below[..., :1]), below, torch.ones_like(below[..., :1])], -1)
    level = (x * (LEVELS - 1)).round().long()[..., None]
    return (cdf.gather(-1, level + 1) - cdf.gather(-1, level))[..., 0].log().sum(-1)

# %% right: pixel by pixel, with erf
import math

def log_mass(x, mean):
    h, rows = 1 / (2 * LEVELS - 2), []
    for xs, ms in zip(x.tolist(), mean.tolist()):
        total = 0.0
        for a, m in zip(xs, ms):
            top = 1.0 if a > 1 - h else 0.5 * (1 + math.erf((a + h - m) / WIDTH / math.sqrt(2)))
            low = 0.0 if a < h else 0.5 * (1 + math.erf((a - h - m) / WIDTH / math.sqrt(2)))
            total += math.log(top - low)
        rows.append(total)
    return torch.tensor(rows)

# %% wrong: the density
# hint: This is a log-density. A level's probability is the mass over its bin, an integral of the density.
def log_mass(x, mean):
    return torch.distributions.Normal(mean, WIDTH).log_prob(x).sum(-1)

# %% wrong: no tails
# hint: The tails are missing: what lies below 0 belongs to the lowest level, what lies above 1 to the highest.
#- upper = torch.where(x > 1 - half, torch.ones_like(upper), upper)
#+ pass
#- lower = torch.where(x < half, torch.zeros_like(lower), lower)
#+ pass

# %% wrong: bins of one over the number of levels
# hint: Your bins have the width 1 / LEVELS. From 0 to 1 with both ends there are LEVELS − 1 steps.
#- 0.5 / (LEVELS - 1)
#+ 0.5 / LEVELS

# %% wrong: bins twice as wide
# hint: Your bins reach from one neighbour to the other, twice as wide as they should be: they end half-way.
#- 0.5 / (LEVELS - 1)
#+ 1 / (LEVELS - 1)

# %% wrong: density times width
# hint: You multiplied the density at the level by the width of the bin. That is near the mass for narrow bins only, and it knows no tails.
def log_mass(x, mean):
    width = torch.log(torch.tensor(1 / (LEVELS - 1)))
    return (torch.distributions.Normal(mean, WIDTH).log_prob(x) + width).sum(-1)

# %% wrong: the tails the wrong way round
# hint: The lowest level takes what lies *below* it and the highest what lies above. With you, one of them takes nearly all.
#- upper = torch.where(x > 1 - half, torch.ones_like(upper), upper)
#+ upper = torch.where(x < half, torch.ones_like(upper), upper)
#- lower = torch.where(x < half, torch.zeros_like(lower), lower)
#+ lower = torch.where(x > 1 - half, torch.zeros_like(lower), lower)

# %% wrong: mean over the pixels
# hint: You average over the pixels. Independent pixels multiply, so their logarithms add up.
#- .sum(-1)
#+ .mean(-1)

# %% wrong: the variance for the spread
# hint: You divided by the variance. A Gaussian is standardised by its standard deviation, `WIDTH`.
#- (x + half - mean) / WIDTH)
#+ (x + half - mean) / WIDTH**2)
#- (x - half - mean) / WIDTH)
#+ (x - half - mean) / WIDTH**2)

# %% wrong: float32
# hint: float32 is too coarse here: two numbers near 1 are subtracted. Work in float64: `x.double()`, `mean.double()`.
def log_mass(x, mean):
    half, normal = 0.5 / (LEVELS - 1), torch.distributions.Normal(mean, WIDTH)
    upper = torch.where(x > 1 - half, 1.0, normal.cdf(x + half))
    lower = torch.where(x < half, 0.0, normal.cdf(x - half))
    return torch.log(upper - lower).sum(-1)

# %% wrong: small masses cut off
# hint: You cut small masses off (`clamp`, or a small number added). They are small, and in float64 they are right: no cut is needed.
#- torch.log(upper - lower)
#+ torch.log((upper - lower).clamp(min=1e-6))

# %% wrong: the density, normalised over the levels
# hint: You took the densities at the levels, divided by their sum. The mass of a level is the integral over its bin, tails included.
def log_mass(x, mean):
    half, x, mean = 0.5 / (LEVELS - 1), x.double(), mean.double()
    level = torch.arange(LEVELS, dtype=torch.float64) / (LEVELS - 1)
    log_p = torch.distributions.Normal(mean[..., None], WIDTH).log_prob(level).log_softmax(-1)
    return log_p.gather(-1, (x * (LEVELS - 1)).round().long()[..., None])[..., 0].sum(-1)

# %% wrong: a Gaussian cut to the range
# hint: You divided by the mass between 0 and 1, as if nothing lay outside. What lies outside belongs to the lowest and the highest level.
def log_mass(x, mean):
    half, x, mean = 0.5 / (LEVELS - 1), x.double(), mean.double()
    cdf = torch.distributions.Normal(mean, WIDTH).cdf
    mass = cdf((x + half).clamp(max=1)) - cdf((x - half).clamp(min=0))
    return torch.log(mass / (cdf(torch.ones_like(x)) - cdf(torch.zeros_like(x)))).sum(-1)

# %% wrong: masses added over the pixels
# hint: You added the masses of the pixels and took one logarithm. Independent pixels multiply: the logarithm of each, then the sum.
#- torch.log(upper - lower).sum(-1)
#+ torch.log((upper - lower).sum(-1))

# %% wrong: the root of the spread
# hint: You handed the root of `WIDTH` to the Gaussian. `WIDTH` is its standard deviation already.
#- (x + half - mean) / WIDTH)
#+ (x + half - mean) / WIDTH**0.5)
#- (x - half - mean) / WIDTH)
#+ (x - half - mean) / WIDTH**0.5)

# %% wrong: the variance, cut off
# hint: The spread is squared, and small masses are cut off. A Gaussian is standardised by its standard deviation, `WIDTH`.
def log_mass(x, mean):
    half, x, mean = 0.5 / (LEVELS - 1), x.double(), mean.double()
    cdf = torch.distributions.Normal(mean, WIDTH**2).cdf
    upper, lower = torch.where(x > 1 - half, 1.0, cdf(x + half)), torch.where(x < half, 0.0, cdf(x - half))
    return torch.log((upper - lower).clamp(min=1e-30)).sum(-1)

# %% wrong: a logistic
# hint: You took the logistic distribution (`sigmoid`). Asked for is the Gaussian: its cumulative distribution is `torch.special.ndtr`.
#- upper = torch.special.ndtr(
#+ upper = torch.sigmoid(
#- lower = torch.special.ndtr(
#+ lower = torch.sigmoid(

# %% wrong: bins that begin at the level
# hint: Your bin reaches from a level to the next one. It lies around the level: half a step to each side.
#- (x + half - mean) / WIDTH)
#+ (x + 2 * half - mean) / WIDTH)
#- (x - half - mean) / WIDTH)
#+ (x - mean) / WIDTH)

# %% wrong: means rounded to levels
# hint: You rounded the means to levels. Only `x` has levels; the Gaussian lies around the mean as it is.
#- mean.double()
#+ (mean.double() * (LEVELS - 1)).round() / (LEVELS - 1)

# %% wrong: bins of equal width from 0 to 1
# hint: You cut the range from 0 to 1 into `LEVELS` bins of equal width. The levels 0 and 1 lie at its ends, so the edges lie half-way between
#   neighbouring levels.
def log_mass(x, mean):
    half, x, mean = 0.5 / (LEVELS - 1), x.double(), mean.double()
    level, cdf = (x * (LEVELS - 1)).round(), torch.distributions.Normal(mean, WIDTH).cdf
    upper = torch.where(level == LEVELS - 1, 1.0, cdf((level + 1) / LEVELS))
    return torch.log(upper - torch.where(level == 0, 0.0, cdf(level / LEVELS))).sum(-1)

# %% wrong: only the lower tail
# hint: The upper tail is missing: what lies above 1 belongs to the highest level.
#- upper = torch.where(x > 1 - half, torch.ones_like(upper), upper)
#+ pass

# %% wrong: only the upper tail
# hint: The lower tail is missing: what lies below 0 belongs to the lowest level.
#- lower = torch.where(x < half, torch.zeros_like(lower), lower)
#+ pass

# %% wrong: in bits
# hint: The unit is the nat: you took the logarithm to base 2.
#- torch.log(upper
#+ torch.log2(upper

# %% wrong: minus the logarithm
# hint: Every value has the wrong sign: a log-probability is negative.
#- return torch
#+ return -torch

# %% wrong: the tails shared out
# hint: You divide by the mass between the two ends, and so share the tails out among all levels. They belong to the lowest level and to the highest.
def log_mass(x, mean):
    half = 0.5 / (LEVELS - 1)
    x, mean = x.double(), mean.double()
    whole = torch.special.ndtr((1 + half - mean) / WIDTH) - torch.special.ndtr((-half - mean) / WIDTH)
    mass = torch.special.ndtr((x + half - mean) / WIDTH) - torch.special.ndtr((x - half - mean) / WIDTH)
    return torch.log(mass / whole).sum(-1)

# %% wrong: the density times the width inside
# hint: The two ends are right. Between them you multiply the density by the width of the bin: a mass is the integral over the bin, exactly.
def log_mass(x, mean):
    half = 0.5 / (LEVELS - 1)
    x, mean = x.double(), mean.double()
    inside = torch.distributions.Normal(mean, WIDTH).log_prob(x).exp() * 2 * half
    low, high = torch.special.ndtr((x + half - mean) / WIDTH), torch.special.ndtr((mean - x + half) / WIDTH)
    return torch.log(torch.where(x < half, low, torch.where(x > 1 - half, high, inside))).sum(-1)

# %% wrong: averaged over the images
# hint: You averaged over the images. One number for each is asked for.
#- return torch.log(upper - lower).sum(-1)
#+ return torch.log(upper - lower).sum(-1).mean().expand(len(x))

# %% wrong: erf without its root
# hint: The Gaussian is too narrow by √2: `erf` takes a distance divided by √2 standard deviations.
#- (x + half - mean) / WIDTH
#+ 2**0.5 * (x + half - mean) / WIDTH
#- (x - half - mean) / WIDTH
#+ 2**0.5 * (x - half - mean) / WIDTH

# %% wrong: the bins of 256 levels
# hint: Your bins are those of 256 levels, as in the chapter. Here there are `LEVELS`: a bin ends 0.5 / (LEVELS − 1) to each side.
#- 0.5 / (LEVELS - 1)
#+ 0.5 / 255

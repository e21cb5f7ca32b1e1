# title: The mass of a grey level
# chapter: 03_elbo
# goal: make a probability out of a density, tails included
# kind: implement
# minutes: 20
# points: 3
# difficulty: 3
# passage: What p(x|z) assumes
# answer: log_mass
# returns: tensor
# tolerance: 3e-4
# removes: vae_lib.likelihoods.DiscretizedLogistic.log_prob

# %% statement
r"""
Pixels have {{LEVELS}} grey levels, equally spaced from 0 to 1, both included. Give each level the mass that $\mathcal{N}(m, s^2)$ with
$s = {{WIDTH}}$ puts nearer to it than to any other level. The lowest level also takes all that lies below it, the highest all that lies above.

Write `log_mass(x, mean)`: the log-probability of each image in nats, summed over pixels, for `x` and `mean` of shape `(batch, pixels)`; the
values of `x` are levels. (The means lie near enough that no mass is smaller than $10^{-30}$; work in float64 where you subtract.)
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

# %% inputs
def inputs(rng):
    level = torch.floor(LEVELS * rng.uniform(0, 0.9999, 5, 6))
    level[0, :2] = torch.tensor([0.0, LEVELS - 1.0])
    x = level / (LEVELS - 1)
    return {"x": x, "mean": x + 0.25 * (2 * rng.uniform(0, 1, 5, 6) - 1), "one": rng.uniform(-0.1, 1.1, 1, 1)}

# %% probe
def probe(answer, x, mean, one):
    every = (torch.arange(LEVELS) / (LEVELS - 1))[:, None]
    return {"value": answer(x, mean), "log_probability_of_every_level": answer(every, one.expand(LEVELS, 1))}

# %% laws
def laws(seen, x, mean, one):
    yield seen["value"].shape == (5,), "there is one number for each image"
    yield (seen["value"] <= 1e-6).all(), "a log-probability is never above 0", "A density can be; a mass cannot."
    yield abs(seen["log_probability_of_every_level"].exp().sum() - 1) < 1e-3, "the masses of all levels add up to 1", \
        "How wide is the bin of a level, and who gets the tails?"

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

# title: A mixture far from home
# chapter: 02_latent_variable_models
# goal: add up a hidden class without leaving the logarithms
# kind: implement
# minutes: 12
# points: 2
# difficulty: 1
# passage: A hidden class
# answer: log_mixture
# returns: tensor
# tolerance: 3e-4
# removes:

# %% statement
r"""
A hidden class $k$ has the probability $\pi_k$, and within class $k$ the numbers of an image are independent,
$x_j \sim \mathcal{N}(m_{kj},\, s^2)$ with $s = {{S}}$ for all classes.

Write `log_mixture(x, log_weights, means)`: $\log p(x)$ for `x` of shape `(batch, numbers)`, `log_weights` $= \log \pi_k$ of shape `(classes,)`
and `means` of shape `(classes, numbers)`. Give one number for each image, in nats. It must be right for images a hundred standard deviations away
from every class, whose probability no float can hold.
"""

# %% draws
def draws(rng):
    return {"S": rng.choice([0.4, 0.5, 0.7, 1.5, 2.0])}

# %% given
import torch

# %% starter
def log_mixture(x, log_weights, means):
    """log p(x) of a Gaussian mixture with the spread S, (batch,) nats."""
    ...

# %% solution
def log_mixture(x, log_weights, means):
    """log p(x) of a Gaussian mixture with the spread S, (batch,) nats."""
    standard = (x[:, None] - means) / S
    log_pixels = -0.5 * standard.square() - 0.5 * torch.log(torch.tensor(2 * torch.pi * S**2))
    log_joint = log_weights + log_pixels.sum(-1)
    return torch.logsumexp(log_joint, dim=1)

# %% inputs
def inputs(rng):
    means = 2 * rng.normal(3, 4)
    x = means[[0, 1, 2, 0, 1]] + S * rng.normal(5, 4)
    return {"x": x, "log_weights": torch.log_softmax(rng.normal(3), 0), "means": means}

# %% probe
def probe(answer, x, log_weights, means):
    far = answer(x + 100 * S, log_weights, means)
    line = torch.linspace(-60, 60, 6001)[:, None]
    one = answer(line, log_weights, means[:, :1])
    return {"value": answer(x, log_weights, means), "value_far_away_in_thousands": far / 1000,
            "area_under_the_density": one.double().exp().sum() * 0.02}

# %% laws
def laws(seen, x, log_weights, means):
    yield seen["value"].shape == (5,), "there is one number for each image"
    yield abs(seen["area_under_the_density"] - 1) < 1e-3, "the density integrates to 1", \
        "Each class is a density of its own, weighted by its probability: is the constant of the Gaussian there, once for each number?"
    yield (seen["value_far_away_in_thousands"] < -1).all(), "far away the logarithm is very negative, and finite", \
        "The exponential of −10,000 is zero. Add up the classes with `torch.logsumexp`."

# %% right: from torch.distributions
import torch.distributions as td

def log_mixture(x, log_weights, means):
    classes = td.Independent(td.Normal(means, S), 1)
    return td.MixtureSameFamily(td.Categorical(logits=log_weights), classes).log_prob(x)

# %% right: class by class, in float64
import math

def log_mixture(x, log_weights, means):
    total = None
    for log_w, m in zip(log_weights.double(), means.double()):
        log_class = log_w - ((x.double() - m) ** 2).sum(1) / (2 * S**2) - x.shape[1] / 2 * math.log(2 * math.pi * S**2)
        total = log_class if total is None else torch.logaddexp(total, log_class)
    return total

# %% wrong: the mean of the logarithms
# hint: You average the logarithms of the classes. The probabilities add up, and the logarithm is taken once, of their sum.
#- return torch.logsumexp(log_joint, dim=1)
#+ return (log_weights.exp() * log_pixels.sum(-1)).sum(1)

# %% wrong: the likeliest class alone
# hint: You kept the likeliest class and dropped the others. An image may come from any of them: all add up.
#- return torch.logsumexp(log_joint, dim=1)
#+ return log_joint.amax(1)

# %% wrong: no weights
# hint: The probabilities of the classes are missing: every class counts as if it were certain.
#- log_weights + log_pixels.sum(-1)
#+ log_pixels.sum(-1)

# %% wrong: the variance for the spread
# hint: The distance is divided by the variance. A Gaussian is standardised by its standard deviation, `S`.
#- / S
#+ / S**2

# %% wrong: no constant
# hint: The Gaussian's constant, ½ log 2πs² for each number, is missing: without it the density does not integrate to 1.
#-  - 0.5 * torch.log(torch.tensor(2 * torch.pi * S**2))
#+

# %% wrong: mean over the numbers
# hint: You average over the numbers of an image. Within a class they are independent, so their log-densities add up.
#- log_pixels.sum(-1)
#+ log_pixels.mean(-1)

# %% wrong: the half of the square
# hint: The one half in front of the squared distance is missing.
#- -0.5 * standard
#+ -standard

# %% wrong: the classes mixed before the distance
# hint: You averaged the means of the classes and took one Gaussian around that average. A mixture of densities is not the density of a mixed mean.
def log_mixture(x, log_weights, means):
    middle = (log_weights.exp()[:, None] * means).sum(0)
    return torch.distributions.Normal(middle, S).log_prob(x).sum(-1)

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
# tolerance: 3e-4, value_far_away 1e-5
# removes: vae_lib.mixture.GaussianMixture.log_joint, vae_lib.mixture.GaussianMixture.log_prob

# %% statement
r"""
A mixture has components $c$ with probabilities $\alpha_c$, its hidden classes. Within class $c$ the numbers of an image are independent,
$x_i \sim \mathcal{N}(m_{ci},\, \sigma_x^2)$, with the standard deviation $\sigma_x = {{S}}$ for all classes.

Write `log_mixture(x, log_weights, means)`: $\log p(x)$ for `x` of shape `(batch, numbers)`, `log_weights` $= \log \alpha_c$ of shape `(classes,)`
and `means` of shape `(classes, numbers)`. Give one number for each image, in nats. It must be right for images a hundred standard deviations away
from every class, whose probability no float can hold.
"""

# %% draws
def draws(rng):
    return {"S": rng.choice([0.4, 0.5, 0.7, 1.5, 1.8])}

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

# %% why
r"""
An image has *one* class, which all of its numbers share. So within a class the log-densities of the numbers add up first, each with its constant
$-\tfrac12 \log 2\pi\sigma_x^2$. Then come the logarithm of the class's probability and, last, the sum over classes:

$$
\log p(x) = \log \sum_c \exp\Big( \log \alpha_c + \sum_i \log \mathcal{N}(x_i;\, m_{ci},\, \sigma_x^2) \Big) .
$$

In the other order, each number would choose a class by itself, which is another model. `logsumexp` takes the largest exponent of an image out of
its sum, so one term is 1 and no float is too small. Two checks: one class gives a plain Gaussian; far from all classes the nearest one decides, and
the others add almost nothing.
"""

# %% inputs
def inputs(rng):
    means = 2 * rng.normal(3, 4)
    x = means[[0, 1, 2, 0, 1]] + S * rng.normal(5, 4)
    return {"x": x, "log_weights": torch.log_softmax(rng.normal(3), 0), "means": means}

# %% probe
def probe(answer, x, log_weights, means):
    line = torch.arange(-1 - 5 * S, 1 + 5 * S, S)  # a step as wide as the spread adds a Gaussian up to nine digits
    plane = torch.cartesian_prod(line, line)
    two = answer(plane, log_weights, means[:, :2].clamp(-1, 1))
    return {"value": answer(x, log_weights, means), "value_far_away": answer(x + 100 * S, log_weights, means),
            "value_of_one_class": answer(x, torch.zeros(1), means[:1]), "area_under_the_density": two.double().exp().sum() * S**2}

# %% laws
def laws(seen, x, log_weights, means):
    yield seen["value"].shape == (5,), "there is one number for each image"
    alone = torch.distributions.Normal(means[0].double(), S).log_prob(x.double()).sum(1)
    near = [0, 3]  # the images that come from this class
    single = (seen["value_of_one_class"] - alone)[near].abs().max() < 1e-2
    yield single, "with one class it is the log-density of a Gaussian", \
        "Begin with one class: its log-density is that of independent Gaussian numbers with the spread `S`, summed over the numbers."
    whole = abs(seen["area_under_the_density"] - 1) < 1e-3
    yield whole, "the density of two numbers integrates to 1", \
        "With one class it is right; look at how the classes come together, each with its weight." if single else \
        "Each class is a density of its own, with the Gaussian's constant once for each number; these densities are added, each times its " \
        "probability."
    joint = torch.distributions.Normal(means.double(), S).log_prob((x + 100 * S).double()[:, None]).sum(-1) + log_weights
    far = (seen["value_far_away"] - joint.logsumexp(1)).abs().max() < 1 + 1e-4 * joint.abs().max()
    yield far, "far away the logarithm of the sum is right", \
        "Near the classes it is right. The exponential of −10,000 is zero in any float, and what is added to it or put in its place is no probability. Add " \
        "up the classes with `torch.logsumexp`." if single and whole else ""

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
# hint: The Gaussian's constant, ½ log 2πσ_x² for each number, is missing: without it the density does not integrate to 1.
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

# %% wrong: equal weights
# hint: Every class counts alike. Their probabilities differ: they are in `log_weights`.
#- log_weights + log_pixels
#+ -torch.log(torch.tensor(float(len(means)))) + log_pixels

# %% wrong: probabilities added to logarithms
# hint: You add the probabilities of the classes to logarithms. A product of probabilities is a sum of logarithms: add `log_weights` as they are.
#- log_weights + log_pixels
#+ log_weights.exp() + log_pixels

# %% wrong: the logarithm taken twice
# hint: `log_weights` are logarithms already. You took another one.
#- log_weights + log_pixels
#+ torch.log(-log_weights) + log_pixels

# %% wrong: the sum of the logarithms
# hint: You add the logarithms of the classes: that multiplies their probabilities. An image comes from one class *or* another: the
#   probabilities are added, and the logarithm is taken once, of their sum.
#- torch.logsumexp(log_joint, dim=1)
#+ log_joint.sum(1)

# %% wrong: the average under the responsibilities
# hint: You average the logarithms of the classes by their responsibilities. Without the entropy of the responsibilities that is less than
#   log p(x). Add up the probabilities of the classes: `torch.logsumexp`.
#- torch.logsumexp(log_joint, dim=1)
#+ (log_joint.softmax(1) * log_joint).sum(1)

# %% wrong: a class for each number
# hint: You mixed the classes number by number, as if each number of an image had a class of its own. An image has one class: first sum over its
#   numbers, then over the classes.
def log_mixture(x, log_weights, means):
    log_pixels = torch.distributions.Normal(means, S).log_prob(x[:, None])
    return torch.logsumexp(log_weights[:, None] + log_pixels, dim=1).sum(-1)

# %% wrong: probabilities, then the logarithm
# hint: Far away the exponentials are 0 in any float, and log 0 is not finite: `torch.logsumexp` adds up
#   without leaving the logarithms.
#- torch.logsumexp(log_joint, dim=1)
#+ log_joint.exp().sum(1).log()

# %% wrong: a spread of one
# hint: You took 1 for the spread. It is `S`, in the distance and in the constant.
def log_mixture(x, log_weights, means):
    return torch.logsumexp(log_weights + torch.distributions.Normal(means, 1.0).log_prob(x[:, None]).sum(-1), dim=1)

# %% wrong: the constant once
# hint: The Gaussian's constant, ½ log 2πσ_x², stands once for each image. It belongs to each number.
#-  - 0.5 * torch.log(torch.tensor(2 * torch.pi * S**2))
#+
#- log_weights + log_pixels.sum(-1)
#+ log_weights + log_pixels.sum(-1) - 0.5 * torch.log(torch.tensor(2 * torch.pi * S**2))

# %% wrong: the variance handed to Normal
# hint: You handed the variance to the Gaussian. `Normal` takes the standard deviation, and `S` is one.
def log_mixture(x, log_weights, means):
    return torch.logsumexp(log_weights + torch.distributions.Normal(means, S**2).log_prob(x[:, None]).sum(-1), dim=1)

# %% wrong: the spread taken for a variance
# hint: You took `S` for the variance. It is the standard deviation: the variance is its square, in the distance and in the constant.
def log_mixture(x, log_weights, means):
    return torch.logsumexp(log_weights + torch.distributions.Normal(means, S**0.5).log_prob(x[:, None]).sum(-1), dim=1)

# %% wrong: the spread not squared in the distance
# alone
# hint: The squared distance is divided by 2σ_x. It is measured against the variance, σ_x².
#- standard = (x[:, None] - means) / S
#+ standard = (x[:, None] - means) / S**0.5

# %% wrong: the spread not squared in the constant
# hint: In the constant the spread is not squared: it is ½ log 2πσ_x² for each number, that is log σ_x + ½ log 2π.
#- torch.pi * S**2
#+ torch.pi * S

# %% wrong: the constant added
# hint: The Gaussian's constant has the wrong sign. The density is divided by σ_x √(2π), so its logarithm is subtracted.
#- - 0.5 * torch.log
#+ + 0.5 * torch.log

# %% wrong: in bits
# hint: These are bits. Asked for are nats, by the natural logarithm.
#- torch.logsumexp(log_joint, dim=1)
#+ torch.logsumexp(log_joint, dim=1) / torch.log(torch.tensor(2.0))

# %% wrong: the mean of the images for each
# hint: Every image gets the mean of all. Each keeps its own number.
#- torch.logsumexp(log_joint, dim=1)
#+ torch.logsumexp(log_joint, dim=1).mean().expand(len(x))

# %% wrong: the constant without its pi
# hint: The ½ log 2π of each number is missing: of the Gaussian's constant you kept the spread alone.
#- 2 * torch.pi * S**2
#+ S**2

# %% wrong: divided by the number of classes too
# hint: You also divide by the number of classes. The weights are probabilities: adding the classes, each times its own, is the average already.
#- return torch.logsumexp(log_joint, dim=1)
#+ return torch.logsumexp(log_joint, dim=1) - torch.log(torch.tensor(float(len(means))))

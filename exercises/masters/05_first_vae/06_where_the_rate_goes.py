# title: Where the rate goes
# chapter: 05_first_vae
# goal: write down an expectation, then measure it on a trained model
# kind: predict
# minutes: 15
# points: 2
# difficulty: 2
# passage: Which latent dimensions are used
# answer: rate_goes
# tolerance: 1e-3, measured 1e-3
# repeats: 1

# %% statement
r"""
The trained network of the chapter has 50 latent dimensions and uses about half of them. Some carry more of the rate than
others. Sort the dimensions by the rate that they carry, averaged over the images `x`. Which share of the whole rate do the
**{{TOP}} dimensions with the most** carry together?

*Predict* first, as a number between 0 and 1, and do not change it afterwards: a wrong prediction costs nothing. If every
used dimension carried the same, what would it be? Then *measure*, to two or three decimals,
and put both into `rate_goes`.
"""

# %% draws
def draws(rng):
    return {"TOP": rng.choice([3, 4, 5, 8, 10]), "FIRST": 100 * rng.integer(0, 15)}

# %% given
from functools import lru_cache

import torch
from vae_lib import data, pretrained

@lru_cache
def trained_and_images(first):
    """The chapter's trained VAE, and 300 binarised validation images of MNIST."""
    return pretrained.load("iwae-mnist"), data.static_binarized("mnist", "validation")[first:first + 300]

# %% starter
model, x = trained_and_images(FIRST)
predicted = ...
measured = ...
rate_goes = {"predicted": predicted, "measured": measured}

# %% solution
model, x = trained_and_images(FIRST)
with torch.no_grad():
    mu, logvar = model.encode(x)
rate = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).mean(0)
predicted = TOP / 25
measured = (rate.sort(descending=True).values[:TOP].sum() / rate.sum()).item()
rate_goes = {"predicted": predicted, "measured": measured}

# %% why
r"""
The KL is a sum over the dimensions, so each has a rate, $\frac12 (\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2)$, averaged over the images. The
sorting comes after this mean: the largest of each image by itself would give a higher share, which no fixed {{TOP}} dimensions reach.

On these images 22 dimensions are used; the other 28 carry less than 0.001 nats together. Equal rates would give {{TOP}}/22, or {{TOP}}/25 with
“about half” of 50. That is the least to predict, as the largest never carry less. In fact the rates fall from 2.7 nats to a quarter of one, of 26
in all. Three dimensions carry about 0.29 of the rate, four 0.37, five 0.44, eight 0.62, ten 0.71.

What differs is how sharply a dimension is told. In all that are used the average of $\mu_j^2 + \sigma_j^2$ is near 1, so the rate is about the
average of $-\log \sigma_j$: 2.7 nats belong to $\sigma_j \approx 0.07$, and 0.25 nats to 0.78. The variance of $\mu_j$ hardly tells 0.07 from
0.2, and so it shows which dimensions are active, not what they carry.
"""

# %% inputs
def inputs(rng):
    return {}

# %% probe
def probe(answer):
    if not isinstance(answer, dict) or not {"predicted", "measured"} <= set(answer):
        raise Problem("type", "`rate_goes` should be a dict with the entries \"predicted\" and \"measured\".")
    if answer["predicted"] is ... or answer["measured"] is ...:
        raise Problem("none", "Predict first, then measure: an entry of `rate_goes` is still `...`.")
    predicted = number(answer["predicted"], "the prediction")
    if not 0 <= predicted <= 1:
        raise Problem("type", "The prediction is a share: a number between 0 and 1.")
    return {"measured": number(answer["measured"], "the measured share")}

# %% laws
def right_share(share, within=1e-3):
    model, x = trained_and_images(FIRST)
    with torch.no_grad():
        mu, logvar = model.encode(x)
    rate = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).mean(0)
    return abs(rate.topk(TOP).values.sum().item() / rate.sum().item() - share) < within * (1 + share)

def laws(seen):
    share = seen["measured"]
    yield 0 <= share <= 1, "a share lies between 0 and 1", "A share is a part over the whole, each at least 0: no per cent, and no rate of a dimension is negative."
    yield not share < TOP / 50, "the largest carry at least as much as any others of their number", \
        "Even if all 50 dimensions carried the same, the share would be larger. Are they sorted downwards, and are all of them added up?"
    if TOP / 50 <= share <= 1 and not right_share(share):
        even = next((n for n in range(TOP, 51) if abs(share - TOP / n) < (6e-4 if 19 < n < 30 else 1e-7)), None)
        near = right_share(share, 0.03)
        yield False, "the share is that of the rate", (
            f"This is {TOP}/{even}, what equal shares of {even} dimensions would give: a prediction. Measure how much each dimension carries." if even else
            "Near, and not it. Are these the 300 images of `x`, and is the rate the closed form with `logvar` as it is? The mean over the images comes first, then the sorting, "
            "and the division last: a mean of shares, or a median, is another number." if near else
            "Work in this order: the KL of each image and dimension, with all of its terms; its mean over the 300 images of `x`; the "
            "largest; their sum over the sum of all 50.")

# %% right: from torch.distributions, in float64
import torch.distributions as td
model, x = trained_and_images(FIRST)
mu, logvar = (one.double() for one in model.encode(x))
each = td.kl_divergence(td.Normal(mu, (logvar / 2).exp()), td.Normal(torch.zeros(50).double(), 1.0)).sum(0)
largest = torch.topk(each, TOP).values
rate_goes = {"predicted": 0.9, "measured": largest.sum() / each.sum()}

# %% right: sorted in plain Python
model, x = trained_and_images(FIRST)
q, prior = model.posterior(x).base_dist, model.prior().base_dist
nats = sorted(torch.distributions.kl_divergence(q, prior).mean(0).tolist())
rate_goes = {"predicted": 0, "measured": sum(nats[-TOP:]) / sum(nats)}

# %% wrong: by the variance of the means
# hint: You took the share of the variance (or of the squares) of mu. It says which dimensions are active; the rate of a
#   dimension also counts how sharply q is drawn, by σ² and log σ².
#- rate = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).mean(0)
#+ rate = mu.var(0)

# %% wrong: the first dimensions
# hint: You took the first dimensions in the network's order, which means nothing. Sort by the rate.
#- rate.sort(descending=True).values[:TOP]
#+ rate[:TOP]

# %% wrong: the smallest
# hint: You took the dimensions that carry least: `sort` goes upwards.
#- rate.sort(descending=True).values
#+ rate.sort().values

# %% wrong: nats and no share
# hint: This is the rate of those dimensions in nats. The share is that number over the rate of all dimensions.
#- / rate.sum())
#+ )

# %% wrong: per cent
# hint: This is the share in per cent. Give it as a number between 0 and 1.
#- measured = (rate
#+ measured = 100 * (rate

# %% wrong: sorted image by image
# hint: You sorted within each image and averaged afterwards. Which dimensions carry most is asked of the average over the
#   images: take the mean first.
def _largest(rate):
    return rate.sort(dim=1, descending=True).values[:, :TOP].sum()

model, x = trained_and_images(FIRST)
with torch.no_grad():
    mu, logvar = model.encode(x)
rate = 0.5 * (mu.square() + logvar.exp() - 1 - logvar)
rate_goes = {"predicted": 0.5, "measured": (_largest(rate) / rate.sum()).item()}

# %% wrong: the share of every image, averaged
# hint: You took the share of each image, with the largest of that image, and averaged the shares. Take the mean of the rates over the images first; then sort, then divide.
model, x = trained_and_images(FIRST)
with torch.no_grad():
    mu, logvar = model.encode(x)
each = 0.5 * (mu.square() + logvar.exp() - 1 - logvar)
rate_goes = {"predicted": 0.5, "measured": (each.topk(TOP, 1).values.sum(1) / each.sum(1)).mean().item()}

# %% wrong: one dimension more
# hint: You counted one dimension too many.
#- .values[:TOP]
#+ .values[:TOP + 1]

# %% wrong: one dimension less
# hint: You counted one dimension too few.
#- .values[:TOP]
#+ .values[:TOP - 1]

# %% wrong: all but the largest
# hint: This is the share of all the other dimensions. Asked for is that of the largest.
#- .values[:TOP]
#+ .values[TOP:]

# %% wrong: over the rest
# hint: You divided by the rate of the other dimensions. A share is over the whole.
#- / rate.sum())
#+ / (rate.sum() - rate.sort(descending=True).values[:TOP].sum()))

# %% wrong: the mean of the largest
# hint: You averaged the largest instead of adding them up: this is the share of one of them.
#- .values[:TOP].sum()
#+ .values[:TOP].mean()

# %% wrong: the logarithm is left out
# hint: The rate misses log σ². Without it a dimension seems to have a negative rate where q is narrow.
#- - 1 - logvar).mean(0)
#+ - 1).mean(0)

# %% wrong: the sign of the logarithm
# hint: In the rate, log σ² has the wrong sign: a narrow q must cost more.
#- - 1 - logvar).mean(0)
#+ - 1 + logvar).mean(0)

# %% wrong: of averaged parameters
# hint: You averaged mu and log σ² over the images first. The mean of a KL is not the KL of the means: take the KL of each image, then average.
model, x = trained_and_images(FIRST)
with torch.no_grad():
    mu, logvar = model.encode(x)
m, s = mu.mean(0), logvar.mean(0)
each = 0.5 * (m.square() + s.exp() - 1 - s)
rate_goes = {"predicted": 0.5, "measured": (each.topk(TOP).values.sum() / each.sum()).item()}

# %% wrong: one image
# hint: This is the share for the first image alone. Average the rates over all images of `x`.
model, x = trained_and_images(FIRST)
with torch.no_grad():
    mu, logvar = model.encode(x[:1])
rate = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).mean(0)
rate_goes = {"predicted": 0.5, "measured": (rate.topk(TOP).values.sum() / rate.sum()).item()}

# %% wrong: the images sorted
# hint: You added up over the dimensions and sorted the images. Average over the images, dimension 0, and sort the 50 dimensions.
model, x = trained_and_images(FIRST)
with torch.no_grad():
    mu, logvar = model.encode(x)
each = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)
rate_goes = {"predicted": 0.5, "measured": (each.topk(TOP).values.sum() / each.sum()).item()}

# %% wrong: the variance of z
# hint: You took the share of the variance of z. It is near 1 in each dimension; the rate is a KL divergence, in nats.
#- rate = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).mean(0)
#+ rate = mu.var(0) + logvar.exp().mean(0)

# %% wrong: logvar read as log sigma
# hint: A term is a little off: log σ² read as log σ, or halved, or the rate of draws of z. The closed form holds the exponential of `logvar`, and `logvar` itself.
#- (mu.square() + logvar.exp() - 1 - logvar).mean(0)
#+ (mu.square() + (2 * logvar).exp() - 1 - 2 * logvar).mean(0)

# %% wrong: as if all used dimensions carried the same
# hint: This is what equal shares of about 25 used dimensions would give: a prediction. Measure it on the trained model.
rate_goes = {"predicted": 0.5, "measured": TOP / 25}

# %% wrong: as if all dimensions carried the same
# hint: This is what equal shares of all 50 dimensions would give: a prediction. Measure it on the trained model.
rate_goes = {"predicted": 0.5, "measured": TOP / 50}

# %% wrong: the other direction
# hint: This is KL(p ‖ q), from the prior to the posterior. The rate is KL(q ‖ p), an average under q.
#- (mu.square() + logvar.exp() - 1 - logvar).mean(0)
#+ ((mu.square() + 1) / logvar.exp() - 1 + logvar).mean(0)

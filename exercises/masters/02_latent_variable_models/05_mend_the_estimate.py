# title: Mend an estimate of log p(x)
# chapter: 02_latent_variable_models
# goal: find faults in a Monte Carlo estimate that gives plausible numbers
# kind: mend
# minutes: 15
# points: 3
# difficulty: 2
# passage: By random draws
# answer: estimate
# returns: tensor
# plant: 2
# tolerance: 4e-4
# removes: vae_lib.vae.VAE.log_prob, vae_lib.exact.log_prob_by_quadrature

# %% statement
r"""
`estimate` should estimate $\log p(x)$ of binary images by draws from the prior: $p(x)$ is the average of $p(x \mid z)$ over
$z \sim \mathcal{N}(0, I)$. `decoder` gives logits, `z` holds the draws, `(draws, z_dim)`, and `x` the images, `(batch, pixels)`. One number for each
image, in nats, and right, not only finite, where the decoder is sure of a pixel (logits of ±100 and more). The code has **two faults**. Mend them.
"""

# %% given
import math

import torch
import torch.nn.functional as F

# %% solution
def estimate(decoder, x, z):
    """log of the average of p(x|z) over the draws z, (batch,) nats."""
    logits = decoder(z)[:, None]
    log_pixels = x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)
    log_px_z = log_pixels.sum(-1)
    log_sum = torch.logsumexp(log_px_z, dim=0)
    return log_sum - math.log(len(z))

# %% why
r"""
From the inside to the outside: the log-probability of a pixel from its logit, by `logsigmoid`, which stays exact where a probability rounds to 0 or
1; the *sum* over the pixels of an image, under one $z$; then the logarithm of the average of the *probabilities* over the draws, `logsumexp` less
$\log$ of their number. The average of the logarithms would be lower, by Jensen's inequality. It answers another question: how well one draw
explains the image, on average.

Two checks find most faults. With a decoder that ignores $z$ there is nothing to average, and the number must be $\log p(x)$ exactly, for one draw
as for a thousand. With two draws, of which one explains nothing, it must be the better logarithm less $\log 2$.
"""

# %% inputs
def inputs(rng):
    return {"x": rng.bits(4, 6), "z": rng.normal(9, 2), "weight": rng.normal(2, 6)}

# %% probe
def probe(answer, x, z, weight):
    return {"value": answer(lambda z: z @ weight, x, z), "value_of_one_draw": answer(lambda z: z @ weight, x, z[:1]),
            "value_of_sure_pixels": answer(lambda z: 300 * z @ weight, x, z)}

# %% laws
def laws(seen, x, z, weight):
    yield seen["value"].shape == (4,), "there is one number for each image"
    yield (seen["value"] <= 1e-5).all(), "a log-probability of pixels is never above 0", \
        "Each of the two cases, a light pixel and a dark one, has a log-probability of at most 0."
    first = -torch.nn.functional.binary_cross_entropy_with_logits((z[:1] @ weight).expand_as(x), x, reduction="none").sum(1)
    yield (seen["value_of_one_draw"] - first).abs().max() < 1e-3, "with one draw it is log p(x|z)", \
        "Begin with one draw, where nothing is averaged: what is left is log p(x|z), summed over pixels that are 1 or 0."
    p = torch.sigmoid((z @ weight).double())[:, None]
    right = torch.where(x == 1, p, 1 - p).prod(-1).mean(0).log()
    yield (seen["value"] - right).abs().max() < 1e-2, "with many draws the probabilities are averaged", \
        "log p(x|z) of a single draw is right. Look at how the draws come together: the logarithm of the mean of their probabilities."
    cut = "With sure pixels a probability is rounded to 0 or 1, or cut off (`clamp`, `eps`), before its logarithm is taken. For a pixel, `logsigmoid` gives the " \
        "logarithm from the logit itself, for ±logit; over the draws, `logsumexp` adds up without leaving the logarithms."
    logits = (300 * z @ weight).double()[:, None]
    sure = torch.logsumexp(-torch.nn.functional.softplus(torch.where(x == 1, -logits, logits)).sum(-1), 0) - math.log(len(z))
    yield (seen["value_of_sure_pixels"] - sure).abs().max() < 1 + 1e-3 * sure.abs().max(), "it is right where the decoder is sure", \
        cut if (seen["value"] - right).abs().max() < 1e-2 else ""

# %% right: from torch.distributions
import torch.distributions as td

def estimate(decoder, x, z):
    p = td.Independent(td.Bernoulli(logits=decoder(z).unsqueeze(1)), 1)
    return p.log_prob(x).logsumexp(0) - torch.tensor(float(z.shape[0])).log()

# %% right: draw by draw, in float64
def estimate(decoder, x, z):
    total = torch.full((len(x),), -math.inf, dtype=torch.float64)
    for logits in decoder(z).double():
        total = torch.logaddexp(total, (x * logits - F.softplus(logits)).sum(1))
    return total - math.log(len(z))

# %% wrong: the mean of the logarithms
# hint: The logarithms are averaged. p(x) is the average of the probabilities; its logarithm is larger than the average of the logarithms.
#- log_sum = torch.logsumexp(log_px_z, dim=0)
#+ log_sum = log_px_z.mean(0) + math.log(len(z))

# %% wrong: a sum and no mean
# hint: The draws are added and not averaged: the logarithm of their number is missing.
#- log_sum - math.log(len(z))
#+ log_sum

# %% wrong: mean over the pixels
# hint: The pixels are averaged. Given z they are independent, so their log-probabilities add up.
#- log_pixels.sum(-1)
#+ log_pixels.mean(-1)

# %% wrong: dark pixels are free
# hint: Dark pixels cost nothing: the case x = 0 is missing.
#-  + (1 - x) * F.logsigmoid(-logits)
#+

# %% wrong: logits taken for probabilities twice
# hint: A sigmoid is taken twice: the decoder's logits are made probabilities once, inside `logsigmoid`.
#- logits = decoder(z)[:, None]
#+ logits = torch.sigmoid(decoder(z))[:, None]

# %% wrong: averaged over the images
# hint: The images are counted in place of the draws: the average is over z.
#- math.log(len(z))
#+ math.log(len(x))

# %% wrong: the best draw alone
# hint: Only the best draw counts. The average has all of them.
#- torch.logsumexp(log_px_z, dim=0)
#+ log_px_z.amax(0)

# %% wrong: light and dark the wrong way round
# hint: Light and dark pixels are the wrong way round: a large logit should make a 1 probable.
#- x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)
#+ x * F.logsigmoid(-logits) + (1 - x) * F.logsigmoid(logits)

# %% wrong: a dark pixel as probable as a light one
# hint: Dark pixels get the probability of light ones. The probability of a 0 is sigmoid(−logit): the minus is missing inside.
def estimate(decoder, x, z):
    logits = decoder(z)[:, None]
    log_pixels = F.logsigmoid(logits) * torch.ones_like(x)
    return torch.logsumexp(log_pixels.sum(-1), dim=0) - math.log(len(z))

# %% wrong: one minus a logarithm
# hint: You wrote 1 minus a logarithm for the dark pixels. It is the probability that is taken from 1: log(1 − p), which is `logsigmoid` of −logit.
def estimate(decoder, x, z):
    logits = decoder(z)[:, None]
    log_pixels = x * F.logsigmoid(logits) + (1 - x) * (1 - F.logsigmoid(logits))
    return torch.logsumexp(log_pixels.sum(-1), dim=0) - math.log(len(z))

# %% wrong: dark pixels are subtracted
# hint: The logarithm for the dark pixels is subtracted. Both cases are log-probabilities and are added.
def estimate(decoder, x, z):
    logits = decoder(z)[:, None]
    log_pixels = x * F.logsigmoid(logits) - (1 - x) * F.logsigmoid(-logits)
    return torch.logsumexp(log_pixels.sum(-1), dim=0) - math.log(len(z))

# %% wrong: the minus outside
# hint: For dark pixels the minus stands in front of the logarithm. It belongs inside, to the logit.
def estimate(decoder, x, z):
    logits = decoder(z)[:, None]
    log_pixels = x * F.logsigmoid(logits) - (1 - x) * F.logsigmoid(logits)
    return torch.logsumexp(log_pixels.sum(-1), dim=0) - math.log(len(z))

# %% wrong: a squared error
# hint: You took a squared error. Binary pixels have the likelihood of a coin: log p where the pixel is 1, log(1 − p) where it is 0.
def estimate(decoder, x, z):
    logits = decoder(z)[:, None]
    log_pixels = -0.5 * (x - logits.sigmoid()).square()
    return torch.logsumexp(log_pixels.sum(-1), dim=0) - math.log(len(z))

# %% wrong: averaged pixel by pixel
# hint: You average over the draws pixel by pixel, before the pixels are multiplied. Pixels are independent given z only: first sum their logarithms for
#   each draw, then average over the draws.
def estimate(decoder, x, z):
    logits = decoder(z)[:, None]
    log_pixels = x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)
    return (torch.logsumexp(log_pixels, dim=0) - math.log(len(z))).sum(-1)

# %% wrong: the logarithm divided
# hint: You divided the logarithm of the sum by the number of draws. To divide the sum, subtract the logarithm of that number.
def estimate(decoder, x, z):
    logits = decoder(z)[:, None]
    log_pixels = x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)
    return torch.logsumexp(log_pixels.sum(-1), dim=0) / len(z)

# %% wrong: the number for its logarithm
# hint: You subtracted the number of draws. In logarithms one divides by subtracting its logarithm.
def estimate(decoder, x, z):
    logits = decoder(z)[:, None]
    log_pixels = x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)
    return torch.logsumexp(log_pixels.sum(-1), dim=0) - len(z)

# %% wrong: the prior counted twice
# hint: You added log p(z) to each draw. The draws come from the prior already: it is in how often they come, and must not weigh them again.
def estimate(decoder, x, z):
    logits = decoder(z)[:, None]
    log_pixels = x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)
    log_prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)[:, None]
    return torch.logsumexp(log_pixels.sum(-1) + log_prior, dim=0) - math.log(len(z))

# %% wrong: the mean of the logits
# hint: You averaged the logits of the draws and took one probability. Each draw has its own probability of the image; those are averaged.
def estimate(decoder, x, z):
    logits = decoder(z).mean(0)
    return (x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)).sum(-1)

# %% wrong: the mean of the logits, and a number of draws
# hint: You averaged the logits of the draws first. Each draw has its own probability of the image: those are averaged, and nothing before.
def estimate(decoder, x, z):
    logits = decoder(z).mean(0)
    return (x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)).sum(-1) - math.log(len(z))

# %% wrong: out of the logarithms and back
# alone
# hint: With sure pixels log p(x|z) is so low that its exponential is 0 in any float, and the logarithm of 0 is not finite. `torch.logsumexp` adds up
#   without leaving the logarithms.
#- torch.logsumexp(log_px_z, dim=0)
#+ log_px_z.exp().sum(0).log()

# %% wrong: the best draw, not divided
# alone
# hint: You gave log p(x|z) of the best draw. p(x) is the average over all draws.
#- torch.logsumexp(log_px_z, dim=0)
#+ log_px_z.amax(0)
#- log_sum - math.log(len(z))
#+ log_sum

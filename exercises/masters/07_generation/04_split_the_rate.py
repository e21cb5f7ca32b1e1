# title: What a code tells, and what the prior wastes
# chapter: 07_generation
# goal: split the rate at given draws, for a prior of another width
# kind: implement
# minutes: 20
# points: 3
# difficulty: 2
# passage: Where the codes lie
# answer: split
# returns: tensor, tensor
# tolerance: 3e-4
# removes: vae_lib.generation.rate_split, vae_lib.generation.AggregatePosterior.log_prob

# %% statement
r"""
The prior of a model is $\mathcal{N}(0, s^2 I)$ with $s = {{SPREAD}}$. Its posteriors have the parameters `mu` and `logvar` $= \log \sigma^2$, of shape
`(images, z_dim)`. Draw one $z$ for each image with the noise `eps` of the same shape, and split the rate at this $z$:

`split(mu, logvar, eps)` gives $\log q(z \mid x) - \log q(z)$ and $\log q(z) - \log p(z)$, each `(images,)` nats. $q(z)$ is the aggregate posterior of
all these images, the image's own one among them.

*Check yourself first:* how large can the first number be, if there are $N$ images?
"""

# %% draws
def draws(rng):
    return {"SPREAD": rng.choice([0.6, 0.8, 1.25, 1.5, 2.0])}

# %% given
import math

import torch

# %% starter
def split(mu, logvar, eps):
    """log q(z|x) - log q(z) and log q(z) - log p(z) at one draw for each image, (images,) nats each."""
    ...

# %% solution
def split(mu, logvar, eps):
    """log q(z|x) - log q(z) and log q(z) - log p(z) at one draw for each image, (images,) nats each."""
    z = mu + torch.exp(0.5 * logvar) * eps
    standard = (z[:, None] - mu) * torch.exp(-0.5 * logvar)
    log_each = (-0.5 * standard.square() - 0.5 * logvar - 0.5 * math.log(2 * math.pi)).sum(2)
    log_own = log_each.diag()
    log_q = torch.logsumexp(log_each, dim=1) - math.log(len(mu))
    log_p = (-0.5 * (z / SPREAD).square() - math.log(SPREAD) - 0.5 * math.log(2 * math.pi)).sum(1)
    return log_own - log_q, log_q - log_p

# %% why
r"""
Hold one $z$ fixed. $q(z)$ is the mean of $N$ densities there, so $\log q(z)$ is the `logsumexp` of the $N$ log-densities, less $\log N$. Each of
them is first summed over the dimensions: a mean of products is no product of means. $\log q(z \mid x)$ of the own image stands on the diagonal.
The prior, and with it $s$, enters the second number alone.

The own density is one of the $N$, none of which is negative: $q(z) \ge q(z \mid x) / N$. So the first number is at most $\log N$. It comes near
that where no other posterior has density at $z$, and is 0 where all are alike. At one draw each number may be negative; their averages, $I(n; z)$
and $\mathrm{KL}(q(z)\,\Vert\,p(z))$, are not.

The two add up to $\log q(z \mid x) - \log p(z)$, whatever stands for $q(z)$. A mistake in $q(z)$ only moves nats from one part to the other, so
the sum does not show it. And where posteriors hardly overlap, as in the chapter's 50 dimensions, the first part is $\log N$ for any model: it
counts images.
"""

# %% inputs
def inputs(rng):
    return {"mu": 1.2 * rng.normal(7, 3), "logvar": 0.7 * rng.normal(7, 3) - 0.7, "eps": rng.normal(7, 3)}

# %% probe
def probe(answer, mu, logvar, eps):
    tells, wastes = answer(mu, logvar, eps)
    same, _ = answer(mu[:1].expand(7, -1).contiguous(), logvar[:1].expand(7, -1).contiguous(), eps)
    apart, _ = answer(50 * torch.arange(7.0)[:, None].expand(7, 3).contiguous(), logvar, eps)
    return {"what_the_code_tells": tells, "what_the_prior_wastes": wastes, "told_where_all_posteriors_are_alike": same,
            "told_where_they_are_far_apart": apart}

# %% laws
def laws(seen, mu, logvar, eps):
    yield seen["what_the_code_tells"].shape == (7,), "there is one number for each image"
    yield (seen["what_the_code_tells"] < math.log(7) + 1e-3).all(), "a code tells at most log N nats of its image's number"
    yield seen["told_where_all_posteriors_are_alike"].abs().max() < 1e-3, "a code tells nothing where all posteriors are alike"
    yield (seen["told_where_they_are_far_apart"] - math.log(7)).abs().max() < 1e-3, \
        "it tells log N where the posteriors are far apart", \
        "Take posteriors that lie far apart: at a draw, all but the own one have no density. Which multiple of the own density is q(z) there?"

# %% right: from torch.distributions
import torch.distributions as td

def split(mu, logvar, eps):
    posteriors = td.Independent(td.Normal(mu, (logvar / 2).exp()), 1)
    aggregate = td.MixtureSameFamily(td.Categorical(logits=torch.zeros(len(mu))), posteriors)
    z = mu + posteriors.base_dist.stddev * eps
    log_q = aggregate.log_prob(z)
    return posteriors.log_prob(z) - log_q, log_q - td.Normal(0.0, SPREAD).log_prob(z).sum(-1)

# %% right: image by image, in float64
def split(mu, logvar, eps):
    mu, sigma, tells, wastes = mu.double(), (logvar.double() / 2).exp(), [], []
    for k, noise in enumerate(eps.double()):
        z = mu[k] + sigma[k] * noise
        log_each = -(((z - mu) / sigma) ** 2).sum(1) / 2 - sigma.log().sum(1)
        log_ratio = torch.logsumexp(log_each - log_each[k], 0) - math.log(len(mu))
        tells.append(-log_ratio)
        rate = log_each[k] + ((z / SPREAD) ** 2).sum() / 2 + len(z) * math.log(SPREAD)
        wastes.append(rate + log_ratio)
    return torch.stack(tells), torch.stack(wastes)

# %% wrong: the sum over the images is no mean
# hint: q(z) is the mean of the posteriors and not their sum: divide by the number of images. As it stands, a code never tells anything.
#-  - math.log(len(mu))
#+

# %% wrong: the mean of the logarithms
# hint: You average the logarithms of the posteriors. q(z) is the mean of the densities, and the logarithm is taken of that mean.
#- torch.logsumexp(log_each, dim=1) - math.log(len(mu))
#+ log_each.mean(1)

# %% wrong: the sum over the draws
# hint: The sum goes over the draws, under one posterior. For q(z) hold one draw fixed and go through the posteriors of all images.
#- torch.logsumexp(log_each, dim=1)
#+ torch.logsumexp(log_each, dim=0)

# %% wrong: without the own image
# hint: You left the image itself out of q(z). The aggregate posterior is the mean over all images, the own one too; without it, the first
#   number has no bound.
def split(mu, logvar, eps):
    z = mu + torch.exp(0.5 * logvar) * eps
    log_each = torch.distributions.Normal(mu, torch.exp(0.5 * logvar)).log_prob(z[:, None]).sum(2)
    log_q = torch.logsumexp(log_each - 1e9 * torch.eye(len(mu)), dim=1) - math.log(len(mu) - 1)
    log_p = torch.distributions.Normal(0.0, SPREAD).log_prob(z).sum(1)
    return log_each.diag() - log_q, log_q - log_p

# %% wrong: the mean in place of a draw
# hint: The noise is not used: z is the mean of its posterior. The rate is an average over draws.
#- z = mu + torch.exp(0.5 * logvar) * eps
#+ z = mu

# %% wrong: the prior N(0, I)
# hint: The first number is right. For the second you used the prior N(0, I); here it has the standard deviation `SPREAD`.
#- (-0.5 * (z / SPREAD).square() - math.log(SPREAD) - 0.5 * math.log(2 * math.pi))
#+ (-0.5 * z.square() - 0.5 * math.log(2 * math.pi))

# %% wrong: the variance for the spread
# hint: The distances from the means are divided by the variance. A Gaussian is standardised by its standard deviation.
#- torch.exp(-0.5 * logvar)
#+ torch.exp(-logvar)

# %% wrong: the nearest posterior alone
# hint: You took the largest of the posteriors' densities for their sum. Several posteriors overlap at a draw, and all add up.
#- torch.logsumexp(log_each, dim=1)
#+ log_each.amax(1)

# %% wrong: the signs
# hint: Both numbers have the wrong sign.
#- return log_own - log_q, log_q - log_p
#+ return log_q - log_own, log_p - log_q

# %% wrong: the whole rate in place of the waste
# hint: The first number is right. The second is the whole rate, log q(z|x) − log p(z): the part that the code tells is still in it.
#- log_q - log_p
#+ log_own - log_p

# %% wrong: the square of s for a standard deviation
# hint: The first number is right. For the second you gave s² as the standard deviation of the prior. Its variance is s²: the standard
#   deviation is `SPREAD`.
#- (z / SPREAD).square() - math.log(SPREAD)
#+ (z / SPREAD**2).square() - 2 * math.log(SPREAD)

# %% wrong: s for a variance
# hint: The first number is right. For the second you took s as the variance of the prior; N(0, s² I) has the standard deviation `SPREAD`.
#- (z / SPREAD).square() - math.log(SPREAD)
#+ z.square() / SPREAD - 0.5 * math.log(SPREAD)

# %% wrong: the variance for the deviation, everywhere
# hint: You took exp(`logvar`) for the standard deviation of a posterior, in the draw and in the densities. It is σ²; σ is exp(`logvar` /
#   2).
#- z = mu + torch.exp(0.5 * logvar) * eps
#+ z = mu + torch.exp(logvar) * eps
#- torch.exp(-0.5 * logvar)
#+ torch.exp(-logvar)
#- - 0.5 * logvar - 0.5 * math
#+ - logvar - 0.5 * math

# %% wrong: one Gaussian for the aggregate
# hint: You took one Gaussian for q(z). The aggregate posterior is a mixture: the mean of all the posteriors' densities at the draw.
#- torch.logsumexp(log_each, dim=1) - math.log(len(mu))
#+ torch.distributions.Normal(mu.mean(0), (mu.var(0, correction=0) + logvar.exp().mean(0)).sqrt()).log_prob(z).sum(1)

# %% wrong: the two exchanged
# hint: Both numbers are right, but they stand in each other's place: what the code tells, log q(z|x) − log q(z), comes first.
#- return log_own - log_q, log_q - log_p
#+ return log_q - log_p, log_own - log_q

# %% wrong: a mixture in each dimension
# hint: You mix the posteriors in each dimension by itself. That allows the first number of one image with the second of another: add up the
#   dimensions of each posterior first, then mix.
def split(mu, logvar, eps):
    z = mu + torch.exp(0.5 * logvar) * eps
    log_each = torch.distributions.Normal(mu, torch.exp(0.5 * logvar)).log_prob(z[:, None])
    log_q = (torch.logsumexp(log_each, dim=1) - math.log(len(mu))).sum(1)
    return log_each.sum(2).diag() - log_q, log_q - torch.distributions.Normal(0.0, SPREAD).log_prob(z).sum(1)

# %% wrong: the variance for the spread of the draw
# hint: z is drawn with σ² where σ belongs, and the densities are those of the right σ. The exponent of the draw needs its one half.
#- torch.exp(0.5 * logvar) * eps
#+ torch.exp(logvar) * eps

# %% wrong: the whole rate in place of what the code tells
# hint: The second number is right. The first is the whole rate, log q(z|x) − log p(z): the part that the prior wastes is still in it.
#- return log_own - log_q, log_q
#+ return log_own - log_p, log_q

# %% wrong: means over the dimensions
# hint: You average the logarithms over the latent dimensions. The dimensions of a Gaussian with a diagonal covariance are independent, so that their
#   logarithms add up.
def split(mu, logvar, eps):
    z = mu + torch.exp(0.5 * logvar) * eps
    log_each = torch.distributions.Normal(mu, torch.exp(0.5 * logvar)).log_prob(z[:, None]).mean(2)
    log_q = torch.logsumexp(log_each, dim=1) - math.log(len(mu))
    return log_each.diag() - log_q, log_q - torch.distributions.Normal(0.0, SPREAD).log_prob(z).mean(1)

# %% wrong: the prior's log s is missing
# hint: The first number is right. In the second, the density of the prior misses the logarithm of its standard deviation, once for each dimension.
#-  - math.log(SPREAD)
#+

# %% wrong: the closed form for the rate
# hint: The first number is right. For the second you took the rate in closed form, an average over all draws. Asked for is the split at this one z.
#- return log_own - log_q, log_q - log_p
#+ rate = 0.5 * ((mu.square() + logvar.exp()) / SPREAD**2 - 1 - logvar + 2 * math.log(SPREAD)).sum(1)
#+     return log_own - log_q, rate - (log_own - log_q)

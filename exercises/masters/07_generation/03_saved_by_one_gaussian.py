# title: What one Gaussian saves
# chapter: 07_generation
# goal: find the best Gaussian prior for given posteriors, and its worth in nats
# kind: implement
# minutes: 20
# points: 3
# difficulty: 2
# passage: First cure: fit a prior to the codes
# answer: saved
# returns: tensor
# tolerance: 3e-4

# %% statement
r"""
A model was trained with the prior $\mathcal{N}(0, \tau^2 I)$, $\tau = {{TAU}}$. Its posteriors for $N$ images are Gaussians with `mu` and `logvar` $= \log \sigma^2$, both
`(images, z_dim)`. Now encoder and decoder stay as they are, and the prior may become **any one Gaussian**, with any mean and any covariance
(correlations too).

Which one is best for these images? By how many nats per image does the mean rate fall? Derive it, without drawing a single $z$, and write
`saved(mu, logvar)`: one number, a tensor of shape `()`.

*A hint:* the best Gaussian is the one with the mean and the covariance of $q_\phi(z)$, the average over these $N$ images and over them alone: every
mean has the divisor $N$. An image's number is one randomness in $z$, and its posterior is another.
"""

# %% draws
def draws(rng):
    return {"TAU": rng.choice([0.8, 1.25, 1.5, 2.0, 2.5])}

# %% given
import math

import torch

# %% starter
def saved(mu, logvar):
    """The fall of the mean rate when N(0, TAU² I) gives way to the best Gaussian, () nats per image."""
    ...

# %% solution
def saved(mu, logvar):
    """The fall of the mean rate when N(0, TAU² I) gives way to the best Gaussian, () nats per image."""
    n, d = mu.shape
    mean = mu.mean(0)
    off = mu - mean
    cov = off.T @ off / n + torch.diag(logvar.exp().mean(0))
    before = (mean.square().sum() + cov.trace()) / TAU**2 + 2 * d * math.log(TAU)
    after = d + torch.logdet(cov)
    return 0.5 * (before - after)

# %% why
r"""
In the rate only $-\log p(z)$ changes. For a Gaussian prior its average needs no more than the mean $m$ and the covariance $C$ of $q_\phi(z)$. By
the law of total variance, $C$ is the covariance of the $\mu$ plus the mean of the $\sigma^2$, on the diagonal. Before and after, without the
$\frac d2 \log 2\pi$ of both, the average is

$$
\tfrac12 \big((\lVert m \rVert^2 + \operatorname{tr} C) / \tau^2 + 2 d \log \tau\big)
\quad\text{and}\quad \tfrac12 (d + \log \det C) .
$$

Their difference is $\mathrm{KL}(\mathcal{N}(m, C)\,\Vert\,\mathcal{N}(0, \tau^2 I))$. So it is never negative, and it is 0 where the old prior
has these moments already. In the same way any other Gaussian costs more than the best one, by the KL from $\mathcal{N}(m, C)$ to it. The
covariance of the $\mu$ alone makes one that is too narrow: each draw also has its posterior's noise.

No Gaussian saves $\mathrm{KL}(q_\phi(z)\,\Vert\,\mathcal{N}(m, C))$, the price of the shape. In the chapter's study that is what is wrong with
the prior.
"""

# %% inputs
def inputs(rng):
    return {"mu": rng.normal(6, 3) @ (torch.eye(3) + 0.5 * rng.normal(3, 3)) + 0.6 * rng.normal(3), "logvar": 0.9 * rng.normal(6, 3) - 1}

# %% probe
def probe(answer, mu, logvar):
    cross = TAU * torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    right_already = answer(cross, torch.full((4, 2), math.log(TAU**2 / 2)))
    return {"value": answer(mu, logvar), "value_where_q_has_the_moments_of_the_prior": right_already,
            "value_where_the_means_lie_close": answer(mu.mean(0) + 0.2 * mu, logvar)}

# %% laws
def laws(seen, mu, logvar):
    yield seen["value"].shape == (), "there is one number for all images"
    yield seen["value"] > -1e-4, "the best prior costs no more than the old one"
    # one faulty covariance: in the determinant alone, or wherever the best Gaussian's covariance stands
    d, off = mu.shape[1], mu - mu.mean(0)
    means, noise = off.T @ off / len(mu), torch.diag(logvar.exp().mean(0))
    sigma, log_sigma = torch.exp(0.5 * logvar), torch.diag(logvar.mean(0).exp())
    paid = (mu.square() + logvar.exp()).sum(1).mean() / TAU**2 + 2 * d * math.log(TAU)
    right = abs(seen["value"] - 0.5 * (paid - torch.logdet(means + noise) - d)) < 1e-3
    for cov, hint in ((means, "the covariance of the means alone: a draw of q(z) is a mean and its posterior's noise, and the average of σ² belongs to its covariance"),
                      (noise, "the average of σ² alone: the means differ from image to image, and that spread belongs to the covariance of q(z)"),
                      (means * len(mu) / (len(mu) - 1) + noise, "divided by N − 1 for the means: q(z) is the average over these very images, with the divisor N"),
                      ((means + noise) * len(mu) / (len(mu) - 1), "divided by N − 1: q(z) is the average over these very images, with the divisor N"),
                      (means + torch.diag(sigma.mean(0).square()), "made with the square of the mean σ: variances are averaged, so σ² is"),
                      (means + torch.diag(sigma.mean(0)), "made with the mean of σ: variances add up, so σ² is averaged"),
                      (means + log_sigma, "made with the mean of log σ²: variances are averaged, not their logarithms")):
        value = 0.5 * (paid - torch.logdet(cov) - d)
        true = torch.linalg.solve(cov, means + noise).trace()
        if not right and min(abs(seen["value"] - value), abs(seen["value"] - 0.5 * (paid - torch.logdet(cov) - true))) < 2e-4:
            yield False, "the covariance is that of q(z)", f"The old rate is right. The covariance of your new Gaussian is {hint}."
    yield abs(seen["value_where_q_has_the_moments_of_the_prior"]) < 1e-4, "nothing is saved where the old prior is the best one", \
        "Try four images whose means are ±TAU along each of two axes, with the posterior variance TAU²/2. What are the mean and the " \
        "covariance of a draw of q(z) then, and what do both rates come to?"
    variance = mu.var(0, correction=0) + logvar.exp().mean(0)
    second = mu.square().mean(0) + logvar.exp().mean(0)
    diagonal = 0.5 * (second / TAU**2 + 2 * math.log(TAU) - 1 - variance.log()).sum()
    yield seen["value"] > diagonal - 1e-3, "a Gaussian with correlations saves at least as much as the best one without"

# %% right: a KL from torch.distributions
import torch.distributions as td

def saved(mu, logvar):
    mean = mu.mean(0)
    cov = torch.cov(mu.T, correction=0) + torch.diag_embed(logvar.exp().mean(0))
    best = td.MultivariateNormal(mean, cov)
    return td.kl_divergence(best, td.MultivariateNormal(torch.zeros_like(mean), TAU**2 * torch.eye(len(mean))))

# %% right: two rates, image by image
import torch.distributions as td

def saved(mu, logvar):
    mu, sigma = mu.double(), (logvar.double() / 2).exp()
    second = sum(torch.outer(m, m) + torch.diag(s**2) for m, s in zip(mu, sigma)) / len(mu)
    mean = mu.mean(0)
    old = td.MultivariateNormal(torch.zeros_like(mean), TAU**2 * torch.eye(len(mean)).double())
    new = td.MultivariateNormal(mean, second - torch.outer(mean, mean))
    posteriors = [td.MultivariateNormal(m, torch.diag(s**2)) for m, s in zip(mu, sigma)]
    return sum(td.kl_divergence(q, old) - td.kl_divergence(q, new) for q in posteriors) / len(mu)

# %% right: from singular values
def saved(mu, logvar):
    centred = (mu - mu.mean(0)) / len(mu) ** 0.5
    rows = torch.cat([centred, torch.diag(logvar.exp().mean(0).sqrt())]) / TAU
    values = torch.linalg.svdvals(rows.double())
    return ((mu.mean(0) / TAU).square().sum() + (values.square() - 1 - 2 * values.log()).sum()) / 2

# %% wrong: the means' covariance alone
# hint: You took the covariance of the means. A draw of q(z) is a mean and its posterior's noise: the average of σ² belongs to the covariance too.
#- cov = off.T @ off / n + torch.diag(logvar.exp().mean(0))
#+ cov = off.T @ off / n

# %% wrong: the posteriors' variances alone
# hint: You took the average of the posteriors' variances. Their means differ from image to image, and that spread belongs to the covariance of q(z) too.
#- cov = off.T @ off / n + torch.diag(logvar.exp().mean(0))
#+ cov = torch.diag(logvar.exp().mean(0))

# %% wrong: without correlations
# hint: Your Gaussian has independent dimensions. The means of the posteriors are correlated, and the best Gaussian may follow that.
#- torch.logdet(cov)
#+ cov.diag().log().sum()

# %% wrong: n minus one
# hint: You divide by the number of images minus one. q(z) is the average over these very images: its covariance has the number itself.
#- / n +
#+ / (n - 1) +

# %% wrong: the mean stays at zero
# hint: Your Gaussian keeps its mean at 0: the square of the mean is in its covariance. The best one stands at the mean of the codes.
def saved(mu, logvar):
    second = mu.T @ mu / len(mu) + torch.diag(logvar.exp().mean(0))
    d = mu.shape[1]
    return 0.5 * (second.trace() / TAU**2 + 2 * d * math.log(TAU) - d - torch.logdet(second))

# %% wrong: the square of the mean is forgotten
# hint: The old prior stands at 0 and pays for the mean of the codes: its square is missing from the rate before.
#- (mean.square().sum() + cov.trace()) / TAU**2
#+ cov.trace() / TAU**2

# %% wrong: the mean of the logarithms
# hint: You average log σ² and take the exponential afterwards. Variances are averaged, not their logarithms.
#- torch.diag(logvar.exp().mean(0))
#+ torch.diag(logvar.mean(0).exp())

# %% wrong: the half is forgotten
# hint: This is twice the saving: the one half of the Gaussian's exponent is missing.
#- 0.5 * (before
#+ (before

# %% wrong: the rate before
# hint: This is the mean rate under the old prior, all of it. Asked for is by how much it falls; the best prior has a rate of its own.
def saved(mu, logvar):
    return 0.5 * ((mu.square() + logvar.exp()) / TAU**2 - 1 - logvar + 2 * math.log(TAU)).sum(1).mean()

# %% wrong: measured against N(0, I)
# hint: You compare with the prior N(0, I). The model was trained with the standard deviation `TAU`.
#- / TAU**2 + 2 * d * math.log(TAU)
#+

# %% wrong: tau for a variance
# hint: You took `TAU` for the variance of the old prior. It is the standard deviation: the prior is N(0, TAU² I).
#- / TAU**2 + 2 * d * math.log(TAU)
#+ / TAU + d * math.log(TAU)

# %% wrong: a standard deviation in the covariance
# hint: You put the average of σ into the covariance. Variances add up, standard deviations do not: average σ², which is exp(`logvar`).
#- logvar.exp().mean(0)
#+ (0.5 * logvar).exp().mean(0)

# %% wrong: the square of the mean deviation
# hint: You average σ and square it afterwards. The variance of a draw of q(z) holds the average of σ²: square first.
#- logvar.exp().mean(0)
#+ (0.5 * logvar).exp().mean(0).square()

# %% wrong: the KL the other way round
# hint: This is KL(old prior ‖ best Gaussian). The rates are averages over draws of q(z), which has the moments of the best one: KL(best ‖
#   old).
def saved(mu, logvar):
    d = mu.shape[1]
    cov = torch.cov(mu.T, correction=0) + torch.diag(logvar.exp().mean(0))
    best = torch.distributions.MultivariateNormal(mu.mean(0), cov)
    return torch.distributions.kl_divergence(torch.distributions.MultivariateNormal(torch.zeros(d), TAU**2 * torch.eye(d)), best)

# %% wrong: a Gaussian for each image
# hint: You take a covariance for each image and average what they save. There is one Gaussian for all: average the covariance first, and
#   take its logarithm of the determinant once.
def saved(mu, logvar):
    off = mu - mu.mean(0)
    each = off[:, :, None] * off[:, None, :] + torch.diag_embed(logvar.exp())
    before = (mu.mean(0).square().sum() + each.diagonal(dim1=1, dim2=2).sum(1)) / TAU**2 + 2 * mu.shape[1] * math.log(TAU)
    return 0.5 * (before - mu.shape[1] - torch.logdet(each)).mean()

# %% wrong: what is left
# hint: This is the mean rate that is left under the best Gaussian. Asked for is by how much the rate falls on the way there.
def saved(mu, logvar):
    off = mu - mu.mean(0)
    cov = off.T @ off / len(mu) + torch.diag(logvar.exp().mean(0))
    return 0.5 * (torch.logdet(cov) - logvar.sum(1).mean())

# %% wrong: one variance for all dimensions
# hint: Your Gaussian has the same variance in every dimension and no correlations. The best one may have any covariance: take that of q(z).
#- torch.logdet(cov)
#+ d * (cov.trace() / d).log()

# %% wrong: the square of the mean twice
# hint: The square of the mean stands in your covariance and beside it once more. A covariance is taken around the mean.
#- off = mu - mean
#+ off = mu

# %% wrong: the mean of the precisions
# hint: You average 1/σ² over the images and turn it over afterwards. Variances are averaged as they are.
#- logvar.exp().mean(0)
#+ 1 / (-logvar).exp().mean(0)

# %% wrong: log tau once
# hint: The old prior has the variance τ² in each dimension, so that the logarithm of its determinant holds the logarithm of τ² as often as there are
#   dimensions. You have half of it.
#- 2 * d * math.log(TAU)
#+ d * math.log(TAU)

# %% wrong: log tau is missing
# hint: The logarithm of the old prior's variance is missing in the rate before: without it, something is saved where both priors are the same.
#- + 2 * d * math.log(TAU)
#+

# %% wrong: the sum over the images
# hint: You add up over the images. Asked for are nats per image.
#- return 0.5 * (before - after)
#+ return n * 0.5 * (before - after)

# %% wrong: the mean over the dimensions
# hint: You average over the latent dimensions. The rate of an image is that of all its dimensions together.
#- return 0.5 * (before - after)
#+ return 0.5 * (before - after) / d

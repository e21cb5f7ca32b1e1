# title: What a wrong q loses
# chapter: 03_elbo
# goal: compute the gap of the bound where everything is known
# kind: implement
# minutes: 20
# points: 3
# difficulty: 2
# passage: Second derivation: what the bound loses
# answer: gap
# returns: tensor
# tolerance: 3e-4
# removes: vae_lib.exact.PPCA.posterior

# %% statement
r"""
A model with one latent number: $z \sim \mathcal{N}(0, 1)$, $x \mid z \sim \mathcal{N}({{A}}\,z,\, s^2)$ with $s = {{S}}$. For an $x$, somebody
uses $q(z \mid x) = \mathcal{N}(\mu, \sigma^2)$.

Write `gap(x, mu, sigma)`: how many nats $\mathcal{L}(x)$ lies below $\log p(x)$, exactly. All three arguments have the shape `(n,)`, and so has the
answer.

*Two ways lead there:* the true posterior and a KL divergence; or $\log p(x)$ and the ELBO, each in closed form. Try both on paper.
"""

# %% draws
def draws(rng):
    return {"A": rng.choice([0.5, 1.5, 2.0, -1.5]), "S": rng.choice([0.5, 0.6, 0.8])}

# %% given
import torch

# %% starter
def gap(x, mu, sigma):
    """log p(x) - ELBO(x) for q = N(mu, sigma²), (n,) nats."""
    ...

# %% solution
def gap(x, mu, sigma):
    """log p(x) - ELBO(x) for q = N(mu, sigma²), (n,) nats."""
    precision = 1 + A**2 / S**2
    centre = A * x / S**2 / precision
    variance = torch.ones_like(x) / precision
    return 0.5 * ((sigma**2 + (mu - centre) ** 2) / variance - 1 - torch.log(sigma**2 / variance))

# %% inputs
def inputs(rng):
    return {"x": 1.5 * rng.normal(6), "mu": rng.normal(6), "sigma": rng.uniform(0.2, 1.2, 6)}

# %% probe
def probe(answer, x, mu, sigma):
    v = 1 / (1 + A**2 / S**2)
    return {"gap": answer(x, mu, sigma), "gap_of_the_true_posterior": answer(x, v * A * x / S**2, torch.full_like(x, v**0.5))}

# %% laws
def laws(seen, x, mu, sigma):
    yield seen["gap"].shape == (6,), "there is one number for each x"
    yield (seen["gap"] > -1e-4).all(), "the ELBO never lies above log p(x)"
    yield seen["gap_of_the_true_posterior"].abs().max() < 1e-3, "the true posterior loses nothing"

# %% right: log p(x) minus the ELBO
import math

def gap(x, mu, sigma):
    log_px = torch.distributions.Normal(0.0, math.sqrt(A**2 + S**2)).log_prob(x)
    distortion = 0.5 * math.log(2 * math.pi * S**2) + ((x - A * mu) ** 2 + A**2 * sigma**2) / (2 * S**2)
    rate = 0.5 * (mu**2 + sigma**2 - 1) - torch.log(sigma)
    return log_px + distortion + rate

# %% right: on a grid, in float64
def gap(x, mu, sigma):
    z = torch.linspace(-12, 12, 40_001, dtype=torch.float64)[:, None]
    normal = torch.distributions.Normal
    log_joint = normal(0.0, 1.0).log_prob(z) + normal(A * z, S).log_prob(x.double())
    log_px = torch.logsumexp(log_joint, 0) + torch.log(z[1] - z[0])
    log_q = normal(mu.double(), sigma.double()).log_prob(z)
    return (log_q.exp() * (log_q - log_joint + log_px)).sum(0) * (z[1] - z[0])

# %% wrong: the KL to the prior
# hint: This is the KL to the prior, a part of the bound. The gap is the KL to the true posterior p(z|x).
def gap(x, mu, sigma):
    return 0.5 * (mu**2 + sigma**2 - 1) - torch.log(sigma)

# %% wrong: the other direction
# hint: This is KL(p(z|x) || q). The gap is the average under q of log q − log p(z|x).
#- ((sigma**2 + (mu - centre) ** 2) / variance - 1 - torch.log(sigma**2 / variance))
#+ ((variance + (mu - centre) ** 2) / sigma**2 - 1 - torch.log(variance / sigma**2))

# %% wrong: a posterior without the prior
# hint: Your posterior knows the likelihood only: the prior pulls its mean towards 0 and adds 1 to its precision.
#- precision = 1 + A**2 / S**2
#+ precision = A**2 / S**2

# %% wrong: the mean is not divided by the precision
# hint: The mean of your posterior is not divided by its precision.
#- A * x / S**2 / precision
#+ A * x / S**2

# %% wrong: the half is forgotten
# hint: Every value is twice what it should be: the one half of the Gaussian KL is missing.
#- 0.5 * ((sigma
#+ ((sigma

# %% wrong: the ELBO with its sign
# hint: The gap comes out negative: it is log p(x) minus the ELBO, and not the other way round.
#- return 0.5 *
#+ return -0.5 *

# %% wrong: s for its square
# hint: `S` is a standard deviation. The precision of the likelihood is one over its square.
#- precision = 1 + A**2 / S**2
#+ precision = 1 + A**2 / S

# %% wrong: the means alone
# hint: You compared the means and not the spreads: a q of the right mean and the wrong width loses nats too.
#- ((sigma**2 + (mu - centre) ** 2) / variance - 1 - torch.log(sigma**2 / variance))
#+ ((mu - centre) ** 2 / variance)

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
# removes: vae_lib.exact.PPCA.posterior, vae_lib.exact.PPCA.log_prob

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
    return {"A": rng.choice([1.5, 2.0, -1.5, -2.0]), "S": rng.choice([0.7, 0.6, 0.8])}

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

# %% why
r"""
The gap is the KL divergence from $q$ to the true posterior, so the posterior is what is missing. With $a = {{A}}$ and $s = {{S}}$, collect the
powers of $z$ in the logarithm of the joint density:

$$
-\frac{z^2}{2} - \frac{(x - a z)^2}{2 s^2} = -\frac12 \Big(1 + \frac{a^2}{s^2}\Big) z^2 + \frac{a x}{s^2}\, z + \text{a constant in } z .
$$

This is a Gaussian in $z$. The factor of $-\tfrac12 z^2$ is its precision $1/v$, the factor of $z$ is its mean divided by $v$: so the mean is
$m = v\, a x / s^2$. The average of $(z - m)^2 / v$ under $q$ is $(\sigma^2 + (\mu - m)^2) / v$, and the gap is

$$
\tfrac12 \Big( \frac{\sigma^2 + (\mu - m)^2}{v} - 1 - \log \frac{\sigma^2}{v} \Big) .
$$

The KL divergence to the prior is another one, the rate: it is not zero for the true posterior. Here $v$ is the same for every $x$, and $m$ is linear
in $x$. An encoder with a linear mean and one $\sigma$ can therefore close the gap for all $x$ at once, as in the linear VAE of the chapter.
"""

# %% inputs
def inputs(rng):
    return {"x": 1.5 * rng.normal(6), "mu": rng.normal(6), "sigma": rng.uniform(0.2, 1.2, 6)}

# %% probe
def probe(answer, x, mu, sigma):
    v = 1 / (1 + A**2 / S**2)
    return {"gap": answer(x, mu, sigma), "gap_of_the_true_posterior": answer(x, v * A * x / S**2, torch.full_like(x, v**0.5)),
            "asked_twice": "the same" if torch.equal(answer(x, mu, sigma), answer(x, mu, sigma)) else "another"}

# %% laws
def laws(seen, x, mu, sigma):
    yield seen["gap"].shape == (6,), "there is one number for each x"
    yield seen["asked_twice"] == "the same", "asked twice, the answer is the same", \
        "You draw z. Asked for is the exact number: the average over z in closed form, for which no draw is needed."
    yield (seen["gap"] > -1e-4).all(), "the ELBO never lies above log p(x)", \
        "A gap cannot be below 0. If you took an ELBO from log p(x): check the width of p(x), and that each term of the ELBO is there with its sign. If you wrote a KL: " \
        "check the sign of its logarithm, and the mean and variance of the posterior."
    yield seen["gap_of_the_true_posterior"].abs().max() < 1e-3, "the true posterior loses nothing", \
        "Put the true posterior in for q, on paper: the gap must vanish there. What is left over shows which term is wrong, one of the " \
        "KL, or one of log p(x) and the ELBO."

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

# %% wrong: s for its square throughout
# hint: `S` is a standard deviation, and stands where its square belongs, in the precision and in the mean of the posterior.
#- precision = 1 + A**2 / S**2
#+ precision = 1 + A**2 / S
#- A * x / S**2 / precision
#+ A * x / S / precision

# %% wrong: s for its square in the mean
# hint: In the mean of your posterior x is divided by `S`, a standard deviation. It is divided by the variance.
#- A * x / S**2 / precision
#+ A * x / S / precision

# %% wrong: no square on the factor
# hint: The precision of the likelihood, seen from z, is A²/s²: the factor is squared.
#- precision = 1 + A**2 / S**2
#+ precision = 1 + abs(A) / S**2

# %% wrong: no factor in the mean
# hint: The mean of your posterior lacks the factor of the model: z is looked for where A z is near x.
#- A * x / S**2 / precision
#+ x / S**2 / precision

# %% wrong: no factor at all
# hint: Your posterior is that of the model x = z + noise. Here x = A z + noise: A² stands in the precision and A in the mean.
#- precision = 1 + A**2 / S**2
#+ precision = 1 + 1 / S**2
#- A * x / S**2 / precision
#+ x / S**2 / precision

# %% wrong: x divided by the factor
# hint: Your posterior sits where A z = x, and the prior does not pull on it. Precision and mean have a part of the prior.
#- A * x / S**2 / precision
#+ x / A

# %% wrong: sigma for its square
# hint: You used `sigma` as a variance. It is the standard deviation of q: its square stands in the KL.
#- ((sigma**2 + (mu - centre) ** 2) / variance - 1 - torch.log(sigma**2 / variance))
#+ ((sigma + (mu - centre) ** 2) / variance - 1 - torch.log(sigma / variance))

# %% wrong: a variance handed to Normal
# hint: You handed the variance of the posterior to `Normal`, which takes the standard deviation.
def gap(x, mu, sigma):
    variance = torch.ones_like(x) / (1 + A**2 / S**2)
    centre = variance * A * x / S**2
    normal = torch.distributions.Normal
    return torch.distributions.kl_divergence(normal(mu, sigma), normal(centre, variance))

# %% wrong: the ELBO itself
# hint: This is the ELBO. The gap is log p(x) minus the ELBO.
def gap(x, mu, sigma):
    log_px = torch.distributions.Normal(0.0, (A**2 + S**2) ** 0.5).log_prob(x)
    log_px_z = torch.distributions.Normal(A * mu, S).log_prob(x) - 0.5 * A**2 * sigma**2 / S**2
    rate = 0.5 * (mu**2 + sigma**2 - 1) - torch.log(sigma)
    return log_px_z - rate

# %% wrong: minus the ELBO
# hint: This is the −ELBO. Asked for is how far the ELBO lies below log p(x): add log p(x).
def gap(x, mu, sigma):
    log_px = torch.distributions.Normal(0.0, (A**2 + S**2) ** 0.5).log_prob(x)
    log_px_z = torch.distributions.Normal(A * mu, S).log_prob(x) - 0.5 * A**2 * sigma**2 / S**2
    rate = 0.5 * (mu**2 + sigma**2 - 1) - torch.log(sigma)
    return rate - log_px_z

# %% wrong: log p(x) itself
# hint: This is log p(x). The ELBO is still to be taken off.
def gap(x, mu, sigma):
    log_px = torch.distributions.Normal(0.0, (A**2 + S**2) ** 0.5).log_prob(x)
    log_px_z = torch.distributions.Normal(A * mu, S).log_prob(x) - 0.5 * A**2 * sigma**2 / S**2
    rate = 0.5 * (mu**2 + sigma**2 - 1) - torch.log(sigma)
    return log_px

# %% wrong: the spread of q left out of the distortion
# hint: You took log p(x|z) at z = μ. Its average under q has a part of q's spread too: E[(x − A z)²] is more than (x − A μ)².
def gap(x, mu, sigma):
    log_px = torch.distributions.Normal(0.0, (A**2 + S**2) ** 0.5).log_prob(x)
    log_px_z = torch.distributions.Normal(A * mu, S).log_prob(x) - 0.5 * A**2 * sigma**2 / S**2
    rate = 0.5 * (mu**2 + sigma**2 - 1) - torch.log(sigma)
    return log_px - torch.distributions.Normal(A * mu, S).log_prob(x) + rate

# %% wrong: the spread of q without the factor
# hint: In the average of (x − A z)² the spread of q comes out as σ², without the factor: the variance of A z is A²σ².
def gap(x, mu, sigma):
    log_px = torch.distributions.Normal(0.0, (A**2 + S**2) ** 0.5).log_prob(x)
    log_px_z = torch.distributions.Normal(A * mu, S).log_prob(x) - 0.5 * A**2 * sigma**2 / S**2
    rate = 0.5 * (mu**2 + sigma**2 - 1) - torch.log(sigma)
    return log_px - torch.distributions.Normal(A * mu, S).log_prob(x) + 0.5 * sigma**2 / S**2 + rate

# %% wrong: the factor not squared in p(x)
# hint: Your log p(x) has the variance A + s². The variance of A z is A².
def gap(x, mu, sigma):
    log_px = torch.distributions.Normal(0.0, (A**2 + S**2) ** 0.5).log_prob(x)
    log_px_z = torch.distributions.Normal(A * mu, S).log_prob(x) - 0.5 * A**2 * sigma**2 / S**2
    rate = 0.5 * (mu**2 + sigma**2 - 1) - torch.log(sigma)
    return torch.distributions.Normal(0.0, (abs(A) + S**2) ** 0.5).log_prob(x) - log_px_z + rate

# %% wrong: no factor in p(x)
# hint: Your log p(x) has the variance 1 + s². The variance of A z is A², not 1.
def gap(x, mu, sigma):
    log_px = torch.distributions.Normal(0.0, (A**2 + S**2) ** 0.5).log_prob(x)
    log_px_z = torch.distributions.Normal(A * mu, S).log_prob(x) - 0.5 * A**2 * sigma**2 / S**2
    rate = 0.5 * (mu**2 + sigma**2 - 1) - torch.log(sigma)
    return torch.distributions.Normal(0.0, (1 + S**2) ** 0.5).log_prob(x) - log_px_z + rate

# %% wrong: only the noise in p(x)
# hint: Your log p(x) has the variance of the noise alone. What z contributes is missing: x is a sum of two independent Gaussians.
def gap(x, mu, sigma):
    log_px = torch.distributions.Normal(0.0, (A**2 + S**2) ** 0.5).log_prob(x)
    log_px_z = torch.distributions.Normal(A * mu, S).log_prob(x) - 0.5 * A**2 * sigma**2 / S**2
    rate = 0.5 * (mu**2 + sigma**2 - 1) - torch.log(sigma)
    return torch.distributions.Normal(0.0, S).log_prob(x) - log_px_z + rate

# %% wrong: spreads added in p(x)
# hint: You added the standard deviations for p(x). Variances of independent parts add up.
def gap(x, mu, sigma):
    log_px = torch.distributions.Normal(0.0, (A**2 + S**2) ** 0.5).log_prob(x)
    log_px_z = torch.distributions.Normal(A * mu, S).log_prob(x) - 0.5 * A**2 * sigma**2 / S**2
    rate = 0.5 * (mu**2 + sigma**2 - 1) - torch.log(sigma)
    return torch.distributions.Normal(0.0, abs(A) + S).log_prob(x) - log_px_z + rate

# %% wrong: the rate is forgotten
# hint: The rate is missing from your ELBO: you took the average of log p(x|z) alone.
def gap(x, mu, sigma):
    log_px = torch.distributions.Normal(0.0, (A**2 + S**2) ** 0.5).log_prob(x)
    log_px_z = torch.distributions.Normal(A * mu, S).log_prob(x) - 0.5 * A**2 * sigma**2 / S**2
    rate = 0.5 * (mu**2 + sigma**2 - 1) - torch.log(sigma)
    return log_px - log_px_z

# %% wrong: the rate with the wrong sign
# hint: The rate has the wrong sign in your ELBO: it is a price, and is subtracted from the average of log p(x|z).
def gap(x, mu, sigma):
    log_px = torch.distributions.Normal(0.0, (A**2 + S**2) ** 0.5).log_prob(x)
    log_px_z = torch.distributions.Normal(A * mu, S).log_prob(x) - 0.5 * A**2 * sigma**2 / S**2
    rate = 0.5 * (mu**2 + sigma**2 - 1) - torch.log(sigma)
    return log_px - log_px_z - rate

# %% wrong: half of the logarithm
# hint: The logarithm is that of the standard deviations. Inside ½ ( … ) stands the one of the variances, which is twice as much.
#- torch.log(sigma**2 / variance)
#+ 0.5 * torch.log(sigma**2 / variance)

# %% wrong: the distance of the means not measured
# hint: The squared distance of the means is not divided by the variance of the posterior: how much a distance matters depends on its width.
#- ((sigma**2 + (mu - centre) ** 2) / variance - 1
#+ (sigma**2 / variance + (mu - centre) ** 2 - 1

# %% wrong: a posterior around zero
# hint: Your posterior lies around 0. Its mean follows x.
#- centre = A * x / S**2 / precision
#+ centre = 0 * x

# %% wrong: the spreads alone
# hint: You compared the spreads and not the means.
#- (sigma**2 + (mu - centre) ** 2) / variance
#+ sigma**2 / variance

# %% wrong: no minus one
# hint: The −1 of the Gaussian KL is missing: with q equal to the posterior it is not 0.
#-  - 1 - torch.log
#+  - torch.log

# %% wrong: the variance of x handed to Normal
# hint: In log p(x) you handed the variance of x to `Normal`, which takes the standard deviation.
def gap(x, mu, sigma):
    log_px = torch.distributions.Normal(0.0, A**2 + S**2).log_prob(x)
    log_px_z = torch.distributions.Normal(A * mu, S).log_prob(x) - 0.5 * A**2 * sigma**2 / S**2
    rate = 0.5 * (mu**2 + sigma**2 - 1) - torch.log(sigma)
    return log_px - log_px_z + rate

# %% wrong: the logarithm upside down
# hint: The logarithm of the KL has the wrong sign, or its fraction stands upside down: a very narrow q must lose much, and not little.
#- - 1 - torch.log(sigma**2 / variance)
#+ - 1 + torch.log(sigma**2 / variance)

# %% wrong: the variance of x for the posterior's
# hint: You gave the posterior the variance of x. That of z, once x is known, is smaller than 1: precisions add up, and the variance is one over their sum.
#- precision = 1 + A**2 / S**2
#+ precision = 1 / (A**2 + S**2)
#- A * x / S**2 / precision
#+ A * x / (A**2 + S**2)

# %% wrong: in bits
# hint: The unit is the nat: you divided by log 2.
#- return 0.5 *
#+ return 0.5 / 0.6931471805599453 *

# %% wrong: the half of the rate
# hint: In your ELBO the rate is twice what it should be: its one half is missing.
def gap(x, mu, sigma):
    log_px = torch.distributions.Normal(0.0, (A**2 + S**2) ** 0.5).log_prob(x)
    log_px_z = torch.distributions.Normal(A * mu, S).log_prob(x) - 0.5 * A**2 * sigma**2 / S**2
    rate = 0.5 * (mu**2 + sigma**2 - 1) - torch.log(sigma)
    return log_px - log_px_z + 2 * rate

# %% wrong: half of the logarithm in the rate
# hint: In the rate the logarithm is that of σ. Inside ½ ( … ) stands the one of σ², which is twice as much.
def gap(x, mu, sigma):
    log_px = torch.distributions.Normal(0.0, (A**2 + S**2) ** 0.5).log_prob(x)
    log_px_z = torch.distributions.Normal(A * mu, S).log_prob(x) - 0.5 * A**2 * sigma**2 / S**2
    rate = 0.5 * (mu**2 + sigma**2 - 1) - torch.log(sigma)
    return log_px - log_px_z + rate + 0.5 * torch.log(sigma)

# %% wrong: the factor not squared in the distortion
# hint: In the average of (x − A z)² the spread of q comes out with the factor A. The variance of A z has its square.
def gap(x, mu, sigma):
    log_px = torch.distributions.Normal(0.0, (A**2 + S**2) ** 0.5).log_prob(x)
    log_px_z = torch.distributions.Normal(A * mu, S).log_prob(x) - 0.5 * A**2 * sigma**2 / S**2
    rate = 0.5 * (mu**2 + sigma**2 - 1) - torch.log(sigma)
    return log_px - torch.distributions.Normal(A * mu, S).log_prob(x) + 0.5 * A * sigma**2 / S**2 + rate

# %% wrong: the variance of the prior
# hint: Your posterior has the variance of the prior, 1. What x tells about z makes it narrower.
#- torch.ones_like(x) / precision
#+ torch.ones_like(x)

# %% wrong: compared with p(x)
# hint: You compared q with p(x), the distribution of x. q is a distribution of z: compare it with p(z|x).
def gap(x, mu, sigma):
    variance = A**2 + S**2
    return 0.5 * ((sigma**2 + mu**2) / variance - 1 - torch.log(sigma**2 / variance))

# %% wrong: the noise is left out of p(x)
# hint: Your p(x) is too narrow: its variance is A² + s². The noise adds to what z spreads.
def gap(x, mu, sigma):
    normal = torch.distributions.Normal
    log_px = normal(0.0, abs(A)).log_prob(x)
    distortion = 0.5 * ((x - A * mu) ** 2 + A**2 * sigma**2) / S**2 - normal(0.0, S).log_prob(torch.zeros(()))
    return log_px + distortion + torch.distributions.kl_divergence(normal(mu, sigma), normal(0.0, 1.0))

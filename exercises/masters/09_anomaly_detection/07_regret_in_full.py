# title: Regret, without a step of Adam
# chapter: 09_anomaly_detection
# goal: find the likelihood regret of a linear model exactly, and learn what it cannot see
# kind: implement
# minutes: 25
# points: 3
# difficulty: 3
# passage: Seven scores
# answer: regret
# returns: tensor
# tolerance: 2e-4
# removes: vae_lib.anomaly.likelihood_regret, vae_lib.exact.PPCA.posterior

# %% statement
r"""
The likelihood regret of an image is the ELBO with the best $q$ for it, less the ELBO with the encoder's $q$. The library takes a hundred
steps of Adam to find the best one. Here none is needed. Let $z$ be one number, $z \sim \mathcal{N}(0, 1)$, and
$p(x \mid z) = \mathcal{N}(w z, s^2 I)$ with $s = {{S}}$. The encoder gives $q = \mathcal{N}(\mu, e^{\text{logvar}})$; the best $q$ may be any
Gaussian.

Write `regret(x, mu, logvar, w)` in closed form: `x` is `(batch, pixels)`, `mu` and `logvar` are `(batch,)`, `w` is `(pixels,)`. Give `(batch,)`
nats.

*A way in:* chapter 3 says by how much an ELBO lies below $\log p(x)$. Which $q$ closes that gap here? *Then ask* what the regret of an image becomes if
something is added to it that is orthogonal to $w$, which the decoder can never draw.
"""

# %% draws
def draws(rng):
    return {"S": rng.choice([0.4, 0.5, 0.6, 0.7, 1.4])}

# %% given
import torch

# %% starter
def regret(x, mu, logvar, w):
    """The ELBO of the best Gaussian q less that of N(mu, e^logvar), (batch,) nats."""
    ...

# %% solution
def regret(x, mu, logvar, w):
    """The ELBO of the best Gaussian q less that of N(mu, e^logvar), (batch,) nats."""
    precision = 1 + w.square().sum() / S**2
    best_mu = (x @ w) / S**2 / precision
    shift = (mu - best_mu).square()
    ratio = logvar.exp() * precision
    return 0.5 * (ratio + shift * precision - 1 - ratio.log())

# %% why
r"""
The ELBO lies below $\log p(x)$ by $\mathrm{KL}(q \,\|\, p(z \mid x))$. In this model the posterior is itself a Gaussian, so the best $q$ is the
posterior and its ELBO is $\log p(x)$. So the regret is that KL with the encoder's $q$, and $\log p(x)$ never has to be found.

Collect the terms of $\log p(z) + \log p(x \mid z)$ in $z$: the posterior has the precision $\lambda = 1 + \lVert w \rVert^2 / s^2$ and the mean $m =
w^\top x / (s^2 \lambda)$. With $\sigma^2 = e^{\text{logvar}}$,

$$
\mathrm{KL} = \tfrac{1}{2}\big(\sigma^2 \lambda + (\mu - m)^2 \lambda - 1 - \log(\sigma^2 \lambda)\big) ,
$$

which is 0 where $q$ is the posterior.

Apart from $\mu$ and $\sigma$, the image enters through $w^\top x$ alone. Add something orthogonal to $w$, ever longer, and let the encoder not
notice: the regret stays the same, and $-\log p(x)$ grows without limit. Regret finds images that the encoder handles badly. What this decoder cannot
draw it finds only if that misleads the encoder as well.
"""

# %% inputs
def inputs(rng):
    w = 0.6 * rng.normal(6) + 0.2
    return {"x": rng.normal(5, 6) + 0.5, "mu": rng.normal(5), "logvar": 0.7 * rng.normal(5) - 1, "w": w, "aside": 2 * rng.normal(5, 6)}

# %% probe
def probe(answer, x, mu, logvar, w, aside):
    across = aside - (aside @ w)[:, None] * w / w.square().sum()
    precision = 1 + w.square().sum() / S**2
    at_best = answer(x, x @ w / (S**2 + w.square().sum()), -precision.log().repeat(5), w)
    return {"value": answer(x, mu, logvar, w), "value_with_something_orthogonal_added": answer(x + across, mu, logvar, w),
            "value_at_the_best_q": at_best}

# %% laws
def laws(seen, x, mu, logvar, w, aside):
    yield seen["value"].shape == (5,), "there is one number for each image"
    yield (seen["value"] > -1e-4).all(), "no q is better than the best"
    yield (seen["value_at_the_best_q"].abs() < 1e-3).all(), "it is zero for the best q", \
        "What is q(z) where the ELBO is equal to log p(x)?"
    yield (seen["value"] - seen["value_with_something_orthogonal_added"]).abs().max() < 1e-2, \
        "what the decoder can't draw does not change it", "Both bounds lose the same amount for it."

# %% right: as a difference of two ELBOs
import math

def regret(x, mu, logvar, w):
    def elbo(m, v):
        squares = (x - m[:, None] * w).square().sum(1) + v * w.square().sum()
        return -squares / (2 * S**2) - 0.5 * (m**2 + v - 1 - v.log())
    v = 1 / (1 + w.square().sum().double() / S**2)
    best = (v * (x @ w).double() / S**2, v.expand(len(x)))
    return elbo(*best) - elbo(mu.double(), logvar.double().exp())

# %% right: the gap to log p(x)
import torch.distributions as td

def regret(x, mu, logvar, w):
    x, mu, v, w = (one.double() for one in (x, mu, logvar.exp(), w))
    log_px = td.LowRankMultivariateNormal(torch.zeros(len(w)).double(), w[:, None], torch.full_like(w, S**2)).log_prob(x)
    given_z = td.Normal(mu[:, None] * w, S).log_prob(x).sum(1) - v * w.dot(w) / (2 * S**2)
    kl = td.kl_divergence(td.Normal(mu, v.sqrt()), td.Normal(torch.zeros_like(mu), 1.0))
    return log_px - (given_z - kl)

# %% right: as a KL divergence
def regret(x, mu, logvar, w):
    posterior = torch.distributions.Normal(x @ w / (w @ w + S**2), (S**2 / (w @ w + S**2)) ** 0.5)
    return torch.distributions.kl_divergence(torch.distributions.Normal(mu, torch.exp(logvar / 2)), posterior)

# %% wrong: the rate
# hint: This is the KL to the prior: the rate. The regret asks how far q is from the best q for this image, and the best one knows the image.
def regret(x, mu, logvar, w):
    return 0.5 * (logvar.exp() + mu.square() - 1 - logvar)

# %% wrong: the other direction
# hint: You have the two Gaussians the wrong way round. The gap of the ELBO is an average under the encoder's q.
def regret(x, mu, logvar, w):
    precision = 1 + w.square().sum() / S**2
    shift = (mu - (x @ w) / S**2 / precision).square()
    ratio = 1 / (precision * logvar.exp())
    return 0.5 * (ratio + shift / logvar.exp() - 1 - ratio.log())

# %% wrong: the best q without the prior
# hint: Your best q maximises log p(x|z) alone. The ELBO has the rate too: the prior adds 1 to the precision and pulls the mean towards 0.
#- precision = 1 + w.square().sum() / S**2
#+ precision = w.square().sum() / S**2

# %% wrong: the noise as a variance
# hint: You divide by s where s² belongs: s is the standard deviation of a pixel.
#- precision = 1 + w.square().sum() / S**2
#+ precision = 1 + w.square().sum() / S
#- (x @ w) / S**2 / precision
#+ (x @ w) / S / precision

# %% wrong: the half is forgotten
# hint: Every value is twice what it should be: the one half of the Gaussian's exponent is missing.
#- return 0.5 * (ratio
#+ return (ratio

# %% wrong: logvar as the logarithm of sigma
# hint: You square the exponential of `logvar`: that exponential is the variance already.
#- ratio = logvar.exp() * precision
#+ ratio = (2 * logvar).exp() * precision

# %% wrong: the means alone
# hint: Only the means are compared. An encoder whose spread is wrong loses nats as well.
#- 0.5 * (ratio + shift * precision - 1 - ratio.log())
#+ 0.5 * (shift * precision)

# %% wrong: the distance of the means in units of z
# hint: The distance of the means is not measured against the spread of the best q: a small miss costs much where the image says exactly
#   what z is.
#- shift * precision
#+ shift

# %% wrong: the best mean is not shrunk
# hint: The best mean is not divided by the precision. Put mu at your best mean and see whether the regret is smallest there.
#- (x @ w) / S**2 / precision
#+ (x @ w) / S**2

# %% wrong: the standard deviation of q
# hint: You take the exponential of half of `logvar`, which is the standard deviation of q. Here its variance is compared with the best one.
#- ratio = logvar.exp() * precision
#+ ratio = (0.5 * logvar).exp() * precision

# %% wrong: the logarithm with the wrong sign
# hint: The logarithm of the ratio has the wrong sign: a q that is far too narrow must lose nats.
#- - ratio.log()
#+ + ratio.log()

# %% wrong: at the posterior's precision and not its variance
# hint: You divide by the precision of the best q where you should multiply, or the other way round: the precision is one over the variance.
#- ratio = logvar.exp() * precision
#+ ratio = logvar.exp() / precision

# %% wrong: the one is missing
# hint: The −1 is missing: without it the best q has a regret of one half.
#- - 1 - ratio.log()
#+ - ratio.log()

# %% wrong: only the spread is fitted
# hint: Only the variance of q is fitted: the best q keeps the encoder's mean. It may be any Gaussian, so that a wrong mean costs nats too.
#- 0.5 * (ratio + shift * precision - 1 - ratio.log())
#+ 0.5 * (ratio - 1 - ratio.log())

# %% wrong: the variance of the best q squared
# hint: You took the variance of the best q for its standard deviation, and squared it once more. One over the precision is its variance.
#- ratio = logvar.exp() * precision
#+ ratio = logvar.exp() * precision.square()
#- shift * precision
#+ shift * precision.square()

# %% wrong: the best mean without the prior
# hint: The best mean is the z that fits the image best. The prior pulls it towards 0: divide by the whole precision, with its 1.
#- (x @ w) / S**2 / precision
#+ (x @ w) / w.square().sum()

# %% wrong: no noise in the best mean
# hint: The best mean lacks a division by s²: log p(x|z) is measured against the variance of a pixel, in the mean as well as in the
#   precision.
#- (x @ w) / S**2 / precision
#+ (x @ w) / precision

# %% wrong: the average over the images
# hint: You average over the images. Each image has a regret of its own.
#- return 0.5 * (ratio + shift * precision - 1 - ratio.log())
#+ return (0.5 * (ratio + shift * precision - 1 - ratio.log())).mean().expand(len(x))

# %% wrong: no logarithm
# hint: The logarithm of the two variances' ratio is missing: without it a q without any spread would lose nothing but one half.
#- - 1 - ratio.log()
#+ - 1

# %% wrong: the reconstruction alone
# hint: You compare only the reconstructions, −E_q[log p(x|z)]. The ELBO has the rate as well, and the best q pays another one than the
#   encoder's.
def regret(x, mu, logvar, w):
    def gain(m, v):
        return -((x - m[:, None] * w).square().sum(1) + v * w.square().sum()) / (2 * S**2)
    precision = 1 + w.square().sum() / S**2
    return gain((x @ w) / S**2 / precision, 1 / precision) - gain(mu, logvar.exp())

# %% wrong: the error that is left
# hint: This is what the best mean leaves of the image as an error. That is no difference of two ELBOs: both lose nats for it, and in the
#   difference it cancels.
def regret(x, mu, logvar, w):
    best_mu = x @ w / (S**2 + w.square().sum())
    return (x - best_mu[:, None] * w).square().sum(1) / (2 * S**2)

# %% wrong: the ELBO of the encoder
# hint: This is the negative ELBO with the encoder's q. The regret is how far it lies below the best one, which for this model is log p(x).
def regret(x, mu, logvar, w):
    squares = (x - mu[:, None] * w).square().sum(1) + logvar.exp() * w.square().sum()
    log_2pi = torch.log(torch.tensor(2 * torch.pi * S**2))
    return squares / (2 * S**2) + 0.5 * len(w) * log_2pi + 0.5 * (mu.square() + logvar.exp() - 1 - logvar)

# %% wrong: the length of w
# hint: In the precision stands the length of w. It is its square that counts: the sum of the squares of w.
#- precision = 1 + w.square().sum()
#+ precision = 1 + w.norm()

# %% wrong: w of length 1
# hint: In the best mean w is scaled to length 1. In w·x / s² it stands as it is: a longer w says more about z.
#- (x @ w) / S**2 / precision
#+ (x @ w) / w.norm() / S**2 / precision

# %% wrong: the noise of the prior
# hint: Your best q has the variance s² / (1 + w·w). The 1 of the prior and w·w / s² add up to the precision: with a common denominator it
#   is s² / (s² + w·w).
def regret(x, mu, logvar, w):
    best_mu, variance = x @ w / (1 + w.square().sum()), S**2 / (1 + w.square().sum())
    return 0.5 * ((logvar.exp() + (mu - best_mu).square()) / variance - 1 - logvar + variance.log())

# %% wrong: the best mean with the variance of the prior
# hint: Your best q has the best mean, and 1 for its variance, which is that of the prior. The image tells more: the best variance is one over the precision.
def regret(x, mu, logvar, w):
    def elbo(m, v):
        squares = (x - m[:, None] * w).square().sum(1) + v * w.square().sum()
        return -squares / (2 * S**2) - 0.5 * (m**2 + v - 1 - v.log())
    return elbo(x @ w / (S**2 + w.square().sum()), torch.ones(len(x))) - elbo(mu, logvar.exp())

# %% wrong: the best standard deviation for the variance
# hint: Your best q has the root of one over the precision where its variance belongs. One over the precision is the variance itself.
def regret(x, mu, logvar, w):
    def elbo(m, v):
        squares = (x - m[:, None] * w).square().sum(1) + v * w.square().sum()
        return -squares / (2 * S**2) - 0.5 * (m**2 + v - 1 - v.log())
    precision = 1 + w.square().sum() / S**2
    return elbo(x @ w / S**2 / precision, precision.rsqrt().expand(len(x))) - elbo(mu, logvar.exp())

# %% wrong: the best z is no q
# hint: You compare the ELBO with log p(x|z) at the best z. A single z is no Gaussian q: an average over q belongs there, and a rate that q pays.
def regret(x, mu, logvar, w):
    def log_px_z(m, v):
        return -((x - m[:, None] * w).square().sum(1) + v * w.square().sum()) / (2 * S**2)
    best = log_px_z(x @ w / w.square().sum(), torch.zeros(len(x)))
    return best - log_px_z(mu, logvar.exp()) + 0.5 * (mu.square() + logvar.exp() - 1 - logvar)

# %% wrong: variances handed to Normal
# hint: Both spreads stand there as variances where standard deviations belong: `Normal` takes the root.
def regret(x, mu, logvar, w):
    best = 1 / (1 + w.square().sum() / S**2)
    return torch.distributions.kl_divergence(torch.distributions.Normal(mu, logvar.exp()), torch.distributions.Normal(best * (x @ w) / S**2, best))

# %% wrong: the rates alone
# hint: You compare the two rates. The ELBO has the reconstruction as well: the best q pays a higher rate where that gains more.
def regret(x, mu, logvar, w):
    def rate(m, v):
        return 0.5 * (m**2 + v - 1 - v.log())
    best = 1 / (1 + w.square().sum() / S**2)
    return rate(mu, logvar.exp()) - rate(best * (x @ w) / S**2, best)

# %% wrong: the gain of the error alone
# hint: This is what the error gains if the mean of q moves to the best one. An ELBO has more parts: the error that the spread of q adds, and the rate.
#- return 0.5 * (ratio + shift * precision - 1 - ratio.log())
#+ off = lambda m: (x - m[:, None] * w).square().sum(1)
#+     return (off(mu) - off(best_mu)) / (2 * S**2)

# %% wrong: the best ELBO alone
# hint: This is log p(x), the ELBO of the best q. That of the encoder's q has still to be taken off; what is left is a KL divergence.
#- return 0.5 * (ratio + shift * precision - 1 - ratio.log())
#+ return torch.distributions.MultivariateNormal(torch.zeros_like(w), torch.outer(w, w) + S**2 * torch.eye(len(w))).log_prob(x)

# title: The average over q, without a draw
# chapter: 09_anomaly_detection
# goal: derive the reconstruction score of a linear decoder in closed form, and see what the error alone leaves out
# kind: implement
# minutes: 20
# points: 3
# difficulty: 2
# passage: Seven scores
# answer: average_nll
# returns: tensor
# removes: vae_lib.anomaly.reconstruction_nll, vae_lib.anomaly._mean_nll

# %% statement
r"""
The chapter draws $z$ to find the reconstruction score $-\mathbb{E}_q[\log p_\theta(x \mid z)]$. For a linear decoder no draw is needed. Let
$p(x \mid z) = \mathcal{N}(W z + b, \sigma_x^2 I)$ with $\sigma_x = {{NOISE}}$, and let $q$ be a Gaussian with mean $\mu$ and variances
$e^{\text{logvar}}$, independent in each dimension of $z$.

Write `average_nll(x, mu, logvar, W, b)`: the exact score of each image, `(batch,)` nats. `x` is `(batch, pixels)`, `mu` and `logvar` are
`(batch, z_dim)`, `W` is `(pixels, z_dim)`, `b` is `(pixels,)`.

*Begin with* $\mathbb{E}_q \lVert x - W z - b \rVert^2$: what does the spread of $q$ add to the error at $z = \mu$? The answer tells when this
score ranks images differently than the error does.
"""

# %% draws
def draws(rng):
    return {"NOISE": rng.choice([0.3, 0.6, 0.8, 1.2, 1.5])}

# %% given
import math

import torch

# %% starter
def average_nll(x, mu, logvar, W, b):
    """-E_q[log N(x; W z + b, NOISE² I)] of each image, (batch,) nats."""
    ...

# %% solution
def average_nll(x, mu, logvar, W, b):
    """-E_q[log N(x; W z + b, NOISE² I)] of each image, (batch,) nats."""
    error = (x - mu @ W.T - b).square().sum(-1)
    blur = logvar.exp() @ W.square().sum(0)
    constant = x.shape[-1] * math.log(NOISE * math.sqrt(2 * math.pi))
    return (error + blur) / (2 * NOISE**2) + constant

# %% why
r"""
Let $\sigma_j^2 = e^{\text{logvar}_j}$ be the variance of $q$ in dimension $j$, and $w_j$ column $j$ of $W$. Write $z_j = \mu_j + \sigma_j
\varepsilon_j$. Then

$$
x - Wz - b = (x - W\mu - b) - \sum_j \sigma_j \varepsilon_j w_j .
$$

In the average of its squared length all mixed terms vanish,
for the $\varepsilon_j$ are independent and average to 0; their variances are 1, so

$$
\mathbb{E}_q \lVert x - Wz - b \rVert^2 = \lVert x - W\mu - b \rVert^2 + \sum_j \sigma_j^2 \lVert w_j \rVert^2 .
$$

Divide by $2\sigma_x^2$ and add $\tfrac{1}{2} \log(2\pi\sigma_x^2)$ for each pixel.

The sum over $j$ is a blur: what the spread of $q$ adds to the squared error of the pixels. If the encoder gives all images the same variances, it is
a constant, and this score ranks as the error does. So it is with the exact posterior under a Gaussian prior: its variances do not depend on $x$. The
two can rank differently only where the blur differs between images, because the encoder is less sure of some.
"""

# %% inputs
def inputs(rng):
    return {"x": 2 * rng.normal(5, 7), "mu": rng.normal(5, 3), "logvar": rng.normal(5, 3) - 0.5, "W": rng.normal(7, 3),
            "b": rng.normal(7)}

# %% probe
def probe(answer, x, mu, logvar, W, b):
    return {"value": answer(x, mu, logvar, W, b), "value_of_a_sure_q": answer(x, mu, logvar - 40, W, b),
            "value_asked_again": answer(x, mu, logvar, W, b),
            "value_of_a_perfect_copy": answer(mu @ W.T + b, mu, logvar, W, b)}

# %% laws
def laws(seen, x, mu, logvar, W, b):
    yield seen["value"].shape == (5,), "there is one number for each image"
    yield (seen["value"] - seen["value_asked_again"]).abs().max() < 1e-4, "asked again, it says the same", \
        "You draw z. Asked for is the exact average: write the square out and average each part."
    yield (seen["value"] >= seen["value_of_a_sure_q"] - 1e-3).all(), "a wider q never lowers the score", \
        "One draw of z may lower the score; its average over q is never lowered. Write E‖x − W z − b‖² out: which part does the spread of q add?"
    z = mu + (0.5 * logvar).exp() * torch.randn(4000, *mu.shape)
    draws = -torch.distributions.Normal(z @ W.T + b, NOISE).log_prob(x).sum(-1).double()
    error = draws.std(0) / 4000**0.5
    yield ((seen["value"] - draws.mean(0)).abs() < 6 * error + 1e-3).all(), "it is what draws of z give on average"

# %% right: the variance of each pixel
import torch.distributions as td

def average_nll(x, mu, logvar, W, b):
    own = td.Independent(td.Normal(mu @ W.T + b, torch.full_like(x, NOISE)), 1)
    pixel_variance = torch.einsum("nj,ij->ni", logvar.exp(), W**2)
    return -own.log_prob(x) + 0.5 * pixel_variance.sum(1) / NOISE**2

# %% right: from a few chosen z, which is exact for squares
def average_nll(x, mu, logvar, W, b):
    total = 0
    for j in range(mu.shape[1]):
        step = torch.zeros_like(mu).double()
        step[:, j] = (mu.shape[1] * logvar[:, j].double().exp()).sqrt()
        for z in (mu + step, mu - step):
            mean = z @ W.double().T + b
            total = total + ((x - mean) ** 2 / (2 * NOISE**2) + 0.5 * math.log(2 * math.pi * NOISE**2)).sum(1)
    return total / (2 * mu.shape[1])

# %% wrong: at the mean of q
# hint: This is the score at z = mu: the spread of q is missing. It moves every pixel, and squares of what moves are larger on average.
#- (error + blur)
#+ error

# %% wrong: the spread is not carried to the pixels
# hint: You add the variances of z themselves. The decoder multiplies z by W: a direction of z counts as much as it moves the pixels.
#- logvar.exp() @ W.square().sum(0)
#+ logvar.exp().sum(-1)

# %% wrong: the weights without their squares
# hint: The weights stand there without their squares. A variance grows with the square of what multiplies it, and a negative weight adds
#   to it too.
#- W.square().sum(0)
#+ W.sum(0)

# %% wrong: logvar taken for the standard deviation's logarithm
# hint: You square the exponential of `logvar`: that exponential is the variance already.
#- logvar.exp()
#+ (2 * logvar).exp()

# %% wrong: sigma as the variance
# hint: You divide by 2σ where the Gaussian has 2σ²: σ is the standard deviation of a pixel.
#- (2 * NOISE**2)
#+ (2 * NOISE)

# %% wrong: the half is forgotten
# hint: The one half of the Gaussian's exponent is missing.
#- / (2 * NOISE**2)
#+ / NOISE**2

# %% wrong: the constant is missing
# hint: The part that does not depend on the image is missing. A ranking does not need it, nats do.
#- + constant
#+

# %% wrong: one constant for all pixels
# hint: The normalising constant is counted once. Every pixel has its own Gaussian, so it is counted for each of them.
#- x.shape[-1] * math.log(
#+ math.log(

# %% wrong: mean over the pixels
# hint: The error is averaged over pixels. Given z they are independent, so their nats add up.
#- .square().sum(-1)
#+ .square().mean(-1)

# %% wrong: the sign of the score
# hint: This is the log-likelihood. As a score it has a minus, so that it is larger for what is more anomalous.
#- return (error + blur) / (2 * NOISE**2) + constant
#+ return -((error + blur) / (2 * NOISE**2) + constant)

# %% wrong: the standard deviations of q
# hint: You add the standard deviations of q. Squares of what varies grow by its variance, the exponential of `logvar`.
#- logvar.exp()
#+ (0.5 * logvar).exp()

# %% wrong: the constant without its half
# hint: The constant is twice what it should be: the logarithm of σ² · 2π has the one half in front, too.
#- math.log(NOISE * math.sqrt(2 * math.pi))
#+ math.log(2 * math.pi * NOISE**2)

# %% wrong: the constant without two pi
# hint: In the constant the 2π of the Gaussian is missing.
#- math.log(NOISE * math.sqrt(2 * math.pi))
#+ math.log(NOISE)

# %% wrong: the constant without sigma
# hint: In the constant σ is missing: a wide Gaussian is a low one.
#- math.log(NOISE * math.sqrt(2 * math.pi))
#+ math.log(math.sqrt(2 * math.pi))

# %% wrong: the rate is added
# hint: You added the rate: this is the −ELBO. Asked for is its first part alone.
#- (error + blur) / (2 * NOISE**2) + constant
#+ (error + blur) / (2 * NOISE**2) + constant + 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(-1)

# %% wrong: a wider Gaussian of each pixel
# hint: You put the spread of q into the variance of each pixel. That is the logarithm of an average over q; asked for is the average of the logarithm.
def average_nll(x, mu, logvar, W, b):
    variance = NOISE**2 + logvar.exp() @ W.T.square()
    return 0.5 * ((x - mu @ W.T - b).square() / variance + (2 * math.pi * variance).log()).sum(-1)

# %% wrong: standard deviations added up in a pixel
# hint: You add up w σ over z and square the sum. The parts of z are independent: their variances w²σ² add up in each pixel.
#- logvar.exp() @ W.square().sum(0)
#+ ((0.5 * logvar).exp() @ W.T).square().sum(1)

# %% wrong: sigma for its square, in both parts
# hint: `NOISE` stands where its square belongs, in the exponent and in the constant: it is the standard deviation of a pixel.
#- (2 * NOISE**2)
#+ (2 * NOISE)
#- math.log(NOISE * math.sqrt(2 * math.pi))
#+ 0.5 * math.log(2 * math.pi * NOISE)

# %% wrong: the offset is forgotten
# hint: b is missing: the decoder's mean is W z + b.
#-  - b)
#+ )

# %% wrong: the blur in other units
# hint: The error is divided by 2σ², and what the spread of q adds is not. Both are squares of pixels: both are divided.
#- (error + blur) / (2 * NOISE**2)
#+ error / (2 * NOISE**2) + blur

# %% wrong: half of the variance of q
# hint: You halve the variance of q, beside the one half of the Gaussian's exponent. exp(`logvar`) is the variance, and it adds to the
#   squares as it is.
#- logvar.exp() @
#+ 0.5 * logvar.exp() @

# %% wrong: logvar taken for the variance
# hint: `logvar` stands where the variance belongs. It is the logarithm of the variance, and may be negative: take its exponential.
#- logvar.exp() @
#+ logvar @

# %% wrong: squared after the sum over the pixels
# hint: You add up the weights over the pixels and square the sum. Each pixel has a variance of its own, with the square of its own weight: square first, then add up.
#- W.square().sum(0)
#+ W.sum(0).square()

# %% wrong: a variance handed to Normal
# hint: The variance of a pixel stands where its standard deviation belongs: `Normal` takes σ and not σ², and so do both parts of the formula.
#- (2 * NOISE**2)
#+ (2 * NOISE**4)
#- math.log(NOISE * math.sqrt(2 * math.pi))
#+ math.log(NOISE**2 * math.sqrt(2 * math.pi))

# %% wrong: log sigma squared for log sigma
# hint: In the constant stands log σ_x² where log σ_x belongs: ½ log 2πσ_x² is log σ_x + ½ log 2π.
#- math.log(NOISE * math.sqrt(2 * math.pi))
#+ (math.log(NOISE**2) + 0.5 * math.log(2 * math.pi))

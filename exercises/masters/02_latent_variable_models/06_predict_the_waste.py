# title: How fast does it get hopeless?
# chapter: 02_latent_variable_models
# goal: predict how the draws from a prior waste themselves in more dimensions
# kind: predict
# minutes: 20
# points: 2
# difficulty: 3
# passage: Why it fails
# answer: waste
# repeats: 1
# tolerance: 1e-4, log10_ratio 0.01
# removes:

# %% statement
r"""
In each of {{D}} dimensions, $z_j \sim \mathcal{N}(0, 1)$ and $x_j \mid z_j \sim \mathcal{N}(z_j, s^2)$ with $s = {{NOISE}}$; the image is $x = 0$. Draw $z$ from the
prior and weigh it with $w = p(x \mid z)$. The number of draws needed for a given accuracy is proportional to
$r = \mathbb{E}[w^2] / \mathbb{E}[w]^2$.

*Predict* the power of ten, $\log_{10} r$, for {{D}} dimensions, and do not change it. Then find it, on paper or by the computer, for `"log10_ratio"`. (Draws alone
will not get you there: that is the point. What is $r$ for one dimension, and how do dimensions combine?)
"""

# %% draws
def draws(rng):
    return {"D": rng.choice([20, 30, 50]), "NOISE": rng.choice([0.1, 0.2, 0.3])}

# %% given
import torch

# %% starter
waste = {"predicted": ..., "log10_ratio": ...}

# %% solution
z = torch.linspace(-10, 10, 200_001, dtype=torch.float64)
prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).exp() * (z[1] - z[0])
w = torch.distributions.Normal(z, NOISE).log_prob(torch.tensor(0.0).double()).exp()
one = (prior * w**2).sum() / (prior * w).sum() ** 2
waste = {"predicted": 5, "log10_ratio": (D * one.log10()).item()}

# %% why
r"""
The dimensions are independent, so $w$ is a product, and so are both averages: $r = r_1^{ {{D}} }$, and its logarithm is {{D}} times that of one
dimension. For one, a product of Gaussians is integrated twice:

$$
\mathbb{E}[w] = \mathcal{N}(0;\, 0,\, 1 + s^2), \qquad
\mathbb{E}[w^2] = \frac{\mathcal{N}(0;\, 0,\, 1 + s^2/2)}{2 s \sqrt{\pi}}, \qquad
r_1 = \frac{1 + s^2}{s \sqrt{2 + s^2}} .
$$

For small $s$ that is about $1 / (\sqrt2\, s)$: in one dimension a share of the draws of the order of $s$ hits the posterior, which is not much of a
waste. But all {{D}} dimensions must hit at once, and the shares multiply. Averages over draws do not show it: they hardly ever meet the few $z$
that make up $\mathbb{E}[w^2]$.
"""

# %% probe
def probe(answer):
    if not isinstance(answer, dict):
        raise Problem("type", "`waste` should be a dict with the entries \"predicted\" and \"log10_ratio\".")
    if answer.get("predicted", ...) is ... or answer.get("log10_ratio", ...) is ...:
        raise Problem("none", "Predict first, then find the ratio: an entry of `waste` is still `...`.")
    number(answer["predicted"], "the prediction")
    return {"log10_ratio": number(answer["log10_ratio"], "the ratio's power of ten")}

# %% laws
def laws(seen):
    got, one = seen["log10_ratio"], (1 + NOISE**2) / (NOISE * (2 + NOISE**2) ** 0.5)
    right = D * torch.tensor(one).log10().item()
    yield got > 0, "the mean of the squares is above the square of the mean", "Jensen's inequality: r is at least 1."
    whole = 2 * torch.pi * (1 + NOISE**2)
    forgot = D * torch.tensor(whole / (2 * torch.pi * (1 + NOISE**2 / 2)) ** 0.5).log10().item()
    hint = "The square of a Gaussian density is a Gaussian with half the variance times 1 / √(4πs²), in each dimension. That factor is missing from your E[w²]." \
        if abs(got - forgot) < 0.005 * (1 + forgot) else "It looks like the ratio itself: asked for is its power of ten." if got > 100 * right else \
        "It is too large. Find r for one dimension with two integrals over z, E[w²] and E[w]²; then the dimensions multiply." if got > right else \
        "It is too small. Draws in all dimensions give too little, for hardly one of them falls where w is large. Find r for *one* dimension, by two " \
        "integrals or many draws; then the dimensions multiply, and their logarithms add up."
    yield abs(got - right) < 0.02 * (1 + right), "it agrees with the two averages", hint

# %% right: in closed form
import math
waste = {"predicted": 100, "log10_ratio": D * math.log10((1 + NOISE**2) / (NOISE * math.sqrt(2 + NOISE**2)))}

# %% right: from draws in one dimension
z = torch.randn(4_000_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
w = torch.exp(-0.5 * (z / NOISE) ** 2)
waste = {"predicted": 12.5, "log10_ratio": D * torch.log10((w**2).mean() / w.mean() ** 2)}

# %% wrong: one dimension alone
# hint: This is the power of ten for one dimension. Independent dimensions multiply, so their logarithms add up.
#- (D * one.log10())
#+ one.log10()

# %% wrong: natural logarithms
# hint: This is the natural logarithm. Asked for is the power of ten.
#- one.log10()
#+ one.log()

# %% wrong: the ratio itself
# hint: This is the ratio itself, and not its power of ten.
#- (D * one.log10()).item()
#+ (one**D).item()

# %% wrong: the square is not divided out
# hint: You took the mean of the squares alone. It is compared with the square of the mean.
#- / (prior * w).sum() ** 2
#+

# %% wrong: divided by the mean and not its square
# hint: The mean under the fraction is not squared: then the ratio would change with the unit of w.
#- (prior * w).sum() ** 2
#+ (prior * w).sum()

# %% wrong: upside down
# hint: The fraction is upside down: its logarithm has the wrong sign.
#- (D * one.log10())
#+ (-D * one.log10())

# %% wrong: the root of the dimensions
# hint: You multiplied by the square root of the number of dimensions. The logarithm grows in proportion to the number itself.
#- D * one
#+ D**0.5 * one

# %% wrong: the ratio of one dimension
# hint: This is the ratio r of one dimension, not its logarithm, and not for all dimensions: independent dimensions multiply.
#- (D * one.log10())
#+ one

# %% wrong: the dimensions added
# hint: You multiplied r by the number of dimensions before the logarithm. Independent dimensions multiply: r to the power D, and D times the
#   logarithm.
#- (D * one.log10())
#+ (D * one).log10()

# %% wrong: s taken for the variance
# hint: You took `NOISE` for the variance. It is the standard deviation s.
#- Normal(z, NOISE)
#+ Normal(z, NOISE**0.5)

# %% wrong: s squared once too often
# hint: The spread is squared once too often: `Normal` takes the standard deviation, `NOISE` itself.
#- Normal(z, NOISE)
#+ Normal(z, NOISE**2)

# %% wrong: how much narrower
# hint: You took the ratio of the two spreads, 1 / s, for each dimension. That is near, and not r: work out E[w²] and E[w]².
#- one.log10()
#+ -torch.tensor(NOISE).log10()

# %% wrong: from the KL divergence
# hint: You took the exponential of the KL divergence from the posterior to the prior. It says where the draws should be; r is E[w²] / E[w]².
#- D * one.log10()
#+ D * 0.5 * (NOISE**2 / (1 + NOISE**2) - 1 + torch.tensor((1 + NOISE**2) / NOISE**2).log()) / torch.tensor(10.0).log()

# %% wrong: half of it
# hint: This is half of it: the power of ten of the root of r, a relative standard deviation, or of half the dimensions.
#- (D * one.log10())
#+ (D * one.log10() / 2)

# %% wrong: in bits
# hint: This is the logarithm to base 2. Asked for is the power of ten.
#- one.log10()
#+ one.log2()

# %% wrong: a hundred times as many
# hint: You added something for the accuracy. Asked for is r alone, E[w²] / E[w]².
#- (D * one.log10())
#+ (D * one.log10() + 2)

# %% wrong: one dimension too many
# hint: You counted one dimension too many.
#- (D * one
#+ ((D + 1) * one

# %% wrong: one dimension too few
# hint: You counted one dimension too few.
#- (D * one
#+ ((D - 1) * one

# %% wrong: the relative variance for the ratio
# hint: You took the relative variance, r − 1, of one dimension. It is r that multiplies over the dimensions.
#- one.log10()
#+ (one - 1).log10()

# %% wrong: the constant of the square
# hint: You squared the exponential and forgot that its constant is squared too: w² has 1 / (2πs²) in front.
#- w**2).sum()
#+ w**2 * NOISE * (2 * torch.pi) ** 0.5).sum()

# %% wrong: relative variances added
# hint: You added the relative variances of the dimensions, r − 1. It is r that multiplies over the dimensions, so its logarithms add up.
#- (D * one.log10())
#+ (1 + D * (one - 1)).log10()

# %% wrong: the KL divergence in nats
# hint: This is the KL divergence from the posterior to the prior, in nats. Asked for is the power of ten of r, that is of E[w²] / E[w]².
#- D * one.log10()
#+ D * 0.5 * (NOISE**2 / (1 + NOISE**2) - 1 + torch.tensor((1 + NOISE**2) / NOISE**2).log())

# %% wrong: the ratio of the variances
# hint: You took the ratio of the two variances, 1 / s², for each dimension. It is not r: work out E[w²] and E[w]².
#- one.log10()
#+ -2 * torch.tensor(NOISE).log10()

# %% wrong: twice as much
# hint: This is twice what it should be: the power of ten of r², as when a root is forgotten in the integral of a Gaussian.
#- (D * one.log10())
#+ (2 * D * one.log10())



# title: A family of bounds
# chapter: 05_first_vae
# goal: compute a bound from log weights that no float can hold as weights
# kind: implement
# minutes: 15
# points: 3
# difficulty: 3
# passage: From the bound to the likelihood
# answer: bound
# returns: tensor
# tolerance: 2e-4, value_of_tiny_weights 2e-3,
#   value_of_images_far_apart 4e-3
# removes: vae_lib.objectives.iwae_bound

# %% statement
r"""
The chapter estimates $\log p_\theta(x)$ with the mean of $K$ weights. Rényi's family of bounds has a number $\alpha$ in it
{cite:p}`li2016renyi`:

$$
\mathcal{L}_{\alpha}(x) = \frac{1}{1 - \alpha} \log \frac1K \sum_{k=1}^{K} w_k^{\,1 - \alpha} .
$$

With $\alpha = 0$ it is the IWAE bound of {eq}`eq-vae-iwae`. Write `bound(log_w)` for $\alpha = {{ALPHA}}$, where `log_w`
holds the logarithms of the weights, of shape `(K, batch)`. Give one number for each image, in nats.

The weights of digits are about $e^{-90}$, those of larger images $e^{-2000}$, which is zero in every float. The images of a batch can
lie thousands of nats apart, and the weights of one image hundreds. Your function must give the right number all the same.
"""

# %% draws
def draws(rng):
    return {"ALPHA": rng.choice([-1.0, -0.5, 0.2, 0.25, 0.3, 0.7, 0.75])}

# %% given
import torch

# %% starter
def bound(log_w):
    """The Rényi bound of the order ALPHA from log weights (K, batch), (batch,) nats."""
    ...

# %% solution
def bound(log_w):
    """The Rényi bound of the order ALPHA from log weights (K, batch), (batch,) nats."""
    power = 1 - ALPHA
    log_mean = torch.logsumexp(power * log_w, dim=0) - torch.log(torch.tensor(float(len(log_w))))
    return log_mean / power

# %% why
r"""
The logarithm of $w_k^{1 - \alpha}$ is $(1 - \alpha) \log w_k$, so the weights themselves are never needed. For any number $a$,

$$
\log \frac1K \sum_k w_k^{1 - \alpha} = a + \log \sum_k e^{(1 - \alpha) \log w_k - a} - \log K .
$$

`logsumexp` takes for $a$ the largest exponent of each image. The sum then lies between 1 and $K$, and a term that becomes 0 is too small to
count. With a smaller $a$ a term can become infinite; with one $a$ for all images, all terms of one image can become 0. The division by
$1 - \alpha$ comes last, and holds for $\log K$ too. The test: $K$ equal weights $w$ give $\log w$.

This is the logarithm of a power mean, so it falls as $\alpha$ grows: from the largest $\log w_k$ at $\alpha \to -\infty$, through the IWAE bound
at 0, to the mean of the $\log w_k$ at $\alpha \to 1$, which estimates the ELBO. On average it stays below $\log p_\theta(x)$ for
$0 \le \alpha < 1$. For $\alpha < 0$ it comes to lie above as $K$ grows.
"""

# %% inputs
def inputs(rng):
    return {"log_w": 2 * rng.normal(7, 4) - rng.uniform(2, 4), "far": rng.uniform(1500, 2500)}

# %% probe
def probe(answer, log_w, far):
    apart = torch.tensor([0.0, -3000.0, -6000.0, -9000.0])
    uneven = log_w.clone()
    uneven[0] = -400.0
    return {"value": answer(log_w), "value_of_tiny_weights": answer(log_w - far) + far,
            "value_of_images_far_apart": answer(log_w + apart) - apart, "value_where_one_weight_is_tiny": answer(uneven),
            "value_of_equal_weights": answer(torch.full((6, 2), -3.0)), "value_of_one_weight": answer(log_w[:1])}

# %% laws
import math

def laws(seen, log_w, far):
    value = seen["value"]
    yield value.shape == (4,), "there is one number for each image"
    yield (seen["value_of_equal_weights"] + 3).abs().max() < 1e-3, "equal weights give their own logarithm", \
        "With K equal weights w the bound is log w: is the mean a mean, and is the power undone?"
    yield (seen["value_of_one_weight"] - log_w[0]).abs().max() < 1e-3, "one weight gives its own logarithm"
    yield (value >= log_w.mean(0) - 1e-3).all() and (value <= log_w.amax(0) + 1e-3).all(), \
        "the bound lies between the mean and the largest of the log weights"
    yield (seen["value_of_tiny_weights"] - value).abs().max() < 0.01, \
        "weights multiplied by c give a bound larger by log c, however small c is", \
        "Multiply all weights by c: log c must come out in front, as it is. Where weights are too small for a float, take the largest log weight out before you leave the logarithms: `torch.logsumexp` does."
    yield (seen["value_of_images_far_apart"] - value).abs().max() < 0.05, "an image does not feel how large the weights of another are", \
        "The bound of an image holds its own weights alone: average over the dimension 0, and take the largest weight of each image out by itself."
    power = 1 - ALPHA
    right, uneven = ((power * one.double()).logsumexp(0) / power - math.log(len(one)) / power for one in (log_w, torch.cat([0 * log_w[:1] - 400, log_w[1:]])))
    if (value - right).abs().max() < 1e-3:
        yield (seen["value_where_one_weight_is_tiny"] - uneven).abs().max() < 1e-2, "one weight that is far smaller than the others costs no more than its share of the mean", \
            "Right where the weights of an image are alike, wrong where one is hundreds of nats below the others. What is taken out before the exponential must be the " \
            "largest of them, and nothing is clamped."

# %% right: the largest weight taken out by hand, in float64
def bound(log_w):
    top = log_w.double().amax(0)
    scaled = torch.exp((1 - ALPHA) * (log_w - top))
    return top + torch.log(scaled.mean(0)) / (1 - ALPHA)

# %% right: one image and one weight after the other
import math

def bound(log_w):
    out = []
    for column in log_w.T.tolist():
        total = (1 - ALPHA) * column[0]
        for one in column[1:]:
            a, b = total, (1 - ALPHA) * one
            total = max(a, b) + math.log1p(math.exp(-abs(a - b)))
        out.append((total - math.log(len(column))) / (1 - ALPHA))
    return torch.tensor(out)

# %% wrong: the IWAE bound
# hint: This is the bound with α = 0. The weights are to be raised to the power 1 − `ALPHA` before the mean, and the power
#   is undone after the logarithm.
def bound(log_w):
    return torch.logsumexp(log_w, 0) - torch.log(torch.tensor(float(len(log_w))))

# %% wrong: the power is not undone
# hint: The factor 1/(1 − α) in front is missing: the logarithm is that of a mean of powers, and the power must be taken back.
#- return log_mean / power
#+ return log_mean

# %% wrong: alpha for one minus alpha
# hint: You raise the weights to the power α. It is 1 − α.
#- power = 1 - ALPHA
#+ power = ALPHA

# %% wrong: a sum and no mean
# hint: log K is missing: the bound holds the mean of the K powers, and not their sum.
#-  - torch.log(torch.tensor(float(len(log_w))))
#+

# %% wrong: the mean of the logarithms
# hint: You average the log weights. That is the ELBO, whatever α is: the mean must stand inside of the logarithm.
def bound(log_w):
    return log_w.mean(0)

# %% wrong: weights that weigh themselves
# hint: You average log w with the normalised weights. Known code does so and calls it a loss; it is larger than the bound, and
#   bounds nothing. The logarithm is taken once, of the mean.
def bound(log_w):
    weight = torch.softmax((1 - ALPHA) * log_w, 0)
    return (weight * log_w).sum(0)

# %% wrong: the largest weight alone
# hint: You return the largest log weight. The mean of the weights is smaller, by log K where one weight outweighs all others.
def bound(log_w):
    return log_w.amax(0)

# %% wrong: clamped against zero
# hint: Right where the weights fit into a float, wrong where they do not: what you add to or clamp at inside of the logarithm
#   replaces the answer. Work with the logarithms and take the largest out first.
def bound(log_w):
    powers = torch.exp((1 - ALPHA) * log_w).clamp(1e-30, 1e30)
    return torch.log(powers.mean(0)) / (1 - ALPHA)

# %% wrong: weights as they are
# hint: `exp` of −2000 is zero in every float, float64 too, and a fixed shift does not help all images. Take the largest log weight of each image out before you leave the logarithms:
#   `torch.logsumexp` does.
def bound(log_w):
    return torch.log(torch.exp((1 - ALPHA) * log_w).mean(0)) / (1 - ALPHA)

# %% wrong: one shift for all images
# hint: You take one number out for all images. Where another image has much larger weights, those of this one become zero: take out the largest of each image, over dimension 0.
def bound(log_w):
    top = log_w.max()
    return top + torch.log(torch.exp((1 - ALPHA) * (log_w - top)).mean(0)) / (1 - ALPHA)

# %% wrong: the mean of everything as the shift
# hint: You take the mean of all weights out, over all images. Images far from it leave what a float can hold: take out the largest of each image, over dimension 0.
def bound(log_w):
    middle = log_w.double().mean()
    return middle + torch.log(torch.exp((1 - ALPHA) * (log_w - middle)).mean(0)) / (1 - ALPHA)

# %% wrong: the first weight as the shift
# hint: You take out the first weight of each image. Where it is much smaller than another, that one becomes infinite: take out the largest.
def bound(log_w):
    return log_w[0] + torch.log(torch.exp((1 - ALPHA) * (log_w - log_w[0])).mean(0)) / (1 - ALPHA)

# %% wrong: one plus alpha
# hint: You raise the weights to the power 1 + α. It is 1 − α; mind the sign of `ALPHA`.
#- power = 1 - ALPHA
#+ power = 1 + ALPHA

# %% wrong: a power of the logarithm
# hint: You raise the *logarithms* to the power 1 − α. The power of a weight multiplies its logarithm.
def bound(log_w):
    powers = -log_w.abs() ** (1 - ALPHA)
    return (torch.logsumexp(powers, 0) - torch.log(torch.tensor(float(len(log_w))))) / (1 - ALPHA)

# %% wrong: over the images
# hint: Every image gets the same number: the mean runs over the images. It runs over the K weights of one image, dimension 0.
def bound(log_w):
    rows = torch.logsumexp((1 - ALPHA) * log_w, 1) - torch.log(torch.tensor(float(log_w.shape[1])))
    return (rows / (1 - ALPHA)).mean().expand(log_w.shape[1])

# %% wrong: log K outside
# hint: log K is taken off after the division by 1 − α. It belongs to the mean inside, and is divided too.
#- return log_mean / power
#+ return torch.logsumexp(power * log_w, dim=0) / power - torch.log(torch.tensor(float(len(log_w))))

# %% wrong: multiplied by the power
# hint: You multiply by 1 − α in front. The formula divides by it, which undoes the power.
#- return log_mean / power
#+ return log_mean * power

# %% wrong: divided by alpha
# hint: You divide by α in front. It is 1 − α, the power that is to be undone.
#- return log_mean / power
#+ return log_mean / ALPHA

# %% wrong: the power alpha, undone by one minus alpha
# hint: You raise the weights to the power α and undo the power 1 − α. Both are 1 − α.
#- power * log_w
#+ ALPHA * log_w

# %% wrong: the largest weight not put back
# hint: What you took out of the weights is not put back: add the largest log weight again after the logarithm.
#- return log_mean / power
#+ return log_mean / power - log_w.amax(0)

# %% wrong: the largest weight put back with the power on it
# hint: The largest log weight is put back 1 − α times. After the division by 1 − α it is added once, as it is.
#- return log_mean / power
#+ return log_mean / power + (power - 1) * log_w.amax(0)

# %% wrong: one weight less
# hint: You divide by K − 1. The mean of K powers divides by K.
#- float(len(log_w))
#+ float(max(len(log_w) - 1, 1))

# %% wrong: the number of images for K
# hint: You divide by the number of images. K is the number of weights of one image, the length of dimension 0.
#- float(len(log_w))
#+ float(log_w.shape[1])

# %% wrong: the mean over the images
# hint: Every image gets the same number, the mean of all bounds. Asked for is one number for each image.
#- return log_mean / power
#+ return (log_mean / power).mean().expand(log_w.shape[1])

# %% wrong: a power mean of the logarithms
# hint: You take the mean of powers of the *logarithms*. It is the weights that are raised to the power, and the power of a weight multiplies its logarithm.
def bound(log_w):
    return -(log_w.abs() ** (1 - ALPHA)).mean(0) ** (1 / (1 - ALPHA))

# %% wrong: the largest weight for the sum
# hint: You take the largest weight for the sum of all, and then the mean. That is near where one outweighs all others; the others add to it.
#- torch.logsumexp(power * log_w, dim=0)
#+ (power * log_w).amax(0)

# %% wrong: the power is never put on
# hint: You divide by 1 − α, and the weights were never raised to that power. The power stands inside of the mean first, and the division undoes it.
#- power * log_w
#+ log_w

# %% wrong: the largest weight divided too
# hint: The largest log weight is put back before the division by 1 − α, so that it is divided too. Inside, it stands with the factor 1 − α.
#- return log_mean / power
#+ return log_mean / power + (1 / power - 1) * log_w.amax(0)

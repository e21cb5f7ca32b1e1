# title: The best σ, and the unit of a pixel
# chapter: 03_elbo
# goal: turn a squared error into a log-likelihood that can be compared
# kind: implement
# minutes: 20
# points: 3
# difficulty: 2
# passage: A measure that is fair to all
# answer: log_likelihood
# returns: tensor
# tolerance: 2e-4
# removes:

# %% statement
r"""
A decoder with the likelihood $\mathcal{N}(x;\, \hat x, \sigma^2)$ has one $\sigma$ for all pixels and images. Given images and means, both of shape
`(batch, pixels)` with pixels in $[0, 1]$, which $\sigma$ makes the images most probable, and what is the average log-likelihood then?

Write `log_likelihood(x, x_hat)`: the log-likelihood at the best $\sigma$ in nats per image, summed over pixels and averaged over images, as a tensor of shape
`()`. One more thing: report it as a density over pixels counted **from 0 to {{WHITE}}**, and not from 0 to 1.
"""

# %% draws
def draws(rng):
    return {"WHITE": rng.choice([15.0, 63.0, 100.0, 255.0])}

# %% given
import torch

# %% starter
def log_likelihood(x, x_hat):
    """Log-likelihood at the best shared sigma, nats per image, for pixels counted from 0 to WHITE."""
    ...

# %% solution
def log_likelihood(x, x_hat):
    """Log-likelihood at the best shared sigma, nats per image, for pixels counted from 0 to WHITE."""
    pixels = x.shape[1]
    variance = (x - x_hat).square().mean()
    two_pi = torch.tensor(2 * torch.pi)
    per_pixel = -0.5 * torch.log(two_pi * variance) - 0.5 - torch.log(torch.tensor(WHITE))
    return pixels * per_pixel

# %% why
r"""
Let $R$ be the squared error per image, averaged over the images. The average log-density of an image of $D$ pixels is
$-\tfrac{D}{2} \log 2\pi\sigma^2 - R / 2\sigma^2$. Its derivative with respect to $\sigma^2$,

$$
-\frac{D}{2\sigma^2} + \frac{R}{2\sigma^4} ,
$$

is zero at $\sigma^2 = R/D$, the mean squared error of a pixel. There $-R / 2\sigma^2$ is $-\tfrac{D}{2}$, whatever the error. Each pixel is then
spread over a range {{WHITE}} times as wide, which divides its density by {{WHITE}}:

$$
D \Big( -\tfrac12 \log \frac{2\pi R}{D} - \tfrac12 - \log {{WHITE}} \Big) .
$$

`std` of the errors takes off what all of them share, and the decoder does not correct that. A $\sigma$ for each image gives a number at least as
high, but that of another model. At the best $\sigma$ the error counts by its logarithm: errors half as large gain $\log 2$ nats in each pixel. As
$R \to 0$ the density grows without limit, so it cannot be compared with a probability.
"""

# %% inputs
def inputs(rng):
    x = rng.uniform(0, 1, 7, 9)
    spread = torch.tensor([0.05, 0.05, 0.1, 0.2, 0.3, 0.4, 0.4])[:, None]  # some images are copied better than others, and all too bright
    return {"x": x, "x_hat": x + 0.15 + spread * rng.uniform(0.7, 1.0) * rng.normal(7, 9)}

# %% probe
def probe(answer, x, x_hat):
    value = answer(x, x_hat)
    return {"value": value, "value_of_twice_the_images": answer(torch.cat([x, x]), torch.cat([x_hat, x_hat])),
            "value_of_three_pixels": answer(x[:1, :3], x_hat[:1, :3]), "gain_from_errors_half_as_large": answer(x, (x + x_hat) / 2) - value}

# %% laws
def laws(seen, x, x_hat):
    yield seen["value"].shape == (), "there is one number for all images"
    left = (x - x_hat).double()
    best = torch.distributions.Normal(0.0, left.square().mean().sqrt()).log_prob(left).sum(1).mean() - 9 * torch.log(torch.tensor(WHITE))
    few = left[0, :3]
    best_of_few = torch.distributions.Normal(0.0, few.square().mean().sqrt()).log_prob(few).sum() - 3 * torch.log(torch.tensor(WHITE))
    off, off_of_few = seen["value"] - best, seen["value_of_three_pixels"] - best_of_few
    gain = seen["gain_from_errors_half_as_large"] / (9 * torch.log(torch.tensor(2.0)))
    if abs(gain - 2) < 2e-3:
        yield False, "the gain follows the logarithm of the error", \
            "Errors half as large gain you 2 log 2 nats for each pixel, twice too much: a logarithm of σ² stands where one of σ belongs, or is not halved."
    elif abs(gain - 1) < 2e-3 and abs(off) > 0.02:
        if abs(off_of_few) < 5e-3:
            yield False, "several images are treated as one is", \
                "For one image your value is right, and for several it is not. All images share one σ, and log-densities are averaged, not densities."
        elif abs(off - 3 * off_of_few) < 0.01 or abs(off - off_of_few) < 0.01:
            yield False, "the constants are those of the Gaussian and of the unit", \
                "Your value follows the errors as it should, and is off by a constant: look at the constants of the density and at the logarithm of the unit. Each is counted once for each pixel."
    yield seen["value"] > best - 0.02, "it is no less than the best σ gives", \
        "It is too small for the best σ. Is σ² the mean squared error of a pixel over all images, is the logarithm that of σ, and are unit and constants those of the density?"
    yield seen["value"] < best + 0.02, "it is no more than the best σ gives", "It is too large: one σ for all images does not give that much. Is the average one of log-densities, with the unit and all constants, for each pixel?"
    yield abs(seen["value"] - seen["value_of_twice_the_images"]) < 1e-2, "the same images once more change nothing", \
        "Twice as many images, the same average: is there a sum where a mean is meant, or a number of images minus 1?"
    yield abs(seen["gain_from_errors_half_as_large"] - 9 * torch.log(torch.tensor(2.0))) < 1e-2, \
        "the gain follows the logarithm of the error", \
        "At the best σ only the logarithm of the error is left. Is your σ the best one, and are errors and σ in the same unit?"

# %% right: by torch.distributions, on the pixels themselves
import torch.distributions as td

def log_likelihood(x, x_hat):
    sigma = (WHITE * (x - x_hat)).pow(2).mean().sqrt()
    return td.Normal(WHITE * x_hat, sigma).log_prob(WHITE * x).sum(1).mean()

# %% right: by a search for sigma, in float64
import math

def log_likelihood(x, x_hat):
    n, d = x.shape
    total = float(((x.double() - x_hat.detach().double()) ** 2).sum())
    low, high = math.log(1e-6), math.log(1e3)

    def nats(log_s):
        return -d * (0.5 * math.log(2 * math.pi) + log_s) - total / n / (2 * math.exp(2 * log_s))

    for _ in range(200):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        low, high = (a, high) if nats(a) < nats(b) else (low, b)
    return torch.tensor(nats(low) - d * math.log(WHITE), dtype=torch.float64)

# %% wrong: the unit is forgotten
# hint: This is the density over pixels from 0 to 1. Stretched over a range as wide as `WHITE`, a density becomes lower, in every pixel.
#-  - torch.log(torch.tensor(WHITE))
#+

# %% wrong: the unit the wrong way round
# hint: The unit goes the wrong way: the same probability spread over a wider range is a *lower* density.
#- - torch.log(torch.tensor(WHITE))
#+ + torch.log(torch.tensor(WHITE))

# %% wrong: sigma is one
# hint: You took σ = 1. The best σ² is the mean of the squared errors.
#- per_pixel = -0.5 * torch.log(two_pi * variance) - 0.5 -
#+ per_pixel = -0.5 * torch.log(two_pi) - 0.5 * variance -

# %% wrong: per pixel
# hint: This is the average over the pixels. Nats per *image* are summed over the pixels.
#- return pixels * per_pixel
#+ return per_pixel

# %% wrong: the half at the end
# hint: The −½ of each pixel is missing: at the best σ the exponent is not 0 but ½ on average.
#- variance) - 0.5 -
#+ variance) -

# %% wrong: the square root of the error
# hint: You put σ where σ² belongs in the logarithm.
#- two_pi * variance
#+ two_pi * variance.sqrt()

# %% wrong: the sum over the images
# hint: This is the sum over the images. Average over them.
#- return pixels * per_pixel
#+ return len(x) * pixels * per_pixel

# %% wrong: no two pi
# hint: The ½ log 2π of each pixel is missing: it does not matter for training, and it does for a comparison.
#- torch.log(two_pi * variance)
#+ torch.log(variance)

# %% wrong: the spread around the mean error
# hint: Your σ is the standard deviation of the errors around their mean (`std`, `var`). σ² is the mean of the squared errors: an error that all pixels
#   share is an error too.
def log_likelihood(x, x_hat):
    left, pixels = x - x_hat, x.shape[1]
    unit = pixels * torch.log(torch.tensor(WHITE))
    return torch.distributions.Normal(x_hat, left.std(correction=0)).log_prob(x).sum(1).mean() - unit

# %% wrong: the spread around the mean error, minus one
# hint: `std` takes the mean error off and divides by the number minus 1. The best σ² is the mean of the squared errors, over all of them.
def log_likelihood(x, x_hat):
    left, pixels = x - x_hat, x.shape[1]
    unit = pixels * torch.log(torch.tensor(WHITE))
    return torch.distributions.Normal(x_hat, left.std()).log_prob(x).sum(1).mean() - unit

# %% wrong: one number fewer
# hint: You divided the sum of squared errors by their number minus 1. The σ that makes the images most probable has their number.
def log_likelihood(x, x_hat):
    left, pixels = x - x_hat, x.shape[1]
    unit = pixels * torch.log(torch.tensor(WHITE))
    sigma = (left.square().sum() / (left.numel() - 1)).sqrt()
    return torch.distributions.Normal(x_hat, sigma).log_prob(x).sum(1).mean() - unit

# %% wrong: one number fewer, in closed form
# hint: In your σ² the sum of squared errors is divided by their number minus 1. The most probable σ² is their mean.
#- (x - x_hat).square().mean()
#+ (x - x_hat).square().sum() / (x.numel() - 1)

# %% wrong: the variance around the mean error
# hint: You took the variance of the errors around their mean. σ² is the mean of the squared errors; their own mean is not taken off.
#- (x - x_hat).square().mean()
#+ (x - x_hat).var(correction=0)

# %% wrong: the variance around the mean error, minus one
# hint: `var` takes the mean error off and divides by the number minus 1. Here σ² is the mean of the squared errors.
#- (x - x_hat).square().mean()
#+ (x - x_hat).var()

# %% wrong: the mean of the roots
# hint: You averaged the root of each image's mean squared error. One σ for all: the mean of the squares first, the root once.
def log_likelihood(x, x_hat):
    left, pixels = x - x_hat, x.shape[1]
    unit = pixels * torch.log(torch.tensor(WHITE))
    sigma = left.square().mean(1).sqrt().mean()
    return torch.distributions.Normal(x_hat, sigma).log_prob(x).sum(1).mean() - unit

# %% wrong: the mean absolute error
# hint: Your σ is the mean absolute error. The most probable σ of a Gaussian is the root of the mean squared error.
def log_likelihood(x, x_hat):
    left, pixels = x - x_hat, x.shape[1]
    unit = pixels * torch.log(torch.tensor(WHITE))
    return torch.distributions.Normal(x_hat, left.abs().mean()).log_prob(x).sum(1).mean() - unit

# %% wrong: a sigma for each image
# hint: You gave each image a σ of its own. There is one for all pixels and images: average the squared errors over both.
def log_likelihood(x, x_hat):
    left, pixels = x - x_hat, x.shape[1]
    unit = pixels * torch.log(torch.tensor(WHITE))
    sigma = left.square().mean(1, keepdim=True).sqrt()
    return torch.distributions.Normal(x_hat, sigma).log_prob(x).sum(1).mean() - unit

# %% wrong: a sigma for each pixel
# hint: You gave each pixel a σ of its own. There is one for all pixels and images: average the squared errors over both.
def log_likelihood(x, x_hat):
    left, pixels = x - x_hat, x.shape[1]
    unit = pixels * torch.log(torch.tensor(WHITE))
    return torch.distributions.Normal(x_hat, left.square().mean(0).sqrt()).log_prob(x).sum(1).mean() - unit

# %% wrong: the squared errors summed over the pixels
# hint: Your σ² is the squared error of a whole image, summed over its pixels. It is that of one pixel: average over the pixels too.
def log_likelihood(x, x_hat):
    left, pixels = x - x_hat, x.shape[1]
    unit = pixels * torch.log(torch.tensor(WHITE))
    sigma = left.square().sum(1).mean().sqrt()
    return torch.distributions.Normal(x_hat, sigma).log_prob(x).sum(1).mean() - unit

# %% wrong: the variance handed to Normal
# hint: You handed the variance to `Normal`, which takes the standard deviation.
def log_likelihood(x, x_hat):
    left, pixels = x - x_hat, x.shape[1]
    unit = pixels * torch.log(torch.tensor(WHITE))
    return torch.distributions.Normal(x_hat, left.square().mean()).log_prob(x).sum(1).mean() - unit

# %% wrong: sigma left in the old unit
# hint: Images and means are counted from 0 to `WHITE`, and σ is still that of pixels from 0 to 1. It has the unit of a pixel: stretch it too.
def log_likelihood(x, x_hat):
    left, pixels = x - x_hat, x.shape[1]
    unit = pixels * torch.log(torch.tensor(WHITE))
    return torch.distributions.Normal(WHITE * x_hat, left.square().mean().sqrt()).log_prob(WHITE * x).sum(1).mean()

# %% wrong: a sigma of one in the new unit
# hint: You took σ = 1 for pixels from 0 to `WHITE`. The best σ² is the mean of the squared errors, in the same unit.
def log_likelihood(x, x_hat):
    left, pixels = x - x_hat, x.shape[1]
    unit = pixels * torch.log(torch.tensor(WHITE))
    return torch.distributions.Normal(WHITE * x_hat, 1.0).log_prob(WHITE * x).sum(1).mean()

# %% wrong: the means in the old unit
# hint: You stretched the images and not the means, so that their difference is no error any more. Stretch both.
def log_likelihood(x, x_hat):
    left, pixels = x - x_hat, x.shape[1]
    unit = pixels * torch.log(torch.tensor(WHITE))
    sigma = (WHITE * x - x_hat).square().mean().sqrt()
    return torch.distributions.Normal(x_hat, sigma).log_prob(WHITE * x).sum(1).mean()

# %% wrong: divided by the white
# hint: You divided the log-likelihood by `WHITE`. A density is divided; its logarithm becomes smaller by log WHITE, for each pixel.
#- per_pixel = -0.5 * torch.log(two_pi * variance) - 0.5 - torch.log(torch.tensor(WHITE))
#+ per_pixel = (-0.5 * torch.log(two_pi * variance) - 0.5) / WHITE

# %% wrong: the unit once for an image
# hint: The unit counts once for each image with you. It counts in every pixel: each one is spread over a range as wide as `WHITE`.
#- - torch.log(torch.tensor(WHITE))
#+ - torch.log(torch.tensor(WHITE)) / pixels

# %% wrong: the unit as for a variance
# hint: log WHITE is taken twice for each pixel. A density over a range WHITE times as wide is WHITE times lower: log WHITE once.
#- - torch.log(torch.tensor(WHITE))
#+ - 2 * torch.log(torch.tensor(WHITE))

# %% wrong: the sign of all
# hint: Every value has the wrong sign: this is the negative log-likelihood.
#- return pixels
#+ return -pixels

# %% wrong: in bits
# hint: The unit is the nat: you divided by log 2.
#- return pixels * per_pixel
#+ return pixels * per_pixel / 0.6931471805599453

# %% wrong: half of the unit
# hint: The logarithm of `WHITE` is halved. A density is divided by the whole stretch, in every pixel.
#- - torch.log(torch.tensor(WHITE))
#+ - 0.5 * torch.log(torch.tensor(WHITE))

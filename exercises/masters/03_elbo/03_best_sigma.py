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

# %% inputs
def inputs(rng):
    x = rng.uniform(0, 1, 7, 9)
    return {"x": x, "x_hat": x + rng.uniform(0.05, 0.3) * rng.normal(7, 9)}

# %% probe
def probe(answer, x, x_hat):
    free = x_hat.clone().requires_grad_()
    value = answer(x, free)
    return {"value": value, "value_of_twice_the_images": answer(torch.cat([x, x]), torch.cat([x_hat, x_hat])),
            "gain_from_errors_half_as_large": answer(x, (x + x_hat) / 2) - value.detach()}

# %% laws
def laws(seen, x, x_hat):
    yield seen["value"].shape == (), "there is one number for all images"
    yield abs(seen["value"] - seen["value_of_twice_the_images"]) < 1e-2, "the same images once more change nothing"
    yield abs(seen["gain_from_errors_half_as_large"] - 9 * torch.log(torch.tensor(2.0))) < 1e-2, \
        "errors half as large gain log 2 nats for each pixel", "At the best σ only the logarithm of the error is left."

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

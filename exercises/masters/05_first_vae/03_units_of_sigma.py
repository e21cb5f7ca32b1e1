# title: An encoder that speaks another unit
# chapter: 05_first_vae
# goal: draw z so that its spread is right and a gradient reaches the encoder
# kind: implement
# minutes: 10
# points: 2
# difficulty: 2
# passage: Sampling z, and why log σ²
# answer: draw
# returns: tensor
# repeats: 1
# tolerance: 1e-4, mean 0.09, log_spread 0.06, gradient_in_mu 1e-3, gradient_in_s 0.08, link_between_draws 0.08,
#   link_between_images 0.08, share_beyond_two_sigma 0.02
# removes: vae_lib.objectives.reparameterize

# %% statement
r"""
A colleague's encoder gives $\mu$ and a second output $s$, which is {{what}}. Everything else is as in the chapter.

Write `draw(mu, s, k)`: `k` draws of $z$ for each image, of shape `(k, batch, z_dim)`, for `mu` and `s` of shape
`(batch, z_dim)`. PyTorch must be able to differentiate the draws with respect to both. All `k * batch` draws must be independent.
"""

# %% draws
def draws(rng):
    what, scale = rng.choice([(r"$\log \sigma$, the logarithm of the standard deviation", 1.0),
                              (r"$\log (1/\sigma)$, minus the logarithm of the standard deviation", -1.0),
                              (r"$\log \sqrt{\sigma}$, half the logarithm of the standard deviation", 2.0)])
    return {"what": what, "scale": scale}

# %% given
import torch

# %% starter
def draw(mu, s, k):
    """k draws of z for each image, (k, batch, z_dim), differentiable in mu and s."""
    ...

# %% solution
def draw(mu, s, k):
    """k draws of z for each image, (k, batch, z_dim), differentiable in mu and s."""
    eps = torch.randn(k, *mu.shape)
    return mu + torch.exp({{scale}} * s) * eps

# %% inputs
def inputs(rng):
    return {"mu": rng.normal(3, 2), "s": 0.3 + 0.7 * rng.uniform(0, 1, 3, 2), "seed": rng.integer(0, 10**6)}

# %% probe
def probe(answer, mu, s, seed):
    torch.manual_seed(seed)
    mu, s = mu.requires_grad_(), s.requires_grad_()
    z = answer(mu, s, 6000)
    if z.shape != (6000, 3, 2):
        return {"shape_of_six_thousand_draws": list(z.shape)}
    noise = z - mu.detach()
    variance = noise.square().mean(0)
    half = gradients(variance / 2, s)[0]  # sigma² d log sigma / ds
    unit = (noise / variance.sqrt().clamp(min=1e-6)).detach()
    return {"shape_of_six_thousand_draws": list(z.shape),
            "mean": unit.mean(0),
            "log_spread": variance.log() / 2,
            "gradient_in_mu": gradients(answer(mu, s, 2) / 2, mu)[0],
            "gradient_in_s": half / variance,
            "link_between_draws": (unit[1:] * unit[:-1]).mean(),
            "link_between_images": (unit[:, 1:] * unit[:, :-1]).mean(),
            "share_beyond_two_sigma": (unit.abs() > 2).float().mean()}

# %% laws
def laws(seen, mu, s, seed):
    yield seen["shape_of_six_thousand_draws"] == [6000.0, 3.0, 2.0], "the draws have the shape (k, batch, z_dim)"
    if "log_spread" in seen:
        yield (seen["mean"].abs() < 0.1).all(), "the average of many draws is mu"
        yield (seen["gradient_in_mu"] - 1).abs().max() < 1e-3, "a gradient reaches mu"
        yield seen["gradient_in_s"].abs().min() > 0.02, "a gradient reaches s"
        yield abs(seen["link_between_draws"]) < 0.1, "the draws are independent of one another", \
            "Every draw of every image and dimension needs a noise of its own: look at the shape of the noise."
        yield abs(seen["link_between_images"]) < 0.1, "the images are drawn independently"

# %% right: from torch.distributions, with rsample
import torch.distributions as td

def draw(mu, s, k):
    return td.Normal(mu, (s * {{scale}}).exp()).rsample((k,))

# %% right: one draw after the other
def draw(mu, s, k):
    sigma = torch.exp(s) ** {{scale}}
    return torch.stack([torch.normal(torch.zeros_like(mu), 1.0) * sigma + mu for _ in range(k)])

# %% right: float64, by the inverse of the distribution function
def draw(mu, s, k):
    u = torch.rand(k, *mu.shape, dtype=torch.float64).clamp(1e-12, 1 - 1e-12)
    return mu.double() + torch.exp({{scale}} * s.double()) * torch.special.ndtri(u)

# %% wrong: read as log sigma squared
# hint: You read `s` as the chapter's log σ². Here it is in another unit: solve its definition for σ.
#- {{scale}} * s
#+ 0.5 * s

# %% wrong: the variance as the spread
# hint: Your draws are spread by σ². The noise is multiplied by the standard deviation σ.
#- torch.exp({{scale}} * s)
#+ torch.exp(2 * {{scale}} * s)

# %% wrong: one noise for all images
# hint: All images of a batch get the same noise. Draw a number of its own for every image.
#- torch.randn(k, *mu.shape)
#+ torch.randn(k, 1, mu.shape[-1])

# %% wrong: one noise for all draws
# hint: All `k` draws are the same. The noise needs the dimension `k` too.
#- eps = torch.randn(k, *mu.shape)
#+ eps = torch.randn(mu.shape).expand(k, *mu.shape)

# %% wrong: uniform noise
# hint: Your noise has the right variance, but not the right shape: none of it lies beyond two standard deviations. q is
#   a normal distribution: `torch.randn`, not `torch.rand`.
#- torch.randn(k, *mu.shape)
#+ (torch.rand(k, *mu.shape) - 0.5) * 12**0.5

# %% wrong: sample without a gradient
# hint: The draws are cut off from mu and s: `sample`, `no_grad` or `detach` stands in the way, and the encoder would
#   learn nothing. Write the draw as a function of mu, σ and a noise that depends on no weight.
#- return mu + torch.exp({{scale}} * s) * eps
#+ return (mu + torch.exp({{scale}} * s) * eps).detach()

# %% wrong: the spread is cut off
# hint: A gradient reaches mu and none reaches `s`: the encoder could never learn how sure it is. Something detaches σ.
#- torch.exp({{scale}} * s)
#+ torch.exp({{scale}} * s).detach()

# %% wrong: the sign of the exponent
# hint: Where σ should be large, yours is small: the exponent has the wrong sign for what `s` means here.
#- {{scale}} * s
#+ -{{scale}} * s

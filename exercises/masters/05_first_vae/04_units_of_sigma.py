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
# tolerance: 1e-4, logarithm_of_sigma ±0.21, gradient_in_mu 1e-3, slope_of_the_logarithm_of_sigma_in_s 2e-3
# removes: vae_lib.objectives.reparameterize

# %% statement
r"""
A colleague's encoder gives $\mu$ and a second output $s$, which is {{what}}. Everything else is as in the chapter.

Write `draw(mu, s, k)`: `k` draws of $z$ for each image, of shape `(k, batch, z_dim)`, for `mu` and `s` of shape
`(batch, z_dim)`. PyTorch must be able to differentiate the draws with respect to both. All `k * batch` draws must be independent, and so must the dimensions
of a draw; every call draws anew.
"""

# %% draws
def draws(rng):
    what, scale = rng.choice([(r"$\log \sigma$, the logarithm of the standard deviation", 1.0),
                              (r"$\log (1/\sigma)$, minus the logarithm of the standard deviation", -1.0),
                              (r"$\log \sqrt{\sigma}$, half the logarithm of the standard deviation", 2.0)])
    return {"what": what, "scale": scale, "other": 1.0 if scale == 2 else 4.0, "bare": 2.0 if scale == 1 else 2.0 * scale if scale < 0 else scale}

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

# %% why
r"""
Here `s` is {{what}}. Solved for $\log \sigma$, this is $\log \sigma = {{scale}} \cdot s$, and the exponential of it is $\sigma$. The chapter's
one half belongs to $\log \sigma^2$ alone. In $z = \mu + \sigma \varepsilon$ all randomness is in $\varepsilon$, which depends on no weight. So a
gradient reaches both outputs: the derivative of $z$ is 1 in $\mu$ and ${{scale}} \cdot \sigma \varepsilon$ in $s$.

Each draw, image and dimension needs its own number. Broadcasting hides a missing one: noise of shape $(k, 1, d)$ gives the right shape and, for
each image, the right spread. But all images of a batch then get the same noise, and what it adds to the gradient no longer averages out over
them.

To test a sampler, hold the logarithm of the spread of many draws against `s`: the slope must be {{scale}}. In training one unit does as well as
another, as long as draw and rate read it alike. Where they do not, as in the chapter's mistake of σ² for σ, the rate charges for another $q$ than
the one that is drawn from.
"""

# %% inputs
def inputs(rng):
    return {"mu": rng.normal(3, 2), "s": 0.5 + 0.7 * rng.uniform(0, 1, 3, 2), "seed": rng.integer(0, 10**6)}

# %% probe
def probe(answer, mu, s, seed):
    # 600 draws of 3 images in 2 dimensions. Of a right answer, each average of 600 is off by its standard error: the mean by 1/√600, log σ by 1/√1200,
    # a correlation by 1/√600; over 3,600 numbers the skewness is off by √(6/3600) and the kurtosis by √(24/3600). Limits are five of them or more.
    torch.manual_seed(seed)
    mu, s = mu.requires_grad_(), s.requires_grad_()
    z = answer(mu, s, 600)
    if z.shape != (600, 3, 2):
        return {"shape_of_six_hundred_draws": list(z.shape)}
    noise = (z - mu).detach().double().reshape(600, 6)
    sigma = noise.std(0).clamp(min=1e-4)
    unit = (noise - noise.mean(0)) / sigma
    after = torch.cat([unit[:-1], unit[1:]], 1)  # beside each draw the next one
    links = (after.T @ after / 599 - torch.eye(12)).abs()
    near = torch.minimum(torch.cdist(unit, unit), torch.cdist(unit, -unit)) + 9 * torch.eye(600)
    slope = gradients(z * noise.reshape(z.shape), s)[0] / noise.square().sum(0).clamp(min=1e-4).reshape(s.shape)
    off = noise.mean(0).abs() / sigma * 600**0.5
    again = [answer(mu, s, 2) for _ in range(2)]
    middle = [((one - mu) / torch.exp({{scale}} * s)).detach().mean().abs() for one in again]  # of twelve numbers; both below 1e-5 by chance once in 10^9
    return {"shape_of_six_hundred_draws": list(z.shape),
            "logarithm_of_sigma": sigma.log().reshape(s.shape),
            "gradient_in_mu": gradients(again[0] / 2, mu)[0],
            "slope_of_the_logarithm_of_sigma_in_s": slope,
            "draws_lie_around_mu": (off.max() < 5.5).item(),
            "noise_is_normal": abs(unit.pow(3).mean().item()) < 0.25 and unit.pow(4).mean().item() > 2.6,
            "no_noise_is_far_out": unit.pow(4).mean().item() < 3.7,
            "noise_reaches_beyond_two_sigma": (unit.abs().max() > 1.98).item(),
            "dimensions_are_independent": (links[[0, 2, 4], [1, 3, 5]].max() < 0.25).item(),
            "images_are_independent": (links[:6, :6].reshape(3, 2, 3, 2).permute(0, 2, 1, 3)[~torch.eye(3, dtype=bool)].max() < 0.25).item(),
            "draws_are_independent": (links[:6, 6:].max() < 0.25).item(),
            "noise_is_not_centred": (off.max() > 0.05 and max(middle) > 1e-5).item(),
            "no_noise_is_used_twice": (near.min() > 0.01).item(),
            "calls_differ": not torch.equal(*again)}

# %% laws
def laws(seen, mu, s, seed):
    yield seen["shape_of_six_hundred_draws"] == [600.0, 3.0, 2.0], "the draws have the shape (k, batch, z_dim)"
    if "calls_differ" in seen:
        yield seen["draws_lie_around_mu"], "the average of many draws is mu", "The draws do not average to `mu`. It is added as it is, and the noise averages to 0: `torch.randn` does, `torch.rand` and absolute values do not."
        yield seen["noise_is_normal"] and seen["no_noise_is_far_out"], "the noise is normal", "The noise has another shape than the normal distribution: take `torch.randn` as it is."
        yield seen["draws_are_independent"] and seen["no_noise_is_used_twice"] and seen["noise_is_not_centred"], "the draws are independent of one another", \
            "Each of the `k` draws of an image needs numbers of its own: none used again, none with the sign turned, none shifted or centred with the help of the others."
        yield seen["images_are_independent"], "the images are drawn independently", "Each image needs numbers of its own: the noise has the dimension `batch`."
        yield seen["dimensions_are_independent"], "the dimensions are drawn independently", \
            "Each latent dimension needs a number of its own: q has a diagonal covariance, and the noise the dimension `z_dim`."
        yield seen["calls_differ"], "every call draws anew", "Two calls give the same draws: a seed or a generator is set inside of the function, or nothing is drawn."
        yield (seen["gradient_in_mu"] - 1).abs().max() < 1e-3, "a gradient reaches mu"
        yield seen["slope_of_the_logarithm_of_sigma_in_s"].abs().min() > 0.02, "a gradient reaches s"
        right = (seen["slope_of_the_logarithm_of_sigma_in_s"] - {{scale}}).abs().max() < 0.01
        yield not right or ((seen["logarithm_of_sigma"] - {{scale}} * s).abs() < 0.2).all(), "the noise has the standard deviation 1", \
            "Your draws are wider or narrower than σ by a factor: the noise has the standard deviation 1, and σ multiplies it once."
        yield right, "log σ has the right slope in s", "Write down what `s` is, solve it for σ, and look at the exponent: how fast does log σ grow with `s`?"

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
# hint: Your noise has the right mean and variance, but not the right shape: none of it lies beyond two standard deviations. q is
#   a normal distribution: `torch.randn`, not `torch.rand`.
#- torch.randn(k, *mu.shape)
#+ (torch.rand(k, *mu.shape) - 0.5) * 12**0.5

# %% wrong: sample without a gradient
# hint: The draws are cut off from mu and s: `sample`, `no_grad` or `detach` stands in the way, and the encoder would
#   learn nothing. Write the draw as a function of mu, σ and a noise that depends on no weight.
#- return mu + torch.exp({{scale}} * s) * eps
#+ return (mu + torch.exp({{scale}} * s) * eps).detach()

# %% wrong: the spread is cut off
# hint: A gradient reaches mu and none reaches `s`: the encoder could never learn how sure it is. Something detaches σ,
#   or cuts it off at a limit.
#- torch.exp({{scale}} * s)
#+ torch.exp({{scale}} * s).detach()

# %% wrong: the sign of the exponent
# hint: Where σ should be large, yours is small: the exponent has the wrong sign for what `s` means here.
#- {{scale}} * s
#+ -{{scale}} * s

# %% wrong: the exponential of s as it stands
# hint: The exponent is another multiple of `s` than the right one: `s` as it stands, for example, as if it were log σ. If `s` were log σ³, log σ would be s/3: solve the definition that is
#   given here for log σ in the same way.
#- torch.exp({{scale}} * s)
#+ torch.exp({{other}} * s)

# %% wrong: s itself
# hint: You multiply the noise by `s` itself. It is a logarithm: σ comes out of it by an exponential.
#- torch.exp({{scale}} * s)
#+ s

# %% wrong: no exponential
# hint: You solved the definition for log σ and multiplied the noise by that. Take the exponential.
#- torch.exp({{scale}} * s)
#+ {{bare}} * s

# %% wrong: a softplus
# hint: You make σ positive by a softplus of `s`. Here `s` has a definition: solve it for σ, and the inverse of a logarithm is an exponential.
#- torch.exp({{scale}} * s)
#+ torch.nn.functional.softplus(s)

# %% wrong: a quarter of s
# hint: The root is taken twice: you halve `s` as if it were log σ², and again.
#- {{scale}} * s
#+ 0.25 * s

# %% wrong: the square of s
# hint: You square `s` inside of the exponential. A square outside of a logarithm is a factor 2 inside: solve the definition of `s` for σ.
#- {{scale}} * s
#+ s**2

# %% wrong: one noise for all dimensions
# hint: All latent dimensions of a draw get the same noise. q has a diagonal covariance: each dimension needs a number of its own.
#- torch.randn(k, *mu.shape)
#+ torch.randn(k, len(mu), 1)

# %% wrong: draws in pairs
# hint: Draws share their noise: some take that of others with its sign turned. Such pairs depend on each other; all draws must be independent.
#- torch.randn(k, *mu.shape)
#+ torch.cat([one := torch.randn((k + 1) // 2, *mu.shape), -one])[:k]

# %% wrong: the noise is centred
# hint: You take the average of the noise off, or also divide by its spread. Then each draw depends on all others; leave the noise as it comes.
#- eps = torch.randn(k, *mu.shape)
#+ eps = torch.randn(k, *mu.shape)
#+     eps = (eps - eps.mean(0)) / eps.std(0)

# %% wrong: a seed inside
# hint: Every call gives the same draws: a seed is set, or a generator is made, inside of the function.
#- torch.randn(k, *mu.shape)
#+ torch.randn(k, *mu.shape, generator=torch.Generator().manual_seed(0))

# %% wrong: no noise
# hint: Nothing is drawn: all draws are `mu`. Add σ times a standard normal number.
#- eps = torch.randn(k, *mu.shape)
#+ eps = torch.zeros(k, *mu.shape)

# %% wrong: noise between zero and one
# hint: Your noise comes from `torch.rand`: it lies between 0 and 1 and averages to ½. q is normal around `mu`: `torch.randn`.
#- torch.randn(k, *mu.shape)
#+ torch.rand(k, *mu.shape)

# %% wrong: noise without its sign
# hint: Your noise has no negative numbers, so the draws lie on one side of `mu`. A standard normal number is negative half of the time.
#- torch.randn(k, *mu.shape)
#+ torch.randn(k, *mu.shape).abs()

# %% wrong: the noise is cut off
# hint: Your noise is cut off at two standard deviations. A normal distribution has no end.
#- torch.randn(k, *mu.shape)
#+ torch.randn(k, *mu.shape).clamp(-2, 2)

# %% wrong: mu is multiplied too
# hint: The noise multiplies `mu` as well. It widens around `mu`: the product is of σ and noise alone.
#- mu + torch.exp({{scale}} * s) * eps
#+ (mu + torch.exp({{scale}} * s)) * eps

# %% wrong: mu is cut off
# hint: No gradient reaches `mu`: it is detached, or missing, and the encoder could never learn where the codes lie.
#- mu + torch
#+ mu.detach() + torch

# %% wrong: the dimensions mixed up
# hint: You draw with the images first and then reshape: that mixes draws and images. Exchange the two dimensions (`transpose`), or draw with `k` first.
#- eps = torch.randn(k, *mu.shape)
#+ eps = torch.randn(len(mu), k, mu.shape[1])
#- return mu + torch.exp({{scale}} * s) * eps
#+ return (mu[:, None] + torch.exp({{scale}} * s)[:, None] * eps).reshape(k, *mu.shape)

# %% wrong: sigma multiplies mu too
# hint: σ multiplies `mu` as well. It multiplies the noise alone; `mu` is added as it is.
#- mu + torch.exp({{scale}} * s) * eps
#+ torch.exp({{scale}} * s) * (mu + eps)

# %% wrong: mu is missing
# hint: `mu` is missing: your draws lie around 0, whatever the encoder says of the image.
#- return mu + torch
#+ return torch

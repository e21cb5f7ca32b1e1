# title: Mend a bound on grey images
# chapter: 03_elbo
# goal: find what keeps a number from being a lower bound
# kind: mend
# minutes: 20
# points: 3
# difficulty: 2
# passage: Mistakes, made on purpose
# answer: grey_elbo
# returns: tensor
# plant: 2
# tolerance: 4e-4
# removes: vae_lib.objectives.gaussian_kl, vae_lib.likelihoods.Gaussian.log_prob, vae_lib.vae.VAE.elbo

# %% statement
r"""
`grey_elbo` should be the ELBO of grey images, in nats, one number for each image, from one draw of $z$ with the noise `eps`. `encoder` gives
`mu` and `logvar`, `decoder` the means of the pixels, and $\log \sigma$ of the Gaussian likelihood is the tensor `log_sigma` of shape `()`. The code has
**two faults**. Mend them, and change as little as you can.
"""

# %% given
import math

import torch

# %% solution
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    """The ELBO of each image of x (batch, pixels), (batch,) nats."""
    mu, logvar = encoder(x)
    z = mu + torch.exp(logvar / 2) * eps
    off = (x - decoder(z)) / torch.exp(log_sigma)
    per_pixel = -0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)
    log_px_z = per_pixel.sum(-1)
    kl = 0.5 * (mu.square() + torch.exp(logvar) - 1 - logvar)
    return log_px_z - kl.sum(-1)

# %% inputs
def inputs(rng):
    return {"x": rng.uniform(0, 1, 4, 8), "eps": rng.normal(4, 3), "log_sigma": torch.tensor(rng.uniform(-1.2, -0.4)),
            "seed": rng.integer(0, 10**6)}

# %% probe
def probe(answer, x, eps, log_sigma, seed):
    torch.manual_seed(seed)
    first, second = torch.nn.Linear(8, 6), torch.nn.Linear(3, 8)

    def encoder(x):
        mu, logvar = first(x).chunk(2, 1)
        return 1.5 * mu + 0.7, logvar - 0.6

    free = log_sigma.clone().requires_grad_()
    value = answer(encoder, second, x, eps, free)
    found = gradients(value, first.weight, second.weight, free)
    return {"elbo": value, "gradient_in_the_encoder": found[0], "gradient_in_the_decoder": found[1], "gradient_in_log_sigma": found[2]}

# %% laws
def laws(seen, x, eps, log_sigma, seed):
    yield seen["elbo"].shape == (4,), "there is one number for each image"
    yield seen["gradient_in_the_encoder"].abs().sum() > 0, "a gradient reaches the encoder"
    yield seen["gradient_in_log_sigma"].abs() > 0, "a gradient reaches log σ"

# %% right: from torch.distributions
import torch.distributions as td

def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    q = td.Normal(mu, logvar.mul(0.5).exp())
    p = td.Normal(decoder(mu + q.stddev * eps), log_sigma.exp())
    return p.log_prob(x).sum(1) - td.kl_divergence(q, td.Normal(torch.zeros_like(mu), 1.0)).sum(1)

# %% right: written out, in float64
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = (one.double() for one in encoder(x))
    z = mu + logvar.exp() ** 0.5 * eps
    squared = ((x - decoder(z.float())).double() ** 2).sum(1)
    d = x.shape[1]
    log_px_z = -squared / (2 * torch.exp(2 * log_sigma.double())) - d * log_sigma - d / 2 * math.log(2 * math.pi)
    return log_px_z + (1 + logvar - mu**2 - logvar.exp()).sum(1) / 2

# %% wrong: the constant is dropped
# hint: The ½ log 2π of each pixel is missing. Training does not see it; a bound on log p(x) without it is no bound.
#-  - 0.5 * math.log(2 * math.pi)
#+

# %% wrong: log sigma is dropped
# hint: The −log σ of each pixel is missing: without it a wide σ costs nothing, and σ grows without end.
#-  - log_sigma -
#+  -

# %% wrong: the half of the square
# hint: The one half in front of the squared distance is missing.
#- -0.5 * off.square()
#+ -off.square()

# %% wrong: the half of the KL
# hint: The KL is twice what it should be: its one half is missing.
#- kl = 0.5 * (mu
#+ kl = (mu

# %% wrong: the KL is added
# hint: The KL is added. It is the price, and the ELBO is log-likelihood minus price.
#- log_px_z - kl
#+ log_px_z + kl

# %% wrong: the variance as the spread of z
# hint: z is drawn with σ² of the posterior in place of σ: the exponent needs its half.
#- torch.exp(logvar / 2)
#+ torch.exp(logvar)

# %% wrong: divided by the variance
# hint: The distance is divided by σ² before it is squared. It is divided by σ.
#- / torch.exp(log_sigma)
#+ / torch.exp(2 * log_sigma)

# %% wrong: mean over the pixels
# hint: The log-likelihood is averaged over the pixels; the KL is summed. The bound wants the sum of both.
#- per_pixel.sum(-1)
#+ per_pixel.mean(-1)

# %% wrong: mean over the latent dimensions
# hint: The KL is averaged over the latent dimensions. They add up.
#- kl.sum(-1)
#+ kl.mean(-1)

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
`grey_elbo` should be the ELBO of grey images, in nats, one number for each image, from one draw of $z$ with the noise `eps` and with the KL in
closed form; draw nothing else; gradients must get through. `encoder` gives
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

# %% why
r"""
Hold each line against the quantity that it must be. `z` is a draw from $q$: the noise is multiplied by $\sigma$, the exponential of *half* of
$\log \sigma^2$. `per_pixel` is a Gaussian's log-density, $-\tfrac12 (x_i - \hat x_i)^2 / \sigma_x^2 - \log \sigma_x - \tfrac12 \log 2\pi$, with each
term once for every pixel. `kl` is the closed form with its ½. Both are summed, and the KL is subtracted.

Tests with a known answer say where to look. Where $q$ is the prior, the KL is 0 and $z$ is `eps`: what is left is `Normal(…).log_prob(x)`, summed.
With a decoder that ignores $z$ the draw does not matter: what is wrong then lies in the likelihood or in the KL. And $\sigma^2$ for $\sigma$ in the
draw shows only away from $\log \sigma^2 = 0$.

Some faults can lift the number above $\log p(x)$, such as draws narrower than the $\sigma$ that the KL is charged for. Others, such as a lost ½ of
the square, lower it: it stays below $\log p(x)$, the training runs, and the learned $\sigma_x$ is $\sqrt 2$ times too wide for its errors.
"""

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

    def none(x):
        return 0 * x[..., :3], 0 * x[..., :3]

    def blind(z):
        return (0 * z.sum(-1, keepdim=True) + 0.5).expand(*z.shape[:-1], 8)

    return {"elbo": value, "elbo_where_q_is_the_prior": answer(none, second, x, eps, log_sigma),
            "elbo_of_a_decoder_that_ignores_z": answer(encoder, blind, x, eps, log_sigma),
            "asked_twice": "the same" if torch.equal(answer(encoder, second, x, eps, log_sigma).nan_to_num(), value.detach().nan_to_num()) else "another",
            "gradient_in_the_encoder": found[0], "gradient_in_the_decoder": found[1], "gradient_in_log_sigma": found[2]}

# %% laws
def laws(seen, x, eps, log_sigma, seed):
    yield seen["elbo"].shape == (4,), "there is one number for each image"
    torch.manual_seed(seed)
    first, second = torch.nn.Linear(8, 6), torch.nn.Linear(3, 8)
    normal = torch.distributions.Normal
    yield seen["asked_twice"] == "the same", "asked twice, the answer is the same", "You draw noise of your own. The noise of z is passed in as `eps`."
    likelihood = normal(second(eps), log_sigma.exp()).log_prob(x).sum(1)
    mu, logvar = first(x).chunk(2, 1)
    q = normal(1.5 * mu + 0.7, (0.5 * logvar - 0.3).exp())
    both = normal(torch.tensor(0.5), log_sigma.exp()).log_prob(x).sum(1) - torch.distributions.kl_divergence(q, normal(0.0, 1.0)).sum(1)
    blind = (seen["elbo_of_a_decoder_that_ignores_z"] - both).abs().max() < 1e-2
    yield (seen["elbo_where_q_is_the_prior"] - likelihood).abs().max() < 1e-2, "where q is the prior, only the log-likelihood is left", \
        "Look at z, or at what the decoder makes of it: where the decoder ignores z, all is right. z is made from `mu`, σ and `eps`, and each image has its own row of noise." if blind else \
        "Put q = N(0, I) in: the KL is 0, z is `eps`, and what is left should be the Gaussian's log-density, summed over the pixels. One of the three is not so."
    yield (seen["elbo_of_a_decoder_that_ignores_z"] - both).abs().max() < 1e-2, "where the decoder ignores z, the rest is right", \
        "Look at the KL: the log-likelihood is right where the KL is 0, and the sum is not right where it is not."
    z = q.mean + q.stddev * eps
    whole = normal(second(z), log_sigma.exp()).log_prob(x).sum(1) - torch.distributions.kl_divergence(q, normal(0.0, 1.0)).sum(1)
    yield (seen["elbo"] - whole).abs().max() < 1e-2, "the bound is right for any q", \
        "Look at how z is drawn: likelihood and KL are right where z does not matter. σ comes from log σ², and `eps` is the noise."
    yield seen["gradient_in_the_encoder"].abs().sum() > 0, "a gradient reaches the encoder", "z = μ + σ ε and the KL both depend on the encoder: `detach` neither."
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

# %% right: one image at a time
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    values = []
    for one, noise in zip(x, eps):
        mu, logvar = encoder(one[None])
        q = torch.distributions.Normal(mu, torch.exp(logvar / 2))
        p = torch.distributions.Normal(decoder(q.mean + q.stddev * noise), torch.exp(log_sigma))
        kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0))
        values.append(p.log_prob(one[None]).sum() - kl.sum())
    return torch.stack(values)

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

# %% wrong: the KL from the draw
# hint: Your KL is an estimate from the draw of z, right on average. Here the KL is asked for in closed form.
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    z = mu + torch.exp(logvar / 2) * eps
    off = (x - decoder(z)) / torch.exp(log_sigma)
    log_px_z = (-0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
    q = torch.distributions.Normal(mu, torch.exp(logvar / 2))
    return log_px_z + (torch.distributions.Normal(0.0, 1.0).log_prob(z) - q.log_prob(z)).sum(-1)

# %% wrong: no noise
# hint: z is the mean of the posterior, without noise. The bound averages over draws of z: use `eps`.
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    z = mu + 0 * eps
    off = (x - decoder(z)) / torch.exp(log_sigma)
    log_px_z = (-0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
    kl = 0.5 * (mu.square() + torch.exp(logvar) - 1 - logvar)
    return log_px_z - kl.sum(-1)

# %% wrong: the exponent doubled
# hint: z is drawn with a much too small or too large spread: σ is exp(log σ² / 2).
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    z = mu + torch.exp(2 * logvar) * eps
    off = (x - decoder(z)) / torch.exp(log_sigma)
    log_px_z = (-0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
    kl = 0.5 * (mu.square() + torch.exp(logvar) - 1 - logvar)
    return log_px_z - kl.sum(-1)

# %% wrong: the half outside
# hint: The half stands outside of the exponential. σ is the root of the variance: it stands in the exponent.
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    z = mu + 0.5 * torch.exp(logvar) * eps
    off = (x - decoder(z)) / torch.exp(log_sigma)
    log_px_z = (-0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
    kl = 0.5 * (mu.square() + torch.exp(logvar) - 1 - logvar)
    return log_px_z - kl.sum(-1)

# %% wrong: the noise squared
# hint: The noise is squared. z = μ + σ ε.
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    z = mu + torch.exp(logvar / 2) * eps.square()
    off = (x - decoder(z)) / torch.exp(log_sigma)
    log_px_z = (-0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
    kl = 0.5 * (mu.square() + torch.exp(logvar) - 1 - logvar)
    return log_px_z - kl.sum(-1)

# %% wrong: the noise subtracted
# hint: The noise is subtracted: on average the same, and here asked for with the given `eps`, z = μ + σ ε.
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    z = mu - torch.exp(logvar / 2) * eps
    off = (x - decoder(z)) / torch.exp(log_sigma)
    log_px_z = (-0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
    kl = 0.5 * (mu.square() + torch.exp(logvar) - 1 - logvar)
    return log_px_z - kl.sum(-1)

# %% wrong: softplus for the exponential
# hint: You make σ by a softplus. The encoder gives log σ²: σ is exp of half of it.
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    z = mu + torch.nn.functional.softplus(logvar) * eps
    off = (x - decoder(z)) / torch.exp(log_sigma)
    log_px_z = (-0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
    kl = 0.5 * (mu.square() + torch.exp(logvar) - 1 - logvar)
    return log_px_z - kl.sum(-1)

# %% wrong: log sigma read as a log variance
# hint: You read `log_sigma` as the logarithm of a variance. It is log σ: the distance is divided by its exponential before it is squared.
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    z = mu + torch.exp(logvar / 2) * eps
    off = (x - decoder(z)) / torch.exp(log_sigma / 2)
    log_px_z = (-0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
    kl = 0.5 * (mu.square() + torch.exp(logvar) - 1 - logvar)
    return log_px_z - kl.sum(-1)

# %% wrong: logvar read as log sigma in the KL
# hint: In the KL you read `logvar` as log σ. It is log σ²: its exponential is the variance.
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    z = mu + torch.exp(logvar / 2) * eps
    off = (x - decoder(z)) / torch.exp(log_sigma)
    log_px_z = (-0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
    kl = 0.5 * (mu.square() + torch.exp(2 * logvar) - 1 - 2 * logvar)
    return log_px_z - kl.sum(-1)

# %% wrong: half of the logarithm in the KL
# hint: In the KL log σ² is halved once too often: the ½ in front is the only one.
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    z = mu + torch.exp(logvar / 2) * eps
    off = (x - decoder(z)) / torch.exp(log_sigma)
    log_px_z = (-0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
    kl = 0.5 * (mu.square() + torch.exp(logvar) - 1 - 0.5 * logvar)
    return log_px_z - kl.sum(-1)

# %% wrong: sigma for its square in the KL
# hint: In the KL stands σ where σ² belongs: the exponential of `logvar` itself.
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    z = mu + torch.exp(logvar / 2) * eps
    off = (x - decoder(z)) / torch.exp(log_sigma)
    log_px_z = (-0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
    kl = 0.5 * (mu.square() + torch.exp(0.5 * logvar) - 1 - logvar)
    return log_px_z - kl.sum(-1)

# %% wrong: no minus one in the KL
# hint: The −1 of the Gaussian KL is missing: it is 0 where q is the prior.
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    z = mu + torch.exp(logvar / 2) * eps
    off = (x - decoder(z)) / torch.exp(log_sigma)
    log_px_z = (-0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
    kl = 0.5 * (mu.square() + torch.exp(logvar) - logvar)
    return log_px_z - kl.sum(-1)

# %% wrong: no means in the KL
# hint: The squared mean is missing from the KL.
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    z = mu + torch.exp(logvar / 2) * eps
    off = (x - decoder(z)) / torch.exp(log_sigma)
    log_px_z = (-0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
    kl = 0.5 * (torch.exp(logvar) - 1 - logvar)
    return log_px_z - kl.sum(-1)

# %% wrong: no KL
# hint: The KL is missing: this is the log-likelihood of one draw alone.
# alone
#-     per_pixel = -0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)
#+     log_px_z = (-0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
#-     log_px_z = per_pixel.sum(-1)
#-     return log_px_z - kl.sum(-1)
#+     return log_px_z

# %% wrong: averaged over the images
# hint: You averaged over the images. One number for each is asked for.
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    z = mu + torch.exp(logvar / 2) * eps
    off = (x - decoder(z)) / torch.exp(log_sigma)
    log_px_z = (-0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
    kl = 0.5 * (mu.square() + torch.exp(logvar) - 1 - logvar)
    return (log_px_z - kl.sum(-1)).mean().expand(len(x))

# %% wrong: the negative bound
# hint: Every value has the wrong sign: asked for is the ELBO, not a loss.
# alone
#-     per_pixel = -0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)
#+     log_px_z = (-0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
#-     log_px_z = per_pixel.sum(-1)
#-     return log_px_z - kl.sum(-1)
#+     return kl.sum(-1) - log_px_z

# %% wrong: z cut off
# hint: `z` is cut off from the encoder (`detach`): the log-likelihood no longer teaches it anything.
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    z = mu + torch.exp(logvar / 2) * eps
    off = (x - decoder(z.detach())) / torch.exp(log_sigma)
    log_px_z = (-0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
    kl = 0.5 * (mu.square() + torch.exp(logvar) - 1 - logvar)
    return log_px_z - kl.sum(-1)

# %% wrong: sigma of z cut off
# hint: The spread of z is cut off from the encoder (`detach`, `no_grad`): the log-likelihood no longer teaches it σ.
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    z = mu + torch.exp(logvar / 2).detach() * eps
    off = (x - decoder(z)) / torch.exp(log_sigma)
    log_px_z = (-0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
    kl = 0.5 * (mu.square() + torch.exp(logvar) - 1 - logvar)
    return log_px_z - kl.sum(-1)

# %% wrong: half of log sigma
# hint: log σ is halved. The ½ belongs to log 2πσ², which is ½ log 2π plus a whole log σ.
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    off = (x - decoder(mu + torch.exp(logvar / 2) * eps)) / torch.exp(log_sigma)
    log_px_z = (-0.5 * off.square() - 0.5 * log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
    return log_px_z - 0.5 * (mu.square() + torch.exp(logvar) - 1 - logvar).sum(-1)

# %% wrong: twice log sigma
# hint: log σ is counted twice. The density has 1/σ in front: one log σ for each pixel.
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    off = (x - decoder(mu + torch.exp(logvar / 2) * eps)) / torch.exp(log_sigma)
    log_px_z = (-0.5 * off.square() - 2 * log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
    return log_px_z - 0.5 * (mu.square() + torch.exp(logvar) - 1 - logvar).sum(-1)

# %% wrong: log sigma added
# hint: log σ has the wrong sign: a wide Gaussian is a low one, so log σ is subtracted.
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    off = (x - decoder(mu + torch.exp(logvar / 2) * eps)) / torch.exp(log_sigma)
    log_px_z = (-0.5 * off.square() + log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
    return log_px_z - 0.5 * (mu.square() + torch.exp(logvar) - 1 - logvar).sum(-1)

# %% wrong: log sigma once for an image
# hint: log σ is counted once for each image. It is subtracted for each pixel.
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    off = (x - decoder(mu + torch.exp(logvar / 2) * eps)) / torch.exp(log_sigma)
    log_px_z = (-0.5 * off.square() - 0.5 * math.log(2 * math.pi)).sum(-1) - log_sigma
    return log_px_z - 0.5 * (mu.square() + torch.exp(logvar) - 1 - logvar).sum(-1)

# %% wrong: the decoder cut off
# hint: What the decoder gives is cut off (`detach`, `no_grad`): no gradient gets into it, nor through it into the encoder.
def grey_elbo(encoder, decoder, x, eps, log_sigma):
    mu, logvar = encoder(x)
    off = (x - decoder(mu + torch.exp(logvar / 2) * eps).detach()) / torch.exp(log_sigma)
    log_px_z = (-0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)
    return log_px_z - 0.5 * (mu.square() + torch.exp(logvar) - 1 - logvar).sum(-1)

# %% wrong: the half before the whole
# hint: You halve the logarithms too. In a Gaussian's log-density the ½ stands before the square and before log 2π; log σ stands as it is.
#- -0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)
#+ 0.5 * (-off.square() - log_sigma - 0.5 * math.log(2 * math.pi))

# %% wrong: the square alone
# hint: The normalisation of the Gaussian is missing, −log σ − ½ log 2π for each pixel. Without log σ a large σ costs nothing.
#- -0.5 * off.square() - log_sigma - 0.5 * math.log(2 * math.pi)
#+ -0.5 * off.square()

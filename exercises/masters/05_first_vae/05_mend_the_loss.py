# title: Mend a broken VAE
# chapter: 05_first_vae
# goal: find faults in a loss that runs, trains and shows reasonable numbers
# kind: mend
# minutes: 20
# points: 3
# difficulty: 2
# passage: The loss
# answer: loss
# returns: tensor
# plant: 2
# tolerance: 5e-4
# removes: vae_lib.objectives.negative_elbo, vae_lib.vae.VAE.elbo, vae_lib.vae.VAE.log_weights,
#   vae_lib.vae.VAE.log_prob, vae_lib.vae.VAE._log_weights, vae_lib.objectives.gaussian_kl,
#   vae_lib.objectives.reparameterize, vae_lib.likelihoods.Bernoulli.log_prob

# %% statement
r"""
The loss below runs without an error, and training with it goes down. Yet it is not the −ELBO of the chapter, with the rate in closed form: it has **two
faults**. Find and mend them. Change as little as you can, and keep its arguments.

`encoder` gives `mu` and `logvar` $= \log \sigma^2$, `decoder` gives logits, `x` has shape `(batch, pixels)`, and `eps` is the
noise to draw $z$ with, of shape `(batch, z_dim)`. The loss is in nats, one number for each image. Keep the rate in closed form,
as in the chapter; no other noise is drawn.
"""

# %% given
import torch
import torch.nn.functional as F

# %% solution
def loss(encoder, decoder, x, eps):
    """-ELBO of each image, (batch,) nats, with one draw of z from the noise eps."""
    mu, logvar = encoder(x)
    sigma = torch.exp(0.5 * logvar)
    z = mu + sigma * eps
    logits = decoder(z)
    pixels = F.binary_cross_entropy_with_logits(logits, x, reduction="none")
    distortion = pixels.sum(-1)
    squares = mu.square() + logvar.exp()
    rate = 0.5 * (squares - 1 - logvar).sum(-1)
    return distortion + rate

# %% why
r"""
Each line owes one quantity: $\sigma = e^{\frac12 \log \sigma^2}$; $z = \mu + \sigma \varepsilon$ with all of its gradient; the cross-entropy of
the logits as they come; its sum over the pixels; in `squares` the average of $z^2$ under $q$, $\mu^2 + \sigma^2$; the rate
$\frac12 \sum_j (\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2)$; distortion plus rate.

A decoder that always gives 0 takes them apart. Its distortion is $D \log 2$, and what remains is the rate. This must not vary with the noise, and
it must have its *minimum*, 0, at $\mu = 0$, $\sigma = 1$. A lost gradient changes no value: compare the gradients too.

Two faults deserve a second look. Where `squares` holds $z^2$ of the draw, the rate is that of one draw: right on average, so training works, but it varies
with the noise. And with half of $\log \sigma^2$ in the rate, this is still 0 at $\mu = 0$, $\sigma = 1$, but at $\mu = 0$, $\sigma^2 = \frac12$ it is
$-0.08$ nats for each dimension. No KL is negative, and dimensions that the decoder ignores would settle there.
"""

# %% inputs
def inputs(rng):
    return {"x": rng.bits(4, 9), "eps": rng.normal(4, 3), "seed": rng.integer(0, 10**6)}

# %% probe
import math

def probe(answer, x, eps, seed):
    torch.manual_seed(seed)
    first, second = torch.nn.Linear(9, 6), torch.nn.Linear(3, 9)

    def encoder(x):
        mu, logvar = first(x).chunk(2, 1)
        return 1.5 * mu + 0.5, 1.5 * logvar - 0.4

    value = answer(encoder, lambda z: 2 * second(z), x, eps)
    found = gradients(value, first.weight, second.weight)
    again = answer(encoder, lambda z: 2 * second(z), x, eps)
    blind = [answer(lambda x: (torch.full((4, 3), mu), torch.full((4, 3), logvar)), lambda z: 0 * second(z), x, noise)
             for mu, logvar, noise in ((0.0, 0.0, eps), (1.0, math.log(4), eps), (1.0, math.log(4), -2 * eps))]
    return {"loss": value, "loss_of_the_prior_and_fair_coins": blind[0], "loss_of_mu_one_and_sigma_two_and_fair_coins": blind[1],
            "change_of_that_loss_with_the_noise": blind[2] - blind[1], "gradient_in_the_encoder": found[0], "gradient_in_the_decoder": found[1], "change_from_one_call_to_the_next": again - value}

# %% laws
def laws(seen, x, eps, seed):
    yield seen["loss"].shape == (4,), "there is one number for each image"
    yield not (seen["change_from_one_call_to_the_next"].abs() > 1e-4).any(), "the same noise gives the same loss", \
        "The noise is passed in: use `eps`, and draw none of your own."
    yield not (seen["loss"] <= 0).any(), "the −ELBO of binary pixels is positive"
    yield seen["change_of_that_loss_with_the_noise"].abs().max() < 1e-3, "with a decoder that gives 0 whatever z is, the loss is the same for any noise", \
        "Take a decoder that gives 0 whatever z is, and change the noise: the loss must stay. The closed form of the rate holds no noise; where is some in yours?"
    yield (seen["loss_of_the_prior_and_fair_coins"] - 9 * math.log(2)).abs().max() < 1e-3, "with that decoder, an encoder that gives 0 for both has the loss of fair coins, log 2 for each pixel", \
        "Take a decoder that gives 0 and an encoder that gives 0 for mu and for `logvar`. q is the prior then, and the loss is that of nine fair coins, 9 log 2: what is more or less in yours?"
    more = seen["loss_of_mu_one_and_sigma_two_and_fair_coins"] - seen["loss_of_the_prior_and_fair_coins"]
    yield (more - 1.5 * (4 - math.log(4))).abs().max() < 1e-3, "with that decoder, mu = 1 and σ = 2 cost as much more as the closed form says", \
        "Take a decoder that gives 0, and an encoder that gives mu = 1 and σ = 2. Work out the rate of one dimension by hand, and hold your terms against it one by one."
    yield seen["gradient_in_the_encoder"].abs().sum() > 0, "a gradient reaches the encoder"
    yield seen["gradient_in_the_decoder"].abs().sum() > 0, "a gradient reaches the decoder"

# %% right: from torch.distributions
import torch.distributions as td

def loss(encoder, decoder, x, eps):
    mu, logvar = encoder(x)
    q, prior = td.Normal(mu, logvar.exp().sqrt()), td.Normal(torch.zeros_like(mu), torch.ones_like(mu))
    likelihood = td.Bernoulli(logits=decoder(q.mean + q.stddev * eps))
    return td.kl_divergence(q, prior).sum(1) - likelihood.log_prob(x).sum(1)

# %% right: in float64, written out
def loss(encoder, decoder, x, eps):
    mu, logvar = encoder(x)
    variance = logvar.double().exp()
    logits = decoder(mu + eps * variance.sqrt().float()).double()
    log_px_z = (x * logits - F.softplus(logits)).sum(dim=1)
    kl = (mu.double() ** 2 + variance - 1 - variance.log()).sum(dim=1) / 2
    return -(log_px_z - kl)

# %% wrong: mean over the pixels
# hint: The pixels are averaged, and the latent dimensions are summed: the rate then counts far too much, and the posterior
#   collapses. Sum over the pixels.
#- pixels.sum(-1)
#+ pixels.mean(-1)

# %% wrong: the variance as the spread
# hint: z is drawn with σ² in place of σ. The exponent needs its one half; the rate charges for the right σ.
#- torch.exp(0.5 * logvar)
#+ torch.exp(logvar)

# %% wrong: the mean in place of a draw
# hint: The noise is not used: the decoder sees mu. The first term of the ELBO is an average over draws of z.
#- z = mu + sigma * eps
#+ z = mu

# %% wrong: the half of the KL
# hint: The rate is twice what it should be: the one half in front of the KL is missing.
#- 0.5 * (squares
#+ (squares

# %% wrong: the sign of the rate
# hint: The rate is subtracted from the loss, so that training makes it as large as it can. The loss is −ELBO, distortion
#   plus rate.
#- distortion + rate
#+ distortion - rate

# %% wrong: mean over the latent dimensions
# hint: The rate is averaged over the latent dimensions. Independent dimensions add up, as the pixels do.
#- - 1 - logvar).sum(-1)
#+ - 1 - logvar).mean(-1)

# %% wrong: the spread is detached
# hint: The draw passes no gradient to log σ²: the encoder then learns its spread from the rate alone, which wants it to
#   be 1.
#- sigma * eps
#+ sigma.detach() * eps

# %% wrong: logits and probabilities
# hint: A sigmoid is taken twice. `binary_cross_entropy_with_logits` takes the decoder's logits as they are.
#- logits = decoder(z)
#+ logits = torch.sigmoid(decoder(z))

# %% wrong: the logarithm with the wrong sign
# hint: In the rate, log σ² has the wrong sign: it then rewards a σ near zero, and the posterior shrinks to a point.
#- - 1 - logvar
#+ - 1 + logvar

# %% wrong: the squares of mu
# hint: The rate misses the squares of mu: nothing keeps the means near the prior, and draws from the prior will meet
#   holes.
#- squares = mu.square() + logvar.exp()
#+ squares = logvar.exp()

# %% wrong: sigma in the rate
# hint: The rate holds σ in place of σ²: the variance is the exponential of `logvar`.
#- squares = mu.square() + logvar.exp()
#+ squares = mu.square() + sigma

# %% wrong: the draw is detached
# hint: The draw passes no gradient at all to the encoder: it then learns from the rate alone, and tells nothing of the image.
#- z = mu + sigma * eps
#+ z = (mu + sigma * eps).detach()

# %% wrong: the rate is detached
# hint: The rate passes no gradient: the number is right, and training does not see it. The encoder then pays nothing for what it tells.
#- rate = 0.5 * (squares - 1 - logvar).sum(-1)
#+ rate = 0.5 * (squares - 1 - logvar).detach().sum(-1)

# %% wrong: twice the logarithm of the variance
# hint: z is drawn with the exponential of 2 log σ², the fourth power of σ. The exponent needs one half of `logvar`.
#- torch.exp(0.5 * logvar)
#+ torch.exp(2 * logvar)

# %% wrong: log sigma squared for sigma
# hint: The noise is multiplied by `logvar` itself. It is the logarithm of the variance: σ is the exponential of its half.
#- torch.exp(0.5 * logvar)
#+ logvar

# %% wrong: squared errors
# hint: The distortion adds up squared errors of probabilities. For coins it is −log p(x|z), the binary cross-entropy.
#- pixels = F.binary_cross_entropy_with_logits(logits, x, reduction="none")
#+ pixels = (torch.sigmoid(logits) - x).square()

# %% wrong: the rate of one draw
# hint: The rate is the difference log q − log p at the one draw. It is right on average; asked for is the closed form, which does not vary with the noise.
#- squares = mu.square() + logvar.exp()
#+ squares = z.square() + 1 - eps.square()

# %% wrong: the square of the draw
# hint: The rate holds the square of the draw z. The closed form holds the square of its mean `mu`; the variance stands beside it already.
#- squares = mu.square() + logvar.exp()
#+ squares = z.square() + logvar.exp()

# %% wrong: half of the logarithm
# hint: The rate holds log σ, half of `logvar`. Beside the squares and the −1 stands log σ².
#- squares - 1 - logvar)
#+ squares - 1 - 0.5 * logvar)

# %% wrong: the mean over the images
# hint: Every image gets the same number, the mean over the batch. Asked for is one number for each image.
#- return distortion + rate
#+ return (distortion + rate).mean().expand(len(x))

# %% wrong: the wrong way round in the cross-entropy
# hint: The cross-entropy has its arguments the wrong way round: the images are taken for logits. The decoder's logits stand first.
#- (logits, x, reduction
#+ (x, torch.sigmoid(logits), reduction

# %% wrong: no rate
# hint: The rate is missing: these are the pixels alone, and nothing keeps the codes near the prior. The loss is distortion plus rate.
#- return distortion + rate
#+ return distortion

# %% wrong: the rate alone
# hint: The distortion is missing: this is the rate alone, and nothing asks for the image. The loss is distortion plus rate.
#- return distortion + rate
#+ return rate

# %% wrong: the one is missing
# hint: The −1 of each latent dimension is missing in the rate: a posterior that is equal to the prior must cost nothing.
#- squares - 1 - logvar)
#+ squares - logvar)

# %% wrong: the sign of the exponent
# hint: z is drawn with 1/σ: the exponent has the wrong sign. σ is the exponential of half of `logvar`.
#- torch.exp(0.5 * logvar)
#+ torch.exp(-0.5 * logvar)

# %% wrong: the square of the draw alone
# hint: The squares are those of the draw z alone. They vary with the noise: the closed form holds their average under q, from `mu` and the variance.
# alone
#- squares = mu.square() + logvar.exp()
#+ squares = z.square()

# %% wrong: a one for the variance
# hint: Beside the squares of `mu` stands 1 where the variance of q belongs: the rate then no longer sees how wide q is, apart from the logarithm.
# alone
#- squares = mu.square() + logvar.exp()
#+ squares = mu.square() + 1

# %% wrong: twice the logarithm in the rate
# hint: log σ² counts twice in the rate. `logvar` is log σ² already, and the one half in front holds for it too.
# alone
#- squares - 1 - logvar)
#+ squares - 1 - 2 * logvar)

# %% wrong: the square of a sum
# hint: You square the sum of mu and σ. The average of z² under q is mu² + σ²: the product of the two averages to zero.
# alone
#- squares = mu.square() + logvar.exp()
#+ squares = (mu + sigma).square()

# %% wrong: the square of the noise
# hint: Beside the squares of `mu` stands the square of the noise that was drawn. The closed form holds its average, the variance.
# alone
#- squares = mu.square() + logvar.exp()
#+ squares = mu.square() + (sigma * eps).square()

# %% wrong: noise left over
# hint: The squares still hold 1 − eps². It is zero on average, and no part of the closed form, which does not vary with the noise.
# alone
#- squares = mu.square() + logvar.exp()
#+ squares = mu.square() + logvar.exp() + 1 - eps.square()

# %% wrong: the ELBO
# hint: The sign of the whole is the wrong way round: this is the ELBO. A loss is made small, so that it is −ELBO.
# alone
#- return distortion + rate
#+ return -(distortion + rate)

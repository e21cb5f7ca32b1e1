# title: Mend the score of an inpainting
# chapter: 08_image_editing
# goal: find what spoils an estimate of a conditional probability
# kind: mend
# minutes: 25
# points: 3
# difficulty: 2
# passage: Missing pixels
# answer: asked_nll
# returns: tensor
# plant: 2
# tolerance: 5e-4
# removes: vae_lib.inference.missing_nll

# %% statement
r"""
Some pixels of an image are known, and some are asked for. The rest is neither: nobody tells them and nobody asks. `known` and `asked` are masks of
shape `(pixels,)` of type bool; they do not overlap. The function below should estimate $-\log p(x_{\text{asked}} \mid x_{\text{known}})$ in nats, one
number for each image, by importance sampling from $q = \mathcal{N}(\mu, \operatorname{diag} e^{\text{logvar}})$. The decoder gives logits, `x` has
shape `(batch, pixels)` and holds 0 and 1, and `eps` is the noise of all draws, of shape `(K, batch, z_dim)`.

The code runs, and has **two faults**. Mend them, and change as little as you can. Constants that every weight shares may be left out.

*Check yourself first:* ask for a single pixel. What must the probabilities of its two values add up to?
"""

# %% given
import math

import torch
import torch.nn.functional as F

# %% solution
def asked_nll(decoder, x, known, asked, mu, logvar, eps):
    """-log p(x_asked | x_known) of each image, (batch,) nats, from K draws of q."""
    sigma = torch.exp(0.5 * logvar)
    z = mu + sigma * eps
    log_prior = -0.5 * z.square().sum(-1)
    log_q = -0.5 * eps.square().sum(-1) - 0.5 * logvar.sum(-1)
    logits = decoder(z)
    pixels = -F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none")
    log_known = (pixels * known).sum(-1)
    log_asked = (pixels * asked).sum(-1)
    log_w = log_prior + log_known - log_q
    total = torch.logsumexp(log_w, 0)
    return total - torch.logsumexp(log_w + log_asked, 0)

# %% why
r"""
Write $x_o$ for the known pixels and $x_m$ for those that are asked for. Then

$$
-\log p(x_m \mid x_o) = \log p(x_o) - \log p(x_m, x_o) ,
$$

and the same draws estimate both: weights $w = p(z)\, p(x_o \mid z) / q(z)$, summed once as they are and once times $p(x_m \mid z)$. The weights hold the known
pixels alone. What is asked for would otherwise choose the $z$ that explain it. Pixels that are neither stand nowhere.

In the quotient the weights are divided by their sum, so for one pixel the probabilities of 0 and 1 add up to exactly 1, with any number of draws.
Weights that see the answer fail this test. Weights without the prior, or draws with a wrong spread, pass it: whatever the draws and their weights
are, they are the same for both values. With one draw the weight cancels, and what is left is $-\log p(x_m \mid z)$ at $z = \mu + \sigma
\varepsilon$: faults of the weights show from two draws on, those of the spread or of the pixels asked for with one.
"""

# %% inputs
def inputs(rng):
    order = rng.sample(range(10), 10)
    return {"x": rng.bits(4, 10), "mu": 0.8 * rng.normal(4, 3), "logvar": 0.5 * rng.normal(4, 3) - 0.8, "eps": rng.normal(6, 4, 3),
            "known": torch.tensor([k in order[:4] for k in range(10)]), "asked": torch.tensor([k in order[4:8] for k in range(10)]),
            "seed": rng.integer(0, 10**6)}

# %% probe
def probe(answer, x, mu, logvar, eps, known, asked, seed):
    torch.manual_seed(seed)
    second = torch.nn.Linear(3, 10).requires_grad_(False)
    decoder = lambda z: 3 * second(z)
    one = torch.arange(10) == int(asked.nonzero()[0])
    black, white = (answer(decoder, torch.where(one, value, x), known, one, mu, logvar, eps) for value in (0.0, 1.0))
    return {"nats": answer(decoder, x, known, asked, mu, logvar, eps),
            "nats_with_other_pixels_that_nobody_asks_for": answer(decoder, torch.where(known | asked, x, 1 - x), known, asked, mu, logvar, eps),
            "nats_where_nothing_is_asked": answer(decoder, x, known, asked & ~asked, mu, logvar, eps),
            "probabilities_of_both_values_of_a_pixel": torch.exp(-torch.stack([black, white]).double()).sum(0)}

# %% laws
def laws(seen, x, mu, logvar, eps, known, asked, seed):
    yield seen["nats"].shape == (4,), "there is one number for each image"
    yield seen["nats_where_nothing_is_asked"].abs().max() < 1e-3, "where nothing is asked, the score is 0"
    yield (seen["nats"] - seen["nats_with_other_pixels_that_nobody_asks_for"]).abs().max() < 1e-3, \
        "pixels that are neither known nor asked for change nothing"
    yield (seen["probabilities_of_both_values_of_a_pixel"] - 1).abs().max() < 1e-3, "the probabilities of a pixel's two values add up to 1"

# %% right: with normalised weights and torch.distributions
import torch.distributions as td

def asked_nll(decoder, x, known, asked, mu, logvar, eps):
    q = td.Normal(mu, logvar.exp().sqrt())
    z = q.mean + q.stddev * eps
    pixels = td.Bernoulli(logits=decoder(z)).log_prob(x.expand(len(eps), *x.shape))
    log_w = (td.Normal(0.0, 1.0).log_prob(z) - q.log_prob(z)).sum(2) + pixels[:, :, known].sum(2)
    return -((torch.softmax(log_w, 0) * pixels[:, :, asked].sum(2).exp()).sum(0)).log()

# %% right: in float64, without the constants of q
def asked_nll(decoder, x, known, asked, mu, logvar, eps):
    found = []
    for i in range(len(x)):
        z = mu[i] + (logvar[i] / 2).exp() * eps[:, i]
        p = torch.sigmoid(decoder(z).double())
        chance = torch.where(x[i] > 0.5, p, 1 - p)
        w = torch.exp((eps[:, i].double() ** 2 - z.double() ** 2).sum(1) / 2) * chance[:, known].prod(1)
        found.append(torch.log(w.sum() / (w * chance[:, asked].prod(1)).sum()))
    return torch.stack(found)

# %% wrong: the answer is known to the weights
# hint: The weights see the pixels that are asked for. They may only use what is known; otherwise the answer is guessed with the answer at hand.
#- (pixels * known)
#+ (pixels * (known | asked))

# %% wrong: the whole image is scored
# hint: You score the known pixels along with those that are asked for. Known pixels are given, and they cost nothing.
#- (pixels * asked)
#+ (pixels * (asked | known))

# %% wrong: all pixels that are not known
# hint: You score every pixel that is not known. Some of them nobody asked for: they are left out on both sides.
#- (pixels * asked)
#+ (pixels * ~known)

# %% wrong: the prior is missing
# hint: The prior is missing from the weights: a weight is p(z) p(x_known|z) / q(z).
#- log_prior + log_known
#+ log_known

# %% wrong: not divided by q
# hint: The weights are not divided by q. Draws come more often from where q is large, and the weights must take that back.
#- log_known - log_q
#+ log_known

# %% wrong: the known pixels do not weigh
# hint: The weights do not use what is known: every draw of z then counts however badly it fits the known pixels.
#- + log_known
#+

# %% wrong: the mask upside down
# hint: The weights use the pixels that are not known. The mask is True where a pixel is known.
#- (pixels * known)
#+ (pixels * ~known)

# %% wrong: the variance as the spread
# hint: z is drawn with σ² in the place of σ: the exponent needs its one half.
#- torch.exp(0.5 * logvar)
#+ torch.exp(logvar)

# %% wrong: the half in q
# hint: In log q the square of the noise lacks its one half.
#- log_q = -0.5 * eps.square()
#+ log_q = -eps.square()

# %% wrong: mean over the known pixels
# hint: The log-probabilities of the known pixels are averaged. Independent pixels add up: what is known otherwise hardly weighs.
#- (pixels * known).sum(-1)
#+ (pixels * known).mean(-1)

# %% wrong: weights that do not add up to one
# hint: You divide by the number of draws. The weights do not average to 1: divide by their sum.
#- total = torch.logsumexp(log_w, 0)
#+ total = math.log(len(eps))

# %% wrong: the average of the logarithms
# hint: You average the log-probability over the weighted draws. Asked for is the logarithm of the averaged probability, which is larger.
#- return total - torch.logsumexp(log_w + log_asked, 0)
#+ return -(torch.exp(log_w - total) * log_asked).sum(0)

# %% wrong: the log-probability with its own sign
# hint: This is the log-probability itself. The score is its negative, so that a good guess costs little.
#- return total - torch.logsumexp(log_w + log_asked, 0)
#+ return torch.logsumexp(log_w + log_asked, 0) - total

# %% wrong: the draws are not weighted
# hint: You average over draws of q as they come: that is what q predicts. The weights turn draws of q into draws of p(z | x_known).
#- return total - torch.logsumexp(log_w + log_asked, 0)
#+ return math.log(len(eps)) - torch.logsumexp(log_asked, 0)

# %% wrong: the joint probability
# hint: This scores what is known and what is asked for together, up to a constant. Divide by the probability of what is known: the sum of the weights.
#- return total - torch.logsumexp(log_w + log_asked, 0)
#+ return -torch.logsumexp(log_w + log_asked, 0)

# %% wrong: nats per pixel
# hint: The log-probabilities of the pixels that are asked for are averaged. Given z they are independent, so they add up.
#- (pixels * asked).sum(-1)
#+ (pixels * asked).mean(-1)

# %% wrong: multiplied by q
# hint: The weights are multiplied by q: log q has the wrong sign in them. A weight is p(z) p(x_known|z) / q(z).
# alone
#-     log_w = log_prior + log_known - log_q
#+     log_w = log_prior + log_known + log_q

# %% wrong: the heaviest draw alone
# hint: You take the draw with the largest weight alone. All draws count, each by its weight.
# alone
#-     return total - torch.logsumexp(log_w + log_asked, 0)
#+     return -log_asked.gather(0, log_w.argmax(0, keepdim=True))[0]

# %% wrong: a cross-entropy for a log-probability
# hint: The cross-entropy is minus the log-probability of a pixel. Its sign is the wrong way round here: the weights then favour the draws
#   that fit worst.
# alone
#-     pixels = -F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none")
#+     pixels = F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none")

# %% wrong: the half in the prior
# hint: In log p(z) the square of z lacks its one half.
# alone
#-     log_prior = -0.5 * z.square().sum(-1)
#+     log_prior = -z.square().sum(-1)

# %% wrong: q at the draw as if it were the prior
# hint: p(z) / q(z) has dropped out of your weights: it was left out, or log q squares z where it should square (z − μ) / σ, which is `eps`. A weight is
#   p(z) p(x_known|z) / q(z).
# alone
#-     log_q = -0.5 * eps.square().sum(-1) - 0.5 * logvar.sum(-1)
#+     log_q = -0.5 * z.square().sum(-1) - 0.5 * logvar.sum(-1)

# %% wrong: the average of the logarithms, unweighted
# hint: You average the negative log-probability over the draws as they come. Weigh them, and average the probability: the logarithm comes
#   last.
# alone
#-     return total - torch.logsumexp(log_w + log_asked, 0)
#+     return -log_asked.mean(0)

# %% wrong: divided by the number of asked pixels
# hint: The result is divided by the number of pixels that are asked for. Nats add up: the score is one of all these pixels together.
#-     return total - torch.logsumexp(log_w + log_asked, 0)
#+     return (total - torch.logsumexp(log_w + log_asked, 0)) / asked.sum()

# %% wrong: the sign inside
# hint: The minus stands inside the sum over draws, before the log-probability of the asked pixels. Then 1 / p is averaged. Average p first; the minus comes last.
# alone
#-     return total - torch.logsumexp(log_w + log_asked, 0)
#+     return torch.logsumexp(log_w - log_asked, 0) - total

# %% wrong: the root of the spread
# hint: The spread of q is the root of what it should be: a quarter of `logvar` stands in the exponent, and σ is the exponential of half of it.
# alone
#- torch.exp(0.5 * logvar)
#+ torch.exp(0.25 * logvar)

# %% wrong: one over the spread
# hint: The spread of q is turned over: with a minus in the exponent, a sure posterior draws widely.
# alone
#- torch.exp(0.5 * logvar)
#+ torch.exp(-0.5 * logvar)

# %% wrong: what is not asked is known
# hint: You take every pixel that is not asked for as known. Some are neither: nobody tells them.
# alone
#- (pixels * known)
#+ (pixels * ~asked)

# %% wrong: the half before the exponential
# alone
# hint: The half stands before the exponential. σ is the root of e^logvar, so the half belongs to the exponent.
#- sigma = torch.exp(0.5 * logvar)
#+ sigma = 0.5 * torch.exp(logvar)

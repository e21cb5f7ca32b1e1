# title: How many of the draws count?
# chapter: 02_latent_variable_models
# goal: estimate log p(x) by importance sampling and say how far to trust it
# kind: implement
# minutes: 15
# points: 2
# difficulty: 2
# passage: Importance sampling
# answer: weigh
# returns: tensor, tensor
# tolerance: 4e-4, log_p_of_tiny_weights 4e-3, size_of_tiny_weights 4e-3
# removes: vae_lib.objectives.iwae_bound, vae_lib.evaluation.effective_sample_size

# %% statement
r"""
Latents $z_1 \dots z_K$ were drawn from a proposal $q(z)$. For each of them three logarithms are known: $\log p(z_k)$, $\log p(x \mid z_k)$ and
$\log q(z_k)$. By a slip of the one who drew them, {{LOST}} of the weights were lost: draws whose weight would have been **zero**. They still count as draws.

Write `weigh(log_prior, log_likelihood, log_proposal)`, all of shape `(K, batch)` *without* the lost ones: the importance-sampling estimate of
$\log p(x)$ and the effective sample size $(\sum_k w_k)^2 / \sum_k w_k^2$, each of shape `(batch,)`. Weights may be as small as $e^{-3000}$,
and those of one image much smaller than those of another.
"""

# %% draws
def draws(rng):
    return {"LOST": rng.choice([2, 3, 5, 8])}

# %% given
import torch

# %% starter
def weigh(log_prior, log_likelihood, log_proposal):
    """(estimate of log p(x), effective sample size), each (batch,)."""
    ...

# %% solution
def weigh(log_prior, log_likelihood, log_proposal):
    """(estimate of log p(x), effective sample size), each (batch,)."""
    log_w = log_prior + log_likelihood - log_proposal
    draws = len(log_w) + LOST
    log_sum = torch.logsumexp(log_w, 0)
    log_squares = torch.logsumexp(2 * log_w, 0)
    return log_sum - torch.log(torch.tensor(float(draws))), torch.exp(2 * log_sum - log_squares)

# %% why
r"""
The estimate is the *mean* of the weights $w_k = p(z_k)\, p(x \mid z_k) / q(z_k)$ over all draws. A weight of zero adds nothing to the sum, but its
draw was made: divide by $K + {{LOST}}$. Left out, the {{LOST}} would raise the estimate of $\log p(x)$ by $\log \frac{K + {{LOST}}}{K}$, for every
image alike.

The effective sample size does not see them: zeros change neither the sum of the weights nor that of their squares. As a logarithm it is $2 \log
\sum_k w_k - \log \sum_k w_k^2$. Both sums by `logsumexp`, for each image with its own largest term taken out, so that weights of $e^{-3000}$ do no
harm; only the difference is exponentiated. It is $K$ for equal weights and 1 where one weight is all.
"""

# %% inputs
def inputs(rng):
    return {"log_prior": rng.normal(7, 4) - 2, "log_likelihood": 1.5 * rng.normal(7, 4) - rng.uniform(3, 6),
            "log_proposal": rng.normal(7, 4) - 1, "far": rng.uniform(2000, 3000)}

# %% probe
def probe(answer, log_prior, log_likelihood, log_proposal, far):
    value, size = answer(log_prior, log_likelihood, log_proposal)
    shift = 900 + far * torch.tensor([1.0, 0.0, 1.0, 0.0])  # all images are improbable, and some far more so
    tiny, tiny_size = answer(log_prior, log_likelihood - shift, log_proposal)
    same, same_size = answer(*[torch.full((6, 2), -1.5)] * 3)
    tiny = tiny + shift if tiny.shape == shift.shape else tiny
    return {"log_p": value, "effective_sample_size": size, "log_p_of_tiny_weights": tiny, "size_of_tiny_weights": tiny_size,
            "size_of_equal_weights": same_size}

# %% laws
def laws(seen, log_prior, log_likelihood, log_proposal, far):
    size = seen["effective_sample_size"]
    yield size.shape == (4,), "there is one number for each image"
    yield (size >= 1 - 1e-3).all() and (size <= 7 + 1e-3).all(), "the effective sample size lies between 1 and the number of weights"
    yield (seen["size_of_equal_weights"] - 6).abs().max() < 1e-2, "equal weights all count", \
        "With K equal weights w the size is (K w)² / (K w²)."

# %% right: with the largest weight taken out, in float64
def weigh(log_prior, log_likelihood, log_proposal):
    log_w = (log_prior.double() + log_likelihood.double()) - log_proposal.double()
    top = log_w.max(0).values
    w = torch.exp(log_w - top)
    return top + torch.log(w.sum(0) / (w.shape[0] + LOST)), w.sum(0) ** 2 / (w**2).sum(0)

# %% right: with the lost weights put back
def weigh(log_prior, log_likelihood, log_proposal):
    log_w = torch.cat([log_prior + log_likelihood - log_proposal, torch.full((LOST, log_prior.shape[1]), -torch.inf)])
    share = torch.softmax(log_w, 0)
    return log_w.logsumexp(0) - torch.tensor(float(len(log_w))).log(), 1 / share.square().sum(0)

# %% wrong: the lost draws are forgotten
# hint: You divide by the number of the weights that are left. The lost draws count as draws too: their weight is zero, and they lower the mean.
#- draws = len(log_w) + LOST
#+ draws = len(log_w)

# %% wrong: the mean of the logarithms
# hint: You average the log weights. The estimate is the logarithm of the average of the weights, and that is larger.
#- return log_sum - torch.log(torch.tensor(float(draws))),
#+ return log_w.mean(0),

# %% wrong: the prior is forgotten
# hint: The prior is missing from the weights: a weight is p(z) p(x|z) / q(z).
#- log_w = log_prior + log_likelihood - log_proposal
#+ log_w = log_likelihood - log_proposal

# %% wrong: not divided by the proposal
# hint: You did not divide by the proposal: the draws come more often from where q is large, and the weights must take that back.
#- + log_likelihood - log_proposal
#+ + log_likelihood

# %% wrong: a sum and no mean
# hint: The estimate of p(x) is the *mean* of the weights. Yours is the sum.
#- return log_sum - torch.log(torch.tensor(float(draws))),
#+ return log_sum,

# %% wrong: the size upside down
# hint: The effective sample size is upside down: you gave one over it.
#- torch.exp(2 * log_sum - log_squares)
#+ torch.exp(log_squares - 2 * log_sum)

# %% wrong: the size by the largest weight
# hint: For the size you gave the sum over the largest weight; asked for is the square of the sum over the sum of the squares.
#- torch.exp(2 * log_sum - log_squares)
#+ torch.exp(log_sum - log_w.amax(0))

# %% wrong: the proposal the wrong way round
# hint: The proposal multiplies the weights. It divides them.
#- + log_likelihood - log_proposal
#+ + log_likelihood + log_proposal

# %% wrong: the sum of the logarithms by the number
# hint: You average the log weights, the lost ones as zeros. The weights are averaged, and a lost weight is 0; the logarithm is taken once, of
#   their average.
#- return log_sum - torch.log(torch.tensor(float(draws))),
#+ return log_w.sum(0) / draws,

# %% wrong: lost weights of one
# hint: Your lost weights are 1: the *logarithm* of a weight that is 0 is −∞, and not 0. For the sums they are nothing, for the number they count.
def weigh(log_prior, log_likelihood, log_proposal):
    log_w = log_prior + log_likelihood - log_proposal
    log_w = torch.cat([log_w, torch.zeros(LOST, log_w.shape[1])])
    size = torch.exp(2 * log_w.logsumexp(0) - (2 * log_w).logsumexp(0))
    return log_w.logsumexp(0) - torch.tensor(float(len(log_w))).log(), size

# %% wrong: the number of lost draws in the sum
# hint: You added the number of lost draws to the sum of the weights. They weigh 0: they add to the number of draws, not to the sum.
#- return log_sum - torch
#+ return torch.logaddexp(log_sum, torch.tensor(float(LOST)).log()) - torch

# %% wrong: the likelihood is forgotten
# hint: The likelihood is missing from the weights: a weight is p(z) p(x|z) / q(z).
#- log_w = log_prior + log_likelihood - log_proposal
#+ log_w = log_prior - log_proposal

# %% wrong: the likelihood alone
# hint: Your weights are the likelihoods. That is right for draws from the prior; these come from q: a weight is p(z) p(x|z) / q(z).
#- log_w = log_prior + log_likelihood - log_proposal
#+ log_w = log_likelihood

# %% wrong: the weights upside down
# hint: Your weights are upside down: q(z) over p(z) p(x|z).
#- log_w = log_prior + log_likelihood - log_proposal
#+ log_w = log_proposal - log_prior - log_likelihood

# %% wrong: the size of the log weights
# hint: For the size you summed the logarithms of the weights and their squares. The weights themselves are summed and squared.
#- torch.exp(2 * log_sum - log_squares)
#+ log_w.sum(0).square() / log_w.square().sum(0)

# %% wrong: the size by the entropy
# hint: You took the exponential of the entropy of the shares, another measure of how many count. Asked for is the square of the sum over the sum of
#   the squares.
#- torch.exp(2 * log_sum - log_squares)
#+ torch.distributions.Categorical(logits=log_w.T).entropy().exp()

# %% wrong: the size of the likelihoods
# hint: Your size is that of the likelihoods. It is one of the weights, with prior and proposal in them.
#- torch.exp(2 * log_sum - log_squares)
#+ torch.exp(2 * log_likelihood.logsumexp(0) - (2 * log_likelihood).logsumexp(0))

# %% wrong: the size by an unbiased variance
# hint: Your size comes from a variance divided by the number of weights minus 1. The square of the sum over the sum of the squares has no
#   such minus 1.
#- torch.exp(2 * log_sum - log_squares)
#+ len(log_w) / (1 + log_w.softmax(0).var(0) * len(log_w) ** 2)

# %% wrong: the exponentials as they are
# hint: The exponential of −3000 is 0 in any float: stay with `torch.logsumexp`, for the squares too.
def weigh(log_prior, log_likelihood, log_proposal):
    w = torch.exp(log_prior + log_likelihood - log_proposal)
    return torch.log(w.sum(0) / (len(w) + LOST)), w.sum(0) ** 2 / (w**2).sum(0)

# %% wrong: one shift for all images
# hint: You take out the largest weight of all images together. An image whose weights are far smaller is left with zeros: take out the largest weight of
#   each image, or use `torch.logsumexp`.
def weigh(log_prior, log_likelihood, log_proposal):
    log_w = log_prior + log_likelihood - log_proposal
    w = torch.exp(log_w - log_w.max())
    return log_w.max() + torch.log(w.sum(0) / (len(w) + LOST)), w.sum(0) ** 2 / (w**2).sum(0)

# %% wrong: the average of the likelihood's logarithm
# hint: You averaged log p(x|z) with normalised weights: that is close to an average under the posterior, a part of a bound. p(x) is the mean of
#   the weights themselves.
#- return log_sum - torch.log(torch.tensor(float(draws))),
#+ return (log_w.softmax(0) * log_likelihood).sum(0),

# %% wrong: the size with the lost ones
# hint: The lost draws are in your size. Their weights are 0 and add nothing to either of its sums.
#- torch.exp(2 * log_sum - log_squares)
#+ torch.exp(2 * log_sum - log_squares) + LOST

# %% wrong: the lost draws taken off
# hint: You took the lost draws off the number of those that are left. They are missing in it already, and count as draws: add them.
#- len(log_w) + LOST
#+ len(log_w) - LOST

# %% wrong: the lost draws alone
# hint: You divided by the number of the lost draws. All draws count: those that are left, and the lost ones.
#- len(log_w) + LOST
#+ LOST

# %% wrong: the best draw
# hint: Your estimate is the largest weight alone. p(x) is the mean of all weights.
#- return log_sum - torch.log(torch.tensor(float(draws))),
#+ return log_w.amax(0),

# %% wrong: the size as a share
# hint: You divided the effective sample size by the number of draws. It is a number of draws and no share.
#- torch.exp(2 * log_sum - log_squares)
#+ torch.exp(2 * log_sum - log_squares) / draws

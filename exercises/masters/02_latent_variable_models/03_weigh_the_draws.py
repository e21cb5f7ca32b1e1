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
# tolerance: 4e-4
# removes: vae_lib.objectives.iwae_bound

# %% statement
r"""
Latents $z_1 \dots z_K$ were drawn from a proposal $r(z)$. For each of them three logarithms are known: $\log p(z_k)$, $\log p(x \mid z_k)$ and
$\log r(z_k)$. By a slip of the one who drew them, {{LOST}} of the weights were lost: draws whose weight would have been **zero**. They still count as draws.

Write `weigh(log_prior, log_likelihood, log_proposal)`, all of shape `(K, batch)` *without* the lost ones: the importance-sampling estimate of
$\log p(x)$ and the effective sample size $(\sum_k w_k)^2 / \sum_k w_k^2$, each of shape `(batch,)`. Weights may be as small as $e^{-3000}$.
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

# %% inputs
def inputs(rng):
    return {"log_prior": rng.normal(7, 4) - 2, "log_likelihood": 1.5 * rng.normal(7, 4) - rng.uniform(3, 6),
            "log_proposal": rng.normal(7, 4) - 1, "far": rng.uniform(2000, 3000)}

# %% probe
def probe(answer, log_prior, log_likelihood, log_proposal, far):
    value, size = answer(log_prior, log_likelihood, log_proposal)
    tiny, tiny_size = answer(log_prior, log_likelihood - far, log_proposal)
    same, same_size = answer(*[torch.full((6, 2), -1.5)] * 3)
    return {"log_p": value, "effective_sample_size": size, "log_p_of_tiny_weights_in_thousands": tiny / 1000,
            "size_of_tiny_weights_by_ten": tiny_size / 10, "size_of_equal_weights": same_size}

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
# hint: The prior is missing from the weights: a weight is p(z) p(x|z) / r(z).
#- log_w = log_prior + log_likelihood - log_proposal
#+ log_w = log_likelihood - log_proposal

# %% wrong: not divided by the proposal
# hint: You did not divide by the proposal: the draws come more often from where r is large, and the weights must take that back.
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
# hint: The estimate is right. For the size you gave the sum over the largest weight; asked for is the square of the sum over the sum of the squares.
#- torch.exp(2 * log_sum - log_squares)
#+ torch.exp(log_sum - log_w.amax(0))

# %% wrong: the proposal the wrong way round
# hint: The proposal multiplies the weights. It divides them.
#- + log_likelihood - log_proposal
#+ + log_likelihood + log_proposal

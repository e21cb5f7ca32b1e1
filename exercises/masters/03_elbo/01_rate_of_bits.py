# title: The rate of a code of bits
# chapter: 03_elbo
# goal: derive a KL divergence for another family than the Gaussian
# kind: implement
# minutes: 12
# points: 2
# difficulty: 1
# passage: Two costs: rate and distortion
# answer: rate_of_bits
# returns: tensor
# tolerance: 2e-4
# removes:

# %% statement
r"""
A code can be bits in place of Gaussian numbers. The encoder gives logits $l_j$, and bit $j$ is 1 with probability
$\pi_j = \operatorname{sigmoid}(l_j)$, independently of the others. The prior says that each bit is 1 with probability {{PRIOR}}.

Write `rate_of_bits(logits)`: $\mathrm{KL}(q(z \mid x)\,\Vert\,p(z))$ in nats, for logits of shape `(batch, bits)`, one number for each image. It
must stay finite when a logit is 100 or −100. The rate is exact: draw nothing.
"""

# %% draws
def draws(rng):
    return {"PRIOR": rng.choice([0.1, 0.2, 0.25, 0.3, 0.7])}

# %% given
import torch

# %% starter
def rate_of_bits(logits):
    """KL(q(z|x) || p(z)) of a code of bits, (batch,) nats."""
    ...

# %% solution
def rate_of_bits(logits):
    """KL(q(z|x) || p(z)) of a code of bits, (batch,) nats."""
    on = torch.sigmoid(logits)
    off = torch.sigmoid(-logits)
    log_on, log_off = torch.nn.functional.logsigmoid(logits), torch.nn.functional.logsigmoid(-logits)
    prior_on, prior_off = torch.log(torch.tensor(PRIOR)), torch.log(torch.tensor(1 - PRIOR))
    return (on * (log_on - prior_on) + off * (log_off - prior_off)).sum(-1)

# %% why
r"""
A bit has two values, so the average of $\log q - \log p$ under $q$ is a sum of two terms, each weighted by the probability of its own case under
$q$. The probabilities of independent bits multiply, so the logarithms add up, and so do their averages:

$$
\mathrm{KL} = \sum_j \pi_j \big(\log \pi_j - \log {{PRIOR}}\big) + (1 - \pi_j) \big(\log (1 - \pi_j) - \log (1 - {{PRIOR}})\big) .
$$

At the logit 100 the difference $1 - \pi_j$ is rounded to 0, its logarithm is $-\infty$, and $0 \cdot \infty$ is no number. `logsigmoid` of $-100$ is
$-100$, and 0 times that is 0.

Without the prior's logarithms only minus the entropy is left, and a sure bit would be free. In truth it costs $-\log {{PRIOR}}$ if it is 1, and
$-\log (1 - {{PRIOR}})$ if it is 0. The larger of the two is the most that a bit can cost, however sure it is. A Gaussian has no such bound: its rate
grows without limit as $\sigma \to 0$.
"""

# %% inputs
def inputs(rng):
    logits = 2 * rng.normal(5, 4)
    logits[0, :2] = torch.tensor([100.0, -100.0])
    return {"logits": logits}

# %% probe
def probe(answer, logits):
    at_prior = torch.logit(torch.tensor(PRIOR)).expand(1, 3)
    return {"rate": answer(logits), "rate_of_the_prior": answer(at_prior), "rate_of_sure_bits": answer(torch.full((1, 1), 60.0)),
            "asked_twice": "the same" if torch.equal(answer(logits).nan_to_num(), answer(logits).nan_to_num()) else "another"}

# %% laws
def laws(seen, logits):
    yield seen["rate"].shape == (5,), "there is one number for each image"
    yield seen["asked_twice"] == "the same", "asked twice, the answer is the same", \
        "You draw the bits. Asked for is the exact average over both cases of a bit, for which no draw is needed."
    yield (seen["rate"] > -1e-5).all(), "a KL divergence is never negative"
    yield seen["rate_of_the_prior"].abs().max() < 1e-4, "it is zero where q is the prior", \
        "Put π = PRIOR into your formula by hand: each logarithm is that of π over the prior's probability *of the same case*, and averaged under q."
    q = torch.distributions.Bernoulli(logits=logits[1:].double())
    right = torch.distributions.kl_divergence(q, torch.distributions.Bernoulli(torch.tensor(PRIOR).double())).sum(1)
    near = (seen["rate"][1:] - right).abs().max() < 0.05  # right where no bit is sure
    yield (seen["rate_of_sure_bits"] + torch.log(torch.tensor(PRIOR))).abs().max() < 1e-3, \
        "a bit that is surely 1 costs −log of its prior probability", \
        "Where π is 1, log π is 0, and 0 · log 0 is 0: what does your formula give there? `logsigmoid` needs no `clamp` and no small number added." \
        if near else ""

# %% right: from torch.distributions
import torch.distributions as td

def rate_of_bits(logits):
    return td.kl_divergence(td.Bernoulli(logits=logits), td.Bernoulli(torch.full_like(logits, PRIOR))).sum(1)

# %% right: cross-entropy minus entropy, in float64
def rate_of_bits(logits):
    p = torch.sigmoid(logits.double())
    entropy = -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p))
    cross = -p * torch.log(torch.tensor(PRIOR).double()) - (1 - p) * torch.log(1 - torch.tensor(PRIOR).double())
    return (cross - entropy).sum(1)

# %% wrong: a fair prior
# hint: This is the rate under a prior of fair bits. Here a bit of the prior is 1 with probability `PRIOR`.
#- torch.log(torch.tensor(PRIOR)), torch.log(torch.tensor(1 - PRIOR))
#+ torch.log(torch.tensor(0.5)), torch.log(torch.tensor(0.5))

# %% wrong: half of the bit
# hint: You counted the case that a bit is 1 and left out the case that it is 0. An average goes over both.
#- (on * (log_on - prior_on) + off * (log_off - prior_off))
#+ (on * (log_on - prior_on))

# %% wrong: the other direction
# hint: This is KL(p || q), the average under the prior. The bound needs the average under q.
#- (on * (log_on - prior_on) + off * (log_off - prior_off))
#+ (PRIOR * (prior_on - log_on) + (1 - PRIOR) * (prior_off - log_off))

# %% wrong: the sign
# hint: Every value has the wrong sign: the logarithm is that of q over p.
#- return (on
#+ return -(on

# %% wrong: mean over the bits
# hint: You average over the bits. Independent bits add up.
#- .sum(-1)
#+ .mean(-1)

# %% wrong: in bits
# hint: The unit is the nat: you divided by log 2.
#- .sum(-1)
#+ .sum(-1) / 0.6931471805599453

# %% wrong: minus the entropy alone
# hint: This is the entropy of q with a minus sign; what the prior says does not occur in it.
#- (on * (log_on - prior_on) + off * (log_off - prior_off))
#+ (on * log_on + off * log_off)

# %% wrong: the prior of the other case
# hint: The prior's probabilities stand in each other's place: a bit of the prior is *1* with probability `PRIOR`.
#- torch.log(torch.tensor(PRIOR)), torch.log(torch.tensor(1 - PRIOR))
#+ torch.log(torch.tensor(1 - PRIOR)), torch.log(torch.tensor(PRIOR))

# %% wrong: the cross-entropy alone
# hint: This is the cross-entropy. The entropy of q is still to be taken off: a KL is zero where q is the prior.
#- (on * (log_on - prior_on) + off * (log_off - prior_off))
#+ -(on * prior_on + off * prior_off)

# %% wrong: the entropy added
# hint: The entropy of q is added to the cross-entropy. It is taken off.
#- (on * (log_on - prior_on) + off * (log_off - prior_off))
#+ -(on * (log_on + prior_on) + off * (log_off + prior_off))

# %% wrong: logits for logarithms
# hint: A logit is not the logarithm of a probability: log π is `logsigmoid` of the logit.
#- log_on, log_off = torch.nn.functional.logsigmoid(logits), torch.nn.functional.logsigmoid(-logits)
#+ log_on, log_off = logits, -logits

# %% wrong: cut off
# hint: You cut the probabilities off, so that sure bits are not sure. `logsigmoid` stays finite without that.
def rate_of_bits(logits):
    on, off = torch.sigmoid(logits), torch.sigmoid(-logits)
    on, off = on.clamp(0.01, 0.99), off.clamp(0.01, 0.99)
    return (on * torch.log(on / PRIOR) + off * torch.log(off / (1 - PRIOR))).sum(-1)

# %% wrong: a small number in the logarithm
# hint: A small number is added inside the logarithms, and every value is a little off. `logsigmoid` needs none.
def rate_of_bits(logits):
    on, off = torch.sigmoid(logits), torch.sigmoid(-logits)
    return (on * torch.log((on + 1e-3) / PRIOR) + off * torch.log((off + 1e-3) / (1 - PRIOR))).sum(-1)

# %% wrong: the logarithm of a rounded probability
# hint: Where a logit is ±100 the sigmoid is rounded to 0, its logarithm is −∞, and 0 · ∞ is no number. `logsigmoid` of the logit is finite.
def rate_of_bits(logits):
    on = torch.sigmoid(logits)
    return (on * torch.log(on / PRIOR) + (1 - on) * torch.log((1 - on) / (1 - PRIOR))).sum(-1)

# %% wrong: no number set to zero
# hint: You set to 0 what is not a number, and with it the whole bit. Only the term with 0 · log 0 is 0; the other one stays. `logsigmoid` does
#   that by itself.
def rate_of_bits(logits):
    on = torch.sigmoid(logits)
    return (on * torch.log(on / PRIOR) + (1 - on) * torch.log((1 - on) / (1 - PRIOR))).nan_to_num(0.0, 0.0, 0.0).sum(-1)

# %% wrong: the Gaussian formula
# hint: This is the KL of two Gaussians with the means and variances of the bits. A bit is no Gaussian: average log q − log p over its two cases.
def rate_of_bits(logits):
    on, off = torch.sigmoid(logits), torch.sigmoid(-logits)
    share = on * (1 - on) / (PRIOR * (1 - PRIOR))
    return 0.5 * ((on - PRIOR) ** 2 / (PRIOR * (1 - PRIOR)) + share - 1 - torch.log(share.clamp(min=1e-30))).sum(-1)

# %% wrong: not averaged
# hint: The two logarithms are added as they are. They are averaged: each is weighted by the probability of its case under q.
#- (on * (log_on - prior_on) + off * (log_off - prior_off))
#+ (log_on - prior_on + log_off - prior_off)

# %% wrong: the prior's probability for a logit
# hint: You took a sigmoid of `PRIOR`. It is a probability already.
#- torch.log(torch.tensor(PRIOR)), torch.log(torch.tensor(1 - PRIOR))
#+ torch.sigmoid(torch.tensor(PRIOR)).log(), torch.sigmoid(-torch.tensor(PRIOR)).log()

# %% wrong: absolute differences
# hint: You took absolute values. Single terms of a KL may be negative; their average is not.
#- (on * (log_on - prior_on) + off * (log_off - prior_off))
#+ (on * (log_on - prior_on).abs() + off * (log_off - prior_off).abs())

# %% wrong: the mean probability
# hint: You averaged the probabilities of the bits first. Each bit has a KL of its own, and those add up.
def rate_of_bits(logits):
    on = torch.sigmoid(logits).mean(-1)
    return logits.shape[1] * (on * torch.log(on / PRIOR) + (1 - on) * torch.log((1 - on) / (1 - PRIOR)))

# %% wrong: the entropy alone
# hint: This is the entropy of q. It knows nothing of the prior: a rate compares q with the prior.
#- (on * (log_on - prior_on) + off * (log_off - prior_off))
#+ -(on * log_on + off * log_off)

# %% wrong: the rate of a Gaussian
# hint: This is a squared distance of logits, the rate of Gaussians that have them as means. A bit is no Gaussian: average log q − log p over its two cases.
def rate_of_bits(logits):
    return 0.5 * (logits - torch.logit(torch.tensor(PRIOR))).square().sum(-1)

# %% wrong: the difference of the entropies
# hint: This is a difference of two entropies: the logarithm of the prior is averaged under the prior. Both logarithms are averaged under q.
#- (on * (log_on - prior_on) + off * (log_off - prior_off))
#+ (on * log_on + off * log_off - PRIOR * prior_on - (1 - PRIOR) * prior_off)

# %% wrong: the likelier value alone
# hint: You took the likelier value of each bit, as if it were sure. The rate is an average over both values, and the entropy of q is taken off.
#- (on * (log_on - prior_on) + off * (log_off - prior_off))
#+ -torch.where(logits > 0, prior_on, prior_off)

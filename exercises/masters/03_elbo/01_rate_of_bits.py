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
must stay finite when a logit is 100 or −100.
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

# %% inputs
def inputs(rng):
    logits = 2 * rng.normal(5, 4)
    logits[0, :2] = torch.tensor([100.0, -100.0])
    return {"logits": logits}

# %% probe
def probe(answer, logits):
    free = logits[1:].clone().requires_grad_()
    at_prior = torch.logit(torch.tensor(PRIOR)).expand(1, 3)
    return {"rate": answer(logits), "rate_of_the_prior": answer(at_prior), "rate_of_sure_bits": answer(torch.full((1, 1), 60.0)),
            "gradient": gradients(answer(free), free)[0]}

# %% laws
def laws(seen, logits):
    yield seen["rate"].shape == (5,), "there is one number for each image"
    yield (seen["rate"] > -1e-5).all(), "a KL divergence is never negative"
    yield seen["rate_of_the_prior"].abs().max() < 1e-4, "it is zero where q is the prior"
    yield (seen["rate_of_sure_bits"] + torch.log(torch.tensor(PRIOR))).abs().max() < 1e-3, \
        "a bit that is surely 1 costs −log of its prior probability"
    yield seen["gradient"].abs().sum() > 0, "a gradient reaches the logits"

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

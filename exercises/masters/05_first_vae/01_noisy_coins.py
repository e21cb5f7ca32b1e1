# title: Coins through a noisy scanner
# chapter: 05_first_vae
# goal: turn a story about pixels into a log-probability that is summed, stable and differentiable
# kind: implement
# minutes: 10
# points: 2
# difficulty: 1
# passage: A story of how images come about
# answer: log_noisy
# returns: tensor
# tolerance: 2e-4
# removes: vae_lib.likelihoods.Bernoulli.log_prob

# %% statement
r"""
The decoder gives the logits of the pixels, as in the chapter, and a coin is tossed for each pixel. Then the strip goes
through a bad scanner. The scanner flips each pixel with probability {{FLIP}}, independently of the others: a 1 comes out as a
0 and a 0 as a 1. We only see what comes out.

Write `log_noisy(x, logits)`: the log-probability of the *scanned* images `x` of shape `(batch, pixels)`, for logits of
the same shape. Give one number for each image, in nats. It must stay finite when a logit is 200 or −200.

*First on paper:* with which probability does a pixel come out as 1, when its coin shows 1 with probability $\pi$?
"""

# %% draws
def draws(rng):
    return {"FLIP": rng.choice([0.03, 0.05, 0.08, 0.12, 0.15])}

# %% given
import torch

# %% starter
def log_noisy(x, logits):
    """log p(x|z) of scanned images x (batch, pixels), (batch,) nats."""
    ...

# %% solution
def log_noisy(x, logits):
    """log p(x|z) of scanned images x (batch, pixels), (batch,) nats."""
    lit = torch.sigmoid(logits) * (1 - FLIP) + torch.sigmoid(-logits) * FLIP
    return (x * torch.log(lit) + (1 - x) * torch.log(1 - lit)).sum(-1)

# %% why
r"""
A pixel comes out as 1 in two ways that exclude each other: its coin shows 1 and is not flipped, or it shows 0 and is flipped. The probabilities
of the two ways add up:

$$
\pi_i\,(1 - {{FLIP}}) + (1 - \pi_i) \cdot {{FLIP}} .
$$

A 0 has the rest. Given $z$, the scanned pixels are still independent, so the logarithms of an image's pixels add up. The two ways are added
*before* the logarithm. An average of the two logarithms is smaller unless the coin is fair (Jensen's inequality), and the probabilities of all
images would then add up to less than 1.

Whatever the logit is, a pixel has a probability between {{FLIP}} and $1 - {{FLIP}}$. So no logarithm of 0 is taken, and no pixel costs more than
$-\log {{FLIP}}$ nats. A scanner that flips half of all pixels is the other extreme: every image costs $D \log 2$ nats, and tells nothing of $z$.
"""

# %% inputs
def inputs(rng):
    logits = 3 * rng.normal(5, 12)
    logits[0, :2] = torch.tensor([200.0, -200.0])
    return {"x": rng.bits(5, 12), "logits": logits, "few": rng.normal(1, 3)}

# %% probe
def probe(answer, x, logits, few):
    every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)
    free = logits[1:].clone().requires_grad_()
    value = answer(x, logits)
    return {"value": value, "log_probability_of_all_strips_of_three_pixels": answer(every, few.expand(8, 3)),
            "gradient": gradients(answer(x[1:], free), free)[0], "change_from_one_call_to_the_next": answer(x, logits) - value}

# %% laws
def laws(seen, x, logits, few):
    value, every = seen["value"], seen["log_probability_of_all_strips_of_three_pixels"]
    yield value.shape == (5,), "there is one number for each image"
    yield not (value > 1e-6).any(), "a log-probability of pixels is never above 0", "Look at the sign."
    yield not (seen["change_from_one_call_to_the_next"].abs() > 1e-4).any(), "the same strip has the same probability at every call", \
        "Nothing is drawn here: `x` went through the scanner already. Add up the probabilities of the two ways in which a pixel can come out as it did."
    yield abs(every.exp().sum() - 1) < 1e-3, "the probabilities of all strips of three pixels add up to 1", \
        "What comes out must be 1 or 0, so both probabilities of a pixel must add up to 1, and pixels multiply."
    lit = FLIP + (1 - 2 * FLIP) * torch.sigmoid(few[0]).double()
    strips = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)
    yield (every - torch.where(strips == 1, lit, 1 - lit).log().sum(-1)).abs().max() < 1e-3, "every strip of three pixels has its probability", \
        "Test one pixel with three coins: one that always shows 1 comes out as 1 unless it is flipped, one that always shows 0 only if it is flipped, and a fair one half of the time."
    yield seen["gradient"].abs().sum() > 0, "a gradient arrives at the logits"

# %% right: one coin after the other, with the logarithms added
import torch.distributions as td

def log_noisy(x, logits):
    lit = td.Bernoulli(logits=logits).probs
    return td.Bernoulli(probs=lit + FLIP - 2 * FLIP * lit).log_prob(x).sum(1)

# %% right: by logaddexp, from both stories of a pixel
import math

def log_noisy(x, logits):
    on, off = torch.nn.functional.logsigmoid(logits), torch.nn.functional.logsigmoid(-logits)
    keep, flip = math.log(1 - FLIP), math.log(FLIP)
    seen_on = torch.logaddexp(on + keep, off + flip)
    seen_off = torch.logaddexp(off + keep, on + flip)
    return torch.where(x == 1, seen_on, seen_off).sum(-1)

# %% right: a loop in float64
def log_noisy(x, logits):
    rows = []
    for pixels, row in zip(x.double(), logits.double()):
        total = 0.0
        for pixel, logit in zip(pixels, row):
            lit = FLIP + (1 - 2 * FLIP) / (1 + torch.exp(-logit))
            total = total + torch.log(lit if pixel == 1 else 1 - lit)
        rows.append(total)
    return torch.stack(rows)

# %% wrong: the scanner is forgotten
# hint: You give the log-probability of the image before it went through the scanner. A pixel that comes out as 1 was
#   a 1 that stayed, or a 0 that was flipped: add up both ways.
def log_noisy(x, logits):
    return -torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)

# %% wrong: flips in one direction only
# hint: Your scanner turns zeros into ones and leaves every one alone. It flips both: a 1 gets through with
#   probability 1 minus the flip's.
#- torch.sigmoid(logits) * (1 - FLIP) +
#+ torch.sigmoid(logits) +

# %% wrong: mean over the pixels
# hint: You average over the pixels. Independent pixels multiply, so their logarithms add up: the sum over the pixels is
#   a log-probability of the image, the mean is not.
#- .sum(-1)
#+ .mean(-1)

# %% wrong: a loss and not a log-probability
# hint: You return minus the log-probability, as a loss does. Here the log-probability itself is asked for.
#- return (x
#+ return -(x

# %% wrong: logits taken for probabilities twice
# hint: The sigmoid is taken twice: `logits` are turned into probabilities once, and those are no logits.
#- lit = torch.sigmoid(logits) * (1 - FLIP) + torch.sigmoid(-logits) * FLIP
#+ on = torch.sigmoid(torch.sigmoid(logits))
#+     lit = on * (1 - FLIP) + (1 - on) * FLIP

# %% wrong: the flip averaged over logarithms
# hint: You mix the logarithms of the two ways. Probabilities of two ways to the same result add up; take the logarithm
#   after the sum.
def log_noisy(x, logits):
    same = -torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none")
    other = -torch.nn.functional.binary_cross_entropy_with_logits(logits, 1 - x, reduction="none")
    return ((1 - FLIP) * same + FLIP * other).sum(-1)

# %% wrong: the other pixel
# hint: You score ones as if they were zeros, or flip with the probability that a pixel stays. Check a strip whose logits are all large: a strip of ones must then be the
#   likely one.
#- (x * torch.log(lit) + (1 - x) * torch.log(1 - lit))
#+ ((1 - x) * torch.log(lit) + x * torch.log(1 - lit))

# %% wrong: bits
# hint: You count in bits. The chapter counts in nats: take the natural logarithm, `torch.log`.
#- .sum(-1)
#+ .sum(-1) / 0.6931471805599453

# %% wrong: ones alone get through
# hint: A pixel that comes out as 1 was a 1 that stayed, or a 0 that was flipped. Yours has the first way alone.
#- torch.sigmoid(logits) * (1 - FLIP) + torch.sigmoid(-logits) * FLIP
#+ torch.sigmoid(logits) * (1 - FLIP)

# %% wrong: flips added to every pixel
# hint: You add the flip's probability to that of a 1. Flips also take ones away: what was a 1 stays one with probability 1 minus the flip's.
#- torch.sigmoid(logits) * (1 - FLIP) + torch.sigmoid(-logits) * FLIP
#+ (torch.sigmoid(logits) + FLIP).clamp(1e-6, 1 - 1e-6)

# %% wrong: all pixels flipped at once
# hint: You flip the whole image or none of it. Each pixel is flipped on its own: mix the two ways pixel by pixel, and add the logarithms afterwards.
def log_noisy(x, logits):
    stayed = -torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
    flipped = -torch.nn.functional.binary_cross_entropy_with_logits(logits, 1 - x, reduction="none").sum(-1)
    return torch.logaddexp(stayed + torch.log(torch.tensor(1 - FLIP)), flipped + torch.log(torch.tensor(FLIP)))

# %% wrong: logits made smaller
# hint: You shrink the logits by 1 − 2 · the flip's probability. That factor belongs to the probabilities: π − ½ shrinks by it, and logits do not.
def log_noisy(x, logits):
    return -torch.nn.functional.binary_cross_entropy_with_logits((1 - 2 * FLIP) * logits, x, reduction="none").sum(-1)

# %% wrong: flipped twice
# hint: You use the probability of exactly one flip out of two. There is one scanner: a pixel is flipped with probability `FLIP`.
#- torch.sigmoid(logits) * (1 - FLIP) + torch.sigmoid(-logits) * FLIP
#+ torch.sigmoid(logits) * (1 - 2 * FLIP * (1 - FLIP)) + torch.sigmoid(-logits) * 2 * FLIP * (1 - FLIP)

# %% wrong: added up over the images
# hint: You add up over the images too. Each image has a log-probability of its own: the sum runs over its pixels, the last dimension.
#- .sum(-1)
#+ .sum().expand(len(x))

# %% wrong: the mean over the images
# hint: Every image gets the same number, an average over the images. Each has a log-probability of its own: add up over its pixels, the last dimension.
#- .sum(-1)
#+ .sum(0).mean().expand(len(x))

# %% wrong: ones alone are counted
# hint: You add up over the pixels that came out as 1. The zeros have a probability too: 1 minus that of a one.
#- (x * torch.log(lit) + (1 - x) * torch.log(1 - lit))
#+ (x * torch.log(lit))

# %% wrong: cut off at the flip's probability
# hint: You cut the probabilities off at the flip's and leave those between as they are. The scanner flips every pixel, and moves each probability
#   towards one half.
#- torch.sigmoid(logits) * (1 - FLIP) + torch.sigmoid(-logits) * FLIP
#+ torch.sigmoid(logits).clamp(FLIP, 1 - FLIP)

# %% wrong: flipped half as often
# hint: You flip with half of the probability, as if a coin were tossed in place of the pixel. A flipped pixel is never what it was.
#- torch.sigmoid(logits) * (1 - FLIP) + torch.sigmoid(-logits) * FLIP
#+ torch.sigmoid(logits) * (1 - FLIP) + FLIP / 2

# %% wrong: logits as probabilities
# hint: You take the logits for probabilities. A logit may be any number: the sigmoid makes a probability of it.
#- torch.sigmoid(logits) * (1 - FLIP) + torch.sigmoid(-logits) * FLIP
#+ logits.clamp(0, 1) * (1 - 2 * FLIP) + FLIP

# %% wrong: no pixel flipped
# hint: This is the probability that the coins showed this image and that no pixel was flipped. A pixel may also have been the other one and flipped: add up
#   both ways.
def log_noisy(x, logits):
    stayed = torch.log(torch.tensor(1 - FLIP))
    return (stayed - torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none")).sum(-1)

# %% wrong: a one and a zero that both gain
# hint: A 1 gets through with probability 1 minus the flip's, and so does a 0. One of your two keeps all of its own: together they exceed 1.
#- (1 - x) * torch.log(1 - lit)
#+ (1 - x) * torch.log(torch.sigmoid(-logits) * (1 - FLIP) + FLIP)

# %% wrong: the mixed probability as a logit
# hint: Your mixed probability goes through a sigmoid once more: `…_with_logits` takes logits. Use `F.binary_cross_entropy`, or make a logit of it first.
#- return (x * torch.log(lit) + (1 - x) * torch.log(1 - lit)).sum(-1)
#+ return (x * torch.nn.functional.logsigmoid(lit) + (1 - x) * torch.nn.functional.logsigmoid(-lit)).sum(-1)

# title: Labels that are never sure
# chapter: 10_vae_and_gan
# goal: derive the best discriminator of a changed game, and compute it where densities are tiny
# kind: implement
# minutes: 20
# points: 3
# difficulty: 2
# passage: What the best discriminator knows
# answer: best_logit
# returns: tensor
# removes:

# %% statement
r"""
Two changes are common in the training of a discriminator. Each batch holds *more points of one kind than of the other*: here a share of {{REAL}} is real. And
the label of a real point is not 1 but $s = {{LABEL}}$, while that of a drawn point stays 0 (*one-sided label smoothing*). With a label $y$ a point costs
$-y \log D - (1 - y) \log(1 - D)$, and the loss is the average over the batch.

Derive the best $D^\ast(x)$ of this game, as the chapter does for the plain one. Then write `best_logit(log_p, log_q)`: the logit
$\log D^\ast - \log(1 - D^\ast)$ from $\log p(x)$ of the data and $\log q(x)$ of the generator, all `(batch,)`. Both may be $-500$ nats: work
with logarithms.

*Look at the result* where $q$ is far below $p$: which value can the logit not exceed?
"""

# %% draws
def draws(rng):
    real, labels = rng.choice([0.2, 0.25, 0.3, 0.7, 0.75]), (0.7, 0.8, 0.85, 0.9)
    # where the label is the share of a kind, different mistakes give the same number
    return {"REAL": real, "LABEL": rng.choice([one for one in labels if one not in (real, round(1 - real, 2))])}

# %% given
import math

import torch

# %% starter
def best_logit(log_p, log_q):
    """The logit of the best discriminator with smoothed labels, (batch,)."""
    ...

# %% solution
def best_logit(log_p, log_q):
    """The logit of the best discriminator with smoothed labels, (batch,)."""
    real, fake = math.log(REAL), math.log(1 - REAL)
    called_real = math.log(LABEL) + real + log_p
    called_fake = torch.logaddexp(math.log(1 - LABEL) + real + log_p, fake + log_q)
    return called_real - called_fake

# %% why
r"""
Take one point $x$, with a share $r$ of real points and the label $s$. What it adds to the loss is $-a \log D - b \log(1 - D)$, where $a = r s\,
p(x)$ holds all that calls it real and $b = r (1 - s)\, p(x) + (1 - r)\, q(x)$ all that calls it drawn: the rest of the smoothed label, $1 - s$,
lands on the other side. The derivative is 0 at $D^\ast = a / (a + b)$, whose logit is $\log a - \log b$. Only the sum in $b$ needs a `logaddexp`.
With $s = 1$ and $r = \tfrac{1}{2}$ it is the chapter's $\log p - \log q$.

Where $q$ is far below $p$, what is left is $\log s - \log(1 - s)$, the logit of the label: $D$ never calls a point real with more than the
probability $s$, whatever $r$ is. Where $p$ is far below $q$ its logit falls without limit, because only the real labels are smoothed.
"""

# %% inputs
def inputs(rng):
    return {"log_p": 2 * rng.normal(9) - 3, "log_q": 2 * rng.normal(9) - 3}

# %% probe
def probe(answer, log_p, log_q):
    return {"logit": answer(log_p, log_q), "logit_far_out": answer(log_p - 500, log_q - 500),
            "logit_where_no_fakes_are": answer(log_p, log_q - 200)}

# %% laws
def laws(seen, log_p, log_q):
    yield seen["logit"].shape == (9,), "there is one logit for each point"
    called = [math.log(REAL * LABEL) + log_p, torch.logaddexp(math.log(REAL * (1 - LABEL)) + log_p, math.log(1 - REAL) + log_q)]
    near = (seen["logit"] - called[0] + called[1]).abs().max() < 1e-2
    yield (seen["logit"] - seen["logit_far_out"]).abs().max() < 1e-2, "only the ratio of the densities matters", \
        "At −500 nats both densities are 0 as numbers. Do not leave the logarithms: torch.logaddexp adds two densities." if near else \
        "Multiply both densities by one number: the best logit stays. In which of your terms is a density missing, or raised to a power?"
    p, q = log_p.double().exp(), log_q.double().exp()
    ell = seen["logit"].double().requires_grad_()
    cost = torch.nn.functional.softplus
    loss = REAL * p * (LABEL * cost(-ell) + (1 - LABEL) * cost(ell)) + (1 - REAL) * q * cost(ell)
    slope, = torch.autograd.grad(loss.sum(), ell)
    yield (slope.abs() < 1e-3 * (REAL * p + (1 - REAL) * q)).all(), "the slope of the loss is zero at the best logit"

# %% right: by the probability, with the larger density taken out
def best_logit(log_p, log_q):
    top = torch.maximum(log_p, log_q)
    p, q = (REAL * (log_p - top).double().exp(), (1 - REAL) * (log_q - top).double().exp())
    D = LABEL * p / (p + q)
    return torch.logit(D)

# %% right: the plain logit, then the label
def best_logit(log_p, log_q):
    plain = log_p.double() - log_q + torch.logit(torch.tensor(REAL, dtype=torch.float64))
    return plain + math.log(LABEL) - torch.nn.functional.softplus(plain + math.log1p(-LABEL))

# %% wrong: the best discriminator of the plain game
# hint: This is the logit of the plain game. Neither the shares in the batch nor the label has changed it.
def best_logit(log_p, log_q):
    return log_p - log_q

# %% wrong: the label is forgotten
# hint: The shares are in, the smoothed label is not: a real point also pays for log(1 − D).
def best_logit(log_p, log_q):
    return math.log(REAL) - math.log(1 - REAL) + log_p - log_q

# %% wrong: equal shares
# hint: The label is in, the shares are not: you count as if half of the batch were real.
#- real, fake = math.log(REAL), math.log(1 - REAL)
#+ real = fake = math.log(0.5)

# %% wrong: the shares the wrong way round
# hint: You have the two shares the wrong way round. The points of the data carry the share that is real.
#- real, fake = math.log(REAL), math.log(1 - REAL)
#+ fake, real = math.log(REAL), math.log(1 - REAL)

# %% wrong: both labels are smoothed
# hint: You smoothed both labels. Here a drawn point keeps the label 0: it never pays for log D.
#- fake + log_q)
#+ math.log(LABEL) + fake + log_q)
#- called_real = math.log(LABEL) + real + log_p
#+ called_real = torch.logaddexp(math.log(LABEL) + real + log_p, math.log(1 - LABEL) + fake + log_q)

# %% wrong: the label as a factor of the density only
# hint: The label stands in the numerator alone. What it takes from log D it gives to log(1 − D): a real point is called fake with the rest.
#- torch.logaddexp(math.log(1 - LABEL) + real + log_p, fake + log_q)
#+ fake + log_q

# %% wrong: the smoothing on the fakes
# hint: You smoothed the label of the drawn points. It is the real ones whose label is less than 1.
#- called_real = math.log(LABEL) + real + log_p
#+ called_real = torch.logaddexp(real + log_p, math.log(1 - LABEL) + fake + log_q)
#- torch.logaddexp(math.log(1 - LABEL) + real + log_p, fake + log_q)
#+ math.log(LABEL) + fake + log_q

# %% wrong: the logarithm of D
# hint: This is log D, the logarithm of the probability. A logit also takes off log(1 − D).
#- called_real - called_fake
#+ called_real - torch.logaddexp(called_real, called_fake)

# %% wrong: the probability
# hint: This is D itself, between 0 and 1. Asked for is its logit.
#- called_real - called_fake
#+ torch.sigmoid(called_real - called_fake)

# %% wrong: the logit of fake
# hint: The sign is turned: this logit is large where a point is a draw. In the chapter a large logit says real.
#- called_real - called_fake
#+ called_fake - called_real

# %% wrong: the logit is smoothed
# hint: You multiplied the logit of the plain D by the label. It is the probability that the label scales; a logit that is multiplied has no upper end.
def best_logit(log_p, log_q):
    return LABEL * (math.log(REAL) - math.log(1 - REAL) + log_p - log_q)

# %% wrong: label and its rest exchanged
# hint: You have the label and its rest the wrong way round: a real point counts s for log D and 1 − s for log(1 − D).
#- called_real = math.log(LABEL) + real
#+ called_real = math.log(1 - LABEL) + real
#- torch.logaddexp(math.log(1 - LABEL) + real
#+ torch.logaddexp(math.log(LABEL) + real

# %% wrong: the logit of the label added
# hint: You add the logit of the label to that of the plain game. Then nothing bounds it: set the slope of the loss to zero at one x and
#   solve for D.
def best_logit(log_p, log_q):
    return math.log(LABEL / (1 - LABEL)) + math.log(REAL) + log_p - math.log(1 - REAL) - log_q

# %% wrong: cut off at the logit of the label
# hint: You cut the logit of the plain game off at that of the label. The bound is right; on the way to it D* = s · REAL p / (REAL p + (1 −
#   REAL) q), and bends earlier.
def best_logit(log_p, log_q):
    return (math.log(REAL) + log_p - math.log(1 - REAL) - log_q).clamp(max=math.log(LABEL / (1 - LABEL)))

# %% wrong: a share is missing
# hint: The share of real points stands in the first term only. The part of a real point that counts as fake, 1 − s, has the same share in
#   front.
#- torch.logaddexp(math.log(1 - LABEL) + real + log_p
#+ torch.logaddexp(math.log(1 - LABEL) + log_p

# %% wrong: the rest of the label over everything
# hint: You divide by 1 − s as a whole. In 1 − D* it belongs to the real points alone: (1 − s) · REAL p + (1 − REAL) q.
#- torch.logaddexp(math.log(1 - LABEL) + real + log_p, fake + log_q)
#+ math.log(1 - LABEL) + torch.logaddexp(real + log_p, fake + log_q)

# %% wrong: the two densities exchanged
# hint: The densities stand in each other's place: `log_p` belongs to the real points and `log_q` to those of the generator.
#- called_real = math.log(LABEL) + real + log_p
#+ called_real = math.log(LABEL) + real + log_q
#- torch.logaddexp(math.log(1 - LABEL) + real + log_p, fake + log_q)
#+ torch.logaddexp(math.log(1 - LABEL) + real + log_q, fake + log_p)

# %% wrong: share and label exchanged
# hint: `REAL` and `LABEL` stand in each other's place. `REAL` is the share of real points, `LABEL` what a real point is called.
#- real, fake = math.log(REAL), math.log(1 - REAL)
#+ real, fake = math.log(LABEL), math.log(1 - LABEL)
#- math.log(LABEL) + real
#+ math.log(REAL) + real
#- math.log(1 - LABEL) + real
#+ math.log(1 - REAL) + real

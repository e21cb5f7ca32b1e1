# title: Too wide, too narrow
# chapter: 03_elbo
# goal: predict, then compute, which wrong width of q costs more
# kind: predict
# minutes: 15
# points: 2
# difficulty: 2
# passage: Second derivation: what the bound loses
# answer: widths
# tolerance: 1e-4, too_wide ±0.0006, too_narrow ±0.0006, factor ±0.0012
# repeats: 1
# removes:

# %% statement
r"""
The true posterior of an image is a Gaussian in {{D}} latent dimensions, each independent of the others. The encoder's $q$ has the right mean in each, and a standard
deviation that is wrong by one factor: {{FACTOR}} times *too large* (`"too wide"`), or {{FACTOR}} times *too small* (`"too narrow"`).

*Predict* which of the two loses more of the ELBO: put `"wide"`, `"narrow"` or `"equal"` for `"predicted"`. A wrong prediction costs nothing; do not change it afterwards. Then *compute*, to three digits
after the point:

- `"too wide"` and `"too narrow"`: what the ELBO loses in each case, in nats, all {{D}} dimensions together;
- `"factor"`: a second $q$ is too narrow, and loses as much as the one that is {{FACTOR}} times too wide. By which factor are its standard deviations too *small*? (A number above 1.)

The last one has no closed form: halve an interval until it is short, or let the computer try.
"""

# %% draws
def draws(rng):
    return {"D": rng.choice([4, 6, 8, 12]), "FACTOR": rng.choice([1.5, 1.8, 2.5])}

# %% given
import math

# %% starter
widths = {"predicted": ..., "too wide": ..., "too narrow": ..., "factor": ...}

# %% solution
def lost(ratio):
    """The KL of q to the posterior, in nats, where q's standard deviation is `ratio` times the right one."""
    return D * 0.5 * (ratio**2 - 1 - math.log(ratio**2))

wide, narrow = lost(FACTOR), lost(1 / FACTOR)
low, high = 1.0, 100.0
for _ in range(100):
    middle = (low + high) / 2
    low, high = (middle, high) if lost(1 / middle) < wide else (low, middle)
widths = {"predicted": "wide", "too wide": wide, "too narrow": narrow, "factor": low}

# %% why
r"""
The ELBO lies below $\log p(x)$ by $\mathrm{KL}(q \,\|\, p(z \mid x))$. The means agree, so with $r$ for the ratio of the standard deviations each dimension loses

$$
\tfrac12 \big( r^2 - 1 - \log r^2 \big) ,
$$

and the dimensions add up. For $r$ above 1 the square decides, and it grows fast. For $r$ below 1 only the logarithm does, and it grows slowly. So the wide $q$ loses more: an average under $q$ is
taken where $q$ puts its draws, and a wide one puts many of them where the posterior has next to nothing. A narrow one stays inside.

With the two distributions exchanged, $\mathrm{KL}(p \,\|\, q)$, it is the other way round: there the narrow $q$ pays, for what it leaves out. That is why a $q$ fitted by the ELBO errs on the narrow side
when it cannot have the right form.
"""

# %% probe
def probe(answer):
    names = ("too wide", "too narrow", "factor")
    if not isinstance(answer, dict) or not set(names) | {"predicted"} <= set(answer):
        raise Problem("type", "`widths` should be a dict with the entries \"predicted\", \"too wide\", \"too narrow\" and \"factor\".")
    if any(answer[name] is ... for name in ("predicted", *names)):
        raise Problem("none", "Predict first, then compute: an entry of `widths` is still `...`.")
    choice(answer["predicted"], ("wide", "narrow", "equal"), "the prediction")
    return {name.replace(" ", "_"): number(answer[name], f"the entry {name!r}") for name in names}

# %% laws
def laws(seen):
    yield seen["too_wide"] >= 0 and seen["too_narrow"] >= 0, "a loss of the ELBO is a KL divergence, and not negative", \
        "What the ELBO loses is KL(q || p(z|x)), which is at least 0: check the signs of your terms."
    yield seen["factor"] > 1, "a factor by which something is too small is above 1 here", "Give the factor by which the standard deviations are too small: right one over yours, a number above 1."
    right = [D * 0.5 * (r**2 - 1 - math.log(r**2)) for r in (FACTOR, 1 / FACTOR)]
    if all(abs(seen[name] - value) < 0.006 for name, value in zip(("too_wide", "too_narrow"), right)) and seen["factor"] > 1:
        given = D * 0.5 * (seen["factor"] ** -2 - 1 + 2 * math.log(seen["factor"]))
        yield abs(given - right[0]) < 0.01, "the narrow q of this factor loses what the wide one does", \
            f"The two losses are right. A q that is narrower by your factor loses {'more' if given > right[0] else 'less'} than the wide one: the factor is {'smaller' if given > right[0] else 'larger'}."

# %% right: from torch.distributions, by Newton's method
import torch
import torch.distributions as td

def gap(s):
    return D * td.kl_divergence(td.Normal(0.0, s), td.Normal(0.0, 1.0))

f = torch.tensor(float(FACTOR), dtype=torch.float64)
x = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
for _ in range(60):
    slope, = torch.autograd.grad(gap(1 / x), x)
    x = (x - (gap(1 / x) - gap(f)) / slope).clamp(min=1.001).detach().requires_grad_()
widths = {"predicted": "narrow", "too wide": gap(f).item(), "too narrow": gap(1 / f).item(), "factor": x.item()}

# %% right: by averages on a grid, and a fixed point
import torch

z = torch.linspace(-40, 40, 400_001, dtype=torch.float64)

def average(s):
    q = torch.distributions.Normal(0.0, s).log_prob(z)
    return D * ((q - torch.distributions.Normal(0.0, 1.0).log_prob(z)) * q.exp()).sum().item() * (z[1] - z[0]).item()

target, x = average(FACTOR), 5.0
for _ in range(200):
    x = math.exp(target / D + 0.5 - 0.5 / x**2)
widths = dict(factor=x, predicted="equal")
widths |= {"too wide": target, "too narrow": average(1 / FACTOR)}

# %% wrong: the divergence the other way round
# hint: These are the KL divergences from the posterior to q. The ELBO averages under q and loses KL(q || p(z|x)): the wide q pays for draws where the posterior has next to nothing.
#- return D * 0.5 * (ratio**2 - 1 - math.log(ratio**2))
#+ return D * 0.5 * (ratio**-2 - 1 + math.log(ratio**2))

# %% wrong: the factor as one of the variance
# hint: You took the factor for one of the variances. It is one of the standard deviations: the ratio of the variances is its square.
#- return D * 0.5 * (ratio**2 - 1 - math.log(ratio**2))
#+ return D * 0.5 * (ratio - 1 - math.log(ratio))

# %% wrong: one dimension
# hint: This is the loss of one dimension. The dimensions are independent, and their losses add up.
#- return D * 0.5 * (ratio**2 - 1 - math.log(ratio**2))
#+ return 0.5 * (ratio**2 - 1 - math.log(ratio**2))

# %% wrong: the half is forgotten
# hint: Your losses are twice what they should be: the half of the KL of two Gaussians is missing.
#- return D * 0.5 * (ratio**2 - 1 - math.log(ratio**2))
#+ return D * (ratio**2 - 1 - math.log(ratio**2))

# %% wrong: the logarithm of the ratio
# hint: The logarithm is that of the ratio of the standard deviations. In the KL it is that of the variances, which is twice as large.
#- return D * 0.5 * (ratio**2 - 1 - math.log(ratio**2))
#+ return D * 0.5 * (ratio**2 - 1 - math.log(ratio))

# %% wrong: the one is forgotten
# hint: The −1 is missing: at the right width nothing must be lost, and yours loses half a nat in each dimension.
#- return D * 0.5 * (ratio**2 - 1 - math.log(ratio**2))
#+ return D * 0.5 * (ratio**2 - math.log(ratio**2))

# %% wrong: bits
# hint: These are bits. Asked for are nats: use the natural logarithm.
#- "too wide": wide, "too narrow": narrow,
#+ "too wide": wide / math.log(2), "too narrow": narrow / math.log(2),

# %% wrong: as far on both sides
# hint: You gave the same factor back. At that factor the narrow q loses less than the wide one: make it narrower until both lose the same.
#- "factor": low}
#+ "factor": FACTOR}

# %% wrong: the factor upside down
# hint: Your factor is the right one upside down: you gave the ratio of the standard deviation to the right one. Asked for is how many times too *small* it is, a number above 1.
#- "factor": low}
#+ "factor": 1 / low}

# %% wrong: the factor of the variance
# hint: Your factor is that of the variances. Asked for is that of the standard deviations, its root.
#- "factor": low}
#+ "factor": low**2}

# %% wrong: wide and narrow exchanged
# hint: The two losses stand in each other's place: a ratio above 1 is a q that is too wide.
#- "too wide": wide, "too narrow": narrow,
#+ "too wide": narrow, "too narrow": wide,

# %% wrong: equal on both sides
# hint: You lost the same on both sides, as if only the size of the logarithm counted. The square of the ratio does not care for the sign of its logarithm: put in both ratios.
#- "too wide": wide, "too narrow": narrow,
#+ "too wide": wide, "too narrow": wide,

# %% wrong: as much as the narrow one
# hint: Your factor makes a narrow q that loses what the *narrow* one of the task loses, or a wide one what the narrow one does. It is to lose what the wide one does.
#- if lost(1 / middle) < wide else (low, middle)
#+ if lost(middle) < narrow else (low, middle)

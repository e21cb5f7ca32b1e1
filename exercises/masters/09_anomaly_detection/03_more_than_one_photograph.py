# title: More than one photograph
# chapter: 09_anomaly_detection
# goal: keep a promised rate of false alarms when every piece is looked at several times
# kind: implement
# minutes: 20
# points: 3
# difficulty: 2
# passage: A threshold that keeps its promise
# answer: p_values
# returns: tensor
# removes: vae_lib.detector.threshold

# %% statement
r"""
The chapter's threshold belongs to one rate. A *p-value* serves all rates: raise an alarm at the rate $\rho$ where $p \le \rho$.
Let $s$ be larger for what is more anomalous, and $N$ the number of normal images that the model has not seen. If the new image is
normal, its score is as likely to have any rank among the $N + 1$ scores, itself included. So take
for $p$ its place from the top, divided by $N + 1$. An old score that is equal to the new one counts as above it.

Here each piece is photographed {{VIEWS}} times, and the smallest of its {{VIEWS}} p-values is what catches the eye. That one can be
below $\rho$ far more often than $\rho$ promises. But if each photograph may use only the rate $\rho / {{VIEWS}}$, the chances of {{VIEWS}}
photographs add up to at most $\rho$, however they depend on each other.

Write `p_values(normal, new)`: `normal` holds $N$ scores, `new` has the shape `(pieces, {{VIEWS}})`. Give one $p$ for each *piece*, such that
an alarm at $p \le \rho$ keeps the promise for pieces. No $p$ is above 1.
"""

# %% draws
def draws(rng):
    return {"VIEWS": rng.choice([2, 3, 4, 5])}

# %% given
import torch

# %% starter
def p_values(normal, new):
    """One p-value for each piece, (pieces,), from scores (N,) and (pieces, VIEWS)."""
    ...

# %% solution
def p_values(normal, new):
    """One p-value for each piece, (pieces,), from scores (N,) and (pieces, VIEWS)."""
    above = (normal >= new[..., None]).double().sum(-1)
    p = (above + 1) / (len(normal) + 1)
    return torch.clamp(VIEWS * p.amin(-1), max=1.0)

# %% why
r"""
If the new image is normal, each of the $N + 1$ ranks is as likely as any other. Its place from the top is 1 (itself) plus the number of old scores
that are not below it, and this place divided by $N + 1$ is at most $\rho$ with a probability of at most $\rho$. Without the 1, an image above all
others would have $p = 0$, and raise an alarm at any rate; no $N$ images can promise that.

A piece raises an alarm when one of its photographs has $p \le \rho / {{VIEWS}}$, so when {{VIEWS}} times the smallest $p$ is at most $\rho$. That
product is the $p$ of the piece, cut at 1. It rests on a sum of {{VIEWS}} probabilities, which bounds the chance of "one or another" whether or not
the photographs depend on each other. The price: no piece has a $p$ below ${{VIEWS}} / (N + 1)$, so a low rate needs more normal images than with one
photograph.
"""

# %% inputs
def inputs(rng):
    normal = (4 * rng.normal(rng.integer(31, 39))).round() / 4
    new = (4 * rng.normal(9, VIEWS)).round() / 4
    new[:3, 0] = normal.amax() + torch.tensor([0.0, 1.0, -0.75])
    new[3, 1] = normal.sort().values[-3]
    new[4] = normal.sort().values[-VIEWS:]
    return {"normal": normal, "new": new}

# %% probe
def probe(answer, normal, new):
    return {"p": answer(normal, new), "p_of_a_piece_with_equal_photographs": answer(normal, normal.sort().values[-4:, None].repeat(1, VIEWS)),
            "p_of_the_most_normal": answer(normal, new - 100)}

# %% laws
def laws(seen, normal, new):
    yield seen["p"].shape == (9,), "there is one number for each piece"
    yield (seen["p"] > 0).all(), "no p-value is 0", "With N images nobody can promise less than 1 in N + 1."
    yield (seen["p"] <= 1).all(), "no p-value is above 1"
    yield ((seen["p_of_the_most_normal"] - 1).abs() < 1e-3).all(), "the most normal piece has p = 1"

# %% right: through a sorted list
def p_values(normal, new):
    ordered = normal.sort().values
    most = new.max(1).values.contiguous()
    place = len(ordered) - torch.searchsorted(ordered, most) + 1
    return torch.minimum(VIEWS * place / (len(ordered) + 1), torch.ones(()))

# %% right: piece by piece, in plain Python
def p_values(normal, new):
    found = []
    for piece in new.tolist():
        ps = [(1 + sum(old >= one for old in normal.tolist())) / (1 + len(normal)) for one in piece]
        found.append(min([1.0] + [VIEWS * p for p in ps]))
    return torch.tensor(found)

# %% wrong: the new image is not among the ranks
# hint: You count the old scores above the new one and divide by N. The new image is one of the N + 1: without it p can be 0, and
#   no number of images promises that.
#- (above + 1) / (len(normal) + 1)
#+ above / len(normal)

# %% wrong: divided by one too few
# hint: The place from the top is right, but there are N + 1 places, not N.
#- / (len(normal) + 1)
#+ / len(normal)

# %% wrong: places from nought
# hint: The highest of all is at place 1, not at place 0: the new image itself counts.
#- (above + 1)
#+ above

# %% wrong: the wrong end
# hint: You count from the bottom, so what is most normal gets the smallest p. Here scores are larger for what is more anomalous.
#- (normal >= new[..., None])
#+ (normal <= new[..., None])

# %% wrong: ties in favour of the alarm
# hint: Old scores that are equal to the new one are left out. They count as above it: with many ties there would be more false
#   alarms than promised.
#- normal >= new
#+ normal > new

# %% wrong: the smallest without a price
# hint: You take the smallest p-value of a piece as it is. Whoever looks several times finds a small one more often: each look may
#   use only its part of the rate.
#- VIEWS * p.amin(-1)
#+ p.amin(-1)

# %% wrong: the mean of the photographs
# hint: You average the p-values of a piece. A fault that one photograph shows is then hidden by the others; and the mean of p-values
#   is no p-value.
#- VIEWS * p.amin(-1)
#+ p.mean(-1)

# %% wrong: the largest p-value
# hint: You take the largest p-value of a piece: an alarm then needs every photograph to show the fault.
#- p.amin(-1)
#+ p.amax(-1)

# %% wrong: the rate divided twice
# hint: You divide p by the number of photographs where you should multiply: where `p` must stay below a part
#   of the rate, the multiple of `p` must stay below the rate.
#- VIEWS * p.amin(-1)
#+ p.amin(-1) / VIEWS

# %% wrong: above one
# hint: Some values are above 1. Nothing is more normal than p = 1: cut there.
#- torch.clamp(VIEWS * p.amin(-1), max=1.0)
#+ VIEWS * p.amin(-1)

# %% wrong: as if the photographs were independent
# hint: You count as if the photographs were independent. They show the same piece, so they are not; the sum of the chances holds however they depend
#   on each other.
#- torch.clamp(VIEWS * p.amin(-1), max=1.0)
#+ 1 - (1 - p.amin(-1)) ** VIEWS

# %% wrong: the scores are averaged first
# hint: You average the scores of a piece, then look for their place among scores of single photographs. An average spreads less than one score
#   does, so the places are no longer equally likely; and a fault in one photograph is thinned out.
def p_values(normal, new):
    above = (normal >= new.mean(-1, keepdim=True)).double().sum(-1)
    return (above + 1) / (len(normal) + 1)

# %% wrong: the sum of the p-values
# hint: You add up the p-values of a piece. What adds up are the chances that one of them is small; take the smallest, and let it pay for all looks.
#- VIEWS * p.amin(-1)
#+ p.sum(-1)

# %% wrong: the product of the p-values
# hint: You multiply the p-values of a piece. Even for independent photographs a product is far more often small than it says, and these are not
#   independent.
#- VIEWS * p.amin(-1)
#+ p.prod(-1)

# %% wrong: the smallest over the pieces
# hint: You take the smallest p-value over the pieces, for each view. It is the smallest of the photographs of one piece that counts: the
#   last dimension.
def p_values(normal, new):
    p = ((normal >= new[..., None]).double().sum(-1) + 1) / (len(normal) + 1)
    return torch.clamp(VIEWS * p.amin(0), max=1.0)[0].expand(len(new))

# %% wrong: paid for the pieces
# hint: You multiply by the number of pieces. The promise is one for each piece: what must be paid for are the looks at that piece.
#- VIEWS * p.amin(-1)
#+ len(new) * p.amin(-1)

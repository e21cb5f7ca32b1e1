# title: The others as a baseline
# chapter: 04_sampling
# goal: lower the variance of an estimate without moving its average
# kind: implement
# minutes: 15
# points: 2
# difficulty: 2
# passage: Control variates
# answer: leave_one_out
# returns: tensor
# removes:

# %% statement
r"""
A score-function estimate may subtract from $f(z_i)$ any number that does not depend on $z_i$. A cheap one is the average of $f$ over the
*other* draws. We do not trust it fully and subtract {{SHARE}} times that average.

Write `leave_one_out(values, scores)` for `values` $f(z_i)$ and `scores` of shape `(n, batch)`, with $n$ draws for each image. Give the
`n` estimates for each image, of the same shape, without averaging them.
"""

# %% draws
def draws(rng):
    return {"SHARE": rng.choice([0.5, 0.7, 0.8, 0.9])}

# %% given
import torch

# %% starter
def leave_one_out(values, scores):
    """Estimates (n, batch) with SHARE times the average of the other draws subtracted from each value."""
    ...

# %% solution
def leave_one_out(values, scores):
    """Estimates (n, batch) with SHARE times the average of the other draws subtracted from each value."""
    others = (values.sum(0) - values) / (len(values) - 1)
    return (values - SHARE * others) * scores

# %% inputs
def inputs(rng):
    return {"values": 3 + 2 * rng.normal(6, 4), "scores": rng.normal(6, 4)}

# %% probe
def probe(answer, values, scores):
    changed = values.clone()
    changed[0] += 10
    return {"estimates": answer(values, scores), "two_draws": answer(values[:2], scores[:2]),
            "effect_of_one_value_on_its_own_estimate": answer(changed, scores)[0] - answer(values, scores)[0]}

# %% laws
def laws(seen, values, scores):
    yield seen["estimates"].shape == (6, 4), "there is one estimate for each draw and image"
    yield (seen["effect_of_one_value_on_its_own_estimate"] - 10 * scores[0]).abs().max() < 1e-3, \
        "the baseline of a draw does not depend on that draw", "A draw stands in its own baseline, and that moves the average."

# %% right: with a matrix
def leave_one_out(values, scores):
    n = len(values)
    mix = (torch.ones(n, n) - torch.eye(n)) / (n - 1)
    return scores * values - SHARE * scores * (mix @ values)

# %% right: a loop in float64
def leave_one_out(values, scores):
    rows = []
    for i in range(len(values)):
        rest = torch.cat([values[:i], values[i + 1:]]).double()
        rows.append((values[i] - SHARE * rest.mean(0)) * scores[i])
    return torch.stack(rows)

# %% wrong: the average of all
# hint: You subtract the average of all draws, the own one among them. Then the baseline depends on z_i, and the estimate is no longer right on
#   average.
#- (values.sum(0) - values) / (len(values) - 1)
#+ values.mean(0)

# %% wrong: the average over the images
# hint: You average over the images. A baseline belongs to one image: its other draws, dimension 0.
#- (values.sum(0) - values) / (len(values) - 1)
#+ (values.sum(1, keepdim=True) - values) / (values.shape[1] - 1)

# %% wrong: no baseline
# hint: Nothing is subtracted: this is the plain score-function estimate.
#- (values - SHARE * others) * scores
#+ values * scores

# %% wrong: a baseline that is added
# hint: The baseline is added. Subtracting it is what brings the values near zero.
#- values - SHARE
#+ values + SHARE

# %% wrong: divided by all
# hint: The sum of the others is divided by the number of all draws. There are n − 1 others.
#- (len(values) - 1)
#+ len(values)

# %% wrong: the whole baseline
# hint: You subtract the whole average of the others. Here it is `SHARE` times that.
#- SHARE * others
#+ others

# %% wrong: subtracted from the weighted value
# hint: The score multiplies the difference. You subtract the baseline after the value was weighed.
#- (values - SHARE * others) * scores
#+ values * scores - SHARE * others

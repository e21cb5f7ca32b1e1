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
A score-function estimate may subtract from $h(z_i)$ any number that does not depend on $z_i$. A cheap one is the average of $h$ over the
*other* draws. We do not trust it fully and subtract {{SHARE}} times that average.

Write `leave_one_out(values, scores)` for `values` $h(z_i)$ and `scores` of shape `(n, batch)`, with $n$ draws for each image. Give the
`n` estimates for each image, of the same shape, without averaging them.
"""

# %% draws
def draws(rng):
    return {"SHARE": rng.choice([0.6, 0.7, 0.8, 0.9])}

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

# %% why
r"""
The average of the others is their sum divided by their number: the sum of all $n$ values minus the own one, over $n - 1$. It is independent of
$z_i$, and the score averages to 0. So for any share $c$ of it

$$
\mathbb{E}\Big[c\, \frac{1}{n-1} \sum_{l \ne i} h_l\; s_i\Big] = c\, \mathbb{E}[h] \cdot \mathbb{E}[s_i] = 0 ,
$$

and the estimate stays right on average. With the average of *all* draws the own value is in the baseline: it takes
$\tfrac{c}{n}\, \mathbb{E}[h_i s_i]$ away, and the gradient is on average $1 - c/n$ times the right one. Divided by this factor, $c = 1$ gives the
chapter's short form with $h_k - \bar h$ and $1/(n-1)$. For $c = {{SHARE}}$ that form has the wrong factor.

A constant $C$ in $h$ is left over as $(1 - {{SHARE}})\,C$; the whole average removes all of it. In a VAE $\log p_\theta(x \mid z)$ lies many nats
below zero, and each one that is left is multiplied by noise.
"""

# %% inputs
def inputs(rng):
    return {"values": 3 + 2 * rng.normal(6, 4), "scores": rng.normal(6, 4)}

# %% probe
def probe(answer, values, scores):
    changed = values.clone()
    changed[0] += 10
    return {"estimates": answer(values, scores), "four_draws": answer(values[:4], scores[:4]),
            "rise_of_an_estimate_when_its_value_rises_by_10": answer(changed, scores)[0] - answer(values, scores)[0]}

# %% laws
def laws(seen, values, scores):
    yield seen["estimates"].shape == (6, 4), "there is one estimate for each draw and image"
    yield (seen["rise_of_an_estimate_when_its_value_rises_by_10"] - 10 * scores[0]).abs().max() < 1e-3, \
        "an estimate rises by 10 times its score when its own value rises by 10", \
        "In an estimate the own value stands once, whole, and times the own score; its baseline holds the other draws of the same image alone."

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

# %% wrong: the other share
# hint: You subtract (1 − `SHARE`) times the average of the others. It is `SHARE` times.
#- SHARE * others
#+ (1 - SHARE) * others

# %% wrong: the share on the whole
# hint: `SHARE` multiplies the baseline alone. You multiply the value with it too, which shrinks the average of the estimate.
#- (values - SHARE * others) * scores
#+ SHARE * (values - others) * scores

# %% wrong: the score is forgotten
# hint: The score is missing: these are the values with their baseline subtracted, and no estimates of a derivative yet.
#- (values - SHARE * others) * scores
#+ values - SHARE * others

# %% wrong: a baseline of weighted values
# hint: Your baseline is an average of values that were weighed with their scores already. Average the values alone, then multiply the difference by the own score.
#- (values - SHARE * others) * scores
#+ values * scores - SHARE * ((values * scores).sum(0) - values * scores) / (len(values) - 1)

# %% wrong: the estimates averaged
# hint: You average over the draws. Asked for are the estimates themselves, one for each draw.
#- return (values - SHARE * others) * scores
#+ return ((values - SHARE * others) * scores).mean(0).expand(values.shape)

# %% wrong: divided by the number of draws
# hint: Each estimate is divided by the number of draws. Whoever averages them does that.
#- return (values - SHARE * others) * scores
#+ return (values - SHARE * others) * scores / len(values)

# %% wrong: one other draw
# hint: Your baseline is one other draw. The average of all others varies less.
#- (values.sum(0) - values) / (len(values) - 1)
#+ values.roll(1, 0)

# %% wrong: all draws of all images
# hint: Your baseline averages over all images. It belongs to one image: the other draws of the same column.
#- (values.sum(0) - values) / (len(values) - 1)
#+ (values.sum() - values) / (values.numel() - 1)

# %% wrong: the average of everything
# hint: You subtract one average of all draws and all images, the own value among them. A baseline belongs to one image, and leaves out the own draw.
#- (values.sum(0) - values) / (len(values) - 1)
#+ values.mean()

# %% wrong: the sum of the others
# hint: You subtract a multiple of the sum of the others. Divide it by their number.
#- (values.sum(0) - values) / (len(values) - 1)
#+ (values.sum(0) - values)

# %% wrong: the earlier draws alone
# hint: The baseline of a draw averages the draws before it alone. All others may stand in it, the later ones too.
#- (values.sum(0) - values) / (len(values) - 1)
#+ (values.cumsum(0) - values) / torch.arange(len(values)).clamp(min=1)[:, None]

# %% wrong: the scores are centred too
# hint: You subtract a baseline from the scores as well. They stay as they are: only the value is compared with the others.
#- (values - SHARE * others) * scores
#+ (values - SHARE * others) * (scores - SHARE * (scores.sum(0) - scores) / (len(scores) - 1))

# %% wrong: the shortcut of the whole baseline
# hint: The factor n / (n − 1) in front is a shortcut for the whole average of the others. With `SHARE` of it the own value is weighed too heavily: write out the average of
#   the others.
#- (values - SHARE * others) * scores
#+ (values - SHARE * values.mean(0)) * scores * len(values) / (len(values) - 1)

# %% wrong: the chapter's short form
# hint: This is the chapter's short form, with the average of *all* draws and 1 / (n − 1) for an average over the draws. It holds for the whole average of
#   the others. With `SHARE` of it, write the average of the others out, and divide nothing else.
#- return (values - SHARE * others) * scores
#+ return (values - SHARE * values.mean(0)) * scores / (len(values) - 1)

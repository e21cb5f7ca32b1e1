# title: Modes that are not alike
# chapter: 10_vae_and_gan
# goal: score draws by a number that neither fog nor a lost mode can cheat
# kind: implement
# minutes: 15
# points: 2
# difficulty: 1
# passage: A fair match
# answer: overlap
# returns: tensor
# removes: vae_lib.modes.count, vae_lib.modes.overlap

# %% statement
r"""
The chapter's grid has 25 equal modes. Here mode $c$ has its own weight $\alpha_c$ and its own standard deviation $\sigma_c$. A draw belongs to the
mode that is nearest to it *in that mode's own standard deviations*: the $c$ with the smallest $\lVert x - m_c \rVert / \sigma_c$. It is good where this
smallest value is at most {{RADIUS}}.

Write `overlap(points, means, sigmas, weights)`: $\sum_c \min(\hat\alpha_c, \alpha_c)$, where $\hat\alpha_c$ is the share of **all** draws that are good
and belong to mode $c$. `points` is `(n, 2)`, `means` `(modes, 2)`, `sigmas` and `weights` are `(modes,)`; the weights sum to 1.
"""

# %% draws
def draws(rng):
    return {"RADIUS": rng.choice([1.5, 1.75, 2.0, 2.25])}

# %% given
import torch

# %% starter
def overlap(points, means, sigmas, weights):
    """The overlap of the histogram of the draws with the weights of the modes: one number."""
    ...

# %% solution
def overlap(points, means, sigmas, weights):
    """The overlap of the histogram of the draws with the weights of the modes: one number."""
    away = torch.cdist(points, means) / sigmas
    least, mode = away.min(1)
    good = least <= RADIUS
    shares = torch.bincount(mode[good], minlength=len(means)) / len(points)
    return torch.minimum(shares, weights).sum()

# %% why
r"""
The number has two steps, a radius and a minimum, and each stops one way to cheat. The radius takes the strays out, but they stay in the number that
is divided by: a model that draws fog has small shares everywhere. The smaller of share and weight stops a mode from paying for another: what it has
above its weight earns nothing, and a lost mode costs its whole weight. Let the strays be one more bin $c$, with the weight 0. Then the overlap is
one less half of $\sum_c |\hat\alpha_c - \alpha_c|$ over all bins: 1 for equal histograms, 0 where no bin has both draws and weight.

"Nearest" is measured in each mode's own standard deviation, as the radius is. A point between a narrow and a wide mode can be closer to the middle
of the narrow one and still be ten of its standard deviations away.
"""

# %% inputs
def inputs(rng):
    modes = 5
    weights = torch.tensor(rng.sample([0.05, 0.1, 0.15, 0.3, 0.4], modes))
    means = 1.5 * rng.normal(modes, 2)
    sigmas = torch.tensor(rng.sample([0.25, 0.4, 0.6, 0.9, 1.3], modes))
    counts = rng.sample([2, 8, 16, 24, 30], modes)
    drawn = torch.cat([means[c] + 1.3 * sigmas[c] * rng.normal(n, 2) for c, n in enumerate(counts)])
    return {"points": torch.cat([drawn, 4 * rng.normal(16, 2)]), "means": means, "sigmas": sigmas, "weights": weights}

# %% probe
def probe(answer, points, means, sigmas, weights):
    fair = torch.arange(len(means)).repeat_interleave((20 * weights).round().long())
    beyond = 20 * means[fair] + 1.1 * RADIUS * sigmas[fair, None] * torch.tensor([0.6, 0.8])
    return {"value": answer(points, means, sigmas, weights), "value_beyond_the_radius": answer(beyond, 20 * means, sigmas, weights), "value_of_fair_draws": answer(means[fair], means, sigmas, weights),
            "value_of_one_mode": answer(means[:1].repeat(20, 1), means, sigmas, weights),
            "value_far_away": answer(points + 1000, means, sigmas, weights)}

# %% laws
def laws(seen, points, means, sigmas, weights):
    yield seen["value"].shape == (), "there is one number for all draws"
    yield -1e-4 < seen["value"] < 1.0001, "an overlap lies between 0 and 1"
    yield abs(seen["value_of_fair_draws"] - 1) < 1e-3, "it is 1 where every draw is good and each mode gets its weight"
    yield abs(seen["value_of_one_mode"] - weights[0]) < 1e-3, "if all draws are in one mode, it is the weight of that mode", \
        "Put all draws into one mode: of its share 1 and its weight the smaller one counts, and the other modes have nothing."
    yield abs(seen["value_far_away"]) < 1e-3, "it is 0 where no draw is good"

# %% right: by the total variation distance, the strays in a bin of their own
def overlap(points, means, sigmas, weights):
    scaled = (points[:, None].double() - means).square().sum(-1).sqrt() / sigmas
    label = torch.where(scaled.amin(1) > RADIUS, len(means), scaled.argmin(1))
    shares = torch.nn.functional.one_hot(label, len(means) + 1).double().mean(0)
    return 1 - 0.5 * (shares - torch.cat([weights.double(), torch.zeros(1)])).abs().sum()

# %% right: draw by draw, with loops
import math

def overlap(points, means, sigmas, weights):
    counts = [0] * len(means)
    for x in points.tolist():
        away = [math.dist(x, m) / s for m, s in zip(means.tolist(), sigmas.tolist())]
        if min(away) <= RADIUS:
            counts[away.index(min(away))] += 1
    return torch.tensor(sum(min(n / len(points), w) for n, w in zip(counts, weights.tolist())))

# %% wrong: shares of the good draws only
# hint: Your shares are of the good draws alone. Then fog is free: a model with one good draw in a hundred can reach 1. Divide by the number
#   of all draws.
#- / len(points)
#+ / good.sum().clamp(min=1)

# %% wrong: no radius
# hint: Every draw counts for the mode next to it, however far it is. A draw beyond the radius is good for no mode.
#- mode[good]
#+ mode

# %% wrong: nearest by plain distance
# hint: You look for the nearest mean by plain distance. A wide mode reaches further than a narrow one: divide by each mode's standard
#   deviation first.
#- least, mode = away.min(1)
#+ mode = torch.cdist(points, means).argmin(1)
#+     least = away.gather(1, mode[:, None])[:, 0]

# %% wrong: one width for all modes
# hint: You measure all distances with the mean of the standard deviations. Each mode has its own.
#- / sigmas
#+ / sigmas.mean()

# %% wrong: variances for standard deviations
# hint: You divide the distance by a variance. The radius counts standard deviations.
#- / sigmas
#+ / sigmas.square()

# %% wrong: all modes have the same weight
# hint: You hold the shares against equal weights, as on the chapter's grid. Here each mode has its own.
#- torch.minimum(shares, weights)
#+ torch.minimum(shares, torch.full_like(weights, 1 / len(weights)))

# %% wrong: the share of good draws
# hint: This is the share of good draws. It does not see which modes they lie in: one mode alone would get 1.
#- torch.minimum(shares, weights)
#+ shares

# %% wrong: the weight of the modes that are kept
# hint: This is the total weight of the modes that got a draw. One lucky draw fills a mode for this count, so fog gets 1.
#- torch.minimum(shares, weights)
#+ torch.where(shares > 0, weights, 0.0)

# %% wrong: the larger of the two
# hint: You add the larger of share and weight; the overlap is what both have in common.
#- torch.minimum
#+ torch.maximum

# %% wrong: a draw counts for every mode in reach
# hint: A draw within reach of two modes counts for both. It belongs to the nearest only.
#- torch.bincount(mode[good], minlength=len(means)) / len(points)
#+ (away <= RADIUS).float().mean(0)

# %% wrong: the strays have no bin
# hint: You take one minus half the absolute differences, over the modes. The draws that are in no mode are a difference too, and they are missing
#   there.
#- torch.minimum(shares, weights).sum()
#+ 1 - 0.5 * (shares - weights).abs().sum()

# %% wrong: plain distances throughout
# hint: You measure plain distances, for the nearest mode and for the radius. Both are in each mode's own standard deviation: divide by σ_c.
#-  / sigmas
#+

# %% wrong: shares of the good draws, of which there may be none
# hint: Your shares are of the good draws, and where no draw is good you divide by 0. Fog is free this way: divide by the number of all
#   draws.
#- / len(points)
#+ / good.sum()

# %% wrong: the share of the modes kept
# hint: This is the share of the modes that got a draw. An overlap asks how many draws each mode got, against its weight: min(share,
#   weight), summed.
#- torch.minimum(shares, weights).sum()
#+ (shares > 0).double().mean()

# %% wrong: three standard deviations
# hint: A draw is good within 3 standard deviations in your count, as in the chapter. Here the radius is `RADIUS`.
#- least <= RADIUS
#+ least <= 3

# %% wrong: a squared distance against the radius
# hint: You hold a squared distance against the radius. Take its root, or square the radius.
#- least, mode = away.min(1)
#+ least, mode = away.square().min(1)

# %% wrong: the densest mode
# hint: A draw goes to the mode with the largest density in your count, weights and all. Asked for is the nearest mode, in that mode's
#   standard deviations.
#- least, mode = away.min(1)
#+ mode = (weights.log() - 2 * sigmas.log() - 0.5 * away.square()).argmax(1)
#+     least = away.gather(1, mode[:, None])[:, 0]

# %% wrong: one less all differences
# hint: You take one minus the sum of the absolute differences: the half is missing, and so are the draws in no mode. The overlap is the sum
#   of the smaller ones.
#- torch.minimum(shares, weights).sum()
#+ 1 - (shares - weights).abs().sum()

# %% wrong: the nearest draw of each mode
# hint: You look for the draw that is nearest to each mode: the minimum goes over the draws. It goes over the modes, for each draw.
def overlap(points, means, sigmas, weights):
    away = torch.cdist(points, means) / sigmas
    shares = (away.amin(0) <= RADIUS) / len(points)
    return torch.minimum(shares, weights).sum()

# %% wrong: the larger of both coordinates
# hint: Your distance is the larger of the differences in both coordinates: good draws then fill a square. ‖x − m‖ is the root of the sum of
#   squares.
#- torch.cdist(points, means)
#+ torch.cdist(points, means, p=float("inf"))

# %% wrong: the sum of both coordinates
# hint: Your distance is the sum of the differences in both coordinates. ‖x − m‖ is the root of the sum of squares.
#- torch.cdist(points, means)
#+ torch.cdist(points, means, p=1.0)

# %% wrong: the radius in plain distance
# hint: You hold the plain distance against the radius. The radius counts standard deviations of the draw's own mode.
#- good = least <= RADIUS
#+ good = torch.cdist(points, means).gather(1, mode[:, None])[:, 0] <= RADIUS

# %% wrong: the mean of what each mode has of its weight
# hint: You divide each share by its weight and average over the modes: small modes then count as much as large ones. Sum min(share, weight).
#- torch.minimum(shares, weights).sum()
#+ (shares / weights).clamp(max=1).mean()

# title: What the best discriminator would say
# chapter: 10_vae_and_gan
# goal: write down an expectation, compute it, and see what the loss of a perfect opponent can tell and what it cannot
# kind: predict
# minutes: 25
# points: 3
# difficulty: 2
# passage: What the best discriminator knows
# answer: losses
# tolerance: ±0.003
# repeats: 1
# removes:

# %% statement
r"""
The data lie in {{MODES}} equal modes that do not touch. Take two generators, and for each the *best* discriminator, trained on equally many real and drawn points:

- `"collapse"`: it draws {{KEPT}} of the modes, equally often, each exactly as in the data, and nothing else;
- `"fog"`: {{percent}} % of its draws are distributed exactly as the data; the others lie where no data are.

*Predict* which of the two discriminators has the smaller loss, the one of `"collapse"`, of `"fog"`, or `"neither"` (both are equal): a wrong prediction costs nothing. Then
*compute* both losses in nats, to three digits after the point, as the chapter's loss of $D$, from two cases: where $p$ and $q$ are both above zero, and where only one is.

Last, let $D$ see packs of {{PACK}} points, all real or all drawn, each point drawn by itself ({numref}`ex-gan-pack`). Compute the loss of the best one for the first
generator: `"packs"`.
"""

# %% draws
def draws(rng):
    # pairs for which different mistakes, and the right answer, give different numbers
    modes, kept = rng.choice([(20, 6), (25, 7), (25, 9), (30, 7), (30, 9), (30, 8)])
    share = rng.choice([0.65, 0.7, 0.8])
    return {"MODES": modes, "KEPT": kept, "GOOD": share, "percent": round(100 * share), "PACK": rng.choice([2, 3])}

# %% given
import math

# %% starter
losses = {"predicted": ..., "collapse": ..., "fog": ..., "packs": ...}

# %% solution
def best_loss(p_shared, q_shared):
    """Where both are above 0 lie a share p_shared of p and q_shared of q, in a constant ratio; elsewhere D is sure."""
    D = p_shared / (p_shared + q_shared)
    return -p_shared * math.log(D) - q_shared * math.log(1 - D)

covered = KEPT / MODES
losses = {"predicted": "collapse", "collapse": best_loss(covered, 1.0), "fog": best_loss(1.0, GOOD),
          "packs": best_loss(covered**PACK, 1.0)}

# %% why
r"""
Where only one of $p$ and $q$ is above zero, the best $D$ is sure and pays nothing. So only the common region costs, and there $p / q$ is constant.
The collapsed generator shares a part $c = {{KEPT}} / {{MODES}}$ of $p$ and all of $q$: $D = c / (1 + c)$, and the loss is

$$
-c \log D - \log(1 - D) = (1 + c) \log(1 + c) - c \log c .
$$

Fog shares all of $p$ and a part $g = {{GOOD}}$ of $q$: the same formula with $g$. With the shared part the loss
grows, from 0 to $2 \log 2$, and $c < g$, so `"collapse"` has the smaller loss. The loss sees how much $p$ and $q$ have in common, not what is wrong:
a collapse with $c = g$ would give the same number as the fog.

A pack of real points lies in the kept modes with a chance of only $c^{ {{PACK}} }$, and every pack of draws does. So a pack has the same loss with
$c^{ {{PACK}} }$ for $c$: lost modes show much more clearly in packs.
"""

# %% inputs
def inputs(rng):
    return {}

# %% probe
def probe(answer):
    names = ("collapse", "fog", "packs")
    if not isinstance(answer, dict) or not set(names) | {"predicted"} <= set(answer):
        raise Problem("type", "`losses` should be a dict with the entries \"predicted\", \"collapse\", \"fog\" and \"packs\".")
    if any(answer[name] is ... for name in ("predicted", *names)):
        raise Problem("none", "Predict first, then compute: an entry of `losses` is still `...`.")
    choice(answer["predicted"], ("collapse", "fog", "neither"), "the prediction")
    return {name: number(answer[name], f"the loss {name!r}") for name in names}

# %% laws
def laws(seen):
    for name in ("collapse", "fog", "packs"):
        yield seen[name] >= 0, f"the loss “{name}” is not negative", "A loss of D is minus two averages of logarithms of probabilities."
        yield seen[name] <= 2 * math.log(2) + 1e-6, f"the loss “{name}” is at most 2 log 2, which guessing gets"
    kept = KEPT / MODES
    power = -(kept**PACK) * PACK * math.log(kept / (1 + kept)) + PACK * math.log(1 + kept)
    if abs(seen["packs"] - power) < 1e-3:
        yield False, "the D of packs judges packs", "For packs you raised the D of a single point to a power. A pack has a best D of its own, from the densities of packs."
    yield seen["packs"] < seen["collapse"], "a discriminator that sees more has a smaller loss"

# %% right: as two log 2 less twice the Jensen-Shannon divergence
import torch

def js(p, q):
    m = (p + q) / 2
    return 0.5 * (torch.xlogy(p, p / m).sum() + torch.xlogy(q, q / m).sum())

def ring(n):
    p, q = torch.ones(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    one_p = torch.full((MODES,), 1 / MODES, dtype=torch.float64)
    one_q = torch.where(torch.arange(MODES) < KEPT, 1 / KEPT, 0.0).double()
    for _ in range(n):
        p, q = torch.outer(p, one_p).flatten(), torch.outer(q, one_q).flatten()
    return 2 * math.log(2) - 2 * js(p, q.clamp(min=1e-300))

fog = js(torch.tensor([1 - 1e-15, 1e-15]).double(), torch.tensor([GOOD, 1 - GOOD]).double())
losses = {"predicted": "fog", "collapse": ring(1), "fog": 2 * math.log(2) - 2 * fog, "packs": ring(PACK)}

# %% right: one formula for all three
def shared(r):
    return (1 + r) * math.log(1 + r) - r * math.log(r)

losses = dict(predicted="collapse", packs=shared((KEPT / MODES) ** PACK), fog=shared(GOOD), collapse=shared(KEPT / MODES))

# %% wrong: the Jensen-Shannon divergence
# hint: You gave the Jensen-Shannon divergence. The loss of the best D is 2 log 2 less twice that.
def best_loss(p_shared, q_shared):
    D = p_shared / (p_shared + q_shared)
    return math.log(2) - 0.5 * (-p_shared * math.log(D) - q_shared * math.log(1 - D))
covered = KEPT / MODES
losses = {"predicted": "collapse", "collapse": best_loss(covered, 1.0), "fog": best_loss(1.0, GOOD),
          "packs": best_loss(covered**PACK, 1.0)}

# %% wrong: one half where both are
# hint: You let D say one half wherever both densities are above zero. They are not equal there: the density of the one that has less room is higher.
#- D = p_shared / (p_shared + q_shared)
#+ D = 0.5

# %% wrong: the mean of the two parts
# hint: All losses are half of what they should be. The chapter's loss adds the average over the data and the average over the draws.
#- return -p_shared * math.log(D) - q_shared * math.log(1 - D)
#+ return 0.5 * (-p_shared * math.log(D) - q_shared * math.log(1 - D))

# %% wrong: only the real points
# hint: The drawn points are missing: you averaged −log D over the data alone.
#- return -p_shared * math.log(D) - q_shared * math.log(1 - D)
#+ return -p_shared * math.log(D)

# %% wrong: only the drawn points
# hint: The real points are missing: you averaged −log(1 − D) over the draws alone.
#- return -p_shared * math.log(D) - q_shared * math.log(1 - D)
#+ return -q_shared * math.log(1 - D)

# %% wrong: D the wrong way round
# hint: Where both are above zero you have D and 1 − D the wrong way round: D is the share of the *data*'s density.
#- D = p_shared / (p_shared + q_shared)
#+ D = q_shared / (p_shared + q_shared)

# %% wrong: the shared region weighs one for both
# hint: D is right, its weight is not. A share of the points alone meets the other's density; the rest lies where D is sure and pays nothing.
#- return -p_shared * math.log(D) - q_shared * math.log(1 - D)
#+ return -math.log(D) - math.log(1 - D)

# %% wrong: the lost modes in place of the kept
# hint: You used the share of the modes that are *lost*. Real points there pay nothing: D is sure of them.
#- covered = KEPT / MODES
#+ covered = 1 - KEPT / MODES

# %% wrong: the stray draws in place of the good ones
# hint: For the fog you used the share of draws that are in the wrong place. D is sure of those; what it pays comes from the others.
#- best_loss(1.0, GOOD)
#+ best_loss(1.0, 1 - GOOD)

# %% wrong: a pack pays for each of its points
# hint: For the packs you multiplied the loss of one point. A pack gets one answer, and D is sure of it as soon as one of its points lies in a lost mode.
#- best_loss(covered**PACK, 1.0)
#+ PACK * best_loss(covered, 1.0)

# %% wrong: a pack is like one point
# hint: The loss of the packs is that of single points. How probable is it that *all* points of a real pack lie in modes that the generator draws?
#- covered**PACK
#+ covered

# %% wrong: the pack lies in one mode
# hint: For the packs you divided by the number of points. The chances of independent points are multiplied.
#- covered**PACK
#+ covered / PACK

# %% wrong: bits
# hint: These are bits. Asked for are nats: use the natural logarithm.
#- return -p_shared * math.log(D) - q_shared * math.log(1 - D)
#+ return -p_shared * math.log2(D) - q_shared * math.log2(1 - D)

# %% wrong: collapse and fog exchanged
# hint: The losses of collapse and fog are in each other's place. A collapse: all draws lie where data are, but only a part of the data
#   where draws are.
#- "collapse": best_loss(covered, 1.0)
#+ "collapse": best_loss(1.0, GOOD)
#- "fog": best_loss(1.0, GOOD)
#+ "fog": best_loss(covered, 1.0)

# %% wrong: a power of the loss
# hint: For the packs you raised the loss of one point to a power. It is probabilities that are multiplied: that of a real pack to lie in
#   kept modes alone. Then work the loss out anew.
#- "packs": best_loss(covered**PACK, 1.0)
#+ "packs": best_loss(covered, 1.0) ** PACK

# %% wrong: a part of the loss
# hint: For the packs you divided the loss of one point. A pack gets one answer: ask how probable it is that all of its points lie in kept
#   modes, and work the loss out anew.
#- "packs": best_loss(covered**PACK, 1.0)
#+ "packs": best_loss(covered, 1.0) / PACK

# %% wrong: packs without replacement
# hint: For the packs you draw modes without putting them back. Each point is drawn by itself: two may come from one mode.
#- covered**PACK
#+ math.comb(KEPT, PACK) / math.comb(MODES, PACK)

# %% wrong: the draws as thin as the data
# hint: For collapse and packs you let q be as dense as p in the kept modes. All draws lie there: q is higher than p, and the part of a draw
#   weighs 1.
#- "collapse": best_loss(covered, 1.0)
#+ "collapse": 2 * covered * math.log(2)
#- "packs": best_loss(covered**PACK, 1.0)
#+ "packs": 2 * covered**PACK * math.log(2)

# %% wrong: one half in the kept modes
# hint: For collapse and packs you let D say one half in the kept modes. The draws are denser there than the data: D = p / (p + q) is below
#   one half.
#- "collapse": best_loss(covered, 1.0)
#+ "collapse": (1 + covered) * math.log(2)
#- "packs": best_loss(covered**PACK, 1.0)
#+ "packs": (1 + covered**PACK) * math.log(2)

# %% wrong: one half in the fog
# hint: The loss of the fog takes D as one half where data are. Only a part of the draws is there, so the data are denser: D = p / (p + q)
#   is above one half.
#- "fog": best_loss(1.0, GOOD)
#+ "fog": (1 + GOOD) * math.log(2)

# %% wrong: the data's share for both
# hint: Both averages have the weight of the data's share. The second goes over the draws: its weight is the share of *draws* where both
#   densities are above zero.
#- - q_shared * math.log(1 - D)
#+ - p_shared * math.log(1 - D)

# %% wrong: stray draws pay as well
# hint: In the loss of the fog the stray draws pay log 2. Where no data are, D is sure of them: they pay nothing.
#- "fog": best_loss(1.0, GOOD)
#+ "fog": best_loss(1.0, GOOD) + (1 - GOOD) * math.log(2)

# %% wrong: two log two for all
# hint: You gave 2 log 2, the loss of a D that only guesses. The best one knows more: it is sure where only one density is above zero, and
#   elsewhere says p / (p + q).
losses = {"predicted": "neither", "collapse": 2 * math.log(2), "fog": 2 * math.log(2), "packs": 2 * math.log(2)}

# %% wrong: how far below guessing
# hint: You gave how far the losses lie below 2 log 2, which is twice the Jensen–Shannon divergence. Asked for are the losses.
#- return -p_shared * math.log(D) - q_shared * math.log(1 - D)
#+ return 2 * math.log(2) + p_shared * math.log(D) + q_shared * math.log(1 - D)

# %% wrong: a pack with the weight of a point
# hint: For the packs D is right, and the weight is that of single points. All points of a real pack must lie in kept modes: its share has
#   the power too.
#- "packs": best_loss(covered**PACK, 1.0)
#+ "packs": math.log(1 + covered**PACK) + covered * math.log(1 + covered**-PACK)

# %% wrong: a multiple of the ratio
# hint: For the packs you multiplied the ratio of the densities by the number of points. Densities of independent points are multiplied with
#   each other: the ratio gets a power.
#- "packs": best_loss(covered**PACK, 1.0)
#+ "packs": math.log(1 + covered / PACK) + covered**PACK * math.log(1 + PACK / covered)

# %% wrong: the packs of the fog
# hint: You worked out the packs of the fog. Asked for are those of the first generator, the collapse.
#- "packs": best_loss(covered**PACK, 1.0)
#+ "packs": best_loss(1.0, GOOD**PACK)

# %% wrong: the fog's draws weigh one
# hint: In the loss of the fog the draws weigh 1. Only the good ones lie where data are; D is sure of the others, and they pay nothing.
#- "fog": best_loss(1.0, GOOD)
#+ "fog": math.log(1 + GOOD) + math.log(1 + 1 / GOOD)

# %% wrong: every real point pays
# hint: You charge every real point with log D. In the lost modes D is sure and pays nothing: only the share where both densities are above 0 does.
#- -p_shared * math.log(D)
#+ -math.log(D)

# %% wrong: one Jensen-Shannon divergence less
# hint: Your losses are 2 log 2 less the Jensen-Shannon divergence. It is to be taken off twice: the chapter's loss adds two averages, and the
#   divergence is half of the sum of two KLs.
#- return -p_shared * math.log(D) - q_shared * math.log(1 - D)
#+ return math.log(2) + (-p_shared * math.log(D) - q_shared * math.log(1 - D)) / 2

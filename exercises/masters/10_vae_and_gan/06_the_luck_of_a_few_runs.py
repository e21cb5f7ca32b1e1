# title: The luck of a few runs
# chapter: 10_vae_and_gan
# goal: turn a list of runs, the collapsed ones among them, into what the best of a few new ones is worth
# kind: implement
# minutes: 20
# points: 3
# difficulty: 2
# passage: Leaving out the runs that collapsed
# answer: expected_best
# returns: tensor
# removes:

# %% statement
r"""
For a report, one model was trained $N$ times, from $N$ seeds; the report prints the lowest FID. You can afford `n` runs. How low is the best of yours, on average? Take for
your runs `n` *different* ones of the report's, where each choice of `n` is as likely as any other.

Write `expected_best(fids, collapsed, n)`: the mean of the lowest FID of the `n` runs, over all choices, one number. `fids` is `(runs,)`; `collapsed` is `(runs,)`
and true where a run collapsed later on. Its entry of `fids` is from before that, and you would not have stopped there: such a run counts with a FID of {{WORST}}.

Give the exact mean, not one over some draws. With $N = 40$ and `n` = 10 there are 848 million choices, so do not list them: sort the runs, and ask
how many choices have a given run as their best.
"""

# %% draws
def draws(rng):
    return {"WORST": rng.choice([120, 150, 180, 200])}

# %% given
import math

import torch

# %% starter
def expected_best(fids, collapsed, n):
    """The mean of the lowest FID of n of the runs, over all choices of n: one number."""
    ...

# %% solution
def expected_best(fids, collapsed, n):
    """The mean of the lowest FID of n of the runs, over all choices of n: one number."""
    counted = torch.where(collapsed, WORST, fids).double().sort().values
    runs = len(counted)
    choices = [math.comb(runs - 1 - k, n - 1) for k in range(runs)]
    return (counted * torch.tensor(choices)).sum() / math.comb(runs, n)

# %% why
r"""
Sort the runs, the best first, after each collapsed one has got its FID of {{WORST}}. Run $k$ (from 0) is the best of a choice when it is in it and
the other $n - 1$ are among the $N - 1 - k$ worse ones: $\binom{N - 1 - k}{n - 1}$ choices of $\binom{N}{n}$. Weigh each FID with this share. Where
two runs are equal it does not matter which of them comes first.

Two cases check it: for $n = 1$ it is the mean of all runs, for $n = N$ the lowest FID that counts. The report may print a lower one still, of a run
that collapsed later. Between the two cases it falls with $n$, so a report's best of 40 is no forecast for somebody with ten runs. Nor is a table
without its collapsed runs: nobody knows before a run whether it will collapse.
"""

# %% inputs
def inputs(rng):
    collapsed = torch.zeros(12, dtype=torch.bool)
    collapsed[rng.sample(range(12), 3)] = True
    return {"fids": torch.where(collapsed, rng.uniform(12.0, 30.0, 12), rng.uniform(15.0, 70.0, 12)), "collapsed": collapsed}

# %% probe
def probe(answer, fids, collapsed):
    return {f"value_for_{name}": answer(fids, collapsed, n) for name, n in {"one_run": 1, "two": 2, "three": 3, "six": 6, "three_again": 3}.items()}

# %% laws
def laws(seen, fids, collapsed):
    one, two, three, six = (seen[f"value_for_{name}"] for name in ("one_run", "two", "three", "six"))
    yield one.shape == (), "there is one number for each n"
    counted = torch.where(collapsed, WORST, fids).double()
    yield abs(one - counted.mean()) < 1e-2, "for n = 1 it is the mean over all runs, the collapsed ones included"
    yield one > two > three > six, "it falls when you can afford more runs"
    again = seen["value_for_three_again"]
    yield abs(three - again) < 1e-9, "asked again, it says the same", \
        "You draw choices. They can be counted without listing them: sort the runs, and count the choices of which each run is the best."
    yield six >= counted.min() - 1e-3, "it is never below the lowest FID of all"

# %% right: every choice listed
import itertools

def expected_best(fids, collapsed, n):
    counted = [float(WORST) if bad else fid for fid, bad in zip(fids.tolist(), collapsed.tolist())]
    lowest = [min(some) for some in itertools.combinations(counted, n)]
    return torch.tensor(sum(lowest) / len(lowest))

# %% right: from the chance that all n lie above
def expected_best(fids, collapsed, n):
    counted = fids.double().clone()
    counted[collapsed] = WORST
    counted = torch.sort(counted)[0]
    above = torch.tensor([math.comb(len(counted) - k, n) for k in range(1, len(counted))]) / math.comb(len(counted), n)
    return counted[0] + (counted.diff() * above).sum()

# %% right: one run after the other, from the worst
def expected_best(fids, collapsed, n):
    counted = sorted((fids * ~collapsed + WORST * collapsed).tolist(), reverse=True)
    found = counted[n - 1]
    for seen, fid in enumerate(counted[n:], n + 1):
        found += (fid - found) * n / seen
    return found

# %% wrong: the collapsed runs are left out
# hint: You left the collapsed runs out. Nobody who trains anew can leave them out: each of them uses up one of the n.
#- counted = torch.where(collapsed, WORST, fids).double().sort().values
#+ counted = fids[~collapsed].double().sort().values

# %% wrong: the score before the collapse
# hint: You took the score from before the collapse. Who stops there has picked a moment that nobody can know in advance.
#- torch.where(collapsed, WORST, fids)
#+ fids

# %% wrong: the same run may be picked again
# hint: You let chance pick the same run more than once. The n runs are different ones: count choices without repetition.
#- math.comb(runs - 1 - k, n - 1)
#+ (runs - k) ** n - (runs - 1 - k) ** n
#- math.comb(runs, n)
#+ runs**n

# %% wrong: the best of all runs
# hint: This is the lowest FID of all runs, what the report prints. It took N runs to find it, and you have n.
#- (counted * torch.tensor(choices)).sum() / math.comb(runs, n)
#+ counted.min()

# %% wrong: the mean of all runs
# hint: This is the mean of all runs, whatever n is. Asked for is the *best* of n: it falls when n grows.
#- (counted * torch.tensor(choices)).sum() / math.comb(runs, n)
#+ counted.mean()

# %% wrong: the worst of the n runs
# hint: You found the mean of the *highest* of n. A lower FID is better: begin with the lowest.
#- .sort().values
#+ .sort(descending=True).values

# %% wrong: the first n runs
# hint: You took the best of the first n runs as they stand. Average over all choices of n, not over one.
def expected_best(fids, collapsed, n):
    return torch.where(collapsed, WORST, fids)[:n].min()

# %% wrong: the list cut into groups
# hint: You cut the list into groups of n and averaged their best. That depends on the order of the runs: other choices of n are as likely.
def expected_best(fids, collapsed, n):
    return torch.where(collapsed, WORST, fids).view(-1, n).min(1).values.mean()

# %% wrong: the best run or a better one
# hint: You weigh each run by the choices that have no better run in them; these hold worse ones too. The run itself must be in the choice:
#   then only n − 1 others are free.
#- math.comb(runs - 1 - k, n - 1)
#+ math.comb(runs - k, n)

# %% wrong: only n runs can be the best
# hint: You average the n lowest FIDs. That is what you get if chance gives you the best runs of the report.
#- (counted * torch.tensor(choices)).sum() / math.comb(runs, n)
#+ counted[:n].mean()

# %% wrong: a quantile
# hint: You give a quantile of the runs, the one at the place 1 in n + 1. The mean of a minimum is another number: a few bad runs pull it up.
#- (counted * torch.tensor(choices)).sum() / math.comb(runs, n)
#+ counted.quantile(1 / (n + 1))

# %% wrong: the best run is not in the choice
# hint: You choose all n runs from those that are worse. The best of a choice is one of the n: only n − 1 others are free.
#- math.comb(runs - 1 - k, n - 1)
#+ math.comb(runs - 1 - k, n)

# %% wrong: the collapsed runs alone keep their score
# hint: You have the two the wrong way round: the runs that did *not* collapse count as `WORST`. `collapsed` is true where a run fell.
#- torch.where(collapsed, WORST, fids)
#+ torch.where(collapsed, fids, WORST)

# %% wrong: the median of the best
# hint: This is the median of the lowest FID, over all choices. Asked for is its mean.
def expected_best(fids, collapsed, n):
    counted = torch.where(collapsed, WORST, fids).double().sort().values
    chance = torch.tensor([math.comb(len(counted) - 1 - k, n - 1) for k in range(len(counted))]).cumsum(0) / math.comb(len(counted), n)
    return counted[(chance >= 0.5).nonzero()[0, 0]]

# %% wrong: each run with a chance of its own
# hint: You give each run the chance n / N of being among yours, one independently of the other. Then you may have more than n runs, or none. There are exactly n.
def expected_best(fids, collapsed, n):
    counted = torch.where(collapsed, WORST, fids).double().sort().values
    p = n / len(counted)
    chance = p * (1 - p) ** torch.arange(len(counted))
    return (counted * chance).sum() / chance.sum()

# %% wrong: one run more to choose from
# hint: Your weights add up to more than 1. With a run given as the best, the others are chosen from the runs behind it, and it is none of them.
#- math.comb(runs - 1 - k, n - 1)
#+ math.comb(runs - k, n - 1)

# %% wrong: good runs mixed with the worst
# hint: You mix the best of the good runs with `WORST`, by the share that collapsed. A collapsed run counts only where all n collapsed: sort all runs together.
def expected_best(fids, collapsed, n):
    good, share = fids[~collapsed].double().sort().values, collapsed.double().mean()
    few = min(n, len(good))
    weights = torch.tensor([math.comb(len(good) - 1 - k, few - 1) for k in range(len(good))])
    return (1 - share) * (good * weights).sum() / math.comb(len(good), few) + share * WORST

# %% wrong: the mask is not sorted along
# hint: You sort before `WORST` is put in, so it replaces other runs than the collapsed ones, and the list is no longer sorted. Put it in first.
#- counted = torch.where(collapsed, WORST, fids).double().sort().values
#+ counted = torch.where(collapsed, WORST, fids.double().sort().values)

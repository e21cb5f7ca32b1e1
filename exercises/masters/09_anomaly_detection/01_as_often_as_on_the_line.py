# title: As often as on the line
# chapter: 09_anomaly_detection
# goal: make an AUROC speak of the anomalies that will come, and not of those that were collected
# kind: implement
# minutes: 10
# points: 2
# difficulty: 1
# passage: How well a score tells them apart
# answer: line_auroc
# returns: tensor
# removes: vae_lib.anomaly.auroc, vae_lib.anomaly._auroc

# %% statement
r"""
A test set holds anomalies of {{KINDS}} kinds, numbered from 0. How many there are of each kind is an accident of who collected
them. On the line, an anomaly is of kind $k$ with the probability `SHARES[k]`: here {{SHARES}}. Within a kind, all images of
the test set count the same.

Write `line_auroc(normal, anomalous, kind)`: the probability that an anomaly *of the line* scores above a normal image, a tie
counted half. `normal` holds scores of normal images, `(n,)`; `anomalous` those of anomalies, `(m,)`, and `kind` their kinds as whole
numbers, `(m,)`. Scores are larger for what is more anomalous. Every kind is there at least once.
"""

# %% draws
def draws(rng):
    kinds = rng.choice([3, 4])
    parts = rng.sample([1, 2, 3, 6, 9], kinds)
    return {"KINDS": kinds, "SHARES": [round(part / sum(parts), 2) for part in parts[:-1]]
            + [round(1 - sum(round(part / sum(parts), 2) for part in parts[:-1]), 2)]}

# %% given
import torch

# %% starter
def line_auroc(normal, anomalous, kind):
    """P(an anomaly of the line scores above a normal image), a tie counted half: one number."""
    ...

# %% solution
def line_auroc(normal, anomalous, kind):
    """P(an anomaly of the line scores above a normal image), a tie counted half: one number."""
    difference = anomalous[:, None] - normal
    wins = ((difference > 0).double() + 0.5 * (difference == 0)).mean(1)
    shares = torch.tensor(SHARES, dtype=torch.float64)
    weight = shares[kind] / torch.bincount(kind)[kind]
    return (weight * wins).sum()

# %% why
r"""
An AUROC is a probability over two draws: an anomaly, and a normal image. Only the first draw changes. On the line it is two draws in a row: a kind
$k$ with the probability `SHARES[k]`, then one of the $n_k$ images of that kind, each with $1 / n_k$. So an image of kind $k$ weighs `SHARES[k]` $/\,
n_k$. The weights add up to 1, and the answer is a weighted mean over the anomalies: of the share of normal images that lie below each, those that
are equal counted half. It is also the AUROC of each kind by itself, averaged with the shares.

The AUROC of all images together weighs a kind by how many images of it were collected. More images of a kind that this score finds easily raise that
number, and the detector is the same. The scores need not be measured again for a line with other shares: only the weights change.
"""

# %% inputs
def inputs(rng):
    kinds = [k for k, count in enumerate(rng.sample([2, 5, 8, 13], KINDS)) for _ in range(count)]
    kind = torch.tensor(rng.sample(kinds, len(kinds)))
    level = rng.normal(KINDS) + 0.5
    level[rng.integer(0, KINDS - 1)] = -1.2  # a kind that the score takes for normal
    return {"normal": (2 * rng.normal(15)).round() / 2, "kind": kind,
            "anomalous": (2 * rng.normal(len(kind)) + 2 * level[kind]).round() / 2}

# %% probe
def probe(answer, normal, anomalous, kind):
    return {"value": answer(normal, anomalous, kind), "value_where_all_scores_agree": answer(0 * normal, 0 * anomalous, kind),
            "value_where_all_anomalies_are_above": answer(normal, anomalous.abs() + 50, kind)}

# %% laws
def laws(seen, normal, anomalous, kind):
    yield seen["value"].shape == (), "there is one number for the whole test set"
    yield 0 <= seen["value"] <= 1.0001, "a probability lies between 0 and 1"
    yield abs(seen["value_where_all_anomalies_are_above"] - 1) < 1e-3, "it is 1 where every anomaly is above every normal image"
    yield abs(seen["value_where_all_scores_agree"] - 0.5) < 1e-3, "it is one half where all scores are the same", \
        "Where all scores are the same, every pair of an anomaly and a normal image is a tie, and a tie counts one half."

# %% right: kind by kind, with loops
def line_auroc(normal, anomalous, kind):
    total = 0.0
    for k, share in enumerate(SHARES):
        own = [a for a, which in zip(anomalous.tolist(), kind.tolist()) if which == k]
        won = sum((a > b) + 0.5 * (a == b) for a in own for b in normal.tolist())
        total += share * won / (len(own) * len(normal))
    return torch.tensor(total)

# %% right: by scikit-learn, with weights
from sklearn.metrics import roc_auc_score

def line_auroc(normal, anomalous, kind):
    counts = torch.bincount(kind, minlength=len(SHARES)).double()
    weights = torch.cat([torch.ones(len(normal)), (torch.tensor(SHARES).double() / counts)[kind]])
    truth = torch.cat([torch.zeros(len(normal)), torch.ones(len(anomalous))])
    return torch.tensor(roc_auc_score(truth, torch.cat([normal, anomalous]), sample_weight=weights))

# %% right: by the sign of the differences
def line_auroc(normal, anomalous, kind):
    each = (1 + torch.sign(anomalous.unsqueeze(1) - normal.unsqueeze(0)).mean(1)) / 2
    return torch.stack([SHARES[k] * each[kind == k].mean() for k in range(KINDS)]).sum()

# %% wrong: all images of the test set alike
# hint: Every anomaly of the test set counts the same. Then the kind that was collected most often rules, and not the one that
#   comes most often.
#- shares[kind] / torch.bincount(kind)[kind]
#+ torch.full((len(kind),), 1 / len(kind))

# %% wrong: all kinds alike
# hint: Every kind counts the same: the mean over kinds. On the line they are not equally frequent; use `SHARES`.
#- shares[kind] /
#+ (torch.ones_like(shares) / KINDS)[kind] /

# %% wrong: the share for each image
# hint: You give each image the whole share of its kind. The images of a kind divide its share among them.
#- shares[kind] / torch.bincount(kind)[kind]
#+ shares[kind] / shares[kind].sum()

# %% wrong: a tie counts nothing
# hint: A tie counts as a loss. It is counted half, so that a score that is always the same gets 0.5.
#- 0.5 * (difference == 0)
#+ 0.0 * (difference == 0)

# %% wrong: a tie counts as a win
# hint: A tie counts as a win. Then a score that is always the same would be perfect; count it half.
#- 0.5 * (difference == 0)
#+ 1.0 * (difference == 0)

# %% wrong: the wrong way round
# hint: This is the probability that a *normal* image is above. Here scores are larger for what is more anomalous.
#- difference > 0
#+ difference < 0

# %% wrong: by how much
# hint: You average how far the anomalies are above. AUROC asks only which of the two is larger: the size of the difference
#   would change with the unit of the score.
#- ((difference > 0).double() + 0.5 * (difference == 0)).mean(1)
#+ difference.double().mean(1)

# %% wrong: the mean score of a kind
# hint: You average the scores of a kind first and compare that one number. The probability is one of pairs: compare every anomaly with
#   every normal image, then average the outcomes.
def line_auroc(normal, anomalous, kind):
    means = torch.stack([anomalous[kind == k].mean() for k in range(KINDS)])
    wins = ((means[:, None] > normal).double() + 0.5 * (means[:, None] == normal)).mean(1)
    return (torch.tensor(SHARES).double() * wins).sum()

# %% wrong: the worst kind
# hint: This is the AUROC of the kind that is told apart worst. On the line every kind comes with its share: average over the kinds with
#   `SHARES` as weights.
def line_auroc(normal, anomalous, kind):
    difference = anomalous[:, None] - normal
    wins = ((difference > 0).double() + 0.5 * (difference == 0)).mean(1)
    each = torch.stack([wins[kind == k].mean() for k in range(KINDS)])
    return each.min()

# %% wrong: the counts over the shares
# hint: Your weights are upside down: a kind's share is divided by its count in the test set, not the other way round.
def line_auroc(normal, anomalous, kind):
    difference = anomalous[:, None] - normal
    wins = ((difference > 0).double() + 0.5 * (difference == 0)).mean(1)
    each = torch.stack([wins[kind == k].mean() for k in range(KINDS)])
    return (torch.bincount(kind).square() / torch.tensor(SHARES).double() * each).sum() / (torch.bincount(kind).square() / torch.tensor(SHARES).double()).sum()

# %% wrong: kinds counted from one
# hint: The shares are shifted by one kind: the kinds are numbered from 0, like the entries of `SHARES`.
def line_auroc(normal, anomalous, kind):
    difference = anomalous[:, None] - normal
    wins = ((difference > 0).double() + 0.5 * (difference == 0)).mean(1)
    each = torch.stack([wins[kind == k].mean() for k in range(KINDS)])
    return (torch.tensor(SHARES).double().roll(1) * each).sum()

# %% wrong: the shares multiply the scores
# hint: You multiply the scores by the shares. A share says how often a kind comes, not how anomalous it is: compare the scores as they are, and weigh the outcomes.
#- difference = anomalous[:, None] - normal
#+ difference = (anomalous * torch.tensor(SHARES)[kind])[:, None] - normal
#- weight = shares[kind] / torch.bincount(kind)[kind]
#+ weight = 1 / len(kind)

# %% wrong: the share and the count
# hint: You weigh a kind by its share and, once more, by how many images of it there are. The weights of all images must add up to 1, and the count of a kind must not matter.
#- shares[kind] / torch.bincount(kind)[kind]
#+ shares[kind] / len(kind)

# %% wrong: each kind turned above one half
# hint: You turn a kind over where its AUROC is below one half. The score is one for all kinds: where a kind scores low, that is what happens on the line.
def line_auroc(normal, anomalous, kind):
    difference = anomalous[:, None] - normal
    wins = ((difference > 0).double() + 0.5 * (difference == 0)).mean(1)
    each = torch.stack([wins[kind == k].mean() for k in range(KINDS)])
    return (torch.tensor(SHARES).double() * torch.maximum(each, 1 - each)).sum()

# %% wrong: tied pairs are left out
# hint: You leave the tied pairs out. Each counts half, and it counts among all pairs.
def line_auroc(normal, anomalous, kind):
    difference = anomalous[:, None] - normal
    each = torch.stack([(difference[kind == k] > 0).sum() / (difference[kind == k] != 0).sum() for k in range(KINDS)])
    return (torch.tensor(SHARES) * each).sum()

# %% wrong: the mean score of a kind, without ties
# hint: You compare the mean score of a kind with the normal images, and count no ties. Compare every anomaly of the kind, a tie counted half, then
#   average the outcomes.
def line_auroc(normal, anomalous, kind):
    means = torch.stack([anomalous[kind == k].mean() for k in range(KINDS)])
    return (torch.tensor(SHARES).double() * (means[:, None] > normal).double().mean(1)).sum()

# %% wrong: one threshold at the mean of the normal scores
# hint: You count the anomalies above one threshold, the mean of the normal scores. Each is compared with every normal image.
#- wins = ((difference > 0).double() + 0.5 * (difference == 0)).mean(1)
#+ wins = (anomalous > normal.mean()).double()

# title: What a label is worth
# chapter: 07_generation
# goal: get from the likelihoods of a conditional model to one without a label
# kind: implement
# minutes: 15
# points: 2
# difficulty: 1
# passage: Ask for a class
# answer: worth
# returns: tensor
# tolerance: 3e-4

# %% statement
r"""
A conditional VAE gives $\log p(x \mid y)$ of an image for each of its four labels. The labels are not equally frequent: $p(y)$ is the tuple `FREQUENCY`.
What would the same model give an image whose label is not known, and how many nats is the label worth?

Write `worth(log_px_y, y)`: $\log p(x \mid y) - \log p(x)$ of each image, `(batch,)` nats, for `log_px_y` of shape `(batch, 4)` with one column for each
label, and the true labels `y`, `(batch,)` integers. The probabilities themselves are too small for a float.

*Check yourself first:* can a label be worth more than $-\log p(y)$?
"""

# %% draws
def draws(rng):
    return {"FREQUENCY": rng.choice([(0.1, 0.2, 0.3, 0.4), (0.05, 0.15, 0.2, 0.6), (0.4, 0.1, 0.35, 0.15), (0.5, 0.05, 0.25, 0.2),
                                     (0.15, 0.6, 0.05, 0.2)])}

# %% given
import torch

# %% starter
def worth(log_px_y, y):
    """log p(x|y) - log p(x) of each image, (batch,) nats."""
    ...

# %% solution
def worth(log_px_y, y):
    """log p(x|y) - log p(x) of each image, (batch,) nats."""
    log_y = torch.tensor(FREQUENCY).log()
    log_px = torch.logsumexp(log_px_y + log_y, dim=1)
    given = log_px_y[torch.arange(len(y)), y]
    return given - log_px

# %% why
r"""
The label that is not known is averaged out: $p(x) = \sum_k p(y = k)\, p(x \mid y = k)$. Each term is too small for a float, so both logarithms are
added first, and `logsumexp` takes out the largest before it exponentiates. A plain mean over the four columns would say that the labels are equally
frequent, and a mean of the logarithms would not even be the logarithm of a probability.

The difference is also $\log p(y \mid x) - \log p(y)$, by Bayes' rule. As $p(y \mid x) \le 1$, a label is worth at most $-\log p(y)$: a rare one can
tell much, a frequent one little. It is worth less than nothing where the image looks like another label's.
"""

# %% inputs
def inputs(rng):
    return {"log_px_y": -250 + 45 * torch.arange(6.0)[:, None] + 5 * rng.normal(6, 1) + 1.5 * rng.normal(6, 4), "y": torch.tensor([0, 1, 2, 3, 1, 2])}

# %% probe
def probe(answer, log_px_y, y):
    every = torch.stack([answer(log_px_y, torch.full((6,), k)) for k in range(4)], 1)
    equal = answer(log_px_y[:, :1].expand(-1, 4).contiguous(), y)
    return {"value": answer(log_px_y, y), "value_for_every_label": every, "value_where_the_label_makes_no_difference": equal}

# %% laws
def laws(seen, log_px_y, y):
    p = torch.tensor(FREQUENCY).double()
    yield seen["value"].shape == (6,), "there is one number for each image"
    yield (seen["value_for_every_label"] < -p.log() + 1e-3).all(), "a label is worth at most −log p(y)"
    equal = seen["value_where_the_label_makes_no_difference"].abs().max()
    yield equal < 1e-3, "where each label gives the image the same likelihood, a label is worth nothing", \
        "Put four equal likelihoods in: p(x) is that same number then, for the frequencies add up to 1, and nothing must be left." if equal < 5 else \
        "Put four equal likelihoods in, as small as they are here: nothing must be left. Where a probability is too small for a float, what is added or " \
        "clamped at takes its place: stay with the logarithms, and take out the largest of each image by itself."
    total = (p * seen["value_for_every_label"].exp()).sum(1)
    yield (total - 1).abs().max() < 1e-3, "the frequency times p(x|y) / p(x) is p(y|x), and adds up to 1 over the labels", \
        "Take one image, and each of the four labels in turn: frequency times p(x|y) over p(x) is p(y|x). The four of them add up to 1: which p(x) makes them do so?"

# %% right: by Bayes' rule, as log p(y|x) - log p(y)
def worth(log_px_y, y):
    log_y = torch.log(torch.tensor(FREQUENCY))
    log_posterior = torch.log_softmax(log_px_y + log_y, dim=-1)
    return (log_posterior - log_y).gather(1, y[:, None])[:, 0]

# %% right: image by image, in float64
import math

def worth(log_px_y, y):
    found = []
    for row, label in zip(log_px_y.tolist(), y.tolist()):
        top = max(row)
        mean = sum(p * math.exp(value - top) for p, value in zip(FREQUENCY, row))
        found.append(row[label] - top - math.log(mean))
    return torch.tensor(found, dtype=torch.float64)

# %% right: from torch.distributions
def worth(log_px_y, y):
    label = torch.distributions.Categorical(probs=torch.tensor(FREQUENCY).double())
    after = torch.distributions.Categorical(logits=log_px_y.double() + label.probs.log())
    return after.log_prob(y) - label.log_prob(y)

# %% wrong: all labels equally frequent
# hint: You weigh the labels alike. They have the probabilities in `FREQUENCY`.
#- torch.tensor(FREQUENCY).log()
#+ torch.full((4,), 0.25).log()

# %% wrong: the mean of the logarithms
# hint: You average log p(x|y) over the labels. The probabilities are averaged, and the logarithm is taken of their mean: log p(x) is larger than that
#   by Jensen's inequality.
#- torch.logsumexp(log_px_y + log_y, dim=1)
#+ (log_y.exp() * log_px_y).sum(1)

# %% wrong: the likeliest label alone
# hint: You take the largest term for the sum. The image could have come from any label, and all of them add up.
#- torch.logsumexp(log_px_y + log_y, dim=1)
#+ (log_px_y + log_y).amax(1)

# %% wrong: the frequencies are missing
# hint: The sum over the labels lacks their probabilities: each label counts as if it were certain, and p(x) comes out too large.
#- log_px_y + log_y
#+ log_px_y

# %% wrong: log p(y|x)
# hint: This is log p(y|x): the frequency of the label also stands in the first term. Asked for is log p(x|y) minus log p(x).
#- return given - log_px
#+ return given + log_y[y] - log_px

# %% wrong: a frequency for its logarithm
# hint: The probabilities are added to logarithms as they are. Take their logarithm: a product becomes a sum.
#- torch.tensor(FREQUENCY).log()
#+ torch.tensor(FREQUENCY)

# %% wrong: the other sign
# hint: The sign is the wrong way round: this is what it costs not to know the label.
#- given - log_px
#+ log_px - given

# %% wrong: the mean over the labels in place of the true one
# hint: You average the first term over the labels. The label of each image is known: take its column.
#- log_px_y[torch.arange(len(y)), y]
#+ (log_y.exp() * log_px_y).sum(1)

# %% wrong: the best label in place of the true one
# hint: The first term is the largest over the labels. The label of each image is given in `y`: take the likelihood under that one, however
#   small.
#- log_px_y[torch.arange(len(y)), y]
#+ log_px_y.amax(1)

# %% wrong: the true label is left out of the mixture
# hint: You left the true label out of the sum for p(x). An image whose label is not known may have come from any of the four, the true one
#   among them.
#- torch.logsumexp(log_px_y + log_y, dim=1)
#+ torch.logsumexp((log_px_y + log_y).scatter(1, y[:, None], -1e9), dim=1)

# %% wrong: logarithms times frequencies
# hint: You multiply log p(x|y) by the frequency, inside of the sum of exponentials. The frequency is a factor of the probability p(x|y);
#   beside its logarithm stands a sum, with log p(y).
#- log_px_y + log_y
#+ log_px_y * log_y.exp()

# %% wrong: the frequencies of the labels in the batch
# hint: You count how often the labels stand in this batch. The frequencies are the model's, in `FREQUENCY`, whichever images you happen to
#   look at.
#- torch.tensor(FREQUENCY).log()
#+ (torch.bincount(y, minlength=4) / len(y) + 1e-9).log()

# %% wrong: the most that a label can be worth
# hint: This is −log p(y), the most that a label can be worth. An image that may well have another label gives less: p(x) is a mean over all
#   four.
#- return given - log_px
#+ return -log_y[y]

# %% wrong: the frequency divided out
# hint: You take log p(y) off the first term. Asked for is log p(x|y) as it is given, minus log p(x); the frequencies belong into p(x) alone.
#- return given - log_px
#+ return given - log_y[y] - log_px

# %% wrong: bits
# hint: You count in bits. Nats are asked for: stay with the natural logarithm.
#- return given - log_px
#+ return (given - log_px) / 0.6931471805599453

# %% wrong: one shift for all images
# hint: You take one number out for all images of the batch. The probabilities of an image far below it become zero: take out the largest of each
#   image, along its labels.
#- log_px = torch.logsumexp(log_px_y + log_y, dim=1)
#+ log_px = log_px_y.max() + torch.log((torch.exp(log_px_y - log_px_y.max()) * log_y.exp()).sum(1))

# %% wrong: against the other labels
# hint: You hold the true label against the other three, with their frequencies made to add up to 1. p(x) is a mean over all four, the true one among them.
#- torch.logsumexp(log_px_y + log_y, dim=1)
#+ torch.logsumexp((log_px_y + log_y).scatter(1, y[:, None], -1e9), dim=1) - torch.log1p(-log_y.exp()[y])

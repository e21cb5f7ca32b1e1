# title: How many numbers are enough?
# chapter: 01_autoencoder
# goal: read the error of PCA off its eigenvalues
# kind: implement
# minutes: 10
# points: 2
# difficulty: 1
# passage: The best line
# answer: numbers_needed
# returns: tensor
# repeats: 12
# removes:

# %% statement
r"""
Nobody needs to rebuild an image to know what PCA loses: the eigenvalues of the covariance matrix say it, {eq}`eq-ae-pca`.

Write `numbers_needed(eigenvalues)`: the smallest $d$ with which PCA loses **at most {{PERCENT}} %** of the error of the mean image
($d = 0$), on the images that gave the eigenvalues. `eigenvalues` is a tensor of shape `(pixels,)`, all at least 0 and not all 0, in the order
in which `torch.linalg.eigh` gives them.
"""

# %% draws
def draws(rng):
    return {"PERCENT": rng.choice([12.5, 6.25, 25.0, 3.125])}

# %% given
import torch

# %% starter
def numbers_needed(eigenvalues):
    """The smallest number of PCA numbers that loses at most PERCENT % of the mean image's error."""
    ...

# %% solution
def numbers_needed(eigenvalues):
    """The smallest number of PCA numbers that loses at most PERCENT % of the mean image's error."""
    values = eigenvalues.flip(0)
    lost = values.sum() - torch.cat([torch.zeros(1), values.cumsum(0)])  # entry d: the error with d numbers
    enough = lost <= PERCENT / 100 * values.sum() + 1e-6
    return enough.nonzero()[0, 0]

# %% why
r"""
With $d$ numbers PCA loses the variance along the axes that it leaves out: the sum of all eigenvalues but the $d$ largest. With $d = 0$ that is the
sum of all of them, which is the error of the mean image. So go through $d = 0, 1, 2, \dots$ and stop at the first whose remaining sum is at most
{{PERCENT}} % of the whole. The eigenvalues come in rising order: turn them round first.

"What is kept is at least the rest of the whole" is the same question, in sums of the largest. The answer is a number of axes, not of pixels, and
holds for the images that gave the eigenvalues: on new ones PCA usually loses more.
"""

# %% inputs
def inputs(rng):
    while True:  # until no share of the error lies so near to the limit that rounding decides
        n, steep = rng.integer(20, 60), rng.uniform(0.5, 2.0)
        values = (torch.arange(1, n + 1).float() ** -steep * (0.5 + rng.uniform(0, 1, n))).sort().values
        shares = values.double().cumsum(0) / values.double().sum()
        if (shares - PERCENT / 100).abs().min() > 1e-3:
            return {"eigenvalues": values * 10 ** rng.uniform(-1, 1.7)}

# %% probe
def probe(answer, eigenvalues):
    found = answer(eigenvalues)
    return {"answer": number(found, "the number that `numbers_needed` returns"),
            "answer_in_another_unit": number(answer(100 * eigenvalues)),
            "answer_when_one_direction_has_everything": number(answer(torch.tensor([0.0, 0.0, 0.0, 3.0]))),
            "answer_for_64_equal_eigenvalues": number(answer(torch.ones(64))),  # the limit is met exactly
            "answer_for_31_equal_eigenvalues": number(answer(torch.ones(31))),
            "answer_for_163_equal_eigenvalues": number(answer(torch.ones(163)))}

# %% laws
def laws(seen, eigenvalues):
    yield 0 <= seen["answer"] <= len(eigenvalues), "the answer lies between 0 and the number of pixels"
    yield seen["answer"] == seen["answer_in_another_unit"], "it does not depend on the unit of the pixels", \
        "What is lost is compared with a share of the sum of all eigenvalues, not with a fixed number."
    yield seen["answer_when_one_direction_has_everything"] == 1, "images on a line need one number", \
        "Images on a line have one eigenvalue that is not 0, and one number loses nothing of them."
    yield seen["answer_for_64_equal_eigenvalues"] == 64 * (1 - PERCENT / 100), f"of 64 equal eigenvalues exactly {PERCENT} %, {64 * PERCENT / 100:g} of them, may be left out", \
        "With 64 equal eigenvalues each number left out loses 1/64 of the error, that is 1.5625 %: how many may be left out?"

# %% right: a loop that stops
def numbers_needed(eigenvalues):
    left, total, d = float(eigenvalues.double().sum()), float(eigenvalues.double().sum()), 0
    for value in reversed(eigenvalues.double().tolist()):
        if left <= PERCENT / 100 * total + 1e-9:
            break
        left, d = left - value, d + 1
    return d

# %% right: from the smallest upwards
def numbers_needed(eigenvalues):
    dropped = (eigenvalues.cumsum(0) <= PERCENT / 100 * eigenvalues.sum() + 1e-6).sum()
    return len(eigenvalues) - dropped

# %% right: with numpy
import numpy as np

def numbers_needed(eigenvalues):
    kept = np.cumsum(np.sort(eigenvalues.numpy())[::-1]) / eigenvalues.numpy().sum()
    return int(np.searchsorted(kept, 1 - PERCENT / 100 - 1e-6)) + 1

# %% wrong: one too few
# hint: With your number of directions a little too much is lost: it is one too few. Which index belongs to "no number at all"?
#- return enough.nonzero()[0, 0]
#+ return enough.nonzero()[0, 0] - 1

# %% wrong: one too many
# hint: One number fewer would have been enough. Which index belongs to "no number at all"?
#- return enough.nonzero()[0, 0]
#+ return enough.nonzero()[0, 0] + 1

# %% wrong: the order of eigh
# hint: You dropped the largest eigenvalues and kept the smallest. `eigh` sorts upwards.
#- eigenvalues.flip(0)
#+ eigenvalues

# %% wrong: kept for lost
# hint: With your answer PCA *keeps* the given share and loses the rest. It should lose at most that share.
#- <= PERCENT / 100
#+ <= (1 - PERCENT / 100)

# %% wrong: roots of the eigenvalues
# hint: You added up standard deviations. The error is a sum of squares, so eigenvalues, which are variances, add up as they are.
#- values = eigenvalues.flip(0)
#+ values = eigenvalues.flip(0).sqrt()

# %% wrong: each alone
# hint: You counted the eigenvalues that exceed the share on their own. What is lost is the sum of all that are left out.
def numbers_needed(eigenvalues):
    return (eigenvalues > PERCENT / 100 * eigenvalues.sum()).sum()

# %% wrong: a share of the directions
# hint: You took a share of the number of directions. What counts is the share of the variance that they carry.
def numbers_needed(eigenvalues):
    return round((1 - PERCENT / 100) * len(eigenvalues))

# %% wrong: less than the limit
# hint: A loss of exactly the limit is refused by you. "At most" includes it: `<=`.
#- <= PERCENT / 100 * values.sum() + 1e-6
#+ < PERCENT / 100 * values.sum() - 1e-6

# %% wrong: all of them
# hint: You gave the number of all directions: with them nothing is lost. Asked for is the *smallest* number that is good enough.
def numbers_needed(eigenvalues):
    return len(eigenvalues)

# %% wrong: the number thrown away
# hint: You counted the directions that may be left out. Asked for is how many stay.
def numbers_needed(eigenvalues):
    return (eigenvalues.cumsum(0) <= PERCENT / 100 * eigenvalues.sum() + 1e-6).sum()

# %% wrong: a share of the largest
# hint: You counted the eigenvalues above a share of the *largest* one. What is lost is a sum, and it is compared with the sum of all.
def numbers_needed(eigenvalues):
    return (eigenvalues > PERCENT / 100 * eigenvalues.max()).sum()

# %% wrong: squared eigenvalues
# hint: You squared the eigenvalues. They are variances, squares already: they add up as they are.
def numbers_needed(eigenvalues):
    kept = eigenvalues.flip(0).square().cumsum(0)
    return (kept < (1 - PERCENT / 100) * kept[-1] - 1e-6).sum() + 1

# %% wrong: compared with what is kept
# hint: You compared what is lost with what is kept. The share is one of the whole, the error of the mean image: the sum of all eigenvalues.
#- <= PERCENT / 100 * values.sum() + 1e-6
#+ <= PERCENT / 100 * (values.sum() - lost) + 1e-6

# %% wrong: a tenth of the share
# hint: Your limit is a tenth of the given one: one per cent is 0.01.
#- PERCENT / 100
#+ PERCENT / 1000

# %% wrong: a share, in ones
# hint: Your limit is too large by a power of ten: one per cent is 0.01.
def numbers_needed(eigenvalues):
    kept = eigenvalues.flip(0).cumsum(0)
    return (kept < (1 - min(1, PERCENT / 10)) * kept[-1]).sum() + 1

# %% wrong: a fixed limit
# hint: You compared what is lost with a fixed number. The limit is a share of the sum of all eigenvalues, so that the unit does not matter.
#- <= PERCENT / 100 * values.sum() + 1e-6
#+ <= PERCENT / 100 + 1e-6

# %% wrong: means in place of sums
# hint: You compared the mean of what is left out with the mean of all. Errors add up: compare the sums.
def numbers_needed(eigenvalues):
    values = eigenvalues.flip(0)
    return next((d for d in range(len(values)) if values[d:].mean() <= PERCENT / 100 * values.mean()), len(values))

# %% wrong: a share of the directions, rounded up
# hint: This is a share of how many directions there are. What counts is how much variance each of them carries.
def numbers_needed(eigenvalues):
    return -int(-(1 - PERCENT / 100) * len(eigenvalues) // 1)

# %% wrong: the largest for the sum
# hint: The error of the mean image is the *sum* of all eigenvalues, and not the largest of them.
#- PERCENT / 100 * values.sum()
#+ PERCENT / 100 * values.amax()

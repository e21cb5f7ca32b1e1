# title: Grey and black
# chapter: 09_anomaly_detection
# goal: predict, then measure, what the floor of binary pixels does to an AUROC
# kind: predict
# minutes: 20
# points: 3
# difficulty: 2
# passage: When the likelihood points the wrong way
# answer: grey_or_black
# repeats: 1
# tolerance: ±0.0008
# removes: vae_lib.anomaly.auroc, vae_lib.anomaly._auroc

# %% statement
r"""
`given_images` holds made-up images as grey levels between 0 and 1, `(images, 64)`, and `given_bits` a binarisation of each, drawn once
with these levels as probabilities. The `"normal"` ones are grey in the middle; the `"odd"` ones are dark there, but for a few white pixels. The
model of normal images knows one thing only: pixel $i$ is white with the probability `model[i]`.

*Predict* first: is the AUROC of the score $-\log p(x)$ of the bits `"below"` or `"above"` 0.5? The odd images count as the anomalies. Put that for
`"predicted"`; a wrong prediction costs nothing. Then measure three AUROCs, to three digits:

- `"plain"`: of $-\log p(x)$ of the bits, under the model;
- `"less the floor"`: of the same, less the floor of its grey image: what the draw of *this* image costs, on average over its possible draws, someone who knows the grey
  levels, $\sum_i H(p_i)$, one number for each image;
- `"squares"`: of the sum of $(x_i - \text{model}_i)^2$ over the *grey* image.

Think about the third before you see it: does another likelihood help where the model knows so little? (You may use the AUROC of your first
task, or `sklearn.metrics.roc_auc_score`.)
"""

# %% draws
def draws(rng):
    return {"level": rng.choice([0.41, 0.42, 0.43]), "strokes": rng.choice([0.03, 0.04, 0.05]), "seed": rng.integer(0, 10**6)}

# %% given
import torch

noise = torch.Generator().manual_seed({{seed}})
middle = (torch.arange(64) % 8 - 3.5).abs() < 3
model = torch.where(middle, {{level}} * (0.7 + 0.6 * torch.rand(64, generator=noise)), 0.02)
light = torch.rand(2800, 1, generator=noise)
normal_grey = model * (0.2 + 1.6 * light[:1600]) + 0.12 * torch.randn(1600, 64, generator=noise) * middle
white = (torch.rand(1200, 64, generator=noise) < {{strokes}} + 0.1 * torch.rand(1200, 1, generator=noise)) & middle
odd_grey = torch.where(white, 0.97, 0.2 * light[1600:] * middle)
given_images = {"normal": normal_grey.clamp(0.01, 0.99), "odd": odd_grey.clamp(0.01, 0.99)}
given_bits = {name: (torch.rand(grey.shape, generator=noise) < grey).float() for name, grey in given_images.items()}

# %% starter
grey_or_black = {"predicted": ..., "plain": ..., "less the floor": ..., "squares": ...}

# %% solution
def cost(bits, p):
    return -(bits * torch.log(p) + (1 - bits) * torch.log(1 - p)).sum(1)

def area(score):
    """The share of pairs in which the odd image has the higher score; a tie counts one half."""
    normal = score["normal"].sort().values
    lower, no_higher = (torch.searchsorted(normal, score["odd"], side=side) for side in ("left", "right"))
    return ((lower + no_higher).double().mean() / 2 / len(normal)).item()

nats = {name: cost(bits, model) for name, bits in given_bits.items()}
floors = {name: cost(grey, grey) for name, grey in given_images.items()}
squares = {name: (grey - model).square().sum(1) for name, grey in given_images.items()}
grey_or_black = {"predicted": "below", "plain": area(nats), "less the floor": area({name: nats[name] - floors[name] for name in nats}),
                 "squares": area(squares)}

# %% why
r"""
A pixel of grey level $p$ that is drawn as black or white costs at least $H(p)$ nats on average, even under the best model: nobody can foresee the
draw. The normal images are grey in the middle, so they have a high floor. The odd ones are dark there: most of their bits are black, which the model
expects a little more often than white on most pixels. So the odd images cost less on average: the model is more wrong about them, but their floor is
lower by more than that. The AUROC falls far *below* one half, although the model was made for the normal images.

With the floor taken off, what is left of an image is, on average over its draws, only the price of the model's errors: by that number the odd images
lie above most normal ones. The squares need no floor, for they compare the grey image itself with the model's mean. The fault was in the likelihood,
not in how much the model knows: all three scores use the same 64 numbers of the model.
"""

# %% probe
def probe(answer):
    if not isinstance(answer, dict):
        raise Problem("type", "`grey_or_black` should be a dict such as the one that you were given.")
    choice(answer.get("predicted"), ("below", "above"), "the prediction")
    names = ("plain", "less the floor", "squares")
    for name in names:
        if answer.get(name, ...) is ...:
            raise Problem("none", f"The AUROC {name!r} is still missing.")
    return {name.replace(" ", "_"): number(answer[name], f"the AUROC {name!r}") for name in names}

# %% laws
def laws(seen):
    yield all(0 <= value <= 1 for value in seen.values()), "an AUROC is a probability: it lies between 0 and 1", \
        "Give the three as numbers between 0 and 1, and not in per cent."
    own = {name: torch.distributions.Bernoulli(grey).entropy().sum(1) for name, grey in given_images.items()}
    nll = {name: -torch.distributions.Bernoulli(model).log_prob(bits).sum(1) for name, bits in given_bits.items()}
    scores = {
        "plain": (nll, "it is the AUROC of −log p(x) of the bits",
                  "For one image of bits: add up −x log m − (1 − x) log(1 − m) over all 64 pixels, with m from `model`."),
        "less_the_floor": ({name: nll[name] - own[name] for name in nll}, "it is the AUROC of −log p(x) less the entropies",
                           "For one image: take off −p log p − (1 − p) log(1 − p), added up over its 64 grey levels p, in natural logarithms."),
        "squares": ({name: (grey - model).square().sum(1) for name, grey in given_images.items()}, "it is the AUROC of the squares",
                    "For one grey image: add up (x − m)² over all 64 pixels, with m from `model`, and take this sum as the score as it is.")}

    def area(score):
        normal = score["normal"].sort().values
        lower, no_higher = (torch.searchsorted(normal, score["odd"], side=side) for side in ("left", "right"))
        return ((lower + no_higher).double().mean() / 2 / len(normal)).item()

    excess = {name: -(grey * torch.log(model) + (1 - grey) * torch.log(1 - model)).sum(1) - own[name] for name, grey in given_images.items()}
    if abs(seen["less_the_floor"] - area(excess)) < 9e-4 and abs(seen["plain"] - area(nll)) < 9e-4:
        yield False, "the floor is taken off −log p(x) of the bits", "You took the floor off the cross-entropy of the grey images. Take it off −log p(x) of the bits."
    for part, (score, sentence, hint) in scores.items():
        yield abs(seen[part] - area(score)) < 9e-4, f"{part.replace('_', ' ')}: {sentence}", hint

# %% right: from torch.distributions and scikit-learn
import torch.distributions as td
from sklearn.metrics import roc_auc_score

truth = [0] * 1600 + [1] * 1200
pixels = torch.cat(list(given_bits.values())).double()
levels = torch.cat(list(given_images.values())).double()
nll = -td.Bernoulli(model.double()).log_prob(pixels).sum(1)
entropy = td.Bernoulli(levels).entropy().sum(1)
grey_or_black = {"predicted": "Above", "plain": roc_auc_score(truth, nll), "less the floor": roc_auc_score(truth, nll - entropy),
                 "squares": roc_auc_score(truth, ((levels - model) ** 2).sum(1))}

# %% right: by ranks, in numpy
import numpy as np

def ranked(normal, odd):
    order = np.concatenate([normal, odd]).argsort().argsort() + 1
    return (order[len(normal):].sum() - len(odd) * (len(odd) + 1) / 2) / (len(normal) * len(odd))

m = model.numpy().astype(float)
x, p = ([given[name].numpy().astype(float) for name in ("normal", "odd")] for given in (given_bits, given_images))
price = [-(b @ np.log(m) + (1 - b) @ np.log1p(-m)) for b in x]
least = [-(g * np.log(g) + (1 - g) * np.log1p(-g)).sum(1) for g in p]
grey_or_black = {"predicted": "below", "plain": ranked(*price), "less the floor": ranked(price[0] - least[0], price[1] - least[1]),
                 "squares": torch.tensor(ranked(*[((g - m) ** 2).sum(1) for g in p]))}

# %% wrong: the log-likelihood as a score
# hint: The first two AUROCs are those of log p(x), which is large for what is probable. A score of anomaly is large for what is improbable.
#- return -(bits * torch.log(p) + (1 - bits) * torch.log(1 - p)).sum(1)
#+ return (bits * torch.log(p) + (1 - bits) * torch.log(1 - p)).sum(1)

# %% wrong: turned over to look better
# hint: Your first AUROC is turned over: a minus is missing before log p, or you did it because it lies below one half. It belongs there: the score calls what is
#   odd more probable.
#- "plain": area(nats)
#+ "plain": 1 - area(nats)

# %% wrong: dark pixels are free
# hint: Dark pixels cost nothing in your −log p(x) or in your floor: the case x = 0 is missing.
#-  + (1 - bits) * torch.log(1 - p)).sum(1)
#+ ).sum(1)

# %% wrong: the floor is added
# hint: You added the floor to −log p(x), or took it off log p(x). It is a part of −log p(x) that has nothing to do with the model: take it away.
#- nats[name] - floors[name]
#+ nats[name] + floors[name]

# %% wrong: the floor alone
# hint: For the second AUROC you took the floor with a minus and nothing else. It does tell the two sets apart, and it needs no model; asked for is
#   −log p(x) less the floor.
#- nats[name] - floors[name]
#+ -floors[name]

# %% wrong: the floor of the model
# hint: Your floor is the same number for every image, so it changes no ranking. Such is the entropy of the model; such is that of the bits, which
#   is 0. The floor is the entropy of the grey image at hand.
#- cost(grey, grey)
#+ cost(model, model[None])

# %% wrong: grey levels in place of bits
# hint: You put the grey levels where the bits belong. Cross-entropy on grey values is no −log p(x) of what was drawn.
#- cost(bits, model) for name, bits in given_bits.items()
#+ cost(bits, model) for name, bits in given_images.items()

# %% wrong: the squares of the bits
# hint: For the third AUROC you took the squares of the bits. There the noise of the draw stands in them; asked for are those of the grey image.
#- (grey - model).square().sum(1) for name, grey in given_images
#+ (grey - model).square().sum(1) for name, grey in given_bits

# %% wrong: normal and odd exchanged
# hint: You have all three the wrong way round: it is the odd image that should be above the normal one.
#- return ((lower + no_higher).double().mean() / 2 / len(normal)).item()
#+ return 1 - ((lower + no_higher).double().mean() / 2 / len(normal)).item()

# %% wrong: half of the floor
# hint: In your floor only the white outcome counts. The coin of a pixel costs −p log p − (1 − p) log(1 − p) on average.
#- cost(grey, grey)
#+ -(grey * torch.log(grey)).sum(1)

# %% wrong: what the drawn bits cost
# hint: For the floor you took what these very bits cost someone who knows the grey levels. The floor is the average of that over draws: the
#   entropy of each pixel, summed.
#- nats[name] - floors[name]
#+ nats[name] - cost(given_bits[name], given_images[name])

# %% wrong: the floor itself as a score
# hint: For the second AUROC you took the floor alone: it says how grey an image is, and nothing of the model. Asked for is −log p(x) less
#   the floor.
#- nats[name] - floors[name]
#+ floors[name]

# %% wrong: the distance from the mean of the squares
# hint: For the third AUROC you took the distance of the squares from their mean: that is typicality. Asked for are the squares as they are.
#- "squares": area(squares)
#+ "squares": area({name: (value - squares["normal"].mean()).abs() for name, value in squares.items()})

# %% wrong: the third turned over
# hint: The first two AUROCs are right. The third is turned over: the larger the squares, the odder the image, and so it counts as it is.
#- "squares": area(squares)
#+ "squares": 1 - area(squares)

# %% wrong: dark pixels are free in the first two alone
# hint: In −log p(x) the dark pixels cost nothing: the case x = 0 is missing. In the floor you have it.
#- cost(bits, model) for name
#+ -(bits * torch.log(model)).sum(1) for name

# %% wrong: the average floor of a set
# hint: You took one average floor off all images of a set. Each image has a floor of its own: its grey levels say it.
#- nats[name] - floors[name]
#+ nats[name] - floors[name].mean()

# %% wrong: the floor in bits
# hint: Your floor is in bits and your −log p(x) in nats. Take natural logarithms for both.
#- nats[name] - floors[name]
#+ nats[name] - floors[name] / 0.6931471805599453

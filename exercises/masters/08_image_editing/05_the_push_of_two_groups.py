# title: The push of two groups
# chapter: 08_image_editing
# goal: write down how far an edit will go, then measure it on the decoded images
# kind: predict
# minutes: 20
# points: 2
# difficulty: 2
# passage: The direction of an attribute
# answer: pushed
# tolerance: 2e-3
# repeats: 1

# %% statement
r"""
Take the images `x`, sort them by `thickness`, and form two groups: the **{{SHARE}} %** with the thinnest strokes and the **{{SHARE}} %** with the
thickest (that is `count` images in each; `SHARE` is in per cent). Take the posterior mean as the code of an image, and do not draw pixels. The difference of the two mean
codes, thick minus thin, is a vector. Add it
once to the code of *every* image in `x`. Then, from the unmoved codes again, take it off once. How far does the thickness move on average, each
time?

*Predict* first: does taking the vector off move the thickness `"as far"`, `"less far"` or `"further"` than adding it? A wrong prediction costs nothing;
do not change it afterwards. Then *measure*, on the decoded images $\mathbb{E}[x \mid z]$, against what the unmoved codes decode to. Give both movements
in standard deviations of `thickness` over the images `x`, to two digits after the point; one that makes strokes thinner is negative.
"""

# %% draws
def draws(rng):
    return {"SHARE": rng.choice([10, 15, 20, 30, 40]), "FIRST": 100 * rng.integer(0, 10)}

# %% given
from functools import lru_cache

import torch
from vae_lib import data, pretrained, strokes

@lru_cache
def model_and_images(first):
    """The trained VAE, 1,000 binarised validation images, the thickness of each in pixels, and the size of a group."""
    x = data.static_binarized("mnist", "validation")[first:first + 1000]
    return pretrained.load("iwae-mnist"), x, strokes.thickness(x), len(x) * {{SHARE}} // 100

# %% starter
model, x, thickness, count = model_and_images(FIRST)
predicted = ...
thicker = ...  # from the unmoved codes
thinner = ...  # from the unmoved codes again
pushed = {"predicted": predicted, "thicker": thicker, "thinner": thinner}

# %% solution
model, x, thickness, count = model_and_images(FIRST)
with torch.no_grad():
    z = model.encode(x)[0]
    order = thickness.argsort()
    vector = z[order[-count:]].mean(0) - z[order[:count]].mean(0)
    before, up, down = (strokes.thickness(torch.sigmoid(model.decode(z + c * vector))) for c in (0, 1, -1))
unit = thickness.std()
predicted = "less far"
thicker = ((up - before).mean() / unit).item()
thinner = ((down - before).mean() / unit).item()
pushed = {"predicted": predicted, "thicker": thicker, "thinner": thinner}

# %% why
r"""
If codes and thickness lay on one line, the vector would move every image as far up as down. They do not, and the thickness moves further when the
vector is added. A likely reason: a stroke can grow, but it cannot become thinner than a pen's width. When the vector is taken off, the thinnest
quarter of the images moves less than half as far as the thickest quarter: all crowd together at the thin end. Added, it spreads them apart.

The vector is the difference of two groups, and added once it moves the images about as far as the groups lie apart, which is 1.8 to 3.5 standard
deviations. That is a long way: the smaller the groups, the further apart they are, and the longer the vector. So two groups give a direction, and
the length of a step must be chosen, as the chapter does with $\kappa\, \sigma_y\, \Delta$.
"""

# %% inputs
def inputs(rng):
    return {}

# %% probe
def probe(answer):
    if not isinstance(answer, dict):
        raise Problem("type", "`pushed` should be a dict with the entries \"predicted\", \"thicker\" and \"thinner\".")
    choice(answer.get("predicted"), ("as far", "less far", "further"), "the prediction")
    for name in ("thicker", "thinner"):
        if answer.get(name, ...) is ...:
            raise Problem("none", f"The movement {name!r} is still missing.")
    return {name: number(answer[name], f"the movement {name!r}") for name in ("thicker", "thinner")}

# %% laws
def laws(seen):
    yield seen["thicker"] > 0 and seen["thinner"] <= 0, "adding the vector makes strokes thicker, taking it off makes them thinner", \
        "Take the thick group's mean code minus the thin group's, and keep the signs of the movements."

# %% right: with the two ways of torch to choose groups, in parts
model, x, thickness, count = model_and_images(FIRST)
thick, thin = thickness.topk(count).indices, thickness.topk(count, largest=False).indices
with torch.no_grad():
    codes = torch.cat([model.encode(part)[0] for part in x.split(250)])
    push = codes[thick].sum(0) / count - codes[thin].sum(0) / count
    drawn = [torch.cat([strokes.thickness(model.likelihood.mean(model.decode(one + step))) for one in codes.split(250)])
             for step in (push, 0 * push, -push)]
deviation = thickness.double().std()
pushed = {"thinner": (drawn[2] - drawn[1]).double().mean() / deviation, "predicted": "Less far",
          "thicker": (drawn[0] - drawn[1]).double().mean() / deviation}

# %% right: sorted in plain Python, averaged apart
model, x, thickness, count = model_and_images(FIRST)
ranked = sorted(range(len(x)), key=thickness.tolist().__getitem__)
with torch.no_grad():
    mu, logvar = model.encode(x)
    means = [torch.stack([mu[i] for i in rows]).mean(0) for rows in (ranked[:count], ranked[-count:])]
    to_thin, to_thick = means[0] - means[1], means[1] - means[0]
    heights = [float(strokes.thickness(model.decode(mu + step).sigmoid()).mean()) for step in (to_thin, 0, to_thick)]
pushed = {"predicted": "further", "thicker": (heights[2] - heights[1]) / float(thickness.std()),
          "thinner": (heights[0] - heights[1]) / float(thickness.std())}

# %% wrong: how far apart the groups are
# hint: These are two numbers that differ in the sign alone: how far apart the groups are is what a push asks for, up and down. What comes out is
#   measured on the decoded images, for each way apart.
#- (up - before).mean()
#+ (thickness[order[-count:]].mean() - thickness[order[:count]].mean())
#- (down - before).mean()
#+ (thickness[order[:count]].mean() - thickness[order[-count:]].mean())

# %% wrong: read from the code by a line
# hint: You moved the code and read the thickness from the code by a line. That is arithmetic and no measurement: decode, then measure.
#- (up - before).mean()
#+ (vector @ torch.linalg.lstsq(z - z.mean(0), (thickness - thickness.mean())[:, None]).solution[:, 0])
#- (down - before).mean()
#+ -(vector @ torch.linalg.lstsq(z - z.mean(0), (thickness - thickness.mean())[:, None]).solution[:, 0])

# %% wrong: against the images themselves
# hint: You compare with the images that were encoded. Decoding alone already changes the thickness: compare with what the unmoved codes decode to.
#- (up - before)
#+ (up - thickness)
#- (down - before)
#+ (down - thickness)

# %% wrong: in pixels
# hint: These are movements in pixels. Divide them by the standard deviation of the thickness.
#- unit = thickness.std()
#+ unit = 1.0

# %% wrong: from the average of all to the thick group
# hint: Your vector leads from the mean of all images to the thick group. Asked for is the whole way from thin to thick.
#- - z[order[:count]].mean(0)
#+ - z.mean(0)

# %% wrong: from thick to thin
# hint: You go from thick to thin where you should add: `argsort` puts the thinnest first.
#- vector = z[order[-count:]].mean(0) - z[order[:count]].mean(0)
#+ vector = z[order[:count]].mean(0) - z[order[-count:]].mean(0)

# %% wrong: only the thin group is moved
# hint: You moved the thin group only. Asked for is the average over all images: those that are thick already move differently.
#- (up - before).mean()
#+ (up - before)[order[:count]].mean()
#- (down - before).mean()
#+ (down - before)[order[:count]].mean()

# %% wrong: the groups in the order of the file
# hint: You took the first and the last images of the file. Sort them by thickness first.
#- order = thickness.argsort()
#+ order = torch.arange(len(x))

# %% wrong: divided by the spread of what is decoded
# hint: You divided by the spread of the thickness of the decoded images. The unit is the standard deviation of `thickness`, that of the images `x`.
#- unit = thickness.std()
#+ unit = before.std()

# %% wrong: a vector of length 1
# hint: You scaled the vector to length 1. Its length is that of the way between the groups: leave it.
#- z + c * vector
#+ z + c * vector / vector.norm()

# %% wrong: half of the way
# hint: You added half of the vector. It leads from the mean code of the thin group to that of the thick one: take all of it.
#- z + c * vector
#+ z + 0.5 * c * vector

# %% wrong: two halves of the images
# hint: Your groups are the two halves of the images. They are the thinnest and the thickest ones alone, `count` images each.
#- vector = z[order[-count:]].mean(0) - z[order[:count]].mean(0)
#+ vector = z[order[len(x) // 2:]].mean(0) - z[order[:len(x) // 2]].mean(0)

# %% wrong: a vector by least squares
# hint: Your vector is fitted by least squares, one standard deviation of the thickness long. Here it is the difference of the mean codes of
#   two groups.
#- vector = z[order[-count:]].mean(0) - z[order[:count]].mean(0)
#+ off = thickness - thickness.mean()
#+     vector = off @ z / off.square().sum() * thickness.std()

# %% wrong: the one with the other sign
# hint: The movement when the vector is added is right. The other one is its negative: the way back, or the first number copied. Take the
#   vector off the *unmoved* codes, decode and measure again.
#- thinner = ((down - before).mean() / unit).item()
#+ thinner = -thicker

# %% wrong: each group moved to the other
# hint: You moved the thin group up and the thick group down. Both movements are averages over all images in `x`.
#- (up - before).mean()
#+ (up - before)[order[:count]].mean()
#- (down - before).mean()
#+ (down - before)[order[-count:]].mean()

# %% wrong: in variances
# hint: You divided by the variance of the thickness. The unit is its standard deviation, in pixels like the movement.
#- unit = thickness.std()
#+ unit = thickness.var()

# %% wrong: decoded images made black and white
# hint: You made the decoded images black and white before measuring. The thickness of E[x|z] is measured with its greys.
#- strokes.thickness(torch.sigmoid(model.decode(z + c * vector)))
#+ strokes.thickness((torch.sigmoid(model.decode(z + c * vector)) > 0.5).float())

# %% wrong: each group its own way
# hint: You moved only the thick group up, and only the thin group down. The vector is added to the code of every image, and taken off every one.
#- (up - before).mean()
#+ (up - before)[order[-count:]].mean()
#- (down - before).mean()
#+ (down - before)[order[:count]].mean()

# %% wrong: the mean code alone
# hint: You moved the mean code alone. Move the code of each image, and average the movements of the thickness.
#- (up - before).mean()
#+ (strokes.thickness(torch.sigmoid(model.decode(z.mean(0, keepdim=True) + vector))) - strokes.thickness(torch.sigmoid(model.decode(z.mean(0, keepdim=True))))).mean()
#- (down - before).mean()
#+ (strokes.thickness(torch.sigmoid(model.decode(z.mean(0, keepdim=True) - vector))) - strokes.thickness(torch.sigmoid(model.decode(z.mean(0, keepdim=True))))).mean()

# %% wrong: in units of the movement's own spread
# hint: You divide by how much the movements differ from image to image. The unit is the standard deviation of the thickness itself, over the images `x`.
#- thicker = ((up - before).mean() / unit).item()
#+ thicker = ((up - before).mean() / (up - before).std()).item()
#- thinner = ((down - before).mean() / unit).item()
#+ thinner = ((down - before).mean() / (down - before).std()).item()

# %% wrong: per cent taken for images
# hint: Your groups have `SHARE` images each. `SHARE` is in per cent of the images: take `count` of them.
#- z[order[-count:]].mean(0) - z[order[:count]].mean(0)
#+ z[order[-SHARE:]].mean(0) - z[order[:SHARE]].mean(0)

# %% wrong: taken off the moved codes
# hint: Your second movement is 0: you took the vector off the codes that you had moved before, which leads back. Start from the unmoved codes again.
#- for c in (0, 1, -1))
#+ for c in (0, 1, 0))

# title: Mend a broken detector
# chapter: 09_anomaly_detection
# goal: find faults that leave a detector running, and its promise broken
# kind: mend
# minutes: 20
# points: 3
# difficulty: 2
# passage: A threshold that keeps its promise
# answer: margins
# returns: tensor
# plant: 2
# tolerance: 5e-4
# removes: vae_lib.detector.threshold, vae_lib.anomaly.reconstruction_error

# %% statement
r"""
`margins` should do what the chapter's detector does: standardise, reconstruct, set a threshold, and say how far each new image lies above
it. A margin above 0 is an alarm. Of normal images, at most {{percent}} % may raise one, on average.

`train` holds the images that `encode` and `decode` were trained on, `held_out` other normal images (enough of them for the rate), `new` the images to judge, all `(images,
pixels)`. Images are standardised as in the chapter: less the mean training image, divided by one number for all pixels. `encode` takes such
images and gives `mu` and `logvar`; `decode` takes `z` and gives the mean of such an image. The score is the reconstruction error, so here a
*large* score is anomalous; it is a sum over pixels.

The code runs, and its margins look reasonable. It has **two faults**. Mend them, and change as little as you can.
"""

# %% draws
def draws(rng):
    rate, held = rng.choice([(0.13, 30), (0.08, 37), (0.07, 42), (0.11, 27), (0.12, 41)])
    return {"RATE": rate, "percent": round(100 * rate), "held": held, "latents": rng.choice([2, 3, 4])}

# %% given
import math

import torch

# %% solution
def margins(encode, decode, train, held_out, new):
    """How far each new image's score lies above the threshold, (images,); above 0 is an alarm."""
    mean = train.mean(0)
    centred = train - mean
    scale = centred.square().mean().sqrt()

    def score(images):
        x = (images - mean) / scale
        mu, logvar = encode(x)
        return (x - decode(mu)).square().sum(-1)

    ranked = score(held_out).sort(descending=True).values
    place = math.floor(RATE * (len(held_out) + 1))
    threshold = ranked[place - 1]
    return score(new) - threshold

# %% why
r"""
Go through the lines and ask of each number which images it may come from. The mean and the one scale come from the training images, and all images
are brought to them, `held_out` and `new` too. The error compares two standardised images, the input and its reconstruction, and is summed over
pixels, so that every pixel that is wrong adds to it. The threshold comes from images that the model has not seen: among $N$ of them and one new
normal image all ranks are equally likely. The new one lies above the $k$-th largest of the $N$ only if it is among the first $k$ of all $N + 1$, so
with a probability of at most $k / (N + 1)$. The largest $k$ for which this does not exceed the rate $\rho$ is $\lfloor \rho (N + 1) \rfloor$.

Two kinds of faults need two checks. For the threshold and the sign, count: judge fresh normal images, many times over with fresh `held_out`, and
compare the share of alarms with $k / (N + 1)$. A fault of the score need not show there, for the promise holds for any score, however poor. Ask what
must not change a margin: the unit of the pixels, or the other images of `new`. Then work out the score of one image by hand.
"""

# %% inputs
def inputs(rng):
    centre = 1.5 * rng.normal(8)
    return {"train": centre + 0.6 * rng.normal({{held}} + 130, 8), "held_out": centre + 0.8 * rng.normal({{held}}, 8) + 0.05,
            "new": centre + 0.9 * rng.normal(6, 8), "weight": 0.4 * rng.normal(8, {{latents}}), "seed": rng.integer(0, 10**6)}

# %% probe
def probe(answer, train, held_out, new, weight, seed):
    def encode(x):
        return x @ weight, x @ weight.flip(0) - 0.5

    def decode(z):
        return torch.tanh(z @ weight.T)

    return {"margins": answer(encode, decode, train, held_out, new), "margins_asked_again": answer(encode, decode, train, held_out, new),
            "margins_of_one_image": answer(encode, decode, train, held_out, new[:1]),
            "margins_in_other_units": answer(encode, decode, 5 * train, 5 * held_out, 5 * new)}

# %% laws
def laws(seen, train, held_out, new, weight, seed):
    yield seen["margins"].shape == (6,), "there is one number for each new image"
    yield (seen["margins"] - seen["margins_asked_again"]).abs().max() < 1e-3, "asked again, it says the same", \
        "A draw stands in it. The score is the reconstruction error of the decoded mean: no z is drawn."
    yield (seen["margins"] - seen["margins_in_other_units"]).abs().max() < 1e-2, "the unit of the pixels does not matter", \
        "Multiply all images by 5: a standardised image stays what it is."
    yield (seen["margins"][:1] - seen["margins_of_one_image"]).abs().max() < 1e-2, \
        "what is said of an image does not depend on those beside it", "Judge one image alone, then the same image among others."

# %% right: by the k-th largest
def margins(encode, decode, train, held_out, new):
    sigma = train.double().var(0, correction=0).mean().sqrt().to(train)
    errors = []
    for images in (held_out, new):
        x = (images - train.mean(0)) / sigma
        errors.append(((x - decode(encode(x)[0])) ** 2).sum(1))
    kept, found = errors
    return found - kept.topk(math.floor(RATE * (len(kept) + 1))).values[-1]

# %% right: with minus the score, as scikit-learn has it
def margins(encode, decode, train, held_out, new):
    mean = train.mean(0, keepdim=True)
    spread = torch.linalg.vector_norm(train - mean) / math.sqrt(train.numel())

    def normality(images):
        x = (images - mean) / spread
        z, _ = encode(x)
        return -torch.stack([torch.dot(row, row) for row in x - decode(z)])

    k = int((len(held_out) + 1) * RATE)
    offset = normality(held_out).kthvalue(k).values
    return offset - normality(new)

# %% wrong: the threshold from the training images
# hint: The threshold is set on images that the model was trained on. It finds them more normal than new ones, and there are more false alarms
#   than promised.
#- score(held_out).sort
#+ score(train).sort

# %% wrong: the most normal images set the threshold
# hint: The threshold is counted from the wrong end: nearly every normal image lies above it. The few with the *largest* errors set it.
#- descending=True
#+ descending=False

# %% wrong: a place too few
# hint: The place of the threshold is counted in N in place of N + 1. The new image is one of the N + 1 that may have any rank; without it
#   the rate is lower than it need be.
#- (len(held_out) + 1)
#+ len(held_out)

# %% wrong: the number of training images
# hint: The place of the threshold comes from the number of training images. It is a place among the scores of the held-out ones.
#- (len(held_out) + 1)
#+ (len(train) + 1)

# %% wrong: the mean of the images at hand
# hint: Each set of images loses its own mean. What a batch of faulty pieces has in common is then taken away before anybody looks: the mean
#   is that of the training images.
#- (images - mean) / scale
#+ (images - images.mean(0)) / scale

# %% wrong: multiplied by the scale
# hint: The images are multiplied by their spread. To make the spread 1 one divides by it.
#- (images - mean) / scale
#+ (images - mean) * scale

# %% wrong: the spread about nought
# hint: The spread is taken about 0 and not about the mean image, so bright images seem to vary more than they do.
#- centred = train - mean
#+ centred = train

# %% wrong: the reconstruction against the raw image
# hint: The reconstruction is compared with the raw image. The decoder gives a standardised one: compare like with like.
#- (x - decode(mu))
#+ (images - decode(mu))

# %% wrong: absolute differences
# hint: The differences are not squared. The error that the chapter names is the squared one, and it belongs to the Gaussian likelihood.
#- .square().sum(-1)
#+ .abs().sum(-1)

# %% wrong: the largest pixel
# hint: Only the worst pixel counts. The reconstruction error is the sum over all of them.
#- .square().sum(-1)
#+ .square().amax(-1)

# %% wrong: the other output of the encoder
# hint: The decoder is given log σ² in place of the posterior's mean.
#- decode(mu)
#+ decode(logvar)

# %% wrong: the sign of the margin
# hint: The margin has the wrong sign: a score *above* the threshold must give a number above 0.
#- score(new) - threshold
#+ threshold - score(new)

# %% wrong: the mean of the held-out images
# hint: The images lose the mean of the held-out images. They are standardised as those that the model was trained on: with the mean
#   training image.
# alone
#-         x = (images - mean) / scale
#+         x = (images - held_out.mean(0)) / scale

# %% wrong: a place too low
# hint: The threshold stands one place too low among the sorted scores, so that more images may lie above it than promised. Of RATE (N + 1)
#   places one takes the whole number below it, counted from the top, and the first place has the index 0.
# alone
#-     threshold = ranked[place - 1]
#+     threshold = ranked[place]

# %% wrong: training images set the threshold, in number too
# hint: The threshold is a place among the scores of the training images. The model finds those more normal than new ones, and the promise
#   does not hold: rank the held-out ones.
# alone
#-     ranked = score(held_out).sort(descending=True).values
#+     ranked = score(train).sort(descending=True).values
#+     place = math.floor(RATE * (len(train) + 1))
#-     place = math.floor(RATE * (len(held_out) + 1))

# %% wrong: an interpolated quantile
# hint: The threshold lies between two scores: `torch.quantile` interpolates, and counts in N − 1. The promise holds for the score at a
#   place among N + 1.
# alone
#-     threshold = ranked[place - 1]
#+     threshold = torch.quantile(ranked, 1 - RATE)

# %% wrong: order and sign turned
# hint: The threshold is counted from the end of the *most normal* images, and the margin has the wrong sign as well: one does not mend the
#   other. The few with the largest errors set the threshold; above it is positive.
# alone
#-     ranked = score(held_out).sort(descending=True).values
#+     ranked = score(held_out).sort(descending=False).values
#-     return score(new) - threshold
#+     return threshold - score(new)

# %% wrong: a scale for each pixel
# hint: Each pixel has a scale of its own. The chapter divides by one number for all pixels: the root of the mean square.
# alone
#-     scale = centred.square().mean().sqrt()
#+     scale = centred.square().mean(0).sqrt()

# %% wrong: the scale of the held-out images
# hint: The scale is that of the held-out images. Images are standardised as those that the model was trained on: by the spread of the
#   training images.
# alone
#-     scale = centred.square().mean().sqrt()
#+     scale = (held_out - held_out.mean(0)).square().mean().sqrt()

# %% wrong: in units of the threshold
# hint: The margin is a part of the threshold. Asked for is how far the score lies above it: the difference.
# alone
#-     return score(new) - threshold
#+     return score(new) / threshold - 1

# %% wrong: the spread of all pixels together
# hint: The scale is the spread of all pixels about one common grey. It is taken about the mean *image*, which has a value for each pixel.
# alone
#-     scale = centred.square().mean().sqrt()
#+     scale = train.std()

# %% wrong: training and held-out images together
# hint: Training and held-out images set the threshold together. The training images look more normal than they are: the held-out ones alone
#   set it.
# alone
#-     ranked = score(held_out).sort(descending=True).values
#+     ranked = score(torch.cat([train, held_out])).sort(descending=True).values
#+     place = math.floor(RATE * (len(train) + len(held_out) + 1))
#-     place = math.floor(RATE * (len(held_out) + 1))

# %% wrong: the largest of all
# hint: The threshold is the largest held-out score: place 1. It keeps the promise, and far fewer images than allowed raise an alarm: the
#   place is RATE (N + 1), rounded down.
# alone
#-     threshold = ranked[place - 1]
#+     threshold = ranked[0]

# %% wrong: one grey for the mean image
# hint: The images lose one common grey. The mean training image has a value for each pixel.
# alone
#-     mean = train.mean(0)
#+     mean = train.mean()

# %% wrong: the mean over the pixels
# hint: The score is now a mean over pixels. It was a sum, as the reconstruction error is, and that was no fault.
# alone
#- .square().sum(-1)
#+ .square().mean(-1)

# %% wrong: the mean of each image
# hint: Each image loses its own mean grey. Every image loses the same: the mean training image.
# alone
#-         x = (images - mean) / scale
#+         x = (images - images.mean(1, keepdim=True)) / scale

# %% wrong: not centred
# hint: Nothing is taken off the images. Standardised images have lost the mean training image.
# alone
#-         x = (images - mean) / scale
#+         x = images / scale

# %% wrong: mean and spread of training and held-out images
# hint: The mean and the spread are those of training and held-out images together. The model was trained on images that were standardised by the training images alone.
# alone
#-     mean = train.mean(0)
#-     centred = train - mean
#+     mean = torch.cat([train, held_out]).mean(0)
#+     centred = torch.cat([train, held_out]) - mean

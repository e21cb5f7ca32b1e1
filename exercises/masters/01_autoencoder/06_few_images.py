# title: Fitted to few images
# chapter: 01_autoencoder
# goal: predict what overfitting costs, then measure it
# kind: predict
# minutes: 12
# points: 2
# difficulty: 2
# passage: Scored on the training images
# answer: few_images
# repeats: 1
# tolerance: 3e-3
# removes:

# %% statement
r"""
Take the first {{FEW}} validation images of Fashion-MNIST for fitting and the next 500 for scoring. PCA with {{KEPT}} numbers is fitted to the
first. Its squared error is summed over the pixels and averaged over the images, as in the chapter.

By which factor is the error larger: that on the 500 new images, divided by that on the {{FEW}} images of the fit? *Predict* it, and do not
change the prediction afterwards: a wrong one costs nothing. Then *measure* it, to two digits after the point (one is too coarse for the check), and put both into `few_images`.
"""

# %% draws
def draws(rng):
    n = rng.choice([60, 80, 100, 150])
    return {"FEW": n, "KEPT": rng.choice([n // 4, n // 3, n // 2])}

# %% given
import torch
from vae_lib import data

def images(first, last):
    """Validation images of Fashion-MNIST as rows, (last - first, 784)."""
    return data.load("fashion_mnist", "validation", as_float=True).images[first:last].flatten(1)

# %% starter
fitted, new = images(0, FEW), images(FEW, FEW + 500)
predicted = ...
measured = ...
few_images = {"predicted": predicted, "measured": measured}

# %% solution
fitted, new = images(0, FEW), images(FEW, FEW + 500)
centre = fitted.mean(0)
rows = torch.linalg.svd(fitted - centre, full_matrices=False).Vh[:KEPT]

def error(x):
    left = x - centre
    left = left - left @ rows.T @ rows
    return left.square().sum(1).mean()

predicted = 2.0
measured = (error(new) / error(fitted)).item()
few_images = {"predicted": predicted, "measured": measured}

# %% why
r"""
PCA turns its axes towards the very images of the fit, and so towards their accidents. On these its error is too small: with one number less than
there are images, it would be 0. New images have other accidents.

What counts is the share of numbers to images. We measured the factor for all twelve pairs that a class may get: with a quarter as many numbers as
images it is 2.1 to 2.2, with a third 2.6 to 2.8, with half 4.6 to 4.8, for 60 images as for 150. So the error on the images of the fit says little
about a model that may use many numbers. It needs others to be judged on, for PCA as for an autoencoder.
"""

# %% inputs
def inputs(rng):
    return {}

# %% probe
def probe(answer):
    if not isinstance(answer, dict) or not {"predicted", "measured"} <= set(answer):
        raise Problem("type", "`few_images` should be a dict with the entries \"predicted\" and \"measured\".")
    if answer["predicted"] is ... or answer["measured"] is ...:
        raise Problem("none", "Predict first, then measure: an entry of `few_images` is still `...`.")
    if number(answer["predicted"], "the prediction") <= 0:
        raise Problem("type", "The prediction is a factor between two errors: a positive number.")
    return {"measured": number(answer["measured"], "the measured factor")}

# %% laws
def laws(seen):
    yield seen["measured"] > 0, "a factor between two errors is positive"
    yield seen["measured"] > 1, "new images lose more than those of the fit", \
        "PCA keeps the directions that suit the images it was fitted to: on others it loses more. Is yours a ratio of two errors, and which one stands above " \
        "the fraction bar?"
    x, new = images(0, FEW), images(FEW, FEW + 500)
    V = torch.linalg.svd(x - x.mean(0), full_matrices=False).Vh[:KEPT].T
    new, old = (((one - x.mean(0)) - (one - x.mean(0)) @ V @ V.T).square().sum(1).mean().item() for one in (new, x))
    off = abs(seen["measured"] - new / old) / (1 + new / old)
    if off < 0.02:
        yield off < 3.01e-3, "it agrees to two digits after the point", "It is near. Give two digits after the point: fewer are not accepted."
    yield abs(seen["measured"] - new / old) < 0.02 * (1 + new / old), "it is the ratio of two errors of one fit", \
        f"Too {'large' if seen['measured'] > new / old else 'small'}. Mean and directions come from the first images alone, and score both sets: the squared " \
        "error summed over pixels, averaged over the images of a set. Then the one of the new images is divided by the other."

# %% right: with the eigenvectors of the covariance, in float64
fitted, new = images(0, FEW).double(), images(FEW, FEW + 500).double()
centre = fitted.mean(0)
V = torch.linalg.eigh(torch.cov(fitted.T)).eigenvectors[:, -KEPT:]
scores = [((x - centre) - (x - centre) @ V @ V.T).pow(2).sum(1).mean() for x in (new, fitted)]
few_images = {"predicted": 10, "measured": scores[0] / scores[1]}

# %% right: from scikit-learn
from sklearn.decomposition import PCA
fitted, new = images(0, FEW).numpy(), images(FEW, FEW + 500).numpy()
pca = PCA(KEPT, svd_solver="full").fit(fitted)
losses = [((x - pca.inverse_transform(pca.transform(x))) ** 2).sum(1).mean() for x in (fitted, new)]
few_images = {"predicted": 1.5, "measured": losses[1] / losses[0]}

# %% wrong: upside down
# hint: You divided the error of the fit by that of the new images: the question is the other way round.
#- (error(new) / error(fitted))
#+ (error(fitted) / error(new))

# %% wrong: the root
# hint: You compared distances. The errors are squared distances.
#- (error(new) / error(fitted)).item()
#+ (error(new) / error(fitted)).sqrt().item()

# %% wrong: the difference
# hint: This is the difference of the two errors. Asked for is how many times larger the one is.
#- (error(new) / error(fitted))
#+ (error(new) - error(fitted))

# %% wrong: summed over the images
# hint: The errors are summed over the images, and the two sets have different sizes. Average over the images of each.
#- left.square().sum(1).mean()
#+ left.square().sum()

# %% wrong: the directions of least variance
# hint: You kept the directions of least variance: they lose nearly all, on either set.
#- .Vh[:KEPT]
#+ .Vh[-KEPT:]

# %% wrong: fitted to the new images
# hint: You fitted PCA to the images that you scored it on afterwards. Only the first images may be used for the fit.
#- rows = torch.linalg.svd(fitted - centre, full_matrices=False).Vh[:KEPT]
#+ rows = torch.linalg.svd(new - centre, full_matrices=False).Vh[:KEPT]

# %% wrong: centred on themselves
# hint: You took the mean of the images that are scored. The mean belongs to the fit.
#- left = x - centre
#+ left = x - x.mean(0)

# %% wrong: not centred
# hint: The mean is not taken off before the singular value decomposition, nor before the projection.
#- centre = fitted.mean(0)
#+ centre = 0 * fitted.mean(0)

# %% wrong: nothing changes
# hint: A factor of 1 says that new images lose no more than those of the fit. Measure it: fit to the first images, score both sets.
few_images = {"predicted": 1.0, "measured": 1.0}

# %% wrong: the roles exchanged
# hint: The 500 new images were in the fit: alone, with the first ones scored, or together with them. It is fitted to the first, few ones alone.
#- centre = fitted.mean(0)
#+ fitted, new = new, fitted
#+ centre = fitted.mean(0)

# %% wrong: each set by its own fit
# hint: Each set was scored by a PCA of its own. There is one fit, to the first images, and both sets are scored by it.
fitted, new = images(0, FEW), images(FEW, FEW + 500)

def own_error(x):
    left = x - x.mean(0)
    rows = torch.linalg.svd(left, full_matrices=False).Vh[:KEPT]
    return (left - left @ rows.T @ rows).square().sum(1).mean()

few_images = {"predicted": 2, "measured": own_error(new) / own_error(fitted)}

# %% wrong: fitted to all
# hint: PCA was fitted to both sets together, or to the new images with the first ones scored. Either way the 500 are no new images any more.
#- centre = fitted.mean(0)
#+ old, fitted = fitted, torch.cat([fitted, new])
#+ centre = fitted.mean(0)
#- error(fitted)
#+ error(old)

# %% wrong: the error itself
# hint: This is the error of the new images. Asked for is how many times larger it is than the error on the images of the fit.
#- (error(new) / error(fitted))
#+ error(new)

# %% wrong: the error of the fit
# hint: This is the error on the images of the fit. Asked for is how many times larger the one on the new images is.
#- (error(new) / error(fitted))
#+ error(fitted)

# %% wrong: how much more
# hint: This is by how much the error grows, as a share: the factor minus 1. Asked for is the factor.
#- (error(new) / error(fitted))
#+ (error(new) / error(fitted) - 1)

# %% wrong: in per cent
# hint: You gave the factor in per cent. Asked for is the factor itself.
#- (error(new) / error(fitted))
#+ (100 * error(new) / error(fitted))

# %% wrong: no numbers at all
# hint: You compared the errors of the mean image, with no number kept. The errors of the fit with `KEPT` numbers are meant.
#- left = left - left @ rows.T @ rows
#+ pass

# %% wrong: twice as many numbers
# hint: You kept twice as many numbers as asked for.
fitted, new = images(0, FEW), images(FEW, FEW + 500)
centre = fitted.mean(0)
many = torch.linalg.svd(fitted - centre, full_matrices=False).Vh[:2 * KEPT]
above, below = (((x - centre) - (x - centre) @ many.T @ many).square().sum(1).mean() for x in (new, fitted))
few_images = {"predicted": 2, "measured": above / below}

# %% wrong: one number fewer
# hint: You kept one number fewer than asked for: a slice `[:a]` has a entries.
#- .Vh[:KEPT]
#+ .Vh[:KEPT - 1]

# %% wrong: one number more
# hint: You kept one number more than asked for.
#- .Vh[:KEPT]
#+ .Vh[:KEPT + 1]

# %% wrong: each set's own eigenvalues
# hint: You compared the eigenvalues left out of two fits, one to each set. There is one fit, to the first images; the new ones are only scored.
def left_out(x):
    return torch.linalg.eigvalsh(torch.cov(x.T))[:-KEPT].sum()

few_images = {"predicted": 2, "measured": left_out(images(FEW, FEW + 500)) / left_out(images(0, FEW))}

# %% wrong: scored on all the images
# hint: You scored the images of the fit together with the new ones. The 500 new ones stand alone above the fraction bar.
#- error(new) /
#+ error(torch.cat([fitted, new])) /

# %% wrong: the middle image
# hint: You took the median of the new images' errors. Averages are compared.
#- (error(new) / error(fitted))
#+ (((new - centre) - (new - centre) @ rows.T @ rows).square().sum(1).median() / error(fitted))

# %% wrong: an error per pixel
# hint: This is about the error of the new images, averaged over the pixels too. Asked for is how many times larger it is than the error of the fit.
#- (error(new) / error(fitted))
#+ (error(new) / 784)

# %% wrong: per cent more
# hint: This is by how many per cent the error grows. Asked for is the factor.
#- (error(new) / error(fitted))
#+ (100 * (error(new) / error(fitted) - 1))

# %% wrong: the mean of the distances
# hint: You averaged distances, with a root for each image. The errors are squared distances.
#- left.square().sum(1).mean()
#+ left.square().sum(1).sqrt().mean()

# %% wrong: the new ones by a fit of their own
# hint: You compared the new images with themselves, by a PCA of their own. Below the fraction bar stands the error on the images of the fit.
#- (error(new) / error(fitted))
#+ (error(new) / (torch.linalg.svdvals(new - new.mean(0))[KEPT:].square().sum() / len(new)))

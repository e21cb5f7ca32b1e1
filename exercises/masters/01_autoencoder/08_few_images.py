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
# tolerance: 1e-3
# removes:

# %% statement
r"""
Take the first {{FEW}} validation images of Fashion-MNIST for fitting and the next 500 for scoring. PCA with {{KEPT}} numbers is fitted to the
first. Its squared error is summed over the pixels and averaged over the images, as in the chapter.

How many times larger is the error on the 500 new images than on the {{FEW}} images of the fit? *Predict* the factor, and do not
change the prediction afterwards: a wrong one costs nothing. Then *measure* it, and put both into `few_images`.
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
        "Which error stands above the other? PCA keeps the directions that suit the images it was fitted to."

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

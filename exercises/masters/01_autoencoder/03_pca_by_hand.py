# title: PCA that has not seen the test
# chapter: 01_autoencoder
# goal: fit PCA on one set and apply it to another
# kind: implement
# minutes: 15
# points: 2
# difficulty: 2
# passage: PCA on the images
# answer: rebuild
# returns: tensor
# tolerance: 1e-3
# removes:

# %% statement
r"""
Write `rebuild(train, test)`: fit PCA to the rows of `train` and give back the rows of `test`, rebuilt from {{D}} numbers each
as in {eq}`eq-ae-pca`. Both have the shape `(images, pixels)`.

*Mind* what may be learned from which set, and in which order `torch.linalg.eigh` gives its eigenvectors.
"""

# %% draws
def draws(rng):
    return {"D": rng.choice([2, 3, 4])}

# %% given
import torch

# %% starter
def rebuild(train, test):
    """The rows of test, rebuilt from D numbers by the PCA of train, of the shape of test."""
    ...

# %% solution
def rebuild(train, test):
    """The rows of test, rebuilt from D numbers by the PCA of train, of the shape of test."""
    centre = train.mean(0)
    covariance = torch.cov(train.T, correction=0)
    values, vectors = torch.linalg.eigh(covariance)
    V = vectors[:, -D:]
    code = (test - centre) @ V
    return centre + code @ V.T

# %% why
r"""
Everything that is learned comes from `train`: the mean image and the axes. The test images are shown in that coordinate system and brought back, so
the training mean is taken off before and added after. With their own mean the test images would have told the model something about themselves. The
fewer they are, the more: a single image would come back without any error.

`eigh` sorts the eigenvalues from small to large: the axes with the most variance are the last {{D}} columns. $V V^\top$ is the projection onto the
space that they span. It does not change if an axis is turned round or if axes are turned within that space, so the signs of eigenvectors, which
differ between machines, do not matter.
"""

# %% inputs
def inputs(rng):
    spread = torch.tensor([4.0, 3.0, 2.2, 1.5, 0.9, 0.5, 0.2])
    mix = torch.linalg.qr(rng.normal(7, 7)).Q
    return {"train": (spread * rng.normal(40, 7)) @ mix + 2 + rng.normal(7),
            "test": (spread * rng.normal(6, 7)) @ mix + 3 + rng.normal(7)}

# %% probe
def probe(answer, train, test):
    return {"rebuilt": answer(train, test), "five_images_alone": answer(train, test[:5]), "training_images": answer(train, train)}

# %% laws
def laws(seen, train, test):
    yield seen["rebuilt"].shape == (6, 7), "every image comes back in its shape"
    error = (seen["training_images"] - train).square().sum(1).mean()
    values, vectors = torch.linalg.eigh(torch.cov(train.double().T, correction=0))

    def directions(images):
        """How many directions the images vary in, and whether they are those that PCA keeps."""
        _, sizes, rows = torch.linalg.svd(images - images.mean(0))
        count = int((sizes > 1e-3).sum())
        kept = rows[:count] @ vectors[:, -D:]
        return count, count == D and abs(kept.square().sum() - D) < 1e-3

    count, same = directions(seen["training_images"])
    middle = (seen["training_images"].mean(0) - train.mean(0)).abs().max() < 1e-2
    if count == 0:
        why = "Every image comes back alike: nothing of it is kept."
    elif count > D:
        why = f"What you give back varies in {count} directions, and D is {D}. Either too many are kept, or what is put back differs from image to image."
    elif count < D:
        why = f"What you give back varies in {count} of the {D} directions: look at the slice, or at what is multiplied away."
    elif not same:
        why = "You keep as many directions as asked for, and not the right ones. Of which matrix are they eigenvectors, and which of its rows or columns " \
            "do you take?"
    elif not middle:
        why = "The directions are right. It is the mean that is not: it is taken off before the projection and put back after it."
    else:
        why = "The directions are right, and so is the mean of what you give back. The codes are not: compare what you take off with what you put back, and " \
            "look for a factor between the two."
    yield abs(error - values[:-D].sum()) < 1e-2, "on the training set the error is the sum of the eigenvalues left out", why
    yield (seen["rebuilt"][:5] - seen["five_images_alone"]).abs().max() < 1e-3, \
        "an image comes back the same, whichever others are tested with it", \
        "Something is learned from the test set: which mean do you subtract?" if directions(seen["rebuilt"])[1] else \
        "Something is learned from the test set: your directions are not those of `train` alone."

# %% right: by a singular value decomposition
def rebuild(train, test):
    centre = train.mean(0, keepdim=True)
    rows = torch.linalg.svd(train - centre, full_matrices=False).Vh[:D]
    return (test - centre) @ rows.T @ rows + centre

# %% right: one direction after the other, in float64
def rebuild(train, test):
    centre = train.double().mean(0)
    left, out = train.double() - centre, torch.zeros_like(test.double())
    for _ in range(D):
        v = torch.ones(train.shape[1], dtype=torch.float64)
        for _ in range(150):
            v = left.T @ (left @ v)
            v = v / v.norm()
        out = out + torch.outer((test.double() - centre) @ v, v)
        left = left - torch.outer(left @ v, v)
    return out + centre

# %% right: from scikit-learn
from sklearn.decomposition import PCA

def rebuild(train, test):
    pca = PCA(n_components=D).fit(train.numpy())
    return torch.from_numpy(pca.inverse_transform(pca.transform(test.numpy())))

# %% wrong: the smallest directions
# hint: You kept the directions in which the images vary least. `eigh` sorts upwards: the largest eigenvalue comes last.
#- vectors[:, -D:]
#+ vectors[:, :D]

# %% wrong: centred by the test images
# hint: You centre the test images by their own mean. Nothing may be learned from the test set, and a single image would become zero:
#   the mean comes from `train`.
#- code = (test - centre) @ V
#+ centre = test.mean(0)
#+     code = (test - centre) @ V

# %% wrong: fitted to the test images
# hint: Your directions are those of the test images. PCA is fitted to `train`; the test images are only rebuilt.
#- torch.cov(train.T, correction=0)
#+ torch.cov(test.T, correction=0)

# %% wrong: not centred
# hint: The images are projected without taking off the mean first. The code of an image is that of its difference from the mean.
#- code = (test - centre) @ V
#+ code = test @ V

# %% wrong: the mean is not put back
# hint: The mean was taken off and not put back: your images lie around zero.
#- return centre + code
#+ return code

# %% wrong: rows of the matrix for columns
# hint: `eigh` gives the eigenvectors as *columns*. You took rows.
#- V = vectors[:, -D:]
#+ V = vectors[-D:].T

# %% wrong: directions without centring the covariance
# hint: Your directions come from the mean of the products x xᵀ, not from the covariance: the first one points to the mean. Take the
#   mean off before you multiply.
#- torch.cov(train.T, correction=0)
#+ train.T @ train / len(train)

# %% wrong: one number too many
# hint: You kept one direction too many.
#- vectors[:, -D:]
#+ vectors[:, -D - 1:]

# %% wrong: one number too few
# hint: You kept one direction too few.
#- vectors[:, -D:]
#+ vectors[:, -D + 1:]

# %% wrong: the largest one left out
# hint: You left out the very direction in which the images vary most: a slice that ends with `-1` stops before the last column.
#- vectors[:, -D:]
#+ vectors[:, -D - 1:-1]

# %% wrong: no mean anywhere
# hint: The mean stands nowhere in your rebuilding. It is taken off before the projection and put back after it.
#- code = (test - centre) @ V
#+ code = test @ V
#- return centre + code
#+ return code

# %% wrong: directions through zero
# hint: Your directions are those of the images themselves, through the point 0, and the mean stands nowhere. PCA goes through the mean: take
#   it off `train` before you look for directions, and off `test` before you project.
def rebuild(train, test):
    rows = torch.linalg.svd(train, full_matrices=False).Vh[:D]
    return test @ rows.T @ rows

# %% wrong: one mean for all pixels
# hint: You took the mean over all numbers of `train`. Each pixel has a mean of its own: average over the images.
#- centre = train.mean(0)
#+ centre = train.mean() * torch.ones_like(train[0])

# %% wrong: each image's own mean
# hint: You took the mean over the pixels of an image off each image. The mean that counts is the mean image of `train`.
#- (test - centre) @ V
#+ (test - test.mean(1, keepdim=True)) @ V

# %% wrong: standardised pixels
# hint: Every pixel was divided by its standard deviation first. PCA of the chapter takes the covariance as it is: a pixel that varies more
#   counts more.
def rebuild(train, test):
    centre, spread = train.mean(0), train.std(0)
    V = torch.linalg.eigh(torch.corrcoef(train.T)).eigenvectors[:, -D:]
    return centre + (((test - centre) / spread) @ V @ V.T) * spread

# %% wrong: whitened codes
# hint: You divided the codes by their standard deviations and did not multiply them back before decoding.
#- code = (test - centre) @ V
#+ code = (test - centre) @ V / values[-D:].sqrt()

# %% wrong: cut off at 0 and 1
# hint: You cut the rebuilt numbers off at 0 and 1. PCA gives back whatever number comes out, and the rows here are no pixels in [0, 1].
#- return centre + code @ V.T
#+ return (centre + code @ V.T).clamp(0, 1)

# %% wrong: directions of both sets
# hint: Your directions are those of both sets together. PCA is fitted to `train` alone.
#- torch.cov(train.T, correction=0)
#+ torch.cov(torch.cat([train, test]).T, correction=0)

# %% wrong: fitted to both sets
# hint: Mean and directions come from both sets together. Nothing may be learned from the test images: fit to `train` alone.
def rebuild(train, test):
    both = torch.cat([train, test])
    V = torch.linalg.eigh(torch.cov(both.T)).eigenvectors[:, -D:]
    return both.mean(0) + (test - both.mean(0)) @ V @ V.T

# %% wrong: the last one lost
# hint: Your slice ends with `-1` and stops before the last column: the direction in which the images vary most is missing, and one fewer is kept.
#- vectors[:, -D:]
#+ vectors[:, -D:-1]

# title: One step of EM
# chapter: 02_latent_variable_models
# goal: derive and write both halves of an EM step
# kind: implement
# minutes: 20
# points: 3
# difficulty: 2
# passage: A mixture fitted by EM
# answer: em_step
# returns: tensor, tensor
# tolerance: 4e-4
# removes: vae_lib.mixture.GaussianMixture.fit, vae_lib.mixture.GaussianMixture.posterior,
#   vae_lib.mixture.GaussianMixture._maximise

# %% statement
r"""
A mixture has classes $c$ with weights $\alpha_c$ and means $m_c$, and one standard deviation $\sigma_x = {{SPREAD}}$ for all numbers and classes, which
stays as it is. Write `em_step(x, weights, means)`:
**one** step of EM. `x` has the shape `(images, numbers)`, `weights` `(classes,)`, `means` `(classes, numbers)`. Give the new weights and the new means. The images need not lie around zero.

To keep a class from dying out, add {{EXTRA}} imaginary images to each class **when the weights are computed**, and none when the means are: with $\sum_n r_{nc}$ the sum of the shares of class $c$
in the $N$ images (their responsibilities), its new weight is $(\sum_n r_{nc} + {{EXTRA}}) / (N + {{EXTRA}}\, C)$ for $C$ classes.
"""

# %% draws
def draws(rng):
    return {"SPREAD": rng.choice([0.6, 0.8, 1.2, 1.5]), "EXTRA": rng.choice([0.5, 1.5, 2.0])}

# %% given
import torch

# %% starter
def em_step(x, weights, means):
    """The new weights (classes,) and the new means (classes, numbers) after one step of EM."""
    ...

# %% solution
def em_step(x, weights, means):
    """The new weights (classes,) and the new means (classes, numbers) after one step of EM."""
    squared = (x[:, None] - means).square().sum(-1)
    log_joint = torch.log(weights) - squared / (2 * SPREAD**2)
    share = torch.softmax(log_joint, dim=1)  # (n, classes)
    counts = share.sum(0)
    new_means = share.T @ x / counts[:, None]
    new_weights = (counts + EXTRA) / (len(x) + EXTRA * len(weights))
    return new_weights, new_means

# %% why
r"""
The first half asks which class an image may come from. By Bayes' rule its shares are proportional to $\alpha_c\, p(x_n \mid c)$, with the weights
and means as they are *now*, and add up to 1 over the classes. What all classes have in common, $\log 2\pi\sigma_x^2$, cancels. The second half
holds the shares fixed. Each mean is the average of the images by their shares, so it is divided by the sum of the shares of this class, not by $N$.

The weights get {{EXTRA}} imaginary images a class, and the denominator gets all of them, so that they add up to 1. The means get none: imaginary
images lie nowhere. What no step lowers now is the likelihood times $\prod_c \alpha_c^{ {{EXTRA}} }$. This factor is largest for equal
weights, so the likelihood alone may fall a little where the classes are unequal.
"""

# %% inputs
def inputs(rng):
    means = 0.8 * rng.normal(3, 4)
    x = means[[k % 3 for k in range(20)]] + rng.normal(20, 4)
    return {"x": x, "weights": torch.softmax(rng.normal(3), 0), "means": means + 0.5 * rng.normal(3, 4)}

# %% probe
def probe(answer, x, weights, means):
    new_weights, new_means = answer(x, weights, means)
    if new_weights.shape == means.shape and new_means.shape == weights.shape:
        raise Problem("order", "`em_step` returns the new means first. The new weights come first, and the new means second.")
    if new_means.shape != means.shape:
        return {"weights": new_weights, "means": new_means}
    far_weights, far_means = answer(x + 10, weights, means + 10)
    return {"weights": new_weights, "means": new_means, "weights_of_classes_that_are_alike": answer(x, weights, 0 * means)[0], "step_of_the_means_far_from_zero": far_means - 10 - means}

# %% laws
def laws(seen, x, weights, means):
    yield abs(seen["weights"].sum() - 1) < 1e-3 and (seen["weights"] > 0).all(), "the new weights are positive and add up to 1"
    alike = (weights * len(x) + EXTRA) / (len(x) + EXTRA * len(weights))
    same = (seen["weights_of_classes_that_are_alike"] - alike).abs().max() < 1e-3
    yield same, "where the classes are alike, the images tell nothing of them", \
        "Give all classes the same mean: then the responsibilities are the old weights, and the new ones follow from them and the imaginary images."
    log_joint = weights.log() - (x[:, None] - means).square().sum(-1) / (2 * SPREAD**2)
    counts = log_joint.softmax(1).sum(0)
    right = (seen["weights"] - (counts + EXTRA) / (len(x) + EXTRA * len(weights))).abs().max() < 1e-3
    yield right, "the new weights are those of the responsibilities", \
        "Look at the responsibilities: where the classes are alike the weights are right, so it is the distance of image and mean that is not."
    yield (seen["means"] - log_joint.softmax(1).T @ x / counts[:, None]).abs().max() < 1e-2, "the new means are averages by responsibility", \
        "The weights are right, so the responsibilities are. Each new mean is an average of the images with these as weights: divide by their sum."
    low, high = x.amin(0), x.amax(0)
    yield (seen["means"] >= low - 1e-3).all() and (seen["means"] <= high + 1e-3).all(), "the new means lie among the images"

# %% right: from torch.distributions
import torch.distributions as td

def em_step(x, weights, means):
    log_px = td.Normal(means, SPREAD).log_prob(x.unsqueeze(1)).sum(-1) + weights.log()
    r = (log_px - log_px.logsumexp(1, keepdim=True)).exp()
    return (r.sum(0) + EXTRA) / (r.sum() + EXTRA * r.shape[1]), torch.einsum("nk,nd->kd", r, x) / r.sum(0)[:, None]

# %% right: image by image, in float64
def em_step(x, weights, means):
    K = len(weights)
    counts, sums = torch.zeros(K).double(), torch.zeros_like(means).double()
    for one in x.double():
        density = weights.double().log() - ((one - means.double()) ** 2).sum(1) / (2 * SPREAD * SPREAD)
        p = torch.exp(density - density.max())
        p = p / p.sum()
        counts += p
        sums += p[:, None] * one
    return (counts + EXTRA) / (counts.sum() + K * EXTRA), sums / counts[:, None]

# %% wrong: responsibilities without the weights
# hint: The old weights are missing in the responsibilities: a rare class is blamed as readily as a common one.
#- torch.log(weights) - squared
#+ -squared

# %% wrong: each image to one class
# hint: Each image goes to its likeliest class as a whole: that is k-means. In EM it is shared out by its responsibilities.
#- share = torch.softmax(log_joint, dim=1)
#+ share = torch.nn.functional.one_hot(log_joint.argmax(1), len(weights)).float()

# %% wrong: responsibilities over the images
# hint: The responsibilities add up to 1 over the images. They belong to one image and add up to 1 over the classes.
#- dim=1)  # (n, classes)
#+ dim=0)

# %% wrong: means divided by all images
# hint: The sums for the means are divided by the number of all images. Each class has its own count, the sum of its responsibilities.
#- / counts[:, None]
#+ / len(x)

# %% wrong: imaginary images in the means
# hint: The imaginary images stand under the means too. They count for the weights alone.
#- / counts[:, None]
#+ / (counts[:, None] + EXTRA)

# %% wrong: no imaginary images
# hint: The imaginary images are missing in the weights.
#- (counts + EXTRA) / (len(x) + EXTRA * len(weights))
#+ counts / len(x)

# %% wrong: the weights do not add up
# hint: The weights do not add up to 1: every class got its imaginary images, so the whole has that many more for each class.
#- (len(x) + EXTRA * len(weights))
#+ (len(x) + EXTRA)

# %% wrong: the two of the variance
# hint: The squared distance is divided by σ_x² and not by 2σ_x²: the responsibilities come out too sharp.
#- squared / (2 * SPREAD**2)
#+ squared / SPREAD**2

# %% wrong: s for its square
# hint: The squared distance is divided by 2σ_x. It is measured against the variance, σ_x².
#- squared / (2 * SPREAD**2)
#+ squared / (2 * SPREAD)

# %% wrong: weights in place of their logarithms
# hint: You add the weights to logarithms. In a sum of logarithms stands log α: a product of probabilities becomes a sum.
#- torch.log(weights) - squared
#+ weights - squared

# %% wrong: the variance handed to Normal
# hint: The spread is squared once too often: `Normal` takes the standard deviation, and the squared distance is divided by 2σ_x².
#- squared / (2 * SPREAD**2)
#+ squared / (2 * SPREAD**4)

# %% wrong: a spread of one
# hint: The responsibilities are those of a spread of 1. The squared distance is divided by 2σ_x², with σ_x = `SPREAD`.
#- squared / (2 * SPREAD**2)
#+ squared / 2

# %% wrong: mean over the numbers
# hint: The squared distance is averaged over the numbers of an image. They are independent within a class: their logarithms add up.
#- .square().sum(-1)
#+ .square().mean(-1)

# %% wrong: two steps
# hint: You took two steps. Asked for is one: the responsibilities once, then weights and means from them.
def em_step(x, weights, means):
    for _ in range(2):
        share = torch.softmax(torch.log(weights) - (x[:, None] - means).square().sum(-1) / (2 * SPREAD**2), dim=1)
        weights = (share.sum(0) + EXTRA) / (len(x) + EXTRA * len(weights))
        means = share.T @ x / share.sum(0)[:, None]
    return weights, means

# %% wrong: new weights for the means
# hint: For the means you computed the responsibilities again, with the new weights. Both halves of a step use the same responsibilities.
def em_step(x, weights, means):
    share = torch.softmax(torch.log(weights) - (x[:, None] - means).square().sum(-1) / (2 * SPREAD**2), dim=1)
    counts, total = share.sum(0), len(x) + EXTRA * len(weights)
    new_weights = (counts + EXTRA) / total
    share = torch.softmax(torch.log(new_weights) - (x[:, None] - means).square().sum(-1) / (2 * SPREAD**2), dim=1)
    return new_weights, share.T @ x / share.sum(0)[:, None]

# %% wrong: the imaginary images shared out
# hint: You shared the imaginary images out among the classes. Each class gets all `EXTRA` of them, so there are EXTRA times the number of classes
#   in all.
#- (counts + EXTRA) / (len(x) + EXTRA * len(weights))
#+ (counts + EXTRA / len(weights)) / (len(x) + EXTRA)

# %% wrong: imaginary images at the old means
# hint: Your imaginary images pull on the means: they lie at the old ones. They count for the weights alone.
#- new_means = share.T @ x / counts[:, None]
#+ new_means = (share.T @ x + EXTRA * means) / (counts + EXTRA)[:, None]

# %% wrong: imaginary images added to the shares of the whole
# hint: You added `EXTRA` to the mean responsibility. It is a number of images: add it to the sum, then divide by the number of all images.
#- (counts + EXTRA) / (len(x) + EXTRA * len(weights))
#+ counts / len(x) + EXTRA

# %% wrong: one imaginary image
# hint: You added one imaginary image to each class, or another number. It should be `EXTRA` of them.
#- (counts + EXTRA) / (len(x) + EXTRA * len(weights))
#+ (counts + 1) / (len(x) + len(weights))

# %% wrong: imaginary images in the responsibilities
# hint: You added `EXTRA` to each image's responsibilities. It is added to their sums over the images, for the weights alone.
#- counts = share.sum(0)
#+ counts = share.sum(0)
#+     share = (share + EXTRA) / (1 + EXTRA * len(weights))
#- / counts[:, None]
#+ / share.sum(0)[:, None]

# %% wrong: the weights stay
# hint: The weights come back as they were. Their new values follow from the sums of the responsibilities.
#- return new_weights
#+ return weights

# %% wrong: the means stay
# hint: The means come back as they were. Their new values are averages of the images, weighted by the responsibilities.
#- return new_weights, new_means
#+ return new_weights, means

# %% wrong: responsibilities without the image
# hint: Your responsibilities are the old weights, the same for every image. They are probabilities *given the image*: weight times density,
#   divided by the sum over the classes.
#- torch.softmax(log_joint, dim=1)
#+ weights.expand(len(x), -1)

# %% wrong: densities not divided by their sum
# hint: Your responsibilities do not add up to 1 for an image: divide weight times density by its sum over the classes.
def em_step(x, weights, means):
    density = torch.distributions.Normal(means, SPREAD).log_prob(x[:, None]).sum(-1).exp()
    share = weights * density
    counts = share.sum(0)
    return (counts + EXTRA) / (len(x) + EXTRA * len(weights)), share.T @ x / counts[:, None]

# %% wrong: the new means half-way
# hint: Your means go half of the way. A step of EM goes all the way to the weighted average of the images.
#- return new_weights, new_means
#+ return new_weights, (means + new_means) / 2

# %% wrong: imaginary images above the fraction bar alone
# hint: The imaginary images stand above the fraction bar alone. They are images too: the whole has `EXTRA` more for each class.
#- (len(x) + EXTRA * len(weights))
#+ len(x)

# %% wrong: exponentials not divided by their sum
# hint: You took the exponentials as they are. The responsibilities of an image add up to 1: divide by the sum over the classes.
#- torch.softmax(log_joint, dim=1)
#+ torch.exp(log_joint)

# %% wrong: the sign of the distance
# hint: The squared distance has the wrong sign: the farther a class, the more it is blamed.
#- torch.log(weights) - squared
#+ torch.log(weights) + squared

# %% wrong: imaginary images spread over the responsibilities
# hint: The imaginary images are in the responsibilities, and once more in the weights. They are added to the sums, for the weights alone.
#- torch.softmax(log_joint, dim=1)
#+ EXTRA / len(x) + torch.softmax(log_joint, dim=1)

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
# removes:

# %% statement
r"""
The mixture has classes with weights $\pi_k$ and means $m_k$, and one spread $s = {{SPREAD}}$ for all, which stays as it is. Write `em_step(x, weights, means)`:
**one** step of EM. `x` has the shape `(n, numbers)`, `weights` `(classes,)`, `means` `(classes, numbers)`. Give the new weights and the new means.

To keep a class from dying out, add {{EXTRA}} imaginary images to each class **when the weights are computed**, and none when the means are: with $N_k$ the sum
of the responsibilities of class $k$, its new weight is $(N_k + {{EXTRA}}) / (n + {{EXTRA}} K)$.
"""

# %% draws
def draws(rng):
    return {"SPREAD": rng.choice([0.6, 0.8, 1.2, 1.5]), "EXTRA": rng.choice([0.5, 1.0, 2.0])}

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

# %% inputs
def inputs(rng):
    means = 1.5 * rng.normal(3, 2)
    x = means[[k % 3 for k in range(20)]] + rng.normal(20, 2)
    return {"x": x, "weights": torch.softmax(rng.normal(3), 0), "means": means + 0.5 * rng.normal(3, 2)}

# %% probe
def probe(answer, x, weights, means):
    new_weights, new_means = answer(x, weights, means)
    far_weights, far_means = answer(x + 300, weights, means + 300)
    return {"weights": new_weights, "means": new_means, "step_of_the_means_far_from_zero": far_means - 300 - means}

# %% laws
def laws(seen, x, weights, means):
    yield abs(seen["weights"].sum() - 1) < 1e-3 and (seen["weights"] > 0).all(), "the new weights are positive and add up to 1"
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
# hint: The squared distance is divided by s² and not by 2s²: the responsibilities come out too sharp.
#- squared / (2 * SPREAD**2)
#+ squared / SPREAD**2

# %% wrong: s for its square
# hint: The squared distance is divided by 2s. It is measured against the variance, s².
#- squared / (2 * SPREAD**2)
#+ squared / (2 * SPREAD)

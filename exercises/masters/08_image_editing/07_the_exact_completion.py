# title: The exact completion
# chapter: 08_image_editing
# goal: derive what the missing pixels of a linear model are, and how sure one can be
# kind: implement
# minutes: 30
# points: 4
# difficulty: 3
# passage: Missing pixels
# answer: completed
# returns: tensor, tensor
# tolerance: 4e-4
# removes: vae_lib.inference.fit_posterior, vae_lib.inference.complete

# %% statement
r"""
For one decoder nobody needs gradient steps. Let $z \sim \mathcal{N}(0, I)$ and let the pixels be linear in it,
$x = W z + b + {{SIGMA}}\,\varepsilon$, with $\varepsilon \sim \mathcal{N}(0, I)$. Then $p(z \mid x_o)$ for known pixels $x_o$ is a normal
distribution, and so is every hidden pixel given the known ones.

Write `completed(W, b, x, known)` with `W` of shape `(pixels, z_dim)`, `b` of shape `(pixels,)`, `x` of shape `(n, pixels)` and the mask `known` of
shape `(pixels,)`, type bool. It returns two tensors of shape `(n, pixels)`:

- the image with each hidden pixel at its mean given the known ones;
- each pixel's standard deviation given the known ones; it is 0 for a known pixel.

What stands at the hidden pixels of `x` must not count. Hint for the derivation: $\log p(z) + \log p(x_o \mid z)$ is quadratic in $z$; read precision
and mean off it.
"""

# %% draws
def draws(rng):
    return {"SIGMA": rng.choice([0.4, 0.5, 0.6, 0.7, 1.4, 1.6])}

# %% given
import torch

# %% starter
def completed(W, b, x, known):
    """(means, standard deviations) of the pixels given the known ones, each (n, pixels)."""
    ...

# %% solution
def completed(W, b, x, known):
    """(means, standard deviations) of the pixels given the known ones, each (n, pixels)."""
    seen = W[known]
    precision = seen.T @ seen / SIGMA**2 + torch.eye(W.shape[1])
    covariance = torch.linalg.inv(precision)
    off = x[:, known] - b[known]
    z = (off / SIGMA**2) @ seen @ covariance
    means = torch.where(known, x, z @ W.T + b)
    variance = ((W @ covariance) * W).sum(1) + SIGMA**2
    return means, torch.where(known, 0.0, variance.sqrt()).expand_as(x)

# %% why
r"""
With $W_o$ and $b_o$ for the known rows, $\log p(z) + \log p(x_o \mid z)$ is $-\tfrac12 z^\top z - \lVert x_o - b_o - W_o z \rVert^2 / 2\sigma^2$
and a constant. Sorted by powers of $z$ it is $-\tfrac12 z^\top \Lambda z + z^\top \Lambda m$ and a constant, the exponent of a normal distribution
with the precision $\Lambda$ and the mean $m$:

$$
\Lambda = I + W_o^\top W_o / \sigma^2, \qquad m = \Lambda^{-1} W_o^\top (x_o - b_o) / \sigma^2 .
$$

A hidden pixel $i$, with the row $w^\top$ of $W$, is $w^\top z + b_i + \sigma \varepsilon$: its mean is $w^\top m + b_i$, its variance $w^\top
\Lambda^{-1} w + \sigma^2$. The first part is what the known pixels leave open about $z$; the second is the pixel's own noise, which no neighbour
can tell. Neither part depends on the values at the known pixels. With no known pixel it is the prior: mean $b_i$, variance $\lVert w \rVert^2 +
\sigma^2$.
"""

# %% inputs
def inputs(rng):
    order = rng.sample(range(9), 9)
    return {"W": rng.normal(9, 3), "b": rng.normal(9) + 1, "x": rng.normal(4, 9) + 1,
            "known": torch.tensor([k in order[:5] for k in range(9)]), "other": rng.normal(4, 9)}

# %% probe
def probe(answer, W, b, x, known, other):
    means, spreads = answer(W, b, x, known)
    changed, _ = answer(W, b, torch.where(known, x, other), known)
    nothing, widest = answer(W, b, x, known & ~known)
    return {"means": means, "spreads": spreads, "means_with_other_hidden_pixels": changed,
            "means_where_nothing_is_known": nothing, "spreads_where_nothing_is_known": widest}

# %% laws
def laws(seen, W, b, x, known, other):
    yield seen["means"].shape == (4, 9) and seen["spreads"].shape == (4, 9), "there is one mean and one spread for each pixel of each image"
    yield (seen["means"] - x)[:, known].abs().max() < 1e-4, "known pixels stay as they are", \
        "A known pixel is given: its mean is what stands in `x`, and not what the model would draw."
    yield (seen["means"] - seen["means_with_other_hidden_pixels"]).abs().max() < 1e-3, "what stands at the hidden pixels changes nothing"
    yield seen["spreads"][:, known].abs().max() < 1e-4, "a known pixel has the standard deviation 0", \
        "A pixel that is known is known: given itself, it does not vary. Set the standard deviations of the known pixels to 0."
    yield (seen["spreads"][:, ~known] > SIGMA - 1e-4).all(), "no pixel is surer than its own noise"
    yield (seen["spreads_where_nothing_is_known"] - seen["spreads"]).min() > -1e-3, "what is known makes no pixel less sure"
    yield (seen["means_where_nothing_is_known"] - b).abs().max() < 1e-3, "where nothing is known, the mean is b"

# %% right: by conditioning the normal distribution of the pixels
def completed(W, b, x, known):
    W, b, x = W.double(), b.double(), x.double()
    C = W @ W.T + SIGMA**2 * torch.eye(len(b)).double()
    gain = torch.linalg.solve(C[known][:, known], C[known])
    means = b + (x - b)[:, known] @ gain
    variances = C.diagonal() - (C[known] * gain).sum(0)
    means, spreads = torch.where(known, x, means), torch.where(known, 0.0, variances.clamp(min=0).sqrt())
    return means, spreads.repeat(len(x), 1)

# %% right: one known pixel after the other
def completed(W, b, x, known):
    covariance = torch.eye(W.shape[1], dtype=torch.float64)
    z = torch.zeros(len(x), W.shape[1], dtype=torch.float64)
    for i in known.nonzero()[:, 0].tolist():
        w = W[i].double()
        gain = covariance @ w / (w @ covariance @ w + SIGMA**2)
        z = z + (x[:, i] - b[i] - z @ w)[:, None] * gain
        covariance = covariance - torch.outer(gain, w @ covariance)
    means, spreads = x.double().clone(), torch.zeros(x.shape, dtype=torch.float64)
    for i in (~known).nonzero()[:, 0].tolist():
        w = W[i].double()
        means[:, i] = z @ w + b[i]
        spreads[:, i] = (w @ covariance @ w + SIGMA**2) ** 0.5
    return means, spreads

# %% right: as least squares with the prior as further rows
def completed(W, b, x, known):
    d = W.shape[1]
    A = torch.cat([W[known] / SIGMA, torch.eye(d)]).double()
    right = torch.cat([(x[:, known] - b[known]).T / SIGMA, torch.zeros(d, len(x))]).double()
    z = torch.linalg.lstsq(A, right).solution.T
    R = torch.linalg.qr(A).R
    unsure = torch.linalg.solve_triangular(R.T, W.double().T, upper=False).square().sum(0)
    means = torch.where(known, x.double(), z @ W.double().T + b)
    return means, (torch.sqrt(unsure + SIGMA**2) * ~known).expand(len(x), -1)

# %% wrong: black pixels in the place of missing ones
# hint: You set the hidden pixels to 0 and infer z from all pixels. A black pixel is an observation: leave the rows of the hidden pixels out.
def completed(W, b, x, known):
    covariance = torch.linalg.inv(W.T @ W / SIGMA**2 + torch.eye(W.shape[1]))
    z = (x * known - b) @ W @ covariance / SIGMA**2
    variance = ((W @ covariance) * W).sum(1) + SIGMA**2
    return torch.where(known, x, z @ W.T + b), torch.where(known, 0.0, variance.sqrt()).expand_as(x)

# %% wrong: the hidden pixels are used
# hint: You infer z from the whole image, hidden pixels included: what stands there must not count.
def completed(W, b, x, known):
    covariance = torch.linalg.inv(W.T @ W / SIGMA**2 + torch.eye(W.shape[1]))
    z = (x - b) @ W @ covariance / SIGMA**2
    variance = ((W @ covariance) * W).sum(1) + SIGMA**2
    return torch.where(known, x, z @ W.T + b), torch.where(known, 0.0, variance.sqrt()).expand_as(x)

# %% wrong: the prior is forgotten
# hint: You look for the z that fits the known pixels best. The prior is missing: it adds the identity to the precision, and pulls z towards 0.
#-  + torch.eye(W.shape[1])
#+  + 1e-6 * torch.eye(W.shape[1])

# %% wrong: sigma where its square belongs
# hint: In the precision you divide by the noise's standard deviation. Squared distances are measured against its variance.
#- seen / SIGMA**2
#+ seen / SIGMA
#- (off / SIGMA**2)
#+ (off / SIGMA)

# %% wrong: the offset is not taken off
# hint: You infer z from the pixels as they are. The part b is not due to z: take it off the known pixels first.
#- x[:, known] - b[known]
#+ x[:, known]

# %% wrong: the offset is not put back
# hint: The hidden pixels lack b. Decoding adds it to W z.
#- z @ W.T + b)
#+ z @ W.T)

# %% wrong: the spread of the mean image
# hint: Your spread is that of W z + b. A pixel also has its own noise, the second of the two randomnesses: add its variance.
#- ((W @ covariance) * W).sum(1) + SIGMA**2
#+ ((W @ covariance) * W).sum(1)

# %% wrong: one z taken for sure
# hint: Your spread is the pixel's own noise alone, as if z were known. The known pixels leave z uncertain, and that moves the hidden ones too.
#- ((W @ covariance) * W).sum(1) + SIGMA**2
#+ 0 * W.sum(1) + SIGMA**2

# %% wrong: the spread of the prior
# hint: Your spread is the one before any pixel was seen. What is known makes z surer: use the covariance of p(z | x_known).
#- ((W @ covariance) * W)
#+ (W * W)

# %% wrong: the variance for the standard deviation
# hint: The second result is the variance. Asked for is its root, the standard deviation.
#- variance.sqrt()
#+ variance

# %% wrong: the precision taken for the covariance
# hint: You use the precision of p(z | x_known) where its inverse, the covariance, belongs: the more is known, the wider your q would be.
#- covariance = torch.linalg.inv(precision)
#+ covariance = precision

# %% wrong: the mean of the prior
# hint: Your hidden pixels do not depend on the known ones: they have the mean of the model, b. Infer z first.
#- z @ W.T + b)
#+ 0 * z @ W.T + b)

# %% wrong: known pixels are drawn anew
# hint: You replace the known pixels by what the model would draw. They are known: they stay, with a spread of 0.
#- means = torch.where(known, x, z @ W.T + b)
#+ means = z @ W.T + b
#- torch.where(known, 0.0, variance.sqrt())
#+ variance.sqrt()

# %% wrong: the best fit of z
# hint: Your z is the one that fits the known pixels best, without a prior. The posterior's mean is pulled towards 0.
#- z = (off / SIGMA**2) @ seen @ covariance
#+ z = off @ torch.linalg.pinv(seen).T

# %% wrong: the noise as if it were 1
# hint: The noise does not enter your inference: a known pixel tells the more about z, the smaller its noise.
#- seen.T @ seen / SIGMA**2
#+ seen.T @ seen
#- (off / SIGMA**2)
#+ off

# %% wrong: standard deviations added
# hint: You add standard deviations. Of independent parts the variances add up; the root comes last.
#- variance = ((W @ covariance) * W).sum(1) + SIGMA**2
#+ variance = (((W @ covariance) * W).sum(1).sqrt() + SIGMA) ** 2

# %% wrong: sigma for its square in the spread
# hint: The means are right. To the variance of W z you add the standard deviation of the noise: add SIGMA², then take the root.
#- .sum(1) + SIGMA**2
#+ .sum(1) + SIGMA

# %% wrong: sigma for its square everywhere
# hint: You use SIGMA where SIGMA² belongs, in the inference and in the spread. It is the standard deviation of the noise: both need its
#   variance.
#- seen / SIGMA**2
#+ seen / SIGMA
#- (off / SIGMA**2)
#+ (off / SIGMA)
#- .sum(1) + SIGMA**2
#+ .sum(1) + SIGMA

# %% wrong: known pixels with a spread
# hint: Everything is right but the standard deviations of the known pixels. Given themselves, they do not vary: 0.
#- torch.where(known, 0.0, variance.sqrt())
#+ variance.sqrt()

# %% wrong: hidden pixels observed at b
# hint: You put b at the hidden pixels and infer z from all of them. That is an observation which says that z is near 0: leave the rows of
#   the hidden pixels out.
def completed(W, b, x, known):
    covariance = torch.linalg.inv(W.T @ W / SIGMA**2 + torch.eye(W.shape[1]))
    z = torch.where(known, x - b, 0.0) @ W @ covariance / SIGMA**2
    variance = ((W @ covariance) * W).sum(1) + SIGMA**2
    return torch.where(known, x, z @ W.T + b), torch.where(known, 0.0, variance.sqrt()).expand_as(x)

# %% wrong: no division by the noise in the mean
# hint: The standard deviations are right. The mean of z lacks a division by SIGMA²: the covariance is multiplied by W_oᵀ (x_o − b_o) /
#   SIGMA².
#- (off / SIGMA**2)
#+ off

# %% wrong: the mask turned over
# hint: You took the hidden pixels for the known ones: `known` is True where a pixel is known. As it stands, the known pixels are replaced.
def completed(W, b, x, known):
    known = ~known
    seen = W[known]
    covariance = torch.linalg.inv(seen.T @ seen / SIGMA**2 + torch.eye(W.shape[1]))
    z = (x[:, known] - b[known]) @ seen @ covariance / SIGMA**2
    variance = ((W @ covariance) * W).sum(1) + SIGMA**2
    return torch.where(known, x, z @ W.T + b), torch.where(known, 0.0, variance.sqrt()).expand_as(x)

# %% wrong: the diagonal of the covariance
# hint: You take the diagonal of the covariance of z alone. Given the known pixels, the parts of z are correlated: the variance of w · z is
#   w C wᵀ, with all of C.
#- ((W @ covariance) * W).sum(1) +
#+ (W.square() @ covariance.diagonal()) +

# %% wrong: the spreads of the images as if all were known
# hint: The precision behind your spreads counts all pixels. Hidden pixels tell nothing of z: only the known ones add to its precision.
#- variance = ((W @ covariance) * W).sum(1) + SIGMA**2
#+ variance = ((W @ torch.linalg.inv(W.T @ W / SIGMA**2 + torch.eye(W.shape[1]))) * W).sum(1) + SIGMA**2

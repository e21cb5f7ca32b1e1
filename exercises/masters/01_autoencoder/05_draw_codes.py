# title: Codes of the right shape
# chapter: 01_autoencoder
# goal: draw from a Gaussian with a given mean and covariance
# kind: implement
# minutes: 15
# points: 2
# difficulty: 2
# passage: Random codes
# answer: draw_codes
# returns: tensor
# tolerance: 2e-3
# removes:

# %% statement
r"""
The chapter draws codes from a Gaussian fitted to the codes of the training images. Write `draw_codes(codes, noise)`, which does so
with one change: the fitted covariance is multiplied by {{HEAT}}, to draw {{word}} codes than those of the fit.

`codes` has the shape `(images, d)`; fit the mean and the covariance to it (divide by the number of images minus 1, as `torch.cov` does).
`noise` holds standard normal numbers, `(n, d)`. Give `n` new codes, `(n, d)`, each from its own row of the noise.
"""

# %% draws
def draws(rng):
    heat = rng.choice([0.25, 0.5, 0.64, 1.5, 2.25, 4.0])
    return {"HEAT": heat, "word": "bolder" if heat > 1 else "tamer"}

# %% given
import torch

# %% starter
def draw_codes(codes, noise):
    """New codes (n, d) from the Gaussian fitted to codes (images, d), its covariance times HEAT."""
    ...

# %% solution
def draw_codes(codes, noise):
    """New codes (n, d) from the Gaussian fitted to codes (images, d), its covariance times HEAT."""
    centre = codes.mean(0)
    covariance = HEAT * torch.cov(codes.T)
    root = torch.linalg.cholesky(covariance)
    return centre + noise @ root.T

# %% why
r"""
If $\epsilon \sim \mathcal{N}(0, I)$, then $m + L\epsilon$ has the mean $m$ and the covariance $L L^\top$. So take an $L$ with $L L^\top =
{{HEAT}}\, C$, such as the Cholesky factor. With one draw in each row, the product is `noise @ L.T`. Any root of the matrix will do: the draws
differ, their distribution does not.

The factor {{HEAT}} is one of the covariance, so the noise is multiplied by its square root, and the mean stays where it is. With the standard
deviations of the dimensions alone the codes would have the right spread along each axis, but no correlation between the axes. Where the
correlations are strong, many would lie where no image's code does.
"""

# %% inputs
def inputs(rng):
    turn, back = (torch.linalg.qr(rng.normal(3, 3)).Q for _ in range(2))
    mix = turn * torch.tensor(rng.sample([0.6, 1.0, 1.8, 2.6], 3)) @ back  # no direction in which the codes hardly vary
    noise = rng.normal(400, 3)
    noise = noise - noise.mean(0)
    noise = noise @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(noise.T))).T  # mean 0 and covariance 1, exactly
    return {"codes": rng.normal(50, 3) @ mix + 3 * rng.normal(3), "noise": noise}

# %% probe
def probe(answer, codes, noise):
    z = answer(codes, noise)
    again = answer(codes, noise.flip(0))
    return {"number_of_draws": list(z.shape), "mean_of_the_draws": z.double().mean(0),
            "covariance_of_the_draws": torch.cov(z.double().T) if z.dim() == 2 else z,
            "each_draw_from_its_own_row": "yes" if (z.flip(0) - again).abs().max() < 1e-3 else "no",
            "draw_from_noise_of_zero": answer(codes, torch.zeros(1, 3))}

# %% laws
def laws(seen, codes, noise):
    yield seen["number_of_draws"] == [400.0, 3.0], "there are n codes"
    yield seen["each_draw_from_its_own_row"] == "yes", "each code comes from its own row of the noise", \
        "A code may depend on its own row of `noise` and on nothing else that changes from draw to draw: no noise of your own, no other row, and the same " \
        "centre for all."
    yield (seen["draw_from_noise_of_zero"] - codes.mean(0)).abs().max() < 1e-3, "no noise gives the mean of the codes"
    got, want = seen["covariance_of_the_draws"], HEAT * torch.cov(codes.double().T)
    yield (got.diagonal() - want.diagonal()).abs().max() < 0.01 * (1 + want.abs().max()), \
        "each number of the code varies as much as it should"
    apart = (got - torch.diag(got.diagonal())).abs().max() < 0.01 * got.abs().max()
    yield (got - want).abs().max() < 0.01 * (1 + want.abs().max()), "the numbers of a code vary together as they should", \
        "In yours the numbers of a code do not vary together. If you took eigenvectors: they are the columns V of `eigh`, and noise that was stretched along " \
        "them is turned back by Vᵀ on its right." if apart else "With z = noise @ A, the covariance is Aᵀ A. Which A gives the one that you want?"

# %% right: by the eigenvectors
def draw_codes(codes, noise):
    values, vectors = torch.linalg.eigh(torch.cov(codes.T))
    return codes.mean(0) + (noise * (HEAT * values).clamp(min=0).sqrt()) @ vectors.T

# %% right: from the centred codes themselves, in float64
def draw_codes(codes, noise):
    centred = codes.double() - codes.double().mean(0)
    s, rows = torch.linalg.svd(centred, full_matrices=False)[1:]
    scale = (HEAT / (len(codes) - 1)) ** 0.5
    return codes.double().mean(0) + scale * noise.double() @ (s[:, None] * rows)

# %% right: by torch.distributions, one row after the other
import torch.distributions as td

def draw_codes(codes, noise):
    fitted = td.MultivariateNormal(codes.mean(0), covariance_matrix=HEAT * torch.cov(codes.T))
    return torch.stack([fitted.mean + fitted.scale_tril @ row for row in noise])

# %% wrong: each number on its own
# hint: Your numbers vary each on its own. The codes of images vary together: use the whole covariance.
#- root = torch.linalg.cholesky(covariance)
#+ root = torch.diag(covariance.diagonal().sqrt())

# %% wrong: the factor the wrong way round
# hint: The factor of the covariance is used the wrong way round. With L Lᵀ the covariance, a draw is L times a noise vector; for noise
#   in rows, that is noise times Lᵀ.
#- noise @ root.T
#+ noise @ root

# %% wrong: the covariance in place of its root
# hint: The noise is multiplied by the covariance. What it needs is a root of it, as a number needs σ and not σ².
#- root = torch.linalg.cholesky(covariance)
#+ root = covariance

# %% wrong: the standard Gaussian
# hint: You gave back the noise with another scale: draws around zero that know nothing of the codes.
#- return centre + noise @ root.T
#+ return HEAT**0.5 * noise

# %% wrong: the mean is missing
# hint: The draws lie around zero. Add the mean of the codes.
#- return centre + noise
#+ return noise

# %% wrong: heat on the spread
# hint: The covariance is to be multiplied by `HEAT`. You multiplied the draws' deviation by it, so the covariance has its square.
#- covariance = HEAT * torch.cov(codes.T)
#+ covariance = HEAT**2 * torch.cov(codes.T)

# %% wrong: no heat
# hint: These are draws from the fit itself: `HEAT` is missing.
#- HEAT * torch.cov
#+ torch.cov

# %% wrong: divided by the number of images
# hint: You divided by the number of images. Here the covariance is to be the one of `torch.cov`, divided by that number minus 1.
#- torch.cov(codes.T)
#+ torch.cov(codes.T, correction=0)

# %% wrong: variances for spreads
# hint: The noise is multiplied by the variance of each number. A number that should have the variance v is the root of v times the noise;
#   and the codes of images vary together, which takes the whole covariance.
#- root = torch.linalg.cholesky(covariance)
#+ root = torch.diag(covariance.diagonal())

# %% wrong: the covariance around zero
# hint: Your covariance is the mean of the products of the codes with the mean still in them. Take the mean off first.
#- torch.cov(codes.T)
#+ (codes.T @ codes / (len(codes) - 1))

# %% wrong: one spread for all
# hint: You used one spread for all numbers of the code. Each number has its own, and they vary together.
def draw_codes(codes, noise):
    return codes.mean(0) + HEAT**0.5 * codes.std() * noise

# %% wrong: correlations for the covariance
# hint: You took the correlations: with them each number of the code has the spread 1. The covariance holds the spreads too.
#- torch.cov(codes.T)
#+ torch.corrcoef(codes.T)

# %% wrong: the noise made standard again
# hint: You standardise the noise by its own mean and spread. Each code then depends on all rows, and a single row becomes 0 / 0: take the
#   noise as it is.
def draw_codes(codes, noise):
    root = torch.linalg.cholesky(HEAT * torch.cov(codes.T))
    spread = ((noise - noise.mean(0)).square().sum(0) / (len(noise) - 1)).sqrt()
    return codes.mean(0) + (noise - noise.mean(0)) / spread @ root.T

# %% wrong: around each code in turn
# hint: Your draws lie around the codes of single images. A draw from the fitted Gaussian lies around the mean of all codes.
#- return centre + noise
#+ return codes[torch.arange(len(noise)) % len(codes)] + noise

# %% wrong: divided by the heat
# hint: You divided the covariance by `HEAT`. It is to be multiplied.
#- HEAT * torch.cov(codes.T)
#+ torch.cov(codes.T) / HEAT

# %% wrong: the mean before the root
# hint: You added the mean to the noise, before the root: it is stretched with it. Add it after the product.
#- centre + noise @ root.T
#+ (centre + noise) @ root.T

# %% wrong: a root of the inverse
# hint: You took the root of the inverse of the covariance: the draws are wide where the codes are narrow.
#- torch.cov(codes.T)
#+ torch.linalg.inv(torch.cov(codes.T))

# %% wrong: the root of each entry
# hint: You took the root of each entry of the covariance. A root of the matrix is meant: one that gives the covariance when it is multiplied by its
#   transpose.
#- torch.linalg.cholesky(covariance)
#+ covariance.abs().sqrt() * covariance.sign()

# %% wrong: the mean scaled too
# hint: You multiplied the mean as well. Only the deviation from it is stretched.
#- centre = codes.mean(0)
#+ centre = HEAT**0.5 * codes.mean(0)

# %% wrong: one mean for all numbers
# hint: Each number of a code has a mean of its own: `codes.mean(0)`, and not one mean for all.
#- centre = codes.mean(0)
#+ centre = codes.mean()

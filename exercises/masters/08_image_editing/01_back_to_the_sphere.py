# title: Back to the sphere
# chapter: 08_image_editing
# goal: scale a straight path so that its points are draws of the prior
# kind: implement
# minutes: 15
# points: 2
# difficulty: 1
# passage: Between two images
# answer: path
# returns: tensor
# tolerance: 1e-4, mean_square_of_many_points 1e-3
# removes: vae_lib.editing.slerp

# %% statement
r"""
A film goes from one draw of the prior to another. The two codes `z0` and `z1` have the shape `(n, z_dim)`. Each is distributed as
$\mathcal{N}(0, I)$, but they are not independent: in each dimension their correlation is {{CORR}}. Different dimensions are independent.

The straight path leaves the sphere. Bring it back: multiply the point $(1 - t)\, z_0 + t\, z_1$ by **one number that depends on $t$ alone**,
the same for all pairs, such that the result is distributed as $\mathcal{N}(0, I)$ for every $t$. Derive the number, and write `path(z0, z1, t)`
for one $t$ between 0 and 1.

*Check yourself first:* what must the number be at $t = 0$ and at $t = 1$?
"""

# %% draws
def draws(rng):
    return {"CORR": rng.choice([-0.6, -0.5, -0.4, 0.4, 0.5, 0.6])}

# %% given
import torch

# %% starter
def path(z0, z1, t):
    """The point at t on the straight path from z0 to z1 (n, z_dim), scaled to be a draw of N(0, I)."""
    ...

# %% solution
def path(z0, z1, t):
    """The point at t on the straight path from z0 to z1 (n, z_dim), scaled to be a draw of N(0, I)."""
    point = (1 - t) * z0 + t * z1
    variance = (1 - t) ** 2 + t**2 + 2 * t * (1 - t) * CORR
    return point / variance**0.5

# %% why
r"""
A point on the straight path is a weighted sum of two Gaussians, so it is a Gaussian with mean 0. Its variance in each dimension is

$$
v(t) = (1 - t)^2 + t^2 + 2\, t\, (1 - t) \cdot ({{CORR}}) ,
$$

because the covariance of the two codes enters twice. Divide by the root of that. It is 1 at both ends, and in the middle $v = (1 + \rho) / 2$: a
positive correlation $\rho$ leaves less to correct. With $\rho = 0$ it is $\tfrac12$: the middle of two independent draws has half of their $\lVert
z \rVert^2$ on average.

One number for all pairs is needed: each point divided by its *own* length would have a fixed length, and $\lVert z \rVert$ of a draw varies. And a
point that is divided by $c$ has its variance divided by $c^2$, so the divisor is $\sqrt{v}$ and not $v$.
"""

# %% inputs
def inputs(rng):
    return {"z0": rng.normal(4, 6), "z1": rng.normal(4, 6) + 0.3, "t": rng.uniform(0.15, 0.4), "seed": rng.integer(0, 10**6)}

# %% probe
def probe(answer, z0, z1, t, seed):
    torch.manual_seed(seed)
    one, other = torch.randn(2, 20_000, 3)
    other = CORR * one + (1 - CORR**2) ** 0.5 * other
    many = answer(one, other, t)
    return {"point": answer(z0, z1, t), "mirrored": answer(z0, z1, 1 - t), "start": answer(z0, z1, 0.0),
            "end": answer(z0, z1, 1.0), "mean_square_of_many_points": many.square().mean()}

# %% laws
def laws(seen, z0, z1, t, seed):
    yield seen["point"].shape == (4, 6), "there is one code for each pair"
    yield (seen["start"] - z0).abs().max() < 1e-4 and (seen["end"] - z1).abs().max() < 1e-4, "the path begins at z0 and ends at z1"
    yield abs(float(seen["mean_square_of_many_points"]) - 1) < 0.05, "each dimension of a point has a mean square of 1", \
        "Write down the variance of (1 − t) z0 + t z1 in one dimension, with its covariance term."

# %% right: the two weights first, in float64
def path(z0, z1, t):
    a, b = 1 - t, float(t)
    size = (a * a + 2 * CORR * a * b + b * b) ** -0.5
    return (a * size) * z0.double() + (b * size) * z1.double()

# %% right: from the covariance matrix of a pair
def path(z0, z1, t):
    weights = torch.tensor([1.0 - t, t])
    covariance = torch.tensor([[1.0, CORR], [CORR, 1.0]])
    spread = (weights @ covariance @ weights).sqrt()
    return torch.einsum("k,kbj->bj", weights, torch.stack([z0, z1])) / spread

# %% right: from the length of the difference
def path(z0, z1, t):
    return torch.lerp(z0, z1, t) * (1 - 2 * t * (1 - t) * (1 - CORR)) ** -0.5

# %% wrong: the correlation is forgotten
# hint: You scale as if the two codes were independent. The variance of a sum has a covariance term as well.
#-  + 2 * t * (1 - t) * CORR
#+

# %% wrong: the covariance counted once
# hint: The covariance stands once in your variance. In the square of a sum the mixed product stands twice.
#- 2 * t * (1 - t) * CORR
#+ t * (1 - t) * CORR

# %% wrong: divided by the variance
# hint: You divide by the variance. Dividing a draw by a number divides its variance by the square of that number.
#- point / variance**0.5
#+ point / variance

# %% wrong: multiplied in the place of divided
# hint: You multiply by the standard deviation of the point. Where the straight path is too short, that makes it shorter still.
#- point / variance**0.5
#+ point * variance**0.5

# %% wrong: the straight path
# hint: This is the straight path itself, unscaled: its points are not draws of the prior.
#- point / variance**0.5
#+ point

# %% wrong: every point set on the sphere
# hint: You give each point the length √d. Draws of the prior lie near the sphere, not on it: their lengths differ. Asked for is one number for
#   all pairs.
#- point / variance**0.5
#+ point / point.norm(dim=1, keepdim=True) * point.shape[1] ** 0.5

# %% wrong: the great circle of each pair
# hint: This is the chapter's great circle, with an angle of its own for each pair. It is not the straight path times one number.
def path(z0, z1, t):
    omega = torch.acos(torch.nn.functional.cosine_similarity(z0, z1))[:, None]
    return (torch.sin((1 - t) * omega) * z0 + torch.sin(t * omega) * z1) / torch.sin(omega)

# %% wrong: the great circle of the correlation
# hint: Your points are draws of the prior, but they do not lie where the straight path leads: its two weights have the ratio (1 − t) to t.
def path(z0, z1, t):
    omega = torch.acos(torch.tensor(CORR))
    return (torch.sin((1 - t) * omega) * z0 + torch.sin(t * omega) * z1) / torch.sin(omega)

# %% wrong: scaled as the middle
# hint: You scale every point as the middle needs it. At the ends nothing must change: the number depends on t.
#- variance = (1 - t) ** 2 + t**2 + 2 * t * (1 - t) * CORR
#+ variance = (1 + CORR) / 2

# %% wrong: the weights are exchanged
# hint: Your path runs backwards: at t = 0 it is at z1.
#- point = (1 - t) * z0 + t * z1
#+ point = t * z0 + (1 - t) * z1

# %% wrong: the covariance with the wrong sign
# hint: You take the covariance off. Codes that agree make the sum vary more, not less: that is the variance of a difference.
#-  + 2 * t * (1 - t) * CORR
#+  - 2 * t * (1 - t) * CORR

# %% wrong: scaled by what these codes show
# hint: You estimate the number from the codes that you are given. Then it depends on them: derive it from the distribution of a pair.
#- point / variance**0.5
#+ point / point.std()

# %% wrong: square roots as weights
# hint: Weights √(1 − t) and √t leave the straight path, and their squares add up to 1 only where the two codes are independent. Keep (1 −
#   t) z0 + t z1, and divide it by the root of its variance, with the covariance in it.
def path(z0, z1, t):
    return (1 - t) ** 0.5 * z0 + t**0.5 * z1

# title: A slope may be small
# chapter: 10_vae_and_gan
# goal: write a penalty on slopes that a critic can learn from
# kind: implement
# minutes: 25
# points: 3
# difficulty: 3
# passage: From the library: the same game, and WGAN-GP
# answer: penalty
# returns: tensor
# tolerance: 1e-3
# removes: vae_lib.gan.gradient_penalty

# %% statement
r"""
{eq}`eq-gan-wasserstein` asks for slopes of *at most* 1, and the chapter's penalty wants them to *be* 1. Here a slope that is small costs nothing. With
$\tilde x_i = t_i\, x_i + (1 - t_i)\, g(z_i)$, a bound of {{BOUND}} and a batch of $n$ images,

$$
\frac{ {{WEIGHT}} }{n} \sum_i \big(\max(0,\; \lVert \nabla D(\tilde x_i) \rVert - {{BOUND}})\big)^2 .
$$

Write `penalty(critic, real, fake, t)`: this number. `real` and `fake` are `(n, channels, height, width)`, `t` is `(n,)`, and `critic` turns a batch of images into
`(n,)`. The norm of an image's slope goes over all its pixels. The number is added to the loss of the critic, so its own gradient must reach the critic's weights.

`vae_lib.gan.gradient_penalty` will not do: write the lines with `torch.autograd.grad`.
"""

# %% draws
def draws(rng):
    return {"WEIGHT": rng.choice([3, 5, 8]), "BOUND": rng.choice([0.8, 1.2, 1.4])}

# %% given
import torch

# %% starter
def penalty(critic, real, fake, t):
    """The one-sided penalty on the slopes of a critic between real and drawn images: one number."""
    ...

# %% solution
def penalty(critic, real, fake, t):
    """The one-sided penalty on the slopes of a critic between real and drawn images: one number."""
    t = t[:, None, None, None]
    between = (t * real + (1 - t) * fake).requires_grad_()
    slopes, = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    lengths = slopes.flatten(1).norm(dim=1)
    return WEIGHT * (lengths - BOUND).clamp(min=0).square().mean()

# %% why
r"""
Each output of the critic depends on its own image alone (batch normalisation would end that), so the gradient of the *sum* of all outputs holds each
image's own slope: one call for the whole batch. The norm goes over all pixels of an image. The slope itself depends on the critic's weights, and
`create_graph=True` keeps that dependence; without it the penalty is a number that teaches nothing. The excess is cut off at 0 *before* it is
squared: squared first, a slope that is below the bound would cost as much as one that is above it by the same amount.

A critic that is constant costs nothing here, as the constraint allows it; the chapter's penalty charges it its full weight. Both penalties look only
at the points $\tilde x_i$ of the batch. Steep slopes cost there; elsewhere nothing is promised.
"""

# %% inputs
def inputs(rng):
    return {"real": rng.normal(8, 2, 3, 4), "fake": 0.5 * rng.normal(8, 2, 3, 4), "t": rng.uniform(0.05, 0.45, 8),
            "weights": 0.6 * rng.normal(24, 6), "top": 1.6 * rng.normal(6), "plane": rng.normal(24)}

# %% probe
def probe(answer, real, fake, t, weights, top, plane):
    weights, top = weights.requires_grad_(), top.requires_grad_()
    value = answer(lambda x: torch.tanh(x.flatten(1) @ weights) @ top, real, fake, t)
    of_weights, of_top = gradients(value, weights, top)
    steep, flat = (1 + BOUND) * plane / plane.norm(), 0.5 * BOUND * plane / plane.norm()
    return {"value": value, "gradient_of_the_weights": of_weights, "gradient_of_the_last_weights": of_top,
            "value_of_a_steep_plane": answer(lambda x: x.flatten(1) @ steep, real, fake, t),
            "value_of_a_flat_plane": answer(lambda x: x.flatten(1) @ flat, real, fake, t),
            "value_of_a_plane_with_a_bend": answer(lambda x: torch.relu(x.flatten(1) @ steep), real, fake, t)}

# %% laws
def laws(seen, real, fake, t, weights, top, plane):
    yield seen["value"].shape == (), "there is one number for the batch"
    yield seen["value"] >= -1e-6, "a penalty is not negative"
    yield abs(seen["value_of_a_flat_plane"]) < 1e-4, "a critic with a slope below the bound pays nothing"
    yield abs(seen["value_of_a_steep_plane"] - WEIGHT) < 1e-2, \
        "a linear critic whose slope is 1 above the bound pays the weight, whatever the images are"

# %% right: image by image
def penalty(critic, real, fake, t):
    total = 0.0
    for x, g, share in zip(real, fake, t):
        between = torch.lerp(g, x, share)[None].requires_grad_()
        slope = torch.autograd.grad(critic(between)[0], between, create_graph=True)[0]
        total = total + torch.relu(slope.square().sum().sqrt() - BOUND) ** 2
    return total * WEIGHT / len(real)

# %% right: with torch.func
def penalty(critic, real, fake, t):
    between = fake + t.view(-1, 1, 1, 1) * (real - fake)
    slopes = torch.func.vmap(torch.func.grad(lambda x: critic(x[None])[0]))(between)
    above = torch.linalg.vector_norm(slopes, dim=(1, 2, 3)) - BOUND
    return torch.where(above > 0, WEIGHT * above**2, torch.zeros_like(above)).mean()

# %% right: from the rows of the whole matrix of derivatives, float64 at the end
def penalty(critic, real, fake, t):
    between = torch.stack([a * x + (1 - a) * g for x, g, a in zip(real, fake, t)])
    rows = torch.autograd.functional.jacobian(critic, between, create_graph=True)
    own = torch.stack([rows[k, k].flatten() for k in range(len(real))]).double()
    return WEIGHT * torch.clamp((own * own).sum(1).sqrt(), min=BOUND).sub(BOUND).pow(2).mean()

# %% wrong: slopes below the bound pay too
# hint: Slopes below the bound pay as well: this is the chapter's penalty with another bound. Cut the difference off at 0 before you square it.
#- (lengths - BOUND).clamp(min=0)
#+ (lengths - BOUND)

# %% wrong: the square of the length
# hint: You hold the *squared* length of the slope against the bound. Take the root first.
#- .norm(dim=1)
#+ .square().sum(1)

# %% wrong: one length for the whole batch
# hint: You took one length for the slopes of all images together. Each image has a slope of its own; the mean over images comes last.
#- slopes.flatten(1).norm(dim=1)
#+ slopes.norm()

# %% wrong: the length of each row of pixels
# hint: Your lengths go over the last dimension alone, one for each row of pixels. An image's slope has all its pixels as coordinates.
#- slopes.flatten(1).norm(dim=1)
#+ slopes.norm(dim=-1)

# %% wrong: the graph of the slopes is not kept
# hint: Nothing of your penalty reaches the critic's weights. If its value is right, the derivative was made without a graph of its own: look up
#   what `create_graph` does.
#- , create_graph=True
#+

# %% wrong: at the real images
# hint: You took the slopes at the real images. The penalty looks between them and the drawn ones.
#- (t * real + (1 - t) * fake)
#+ (t * real + (1 - t) * real)

# %% wrong: at the drawn images
# hint: You took the slopes at the drawn images. The penalty looks between them and the real ones.
#- (t * real + (1 - t) * fake)
#+ (t * fake + (1 - t) * fake)

# %% wrong: the shares are exchanged
# hint: Your points lie between, but with the two shares exchanged: t is the share of the *real* image.
#- (t * real + (1 - t) * fake)
#+ ((1 - t) * real + t * fake)

# %% wrong: one share for the whole batch
# hint: All your points have the same share. Each image has its own t.
#- t = t[:, None, None, None]
#+ t = t.mean()

# %% wrong: the mean of the critic
# hint: Your slopes are those of the batch's *mean* value, so each is n times too small. Add the values up: an image's value depends on that image alone.
#- critic(between).sum()
#+ critic(between).mean()

# %% wrong: the sum over the batch
# hint: You added the penalties of the images up. The formula takes their mean.
#- .clamp(min=0).square().mean()
#+ .clamp(min=0).square().sum()

# %% wrong: not squared
# hint: What stands above the bound is not squared.
#- .clamp(min=0).square().mean()
#+ .clamp(min=0).mean()

# %% wrong: the mean before the bound
# hint: You averaged the lengths first and held the mean against the bound. Then flat images pay for steep ones: bound each image's slope.
#- (lengths - BOUND).clamp(min=0).square().mean()
#+ (lengths.mean() - BOUND).clamp(min=0).square()

# %% wrong: the weight is missing
# hint: The weight in front of the sum is missing.
#- WEIGHT * (lengths
#+ (lengths

# %% wrong: squares cut off, not lengths
# hint: You compare the square of the length with the square of the bound. The formula squares the difference of length and bound.
#- (lengths - BOUND).clamp(min=0).square().mean()
#+ (lengths.square() - BOUND**2).clamp(min=0).mean()

# %% wrong: the mean over those that pay
# hint: You average over the images that pay. The mean is one over all images: those below the bound count with 0.
#- return WEIGHT * (lengths - BOUND).clamp(min=0).square().mean()
#+ over = (lengths - BOUND).clamp(min=0)
#+     return WEIGHT * over.square().sum() / (over > 0).sum().clamp(min=1)

# %% wrong: the bound of the chapter
# hint: Your bound is 1, as in the chapter. Here it is `BOUND`.
#- (lengths - BOUND)
#+ (lengths - 1)

# %% wrong: nothing taken off
# hint: A slope above the bound pays for all of its length in your penalty. It pays for what is above the bound: take the bound off first.
#- (lengths - BOUND).clamp(min=0).square().mean()
#+ (lengths.square() * (lengths > BOUND)).mean()

# %% wrong: each pixel against the bound
# hint: You hold each pixel's slope against the bound. What is bounded is the length of an image's slope: the root of the sum of the squares of all its pixels.
#- lengths = slopes.flatten(1).norm(dim=1)
#+ lengths = slopes.flatten(1).abs()
#- .clamp(min=0).square().mean()
#+ .clamp(min=0).square().sum(1).mean()

# %% wrong: the sum of the absolute slopes
# hint: Your length adds up absolute values. The length of a slope is the root of the sum of squares.
#- .norm(dim=1)
#+ .abs().sum(1)

# %% wrong: one length, divided by the number of images
# hint: You took one length for the slopes of the whole batch and divided in the end. Each image has a slope and a penalty of its own.
#- lengths = slopes.flatten(1).norm(dim=1)
#+ lengths = slopes.norm()
#- .clamp(min=0).square().mean()
#+ .clamp(min=0).square() / len(real)

# %% wrong: a length for each pixel
# hint: Your lengths go over the channels alone: each pixel has one. An image's slope has all its numbers as coordinates.
#- slopes.flatten(1).norm(dim=1)
#+ slopes.norm(dim=1)

# %% wrong: slopes below the bound are punished
# hint: You punish slopes *below* the bound. Those cost nothing here: the excess is the length less the bound.
#- lengths - BOUND
#+ BOUND - lengths

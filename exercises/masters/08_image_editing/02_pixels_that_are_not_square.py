# title: Pixels that are not square
# chapter: 08_image_editing
# goal: measure slant and width from moments, in millimetres
# kind: implement
# minutes: 20
# points: 2
# difficulty: 2
# passage: An attribute, measured in pixels
# answer: lean_and_width
# returns: tensor, tensor
# tolerance: 3e-4
# removes: vae_lib.strokes.slant, vae_lib.strokes.width, vae_lib.strokes.measure, vae_lib.strokes._moments

# %% statement
r"""
A scanner for cheques has pixels that are {{TALL}} mm tall and {{WIDE}} mm wide. Write `lean_and_width(ink)` for its images `ink`, of shape
`(n, rows, columns)`, with the top row first. It gives two tensors of shape `(n,)`:

- the slant in degrees, positive to the right, as it looks on *paper*;
- the width in millimetres of the digit set upright, $\sqrt{12\, v}$, where $v$ is what the slant leaves to the variance of $\xi$:
  $v = \mathrm{Var}[\xi] - \operatorname{Cov}(\xi, \eta)^2 / \mathrm{Var}[\eta]$.

Here $\xi$ and $\eta$ are places on paper, in millimetres. The ink of a pixel is spread evenly over its whole area, which gives a pixel a variance of
its own.

*Check yourself first:* an upright bar of three columns must have the width of three pixels.
"""

# %% draws
def draws(rng):
    tall, wide = rng.choice([(0.5, 0.25), (0.4, 0.25), (0.25, 0.5), (0.3, 0.5), (0.5, 0.2)])
    return {"TALL": tall, "WIDE": wide}

# %% given
import torch

# %% starter
def lean_and_width(ink):
    """Slant in degrees and width in mm of images (n, rows, columns), each (n,)."""
    ...

# %% solution
def lean_and_width(ink):
    """Slant in degrees and width in mm of images (n, rows, columns), each (n,)."""
    share = ink / ink.sum((1, 2), keepdim=True)
    xi = WIDE * torch.arange(ink.shape[2])
    eta = TALL * torch.arange(ink.shape[1]).flip(0)
    xi = xi - (share.sum(1) * xi).sum(1, keepdim=True)
    eta = eta - (share.sum(2) * eta).sum(1, keepdim=True)
    var_xi = (share.sum(1) * xi.square()).sum(1) + WIDE**2 / 12
    var_eta = (share.sum(2) * eta.square()).sum(1) + TALL**2 / 12
    cov = (share * eta[:, :, None] * xi[:, None, :]).sum((1, 2))
    left = var_xi - cov.square() / var_eta
    return torch.atan2(cov, var_eta).rad2deg(), (12 * left).sqrt()

# %% why
r"""
Turn places into millimetres first: column times {{WIDE}}, row times {{TALL}}, with rows counted from below. The rest is the chapter's. The slant's
tangent is the slope of the line of $\xi$ on $\eta$, $\operatorname{Cov}(\xi, \eta) / \mathrm{Var}[\eta]$. Measured in pixels, the tangent still
lacks the factor {{WIDE}} / {{TALL}}, and the width the factor {{WIDE}}. The factor belongs to the tangent, before the angle is taken: an angle is
no multiple of its tangent.

Ink that is spread evenly over a pixel of width $h$ has the variance $h^2 / 12$ within it. That comes on top of both variances, and not of the
covariance: within a pixel height and width do not depend on each other. Three columns of ink then have $h^2 (\tfrac23 + \tfrac1{12}) =
\tfrac{9}{12} h^2$, and $\sqrt{12\, v} = 3h$, as it should be.
"""

# %% inputs
def inputs(rng):
    return {"grain": rng.uniform(0, 1, 4, 9, 8), "steps": rng.uniform(0.3, 0.8, 4), "side": rng.choice([-1.0, 1.0])}

# %% probe
def probe(answer, grain, steps, side):
    row, column = torch.arange(9.0)[:, None], torch.arange(8.0)
    middle = 3.5 - side * steps[:, None, None] * (row - 4)
    ink = grain * torch.exp(-(column - middle).square() / 3)
    slant, width = answer(ink)
    mirrored, same = answer(ink.flip(2))
    bar = torch.zeros(1, 9, 8)
    bar[:, 2:8, 3:6] = 0.7
    bar_slant, bar_width = answer(bar)
    return {"slant": slant / 10, "width": width, "mirrored_slant": mirrored / 10, "mirrored_width": same,
            "slant_of_a_bar": bar_slant / 10, "width_of_a_bar": bar_width}

# %% laws
def laws(seen, grain, steps, side):
    yield seen["slant"].shape == (4,) and seen["width"].shape == (4,), "there is one slant and one width for each image"
    yield (side * seen["slant"] > 0).all(), "a digit whose upper ink lies to the right has a positive slant"
    yield (seen["slant"] + seen["mirrored_slant"]).abs().max() < 1e-3, "a mirror image leans as far to the other side"
    yield (seen["width_of_a_bar"] - 3 * WIDE).abs().max() < 1e-3, "an upright bar of three columns is three pixels wide", \
        "Work the bar out by hand: Var[ξ] of its three columns with their own width in it, no covariance, then √(12 v). Which of these differs?"

# %% right: by lists of points, in float64
def lean_and_width(ink):
    n, rows, columns = ink.shape
    weight = ink.double().flatten(1) / ink.double().flatten(1).sum(1, keepdim=True)
    right, down = torch.meshgrid(torch.arange(columns).double() * WIDE, torch.arange(rows).double() * TALL, indexing="xy")
    place = torch.stack([right.flatten(), -down.flatten()])
    off = place - (weight @ place.T)[:, :, None]
    second = torch.einsum("np,nip,njp->nij", weight, off, off) + torch.diag(torch.tensor([WIDE**2, TALL**2]).double() / 12)
    slope = second[:, 0, 1] / second[:, 1, 1]
    return torch.rad2deg(torch.atan(slope)), (12 * (second[:, 0, 0] - slope * second[:, 0, 1])) ** 0.5

# %% right: image by image, with means of products
def lean_and_width(ink):
    found = []
    for one in ink.double():
        one = one / one.sum()
        x = (torch.arange(one.shape[1]) + 0.5) * WIDE
        y = (one.shape[0] - torch.arange(one.shape[0]) - 0.5) * TALL
        across, up = one.sum(0), one.sum(1)
        mean_x, mean_y = across @ x.double(), up @ y.double()
        xx = across @ x.double() ** 2 - mean_x**2 + WIDE**2 / 12
        yy = up @ y.double() ** 2 - mean_y**2 + TALL**2 / 12
        xy = y.double() @ one @ x.double() - mean_x * mean_y
        found.append([torch.atan2(xy, yy) * 180 / torch.pi, (12 * xx - 12 * xy**2 / yy).sqrt()])
    slants, widths = zip(*found)
    return torch.stack(slants), torch.stack(widths)

# %% wrong: the line the other way round
# hint: You fitted the line of the height on the place across. The slant asks how far the ink moves across for each millimetre upwards: divide by
#   the variance of η.
#- torch.atan2(cov, var_eta)
#+ torch.atan2(cov, var_xi)

# %% wrong: heights counted downwards
# hint: The slant has the wrong sign: row 0 is the top one, and η is counted upwards.
#- torch.arange(ink.shape[1]).flip(0)
#+ torch.arange(ink.shape[1])

# %% wrong: square pixels
# hint: You measure both directions with the width of a pixel. These pixels are not square: a step from row to row has another length on paper.
#- eta = TALL * torch.arange
#+ eta = WIDE * torch.arange
#- TALL**2 / 12
#+ WIDE**2 / 12

# %% wrong: measured in pixels
# hint: You measure in pixels, as the chapter does. Here ξ and η are places on paper: a column is not as wide as a row is tall.
#- xi = WIDE * torch.arange
#+ xi = 1.0 * torch.arange
#- eta = TALL * torch.arange
#+ eta = 1.0 * torch.arange
#- + WIDE**2 / 12
#+ + 1 / 12
#- + TALL**2 / 12
#+ + 1 / 12

# %% wrong: a pixel taken for a point
# hint: The pixel's own variance is missing: you put all of its ink into its middle, and a bar of one column has no width.
#-  + WIDE**2 / 12
#+
#-  + TALL**2 / 12
#+

# %% wrong: the variance of a pixel of side one
# hint: You add 1/12 to both variances. That is a pixel of side 1; here the sides are in millimetres, and a variance goes with their square.
#- + WIDE**2 / 12
#+ + 1 / 12
#- + TALL**2 / 12
#+ + 1 / 12

# %% wrong: radians
# hint: The slant is in radians. Asked for are degrees.
#- .rad2deg()
#+

# %% wrong: the width of the leaning digit
# hint: Your width is that of the digit as it stands. Take off what the slant explains of the variance of ξ: the digit is set upright first.
#- left = var_xi - cov.square() / var_eta
#+ left = var_xi

# %% wrong: a standard deviation for a width
# hint: You gave the standard deviation of ξ. A bar's width is √12 times that.
#- (12 * left).sqrt()
#+ left.sqrt()

# %% wrong: measured from the middle of the image
# hint: You measure from the middle of the image. A digit that stands off the middle then looks wider: take the mean of its ink off.
#- xi = xi - (share.sum(1) * xi).sum(1, keepdim=True)
#+ xi = (xi - xi.float().mean()).expand(len(ink), -1)
#- eta = eta - (share.sum(2) * eta).sum(1, keepdim=True)
#+ eta = (eta - eta.float().mean()).expand(len(ink), -1)

# %% wrong: an angle for a slope
# hint: You read the slope as an angle. The slope is the tangent of the slant.
#- torch.atan2(cov, var_eta).rad2deg()
#+ (cov / var_eta).rad2deg()

# %% wrong: the sides exchanged
# hint: You exchanged the sides of a pixel: columns are as far apart as a pixel is wide, rows as far as it is tall.
#- xi = WIDE * torch.arange
#+ xi = TALL * torch.arange
#- eta = TALL * torch.arange
#+ eta = WIDE * torch.arange
#- xi.square()).sum(1) + WIDE**2 / 12
#+ xi.square()).sum(1) + TALL**2 / 12
#- eta.square()).sum(1) + TALL**2 / 12
#+ eta.square()).sum(1) + WIDE**2 / 12

# %% wrong: the ink is no weight
# hint: The ink of an image does not add up to 1. Moments are weighted averages: divide by the ink of the image first.
#- share = ink / ink.sum((1, 2), keepdim=True)
#+ share = ink

# %% wrong: divided by the ink of all images
# hint: You divide by the ink of all images together. Each image has weights of its own, and they add up to 1.
#- share = ink / ink.sum((1, 2), keepdim=True)
#+ share = ink / ink.sum()

# %% wrong: the explained part is added
# hint: The part of the variance that the slant explains is added. Setting the digit upright takes it off.
#- left = var_xi - cov.square() / var_eta
#+ left = var_xi + cov.square() / var_eta

# %% wrong: a correlation for a slope
# hint: You made an angle of the correlation. The slant is the angle of a line, whose slope is the covariance over the variance of η.
#- torch.atan2(cov, var_eta)
#+ torch.asin(cov / (var_xi * var_eta).sqrt())

# %% wrong: the height of a pixel forgotten
# hint: The variance of η lacks the pixel's own, TALL²/12: the ink of a pixel is spread over its height too.
#-  + TALL**2 / 12
#+

# %% wrong: a slope and no angle
# hint: Your slant is the slope Cov / Var[η]. Its arctangent is the angle; give that in degrees.
#- torch.atan2(cov, var_eta).rad2deg()
#+ cov / var_eta

# %% wrong: how tall in place of how wide
# hint: The slant is right. Your second number is made from what the slant leaves of the variance of η, the height. The width is what is
#   left of Var[ξ].
#- left = var_xi - cov.square() / var_eta
#+ left = var_eta - cov.square() / var_xi

# %% wrong: a covariance not squared
# hint: In v the covariance is not squared: what the slant explains of Var[ξ] is Cov² / Var[η]. As it stands, v can even be negative.
#- cov.square() / var_eta
#+ cov / var_eta

# %% wrong: the two in the other order
# hint: Slant and width are in each other's place: the slant comes first.
#- return torch.atan2(cov, var_eta).rad2deg(), (12 * left).sqrt()
#+ return (12 * left).sqrt(), torch.atan2(cov, var_eta).rad2deg()

# %% wrong: the angle to the line
# hint: Your angle is that to the horizontal. The slant is the angle to the vertical: an upright digit has 0.
#- torch.atan2(cov, var_eta).rad2deg()
#+ 90 - torch.atan2(cov, var_eta).rad2deg()

# %% wrong: a side that is not squared
# hint: You divide the side of a pixel by 12. The variance of ink that is spread evenly over a side is its square over 12.
#- WIDE**2 / 12
#+ WIDE / 12
#- TALL**2 / 12
#+ TALL / 12

# %% wrong: the width across the stroke
# hint: The slant is right. Your width is multiplied by the cosine of the slant. Setting a digit upright pushes its rows sideways: take Cov²
#   / Var[η] off Var[ξ].
#- left = var_xi - cov.square() / var_eta
#+ left = var_xi * torch.atan2(cov, var_eta).cos().square()

# %% wrong: ink squared
# hint: You square the ink before you weigh by it. A pixel with half the ink counts half.
#- share = ink / ink.sum((1, 2), keepdim=True)
#+ share = ink.square() / ink.square().sum((1, 2), keepdim=True)

# %% wrong: ink cut at a threshold
# hint: You make the ink black or white before you measure. Grey counts by how grey it is: the weights are the ink itself.
#- share = ink / ink.sum((1, 2), keepdim=True)
#+ ink = (ink > 0.5 * ink.amax((1, 2), keepdim=True)).to(ink.dtype)
#+     share = ink / ink.sum((1, 2), keepdim=True)

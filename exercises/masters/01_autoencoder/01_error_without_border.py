# title: An error that leaves out the border
# chapter: 01_autoencoder
# goal: write a squared error with the sum and the mean in the right places
# kind: implement
# minutes: 8
# points: 1
# difficulty: 1
# passage: What compression loses
# answer: inner_error
# returns: tensor
# removes: vae_lib.autoencoder.squared_error

# %% statement
r"""
The outer {{BORDER}} rows and columns of a scan are dirt, and nobody cares how they come back. Write
`inner_error(x, x_hat)`: the squared error of each image as in {eq}`eq-ae-error`, but without the {{BORDER}} pixels at
each of the four edges. Both arguments have the shape `(batch, 1, height, width)`. Give one number for each image, in squared
grey values, summed over the pixels that count.
"""

# %% draws
def draws(rng):
    return {"BORDER": rng.choice([1, 2, 3, 4])}

# %% given
import torch

# %% starter
def inner_error(x, x_hat):
    """Squared error of each image without its border, (batch,)."""
    ...

# %% solution
def inner_error(x, x_hat):
    """Squared error of each image without its border, (batch,)."""
    inside = slice(BORDER, -BORDER)
    difference = (x - x_hat)[:, :, inside, inside]
    return difference.square().sum(dim=(1, 2, 3))

# %% why
r"""
The difference of two images has the same shape as they have, so cut the edges off it once: a slice from {{BORDER}} to $-{{BORDER}}$ in each of the
last two dimensions. Then sum the squares over everything but the batch.

The sum is taken over the pixels that count, and not their mean. A mean would be in another unit, and would change with the number of pixels even if
the errors did not. The same holds for a border that is set to 0 in both images: it adds nothing to a sum, and it does lower a mean.
"""

# %% inputs
def inputs(rng):
    return {"x": rng.uniform(0, 1, 4, 1, 12, 14), "x_hat": rng.uniform(0, 1, 4, 1, 12, 14)}

# %% probe
def probe(answer, x, x_hat):
    dots = torch.eye(12 * 14).reshape(-1, 1, 12, 14)  # one image for each pixel, which is 1 there and 0 elsewhere
    return {"error": answer(x, x_hat), "error_of_a_perfect_copy": answer(x, x.clone()),
            "pixels_that_count": answer(torch.zeros_like(dots), dots)}

# %% laws
def laws(seen, x, x_hat):
    yield seen["error"].shape == (4,), "there is one number for each image"
    yield (seen["error"] >= 0).all(), "a squared error is never negative"
    yield seen["error_of_a_perfect_copy"].abs().max() < 1e-6, "a perfect copy has no error"
    dots = seen["pixels_that_count"]
    if (dots - dots[0]).abs().max() < 1e-6 < dots[0].abs():
        yield False, "each image has its own number", "Images that differ get the same number: what is averaged over the images that should not be?"
        return
    counts = dots.reshape(12, 14).abs() > 1e-6
    inside = torch.zeros(12, 14, dtype=torch.bool)
    inside[BORDER:-BORDER, BORDER:-BORDER] = True
    middle = counts[BORDER:-BORDER, BORDER:-BORDER]
    edges = {"the first rows": counts[:BORDER, BORDER:-BORDER], "the last rows": counts[-BORDER:, BORDER:-BORDER],
             "the first columns": counts[BORDER:-BORDER, :BORDER], "the last columns": counts[BORDER:-BORDER, -BORDER:]}
    kept = [name for name, edge in edges.items() if edge.any()]
    dirty = f"What still counts of the border: {', '.join(kept)}. Compare with the number of rows and columns to leave out." \
        if kept else "The corners are taken off twice: they belong to two edges each."
    if not middle.any():
        dirty = "Yours counts the border and leaves out the inside."
    yield not counts[~inside].any(), "dirt anywhere on the border changes nothing", dirty
    lost = [name for name, line in (("row", middle.any(1)), ("column", middle.any(0))) if not line.all()]
    yield middle.all(), "each pixel inside counts", "No pixel counts at all: more is left out than there is." if not counts.any() else \
        "" if not middle.any() else \
        f"Too much is left out: a {' and a '.join(lost)} inside the border does not count." if lost else "Some pixels inside are left out."

# %% right: with a mask
def inner_error(x, x_hat):
    mask = torch.zeros(x.shape[2:])
    mask[BORDER:-BORDER, BORDER:-BORDER] = 1
    return ((x - x_hat) ** 2 * mask).flatten(1).sum(1)

# %% right: image by image, in float64
def inner_error(x, x_hat):
    height, width = x.shape[2:]
    rows = []
    for a, b in zip(x.double(), x_hat.double()):
        d = a[0, BORDER:height - BORDER, BORDER:width - BORDER] - b[0, BORDER:height - BORDER, BORDER:width - BORDER]
        rows.append(torch.linalg.norm(d) ** 2)
    return torch.stack(rows)

# %% wrong: mean over the pixels
# hint: You average over the pixels. In the chapter's error the pixels of an image are summed; only images are averaged.
#- .sum(dim=
#+ .mean(dim=

# %% wrong: the border counts
# hint: This is the error of the whole image. The border is to be left out.
#- [:, :, inside, inside]
#+

# %% wrong: a distance and no square
# hint: You took the root: this is the distance. The chapter's error is the squared distance.
#- return difference.square().sum(dim=(1, 2, 3))
#+ return (difference.square().sum(dim=(1, 2, 3)) + 1e-12).sqrt()

# %% wrong: absolute differences
# hint: You summed the absolute differences. They are to be squared.
#- .square()
#+ .abs()

# %% wrong: two edges of four
# hint: Your slice cuts the beginning of rows and columns and keeps their end: `[a:]` runs to the end, and so does `[a:25]` of an image that is
#   smaller than 28 × 28. `[a:-a]` fits any size.
#- slice(BORDER, -BORDER)
#+ slice(BORDER, None)

# %% wrong: one column too many
# hint: One row and one column too many are left out at the end of the image: check which pixels a slice such as `[a:-a]` keeps.
#- slice(BORDER, -BORDER)
#+ slice(BORDER, -BORDER - 1)

# %% wrong: rows only
# hint: You left out rows and kept all columns. Height and width are the last two dimensions of `x`; both have a border.
#- [:, :, inside, inside]
#+ [:, :, inside]

# %% wrong: summed before the square
# hint: You sum the differences and square the sum, so that positive and negative ones cancel. Square the difference of each pixel, then
#   sum.
#- difference.square().sum(dim=(1, 2, 3))
#+ difference.sum(dim=(1, 2, 3)).square()

# %% wrong: the difference of the squares
# hint: You took the difference of the squares, x² − x̂². Asked for is the square of the difference.
#- difference = (x - x_hat)
#+ difference = (x.square() - x_hat.square())
#- difference.square().sum
#+ difference.sum

# %% wrong: the border of one alone
# hint: You cleared the border of `x` and kept that of `x_hat`. Leave the border out of the difference, or out of both.
def inner_error(x, x_hat):
    cleared = torch.zeros_like(x)
    cleared[:, :, BORDER:-BORDER, BORDER:-BORDER] = x[:, :, BORDER:-BORDER, BORDER:-BORDER]
    return (cleared - x_hat).square().sum(dim=(1, 2, 3))

# %% wrong: half of the square
# hint: Every value is half of what it should be. The chapter's squared error has no ½.
#- return difference
#+ return 0.5 * difference

# %% wrong: divided by the number of images
# hint: Each image's error is divided by the number of images. That mean is for one number over all images; here each keeps its own.
#- .sum(dim=(1, 2, 3))
#+ .sum(dim=(1, 2, 3)) / len(x)

# %% wrong: the mean of the images for each
# hint: Every image gets the mean error of all. Each keeps its own number.
#- return difference.square().sum(dim=(1, 2, 3))
#+ return difference.square().sum(dim=(1, 2, 3)).mean().expand(len(x))

# %% wrong: divided by all pixels
# hint: The sum is divided by the number of pixels of the whole image. The chapter's error of an image is a sum, divided by nothing.
#- .sum(dim=(1, 2, 3))
#+ .sum(dim=(1, 2, 3)) / x[0].numel()

# %% wrong: scaled up to the whole image
# hint: You took the mean over the inside and multiplied it by the number of pixels of the whole image. Only the pixels inside are summed.
#- .sum(dim=(1, 2, 3))
#+ .mean(dim=(1, 2, 3)) * x[0].numel()

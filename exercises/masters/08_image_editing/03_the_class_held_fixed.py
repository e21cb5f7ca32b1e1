# title: The class held fixed
# chapter: 08_image_editing
# goal: find the direction of an attribute that does not carry the class along
# kind: implement
# minutes: 20
# points: 3
# difficulty: 2
# passage: The direction of an attribute
# answer: within
# returns: tensor
# tolerance: 4e-4
# removes: vae_lib.editing.attribute_vectors

# %% statement
r"""
Ones are narrow: 4 pixels on average, where zeros have 16 (10,000 training images). So the direction that goes with width in the whole data set also
leads away from the ones, and the chapter saw what comes of it: digits that are made narrower become ones. Give every class a mean code of its own,
and one common direction to all of them:

$$z \approx m_c + y\, \Delta \qquad \text{for an image of class } c .$$

Write `within(z, y, labels)`: the least-squares $\Delta$, the change of the code per unit of $y$, of shape `(z_dim,)`, for codes `z` of shape `(n, z_dim)`, one attribute `y` of shape
`(n,)` and `labels` from 0 to `CLASSES` − 1 ({{CLASSES}} classes) of shape `(n,)`. The $m_c$ are fitted too, and not returned. Each class has at least two images; the classes
are not of the same size.
"""

# %% draws
def draws(rng):
    return {"CLASSES": rng.choice([3, 4, 5, 6])}

# %% given
import torch

# %% starter
def within(z, y, labels):
    """How the code changes with the attribute y, the class held fixed: (z_dim,), per unit of y."""
    ...

# %% solution
def within(z, y, labels):
    """How the code changes with the attribute y, the class held fixed: (z_dim,), per unit of y."""
    member = torch.nn.functional.one_hot(labels, CLASSES).to(z.dtype)
    share = member / member.sum(0)
    z_off = z - (share.T @ z)[labels]
    y_off = y - (share.T @ y)[labels]
    return y_off @ z_off / y_off.square().sum()

# %% why
r"""
For any $\Delta$ the best $m_c$ is what makes the errors of class $c$ average to zero: $m_c = \bar z_c - \bar y_c\, \Delta$. Put in, it leaves a
line through zero, $z - \bar z_c \approx (y - \bar y_c)\, \Delta$, with the least-squares slope

$$
\Delta = \frac{\sum_n (y_n - \bar y_{c_n})\, (z_n - \bar z_{c_n})}{\sum_n (y_n - \bar y_{c_n})^2} .
$$

Both sums run over all images. The average of one slope for each class would trust a class of two images as much as one of thousands. It is enough
to centre $y$: the mean of a class drops out of the numerator then. To centre $z$ alone is not: the differences of $y$ *between* classes stay in the
denominator. They are what should be held fixed.
"""

# %% inputs
def inputs(rng):
    labels = [*range(CLASSES), *range(CLASSES), *(rng.integer(0, CLASSES - 1) for _ in range(9)), 0, 0, 0, 1, 1]
    labels = rng.sample(labels, len(labels))
    scale = [1.0, 0.4, *(rng.uniform(0.5, 2) for _ in range(CLASSES - 2))]
    n = len(labels)
    return {"z": rng.normal(n, 4) + 0.5, "y": 12 + 2 * rng.normal(n) * torch.tensor([scale[k] for k in labels]),
            "labels": torch.tensor(labels), "centres": rng.normal(CLASSES, 4), "lean": rng.normal(CLASSES),
            "direction": rng.normal(4) / 3, "noise": rng.normal(n, 4)}

# %% probe
def probe(answer, z, y, labels, centres, lean, direction, noise):
    y = y + lean[labels]
    z = z + centres[labels] + y[:, None] * direction
    member = torch.nn.functional.one_hot(labels, CLASSES).to(z.dtype)
    off, rest = (one - (member / member.sum(0)).T.mm(one)[labels] for one in (y[:, None], noise))
    rest = rest - off * (off * rest).sum(0) / off.square().sum()  # scatter that has nothing to do with y
    exact = centres[labels] + y[:, None] * direction + rest
    return {"direction": answer(z, y, labels), "direction_of_an_exact_line": answer(exact, y, labels),
            "direction_with_other_class_means": answer(z + 2 * centres.flip(0)[labels], y, labels),
            "direction_in_double_units": 2 * answer(z, 2 * y, labels)}

# %% laws
def laws(seen, z, y, labels, centres, lean, direction, noise):
    yield seen["direction"].shape == (4,), "there is one number for each dimension of the code"
    yield (seen["direction_of_an_exact_line"] - direction).abs().max() < 1e-3, "where the codes scatter about such lines, and not with y, the direction of the lines comes out"
    yield (seen["direction"] - seen["direction_with_other_class_means"]).abs().max() < 1e-3, \
        "a vector that is added to all codes of a class changes nothing"
    yield (seen["direction"] - seen["direction_in_double_units"]).abs().max() < 1e-3, \
        "measured in a unit half as large, the attribute moves the code half as far for each unit", \
        "Your vector does not depend on the unit of `y`, as the step for one standard deviation does not. Asked for is the step per unit of `y`." \
        if (seen["direction_in_double_units"] - 2 * seen["direction"]).abs().max() < 1e-3 * (1 + seen["direction"].abs().max()) else ""

# %% right: by least squares with a column for each class
def within(z, y, labels):
    design = torch.cat([y[:, None].double(), (labels[:, None] == torch.arange(CLASSES)).double()], 1)
    return torch.linalg.lstsq(design, z.double()).solution[0].to(z.dtype)

# %% right: only the attribute is centred, class by class
def within(z, y, labels):
    off = y.double().clone()
    for c in range(CLASSES):
        off[labels == c] = off[labels == c] - off[labels == c].mean()
    return (off[:, None] * z).sum(0) / (off**2).sum()

# %% right: sums over the classes
def within(z, y, labels):
    above, below = 0.0, 0.0
    for c in labels.unique().tolist():
        a, b = y[labels == c].double(), z[labels == c].double()
        above = above + ((a - a.mean())[:, None] * (b - b.mean(0))).sum(0)
        below = below + a.var(correction=0) * len(a)
    return above / below

# %% wrong: the classes are ignored
# hint: You fit one line to all images. What a class adds to attribute and code alike then counts as the attribute: take the class means off first.
#- y_off = y - (share.T @ y)[labels]
#+ y_off = y - y.mean()
#- z_off = z - (share.T @ z)[labels]
#+ z_off = z - z.mean(0)

# %% wrong: only the codes are centred by class
# hint: You take the class means off one of the two alone, codes or attribute. The variance below the line then still holds that between the classes, and the direction comes
#   out too short.
#- y_off = y - (share.T @ y)[labels]
#+ y_off = y - y.mean()

# %% wrong: the average of a line for each class
# hint: You fit a line to each class and average them, each with the same weight. A class with many images, or a wide range of the attribute, knows
#   its direction better: add the sums of all classes up, then divide once.
def within(z, y, labels):
    found = []
    for c in range(CLASSES):
        a, b = y[labels == c] - y[labels == c].mean(), z[labels == c] - z[labels == c].mean(0)
        found.append(a @ b / a.square().sum())
    return torch.stack(found).mean(0)

# %% wrong: the lines weighed by the size of their class
# hint: You weigh the line of each class by its number of images. Least squares also asks how far the attribute varies within the class.
def within(z, y, labels):
    total = 0.0
    for c in range(CLASSES):
        a, b = y[labels == c] - y[labels == c].mean(), z[labels == c] - z[labels == c].mean(0)
        total = total + len(a) * (a @ b) / a.square().sum()
    return total / len(y)

# %% wrong: the difference of the class means
# hint: You fit the line to the means of the classes. That is the direction between the classes, the part that was to be held fixed.
def within(z, y, labels):
    share = torch.nn.functional.one_hot(labels, CLASSES).to(z.dtype)
    share = share / share.sum(0)
    a, b = (share.T @ y)[labels], (share.T @ z)[labels]
    return (a - a.mean()) @ (b - b.mean(0)) / (a - a.mean()).square().sum()

# %% wrong: the direction that reads
# hint: You fit y from the code. That is the direction from which the attribute is best read; asked for is how the code changes with it.
#- return y_off @ z_off / y_off.square().sum()
#+ return torch.linalg.lstsq(z_off, y_off[:, None]).solution[:, 0]

# %% wrong: the covariance alone
# hint: This is the covariance of attribute and code. Divide it by the variance of the attribute: the direction is per unit of y.
#- / y_off.square().sum()
#+ / len(y)

# %% wrong: for a standard deviation
# hint: You divide by the standard deviation of the attribute in place of its variance: this is the step for one standard deviation, not for one unit.
#- / y_off.square().sum()
#+ / (y_off.square().sum() * len(y)).sqrt()

# %% wrong: the class as a number
# hint: You put the label into the fit as a number, as if class 2 lay half way between 1 and 3. Each class needs a mean of its own.
def within(z, y, labels):
    number = labels.to(z.dtype)
    design = torch.stack([y - y.mean(), number - number.mean()], 1)
    return torch.linalg.lstsq(design, z - z.mean(0)).solution[0]

# %% wrong: the first class has no mean of its own
# hint: In your fit class 0 has no mean of its own: leave no column out, or add one of ones.
def within(z, y, labels):
    design = torch.cat([y[:, None], torch.nn.functional.one_hot(labels, CLASSES)[:, 1:].to(z.dtype)], 1)
    return torch.linalg.lstsq(design, z).solution[0]

# %% wrong: scaled to length 1
# hint: You scaled the direction to length 1. Its length says how far the code goes for one unit of the attribute.
#- return y_off @ z_off / y_off.square().sum()
#+ return torch.nn.functional.normalize(y_off @ z_off, dim=0)

# %% wrong: each class with the same weight
# hint: You divide the sums of each class by its size before you add them up, so that a small class counts as much as a large one. Least
#   squares counts images: add the sums, then divide once.
def within(z, y, labels):
    above, below = 0.0, 0.0
    for c in range(CLASSES):
        a, b = y[labels == c], z[labels == c]
        above = above + (a - a.mean()) @ (b - b.mean(0)) / len(a)
        below = below + (a - a.mean()).square().sum() / len(a)
    return above / below

# %% wrong: covariances with n minus one, averaged
# hint: You average the unbiased covariances of the classes. That weighs the classes alike; least squares counts images: add the sums of
#   products over all classes, and divide by the sum of squares.
def within(z, y, labels):
    above, below = 0.0, 0.0
    for c in range(CLASSES):
        a, b = y[labels == c], z[labels == c]
        above = above + (a - a.mean()) @ (b - b.mean(0)) / (len(a) - 1)
        below = below + (a - a.mean()).square().sum() / (len(a) - 1)
    return above / below

# %% wrong: a line through the class means
# hint: You fit a line through the means of the classes, one point each. That is the direction between the classes, which was to be held
#   fixed: take the means off, and fit what is left.
def within(z, y, labels):
    a = torch.stack([y[labels == c].mean() for c in range(CLASSES)])
    b = torch.stack([z[labels == c].mean(0) for c in range(CLASSES)])
    return (a - a.mean()) @ b / (a - a.mean()).square().sum()

# %% wrong: a line through the origin
# hint: Your fit goes through the origin: no mean is taken off. Each class has a mean code of its own; take the class means of code and
#   attribute off first.
def within(z, y, labels):
    return y @ z / (y @ y)

# %% wrong: the last class left out
# hint: The last class is missing from your sums. The labels run from 0 to CLASSES − 1, and that one counts too.
def within(z, y, labels):
    above, below = 0.0, 0.0
    for c in range(CLASSES - 1):
        a, b = y[labels == c], z[labels == c]
        above = above + (a - a.mean()) @ (b - b.mean(0))
        below = below + (a - a.mean()).square().sum()
    return above / below

# %% wrong: the difference of two groups
# hint: You take the difference of two groups, above and below the mean of their class. It is no change per unit of y: the groups lie apart by more than one unit or by less.
def within(z, y, labels):
    member = torch.nn.functional.one_hot(labels, CLASSES).to(z.dtype)
    share = member / member.sum(0)
    z_off, y_off = z - (share.T @ z)[labels], y - (share.T @ y)[labels]
    return z_off[y_off > 0].mean(0) - z_off[y_off <= 0].mean(0)

# %% wrong: the attribute standardised in each class
# hint: You divide the attribute by its spread in each class. Then a unit of y is another one in each class; asked for is one direction, per unit of y.
def within(z, y, labels):
    member = torch.nn.functional.one_hot(labels, CLASSES).to(z.dtype)
    share = member / member.sum(0)
    z_off, y_off = z - (share.T @ z)[labels], y - (share.T @ y)[labels]
    y_off = y_off / (share.T @ y_off.square()).sqrt()[labels]
    return y_off @ z_off / y_off.square().sum()

# %% wrong: a line for each class, and one mean for all
# hint: Each class has a slope of its own in your fit, and all have one mean code. It is the other way round: a mean for each, and one direction.
def within(z, y, labels):
    member = torch.nn.functional.one_hot(labels, CLASSES).to(z.dtype)
    columns = torch.cat([member * y[:, None], torch.ones(len(y), 1)], 1)
    return torch.linalg.lstsq(columns, z).solution[:CLASSES].mean(0)

# %% wrong: two divisors
# hint: You divide a mean over n by a variance with n − 1. Take the same divisor in both, or sums in both.
#- return y_off @ z_off / y_off.square().sum()
#+ return y_off @ z_off / y_off.square().sum() * (len(y) - 1) / len(y)

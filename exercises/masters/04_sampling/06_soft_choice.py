# title: A choice that can be differentiated
# chapter: 04_sampling
# goal: draw a relaxed choice from logits and given noise
# kind: implement
# minutes: 15
# points: 2
# difficulty: 3
# passage: Outlook: a code that is a choice
# answer: soft_choice
# returns: tensor
# tolerance: 2e-4, share_of_first_choices 0.02
# removes:

# %% statement
r"""
Write `soft_choice(logits, u)`: a draw from the Gumbel-softmax distribution at temperature {{TAU}}. `logits` has the shape `(batch, classes)` and
`u` holds uniform numbers between 0 and 1, of the same shape: turn them into Gumbel noise $g = -\log(-\log u)$. Give a tensor of the same
shape whose rows are positive and add up to 1.

A large logit must be chosen often: the class that comes out largest is a draw from the distribution of the logits. And a gradient reaches the logits.
"""

# %% draws
def draws(rng):
    return {"TAU": rng.choice([0.3, 0.5, 0.7, 1.5, 2.0])}

# %% given
import torch

# %% starter
def soft_choice(logits, u):
    """A relaxed one-hot draw, (batch, classes), at temperature TAU from uniform noise u."""
    ...

# %% solution
def soft_choice(logits, u):
    """A relaxed one-hot draw, (batch, classes), at temperature TAU from uniform noise u."""
    gumbel = -torch.log(-torch.log(u))
    return torch.softmax((logits + gumbel) / TAU, dim=-1)

# %% inputs
def inputs(rng):
    return {"logits": rng.normal(4, 3), "u": rng.uniform(0.02, 0.98, 4, 3), "many": rng.uniform(1e-4, 1 - 1e-4, 5000, 3)}

# %% probe
def probe(answer, logits, u, many):
    free = logits.clone().requires_grad_()
    value = answer(free, u)
    often = answer(torch.tensor([1.0, 0.0, -1.0]).expand(5000, 3), many)
    return {"value": value, "gradient": gradients(value[:, 0], free)[0],
            "share_of_first_choices": (often.argmax(-1) == 0).float().mean()}

# %% laws
def laws(seen, logits, u, many):
    value = seen["value"]
    yield value.shape == (4, 3), "the shape is that of the logits"
    yield (value > 0).all() and (value.sum(-1) - 1).abs().max() < 1e-4, "each row is positive and adds up to 1", \
        "Along which dimension is the softmax taken?"
    yield abs(seen["share_of_first_choices"] - 0.665) < 0.03, "the largest entry is a draw from softmax(logits)", \
        "The temperature must not change which class wins, and the noise must be Gumbel noise."
    yield seen["gradient"].abs().sum() > 1e-6, "a gradient reaches the logits"

# %% right: by powers of the probabilities
def soft_choice(logits, u):
    weight = (torch.softmax(logits.double(), 1) / -u.double().log()) ** (1 / TAU)
    return weight / weight.sum(1, keepdim=True)

# %% right: row by row, with the largest taken out
def soft_choice(logits, u):
    rows = []
    for l, v in zip(logits, u):
        a = (l - (-(v.log())).log()) / TAU
        e = torch.exp(a - a.max())
        rows.append(e / e.sum())
    return torch.stack(rows)

# %% wrong: uniform noise
# hint: You add the uniform numbers themselves. The noise is −log(−log u); with any other the class that wins is no draw from the logits.
#- -torch.log(-torch.log(u))
#+ u

# %% wrong: the sign of the noise
# hint: The Gumbel noise has the wrong sign: it has a long tail upwards, and yours has one downwards.
#- gumbel = -torch
#+ gumbel = torch

# %% wrong: temperature on the logits alone
# hint: You divide the logits by the temperature and add the noise afterwards. Then the temperature changes which class wins; it belongs to the sum.
#- (logits + gumbel) / TAU
#+ logits / TAU + gumbel

# %% wrong: multiplied by the temperature
# hint: You multiply by the temperature. A low temperature must make the draw harder, so it divides.
#- / TAU
#+ * TAU

# %% wrong: no temperature
# hint: The temperature is missing: this is the draw at temperature 1.
#- / TAU
#+

# %% wrong: softmax over the batch
# hint: The softmax runs over the images. It belongs to the classes of one image: each *row* adds up to 1.
#- dim=-1
#+ dim=0

# %% wrong: no noise
# hint: There is no noise in it: the result is always the same for the same logits.
#- (logits + gumbel)
#+ logits

# %% wrong: probabilities in place of logits
# hint: You add the noise to the probabilities. It belongs to their logarithms, the logits.
#- (logits + gumbel)
#+ (torch.softmax(logits, -1) + gumbel)

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
# tolerance: 2e-4, share_of_first_choices 0.01
# removes:

# %% statement
r"""
Write `soft_choice(logits, u)`: a draw from the Gumbel-softmax distribution of {eq}`eq-sa-gumbel` at temperature $\tau = {{TAU}}$. `logits` are $\alpha$, of the shape `(batch, classes)`, and
`u` holds uniform numbers, each above 0 and below 1, of the same shape: turn them into Gumbel noise $\gamma = -\log(-\log u)$, and draw nothing else. Give a tensor of the same
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

# %% why
r"""
Why this noise? Since $\gamma_c = -\log(-\log u_c)$, the number $e^{-(\alpha_c + \gamma_c)} = -\log u_c \cdot e^{-\alpha_c}$ is an exponential
waiting time with the rate $e^{\alpha_c}$. The largest of $\alpha_c + \gamma_c$ is the shortest waiting time. Of independent ones, that of symbol $c$
is the shortest with the probability

$$
\frac{e^{\alpha_c}}{\sum_k e^{\alpha_k}} = p_c .
$$

So the symbol that wins is a draw from the softmax of the logits. The temperature divides the sum of logits and noise: that keeps the order, and the
same symbol wins at every $\tau$. With the logits alone divided, the winner would be a draw from $\operatorname{softmax}(\alpha / \tau)$, another
distribution.

As $\tau \to 0$ the row tends to the hard choice, as $\tau \to \infty$ to equal entries. At $\tau = {{TAU}}$ it is neither, so $h$ is asked between
the symbols and the gradient is in general biased. In the chapter's figure the bias rises with $\tau$ and the standard deviation falls.
"""

# %% inputs
def inputs(rng):
    return {"logits": rng.normal(4, 3), "u": rng.uniform(0.02, 0.98, 4, 3), "start": rng.uniform(0, 1, 3)}

# %% probe
def probe(answer, logits, u, start):
    free = logits.clone().requires_grad_()
    value = answer(free, u)
    steps = torch.tensor([0.8191725, 0.6710436, 0.5497005])  # a grid that fills the cube evenly
    many = ((start + torch.arange(1.0, 301)[:, None] * steps) % 1).clamp(1e-4, 1 - 1e-4)
    often = answer(torch.tensor([1.0, 0.0, -1.0]).expand(300, 3), many)
    return {"value": value, "gradient": gradients(value[:, 0] * torch.arange(1.0, 5), free)[0], "change_from_one_call_to_the_next": answer(logits, u) - value,
            "share_of_first_choices": (often.argmax(-1) == 0).float().mean()}

# %% laws
def laws(seen, logits, u, start):
    value = seen["value"]
    yield value.shape == (4, 3), "the shape is that of the logits"
    yield not (seen["change_from_one_call_to_the_next"].abs() > 1e-4).any(), "the same noise gives the same draw", \
        "The noise is passed in as `u`: make the Gumbel noise from it, and draw none of your own."
    yield (value > 0).all(), "each entry is positive", "The draw is soft: no entry is 0. A softmax of the noisy logits gives such rows."
    yield (value.sum(-1) - 1).abs().max() < 1e-4, "each row adds up to 1", \
        "The rows do not add up to 1: take the softmax over the classes, the last dimension, as the last step."
    share = seen["share_of_first_choices"]
    yield abs(share - 0.665) < 0.03, "the largest entry is a draw from softmax(logits)", \
        "The class with the largest logit wins too seldom: do logits and noise enter with the sign plus?" if share < 0.4 else \
        "Another class wins than should: the noise must be Gumbel noise, added to the logits themselves, and the temperature divides the sum of both. Each row of `u` belongs to one row of logits."
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
# hint: No noise arrives: it is missing, or the same for all classes of an image, and a softmax does not see what is added to all. Each class needs a noise of its own.
#- (logits + gumbel)
#+ logits

# %% wrong: probabilities in place of logits
# hint: You add the noise to the probabilities. It belongs to their logarithms, the logits.
#- (logits + gumbel)
#+ (torch.softmax(logits, -1) + gumbel)

# %% wrong: a hard choice that lets the gradient through
# hint: The values are zeros and ones, with the gradient of the soft draw: a straight-through draw. Asked for is the soft draw itself.
def soft_choice(logits, u):
    soft = torch.softmax((logits - torch.log(-torch.log(u))) / TAU, dim=-1)
    return torch.nn.functional.one_hot(soft.argmax(-1), soft.shape[1]) + soft - soft.detach()

# %% wrong: a hard choice
# hint: This is a hard choice: no gradient gets through the largest. Asked for is a softmax at the temperature in its place.
def soft_choice(logits, u):
    return torch.nn.functional.one_hot((logits - torch.log(-torch.log(u))).argmax(-1), logits.shape[1]).float()

# %% wrong: divided after the softmax
# hint: You divide the softmax by the temperature. The temperature belongs inside, under the logits and the noise.
#- torch.softmax((logits + gumbel) / TAU, dim=-1)
#+ torch.softmax(logits + gumbel, -1) / TAU

# %% wrong: not normalised
# hint: These are exponentials that nothing divides by their sum. A softmax does both.
#- torch.softmax((logits + gumbel) / TAU, dim=-1)
#+ torch.exp((logits + gumbel) / TAU)

# %% wrong: the logarithm of the softmax
# hint: This is the logarithm of the draw. Asked for are numbers between 0 and 1.
#- torch.softmax(
#+ torch.log_softmax(

# %% wrong: the sign of the logits
# hint: The logits stand with a minus: what should be chosen often is chosen seldom.
#- (logits + gumbel)
#+ (gumbel - logits)

# %% wrong: multiplied with the noise
# hint: You multiply the logits by the noise. Gumbel noise is added.
#- (logits + gumbel)
#+ (logits * gumbel)

# %% wrong: the other end of the noise
# hint: You use 1 − u in place of u. That is another draw, also of the right distribution; asked for is the one that `u` gives by −log(−log u).
#- (-torch.log(u))
#+ (-torch.log(1 - u))

# %% wrong: one logarithm
# hint: One of the two logarithms is missing: −log u is exponential noise. Gumbel noise is −log(−log u).
#- -torch.log(-torch.log(u))
#+ -torch.log(u)

# %% wrong: logistic noise
# hint: log u − log(1 − u) is logistic noise, right for a choice between two. For a choice among several each class needs Gumbel noise.
#- -torch.log(-torch.log(u))
#+ torch.log(u) - torch.log(1 - u)

# %% wrong: Gaussian noise
# hint: You made Gaussian noise from `u`. With it the class that wins is no draw from the logits: take Gumbel noise.
#- -torch.log(-torch.log(u))
#+ torch.special.ndtri(u)

# %% wrong: the temperature squared
# hint: You divide by the square of the temperature. It stands there once.
#- / TAU
#+ / TAU**2

# %% wrong: the root of the temperature
# hint: You divide by the square root of the temperature. It stands there as it is.
#- / TAU
#+ / TAU**0.5

# %% wrong: the temperature on the noise alone
# hint: You divide the noise by the temperature, and not the logits. Then the temperature changes which class wins; it belongs to the sum.
#- (logits + gumbel) / TAU
#+ logits + gumbel / TAU

# %% wrong: probabilities times noise
# hint: You normalise without an exponential. A softmax takes the exponential first, so that every entry is positive and the order stays.
#- torch.softmax((logits + gumbel) / TAU, dim=-1)
#+ ((logits + gumbel) / TAU).abs() / ((logits + gumbel) / TAU).abs().sum(-1, keepdim=True)

# %% wrong: a sigmoid for each class
# hint: You take a sigmoid for each class and divide by the sum. The relaxation of a choice is a softmax, the exponential divided by the sum of the exponentials.
#- torch.softmax((logits + gumbel) / TAU, dim=-1)
#+ torch.sigmoid((logits + gumbel) / TAU) / torch.sigmoid((logits + gumbel) / TAU).sum(-1, keepdim=True)

# %% wrong: one row of noise
# hint: All rows share the noise of the first. Each image makes a choice of its own: use its own row of `u`.
#- -torch.log(-torch.log(u))
#+ -torch.log(-torch.log(u[:1]))

# %% wrong: softmax twice
# hint: You take the softmax twice. Once makes the row positive and adds it up to 1; the second time flattens it.
#- torch.softmax((logits + gumbel) / TAU, dim=-1)
#+ torch.softmax(torch.softmax((logits + gumbel) / TAU, dim=-1), -1)

# %% wrong: the logarithm of u
# hint: Your noise is log u. Gumbel noise has two logarithms and two minus signs.
#- -torch.log(-torch.log(u))
#+ torch.log(u)

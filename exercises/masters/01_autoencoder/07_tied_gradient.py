# title: One matrix, used twice
# chapter: 01_autoencoder
# goal: derive the gradient of a linear autoencoder whose decoder is its encoder turned round
# kind: implement
# minutes: 25
# points: 3
# difficulty: 3
# passage: A linear autoencoder
# answer: tied_gradient
# returns: tensor
# tolerance: 5e-4
# removes:

# %% statement
r"""
A *tied* linear autoencoder has one matrix $W$ of shape $D \times d$: it encodes with $z = W^\top x$ and decodes with
$\hat x = W z$. The images are centred. A second term keeps the matrix small (*weight decay*); the loss is

$$
J(W) = \frac1N \sum_{n=1}^{N} \lVert x^{(n)} - W W^\top x^{(n)} \rVert^2 + {{DECAY}}\, \lVert W \rVert^2 ,
$$

where $\lVert W \rVert^2$ is the sum of the squares of all entries. Derive $\partial J / \partial W$ on paper, then write it as
`tied_gradient(W, x)` for `W` of shape `(D, d)` and `x` of shape `(N, D)`, as a formula. (The check looks at
the numbers alone, so `torch.autograd` passes too: use it to check yourself.)
"""

# %% draws
def draws(rng):
    return {"DECAY": rng.choice([0.1, 0.2, 0.3, 0.5])}

# %% given
import torch

# %% starter
def tied_gradient(W, x):
    """The gradient of J at W (D, d) for centred images x (N, D), of the shape of W."""
    ...

# %% solution
def tied_gradient(W, x):
    """The gradient of J at W (D, d) for centred images x (N, D), of the shape of W."""
    left_over = x - x @ W @ W.T
    through_decoder = left_over.T @ (x @ W)
    through_encoder = x.T @ (left_over @ W)
    return -2 * (through_decoder + through_encoder) / len(x) + 2 * DECAY * W

# %% why
r"""
Let $r = x - W W^\top x$. If $W$ changes by $dW$, then $r$ changes by $-(dW\, W^\top x + W\, dW^\top x)$: $W$ stands at two places, so there are two
terms. The square changes by $2\, r^\top dr$, and collecting what multiplies $dW$ gives

$$
\frac{\partial J}{\partial W} = -\frac2N \sum_n \big( r\, (W^\top x)^\top + x\, (W^\top r)^\top \big) + 2 \cdot {{DECAY}}\, W .
$$

The first term is what a decoder of its own would get, the second what an encoder would; a shared matrix gets the sum. A check without a computer:
let the columns of $W$ be the first $d$ axes of PCA. Then $r$ is orthogonal to them, so $W^\top r = 0$, and $r$ and $W^\top x$ are not correlated.
Only the last term is left.
"""

# %% inputs
def inputs(rng):
    x = rng.normal(30, 6) * torch.tensor([2.0, 1.6, 1.2, 0.8, 0.5, 0.3])
    return {"W": 0.6 * rng.normal(6, 3), "x": x - x.mean(0)}

# %% probe
def probe(answer, W, x):
    return {"gradient": answer(W, x), "gradient_at_zero": answer(torch.zeros_like(W), x),
            "gradient_at_half_of_W": answer(W / 2, x), "gradient_of_the_decay": answer(W, torch.zeros_like(x))}

# %% laws
def laws(seen, W, x):
    yield seen["gradient"].shape == (6, 3), "the gradient has the shape of W"
    yield seen["gradient_at_zero"].abs().max() < 1e-5, "at W = 0 the slope is 0, since both uses of W vanish"
    W, x = W.double(), x.double()
    way = W + 1

    def J(W):
        return (x - x @ W @ W.T).square().sum(1).mean() + DECAY * W.square().sum()

    S = x.T @ x / len(x)
    decay = (seen["gradient_of_the_decay"] - 2 * DECAY * W).abs().max() < 1e-2
    yield decay, "without light the gradient is that of the decay", "With images of zeros the decay alone is left, and its part is not right."
    linear = (8 * seen["gradient_at_half_of_W"] - seen["gradient"]) / 3 - seen["gradient_of_the_decay"]
    first = (linear + 4 * S @ W).abs().max() < 2e-2 * (1 + (S @ W).abs().max())
    cubic = (4 * seen["gradient"] - 8 * seen["gradient_at_half_of_W"]) / 3
    third = (cubic - 2 * (W @ W.T @ S + S @ W @ W.T) @ W).abs().max() < 2e-2 * (1 + cubic.abs().max())
    where = "Test the part of the images and the decay each on its own: with `autograd`, or with a small step in one entry of W."
    if decay and first != third:
        where = "The decay is right. Multiply the square out: the term of the loss with four W has the right derivative, and the one with two W has not." if third else \
            "The decay is right. Multiply the square out: the term of the loss with two W has the right derivative, and the one with four W has not. " \
            "Each of the four is varied in turn."
    elif decay:
        where = "The decay is right; it is the part of the images that is not, in each of its terms. Look for what they have in common."
    rise = (J(W + 1e-5 * way) - J(W - 1e-5 * way)) / 2e-5
    yield abs(rise - (seen["gradient"] * way).sum()) < 2e-3 * (1 + abs(rise)), \
        "a small step changes the loss by the step times the gradient", \
        where

# %% right: by autograd
def tied_gradient(W, x):
    W = W.detach().clone().requires_grad_()
    with torch.enable_grad():
        J = (x - x @ W @ W.T).square().sum(1).mean() + DECAY * W.square().sum()
        return torch.autograd.grad(J, W)[0]

# %% right: with the covariance matrix, in float64
def tied_gradient(W, x):
    S = x.double().T @ x.double() / len(x)
    P = W.double() @ W.double().T
    return -4 * S @ W.double() + 2 * (P @ S + S @ P) @ W.double() + 2 * DECAY * W.double()

# %% right: image by image
def tied_gradient(W, x):
    total = 2 * DECAY * W
    for one in x:
        rest = one - W @ (W.T @ one)
        total = total - 2 / len(x) * (torch.outer(rest, one @ W) + torch.outer(one, rest @ W))
    return total

# %% wrong: the decoder's part alone
# hint: This is what the decoder's `W` gives while the encoder's is held fixed; the same comes out if WᵀW is taken for the identity, which it need not be.
#   Both are the same matrix: the product rule gives two terms.
#- (through_decoder + through_encoder)
#+ (through_decoder)

# %% wrong: the encoder's part alone
# hint: You differentiated the encoder's `W` and held the decoder's fixed. Both are the same matrix: the product rule gives two terms.
#- (through_decoder + through_encoder)
#+ (through_encoder)

# %% wrong: the direction of descent
# hint: This is minus the gradient, the direction in which the loss falls. The gradient points uphill.
#- return -2 * (through_decoder + through_encoder) / len(x) + 2 * DECAY * W
#+ return 2 * (through_decoder + through_encoder) / len(x) - 2 * DECAY * W

# %% wrong: the sum over the images
# hint: The part of the images is `N` times too large: the loss is a mean over the images.
#- / len(x)
#+

# %% wrong: the decay without its two
# hint: The decay's part is half of what it should be: a square has the derivative 2W.
#- 2 * DECAY * W
#+ DECAY * W

# %% wrong: no decay
# hint: The weight decay is missing: its derivative is added to that of the images' part.
#-  + 2 * DECAY * W
#+

# %% wrong: the two of the square
# hint: The part of the images is half of what it should be: the derivative of a square has a 2.
#- -2 * (through
#+ -(through

# %% wrong: one part taken twice
# hint: You doubled one of the two terms, as if they were equal. They are equal only where W Wᵀ and the covariance commute.
#- (through_decoder + through_encoder)
#+ (2 * through_decoder)

# %% wrong: the images in place of what is left over
# hint: You differentiated the images' product with the code and forgot that the reconstruction is subtracted: the gradient holds
#   what is left over, x − W Wᵀ x.
#- left_over = x - x @ W @ W.T
#+ left_over = x

# %% wrong: the encoder's part taken twice
# hint: You doubled the encoder's term, as if the decoder's were equal to it. They are equal only where W Wᵀ and the covariance commute.
#- (through_decoder + through_encoder)
#+ (2 * through_encoder)

# %% wrong: mean over the pixels
# hint: The part of the images is divided by the number of pixels too. The loss is a mean over images alone.
#- / len(x)
#+ / x.numel()

# %% wrong: uphill for the images alone
# hint: The part of the images has the wrong sign: the reconstruction is *subtracted* in the loss, which gives its derivative a minus.
#- return -2
#+ return 2

# %% wrong: the decay subtracted
# hint: The decay has the wrong sign: it is added to the loss, so its derivative 2W is added.
#- / len(x) + 2
#+ / len(x) - 2

# %% wrong: the decay averaged
# hint: The decay is divided by the number of images. Only the images' part is a mean; the decay stands beside it.
#- / len(x) + 2 * DECAY * W
#+ / len(x) + 2 * DECAY * W / len(x)

# %% wrong: the decay of a length
# hint: You differentiated the length ‖W‖. The loss has its square, whose derivative is 2W.
#- 2 * DECAY * W
#+ DECAY * W / W.norm()

# %% wrong: the decay of absolute values
# hint: Your decay is that of a sum of absolute values: the sign of W. The loss has the squares.
#- 2 * DECAY * W
#+ DECAY * W.sign()

# %% wrong: one image fewer
# hint: You divided by the number of images minus 1. The loss is the mean over N images.
#- / len(x)
#+ / (len(x) - 1)

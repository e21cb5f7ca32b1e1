# title: Mend a training step
# chapter: 06_full_gpu_vae
# goal: find faults in a step of Adam with a schedule and a moving average
# kind: mend
# minutes: 20
# points: 3
# difficulty: 2
# passage: The same from the library
# answer: steps
# returns: tensor, tensor
# plant: 2
# tolerance: 5e-4

# %% statement
r"""
Below, Adam takes steps on one vector of weights. The learning rate rises from 0 in a straight line: it is {{TOPRATE}} · $t$ / {{WARM}} at step
$t = 1, 2, \dots$ and stays at {{TOPRATE}} from step {{WARM}} on. Beside the weights a moving average of them is kept that begins at zero, with decay
{{DECAY}}; at the end it is corrected for its beginning, so that weights that never moved are their own average.

Adam keeps two averages that begin at zero, $m$ of the gradients and $v$ of their squares. After step $t$ their shares add up to $1 - 0.9^t$ and $1 - 0.99^t$, so
$\hat m = m / (1 - 0.9^t)$ and $\hat v = v / (1 - 0.99^t)$ are averages without the zero, and the step is the rate times $\hat m / (\sqrt{\hat v} + 10^{-4})$. The constants 0.9, 0.99
and 1e-4 are meant so. The average of the weights takes in those after each step.

The code runs, and has **two faults**. Mend them. `w` has shape `(weights,)`, `gradients` has shape `(steps, weights)`. The results are
the last weights and the corrected average.
"""

# %% draws
def draws(rng):
    return {"TOPRATE": rng.choice([0.05, 0.1, 0.2]), "WARM": rng.choice([4, 5, 6]), "DECAY": rng.choice([0.8, 0.85, 0.95])}

# %% given
import torch

# %% solution
def steps(w, gradients):
    """The weights after all steps, and the corrected average of the weights of every step."""
    w = w.clone()
    m, v, average = torch.zeros_like(w), torch.zeros_like(w), torch.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        rate = TOPRATE * min(1.0, t / WARM)
        m = 0.9 * m + 0.1 * g
        v = 0.99 * v + 0.01 * g.square()
        mean = m / (1 - 0.9**t)
        square = v / (1 - 0.99**t)
        w = w - rate * mean / (square.sqrt() + 1e-4)
        average = DECAY * average + (1 - DECAY) * w
    return w, average / (1 - DECAY**t)

# %% why
r"""
Everything here that begins at zero is too small at first, and is divided by what its shares add up to. For the weights' average that is $1 -
{{DECAY}}^t$. So after one step $\hat m$ is the gradient itself and $\hat v$ its square, and the step is the rate times $g / (|g| + 10^{-4})$: as
long as the rate in every weight whose gradient is far above $10^{-4}$, and shorter in the others. The corrected average is the weights after that
step. Both are tests by hand.

Faults of a beginning fade, and after some hundred steps no curve shows them. So compare the first steps, number by number. One is not enough. Where
neither $m$ nor $v$ is corrected, the first step is nearly right, for $0.1 / \sqrt{0.01} = 1$; with the same gradient again, the second is a third
too long. A rate that goes on rising shows after step {{WARM}}, and a fault of the $10^{-4}$ only in gradients that are as tiny.
"""

# %% inputs
def inputs(rng):
    return {"w": rng.normal(6), "slopes": (rng.normal(9, 6) + 0.5) * torch.linspace(0.3, 3, 9)[:, None]}

# %% probe
def probe(answer, w, slopes):
    last, average = answer(w, slopes)
    _, still = answer(w, torch.zeros_like(slopes))
    equal = (slopes[:1].sign() * torch.linspace(3, 8, 6)).expand(9, 6)
    return {"weights": last, "average": average, "weights_after_equal_slopes": answer(w, equal)[0],
        "weights_after_tiny_slopes": answer(w, 1e-4 * slopes)[0],
            "average_of_weights_that_stay": still}

# %% laws
def laws(seen, w, slopes):
    yield (seen["average_of_weights_that_stay"] - w).abs().max() < 1e-3, "weights that never moved are their own average", \
        "With gradients of zero the weights stay, and then their average must be `w`: what do the shares of the average add up to, and are they taken of the weights themselves?"

    def adam(slopes):
        at, m, v = w.double(), 0.0, 0.0
        for t, g in enumerate(slopes.double(), 1):
            m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
            at = at - TOPRATE * min(1.0, t / WARM) * m / (1 - 0.9**t) / ((v / (1 - 0.99**t)).sqrt() + 1e-4)
        return at

    off = lambda name, slopes: (seen[name] - adam(slopes)).abs().max()
    equal = off("weights_after_equal_slopes", (slopes[:1].sign() * torch.linspace(3, 8, 6)).expand(9, 6)) < 3e-3
    changing, tiny = off("weights", slopes), off("weights_after_tiny_slopes", 1e-4 * slopes) < 3e-3
    yield equal, "with one gradient over and over each step is as long as the rate", \
        "Where all gradients are equal, each step should be as long as the rate, and yours is not: look at the rate and at the " \
        "corrections of `m` and `v`. " \
        "The next step takes up `m` and `v` themselves, not corrected."
    yield changing < 3e-3 or (equal and changing < 0.03), "the weights are right where the gradients change", \
        "Where all gradients are equal your steps are right, and where they change they are not: look at how much `m` and `v` keep, and " \
            "what they take in." if equal else ""
    yield tiny, "the weights are right where the gradients are tiny", \
        "Where gradients are large your steps are right, and where they are tiny they are not: the 1e-4 is added to the root of the " \
        "corrected square, as it stands." if equal and changing < 0.03 else ""
    if changing < 3e-3 and (seen["average_of_weights_that_stay"] - w).abs().max() < 1e-3:
        shares = DECAY ** torch.arange(8.0, -1.0, -1.0).double()
        right = (shares / shares.sum()) @ torch.stack([adam(slopes[:k]) for k in range(1, 10)])
        yield (seen["average"] - right).abs().max() < 3e-3, "the average is right where the weights move", \
            "The weights are right, and so are the shares of their average together: which weights does it take in, after which step, " \
                "and how much of the newest?"

# %% right: with the optimiser of torch
def steps(w, gradients):
    p, seen = torch.nn.Parameter(w.clone()), []
    adam = torch.optim.Adam([p], betas=(0.9, 0.99), eps=1e-4)
    for t, g in enumerate(gradients):
        adam.param_groups[0]["lr"] = TOPRATE * min(t + 1, WARM) / WARM
        p.grad = g.clone()
        adam.step()
        seen.append(p.detach().clone())
    shares = DECAY ** torch.arange(len(seen) - 1.0, -1.0, -1.0)
    return p.detach(), (shares / shares.sum()) @ torch.stack(seen)

# %% right: in float64, with running corrections
def steps(w, gradients):
    w, m, v, average, mass = w.double(), 0.0, 0.0, 0.0, 0.0
    for k, g in enumerate(gradients.double()):
        m, v = m + 0.1 * (g - m), v + 0.01 * (g**2 - v)
        up = (k + 1) / WARM if k + 1 < WARM else 1.0
        w = w - TOPRATE * up * (m / (1 - 0.9 ** (k + 1))) / ((v / (1 - 0.99 ** (k + 1))) ** 0.5 + 1e-4)
        average, mass = average + (1 - DECAY) * (w - average), mass + (1 - DECAY) * (1 - mass)
    return w, average / mass

# %% wrong: the average is not corrected
# hint: The moving average begins at zero and still remembers it. Divide it by the sum of the shares that it has given out.
#- average / (1 - DECAY**t)
#+ average

# %% wrong: decay and its rest exchanged
# hint: The average keeps little of the past and takes nearly all of the newest weights: the two shares are exchanged.
#- DECAY * average + (1 - DECAY) * w
#+ (1 - DECAY) * average + DECAY * w

# %% wrong: the rate goes on rising
# hint: The learning rate does not stop rising at the end of the warm-up: it needs its bound.
#- min(1.0, t / WARM)
#+ (t / WARM)

# %% wrong: no warm-up
# hint: The learning rate is at its peak from the first step on: the straight line at the beginning is missing.
#- TOPRATE * min(1.0, t / WARM)
#+ TOPRATE

# %% wrong: the mean of the squares is not corrected
# hint: The average of the squared gradients begins at zero and is not corrected, so the first steps are far too long.
#- v / (1 - 0.99**t)
#+ v

# %% wrong: the square root is missing
# hint: The step is divided by the average square, and not by its root: it then depends on the scale of the loss.
#- square.sqrt()
#+ square

# %% wrong: neither average of the gradients is corrected
# hint: The averages of the gradients and of their squares are not corrected: both begin at zero, and the first steps have the wrong length.
#- mean = m / (1 - 0.9**t)
#+ mean = m
#- square = v / (1 - 0.99**t)
#+ square = v

# %% wrong: the mean of the gradients is not corrected
# hint: The average of the gradients begins at zero and is not corrected, so the first steps are far too short.
#- mean = m / (1 - 0.9**t)
#+ mean = m

# %% wrong: the small number inside of the root
# hint: The 1e-4 is added under the root, where it counts as 0.01. It is added to the root.
#- (square.sqrt() + 1e-4)
#+ (square + 1e-4).sqrt()

# %% wrong: a smaller number beside the root
# hint: You changed the 1e-4 beside the root. It is meant so: where gradients are tiny it keeps the steps short.
#- (square.sqrt() + 1e-4)
#+ (square.sqrt() + 1e-8)

# %% wrong: nothing beside the root
# hint: The 1e-4 beside the root is missing: where all gradients are zero you divide 0 by 0.
#- (square.sqrt() + 1e-4)
#+ square.sqrt()

# %% wrong: another decay of the squares
# hint: You changed 0.99 into the optimiser's usual 0.999. Here it is meant so.
#- v = 0.99 * v + 0.01 * g.square()
#+ v = 0.999 * v + 0.001 * g.square()
#- square = v / (1 - 0.99**t)
#+ square = v / (1 - 0.999**t)

# %% wrong: the decay of the weights for the gradients
# hint: The gradients are averaged with `DECAY`, which belongs to the weights. Adam's own share is 0.9.
#- m = 0.9 * m + 0.1 * g
#+ m = DECAY * m + (1 - DECAY) * g
#- mean = m / (1 - 0.9**t)
#+ mean = m / (1 - DECAY**t)

# %% wrong: upwards
# hint: The step is added, so the loss grows. Adam steps against the gradient.
#- w = w - rate * mean
#+ w = w + rate * mean

# %% wrong: the rate counted from zero
# hint: The rate of the first step is 0: it lags one step behind. At step t it is the peak times t over the steps of the warm-up, from t = 1.
#- min(1.0, t / WARM)
#+ min(1.0, (t - 1) / WARM)

# %% wrong: a warm-up of one step more
# hint: The rate reaches its peak one step too late: divide by `WARM`.
#- min(1.0, t / WARM)
#+ min(1.0, t / (WARM + 1))

# %% wrong: the larger of the two
# hint: The rate never lies below its peak, and rises above it: of 1 and t over the warm-up the smaller is meant.
#- min(1.0, t / WARM)
#+ max(1.0, t / WARM)

# %% wrong: a warm-up along a parabola
# hint: The rate rises with the square of t. It rises in a straight line.
#- min(1.0, t / WARM)
#+ min(1.0, t**2 / WARM**2)

# %% wrong: the average begins at the weights
# hint: Your average begins at the first weights, before any step. It begins at zero and is corrected at the end, so that the first weights have no share in it.
def steps(w, gradients):
    w = w.clone()
    m, v, average = torch.zeros_like(w), torch.zeros_like(w), w
    for t, g in enumerate(gradients, 1):
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g.square()
        rate = TOPRATE * min(1.0, t / WARM)
        w = w - rate * m / (1 - 0.9**t) / ((v / (1 - 0.99**t)).sqrt() + 1e-4)
        average = DECAY * average + (1 - DECAY) * w
    return w, average

# %% wrong: all steps with the same share
# hint: Your average gives all steps the same share. In a moving average the share of older weights falls by `DECAY` with each step.
#- average = DECAY * average + (1 - DECAY) * w
#+ average = average + w
#- average / (1 - DECAY**t)
#+ average / t

# %% wrong: the weights before the step
# hint: You average the weights before each step. The weights after it are meant: the average comes last in the loop.
#- w = w - rate * mean / (square.sqrt() + 1e-4)
#+ before, w = w, w - rate * mean / (square.sqrt() + 1e-4)
#- average = DECAY * average + (1 - DECAY) * w
#+ average = DECAY * average + (1 - DECAY) * before

# %% wrong: exchanged shares, with another correction
# hint: The shares of the average are exchanged: it keeps little of the past, and `DECAY` is the share of the past. The correction at the end must fit the right shares.
#- average = DECAY * average + (1 - DECAY) * w
#+ average = (1 - DECAY) * average + DECAY * w
#- average / (1 - DECAY**t)
#+ average / (1 - (1 - DECAY)**t)

# %% wrong: a correction of one step less
# hint: The average is corrected for one step too few: after t steps its shares add up to 1 minus the t-th power of `DECAY`.
#- average / (1 - DECAY**t)
#+ average / (1 - DECAY**(t - 1))

# %% wrong: a correction of one step more
# hint: The average is corrected for one step too many: after t steps its shares add up to 1 minus the t-th power of `DECAY`.
#- average / (1 - DECAY**t)
#+ average / (1 - DECAY**(t + 1))

# %% wrong: corrected by one share
# hint: The average is divided by the share of one step. Divide by the sum of the shares of all steps, 1 minus the t-th power of `DECAY`.
#- average / (1 - DECAY**t)
#+ average / (1 - DECAY)

# %% wrong: divided by what is left
# hint: The average is divided by the power of `DECAY`, what the zero at the beginning still weighs. Divide by the rest, 1 minus that power.
#- average / (1 - DECAY**t)
#+ average / DECAY**t

# %% wrong: the correction multiplied
# hint: The average is multiplied by the sum of its shares. Divide by it.
#- average / (1 - DECAY**t)
#+ average * (1 - DECAY**t)

# %% wrong: averaged from the end of the warm-up on
# hint: Your average begins after the warm-up, and its correction counts all steps. It takes in the weights of every step.
#- average = DECAY * average + (1 - DECAY) * w
#+ average = DECAY * average + (t > WARM) * (1 - DECAY) * w

# %% wrong: the corrected average is carried on
# hint: You carry the corrected average on to the next step, so it is corrected again and again. Carry on the average itself, and correct it
#   once, at the end.
#- average = DECAY * average + (1 - DECAY) * w
#+ average = (DECAY * average + (1 - DECAY) * w) / (1 - DECAY**t)
#- return w, average / (1 - DECAY**t)
#+ return w, average

# %% wrong: the corrected squares are carried on
# hint: You carry the corrected average of the squares on to the next step, so it is corrected again and again. Correct it for the step
#   alone, and carry on `v` itself.
#- square = v / (1 - 0.99**t)
#+ square = v = v / (1 - 0.99**t)

# %% wrong: the small number is corrected too
# hint: You correct the 1e-4 together with `v`, or add it before `v` is corrected. It is added to the root of the corrected square.
#- (square.sqrt() + 1e-4)
#+ (square.sqrt() + 1e-4 / (1 - 0.99**t) ** 0.5)

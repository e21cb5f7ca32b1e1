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

The code runs, and has **two faults**. Mend them. `w` has shape `(weights,)`, `gradients` has shape `(steps, weights)`. The results are
the last weights and the corrected average.
"""

# %% draws
def draws(rng):
    return {"TOPRATE": rng.choice([0.05, 0.1, 0.2]), "WARM": rng.choice([4, 5, 6]), "DECAY": rng.choice([0.8, 0.85, 0.9])}

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

# %% inputs
def inputs(rng):
    return {"w": rng.normal(6), "slopes": rng.normal(9, 6) + 0.5}

# %% probe
def probe(answer, w, slopes):
    last, average = answer(w, slopes)
    _, still = answer(w, torch.zeros_like(slopes))
    return {"weights": last, "average": average, "average_of_weights_that_stay": still}

# %% laws
def laws(seen, w, slopes):
    yield (seen["average_of_weights_that_stay"] - w).abs().max() < 1e-3, "weights that never moved are their own average"

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

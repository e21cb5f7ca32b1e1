# title: How much worse, elsewhere?
# chapter: 04_sampling
# goal: predict a ratio of variances from a formula, or measure it with care
# kind: predict
# minutes: 20
# points: 2
# difficulty: 3
# passage: Four against thirty
# answer: variances
# repeats: 1
# tolerance: 1e-4, ratio 0.012
# removes:

# %% statement
r"""
The chapter compares two estimates of $\frac{\mathrm d}{\mathrm d \mu} \mathbb{E}[z^2]$ at $\mu = \sigma = 1$: their variances are 4 and 30. Move to
$\mu = {{CENTRE}}$, with $\sigma = 1$ as before, both estimates without a baseline. How many times larger is the variance of the score-function estimate than that of the reparameterised
one?

*Predict* first: does the factor of 7.5 grow or shrink? Put `"grows"` or `"shrinks"` for `"predicted"`; a wrong prediction costs nothing. Then find
the factor, by a formula or from enough draws that you trust it to 1 %, for `"ratio"`.
"""

# %% draws
def draws(rng):
    return {"CENTRE": rng.choice([-2.5, -3.0, -1.5, 1.5, 3.0, 2.5])}

# %% given
import torch

# %% starter
variances = {"predicted": ..., "ratio": ...}

# %% solution
eps = torch.special.ndtri((torch.arange(400_000).double() + 0.5) / 400_000)
z = CENTRE + eps
by_score = z.square() * eps
by_path = 2 * z
variances = {"predicted": "grows", "ratio": (by_score.var() / by_path.var()).item()}

# %% why
r"""
Write $z = \mu + \varepsilon$. The reparameterised estimate is $2z = 2\mu + 2\varepsilon$: its variance is 4 at every $\mu$. The score-function
estimate is $z^2 \varepsilon$, with the mean $2\mu$ and, as odd powers average to 0,

$$
\begin{aligned}
\mathbb{E}\big[(\mu + \varepsilon)^4 \varepsilon^2\big] &= \mu^4 \cdot 1 + 6\mu^2 \cdot 3 + 15 , \\
\mathrm{Var} &= \mu^4 + 18\mu^2 + 15 - (2\mu)^2 = \mu^4 + 14\mu^2 + 15 .
\end{aligned}
$$

Here the ratio is $\tfrac14 \big(({{CENTRE}})^4 + 14 \cdot ({{CENTRE}})^2 + 15\big)$; at $\mu = 1$ the formula gives 7.5. Only even powers occur, so
the ratio grows with the distance of $\mu$ from 0, on both sides. To scale the 7.5 by a power of $\mu$ misses: $\mu^4$, $\mu^2$ and a constant add
up.

The reason is the large constant. Far from 0 most of $z^2$ is $\mu^2$, which says nothing about the slope and is multiplied by noise. The best
baseline, $\mu^2 + 3$, removes the fourth power: $8\mu^2 + 6$ is left.
"""

# %% probe
def probe(answer):
    if not isinstance(answer, dict):
        raise Problem("type", "`variances` should be a dict with the entries \"predicted\" and \"ratio\".")
    choice(answer.get("predicted"), ("grows", "shrinks"), "the prediction")
    if answer.get("ratio", ...) is ...:
        raise Problem("none", "The ratio is still missing.")
    return {"ratio": number(answer["ratio"], "the ratio")}

# %% laws
def laws(seen):
    yield seen["ratio"] > 0, "a ratio of variances is positive"
    yield seen["ratio"] > 1, "the score-function estimate varies more here", "At every μ the score-function estimate varies more. Is the ratio upside down?"
    right = (CENTRE**4 + 14 * CENTRE**2 + 15) / 4
    if 0.012 < abs(seen["ratio"] / right - 1) < 0.15:
        yield False, "the factor is known to 1 %", "You are near. If your number comes from draws, they are too few: the ratio of two variances from n draws is off by a few times 1/√n, " \
            "so take millions. If it comes from a formula, check its small terms."
    elif seen["ratio"] > 1.1 * right:
        yield False, "the factor is small enough", "It is too large. Write z = μ + ε, multiply both estimates out, and use E[ε²] = 1, E[ε⁴] = 3, E[ε⁶] = 15; odd powers average to 0."
    elif 1 < seen["ratio"] < 0.9 * right:
        yield False, "the factor is large enough", "It is too small. Write z = μ + ε, multiply both estimates out, and use E[ε²] = 1, E[ε⁴] = 3, E[ε⁶] = 15; odd powers average to 0."

# %% right: by the moments of the normal distribution
variances = {"predicted": "shrinks", "ratio": (CENTRE**4 + 14 * CENTRE**2 + 15) / 4}

# %% right: from draws
z = torch.distributions.Normal(CENTRE, 1.0).sample((10_000_000,))
variances = {"predicted": "GROWS", "ratio": (z**2 * (z - CENTRE)).var() / torch.tensor(4.0)}

# %% wrong: standard deviations
# hint: You compared standard deviations. The ratio of the variances is its square.
#- (by_score.var() / by_path.var())
#+ (by_score.std() / by_path.std())

# %% wrong: upside down
# hint: Your ratio is the wrong way round: the score-function estimate stands above.
#- (by_score.var() / by_path.var())
#+ (by_path.var() / by_score.var())

# %% wrong: second moments
# hint: You averaged the squares and did not take off the square of the mean: a variance is measured from the average.
#- (by_score.var() / by_path.var())
#+ (by_score.square().mean() / 4)

# %% wrong: the chapter's ratio
# hint: This is the ratio at μ = 1, the one of the chapter.
#- (by_score.var() / by_path.var()).item()
#+ 7.5

# %% wrong: f without the score
# hint: You took the variance of f(z) alone. The score-function estimate is f(z) times the score.
#- z.square() * eps
#+ z.square()

# %% wrong: the derivative without its two
# hint: This is four times the ratio. Either you have not divided by the variance of the reparameterised estimate yet, or you made it from z: the derivative of z² is 2z, with
#   the variance 4.
#- by_path = 2 * z
#+ by_path = z

# %% wrong: the difference
# hint: This is the difference of the variances. Asked for is how many times larger the one is.
#- (by_score.var() / by_path.var())
#+ (by_score.var() - by_path.var())

# %% wrong: two second moments
# hint: You compared the averages of the squares. A variance is smaller by the square of the mean, which both estimates have.
#- (by_score.var() / by_path.var())
#+ (by_score.square().mean() / by_path.square().mean())

# %% wrong: in proportion to mu
# hint: You multiplied the chapter's 7.5 by μ. The variance of the score-function estimate grows with other powers of μ: derive it, or measure it.
#- (by_score.var() / by_path.var()).item()
#+ 7.5 * abs(CENTRE)

# %% wrong: in proportion to the square of mu
# hint: You multiplied the chapter's 7.5 by μ². The variance of the score-function estimate is a sum of several powers of μ: derive it, or measure it.
#- (by_score.var() / by_path.var()).item()
#+ 7.5 * CENTRE**2

# %% wrong: compared with the chapter's ratio
# hint: You divided by the chapter's 7.5. Asked for is the ratio of the two variances at this μ, and not how much it grew.
#- (by_score.var() / by_path.var())
#+ (by_score.var() / by_path.var() / 7.5)

# %% wrong: the chapter's mean taken off
# hint: You took off the square of 2, the derivative at μ = 1. Here the average of both estimates is 2μ.
#- (by_score.var() / by_path.var())
#+ ((by_score.square().mean() - 4) / 4)

# %% wrong: the mean taken off without its square
# hint: You took off the mean and not its square.
#- (by_score.var() / by_path.var())
#+ ((by_score.square().mean() - 2 * abs(CENTRE)) / 4)

# %% wrong: divided by the square of the mean
# hint: You divided by 4μ², the square of the derivative. The reparameterised estimate 2z has the variance 4, at every μ.
#- (by_score.var() / by_path.var())
#+ (by_score.var() / (4 * CENTRE**2))

# %% wrong: the moments of a coin
# hint: Your moments of ε are all 1. A standard normal ε has E[ε⁴] = 3 and E[ε⁶] = 15.
#- (by_score.var() / by_path.var()).item()
#+ (CENTRE**4 + 2 * CENTRE**2 + 1) / 4

# %% wrong: the fourth moment alone right
# hint: The sixth moment of ε is missing: (μ + ε)⁴ ε² holds ε⁶, whose average is 15.
#- (by_score.var() / by_path.var()).item()
#+ (CENTRE**4 + 14 * CENTRE**2) / 4

# %% wrong: with the best baseline
# hint: This is what is left with a baseline. Asked for are the plain estimates.
#- (by_score.var() / by_path.var())
#+ ((z.square() - CENTRE**2 - 3) * eps).var() / by_path.var()

# %% wrong: the score with z in it
# hint: You multiplied z² by z. The score at σ = 1 is z − μ, the noise ε.
#- z.square() * eps
#+ z.square() * z

# %% wrong: the sixth moment from the square of the fourth's
# hint: Your E[ε⁶] is 9, and E[ε⁶] of a standard normal is not the square of 3: the moments go on as 1, 3, 15, each time multiplied by the next odd number.
#- (by_score.var() / by_path.var()).item()
#+ (CENTRE**4 + 14 * CENTRE**2 + 9) / 4

# %% wrong: with the mean of f as the baseline
# hint: You took the mean of f off as a baseline first. Asked for are the plain estimates.
#- (by_score.var() / by_path.var())
#+ ((z.square() - CENTRE**2 - 1) * eps).var() / by_path.var()

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
$\mu = {{CENTRE}}$, with $\sigma = 1$ as before. How many times larger is the variance of the score-function estimate than that of the reparameterised
one?

*Predict* first: does the factor of 7.5 grow or shrink? Put `"grows"` or `"shrinks"` for `"predicted"`; a wrong prediction costs nothing. Then find
the factor, by a formula or from enough draws that you trust it to 1 %, for `"ratio"`.
"""

# %% draws
def draws(rng):
    return {"CENTRE": rng.choice([-2.5, -2.0, -1.5, 1.5, 2.0, 2.5])}

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
    yield seen["ratio"] > 1, "the score-function estimate varies more here"

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
# hint: The derivative of z² is 2z; you used z, so the lower variance is four times too small.
#- by_path = 2 * z
#+ by_path = z

# %% wrong: the difference
# hint: This is the difference of the variances. Asked for is how many times larger the one is.
#- (by_score.var() / by_path.var())
#+ (by_score.var() - by_path.var())

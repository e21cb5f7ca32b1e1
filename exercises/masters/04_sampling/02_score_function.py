# title: Weigh the draws
# chapter: 04_sampling
# goal: write the score-function estimator for another parameter
# kind: implement
# minutes: 15
# points: 2
# difficulty: 2
# passage: The first way: weigh the draws
# answer: estimates
# returns: tensor
# removes:

# %% statement
r"""
The chapter weighs draws to get the derivative with respect to $\mu$. Now take $z \sim \mathcal{N}({{MU}}, \sigma^2)$ and the derivative of
$\mathbb{E}[f(z)]$ with respect to $\lambda = \log \sigma$.

Write `estimates(f, log_sigma, eps)`: draw $z = {{MU}} + \sigma \varepsilon$ from the given standard normal numbers `eps`, of shape `(n,)`, and
give the `n` score-function estimates, one for each draw, without averaging them. `f` is a black box: it takes a tensor and can't be
differentiated. `log_sigma` is a tensor of shape `()`.
"""

# %% draws
def draws(rng):
    return {"MU": rng.choice([-1.0, -0.5, 0.5, 1.5, 2.0])}

# %% given
import torch

# %% starter
def estimates(f, log_sigma, eps):
    """Score-function estimates of dE[f(z)]/d log_sigma, one for each draw, (n,)."""
    ...

# %% solution
def estimates(f, log_sigma, eps):
    """Score-function estimates of dE[f(z)]/d log_sigma, one for each draw, (n,)."""
    z = MU + log_sigma.exp() * eps
    score = eps.square() - 1  # the derivative of log q(z) with respect to log sigma
    return f(z) * score

# %% inputs
def inputs(rng):
    return {"log_sigma": torch.tensor(rng.uniform(-0.8, 0.6)), "eps": rng.normal(50), "power": rng.choice([2.0, 3.0, 4.0])}

# %% probe
def probe(answer, log_sigma, eps, power):
    white = torch.special.ndtri((torch.arange(400) + 0.5) / 400)
    return {"estimates": answer(lambda z: z.detach().pow(power) + 1, log_sigma, eps),
            "average_for_the_square": answer(lambda z: z.detach().square(), log_sigma, white).mean(),
            "average_for_a_constant": answer(lambda z: torch.ones_like(z), log_sigma, white).mean()}

# %% laws
def laws(seen, log_sigma, eps, power):
    yield seen["estimates"].shape == (50,), "there is one estimate for each draw"
    yield abs(seen["average_for_a_constant"]) < 0.02, "what does not depend on z has the derivative 0", \
        "The average of the score is 0, whatever the parameter: test your score alone, with f = 1."
    yield abs(seen["average_for_the_square"] - 2 * (2 * log_sigma).exp()) < 0.1 * (1 + 2 * (2 * log_sigma).exp()), \
        "for f(z) = z² the average is 2 σ²"

# %% right: the score by autograd
def estimates(f, log_sigma, eps):
    out = []
    for one in eps:
        free = log_sigma.detach().clone().requires_grad_()
        z = (MU + free.exp() * one).detach()
        log_q = torch.distributions.Normal(MU, free.exp()).log_prob(z)
        out.append(f(z) * torch.autograd.grad(log_q, free)[0])
    return torch.stack(out)

# %% right: from the density, in float64
def estimates(f, log_sigma, eps):
    sigma = log_sigma.double().exp()
    z = MU + sigma * eps.double()
    return f(z) * ((z - MU) ** 2 / sigma**2 - 1)

# %% wrong: the score of mu
# hint: This is the score with respect to μ, the one of the chapter. Differentiate log q(z) with respect to log σ, with z held fixed.
#- eps.square() - 1
#+ eps / log_sigma.exp()

# %% wrong: the score of sigma
# hint: This is the derivative with respect to σ. With respect to log σ it is σ times as large, by the chain rule.
#- eps.square() - 1
#+ (eps.square() - 1) / log_sigma.exp()

# %% wrong: the minus one is missing
# hint: The −1 of the score is missing: it comes from −log σ in front of the exponent, and without it the score does not average to 0.
#- eps.square() - 1
#+ eps.square()

# %% wrong: the score of the logarithm of the variance
# hint: Every estimate is half of what it should be: that is the derivative with respect to log σ².
#- eps.square() - 1
#+ 0.5 * (eps.square() - 1)

# %% wrong: log q in place of its derivative
# hint: You weigh with log q(z) itself. The weights are its derivative.
#- eps.square() - 1
#+ -0.5 * eps.square() - log_sigma - 0.9189385

# %% wrong: the sign of the score
# hint: Every estimate has the wrong sign: a draw far from the mean becomes more probable when σ grows, so its score is positive.
#- eps.square() - 1
#+ 1 - eps.square()

# %% wrong: f at the noise
# hint: You ask f at the noise ε. It wants z.
#- f(z) * score
#+ f(eps) * score

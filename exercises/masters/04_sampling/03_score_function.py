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
$\mathbb{E}[h(z)]$ with respect to $\lambda = \log \sigma$.

Write `estimates(h, log_sigma, eps)`: draw $z = {{MU}} + \sigma \varepsilon$ from the given standard normal numbers `eps`, of shape `(n,)`, and
give the `n` score-function estimates, one for each draw, without averaging them. `h` is a black box: it takes a tensor of any length and can't be
differentiated. `log_sigma` is a tensor of shape `()`. Draw nothing else.
"""

# %% draws
def draws(rng):
    return {"MU": rng.choice([-1.0, -0.5, 0.5, 1.5, 2.0])}

# %% given
import torch

# %% starter
def estimates(h, log_sigma, eps):
    """Score-function estimates of dE[h(z)]/d log_sigma, one for each draw, (n,)."""
    ...

# %% solution
def estimates(h, log_sigma, eps):
    """Score-function estimates of dE[h(z)]/d log_sigma, one for each draw, (n,)."""
    z = MU + log_sigma.exp() * eps
    score = eps.square() - 1  # the derivative of log q(z) with respect to log sigma
    return h(z) * score

# %% why
r"""
The score is the derivative of $\log q(z)$ at a fixed $z$: the draw is a number that has come out, and only its density changes. With
$\lambda = \log \sigma$,

$$
\begin{aligned}
\log q(z) &= -\lambda - \tfrac12 (z - \mu)^2 e^{-2\lambda} + \text{a constant} , \\
\frac{\partial \log q(z)}{\partial \lambda} &= -1 + (z - \mu)^2 e^{-2\lambda} = \varepsilon^2 - 1 .
\end{aligned}
$$

A draw more than one $\sigma$ away from $\mu$ becomes more probable when $\sigma$ grows, a nearer one less. If $z$ moves with $\sigma$ while
$\log q(z)$ is differentiated, the second term is the constant $-\tfrac12 \varepsilon^2$, and the score is $-1$ for every draw.

Two checks: the score averages to $\mathbb{E}[\varepsilon^2] - 1 = 0$, and for $h(z) = z^2$ the estimates average to
$\sigma^2\, (\mathbb{E}[\varepsilon^4] - 1) = 2\sigma^2$, the derivative of $\mu^2 + e^{2\lambda}$. By the chain rule the score for $\sigma$ is
$(\varepsilon^2 - 1)/\sigma$, and for $\log \sigma^2$ it is half of $\varepsilon^2 - 1$.
"""

# %% inputs
def inputs(rng):
    return {"log_sigma": torch.tensor(rng.uniform(-0.8, 0.6)), "eps": rng.normal(50), "power": rng.choice([2.0, 3.0, 4.0])}

# %% probe
def probe(answer, log_sigma, eps, power):
    white = torch.special.ndtri((torch.arange(400) + 0.5) / 400)
    white = white / white.square().mean().sqrt()
    return {"estimates": answer(lambda z: z.detach().pow(power) + 1, log_sigma, eps),
            "average_for_the_square": answer(lambda z: z.detach().square(), log_sigma, white).mean(),
            "average_for_a_constant": answer(lambda z: torch.ones_like(z), log_sigma, white).mean(),
            "asked_twice": "the same" if torch.equal(answer(torch.square, log_sigma, eps), answer(torch.square, log_sigma, eps)) else "another"}

# %% laws
def laws(seen, log_sigma, eps, power):
    yield seen["estimates"].shape == (50,), "there is one estimate for each draw"
    yield seen["asked_twice"] == "the same", "asked twice, the answer is the same", "You draw noise of your own. The draws of z come from `eps`, which is passed in."
    z = MU + log_sigma.exp() * eps
    path = power * z ** (power - 1) * (z - MU)
    if seen["estimates"].shape == (50,):
        yield ((seen["estimates"] - path).abs() < 0.05 * (1 + path.abs())).double().mean() < 0.8, "h is asked at the draws alone", \
            "These are derivatives of h at the draws, the reparameterised estimates. The score-function estimate asks h once for each draw, and weighs what it gives by the score."
    yield abs(seen["average_for_a_constant"]) < 0.02, "what does not depend on z has the derivative 0", \
        "The average of the score is 0, whatever the parameter: test your score alone, with h = 1."
    yield abs(seen["average_for_the_square"] - 2 * (2 * log_sigma).exp()) < 0.1 * (1 + 2 * (2 * log_sigma).exp()), \
        "for h(z) = z² the average is 2 σ²", \
        "With h(z) = z² the average over the draws must be 2σ². Test z and the score apart: z has the mean μ and the standard deviation σ, and the " \
        "score is the derivative of log q(z) with respect to log σ at a fixed z. Then weigh each h(z) by the score of the same draw."

# %% right: the score by autograd
def estimates(h, log_sigma, eps):
    out = []
    for one in eps:
        free = log_sigma.detach().clone().requires_grad_()
        z = (MU + free.exp() * one).detach()
        log_q = torch.distributions.Normal(MU, free.exp()).log_prob(z)
        out.append(h(z) * torch.autograd.grad(log_q, free)[0])
    return torch.stack(out)

# %% right: from the density, in float64
def estimates(h, log_sigma, eps):
    sigma = log_sigma.double().exp()
    z = MU + sigma * eps.double()
    return h(z) * ((z - MU) ** 2 / sigma**2 - 1)

# %% wrong: the score of mu
# hint: This is the score with respect to μ, the one of the chapter. Differentiate log q(z) with respect to log σ, with z held fixed.
#- eps.square() - 1
#+ eps / log_sigma.exp()

# %% wrong: the score of sigma
# hint: This is the derivative with respect to σ. With respect to log σ it is σ times as large, by the chain rule.
#- eps.square() - 1
#+ (eps**2 - 1) / log_sigma.exp()

# %% wrong: the minus one is missing
# hint: The −1 of the score is missing: it comes from −log σ in front of the exponent, and without it the score does not average to 0.
#- eps.square() - 1
#+ eps.square()

# %% wrong: the score of the logarithm of the variance
# hint: A factor ½ stands before the score: that is the derivative with respect to log σ².
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

# %% wrong: h at the noise
# hint: You ask h at the noise ε. It wants z.
#- h(z) * score
#+ h(eps) * score

# %% wrong: the mean is forgotten
# hint: z is drawn around 0: its mean μ is missing.
#- z = MU + log_sigma.exp() * eps
#+ z = log_sigma.exp() * eps

# %% wrong: another mean
# hint: z is drawn around 1, as in the chapter. Here its mean is `MU`.
#- z = MU + log_sigma.exp() * eps
#+ z = 1 + log_sigma.exp() * eps

# %% wrong: log sigma taken for sigma
# hint: You multiply the noise by log σ. Take the exponential first.
#- log_sigma.exp() * eps
#+ log_sigma * eps

# %% wrong: log sigma taken for the log variance
# hint: You take half of `log_sigma` before the exponential, as if it were log σ². It is log σ.
#- log_sigma.exp() * eps
#+ (0.5 * log_sigma).exp() * eps

# %% wrong: sigma taken for the variance
# hint: The noise is multiplied by σ². z has the standard deviation σ.
#- log_sigma.exp() * eps
#+ (2 * log_sigma).exp() * eps

# %% wrong: divided by the variance
# hint: The score is divided by σ² once more. Written with ε it holds no σ: (z − μ)² / σ² is ε².
#- eps.square() - 1
#+ (eps**2 - 1) / (2 * log_sigma).exp()

# %% wrong: the score of the variance
# hint: This is the derivative with respect to σ². With respect to log σ it is 2σ² times as large, by the chain rule.
#- eps.square() - 1
#+ (eps.square() - 1) / (2 * (2 * log_sigma).exp())

# %% wrong: times sigma
# hint: The score is multiplied by σ once too often: ε² − 1 is the derivative with respect to log σ already.
#- eps.square() - 1
#+ (eps**2 - 1) * log_sigma.exp()

# %% wrong: not measured in sigma
# hint: The square of z − μ is not divided by σ²: log q(z) holds (z − μ)² / 2σ².
#- eps.square() - 1
#+ (z - MU).square() - 1

# %% wrong: not measured from the mean
# hint: You square z / σ. The density falls with the distance from the mean: take (z − μ) / σ.
#- eps.square() - 1
#+ (z / log_sigma.exp()).square() - 1

# %% wrong: differentiated through z
# hint: Your score is −1 for every draw: log q(z) was differentiated while z moves with σ. In the score z is held fixed (`detach`).
#- eps.square() - 1
#+ -torch.ones_like(eps)

# %% wrong: the estimates averaged
# hint: You return the average. Asked for are the estimates themselves, one for each draw.
#- return h(z) * score
#+ return (h(z) * score).mean().expand(eps.shape)

# %% wrong: divided by the number of draws
# hint: Each estimate is divided by the number of draws. Their average is right without it.
#- return h(z) * score
#+ return h(z) * score / len(eps)

# %% wrong: a baseline of the draws
# hint: You subtract the average of all values. That baseline holds the own draw, so the estimate is no longer right on average, and none is asked for.
#- return h(z) * score
#+ return (h(z) - h(z).mean()) * score

# %% wrong: the derivative of the density
# hint: You weigh with the derivative of the density q itself. The score is the derivative of its logarithm.
#- return h(z) * score
#+ return h(z) * score * (-0.5 * eps.square()).exp() / log_sigma.exp() / 2.5066283

# %% wrong: by the slope of h
# hint: This is the reparameterised gradient, from the slope of h. The score-function estimate uses the values of h alone.
def estimates(h, log_sigma, eps):
    z, step = MU + log_sigma.exp() * eps, 1e-2
    return (h(z + step) - h(z - step)) / (2 * step) * log_sigma.exp() * eps

# %% wrong: h averaged before it is weighed
# hint: You average h over the draws and weigh the average. Each draw has an h(z) of its own, weighed by its own score.
#- return h(z) * score
#+ return h(z).mean() * score

# %% wrong: the noise as the score
# hint: ε is σ times the score of μ. Differentiate log q(z) with respect to log σ, with z held fixed.
#- eps.square() - 1
#+ eps

# %% wrong: the others as a baseline
# hint: You took off the average of the other draws, a baseline. That is right on average; asked for are the plain estimates.
#- return h(z) * score
#+ return (h(z) - (h(z).sum() - h(z)) / (len(z) - 1)) * score

# title: The price under another prior
# chapter: 05_first_vae
# goal: derive a KL divergence in closed form and hold it against its definition
# kind: implement
# minutes: 15
# points: 2
# difficulty: 1
# passage: The KL of two Gaussians
# answer: kl
# returns: tensor
# removes: vae_lib.objectives.gaussian_kl

# %% statement
r"""
The chapter's prior is $\mathcal{N}(0, I)$. Take another one, $p(z) = \mathcal{N}(0, \tau^2 I)$ with $\tau = {{TAU}}$: the
same for all latent dimensions, but {{word}}.

Derive $\mathrm{KL}\big(\mathcal{N}(\mu, \operatorname{diag} \sigma^2)\,\Vert\,\mathcal{N}(0, \tau^2 I)\big)$ and write it as
`kl(mu, logvar)`, with `mu` and `logvar` $= \log \sigma^2$ of shape `(batch, z_dim)`. Give one number for each image, in nats. It is a part of a loss, so PyTorch must be able to
differentiate it with respect to both: stay with tensors.

*Check yourself first:* what must come out where $q$ is equal to this prior?
"""

# %% draws
def draws(rng):
    tau = rng.choice([0.4, 0.5, 0.6, 1.6, 2.0, 2.5, 3.0])
    return {"TAU": tau, "word": "wider" if tau > 1 else "narrower"}

# %% given
import torch

# %% starter
def kl(mu, logvar):
    """KL(N(mu, e^logvar) || N(0, TAU² I)) of each image, (batch,) nats."""
    ...

# %% solution
def kl(mu, logvar):
    """KL(N(mu, e^logvar) || N(0, TAU² I)) of each image, (batch,) nats."""
    terms = (mu.square() + logvar.exp()) / TAU**2 - 1 - logvar + 2 * torch.tensor(TAU).log()
    return 0.5 * terms.sum(-1)

# %% why
r"""
In one dimension the log-densities differ by

$$
\log q(z) - \log p(z) = \tfrac12 \Big(\tfrac{z^2}{\tau^2} - \tfrac{(z - \mu)^2}{\sigma^2} - \log \sigma^2 + \log \tau^2\Big) .
$$

Under $q$ the average of $z^2$ is $\mu^2 + \sigma^2$, and that of $(z - \mu)^2$ is $\sigma^2$. So the first term becomes
$(\mu^2 + \sigma^2) / \tau^2$ and the second $-1$. The dimensions are independent, and their terms add up. At $\mu = 0$, $\sigma = \tau$ each
comes to $1 - 1 - \log \tau^2 + \log \tau^2 = 0$.

Training does not notice a forgotten $\log \tau^2$: its gradient is zero. But every $-$ELBO is then off by $d \log \tau$ nats. The result is also
the chapter's KL at $\mu / \tau$ and $\sigma / \tau$: measured in units of $\tau$, the prior is $\mathcal{N}(0, I)$. A decoder that begins with a
linear layer can take in this factor, so another $\tau$ alone makes no better model.
"""

# %% inputs
def inputs(rng):
    mu, logvar = rng.normal(5, 4), rng.normal(5, 4)
    return {"mu": 2 * mu, "logvar": logvar, "seed": rng.integer(0, 10**6)}

# %% probe
def probe(answer, mu, logvar, seed):
    mu, logvar = mu.requires_grad_(), logvar.requires_grad_()
    value = answer(mu, logvar)
    mu_gradient, logvar_gradient = gradients(value, mu, logvar)
    at_prior = answer(torch.zeros(2, 3), torch.full((2, 3), 2 * float(torch.tensor(TAU).log())))
    return {"value": value, "value_at_the_prior": at_prior, "gradient_in_mu": mu_gradient,
            "gradient_in_logvar": logvar_gradient, "change_from_one_call_to_the_next": answer(mu, logvar) - value}

# %% laws
def laws(seen, mu, logvar, seed):
    yield seen["value"].shape == (5,), "there is one number for each image"
    yield not (seen["change_from_one_call_to_the_next"].abs() > 1e-4).any(), "the same q has the same KL at every call", \
        "You average over draws. The closed form needs none: take the average of log q(z) − log p(z) on paper."
    yield not (seen["value"] < -1e-4).any(), "a KL divergence is never negative"
    yield (seen["value_at_the_prior"].abs() < 1e-4).all(), "it is zero where q is the prior", \
        "Put mu = 0 and sigma = tau into your formula and see which term stays."
    q = torch.distributions.Normal(mu, (0.5 * logvar).exp())
    z = q.sample((4000,))
    draws = (q.log_prob(z) - torch.distributions.Normal(0.0, TAU).log_prob(z)).sum(-1).double()
    error = draws.std(0) / 4000**0.5
    yield ((seen["value"] - draws.mean(0)).abs() < 6 * error + 1e-3).all(), \
        "it is the average of log q(z) − log p(z) over draws from q"

# %% right: from torch.distributions
import torch.distributions as td

def kl(mu, logvar):
    q = td.Normal(mu, torch.exp(logvar / 2))
    return td.kl_divergence(q, td.Normal(torch.zeros_like(mu), TAU)).sum(1)

# %% right: by a change of scale, as the KL to N(0, I)
def kl(mu, logvar):
    shift = torch.log(torch.tensor(TAU, dtype=torch.float64))
    m, s = mu.double() / TAU, logvar.double() / 2 - shift
    return ((m**2 + torch.exp(2 * s) - 1) / 2 - s).sum(dim=1)

# %% right: entropy and cross-entropy, dimension by dimension
import math

def kl(mu, logvar):
    total = torch.zeros(len(mu))
    for j in range(mu.shape[1]):
        entropy = 0.5 * (math.log(2 * math.pi * math.e) + logvar[:, j])
        cross = 0.5 * math.log(2 * math.pi * TAU**2) + (mu[:, j] ** 2 + torch.exp(logvar[:, j])) / (2 * TAU**2)
        total = total + cross - entropy
    return total

# %% wrong: the chapter's prior
# hint: This is the KL to N(0, I). Here the prior has the standard deviation `TAU`, so both the squares and the
#   logarithm must be measured against it.
def kl(mu, logvar):
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(-1)

# %% wrong: the prior's log-variance is missing
# hint: The logarithm of the prior's variance is missing: without it the KL of the prior to
#   itself is not zero.
#-  + 2 * torch.tensor(TAU).log()
#+

# %% wrong: tau where its square belongs
# hint: You divide by the prior's standard deviation. Squares of z are measured against its variance, the square of
#   `TAU`.
#- / TAU**2 -
#+ / TAU -

# %% wrong: the half is forgotten
# hint: Every value is twice what it should be: the one half of the Gaussian's exponent is missing.
#- 0.5 * terms
#+ terms

# %% wrong: mean over the dimensions
# hint: You average over the latent dimensions. They are independent, so their KL divergences add up.
#- terms.sum(-1)
#+ terms.mean(-1)

# %% wrong: logvar taken for sigma
# hint: You use `logvar` as if it were the standard deviation. It is the logarithm of the variance: the variance is
#   its exponential.
def kl(mu, logvar):
    var = logvar.square() + 1e-6
    return 0.5 * ((mu.square() + var) / TAU**2 - 1 - var.log() + 2 * torch.tensor(TAU).log()).sum(-1)

# %% wrong: the other direction
# hint: This is KL(p || q), the average under the prior. The bound needs KL(q || p), the average under q.
def kl(mu, logvar):
    var = logvar.exp()
    return 0.5 * ((TAU**2 + mu.square()) / var - 1 + logvar - 2 * torch.tensor(TAU).log()).sum(-1)

# %% wrong: the logarithm with the wrong sign
# hint: `logvar` stands with the wrong sign: a narrow q tells more about z, so its KL must be larger.
#- - 1 - logvar
#+ - 1 + logvar

# %% wrong: the one is missing
# hint: The −1 of each dimension is missing. It is minus the average of (z − mu)² / sigma² under q.
#- - 1 - logvar
#+ - logvar

# %% wrong: e to the log-variance read as sigma
# hint: You square the exponential of `logvar`. That exponential is the variance already.
#- logvar.exp()
#+ logvar.exp().square()

# %% wrong: log sigma read from logvar
# hint: You use `logvar` as if it were log σ. It is log σ², so its exponential is the variance already.
#- logvar.exp()) / TAU**2 - 1 - logvar
#+ (2 * logvar).exp()) / TAU**2 - 1 - 2 * logvar

# %% wrong: sigma for its square
# hint: You divide σ by τ², and not σ². The exponential of half of `logvar` is the standard deviation.
#- (mu.square() + logvar.exp())
#+ (mu.square() + torch.exp(0.5 * logvar))

# %% wrong: all of the chapter's KL divided
# hint: You divide the whole KL by τ². Only the squares are measured against τ; the −1 and the logarithm are not.
#- terms = (mu.square() + logvar.exp()) / TAU**2 - 1 - logvar + 2 * torch.tensor(TAU).log()
#+ terms = (mu.square() + logvar.exp() - 1 - logvar) / TAU**2

# %% wrong: mu without its square
# hint: `mu` is not squared: the Gaussian's exponent holds the square of the distance from the prior's mean.
#- mu.square()
#+ mu.abs()

# %% wrong: the mean alone divided
# hint: Only the square of `mu` is divided by τ². The variance of q is measured against that of the prior as well.
#- (mu.square() + logvar.exp()) / TAU**2
#+ mu.square() / TAU**2 + logvar.exp()

# %% wrong: the variance alone divided
# hint: Only the variance is divided by τ². The square of `mu` is measured against the prior's variance as well.
#- (mu.square() + logvar.exp()) / TAU**2
#+ mu.square() + logvar.exp() / TAU**2

# %% wrong: multiplied by the prior's variance
# hint: You multiply by τ². A wider prior makes a distance cheaper: divide by its variance.
#- / TAU**2 -
#+ * TAU**2 -

# %% wrong: the standard deviation set to tau squared
# hint: Your prior has the standard deviation τ², and so the variance τ⁴. Its standard deviation is `TAU`.
#- / TAU**2 - 1 - logvar + 2 * torch
#+ / TAU**4 - 1 - logvar + 4 * torch

# %% wrong: log tau once
# hint: The logarithm of the prior's *variance* belongs beside `logvar`, and that is 2 log τ. You have log τ.
#- + 2 * torch
#+ + torch

# %% wrong: the sign of log tau
# hint: The logarithm of the prior's variance has the wrong sign: at the prior it must take away what `logvar` gives.
#- + 2 * torch
#+ - 2 * torch

# %% wrong: the cross-entropy alone
# hint: This is the cross-entropy, the average of −log p(z) under q. The entropy of q is missing: a KL is the difference of the two.
#- - 1 - logvar + 2 * torch.tensor(TAU).log()
#+ + 1.8378770664093453 + 2 * torch.tensor(TAU).log()

# %% wrong: log tau once for each image
# hint: The logarithm of τ is added once for each image. Each latent dimension brings its own: it belongs inside of the sum.
#-  + 2 * torch.tensor(TAU).log()
#+
#- return 0.5 * terms.sum(-1)
#+ return 0.5 * terms.sum(-1) + torch.tensor(TAU).log()

# %% wrong: the logarithm of tau four times
# hint: The logarithm of τ² is 2 log τ. You have twice as much: the square is counted two times.
#- + 2 * torch
#+ + 4 * torch

# %% wrong: tau as the mean
# hint: You put τ in as the mean of the prior. Its mean is 0, and τ is its standard deviation.
def kl(mu, logvar):
    return 0.5 * ((mu - TAU).square() + logvar.exp() - 1 - logvar).sum(-1)

# %% wrong: logvar and the one divided too
# hint: You divide `logvar` and the −1 by τ² as well. Squares are measured against τ²; a logarithm is not.
#- terms = (mu.square() + logvar.exp()) / TAU**2 - 1 - logvar
#+ terms = (mu.square() + logvar.exp() - 1 - logvar) / TAU**2

# %% wrong: half of logvar
# hint: You have half of `logvar`, which is log σ. Beside the logarithm of τ² stands that of σ².
#- - 1 - logvar
#+ - 1 - 0.5 * logvar

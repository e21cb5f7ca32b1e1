# title: How much of the prior lies in holes?
# chapter: 07_generation
# goal: write down an expectation, then measure where prior and codes disagree
# kind: predict
# minutes: 20
# points: 3
# difficulty: 3
# passage: Where the codes lie
# answer: holes
# tolerance: 1e-4, measured 2e-3
# repeats: 1

# %% statement
r"""
Take the VAE with two latent dimensions and call a place $z$ a *hole* where the codes are at least {{TIMES}} times as rare as the prior says:
$q_\phi(z) < p(z) / {{TIMES}}$. How large a share of the **prior's draws** falls into holes?

*Predict* a number between 0 and 1, after one more look at the chapter's two clouds, and do not change it afterwards: a wrong prediction costs nothing.
Then *measure* the share, and put both into `holes`. Do not draw: `cells` holds 900 points, each the middle of a cell of equal probability under
$p(z) = \mathcal{N}(0, I)$. For $q_\phi(z)$ take the posteriors of the 1,000 images, with `mu` and `logvar` of shape `(1000, 2)`.
"""

# %% draws
def draws(rng):
    return {"TIMES": rng.choice([1.5, 2, 3, 5]), "BEGIN": 100 * rng.integer(0, 10)}

# %% given
from functools import lru_cache

import torch
from vae_lib import data, pretrained

@lru_cache
def posteriors_and_cells(begin):
    """mu and logvar of 1,000 validation images of MNIST, (1000, 2), and 900 cells of equal prior probability, (900, 2)."""
    model = pretrained.load("plane-mnist")
    with torch.no_grad():
        mu, logvar = model.encode(data.static_binarized("mnist", "validation")[begin:begin + 1000])
    line = torch.special.ndtri((torch.arange(30) + 0.5) / 30)
    return mu, logvar, torch.cartesian_prod(line, line)

# %% starter
mu, logvar, cells = posteriors_and_cells(BEGIN)
predicted = ...
measured = ...
holes = {"predicted": predicted, "measured": measured}

# %% solution
mu, logvar, cells = posteriors_and_cells(BEGIN)
each = torch.distributions.Normal(mu, torch.exp(0.5 * logvar)).log_prob(cells[:, None]).sum(2)
log_q = torch.logsumexp(each, 1) - torch.log(torch.tensor(1000.0))
log_p = torch.distributions.Normal(0.0, 1.0).log_prob(cells).sum(1)
empty = log_q < log_p - torch.log(torch.tensor(float(TIMES)))
predicted = 0.2
measured = empty.double().mean().item()
holes = {"predicted": predicted, "measured": measured}

# %% inputs
def inputs(rng):
    return {}

# %% probe
def probe(answer):
    if not isinstance(answer, dict) or not {"predicted", "measured"} <= set(answer):
        raise Problem("type", "`holes` should be a dict with the entries \"predicted\" and \"measured\".")
    if answer["predicted"] is ... or answer["measured"] is ...:
        raise Problem("none", "Predict first, then measure: an entry of `holes` is still `...`.")
    if not 0 <= number(answer["predicted"], "the prediction") <= 1:
        raise Problem("type", "The prediction is a share: a number between 0 and 1.")
    return {"measured": number(answer["measured"], "the measured share")}

# %% laws
def laws(seen):
    yield 0 <= seen["measured"] <= 1, "a share lies between 0 and 1", "Divide by the number of cells, and do not count in per cent."

# %% right: without logarithms, in float64
mu, logvar, cells = (one.double() for one in posteriors_and_cells(BEGIN))
var = logvar.exp()
squares = ((cells[:, None] - mu) ** 2 / var).sum(2)
q = (torch.exp(-squares / 2) / (2 * torch.pi * var.prod(1).sqrt())).mean(1)
p = torch.exp(-(cells**2).sum(1) / 2) / (2 * torch.pi)
holes = {"predicted": 0.5, "measured": (TIMES * q < p).sum() / len(cells)}

# %% right: by the library's aggregate posterior
from vae_lib.generation import AggregatePosterior
mu, logvar, cells = posteriors_and_cells(BEGIN)
ratio = AggregatePosterior(mu, logvar).log_prob(cells) + 0.5 * cells.square().sum(1) + torch.log(torch.tensor(2 * torch.pi))
holes = {"predicted": 0, "measured": (ratio.exp() < 1 / TIMES).float().mean()}

# %% right: as a mixture
mu, logvar, cells = posteriors_and_cells(BEGIN)
parts = torch.distributions.Independent(torch.distributions.Normal(mu, logvar.div(2).exp()), 1)
mixture = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(torch.ones(len(mu))), parts)
prior = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
share = [float(a) < float(b) / TIMES for a, b in zip(mixture.log_prob(cells).exp(), prior.log_prob(cells).exp())]
holes = {"predicted": 1, "measured": sum(share) / 900}

# %% wrong: the sum over the images is no mean
# hint: q(z) is the mean of the posteriors and not their sum. Without the division by the number of images hardly anything is a hole.
#-  - torch.log(torch.tensor(1000.0))
#+

# %% wrong: crowded places
# hint: You counted the places where the codes are much denser than the prior says. Holes are where they are rarer.
#- log_q < log_p - torch.log(torch.tensor(float(TIMES)))
#+ log_q > log_p + torch.log(torch.tensor(float(TIMES)))

# %% wrong: nats for a factor
# hint: You took the number of times for nats. A factor becomes its logarithm when logarithms are compared.
#- - torch.log(torch.tensor(float(TIMES)))
#+ - TIMES

# %% wrong: anything below the prior
# hint: You counted every place where q(z) is below p(z). A hole needs more: the factor `TIMES`.
#-  - torch.log(torch.tensor(float(TIMES)))
#+

# %% wrong: per cent
# hint: This is the share in per cent. Give it as a number between 0 and 1.
#- measured = empty
#+ measured = 100 * empty

# %% wrong: cells and no share
# hint: This is the number of cells. Asked for is their share.
#- empty.double().mean()
#+ empty.double().sum()

# %% wrong: the share of the codes
# hint: You asked the codes: their share in holes is small, since holes are where there are few codes. Asked for is the share of the prior's draws, and the cells
#   stand for those.
mu, logvar, _ = posteriors_and_cells(BEGIN)
each = torch.distributions.Normal(mu, torch.exp(0.5 * logvar)).log_prob(mu[:, None]).sum(2)
log_q = torch.logsumexp(each, 1) - torch.log(torch.tensor(1000.0))
log_p = torch.distributions.Normal(0.0, 1.0).log_prob(mu).sum(1)
holes = {"predicted": 0.2, "measured": (log_q < log_p - torch.log(torch.tensor(float(TIMES)))).double().mean().item()}

# %% wrong: the mean of the logarithms
# hint: You average the logarithms of the posteriors. q(z) is the mean of the densities; the mean of their logarithms is ruled by the farthest images.
#- torch.logsumexp(each, 1) - torch.log(torch.tensor(1000.0))
#+ each.mean(1)

# %% wrong: the variance for the spread
# hint: The posteriors are given their variance for a standard deviation, so that each is too narrow, and holes seem larger. The exponent needs its one half.
#- torch.exp(0.5 * logvar)
#+ torch.exp(logvar)

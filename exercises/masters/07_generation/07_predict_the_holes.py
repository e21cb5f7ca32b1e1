# title: How much of the prior lies in holes?
# chapter: 07_generation
# goal: write down an expectation, measure it, and see what the number of images does to it
# kind: predict
# minutes: 20
# points: 3
# difficulty: 3
# passage: Where the codes lie
# answer: holes
# tolerance: 1e-4, few 3e-3, many 3e-3
# repeats: 1

# %% statement
r"""
Take the VAE with two latent dimensions and call a place $z$ a *hole* where the codes are at least {{TIMES}} times as rare as the prior says:
$q_\phi(z) < p(z) / {{TIMES}}$. How large a share of the **prior's draws** falls into holes?

*Predict* a number between 0 and 1, after one more look at the chapter's two clouds, and do not change it afterwards: a wrong prediction costs nothing.
Then *measure* the share twice, with $q_\phi(z)$ from the first {{FEW}} images alone (`"few"`) and from all 5,000 (`"many"`). Which of the two do
you trust, and which way is the other one off?

Do not draw. `cells` holds 400 points, each the middle of a cell of equal probability under $p(z) = \mathcal{N}(0, I)$, and `log_each`, of shape
`(400, 5000)`, is $\log q_\phi(z \mid x^{(n)})$ of every cell and every image.
"""

# %% draws
def draws(rng):
    # never such that few and many add up to 1
    times, few = rng.choice([(1.5, 100), (1.5, 250), (2, 100), (2, 200), (3, 250), (4, 200), (4, 250)])
    return {"TIMES": times, "FEW": few, "BEGIN": 1000 * rng.integer(0, 30)}

# %% given
from functools import lru_cache

import torch
from vae_lib import data, pretrained

@lru_cache
def cells_and_codes(begin):
    """400 cells of equal prior probability, (400, 2), and log q(z|x) there for 5,000 training images, (400, 5000) nats."""
    images = data.load("mnist").images[begin:begin + 5000]
    with torch.no_grad():
        mu, logvar = pretrained.load("plane-mnist").encode(data.binarize(images, torch.Generator().manual_seed(0)))
    line = torch.special.ndtri((torch.arange(20) + 0.5) / 20)
    cells = torch.cartesian_prod(line, line)
    q = torch.distributions.Normal(mu, torch.exp(0.5 * logvar))
    return cells, q.log_prob(cells[:, None]).sum(2)

# %% starter
cells, log_each = cells_and_codes(BEGIN)
predicted = ...
holes = {"predicted": predicted, "few": ..., "many": ...}

# %% solution
cells, log_each = cells_and_codes(BEGIN)
log_p = torch.distributions.Normal(0.0, 1.0).log_prob(cells).sum(1)
log_times = torch.log(torch.tensor(float(TIMES)))

def share_of_holes(n):
    log_q = torch.logsumexp(log_each[:, :n], 1) - torch.log(torch.tensor(float(n)))
    empty = log_q < log_p - log_times
    return empty.double().mean().item()

predicted = 0.2
holes = {"predicted": predicted, "few": share_of_holes(FEW), "many": share_of_holes(5000)}

# %% why
r"""
Every cell has the same probability under $p(z)$, so the share of the prior is a share of cells. In each, the mean of the posteriors' densities is
held against the prior: $\log q_\phi(z) < \log p(z) - \log {{TIMES}}$.

Trust the many. Where the prior's standard deviation is 1, that of a posterior is about 0.03 (the median). So {{FEW}} posteriors cover a small
part of the plane; between them $q_\phi(z)$ is almost 0, and on top of them it is far too high. So with the few, more than 0.6 of the prior seems
to lie in holes, and with 5,000 less than 0.5. With all training images the share falls a little further: the many are off in the same direction,
by less.

The share of the *codes* in holes is another number, less than $1 / {{TIMES}}$ of the prior's share, since $q_\phi(z) < p(z) / {{TIMES}}$ there.
Generation with $\mathcal{N}(0, I)$ asks the decoder there more often than training did. A prior fitted to the codes avoids the holes.
"""

# %% inputs
def inputs(rng):
    return {}

# %% probe
def probe(answer):
    names = ("predicted", "few", "many")
    if not isinstance(answer, dict) or not set(names) <= set(answer):
        raise Problem("type", "`holes` should be a dict with the entries \"predicted\", \"few\" and \"many\".")
    if any(answer[name] is ... for name in names):
        raise Problem("none", "Predict first, then measure: an entry of `holes` is still `...`.")
    if not 0 <= number(answer["predicted"], "the prediction") <= 1:
        raise Problem("type", "The prediction is a share: a number between 0 and 1.")
    return {"few": number(answer["few"], "the share by few images"), "many": number(answer["many"], "the share by many images")}

# %% laws
def laws(seen):
    for name in ("few", "many"):
        yield 0 <= seen[name] <= 1, f"the share “{name}” lies between 0 and 1", "Divide by the number of cells, and do not count in per cent."
    cells, log_each = cells_and_codes(BEGIN)
    floor = torch.distributions.Normal(0.0, 1.0).log_prob(cells).sum(1) - torch.log(torch.tensor(float(TIMES)))
    for name, images in (("few", FEW), ("many", 5000)):
        share = (torch.logsumexp(log_each[:, :images], 1) - torch.log(torch.tensor(float(images))) < floor).double().mean().item()
        last = (torch.logsumexp(log_each[:, -images:], 1) - torch.log(torch.tensor(float(images))) < floor).double().mean().item()
        yield abs(seen[name] - share) < 6e-3, f"“{name}” is the share of the 400 cells that are holes by the first {images} images", \
            "For “few” you took the last images, or some others. It is about the first ones, the first columns of `log_each`." if abs(seen[name] - last) < 2e-3 else \
            f"For “{name}”: every row of `log_each` is a cell. Over its first {images} columns take the mean of the densities, then the " \
            "logarithm; hold it against log p(z) − log TIMES; all 400 cells count alike."

# %% right: without logarithms, in float64
cells, log_each = cells_and_codes(BEGIN)
density = torch.exp(log_each.double())
p = torch.exp(-(cells.double() ** 2).sum(1) / 2) / (2 * torch.pi)
found = [(TIMES * density[:, :n].mean(1) < p).sum() / len(cells) for n in (FEW, 5000)]
holes = {"predicted": 0.5, "few": found[0], "many": found[1]}

# %% right: by the ratio to the prior, cell by cell
import math
cells, log_each = cells_and_codes(BEGIN)
prior = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
ratio = torch.exp(log_each - prior.log_prob(cells)[:, None])
holes = {"predicted": 0}
for name, images in {"many": ratio, "few": ratio[:, :FEW]}.items():
    holes[name] = sum(math.fsum(row) / len(row) < 1 / TIMES for row in images.tolist()) / 400

# %% wrong: the sum over the images is no mean
# hint: q(z) is the mean of the posteriors, and neither their sum nor the largest of them. Without the division by the number of images hardly anything is
#   a hole.
#-  - torch.log(torch.tensor(float(n)))
#+

# %% wrong: the few divided by all
# hint: The share for all images is right. For the few you divide by 5,000: the mean over some images is divided by their number.
#- torch.tensor(float(n))
#+ torch.tensor(5000.0)

# %% wrong: crowded places
# hint: You counted the places where the codes are much denser than the prior says. Holes are where they are rarer.
#- log_q < log_p - log_times
#+ log_q > log_p + log_times

# %% wrong: nats for a factor
# hint: You took the number of times for nats. A factor becomes its logarithm when logarithms are compared.
#- torch.log(torch.tensor(float(TIMES)))
#+ TIMES

# %% wrong: anything below the prior
# hint: You counted every place where q(z) is below p(z). A hole needs more: the factor `TIMES`.
#- log_q < log_p - log_times
#+ log_q < log_p

# %% wrong: per cent
# hint: These are shares in per cent. Give numbers between 0 and 1.
#- return empty
#+ return 100 * empty

# %% wrong: cells and no share
# hint: These are numbers of cells. Asked for is their share.
#- empty.double().mean()
#+ empty.double().sum()

# %% wrong: the share of the codes
# hint: This is the share of the codes that fall into holes: small, since holes are where there are few codes. Asked for is the share of the prior's draws,
#   and each cell stands for equally many of those.
#- empty.double().mean()
#+ ((log_q - log_p).exp() * empty).mean()

# %% wrong: the mean of the logarithms
# hint: You average the logarithms of the posteriors, or judge image by image. q(z) is the mean of the densities over the images, and this mean is held against
#   p(z) once for each cell.
#- torch.logsumexp(log_each[:, :n], 1) - torch.log(torch.tensor(float(n)))
#+ log_each[:, :n].mean(1)

# %% wrong: the nearest posterior alone
# hint: You took the largest of the posteriors for their sum. Where codes are crowded, thousands of them overlap, and all add up.
#- torch.logsumexp(log_each[:, :n], 1)
#+ log_each[:, :n].amax(1)

# %% wrong: few and many the wrong way round
# hint: Both shares are right, and stand in each other's place.
#- "few": share_of_holes(FEW), "many": share_of_holes(5000)
#+ "few": share_of_holes(5000), "many": share_of_holes(FEW)

# %% wrong: the factor turned over
# hint: You multiply p(z) by `TIMES` where you should divide: so every place counts where q(z) is below that many times p(z). In a hole the
#   codes are rarer than p(z) / TIMES: log q(z) < log p(z) − log TIMES.
#- log_q < log_p - log_times
#+ log_q < log_p + log_times

# %% wrong: no constant in the prior
# hint: The constant of the prior is missing: log p(z) = −|z|²/2 − log 2π in two dimensions. In a comparison with q(z), which has it, it
#   does not cancel.
#- log_q < log_p - log_times
#+ log_q < log_p + torch.log(torch.tensor(2 * torch.pi)) - log_times

# %% wrong: the share without holes
# hint: This is the share that does not fall into holes: take it from 1.
#- return empty.double().mean().item()
#+ return 1 - empty.double().mean().item()

# %% wrong: the sum over the few
# hint: The share for all images is right. For the few you took the sum of the posteriors and not their mean: divide by `FEW`.
#- torch.log(torch.tensor(float(n)))
#+ torch.log(torch.tensor(float(n if n == 5000 else 1)))

# %% wrong: half of the prior's constant
# hint: Half of the prior's constant is missing: in two dimensions log p(z) holds −log 2π, one half of it from each.
#- log_q < log_p - log_times
#+ log_q < log_p + torch.log(torch.tensor(2 * torch.pi)) / 2 - log_times

# %% wrong: the mean over the two dimensions
# hint: You average log p(z) over the two dimensions. They are independent, so that their logarithms add up.
#- log_prob(cells).sum(1)
#+ log_prob(cells).mean(1)

# %% wrong: the probability of a cell
# hint: You hold q(z) against 1/400, the probability of a cell. q(z) is a density, and so is p(z): take the prior's density in the middle of each cell.
#- torch.distributions.Normal(0.0, 1.0).log_prob(cells).sum(1)
#+ -torch.log(torch.full((400,), 400.0))

# %% wrong: weighed by the prior
# hint: You weigh the cells by p(z). They were cut so that each holds the same probability: dense ones are small, and all count alike.
#- empty.double().mean()
#+ (log_p.exp() * empty).sum() / log_p.exp().sum()

# %% wrong: weighed by the codes
# hint: You weigh the cells by how many codes lie there. Asked for is the share of the *prior's* draws, which fall into each cell equally often.
#- empty.double().mean()
#+ ((log_q - log_p).exp() * empty).sum() / (log_q - log_p).exp().sum()

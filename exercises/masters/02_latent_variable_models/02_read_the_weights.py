# title: Three proposals and their weights
# chapter: 02_latent_variable_models
# goal: see from the weights whether a proposal fits
# kind: figure
# minutes: 10
# points: 2
# difficulty: 1
# passage: Move the proposal
# answer: reading
# repeats: 1
# tolerance: 1e-4, size 0.32
# removes:

# %% statement
r"""
For one model and one image, 50 latents were drawn from each of three proposals: one that is about the true posterior, one that is **shifted** by
{{SHIFT}} standard deviations, and one that is three times too **wide**. The figure shows the 50 weights of each, sorted, as shares of their sum.

Which panel is which? And how large is the effective sample size of the *wide* one? (It is about the number of draws with a fair share; an answer within a third of it is accepted.) Fill in
`reading`.
"""

# %% draws
def draws(rng):
    import base64

    letters = rng.sample("ABC", 3)
    kinds = dict(zip(letters, ["fit", "shifted", "wide"]))
    hidden = base64.b64encode(" ".join(kinds[letter] for letter in "ABC").encode()).decode()
    return {"hidden": hidden, "SHIFT": rng.choice([2.5, 3.0, 3.5]), "seed": rng.integer(0, 10**6), "fit": letters[0], "shifted": letters[1], "wide": letters[2]}

# %% given
import torch

def shares(kind):
    """50 sorted weights as shares of their sum, for a posterior N(0, 1)."""
    place, spread = {"fit": (0.1, 1.05), "shifted": (SHIFT, 1.0), "wide": (0.0, 3.0)}[kind]
    u = (torch.arange(50, dtype=torch.float64) + 0.5) / 50
    z = place + spread * torch.special.ndtri(u)
    log_w = torch.distributions.Normal(0.0, 1.0).log_prob(z) - torch.distributions.Normal(place, spread).log_prob(z)
    return torch.softmax(log_w, 0).sort(descending=True).values

# %% show
import base64

import matplotlib.pyplot as plt
from vae_lib import plots

plots.style()
kinds = dict(zip("ABC", base64.b64decode("{{hidden}}").decode().split()))
fig, axes = plt.subplots(1, 3, figsize=(7, 2.6))
for ax, letter in zip(axes, "ABC"):
    ax.bar(range(1, 51), shares(kinds[letter]).tolist(), color=plots.COLORS["blue"])
    ax.set(title=letter, xlabel="draw, sorted")
axes[0].set_ylabel("share of the weight")
fig.tight_layout()
plt.show()

# %% starter
reading = {"fit": ..., "shifted": ..., "wide": ..., "size": ...}

# %% solution
wide = shares("wide")
reading = {"fit": "{{fit}}", "shifted": "{{shifted}}", "wide": "{{wide}}", "size": (1 / wide.square().sum()).item()}

# %% why
r"""
Where the proposal is the posterior, all weights are alike: in {{fit}} no draw has much more than its fair share of 1/50. A proposal that is too
wide wastes the draws outside of the posterior and weighs the ones inside about alike, so {{wide}} has a broad shoulder and then a tail of nothing.
From a shifted one, the few draws that come nearest to the posterior take most of the weight: {{shifted}}.

For a proposal $\sigma$ times as wide as a posterior, $\mathbb{E}[w^2] / \mathbb{E}[w]^2 = \sigma^2 / \sqrt{2\sigma^2 - 1}$. With $\sigma = 3$ that
is 2.18: of 50 draws 22.9 are left. For a shift of $\delta$ it is $e^{\delta^2}$, which is several hundred or more here, and the 50 draws still show
a size of 2 to 4. An effective sample size counts the weights that were drawn. It cannot see those that were missed.
"""

# %% probe
def probe(answer):
    if not isinstance(answer, dict):
        raise Problem("type", "`reading` should be a dict such as the one that you were given.")
    seen = {name: choice(answer.get(name), "ABC", f"the entry {name!r}") for name in ("fit", "shifted", "wide")}
    if len(set(seen.values())) < 3:
        raise Problem("type", "Each letter belongs to one proposal: a letter stands twice.")
    if answer.get("size", ...) is ...:
        raise Problem("none", "The effective sample size is still missing.")
    return seen | {"size": number(answer["size"], "the effective sample size")}

# %% laws
def laws(seen):
    yield 1 <= seen["size"] <= 50, "the effective sample size lies between 1 and the number of draws", \
        "There are 50 draws, and no more can count." if seen["size"] > 50 else \
        "It is a number of draws and no share: about as many as have a fair share of the weight. Count the tall bars."
    right = 1 / shares("wide").square().sum()
    yield abs(seen["size"] - right) <= 0.32 * (1 + right), "it is about the number of tall bars of the wide one", \
        "Too large: bars that can hardly be seen do not count." if seen["size"] > right else \
        "Too small: count the bars that are at least half as tall as the largest. The lower ones count too, in part."

# %% right: in small letters, counted by eye
reading = {"fit": "{{fit}}".lower(), "shifted": "{{shifted}} ", "wide": "{{wide}}", "size": 20}

# %% right: by the definition, a little high
w = shares("wide") * 7
reading = dict(size=1.1 * w.sum() ** 2 / (w * w).sum(), wide="{{wide}}", shifted="{{shifted}}", fit="{{fit}}")

# %% wrong: wide and shifted the wrong way round
# hint: You have the wide and the shifted one the wrong way round. A wide proposal wastes the draws outside and shares the weight among those inside; a shifted one
#   leaves most of the weight to one or two draws at its edge.
#- "shifted": "{{shifted}}"
#+ "shifted": "{{wide}}"
#- "wide": "{{wide}}"
#+ "wide": "{{shifted}}"

# %% wrong: one draw with all the weight taken for a good fit
# hint: You took the panel in which one or two draws have most of the weight for the good fit. Where the proposal fits, all draws weigh about the same.
#- "fit": "{{fit}}"
#+ "fit": "{{shifted}}"
#- "shifted": "{{shifted}}"
#+ "shifted": "{{fit}}"

# %% wrong: the wide one taken for a good fit
# hint: You took the wide proposal for the one that fits: about half of its draws weigh fairly, the rest little or nothing. In the one that fits, hardly any draw weighs nothing.
#- "fit": "{{fit}}"
#+ "fit": "{{wide}}"
#- "wide": "{{wide}}"
#+ "wide": "{{fit}}"

# %% wrong: the number of draws
# hint: You gave the number of draws: those with next to no weight do not count.
#- (1 / wide.square().sum()).item()
#+ 50

# %% wrong: the largest share
# hint: You gave a share; the size is about the number of draws that share the weight.
#- (1 / wide.square().sum()).item()
#+ wide[0].item()

# %% wrong: the size of another panel
# hint: You gave the size of the shifted proposal.
#- (1 / wide.square().sum()).item()
#+ (1 / shares("shifted").square().sum()).item()

# %% wrong: the size of the fit
# hint: You gave the size of the proposal that fits, where nearly all draws count. Asked for is that of the wide one.
#- (1 / wide.square().sum()).item()
#+ (1 / shares("fit").square().sum()).item()

# %% wrong: all three moved on
# hint: All three letters stand in another's place. Begin with the panel whose bars are all about alike: that proposal fits. One or two bars with most of the
#   weight: shifted. About half of the bars share it: wide.
#- "fit": "{{fit}}"
#+ "fit": "{{shifted}}"
#- "shifted": "{{shifted}}"
#+ "shifted": "{{wide}}"
#- "wide": "{{wide}}"
#+ "wide": "{{fit}}"

# %% wrong: all three moved back
# hint: No letter stands where it belongs. Equal bars: the proposal fits. A few bars that hold all the weight: it is shifted. Some draws inside, many
#   outside that weigh nothing: it is wide.
#- "fit": "{{fit}}"
#+ "fit": "{{wide}}"
#- "shifted": "{{shifted}}"
#+ "shifted": "{{fit}}"
#- "wide": "{{wide}}"
#+ "wide": "{{shifted}}"

# %% wrong: every bar that can be seen
# hint: You counted every bar that can be seen. A bar of a hundredth of the largest hardly counts: the size is about the number with a fair share.
#- (1 / wide.square().sum()).item()
#+ int((wide > 0.005 * wide[0]).sum())

# %% wrong: in per cent
# hint: This is near the size in per cent of the draws, or near that of a proposal that fits. Asked for is the number of draws of the wide one that count.
#- (1 / wide.square().sum()).item()
#+ (2 / wide.square().sum()).item()

# %% wrong: as a share of the draws
# hint: You gave the share of the draws that count. Asked for is their number, of 50.
#- (1 / wide.square().sum()).item()
#+ (1 / wide.square().sum()).item() / 50

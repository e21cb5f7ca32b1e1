# title: Balls around points
# chapter: 07_generation
# goal: count precision and recall by eye, and say which fault a model has
# kind: figure
# minutes: 10
# points: 2
# difficulty: 1
# passage: How alike are two sets of images?
# answer: balls
# repeats: 1
# tolerance: 1e-4, precision 0.02, recall 0.02

# %% statement
r"""
Ten real images and ten fakes, with two features each. The figure shows them twice. Dots are real, crosses are fakes. Above, a circle stands
around each **real** point and reaches to its second neighbour among the real ones (the chapter took the third; the point itself does not count). Below, the circles stand around the **fakes** in the same
way. Every cross above, and every dot below, lies clearly inside or outside of each circle.

Fill in `balls`:

- `"precision"` and `"recall"`, as numbers between 0 and 1;
- `"fault"`: `"wrong"` if the draws that look like no real image are the larger part of the trouble, `"missing"` if the real images that are never
  drawn are.
"""

# %% draws
def draws(rng):
    import torch

    kind = rng.choice(["wrong", "missing"])
    centres = torch.tensor([[0.0, 0.0], [4.0, 0.0], [2.0, 3.4]])

    def radii(points, neighbour=2):
        return torch.cdist(points, points).topk(neighbour + 1, largest=False).values[..., neighbour]

    def judged(points, others, neighbour=2):
        """(shares of the points inside, shares of the balls that hold one, how far the nearest edge is), each for 500 scenes."""
        beyond = torch.cdist(points, others) - radii(others, neighbour)[:, None]
        inside = beyond < 0
        return inside.any(2).sum(1), inside.any(1).sum(1), beyond.abs().amin((1, 2))

    found = torch.zeros(0)
    while not len(found):
        real = centres[[0, 0, 0, 0, 1, 1, 1, 2, 2, 2]] + 0.7 * rng.normal(500, 10, 2)
        fake = centres[[0, 0, 0, 0, 0, 0, 1, 1, 1, 1]] + 0.5 * rng.normal(500, 10, 2)
        if kind == "wrong":
            fake = torch.stack([rng.uniform(-1.5, 5.5, 500, 10), rng.uniform(-1.5, 5.0, 500, 10)], 2)
        real, fake = (one.mul(100).round() / 100 for one in (real, fake))
        precision, covered, first = judged(fake, real)
        recall, filled, second = judged(real, fake)
        both = torch.cat([real, fake], 1)
        crowded = (torch.cdist(both, both) + 9 * torch.eye(20)).amin((1, 2))
        low, high = torch.minimum(precision, recall), torch.maximum(precision, recall)
        good = ((precision < recall) == (kind == "wrong")) & (precision + recall != 10) & (precision != 5) & (recall != 5)
        # each mistake gives a number that differs from the right one by more than a miscount does
        good &= ((covered - recall).abs() > 1) & ((filled - precision).abs() > 1) & (covered != precision) & (filled != recall)
        good &= (covered + precision != 10) | (filled + recall != 10)
        good &= (2 * covered != precision) | (2 * filled != recall)
        good &= (low >= 2) & (high - low >= 2) & (high <= 9) & (torch.minimum(first, second) > 0.1) & (crowded > 0.12)
        good &= ((both > -2.4) & (both < torch.tensor([6.4, 5.9]))).all(2).all(1)
        found = good.nonzero()[:, 0]
        nearer, further = (torch.stack([judged(fake[found], real[found], k)[0], judged(real[found], fake[found], k)[0]]) for k in (1, 3))
        # circles to the first neighbour give another pair than any other mistake
        told = [(precision, recall), (recall, precision), (10 - precision, 10 - recall), (precision, covered), (filled, recall), (filled, covered),
                (covered, filled)]
        told = torch.stack([torch.stack(pair) for pair in told])[:, :, found]
        apart = (nearer - told).abs().sum(1)
        chosen = ((apart[0] > 1) & (apart > 0).all(0)).nonzero()[:1, 0]
        found = found[chosen]
    k, (nearer, further) = found.item(), (pair[:, chosen.item()] for pair in (nearer, further))
    points = {"real": real[k], "fake": fake[k]}
    shares = {"precision": precision[k], "recall": recall[k], "covered": covered[k], "filled": filled[k], "nearer_precision": nearer[0],
              "nearer_recall": nearer[1], "further_precision": further[0], "further_recall": further[1]}
    return {name: [[round(v, 2) for v in row] for row in one.tolist()] for name, one in points.items()} | {
        name: one.item() / 10 for name, one in shares.items()} | {
        "radii": [[round(v, 3) for v in radii(one).tolist()] for one in points.values()],
        "fault": kind, "other": "missing" if kind == "wrong" else "wrong"}

# %% show
import matplotlib.pyplot as plt
from vae_lib import plots

plots.style()
real, fake, radii = {{real}}, {{fake}}, {{radii}}
fig, axes = plt.subplots(2, 1, figsize=(6, 10.5), sharex=True)
for ax, middles, reach, color, title in zip(axes, (real, fake), radii, ("blue", "orange"),
                                            ("circles around the real ones", "circles around the fakes")):
    for middle, radius in zip(middles, reach):
        ax.add_patch(plt.Circle(middle, radius, color=plots.COLORS[color], alpha=0.15))
        ax.add_patch(plt.Circle(middle, radius, fill=False, color=plots.COLORS[color], linewidth=0.6))
    ax.plot(*zip(*real), "o", ms=5, color=plots.COLORS["blue"])
    ax.plot(*zip(*fake), "x", ms=6, mew=2, color=plots.COLORS["orange"])
    ax.set(title=title, ylabel="second feature", xlim=(-2.5, 6.5), ylim=(-2.5, 6), aspect="equal")
axes[1].set_xlabel("first feature")
fig.tight_layout()
plt.show()

# %% starter
balls = {"precision": ..., "recall": ..., "fault": ...}

# %% solution
balls = {"precision": {{precision}}, "recall": {{recall}}, "fault": "{{fault}}"}

# %% why
r"""
Precision asks of the fakes: how many crosses lie in at least one circle of the upper panel? It is {{precision}} of them. Recall asks of the real
images: how many dots lie in at least one circle of the lower panel? That is {{recall}}. A point counts once, however many circles hold it, so neither
is a number of circles that hold something.

The smaller of the two names the larger trouble. A low precision says that many draws look like no real image; a low recall says that many real
images are like no draw. Neither share says anything of the other: a model that draws one perfect image again and again has the precision 1.
"""

# %% probe
def probe(answer):
    if not isinstance(answer, dict):
        raise Problem("type", "`balls` should be a dict such as the one that you were given.")
    if any(answer.get(name, ...) is ... for name in ("precision", "recall", "fault")):
        raise Problem("none", "An entry of `balls` is still missing.")
    seen = {name: number(answer[name], f"the {name}") for name in ("precision", "recall")}
    return seen | {"fault": choice(answer["fault"], ("wrong", "missing"), "the fault")}

# %% laws
def laws(seen):
    if [seen["precision"], seen["recall"]] == [{{further_precision}}, {{further_recall}}] != [{{precision}}, {{recall}}]:
        yield False, "the circles reach to the second neighbour", \
            "These are the shares for circles that reach to the third neighbour, as in the chapter. In the figure they reach to the second."
    for name in ("precision", "recall"):
        yield 0 <= seen[name] <= 1, f"the {name} is a share, between 0 and 1", "A share is the number of points inside over the number of all points of their kind: no count, and no per cent."
    yield abs(seen["precision"] - {{precision}}) < 0.04, "the precision is the share of the crosses that lie in at least one circle above", \
        "For the precision take the crosses one by one, in the upper panel. Each that lies in any circle counts once: one circle is enough."
    yield abs(seen["recall"] - {{recall}}) < 0.04, "the recall is the share of the dots that lie in at least one circle below", \
        "For the recall take the dots one by one, in the lower panel. Each that lies in any circle counts once: one circle is enough."

# %% right: counted, then divided
inside_above, inside_below = round(10 * {{precision}}), round(10 * {{recall}})
balls = dict(fault="{{fault}}".capitalize(), recall=inside_below / 10, precision=inside_above / 10)

# %% right: by the points that are outside
outside = {"fakes": round(10 - 10 * {{precision}}), "real": round(10 - 10 * {{recall}})}
balls = {"precision": 1 - outside["fakes"] / 10, "recall": 1 - outside["real"] / 10, "fault": " {{fault}}"}

# %% wrong: precision and recall the wrong way round
# hint: You have precision and recall the wrong way round. Precision asks of the fakes (crosses) whether they lie in the real cloud, above;
#   recall asks of the real ones (dots) whether they lie in the cloud of fakes, below.
#- "precision": {{precision}}, "recall": {{recall}}
#+ "precision": {{recall}}, "recall": {{precision}}

# %% wrong: balls that hold a fake are counted for the recall
# hint: The recall is off: you counted the circles around real points that hold a cross. Recall counts dots, in the circles around the fakes: the
#   lower panel.
#- "recall": {{recall}}
#+ "recall": {{covered}}

# %% wrong: balls that hold a real one are counted for the precision
# hint: The precision is off: you counted the circles around fakes that hold a dot. Precision counts crosses, in the circles around the real ones: the
#   upper panel.
#- "precision": {{precision}}
#+ "precision": {{filled}}

# %% wrong: the points outside
# hint: You counted the points outside of the circles. Both are shares of points inside.
#- "precision": {{precision}}, "recall": {{recall}}
#+ "precision": 1 - {{precision}}, "recall": 1 - {{recall}}

# %% wrong: points and no shares
# hint: These are numbers of points. Precision and recall are shares, so divide by how many points there are.
#- "precision": {{precision}}, "recall": {{recall}}
#+ "precision": 10 * {{precision}}, "recall": 10 * {{recall}}

# %% wrong: the fault the wrong way round
# hint: The fault is the other one. A low precision means draws that look like no real image; a low recall means real images that are never
#   drawn.
#- "fault": "{{fault}}"
#+ "fault": "{{other}}"

# %% wrong: circles in place of points
# hint: You counted circles: those around real points that hold a cross, and those around fakes that hold a dot. Precision and recall count
#   points: the crosses that lie in a circle above, the dots that lie in a circle below.
#- "precision": {{precision}}, "recall": {{recall}}
#+ "precision": {{covered}}, "recall": {{filled}}

# %% wrong: one cross too many
# hint: The precision counts one cross too many. A cross counts where it lies in a circle of the upper panel, and once, however many circles
#   hold it. Go through the ten of them one by one.
#- "precision": {{precision}}
#+ "precision": {{precision}} + 0.1

# %% wrong: one cross too few
# hint: The precision counts one cross too few: one that you left out lies in a circle of the upper panel. Go through the ten of them one by
#   one.
balls = {"precision": {{precision}} - 0.1, "recall": {{recall}}, "fault": "{{fault}}"}

# %% wrong: one dot too many
# hint: The recall counts one dot too many. A dot counts where it lies in a circle of the lower panel, and once, however many circles hold it.
#   Go through the ten of them one by one.
#- "recall": {{recall}}
#+ "recall": {{recall}} + 0.1

# %% wrong: one dot too few
# hint: The recall counts one dot too few: one that you left out lies in a circle of the lower panel. Go through the ten of them one by one.
balls = {"precision": {{precision}}, "recall": {{recall}} - 0.1, "fault": "{{fault}}"}

# %% wrong: precision and recall the wrong way round, and the fault read from them
# hint: You have precision and recall the wrong way round, and the fault with them. Precision asks of the fakes (crosses), above; recall
#   asks of the real ones (dots), below.
#- "precision": {{precision}}, "recall": {{recall}}, "fault": "{{fault}}"
#+ "precision": {{recall}}, "recall": {{precision}}, "fault": "{{other}}"

# %% wrong: per cent
# hint: These are shares in per cent. Give numbers between 0 and 1.
#- "precision": {{precision}}, "recall": {{recall}}
#+ "precision": 100 * {{precision}}, "recall": 100 * {{recall}}

# %% wrong: over all twenty points
# hint: You divided by the points of both kinds. Precision is a share of the ten crosses, recall a share of the ten dots.
#- "precision": {{precision}}, "recall": {{recall}}
#+ "precision": {{precision}} / 2, "recall": {{recall}} / 2

# %% wrong: the first neighbour
# hint: These are the shares for circles that reach to the first neighbour: the point itself is none. In the figure they reach to the second.
#- "precision": {{precision}}, "recall": {{recall}}
#+ "precision": {{nearer_precision}}, "recall": {{nearer_recall}}

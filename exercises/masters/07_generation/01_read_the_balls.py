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
Ten real images and ten fakes, with two features each. The figure shows them twice. Dots are real, crosses are fakes. On the left, a circle stands
around each **real** point and reaches to its second neighbour among the real ones. On the right, the circles stand around the **fakes** in the same
way. A circle's middle is inside of it, and no point that you need lies near to an edge.

Fill in `balls`:

- `"precision"` and `"recall"`, as numbers between 0 and 1;
- `"fault"`: `"wrong"` if the draws that look like no real image are the larger part of the trouble, `"missing"` if the real images that are never
  drawn are.
"""

# %% draws
def draws(rng):
    import torch

    centres = torch.tensor([[0.0, 0.0], [4.0, 0.0], [2.0, 3.4]])
    kind = rng.choice(["wrong", "missing"])

    def inside(points, others):
        """Which point lies in which ball of the others, (points, others), and how far the nearest edge is."""
        radius = torch.cdist(others, others).topk(3, largest=False).values[:, 2]
        apart = torch.cdist(points, others)
        return apart < radius, (apart - radius).abs().min()

    while True:
        real = centres[[0, 0, 0, 0, 1, 1, 1, 2, 2, 2]] + 0.6 * rng.normal(10, 2)
        if kind == "missing":
            fake = centres[[0] * 6 + [1] * 4] + 0.5 * rng.normal(10, 2)
            fake[:2] += 0.9
        else:
            fake = torch.stack([rng.uniform(-2.0, 6.0, 10), rng.uniform(-2.0, 5.0, 10)], 1)
        real, fake = ((100 * one).round() / 100 for one in (real, fake))
        of_real, first = inside(fake, real)
        of_fake, second = inside(real, fake)
        shares = [round(hit.any(k).double().mean().item(), 1) for hit, k in
                  ((of_real, 1), (of_fake, 1), (of_real, 0), (of_fake, 0))]
        precision, recall, covered, filled = shares
        low, high = sorted((precision, recall))
        order = (precision < recall) == (kind == "wrong")
        plain = abs(1 - precision - recall) > 0.05
        apart = abs(covered - recall) > 0.05 and abs(filled - precision) > 0.05 and 0.15 < low < high - 0.15 and high < 0.95
        if order and plain and apart and min(first, second) > 0.07:
            break
    radii = [[round(r, 4) for r in torch.cdist(one, one).topk(3, largest=False).values[:, 2].tolist()] for one in (real, fake)]
    return {"real": [[round(v, 2) for v in row] for row in real.tolist()], "fake": [[round(v, 2) for v in row] for row in fake.tolist()],
            "radii": radii, "precision": precision, "recall": recall, "covered": covered, "filled": filled, "fault": kind,
            "other": "missing" if kind == "wrong" else "wrong"}

# %% show
import matplotlib.pyplot as plt
from vae_lib import plots

plots.style()
real, fake, radii = {{real}}, {{fake}}, {{radii}}
fig, axes = plt.subplots(1, 2, figsize=(8, 4.2), sharex=True, sharey=True)
for ax, middles, reach, color, title in zip(axes, (real, fake), radii, ("blue", "orange"),
                                            ("circles around the real ones", "circles around the fakes")):
    for middle, radius in zip(middles, reach):
        ax.add_patch(plt.Circle(middle, radius, color=plots.COLORS[color], alpha=0.15))
        ax.add_patch(plt.Circle(middle, radius, fill=False, color=plots.COLORS[color], linewidth=0.6))
    ax.plot(*zip(*real), "o", ms=5, color=plots.COLORS["blue"])
    ax.plot(*zip(*fake), "x", ms=6, mew=2, color=plots.COLORS["orange"])
    ax.set(title=title, xlabel="first feature", aspect="equal")
axes[0].set_ylabel("second feature")
fig.tight_layout()
plt.show()

# %% starter
balls = {"precision": ..., "recall": ..., "fault": ...}

# %% solution
balls = {"precision": {{precision}}, "recall": {{recall}}, "fault": "{{fault}}"}

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
    for name in ("precision", "recall"):
        yield 0 <= seen[name] <= 1, f"the {name} is a share, between 0 and 1", "Divide the number of points by ten."

# %% right: counted, then divided
inside_left, inside_right = round(10 * {{precision}}), round(10 * {{recall}})
balls = dict(fault="{{fault}}".capitalize(), recall=inside_right / 10, precision=inside_left / 10)

# %% right: by the points that are outside
outside = {"fakes": round(10 - 10 * {{precision}}), "real": round(10 - 10 * {{recall}})}
balls = {"precision": 1 - outside["fakes"] / 10, "recall": 1 - outside["real"] / 10, "fault": " {{fault}}"}

# %% wrong: precision and recall the wrong way round
# hint: You have precision and recall the wrong way round. Precision asks of the fakes (crosses) whether they lie in the real cloud, on the left;
#   recall asks of the real ones (dots) whether they lie in the cloud of fakes.
#- "precision": {{precision}}, "recall": {{recall}}
#+ "precision": {{recall}}, "recall": {{precision}}

# %% wrong: balls that hold a fake are counted for the recall
# hint: The recall is off: you counted the circles around real points that hold a cross. Recall counts dots, in the circles around the fakes: the
#   right panel.
#- "recall": {{recall}}
#+ "recall": {{covered}}

# %% wrong: balls that hold a real one are counted for the precision
# hint: The precision is off: you counted the circles around fakes that hold a dot. Precision counts crosses, in the circles around the real ones: the
#   left panel.
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
# hint: Both shares are right, and the fault is the other one. A low precision means draws that look like no real image; a low recall means real
#   images that are never drawn.
#- "fault": "{{fault}}"
#+ "fault": "{{other}}"

# title: Four scores and their histograms
# chapter: 09_anomaly_detection
# goal: see in a histogram what an AUROC and the distance from the mean make of a score
# kind: figure
# minutes: 10
# points: 2
# difficulty: 1
# passage: How well a score tells them apart
# answer: reading
# repeats: 1
# tolerance: 1e-4, found ±3.05
# removes:

# %% statement
r"""
Four scores, A to D, of the same normal images (blue) and anomalous ones (orange), all larger for what should be more anomalous; a made-up
example, for the reading. Where both colours are, they mix. Fill in `reading`; each letter stands once:

- `"good"`: the score with the highest AUROC;
- `"cured"`: the score whose AUROC is near 0 as it stands, and near 1 if it is replaced by its distance from the mean of the normal
  images (typicality);
- `"spoilt"`: the score that says little as it stands, and whose distance from the mean puts the anomalies *below* normal images;
- `"silent"`: the score that says nothing, with or without that;
- `"found"`: the lowest panel is about the good score alone. Suppose that {{rate}} % of the normal images may raise an alarm. How many percent of the
  anomalies raise one (within 3 percentage points)?
"""

# %% draws
def draws(rng):
    letters = rng.sample("ABCD", 4)
    at = dict(zip(("good", "cured", "spoilt", "silent"), letters))
    shift = rng.integer(0, 5)
    apart = rng.choice([54, 62])
    laws = {"good": ((150 + shift, 30), (150 + shift + apart, 30)), "cured": ((190, 22), (80 + shift, 16)),
            "spoilt": ((160, 52), (160 - shift, 9)), "silent": ((150, 30 + shift), (150, 30 + shift))}
    rate = rng.choice([5, 10, 20] if apart == 62 else [5, 10])  # what is found stays away from 100 - rate
    from statistics import NormalDist
    threshold = NormalDist(*laws["good"][0]).inv_cdf(1 - rate / 100)
    missed = 100 * NormalDist(*laws["good"][1]).cdf(threshold)
    return {"above_middle": round(100 - 100 * NormalDist(*laws["good"][1]).cdf(150 + shift), 1), "of_five": round(100 - 100 * NormalDist(*laws["good"][1]).cdf(NormalDist(*laws["good"][0]).inv_cdf(0.95)), 1),
            "half_way": round(100 - 100 * NormalDist(*laws["good"][1]).cdf(150 + shift + apart / 2), 1), "rate": rate, "below": laws["good"], "laws": {letter: laws[name] for letter in "ABCD" for name in at if at[name] == letter},
            "found": round(100 - missed, 1), "rest": 100 - rate,
            "turned": round(100 - 100 * NormalDist(*laws["good"][1]).cdf(NormalDist(*laws["good"][0]).inv_cdf(rate / 100)), 1), "missed": round(missed, 1), "threshold": round(threshold, 1), **at}

# %% show
from statistics import NormalDist

import matplotlib.pyplot as plt
from vae_lib import plots

plots.style()
laws = {{laws}}
fig = plt.figure(figsize=(6, 7.4), layout="constrained")
axes = fig.subplot_mosaic([["A", "B"], ["C", "D"], ["below", "below"]], height_ratios=[1, 1, 1.7])
edges = range(0, 301, 6)
for letter, both in laws.items():
    for (mean, spread), color in zip(both, ("blue", "orange")):
        law = NormalDist(mean, spread)
        axes[letter].stairs([law.cdf(b) - law.cdf(a) for a, b in zip(edges, edges[1:])], edges, fill=True, alpha=0.5, color=plots.COLORS[color])
    axes[letter].set(title=letter, yticks=[], xlabel="score, nats", xlim=(0, 300))
for (mean, spread), name, color in zip({{below}}, ("normal", "anomalous"), ("blue", "orange")):
    x = range(60, 301)
    y = [100 - 100 * NormalDist(mean, spread).cdf(t) for t in x]
    axes["below"].plot(x, y, color=plots.COLORS[color])
    axes["below"].annotate(name, (mean, 50), (5, 5) if name == "anomalous" else (-5, -5), textcoords="offset points",
                          ha="left" if name == "anomalous" else "right", color=plots.COLORS[color])
axes["below"].set(xlabel="threshold, nats", ylabel="images above it, %", xlim=(60, 300), ylim=(0, 101), yticks=range(0, 101, 10))
axes["below"].grid(alpha=0.4)
plt.show()

# %% starter
reading = {"good": ..., "cured": ..., "spoilt": ..., "silent": ..., "found": ...}

# %% solution
reading = {"good": "{{good}}", "cured": "{{cured}}", "spoilt": "{{spoilt}}", "silent": "{{silent}}", "found": {{found}}}

# %% why
r"""
An AUROC asks how often an anomaly scores above a normal image. That is most often the case for {{good}}, where orange lies to the right of blue. For
{{cured}} orange lies to the left: the AUROC is near 0. Yet nearly every anomaly is further from the mean of the normal images than nearly every
normal image is, so the distance from that mean tells them apart. For {{spoilt}} both have nearly the same middle, so the score says little; but
orange is narrower. Most anomalies are nearer to the blue mean than most normal images are, and typicality calls them the more normal ones. For
{{silent}} both distributions are one: nothing that is made of this score alone can tell them apart.

The threshold is a matter of the normal images alone: the blue curve is down at {{rate}} % at {{threshold}} nats. There the orange curve stands at
{{found}} %.
"""

# %% probe
def probe(answer):
    if not isinstance(answer, dict):
        raise Problem("type", "`reading` should be a dict such as the one that you were given.")
    names = ("good", "cured", "spoilt", "silent")
    seen = {name: choice(answer.get(name), "ABCD", f"the entry {name!r}") for name in names}
    if answer.get("found", ...) is ...:
        raise Problem("none", "The share of found anomalies is still missing: the last entry of `reading`.")
    found = number(answer["found"], "the share that is found")
    if 0 < abs(found) <= 1:
        raise Problem("type", "The share of the anomalies that is found is above 1 %. If you gave a fraction, give percent: 40 for two fifths. If you took the threshold from the orange curve and "
                      "read the blue one, exchange the two.")
    return seen | {"found": found}

# %% laws
def laws(seen):
    yield len({seen[name] for name in ("good", "cured", "spoilt", "silent")}) == 4, "each letter belongs to one entry"
    yield seen["good"] == "{{good}}", "the orange histogram of the good score stands to the right of the blue one", \
        "Look at each panel alone: an AUROC near 1 needs orange on the right of blue, near 0 orange on its left, near one half both around one place."
    yield seen["cured"] == "{{cured}}", "the orange histogram of the cured score lies far from the blue mean, on the left of it", \
        "Measure distances from the mean of the blue histogram: where orange lies far to its left, the distance cures the score."
    yield seen["spoilt"] == "{{spoilt}}", "the orange histogram of the spoilt score is narrow and stands on the blue mean", \
        "Measure distances from the mean of the blue histogram: where orange is narrow and stands on it, the distance puts the anomalies below."
    yield seen["silent"] == "{{silent}}", "the two histograms of the silent score are one", \
        "For `silent` look for the panel in which no place holds more of one colour than of the other."
    yield 0 <= seen["found"] <= 100, "a share lies between 0 and 100 %"
    yield abs(seen["found"] - {{found}}) <= 3.05, "it is the height of the orange curve where the blue one has the height of the rate", \
        "You read at the rate of the chapter, 5 %. Here {{rate}} % of the normal images may raise an alarm." if abs(seen["found"] - {{of_five}}) < 2 else \
        "You took the threshold half way between the two. It is where the blue curve has the height of the rate." if abs(seen["found"] - {{half_way}}) < 2 else \
        "You took the rate off what is found. Asked for is all that is found at this threshold." if abs(seen["found"] - {{found}} + {{rate}}) < 2 else \
        "Two steps in the lowest panel: go along the height {{rate}} % to the *blue* curve; from there straight up to the *orange* curve, and read its height."

# %% right: in small letters, read a little low
reading = {"good": "{{good}}".lower(), "cured": " {{cured}}", "spoilt": "{{spoilt}}", "silent": "{{silent}} ", "found": {{found}} - 2}

# %% right: by the two curves
read_missed = {{missed}} - 1.5
reading = dict(found=100 - read_missed, silent="{{silent}}", spoilt="{{spoilt}}", cured="{{cured}}", good="{{good}}")

# %% wrong: the widest gap taken for the highest AUROC
# hint: You called that score good where the two sets lie far apart the wrong way round: the anomalies have the *lower* scores, and an AUROC
#   is the chance that they are above.
#- "good": "{{good}}", "cured": "{{cured}}"
#+ "good": "{{cured}}", "cured": "{{good}}"

# %% wrong: the cured and the spoilt
# hint: You have the cured and the spoilt score the wrong way round. Take the mean of the blue ones as the new 0: which orange images
#   lie far from it, and which ones on it?
#- "cured": "{{cured}}", "spoilt": "{{spoilt}}"
#+ "cured": "{{spoilt}}", "spoilt": "{{cured}}"

# %% wrong: the spoilt and the silent
# hint: You have the spoilt and the silent score the wrong way round. In both the means agree. Where the widths agree too, no function of the
#   score can help or harm; where the orange one is narrow, it lies nearer to the mean than blue images do.
#- "spoilt": "{{spoilt}}", "silent": "{{silent}}"
#+ "spoilt": "{{silent}}", "silent": "{{spoilt}}"

# %% wrong: the good and the silent
# hint: You called good the score whose two histograms are the same. That score tells nothing: its AUROC is 0.5.
reading = {"good": "{{silent}}", "cured": "{{cured}}", "spoilt": "{{spoilt}}", "silent": "{{good}}", "found": {{found}}}

# %% wrong: the missed ones
# hint: The letters are right. For the share you gave the anomalies *below* the threshold: those are missed.
#- {{found}}
#+ {{missed}}

# %% wrong: the threshold itself
# hint: The letters are right. For the share you gave the threshold, in nats. Go up from it to the orange curve.
#- {{found}}
#+ {{threshold}}

# %% wrong: the allowed rate
# hint: The letters are right. For the share you gave the rate of false alarms. Find the threshold at which the *blue* curve has that height, and
#   read the orange one there.
#- {{found}}
#+ {{rate}}

# %% wrong: the good and the spoilt
# hint: You have the good and the spoilt score the wrong way round. The good one has orange to the right of blue; in the spoilt one orange
#   is narrow and stands on the blue mean, so that its AUROC is about one half.
reading = {"good": "{{spoilt}}", "cured": "{{cured}}", "spoilt": "{{good}}", "silent": "{{silent}}", "found": {{found}}}

# %% wrong: the cured and the silent
# hint: You have the cured and the silent score the wrong way round. In the cured one orange lies far to the left of blue, so that the
#   distance from the blue mean helps; in the silent one both histograms are the same.
reading = {"good": "{{good}}", "cured": "{{silent}}", "spoilt": "{{spoilt}}", "silent": "{{cured}}", "found": {{found}}}

# %% wrong: all but the rate
# hint: The letters are right. For the share you gave about 100 less the rate, or the AUROC in per cent. What is found depends on the orange curve: read it at the threshold
#   where the blue one has the height of the rate.
#- {{found}}
#+ {{rest}}

# %% wrong: the threshold at the other end
# hint: The letters are right. You read at the threshold that lets all normal images but the allowed ones raise an alarm. Only the rate may:
#   the blue curve is low there.
#- {{found}}
#+ {{turned}}

# %% wrong: the threshold in the middle of the normal images
# hint: Your threshold lies in the middle of the normal images, where half of them raise an alarm. It is where the blue curve has the height of the rate.
#- "found": {{found}}
#+ "found": {{above_middle}}

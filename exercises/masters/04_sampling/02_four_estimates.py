# title: Four estimates of one slope
# chapter: 04_sampling
# goal: tell estimators apart by where their draws lie, and say what a wide one costs
# kind: figure
# minutes: 10
# points: 2
# difficulty: 1
# passage: Four against thirty
# answer: reading
# repeats: 1
# tolerance: 1e-4, draws 0.3
# removes:

# %% statement
r"""
Four estimators, A to D, of the same gradient; a made-up example, for the reading. Each was asked 10,000 times, every time with one draw of $z$. A dot is the average of its estimates, and the bar around it
reaches one standard deviation to each side. The dashed line is the true gradient. Fill in `reading`; each letter stands once:

- `"moved"`: the reparameterised estimate, here the best of the three that are right on average;
- `"score"`: the score-function estimate without a baseline;
- `"baseline"`: the score-function estimate with a good baseline;
- `"biased"`: the estimate of a choice that was made soft, which is not right on average;
- `"draws"`: over how many draws must the estimate **{{ASKED}}** be averaged, until it is as sure as the reparameterised one with a single draw? (A number, within a quarter of its value.)
"""

# %% draws
def draws(rng):
    letters = rng.sample("ABCD", 4)
    at = dict(zip(("moved", "score", "baseline", "biased"), letters))
    truth, spread = rng.choice([2.0, 3.0, 4.0]), rng.choice([1.0, 2.0])
    wide, less = rng.choice([(7, 4), (6, 3), (8, 5)])
    side = rng.choice([-1, 1])
    bars = {"moved": (truth, spread), "score": (truth, wide * spread), "baseline": (truth, less * spread), "biased": (truth + side * 2.5 * spread, 0.6 * spread)}
    asked, other = rng.choice([("score", "baseline"), ("baseline", "score")])
    ratio, beside = {"score": (wide, less), "baseline": (less, wide)}[asked]
    return {"bars": {letter: bars[name] for letter in "ABCD" for name in at if at[name] == letter}, "truth": truth, "ASKED": at[asked], "ratio": ratio,
            "squared": ratio**2, "of_the_other": beside**2, "between": round((wide / less) ** 2, 2), "doubled": 2 * ratio, "biased_too": round((ratio / 0.6) ** 2, 1), "width": 2 * ratio * spread, **at}

# %% show
import matplotlib.pyplot as plt
from vae_lib import plots

plots.style()
fig, ax = plt.subplots(figsize=(6, 3.2))
for k, (letter, (middle, spread)) in enumerate({{bars}}.items()):
    ax.errorbar(middle, 3 - k, xerr=spread, fmt="o", capsize=5, color=plots.COLORS["blue"])
ax.axvline({{truth}}, color="0.5", linestyle="--", linewidth=1)
ax.set(yticks=range(4), yticklabels="DCBA", ylim=(-0.6, 3.6), xlabel="estimate of the gradient", xticks=range(-12, 21, 4))
ax.set_xticks(range(-14, 23), minor=True)
ax.grid(axis="x", which="both", alpha=0.4)
ax.set_xlim(-14.5, 20.5)
plt.show()

# %% starter
reading = {"moved": ..., "score": ..., "baseline": ..., "biased": ..., "draws": ...}

# %% solution
reading = {"moved": "{{moved}}", "score": "{{score}}", "baseline": "{{baseline}}", "biased": "{{biased}}", "draws": {{squared}}}

# %% why
r"""
Look at the dots first. Three lie on the dashed line: these are right on average. That of {{biased}} does not, and no number of draws mends it: its bar gets shorter, and its dot stays where it is. Of the three, the
bar of {{moved}} is the shortest. Without a baseline the score is multiplied by all of $f(z)$, its constant part included, so the bar of {{score}} is longer than that of {{baseline}}.

The average of $n$ independent draws has an $n$-th of the variance, so its standard deviation shrinks by $\sqrt{n}$ only. The bar of {{ASKED}} is {{ratio}} times as long as that of {{moved}}: it takes
${{ratio}}^2 = {{squared}}$ draws to make up for it. The least noisy of the four is {{biased}}. Whether noise or bias costs more in training depends on how many draws are averaged.
"""

# %% probe
def probe(answer):
    if not isinstance(answer, dict):
        raise Problem("type", "`reading` should be a dict such as the one that you were given.")
    names = ("moved", "score", "baseline", "biased")
    seen = {name: choice(answer.get(name), "ABCD", f"the entry {name!r}") for name in names}
    if answer.get("draws", ...) is ...:
        raise Problem("none", "The number of draws is still missing: the last entry of `reading`.")
    return seen | {"draws": number(answer["draws"], "the number of draws")}

# %% laws
def laws(seen):
    yield len({seen[name] for name in ("moved", "score", "baseline", "biased")}) == 4, "each letter belongs to one estimate"
    yield seen["biased"] == "{{biased}}", "the biased estimate is not right on average: its dot lies beside the dashed line", "For `biased` look at the dots alone: which one is not on the dashed line?"
    yield seen["moved"] == "{{moved}}", "of those that are right on average, the reparameterised one has the shortest bar", "For `moved` take the three whose dots lie on the dashed line, and of these the shortest bar."
    yield seen["score"] == "{{score}}", "without a baseline the estimate is the noisiest", "For `score` take the longest bar: a baseline would take off a part of its noise."
    yield seen["baseline"] == "{{baseline}}", "with a baseline it is right on average too, and less noisy than without", "For `baseline` take the dot on the dashed line whose bar is neither the shortest nor the longest."
    yield seen["draws"] > 1, "it takes more than one draw", "A wider estimate needs more draws than one: how does the standard deviation of an average fall with their number?"
    yield abs(seen["draws"] - {{squared}}) <= 0.26 * (1 + {{squared}}), "it is the ratio of the variances", \
        "Read off the bars of {{ASKED}} and of the reparameterised estimate, from the dot to one end. Their ratio is how many times the average must shrink it, and an average over n draws shrinks it by the root of n."

# %% right: in small letters, read a little high
reading = {"moved": "{{moved}}".lower(), "score": " {{score}}", "baseline": "{{baseline}}", "biased": "{{biased}} ", "draws": 1.15 * {{squared}}}

# %% right: by the lengths of whole bars
whole, short = 2 * {{ratio}} * 0.97, 2 * 1.03
reading = dict(draws=(whole / short) ** 2, biased="{{biased}}", baseline="{{baseline}}", score="{{score}}", moved="{{moved}}")

# %% wrong: the ratio of the bars
# hint: The letters are right. This is how many times longer the bar is. An average over n draws makes it shorter by the root of n only, so n is the square of that.
#- "draws": {{squared}}
#+ "draws": {{ratio}}

# %% wrong: the other estimate
# hint: The letters are right. You took the bar of the other score-function estimate: asked for is the one that the task names.
#- "draws": {{squared}}
#+ "draws": {{of_the_other}}

# %% wrong: the root of the ratio
# hint: The letters are right. You took a root where a square belongs: to shrink the standard deviation by a factor takes the square of that factor in draws.
#- "draws": {{squared}}
#+ "draws": {{ratio}} ** 0.5

# %% wrong: score against baseline
# hint: The letters are right. You compared the two score-function estimates with each other. Compare with the reparameterised one.
#- "draws": {{squared}}
#+ "draws": {{between}}

# %% wrong: upside down
# hint: The letters are right, and your number is upside down: it takes many draws of the wide estimate, not a part of one.
#- "draws": {{squared}}
#+ "draws": 1 / {{squared}}

# %% wrong: against the biased one
# hint: You compared with the bar of the biased estimate. The reparameterised one is the shortest of those whose dots lie on the dashed line.
#- "draws": {{squared}}
#+ "draws": {{biased_too}}

# %% wrong: the biased one taken for the best
# hint: You took the shortest bar of all for the reparameterised estimate. Its dot is not on the dashed line: it is sure of a wrong number.
#- "moved": "{{moved}}"
#+ "moved": "{{biased}}"
#- "biased": "{{biased}}"
#+ "biased": "{{moved}}"

# %% wrong: with and without baseline
# hint: You have the two score-function estimates the wrong way round: a baseline makes the bar shorter.
#- "score": "{{score}}"
#+ "score": "{{baseline}}"
#- "baseline": "{{baseline}}"
#+ "baseline": "{{score}}"

# %% wrong: the widest taken for the reparameterised one
# hint: You have the reparameterised and the plain score-function estimate the wrong way round. Moving the draws makes the estimate surer, not wider.
#- "moved": "{{moved}}"
#+ "moved": "{{score}}"
#- "score": "{{score}}"
#+ "score": "{{moved}}"

# %% wrong: the baseline taken for the reparameterised one
# hint: You have the reparameterised estimate and the one with a baseline the wrong way round: of the three dots on the dashed line, the shortest bar is that of the draws that move.
#- "moved": "{{moved}}"
#+ "moved": "{{baseline}}"
#- "baseline": "{{baseline}}"
#+ "baseline": "{{moved}}"

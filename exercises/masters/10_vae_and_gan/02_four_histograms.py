# title: Four models, four histograms
# chapter: 10_vae_and_gan
# goal: tell fog from collapse by where the draws fall, and read an overlap
# kind: figure
# minutes: 10
# points: 2
# difficulty: 1
# passage: A fair match
# answer: reading
# repeats: 1
# tolerance: 1e-4, overlap ±3.05
# removes: vae_lib.modes.count, vae_lib.modes.overlap

# %% statement
r"""
Four models, A to D, each drew 10,000 points for a ring of eight equal modes; a made-up example, for the reading. A bar is the share of **all** draws that
are good and nearest to that mode. The white bar holds the draws in no mode. The dashed line is the weight of a mode, 12.5 %. Fill in `reading`; each letter
stands once:

- `"fog"`: the model that a count of the kept modes calls perfect, and that has the fewest good draws;
- `"collapsed"`: the model whose draws are nearly all good, and lie in at most two modes;
- `"lost"`: the model that lost half of the modes and treats the others alike;
- `"best"`: the model with the highest overlap;
- `"overlap"`: the lowest panel shows model E. What is its overlap, in percent (within 3 percentage points)?
"""

# %% draws
def draws(rng):
    letters = rng.sample("ABCD", 4)
    at = dict(zip(("fog", "collapsed", "lost", "best"), letters))
    one, other = rng.sample(range(8), 2)
    half = set(rng.sample(range(8), 4))
    shares = {"fog": [rng.choice([1, 2, 3]) for _ in range(8)],
              "collapsed": [76 + rng.integer(0, 5) if c == one else 19 if c == other else 0 for c in range(8)],
              "lost": [22 + rng.integer(0, 2) if c in half else 0 for c in range(8)],
              "best": [8 + rng.integer(0, 5) for c in range(8)]}
    # the overlap is 42: whatever else one may read off, such as the white bar, is at least 4 away from it
    below = rng.sample([rng.choice([25, 26]), 20, *rng.choice([(9, 4), (8, 5)]), 2, 2, 0, 0], 8)
    return {"panels": {letter: shares[name] for letter in "ABCD" for name in at if at[name] == letter}, "below": below,
            "overlap": sum(min(share, 12.5) for share in below), "good": sum(below),
            "kept": 100 * sum(share > 0 for share in below) / 8,
            "of_good": round(100 * sum(min(share, 12.5) for share in below) / sum(below), 1),
            "renormed": round(sum(min(100 * share / sum(below), 12.5) for share in below), 1),
            "excess": sum(max(share - 12.5, 0) for share in below), "larger": sum(max(share, 12.5) for share in below),
            "white": 100 - sum(below), "count": sum(share > 0 for share in below),
            "missing": 100 - sum(min(share, 12.5) for share in below), "over": 12.5 * sum(share > 12.5 for share in below), **at}

# %% show
import matplotlib.pyplot as plt
from vae_lib import plots

plots.style()
panels = {{panels}}
fig = plt.figure(figsize=(6, 7.6), layout="constrained")
axes = fig.subplot_mosaic([["A", "B"], ["C", "D"], ["E", "E"]], height_ratios=[1, 1, 1.4])
for letter, shares in (panels | {"E": {{below}}}).items():
    ax = axes[letter]
    ax.bar(range(1, 9), shares, color=plots.COLORS["orange"])
    ax.bar([9.5], [100 - sum(shares)], color="white", edgecolor="0.3")
    ax.axhline(12.5, color="0.5", linestyle="--", linewidth=1)
    ax.set(title=letter, ylim=(0, 100), ylabel="draws, %", xticks=[*range(1, 9), 9.5], xticklabels=[*range(1, 9), "none"], xlabel="mode")
    ax.grid(alpha=0.4, axis="y")
axes["E"].set(ylim=(0, 36), yticks=range(0, 37, 4))
plt.show()

# %% starter
reading = {"fog": ..., "collapsed": ..., "lost": ..., "best": ..., "overlap": ...}

# %% solution
reading = {"fog": "{{fog}}", "collapsed": "{{collapsed}}", "lost": "{{lost}}", "best": "{{best}}", "overlap": {{overlap}}}

# %% why
r"""
Look at the white bar first, then at the others. {{fog}} has draws in every mode, so a count calls it perfect; most of its draws are in the white
bar. {{collapsed}} has a small white bar or none, and nearly all draws in two modes. {{lost}} fills half of the modes, all about alike, and the
others not at all. {{best}} has bars near the dashed line everywhere.

For an overlap, a bar counts up to the dashed line and no further. For E, two bars stand above the line and count 12.5 each; the lower ones count in
full. Together that is {{overlap}} %. The good draws are {{good}} %, and {{kept}} % of the modes have draws: each of these two numbers leaves out
what the other one sees, and neither sees that two modes get too many draws.
"""

# %% probe
def probe(answer):
    if not isinstance(answer, dict):
        raise Problem("type", "`reading` should be a dict such as the one that you were given.")
    names = ("fog", "collapsed", "lost", "best")
    seen = {name: choice(answer.get(name), "ABCD", f"the entry {name!r}") for name in names}
    if answer.get("overlap", ...) is ...:
        raise Problem("none", "The overlap of model E is still missing: the last entry of `reading`.")
    overlap = number(answer["overlap"], "the overlap")
    if 0 < abs(overlap) <= 1:
        raise Problem("type", "The overlap of model E is above 1 %. Give it in percent: 40 for two fifths.")
    return seen | {"overlap": overlap}

# %% laws
def laws(seen):
    yield len({seen[name] for name in ("fog", "collapsed", "lost", "best")}) == 4, "each letter belongs to one entry"
    yield seen["fog"] == "{{fog}}", "the fog has a bar at every mode, and nearly all of its draws are in none", \
        "For `fog` look for eight bars that are all low, and a high white one."
    yield seen["collapsed"] == "{{collapsed}}", "the collapsed model has bars at two modes at most", "For `collapsed` count the bars: two at most, and high ones."
    yield seen["lost"] == "{{lost}}", "the model that lost half of the modes has four bars of about the same height", \
        "For `lost` count the bars: four of about the same height, above the dashed line."
    yield seen["best"] == "{{best}}", "the best model has eight bars near the dashed line", \
        "For `best` cut every bar at the dashed line and add up what is left: eight bars near the line give the most."
    yield 0 <= seen["overlap"] <= 100, "an overlap lies between 0 and 100 %"
    yield abs(seen["overlap"] - {{overlap}}) <= 3.05, "it is the sum of the eight bars, each cut at the dashed line", \
        "Mode by mode in panel E: a bar above the dashed line gives 12.5, a lower one its own height, the white bar nothing. Add up the eight."

# %% right: in small letters, read a little high
reading = {"fog": "{{fog}}".lower(), "collapsed": " {{collapsed}}", "lost": "{{lost}}", "best": "{{best}} ", "overlap": {{overlap}} + 2}

# %% right: what is good, less what stands above the dashed line
reading = dict(overlap={{good}} - {{excess}} - 1.5, best="{{best}}", lost="{{lost}}", collapsed="{{collapsed}}", fog="{{fog}}")

# %% wrong: fog taken for the best
# hint: You called the fog the best: it touches all eight modes. Look at its white bar: nearly all of its draws are in none.
#- "fog": "{{fog}}", "collapsed": "{{collapsed}}", "lost": "{{lost}}", "best": "{{best}}"
#+ "fog": "{{best}}", "collapsed": "{{collapsed}}", "lost": "{{lost}}", "best": "{{fog}}"

# %% wrong: collapse taken for a loss of half
# hint: You have the collapsed model and the one that lost half of the modes the wrong way round. Count the bars.
#- "collapsed": "{{collapsed}}", "lost": "{{lost}}"
#+ "collapsed": "{{lost}}", "lost": "{{collapsed}}"

# %% wrong: good draws taken for the overlap
# hint: You called the model the best whose draws are nearly all good, and it has lost modes. A bar above the dashed line counts only up to the line.
#- "lost": "{{lost}}", "best": "{{best}}"
#+ "lost": "{{best}}", "best": "{{lost}}"

# %% wrong: fog and collapse
# hint: You have fog and collapse the wrong way round. Fog lies everywhere, and so mostly in no mode; a collapse is in one or two modes.
#- "fog": "{{fog}}", "collapsed": "{{collapsed}}"
#+ "fog": "{{collapsed}}", "collapsed": "{{fog}}"

# %% wrong: the share of good draws
# hint: The letters are right. For model E your number is, or is near, the share of good draws: the sum of the whole bars. Cut each at the dashed line first.
#- {{overlap}}
#+ {{good}}

# %% wrong: the modes kept
# hint: The letters are right. For model E your number is, or is near, the share of modes that are kept. A mode with a tenth of its draws is kept, and it gives the overlap
#   little.
#- {{overlap}}
#+ {{kept}}

# %% wrong: shares of the good draws
# hint: The letters are right. For model E you divided by the good draws first. The bars are shares of all draws; what is in no mode is missing from
#   the overlap.
#- {{overlap}}
#+ {{renormed}}

# %% wrong: what stands above the line
# hint: The letters are right. For model E your number is, or is near, what stands above the dashed line: that is what it draws too often.
#- {{overlap}}
#+ {{excess}}

# %% wrong: fog and half of the modes
# hint: You have the fog and the model that lost half of the modes the wrong way round. Fog has a low bar at every mode and a high white
#   one; the other has four high bars.
reading = {"fog": "{{lost}}", "collapsed": "{{collapsed}}", "lost": "{{fog}}", "best": "{{best}}", "overlap": {{overlap}}}

# %% wrong: collapse taken for the best
# hint: You called the collapsed model the best: its white bar is the lowest. Cut each bar at the dashed line first: two modes give 25 % at
#   most.
reading = {"fog": "{{fog}}", "collapsed": "{{best}}", "lost": "{{lost}}", "best": "{{collapsed}}", "overlap": {{overlap}}}

# %% wrong: the white bar
# hint: The letters are right. For model E your number is, or is near, the white bar: the draws in no mode. The overlap is what the eight bars give, each up to
#   the dashed line.
#- {{overlap}}
#+ {{white}}

# %% wrong: what is missing
# hint: The letters are right. For model E your number is, or is near, what the overlap lacks of 100. Asked for is the overlap itself.
#- {{overlap}}
#+ {{missing}}

# %% wrong: only the modes over the line
# hint: The letters are right. For model E your number is, or is near, that of the modes whose bar reaches the dashed line alone. The lower bars count too, with their
#   own height.
#- {{overlap}}
#+ {{over}}

# %% wrong: a count of modes
# hint: The letters are right. For model E your number is, or is near, the number of modes that got draws. The overlap is a sum of heights, in percent.
#- {{overlap}}
#+ {{count}}

# %% wrong: the larger of bar and line
# hint: The letters are right. For model E your number is, or is near, the larger of bar and line, summed. The overlap is what both have in common: the
#   smaller.
#- {{overlap}}
#+ {{larger}}

# %% wrong: the overlap as a share of the good draws
# hint: You divided by the good draws. The bars are shares of all draws, the ones in no mode included: add them up as they are.
#- "overlap": {{overlap}}
#+ "overlap": {{of_good}}

# title: Four models in one plane
# chapter: 03_elbo
# goal: read rate, distortion and the bound off a figure
# kind: figure
# minutes: 10
# points: 2
# difficulty: 1
# passage: Two costs: rate and distortion
# answer: reading
# repeats: 1
# tolerance: 1e-4, bound 0.03
# removes:

# %% statement
r"""
Four models of the same binary images lie in a plane of rate and distortion (a made-up example, for the reading). Fill in `reading`:

- `"best bound"`: the letter of the model with the highest ELBO;
- `"collapsed"`: the letter of the model whose latent variable tells nothing;
- `"best copies"`: the letter of the model that gives its images back most faithfully;
- `"bound"`: the −ELBO of model **{{ASKED}}** in nats, to 3 nats.
"""

# %% draws
def draws(rng):
    import base64

    letters = rng.sample("ABCD", 4)
    shift = rng.integer(-8, 8)
    points = {letters[0]: (24 + shift, 76), letters[1]: (0, 150 + shift), letters[2]: (70 + shift, 52 + max(0, -shift)),
              letters[3]: (12 + shift / 2, 104.25)}  # no two wrong readings agree
    asked = rng.choice([letters[0], letters[2], letters[3]])
    hidden = base64.b64encode(repr({key: points[key] for key in "ABCD"}).encode()).decode()
    others = [float(sum(points[key])) for key in letters if key not in (asked, letters[1])]
    return {"ASKED": asked, "hidden": hidden, "best": letters[0], "collapsed": letters[1], "copies": letters[2], "middle": letters[3],
            "lowest": float(sum(points[letters[1]])), "first": others[0], "second": others[1], "bound": float(sum(points[asked])), "rate": float(points[asked][0]),
            "distortion": float(points[asked][1])}

# %% show
import ast
import base64

import matplotlib.pyplot as plt
from vae_lib import plots

plots.style()
fig, ax = plt.subplots(figsize=(5, 4))
for letter, (rate, distortion) in ast.literal_eval(base64.b64decode("{{hidden}}").decode()).items():
    ax.scatter(rate, distortion, color=plots.COLORS["blue"])
    ax.annotate(letter, (rate, distortion), (6, 4), textcoords="offset points")
ax.set(xlabel="rate, nats per image", ylabel="distortion, nats per image", xlim=(-5, 95), ylim=(40, 170))
ax.grid(alpha=0.4)
plt.show()

# %% starter
reading = {"best bound": ..., "collapsed": ..., "best copies": ..., "bound": ...}

# %% solution
reading = {"best bound": "{{best}}", "collapsed": "{{collapsed}}", "best copies": "{{copies}}", "bound": {{bound}}}

# %% why
r"""
The −ELBO is rate plus distortion: of the four sums that of model {{best}} is the smallest. Points with the same sum lie on a line that falls by one
nat for each nat to the right; slide such a line up from the corner, and the first point that it meets has the best bound. Model {{collapsed}} lies
at the rate 0: its $q$ is the prior for every image, so $z$ tells nothing. Model {{copies}} has the lowest distortion and gives its images back best.
For model {{ASKED}} both axes are added: {{rate}} + {{distortion}} = {{bound}} nats.

The lowest distortion is not the best bound, because the code is paid too. From {{middle}} to {{best}} the distortion falls by more nats than the
rate rises, from {{best}} to {{copies}} by fewer. On a rate-distortion curve the ELBO is largest where the slope is $-1$: there one more nat of rate
saves one nat.
"""

# %% probe
def probe(answer):
    if not isinstance(answer, dict):
        raise Problem("type", "`reading` should be a dict such as the one that you were given.")
    seen = {name.replace(" ", "_"): choice(answer.get(name), "ABCD", f"the entry {name!r}")
            for name in ("best bound", "collapsed", "best copies")}
    if answer.get("bound", ...) is ...:
        raise Problem("none", "The −ELBO is still missing: the last entry of `reading`.")
    return seen | {"bound": number(answer["bound"], "the bound")}

# %% laws
def laws(seen):
    yield seen["bound"] > 0, "the −ELBO of binary images is positive"
    for name, letter, sentence in (("best_bound", "{{best}}", "the best bound is the lowest sum of rate and distortion"),
                                   ("collapsed", "{{collapsed}}", "a collapsed model pays no rate"), ("best_copies", "{{copies}}", "the best copies have the lowest distortion")):
        yield seen[name] == letter, sentence
    yield abs(seen["bound"] - {{bound}}) <= 0.03 * (1 + {{bound}}), "the number is that of the point asked for", \
        "Read both axes at the point of model {{ASKED}}: nats of rate and nats of distortion are both paid."

# %% right: in small letters, read a little low
reading = {"best bound": "{{best}}".lower(), "collapsed": "{{collapsed}} ", "best copies": "{{copies}}", "bound": {{bound}} - 2}

# %% right: added up from both axes
read_rate, read_distortion = {{rate}} + 1, {{distortion}} + 0.5
reading = {"bound": read_rate + read_distortion, "collapsed": "{{collapsed}}", "best copies": "{{copies}}", "best bound": "{{best}}"}

# %% wrong: the lowest distortion taken for the best bound
# hint: The lowest distortion makes the best copies, not the best bound: the rate is a price too. The −ELBO is the sum of both.
#- "best bound": "{{best}}"
#+ "best bound": "{{copies}}"

# %% wrong: the lowest rate taken for the best bound
# hint: The model that you call the best has the lowest rate, and the largest sum of the four: its −ELBO is the worst. The best bound is the lowest sum of both.
#- "best bound": "{{best}}"
#+ "best bound": "{{collapsed}}"

# %% wrong: the best bound taken for the best copies
# hint: The letter for the copies is not the one with the lowest distortion. Distortion alone says how faithfully images come back.
#- "best copies": "{{copies}}"
#+ "best copies": "{{best}}"

# %% wrong: the distortion alone
# hint: For the bound you gave the distortion; the rate is missing.
#- "bound": {{bound}}
#+ "bound": {{distortion}}

# %% wrong: the rate alone
# hint: For the bound you gave the rate; the distortion is missing.
#- "bound": {{bound}}
#+ "bound": {{rate}}

# %% wrong: the difference
# hint: For the bound you took a difference. The −ELBO is distortion plus rate.
#- "bound": {{bound}}
#+ "bound": {{distortion}} - {{rate}}

# %% wrong: the ELBO with its sign
# hint: The number has the wrong sign: asked for is the −ELBO.
#- "bound": {{bound}}
#+ "bound": -{{bound}}

# %% wrong: the one in the middle taken for the best bound
# hint: The model that you chose for the bound has a low rate and pays more in distortion than the best one. Add up both axes for each model.
#- "best bound": "{{best}}"
#+ "best bound": "{{middle}}"

# %% wrong: the highest rate taken for collapsed
# hint: You took the highest rate for a collapse. A latent variable that tells nothing costs nothing: its rate is 0.
#- "collapsed": "{{collapsed}}"
#+ "collapsed": "{{copies}}"

# %% wrong: a low rate taken for collapsed
# hint: The model that you call collapsed still pays some nats of rate. Where the latent variable tells nothing, the rate is 0.
#- "collapsed": "{{collapsed}}"
#+ "collapsed": "{{middle}}"

# %% wrong: the best bound taken for collapsed
# hint: You took the model with the best bound for the collapsed one. Its latent variable costs a rate, and tells something. Collapsed: a rate of 0.
#- "collapsed": "{{collapsed}}"
#+ "collapsed": "{{best}}"

# %% wrong: the highest distortion taken for the best copies
# hint: You took the highest distortion for the best copies. Distortion is what the copies lose: look for the lowest.
#- "best copies": "{{copies}}"
#+ "best copies": "{{collapsed}}"

# %% wrong: a low rate taken for the best copies
# hint: The model that you chose for the copies has a low rate and a high distortion. The best copies have the lowest distortion, whatever they cost.
#- "best copies": "{{copies}}"
#+ "best copies": "{{middle}}"

# %% wrong: the axes exchanged
# hint: You read the axes the wrong way round. Rate goes to the right: 0 is collapsed. Distortion goes up: the lowest makes the best copies.
#- "collapsed": "{{collapsed}}"
#+ "collapsed": "{{copies}}"
#- "best copies": "{{copies}}"
#+ "best copies": "{{collapsed}}"

# %% wrong: the bound of the collapsed one
# hint: The number is the −ELBO of the collapsed model, at the rate 0. Look up which letter is asked for.
#- "bound": {{bound}}
#+ "bound": {{lowest}}

# %% wrong: the bound of another one
# hint: The number is the −ELBO of another model than the one asked for.
#- "bound": {{bound}}
#+ "bound": {{first}}

# %% wrong: the bound of a third one
# hint: The number belongs to another model: its rate plus distortion is not that of the letter asked for.
#- "bound": {{bound}}
#+ "bound": {{second}}

# %% wrong: the distance from the corner
# hint: You took the distance of the point from the origin. Nats add up: rate plus distortion.
#- "bound": {{bound}}
#+ "bound": ({{distortion}} ** 2 + {{rate}} ** 2) ** 0.5

# %% wrong: the product
# hint: You multiplied rate and distortion. Nats add up.
#- "bound": {{bound}}
#+ "bound": {{distortion}} * {{rate}}

# %% wrong: the mean
# hint: You took the mean of rate and distortion. The −ELBO is their sum.
#- "bound": {{bound}}
#+ "bound": {{bound}} / 2

# %% wrong: in bits
# hint: The number is in bits. Both axes are in nats, and so is the answer.
#- "bound": {{bound}}
#+ "bound": {{bound}} / 0.6931471805599453

# title: Four ways to lean
# chapter: 08_image_editing
# goal: recognise an edit by what moves, what stays and how real it looks, and compare at the same movement
# kind: figure
# minutes: 15
# points: 2
# difficulty: 2
# passage: What moved, what stayed, how real
# answer: reading
# repeats: 1
# tolerance: 1e-4, asked_for ±0.12, distance ±0.041

# %% statement
r"""
Four edits were asked to change the slant of 300 decoded validation digits, by −3 to 3 standard deviations. The figure shows them as the chapter does:
how far the slant moved, in standard deviations, with its sign; the share that a classifier reads as before; the distance to the nearest training image, where real
images have 1. The edits were:

- `"code"`: the attribute vector, added to the code;
- `"pixels"`: the attribute vector of the pixels, added to the image;
- `"random"`: a random direction of the code, as long as the attribute vector;
- `"shear"`: no model; each row of the decoded image is pushed sideways, such that the image's slant changes by what is asked.

Which is which? And how far from real do the images of edit **{{LETTER}}** look where its slant has *moved* by **{{signed}}** standard deviations
(the sign counts)? For `"asked_for"` give the change that was asked of it there, to 0.1 and with its sign; for `"distance"` the distance at this
place, to 0.04. Fill in `reading`.
"""

# %% draws
def draws(rng):
    # (moved, read as before, distance) at -3 ... 3: the chapter's IWAE and headline features; vectors from 10,000 training images, the nearest
    # of 6,000 training images, the first 300 binarised validation images, random direction with the seed 3
    code = [(-1.94, 0.687, 1.25), (-1.44, 0.883, 1.12), (-0.76, 0.977, 0.99), (0.0, 1.0, 0.96), (0.74, 0.973, 1.01), (1.35, 0.93, 1.12),
            (1.76, 0.787, 1.26)]
    pixels = [(-1.21, 0.9, 1.48), (-0.91, 0.973, 1.36), (-0.52, 0.99, 1.18), (0.0, 1.0, 0.96), (0.52, 0.967, 1.2), (0.87, 0.893, 1.36),
              (1.12, 0.737, 1.46)]
    random = [(0.25, 0.923, 1.09), (0.17, 0.967, 1.02), (0.08, 0.993, 0.99), (0.0, 1.0, 0.96), (-0.08, 0.997, 0.97), (-0.17, 0.977, 1.0),
              (-0.25, 0.937, 1.03)]
    shear = [(-2.95, 0.65, 1.69), (-1.99, 0.923, 1.27), (-1.0, 0.983, 1.03), (0.0, 1.0, 0.96), (1.0, 0.973, 1.09), (1.97, 0.86, 1.54),
             (2.88, 0.497, 2.04)]
    letters = rng.sample("ABCD", 4)
    at = dict(zip(("code", "pixels", "random", "shear"), letters))
    named = dict(zip(letters, (code, pixels, random, shear)))
    edit, moved = rng.choice([("pixels", 0.8), ("pixels", 1.0), ("pixels", -0.8), ("code", 1.4), ("code", 1.5)])
    curve = {"code": code, "pixels": pixels}[edit]

    def between(x, xs, ys):  # on the straight pieces that the figure draws
        k = next(k for k in range(6) if xs[k] <= x <= xs[k + 1])
        return ys[k] + (x - xs[k]) / (xs[k + 1] - xs[k]) * (ys[k + 1] - ys[k])

    (moves, shares, distances), steps = zip(*curve), list(range(-3, 4))
    strength = between(moved, moves, steps)
    opposite = between(-moved, moves, steps)
    return {"MOVED": moved, "signed": f"{moved:+g}".replace("-", "−"), "LETTER": at[edit], "steps": steps,
            "runs": {letter: named[letter] for letter in "ABCD"}, **at,
            "distance": round(between(strength, steps, distances), 3), "too_near": round(between(moved, steps, distances), 3),
            "share": round(between(strength, steps, shares), 3), "opposite": round(opposite, 2),
            "distance_opposite": round(between(opposite, steps, distances), 3), "strength": round(strength, 2),
            "of_shear": round(between(moved, list(zip(*shear))[0], list(zip(*shear))[2]), 3)}

# %% show
import matplotlib.pyplot as plt
from vae_lib import plots

plots.style()
runs = {{runs}}
fig, axes = plt.subplots(3, 1, figsize=(5, 8), sharex=True)
for (letter, values), color in zip(runs.items(), plots.COLORS.values()):
    for ax, part in zip(axes, zip(*values)):
        ax.plot({{steps}}, part, ".-", color=color)
        ax.annotate(letter, (3, part[-1]), (6, -4), textcoords="offset points", color=color)
axes[0].set(ylabel="slant moved\n(standard deviations)", yticks=range(-3, 4), xlim=(-3.3, 3.5))
axes[1].set(ylabel="read as before (share)")
axes[2].set(ylabel="distance (real = 1)", xlabel="asked for (standard deviations)")
for ax in axes:
    ax.grid(alpha=0.4)
fig.tight_layout()
plt.show()

# %% starter
reading = {"code": ..., "pixels": ..., "random": ..., "shear": ..., "asked_for": ..., "distance": ...}

# %% solution
reading = {"code": "{{code}}", "pixels": "{{pixels}}", "random": "{{random}}", "shear": "{{shear}}",
           "asked_for": {{strength}}, "distance": {{distance}}}

# %% why
r"""
Begin with the upper panel. {{shear}} moves the slant by what is asked, because it moves the ink itself. {{random}} stays near 0; that its pictures
look real only says that little happened to them. Of the two that are left, {{pixels}} moves less, and its distance rises from the first step on: a
fixed picture is laid over strokes that stay where they are. {{code}} moves further, and its pictures stay near real ones for longer.

The last question takes two steps. At the height {{signed}} the line of {{LETTER}} is met at {{strength}} in the upper panel, and at this strength
its distance is {{distance}}. At equal strength *asked for*, an edit that does little looks good. A fair comparison is one at equal movement.
"""

# %% probe
def probe(answer):
    if not isinstance(answer, dict):
        raise Problem("type", "`reading` should be a dict such as the one that you were given.")
    names = ("code", "pixels", "random", "shear")
    seen = {name: choice(answer.get(name), "ABCD", f"the entry {name!r}") for name in names}
    for name in ("asked_for", "distance"):
        if answer.get(name, ...) is ...:
            raise Problem("none", f"The entry {name!r} of `reading` is still missing.")
    return seen | {name: number(answer[name], f"the entry {name!r}") for name in ("asked_for", "distance")}

# %% laws
def laws(seen):
    yield len({seen[name] for name in ("code", "pixels", "random", "shear")}) == 4, "each letter belongs to one edit"
    yield seen["shear"] == "{{shear}}", "the shear moves the slant by what is asked, over the whole range", \
        "For `shear` look at the upper panel: which line moves by as much as is asked?"
    yield seen["random"] == "{{random}}", "the random direction hardly moves the slant", "For `random` look at the upper panel: which line stays near 0?"
    yield seen["pixels"] == "{{pixels}}", "the vector of the pixels moves less than that of the code, and its pictures look less real", \
        "For `pixels` compare the two lines that are left: a picture that is added moves less, and the distance rises from the first step on."
    yield seen["code"] == "{{code}}", "the vector of the code moves the slant, and its pictures stay near real ones for longer", \
        "For `code` take the line that moves the slant, but not by all that is asked, and whose distance stays near 1 at first."
    yield seen["distance"] > 0, "a distance is positive"
    yield abs(seen["asked_for"] - {{strength}}) <= 0.12, "at this strength the line of the edit has the height of the movement", \
        "In the upper panel go along the height {{signed}} to the line of edit {{LETTER}}, then straight down: that is what was asked for. The place lies " \
        "between two markers: read it on the line."
    yield abs(seen["distance"] - {{distance}}) <= 0.041, "it is the distance of the edit at this strength", \
        "Two steps: in the upper panel find where the line of edit {{LETTER}} has the height {{signed}}; in the lowest panel read the line of the same edit there."

# %% right: in small letters, read a little high
reading = {"code": "{{code}}".lower(), "pixels": " {{pixels}}", "random": "{{random}}", "shear": "{{shear}}".lower(),
           "asked_for": {{strength}} + 0.1, "distance": {{distance}} + 0.04}

# %% right: read through the strength, a little low
strength_read, distance_read = {{strength}} - 0.08, {{distance}} - 0.035
reading = dict(shear="{{shear}}", random="{{random}}", pixels="{{pixels}}", code="{{code}}")
reading["asked_for"], reading["distance"] = strength_read, distance_read

# %% wrong: the pixel edit taken for the one of the code
# hint: You have code and pixels the wrong way round. Adding a fixed picture leaves the strokes where they are and puts a shadow beside them: the
#   slant moves less, and the distance rises from the first step on.
#- "code": "{{code}}", "pixels": "{{pixels}}"
#+ "code": "{{pixels}}", "pixels": "{{code}}"

# %% wrong: the shear taken for the code
# hint: You have code and shear the wrong way round. The shear moves the slant of every image by what is asked; a vector moves only what a line can
#   read.
#- "code": "{{code}}"
#+ "code": "{{shear}}"
#- "shear": "{{shear}}"
#+ "shear": "{{code}}"

# %% wrong: the random direction taken for the code
# hint: You have code and random the wrong way round. A random direction of the same length leaves most of the slant as it is; that its pictures look real
#   only says that little happened.
#- "code": "{{code}}"
#+ "code": "{{random}}"
#- "random": "{{random}}"
#+ "random": "{{code}}"

# %% wrong: the shear taken for the pixel edit
# hint: You have pixels and shear the wrong way round. Both work on the image, but only the shear moves the ink itself, and by as much as is asked.
#- "pixels": "{{pixels}}"
#+ "pixels": "{{shear}}"
#- "shear": "{{shear}}"
#+ "shear": "{{pixels}}"

# %% wrong: read at what was asked for
# hint: The letters are right. You read the distance where so much was *asked for*. First find, in the upper panel, the strength at which the slant has
#   moved so far.
#- "asked_for": {{strength}}, "distance": {{distance}}
#+ "asked_for": {{MOVED}}, "distance": {{too_near}}

# %% wrong: the distance of the shear
# hint: The letters are right. This is the distance of another edit at that movement, such as the shear's: stay on the line of one edit, from the upper
#   panel to the lowest.
#- "distance": {{distance}}
#+ "distance": {{of_shear}}

# %% wrong: the strength itself
# hint: The letters are right. You gave the strength at which the slant has moved so far. Now read the distance at this strength, in the lowest panel.
#- "distance": {{distance}}
#+ "distance": {{strength}}

# %% wrong: the share that is read as before
# hint: The letters are right. You gave a value of the middle panel, the share that is read as before. The distance stands in the lowest one.
#- "distance": {{distance}}
#+ "distance": {{share}}

# %% wrong: moved the other way
# hint: The letters are right, and the line is the right one. You read where the slant has moved by as much to the *other* side: mind the
#   sign.
#- "asked_for": {{strength}}, "distance": {{distance}}
#+ "asked_for": {{opposite}}, "distance": {{distance_opposite}}

# %% wrong: the place right, the distance at another
# hint: The letters are right, and so is what was asked for. You read the distance where as much was *asked for* as the slant should move.
#   Read it where you found the movement.
#- "distance": {{distance}}
#+ "distance": {{too_near}}

# %% wrong: the distance less that of the unmoved
# hint: The letters are right, and the distance is less by that of the unmoved images. Give it as the lowest panel shows it, where real
#   images have 1.
#- "distance": {{distance}}
#+ "distance": {{distance}} - 0.96

# %% wrong: the random direction taken for the pixel edit
# hint: You have pixels and random the wrong way round. A random direction leaves the slant near 0, and its pictures near real; the picture
#   that is added moves the slant, and looks less real from the first step on.
reading = {"code": "{{code}}", "pixels": "{{random}}", "random": "{{pixels}}", "shear": "{{shear}}",
           "asked_for": {{strength}}, "distance": {{distance}}}

# %% wrong: the random direction taken for the shear
# hint: You have random and shear the wrong way round. The shear moves the slant by what is asked; a random direction hardly moves it.
reading = {"code": "{{code}}", "pixels": "{{pixels}}", "random": "{{shear}}", "shear": "{{random}}",
           "asked_for": {{strength}}, "distance": {{distance}}}

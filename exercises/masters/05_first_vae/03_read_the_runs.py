# title: Four runs and their losses
# chapter: 05_first_vae
# goal: recognise a loss by the rate and the distortion that it leads to
# kind: figure
# minutes: 10
# points: 2
# difficulty: 1
# passage: Mistakes, made on purpose
# answer: reading
# repeats: 1
# tolerance: 1e-4, minus_ELBO 0.032

# %% statement
r"""
The same network was trained four times for 800 steps, from the same start, each time with another loss. The figure shows the rate
and the distortion on 1,000 validation images. The losses were, with $R$ for the rate and $D$ for the distortion:

- `"right"`: $D + R$;
- `"mean"`: the mean over the pixels, $D / 784 + R$;
- `"four"`: four times the rate, $D + 4 R$;
- `"none"`: no rate at all, $D$.

Which run is which? And what is the −ELBO of the *right* run after 800 steps, in nats per image, as well as you can read it (to 4 nats)?
Fill in `reading`.
"""

# %% draws
def draws(rng):
    # rate and distortion of 1,000 validation images of MNIST: the chapter's network, batches of 128, Adam with 1e-3, seed 0
    steps = [0, 25, 50, 100, 150, 200, 300, 400, 600, 800]
    right = [(0.2, 207.6), (5.4, 188.2), (8.5, 170.3), (11.1, 156.0), (11.6, 148.8), (12.6, 140.6), (13.9, 129.3),
             (14.8, 122.6), (15.5, 114.0), (16.9, 108.0)]
    mean = [(0.2, 207.6), (0.0, 207.3), (0.0, 207.2), (0.0, 206.9), (0.0, 206.8), (0.0, 206.9), (0.0, 206.9),
            (0.0, 206.8), (0.0, 206.7), (0.0, 206.8)]
    four = [(0.2, 207.6), (0.2, 205.6), (1.7, 191.6), (3.0, 178.6), (3.6, 172.6), (3.8, 168.6), (4.7, 157.1),
            (5.0, 151.9), (5.6, 142.5), (6.3, 135.8)]
    none = [(0.2, 207.6), (60.2, 179.1), (79.0, 163.3), (121.1, 145.5), (160.6, 135.5), (177.3, 128.4), (192.9, 116.5),
            (218.0, 107.5), (232.3, 97.1), (249.5, 90.0)]
    letters = rng.sample("ABCD", 4)
    named = dict(zip(letters, [right, mean, four, none]))
    at = dict(zip(("right", "mean", "four", "none"), letters))
    return {"steps": steps, "runs": {letter: named[letter] for letter in "ABCD"}, **at}

# %% show
import matplotlib.pyplot as plt
from vae_lib import plots

plots.style()
runs = {{runs}}
fig, axes = plt.subplots(1, 2, figsize=(7, 3.2))
for letter, color in zip(runs, plots.COLORS.values()):
    for ax, values in zip(axes, zip(*runs[letter])):
        ax.plot({{steps}}, values, color=color)
        ax.annotate(letter, (800, values[-1]), (4, -3), textcoords="offset points", color=color)
axes[0].set(xlabel="steps", ylabel="rate, nats per image", yscale="symlog", yticks=[0, 1, 3, 10, 30, 100, 300])
axes[0].set_yticklabels([0, 1, 3, 10, 30, 100, 300])
axes[1].set(xlabel="steps", ylabel="distortion, nats per image")
fig.tight_layout()
plt.show()

# %% starter
reading = {"right": ..., "mean": ..., "four": ..., "none": ..., "minus ELBO": ...}

# %% solution
reading = {"right": "{{right}}", "mean": "{{mean}}", "four": "{{four}}", "none": "{{none}}", "minus ELBO": 124.9}

# %% why
r"""
The losses differ in what a nat of rate costs, in nats of distortion: 784 for `"mean"`, then 4, 1 and 0. The dearer it is, the less of it is
bought and the more distortion is left. So the rates, from the lowest up, belong to the runs {{mean}}, {{four}}, {{right}} and {{none}}, and the
distortions have the opposite order. Run {{mean}} buys nothing: its distortion of 207 nats is what the mean image costs, without any $z$.

The −ELBO counts a nat of rate once, whatever a run was trained with. For run {{right}} it is $16.9 + 108.0 = 124.9$, for run {{four}} 142.1, for
run {{mean}} 206.8 and for run {{none}} 339.5. The run with the lowest distortion has the worst bound: from run {{right}} to run {{none}}, 233
nats of rate save 18 nats of distortion. From run {{four}} to run {{right}} one nat saves 2.6. We expect a number between their prices, 4 and 1: a
run stops buying where a nat saves less than it costs.
"""

# %% probe
def probe(answer):
    if not isinstance(answer, dict):
        raise Problem("type", "`reading` should be a dict such as the one that you were given.")
    names = ("right", "mean", "four", "none")
    seen = {name: choice(answer.get(name), "ABCD", f"the entry {name!r}") for name in names}
    if len(set(seen.values())) < 4:
        raise Problem("type", "Each letter belongs to one loss: a letter stands twice.")
    if answer.get("minus ELBO", ...) is ...:
        raise Problem("none", "The −ELBO is still missing: the last entry of `reading`.")
    return {f"the_run_{name}": letter for name, letter in seen.items()} | {"minus_ELBO": number(answer["minus ELBO"], "the −ELBO")}

# %% laws
def laws(seen):
    yield 0 < seen["minus_ELBO"] < 543.5, "the −ELBO lies between 0 and 784 log 2, what fair coins cost"
    if seen["the_run_none"] != "{{none}}":
        yield False, "the run without a price tells most", "Where the rate costs nothing the encoder tells everything: of all runs \"none\" has the largest rate and the lowest distortion."
    if seen["the_run_mean"] != "{{mean}}":
        yield False, "the run with the dearest rate tells nothing", "With the mean over the pixels the rate weighs 784 times too much: it goes to 0, and the distortion stays."
    if 4 < abs(seen["minus_ELBO"] - 124.9) < 20:
        yield False, "the −ELBO is read to 4 nats", "Your −ELBO is near, and not near enough: read both curves at their right end, after 800 steps, with a ruler on the axis of each panel, and add the two."
    elif abs(seen["minus_ELBO"] - 124.9) >= 20:
        yield False, "the −ELBO is the price of both", "The −ELBO is rate plus distortion of the run that you call right, in nats, both read after 800 steps."

# %% right: in small letters, read roughly
reading = {"right": "{{right}}".lower(), "mean": " {{mean}} ", "four": "{{four}}".lower(), "none": "{{none}}", "minus ELBO": 122}

# %% right: added up from both panels
rate_read, distortion_read = 17, 109.5
reading = dict(mean="{{mean}}", right="{{right}}", none="{{none}}", four="{{four}}")
reading["minus ELBO"] = rate_read + distortion_read

# %% wrong: the best distortion taken for the right loss
# hint: You called the run with the lowest distortion right. Without a price on the rate, the encoder tells everything it knows:
#   look at the rate of that run.
#- "right": "{{right}}"
#+ "right": "{{none}}"
#- "none": "{{none}}"
#+ "none": "{{right}}"

# %% wrong: the collapsed run taken for the fourfold rate
# hint: Two runs have a small rate, and you have them the wrong way round. A rate that is weighed 784 times too heavily goes to zero,
#   and the distortion then stays where the mean image is; weighed four times, some of it stays.
#- "mean": "{{mean}}"
#+ "mean": "{{four}}"
#- "four": "{{four}}"
#+ "four": "{{mean}}"

# %% wrong: the fourfold rate taken for the right one
# hint: You have the right run and the one with four times the rate the wrong way round: the dearer the rate, the less of it is bought,
#   and the more distortion is left.
#- "right": "{{right}}"
#+ "right": "{{four}}"
#- "four": "{{four}}"
#+ "four": "{{right}}"

# %% wrong: the distortion taken for the bound
# hint: For the −ELBO you gave the distortion alone; the rate is the other part of the price.
#- 124.9
#+ 108.0

# %% wrong: the difference of the two
# hint: For the −ELBO you took the distortion minus the rate. The ELBO is log-likelihood minus KL, so with a
#   minus in front both are added.
#- 124.9
#+ 91.1

# %% wrong: the ELBO with its sign
# hint: The number has the wrong sign: asked for is the −ELBO, a positive number.
#- 124.9
#+ -124.9

# %% wrong: the collapsed run taken for the one without a price
# hint: You have "mean" and "none" the wrong way round. A mean over the pixels makes the distortion 784 times cheaper, so the rate is 784 times too dear: that run tells nothing.
#- "mean": "{{mean}}"
#+ "mean": "{{none}}"
#- "none": "{{none}}"
#+ "none": "{{mean}}"

# %% wrong: the collapsed run taken for the right one
# hint: You have "right" and "mean" the wrong way round. The run whose rate is 0 tells nothing of the image: its rate was far too dear.
#- "right": "{{right}}"
#+ "right": "{{mean}}"
#- "mean": "{{mean}}"
#+ "mean": "{{right}}"

# %% wrong: the fourfold rate taken for none
# hint: You have "four" and "none" the wrong way round: the dearer the rate, the less of it is bought.
#- "four": "{{four}}"
#+ "four": "{{none}}"
#- "none": "{{none}}"
#+ "none": "{{four}}"

# %% wrong: the number of the fourfold rate
# hint: This number is rate plus distortion of the run with four times the rate. Asked for is the right run.
#- 124.9
#+ 142.1

# %% wrong: the number of the run without a price
# hint: This number is rate plus distortion of the run without a price on the rate. Asked for is the right run.
#- 124.9
#+ 339.5

# %% wrong: the number of the collapsed run
# hint: This number is that of the run which tells nothing. Asked for is the right run.
#- 124.9
#+ 206.8

# %% wrong: after 600 steps
# hint: That is about the value after 600 steps. Asked for is the end, after 800, where the letters stand: read both curves there, and mind the marks of each axis.
#- 124.9
#+ 129.5

# %% wrong: after 400 steps
# hint: That is about the value after 400 steps, or with a rate misread on its logarithmic axis. Asked for is the end, after 800, where the letters stand: the marks of the
#   rate are 10, 30, 100.
#- 124.9
#+ 137.4

# %% wrong: the rate alone
# hint: For the −ELBO you gave the rate, with little or nothing of the distortion. That is the larger part of the price, and counts in full.
#- 124.9
#+ 16.9

# %% wrong: the rate four times
# hint: You added the rate four times. The −ELBO counts it once.
#- 124.9
#+ 175.6

# %% wrong: for each pixel
# hint: You divided by the 784 pixels. Asked for are nats per image.
#- 124.9
#+ 0.159

# %% wrong: bits
# hint: You converted to bits. Asked for are nats, the unit of the axes.
#- 124.9
#+ 180.2

# title: Three curves
# chapter: 01_autoencoder
# goal: tell from a curve of errors what kind of images was compressed
# kind: figure
# minutes: 10
# points: 2
# difficulty: 1
# passage: Curved against flat
# answer: reading
# repeats: 1
# tolerance: 1e-4, numbers_for_half 0.31
# removes:

# %% statement
r"""
PCA was fitted to 2,000 images of three kinds, and the figure shows what it loses on the same images with $d$ numbers, as a share of the
error of the mean image:

- `"digits"`: validation images of MNIST;
- `"clothes"`: validation images of Fashion-MNIST;
- `"shuffled"`: the digits, with every pixel's values dealt out anew among the images. Each pixel keeps its mean and its variance, and
  pixels no longer know of each other.

Which curve is which? And with how many numbers does the curve of the **{{ASKED}}** lose half? Fill in `reading`; the number may be off by
a third.
"""

# %% draws
def draws(rng):
    import base64

    letters = rng.sample("ABC", 3)
    kinds = dict(zip(letters, ["digits", "clothes", "shuffled"]))
    hidden = base64.b64encode(" ".join(kinds[letter] for letter in "ABC").encode()).decode()
    return {"hidden": hidden, "ASKED": rng.choice(["digits", "clothes"]), "digits": letters[0], "clothes": letters[1], "shuffled": letters[2]}

# %% given
from functools import lru_cache

import torch
from vae_lib import data

@lru_cache
def share_lost(kind):
    """What PCA with 0, 1, 2 … numbers loses, as a share of the mean image's error, (785,)."""
    name = "fashion_mnist" if kind == "clothes" else "mnist"
    x = data.load(name, "validation", as_float=True).images.flatten(1)
    if kind == "shuffled":
        order = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)).argsort(0)
        x = x.gather(0, order)
    values = torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)
    return 1 - torch.cat([torch.zeros(1), values.cumsum(0)]) / values.sum()

# %% show
import base64

import matplotlib.pyplot as plt
from vae_lib import plots

plots.style()
kinds = dict(zip("ABC", base64.b64decode("{{hidden}}").decode().split()))
fig, ax = plt.subplots()
for letter, color in zip("ABC", plots.COLORS.values()):
    lost = share_lost(kinds[letter]).tolist()
    ax.semilogx(range(1, 401), lost[1:401], color=color)
    ax.annotate(letter, (3, lost[3]), (0, 5), textcoords="offset points", color=color)
ax.axhline(0.5, color="gray", linewidth=0.8)
ax.set(xlabel="numbers in the code", ylabel="share of the error that is left", ylim=(0, 1.02))
plt.show()

# %% starter
reading = {"digits": ..., "clothes": ..., "shuffled": ..., "numbers for half": ...}

# %% solution
half = int((share_lost("{{ASKED}}") <= 0.5).nonzero()[0])
reading = {"digits": "{{digits}}", "clothes": "{{clothes}}", "shuffled": "{{shuffled}}", "numbers for half": half}

# %% why
r"""
PCA saves numbers where pixels know of each other. Garments share a few broad shapes, so {{clothes}} falls fastest: a single number takes off almost
a third. Digits are made of strokes in many places, so {{digits}} falls later. In the shuffled digits no pixel tells anything of another. The
first axis takes off 0.6 %, where a single pixel has up to 0.4 % of the variance. So {{shuffled}} hardly falls at first.

Where a curve crosses the line at one half, read the number below. It is 3 for the garments, 11 for the digits and 110 for the shuffled digits. Each
pixel has the same variance in the digits and in the shuffled ones: what PCA can use, and an autoencoder too, is what pixels say of each other.
"""

# %% probe
def probe(answer):
    if not isinstance(answer, dict):
        raise Problem("type", "`reading` should be a dict such as the one that you were given.")
    seen = {name: choice(answer.get(name), "ABC", f"the entry {name!r}") for name in ("digits", "clothes", "shuffled")}
    if len(set(seen.values())) < 3:
        raise Problem("type", "Each letter belongs to one kind of image: a letter stands twice.")
    if answer.get("numbers for half", ...) is ...:
        raise Problem("none", "The number is still missing: the last entry of `reading`.")
    return seen | {"numbers_for_half": number(answer["numbers for half"], "the number of numbers")}

# %% laws
def laws(seen):
    yield 1 <= seen["numbers_for_half"] <= 784, "a code has between 1 and 784 numbers", \
        "Go from 0.5 on the upright axis to the curve, and from there down to the axis of the numbers."
    half = int((share_lost("{{ASKED}}") <= 0.5).nonzero()[0])
    quarter = int((share_lost("{{ASKED}}") <= 0.25).nonzero()[0])
    yield abs(seen["numbers_for_half"] - half) <= 0.31 * (1 + half), "the curve asked for crosses the line at 0.5 there", \
        "You read where about a quarter of the error is left. The grey line stands at one half." if abs(seen["numbers_for_half"] / quarter - 1) < 0.15 else \
        f"Too {'large' if seen['numbers_for_half'] > half else 'small'}. Go along the grey line to the curve, then down. The axis is logarithmic: the small " \
        "marks after 1 are 2, 3, 4 …, those after 10 are 20, 30, 40 …"

# %% right: in small letters, read off the figure
exact = int((share_lost("{{ASKED}}") <= 0.5).nonzero()[0])
reading = {"digits": "{{digits}}".lower(), "clothes": " {{clothes}}", "shuffled": "{{shuffled}}", "numbers for half": 1.25 * exact}

# %% right: read a little short
exact = int((share_lost("{{ASKED}}") <= 0.5).nonzero()[0])
reading = dict(shuffled="{{shuffled}}", clothes="{{clothes}}", digits="{{digits}}")
reading["numbers for half"] = torch.tensor(exact - 0.1 * exact)

# %% wrong: digits and clothes the wrong way round
# hint: You have digits and clothes the wrong way round. The first few directions of clothes (how large, how bright, trousers or shoe) carry
#   much more of their variance than those of digits do.
#- "digits": "{{digits}}"
#+ "digits": "{{clothes}}"
#- "clothes": "{{clothes}}"
#+ "clothes": "{{digits}}"

# %% wrong: shuffled taken for digits
# hint: You have the digits and the shuffled digits the wrong way round. PCA lives on pixels that vary together; shuffled ones do not, so
#   every direction carries about as little as the next.
#- "digits": "{{digits}}"
#+ "digits": "{{shuffled}}"
#- "shuffled": "{{shuffled}}"
#+ "shuffled": "{{digits}}"

# %% wrong: shuffled taken for clothes
# hint: You have the clothes and the shuffled digits the wrong way round. A curve that falls at once belongs to pixels that vary together.
#- "clothes": "{{clothes}}"
#+ "clothes": "{{shuffled}}"
#- "shuffled": "{{shuffled}}"
#+ "shuffled": "{{clothes}}"

# %% wrong: half of all the numbers
# hint: You took half of the 784 numbers: asked for is where half of the *error* is left.
#- "numbers for half": half
#+ "numbers for half": 392

# %% wrong: the other curve
# hint: Near this number the curve of another kind of image crosses the line. Check which curve you followed, and the axis: it is logarithmic, with
#   large marks at 1, 10 and 100.
#- int((share_lost("{{ASKED}}")
#+ int((share_lost("digits" if "{{ASKED}}" == "clothes" else "clothes")

# %% wrong: where a tenth is left
# hint: You read where about a tenth of the error is left, and not half.
#- <= 0.5)
#+ <= 0.1)

# %% wrong: half of the shuffled curve
# hint: You read the number off the curve of the shuffled digits.
#- share_lost("{{ASKED}}")
#+ share_lost("shuffled")

# %% wrong: the axis read as if it were even
# hint: The axis of the numbers is logarithmic: each mark of the large ones is ten times the one before, and the small marks between 10 and 100
#   are 20, 30, 40 … Half-way between two large marks lies about 3 times the left one, and not 5 times.
#- "numbers for half": half
#+ "numbers for half": 5.5 * 10 ** (len(str(half)) - 1)

# %% wrong: the exponent
# hint: You gave an exponent. The axis of the numbers is logarithmic, and its marks are numbers: 10¹ is ten.
#- "numbers for half": half
#+ "numbers for half": torch.tensor(float(half)).log10()

# %% wrong: the share itself
# hint: You gave the share of the error. Asked for is the number of numbers at which it is reached, on the other axis.
#- "numbers for half": half
#+ "numbers for half": 0.5

# %% wrong: all three moved on
# hint: All three letters stand in another's place. Begin with the shuffled digits: their pixels know nothing of each other, so no direction
#   carries much, and their curve falls last. Of the other two, clothes fall faster at first.
#- "digits": "{{digits}}"
#+ "digits": "{{clothes}}"
#- "clothes": "{{clothes}}"
#+ "clothes": "{{shuffled}}"
#- "shuffled": "{{shuffled}}"
#+ "shuffled": "{{digits}}"

# %% wrong: all three moved back
# hint: No letter stands where it belongs. The curve that stays high longest is that of the shuffled digits, whose pixels do not vary together.
#   The one that falls at once is that of the clothes.
#- "digits": "{{digits}}"
#+ "digits": "{{shuffled}}"
#- "clothes": "{{clothes}}"
#+ "clothes": "{{digits}}"
#- "shuffled": "{{shuffled}}"
#+ "shuffled": "{{clothes}}"

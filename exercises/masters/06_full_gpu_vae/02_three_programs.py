# title: Three programs under one roof
# chapter: 06_full_gpu_vae
# goal: read from a roofline what holds a program back
# kind: figure
# minutes: 10
# points: 2
# difficulty: 1
# passage: How far can it go? The roofline
# answer: reading
# repeats: 1
# tolerance: 1e-4, bend_in_thousandths 0.25

# %% statement
r"""
The figure shows the roof of one device, and what three programs reach under it. The horizontal axis counts the operations that a program
does for each byte it moves. Of the three,

- `"bytes"` moves its bytes nearly as fast as the device can;
- `"arithmetic"` is the only one that a device with faster arithmetic, and the same memory, could speed up;
- `"waits"` loses most of its time to something else, such as the starts of many small kernels.

Which letter is which? And at how many operations for each byte does the roof bend, to within a quarter of its value? Fill in `reading`.
"""

# %% draws
def draws(rng):
    letters = rng.sample("ABC", 3)
    top, moves = rng.choice([(10, 2000), (10, 2500), (20, 400), (20, 500), (40, 2000)])  # 10¹² operations and 10⁹ bytes a second
    bend = 1000 * top / moves
    points = {"bytes": (bend / 48, 0.95 * top / 48), "arithmetic": (6 * bend, 0.6 * top), "waits": (bend / 4, 0.08 * top / 4)}
    at = dict(zip(points, letters))
    return {"TOP": top, "bend": bend, "points": {at[name]: points[name] for name in sorted(at, key=at.get)}, **at}

# %% show
import matplotlib.pyplot as plt
from vae_lib import plots

plots.style()
bend, points = {{bend}}, {{points}}
fig, ax = plt.subplots()
ax.loglog([bend / 200, bend, bend * 40], [TOP / 200, TOP, TOP], color="0.4")
for (letter, (intensity, speed)), color in zip(points.items(), plots.COLORS.values()):
    ax.plot(intensity, speed, "o", color=color)
    ax.annotate(letter, (intensity, speed), (7, -4), textcoords="offset points", color=color)
ax.set(xlabel="operations for each byte", ylabel="10¹² operations a second")
ax.grid(which="both", alpha=0.3)
plt.show()

# %% starter
reading = {"bytes": ..., "arithmetic": ..., "waits": ..., "bend": ...}

# %% solution
reading = {"bytes": "{{bytes}}", "arithmetic": "{{arithmetic}}", "waits": "{{waits}}", "bend": {{bend}}}

# %% why
r"""
Compare each point with the roof straight above it, not with the other points. {{bytes}} nearly touches the slope: it moves bytes as fast as the
device can, and would need fewer bytes or more operations for each of them. {{arithmetic}} stands to the right of the bend, under the flat part,
which is the only part that faster arithmetic lifts. {{waits}} stands to the left of the bend and far below the slope: neither rate holds it back,
so the time goes elsewhere.

The roof bends where both take equally long: at {{bend}} operations for each byte, the arithmetic's rate divided by the memory's. How high a point
stands tells the speed and not the reason: {{bytes}} does few operations a second and still leaves the least to gain.
"""

# %% probe
def probe(answer):
    if not isinstance(answer, dict):
        raise Problem("type", "`reading` should be a dict such as the one that you were given.")
    names = ("bytes", "arithmetic", "waits")
    seen = {name: choice(answer.get(name), "ABC", f"the entry {name!r}") for name in names}
    if answer.get("bend", ...) is ...:
        raise Problem("none", "The place where the roof bends is still missing: the last entry of `reading`.")
    return {f"the_program_{name}": letter for name, letter in seen.items()} | {"bend_in_thousandths": 1000 * number(answer["bend"], "the " \
        "place where the roof bends")}

# %% laws
def laws(seen):
    bend = seen["bend_in_thousandths"] / 1000
    yield len({seen[f"the_program_{name}"] for name in ("bytes", "arithmetic", "waits")}) == 3, "each letter belongs to one program"
    yield bend > 0, "operations for each byte are a positive number"
    if seen["the_program_arithmetic"] != "{{arithmetic}}":
        yield False, "the program of arithmetic stands under the flat roof", "Faster arithmetic lifts the flat part of the roof alone: \"arithmetic\" stands under it, to the right of the bend."
    if seen["the_program_bytes"] != "{{bytes}}":
        yield False, "the program of bytes nearly touches the slope", "The slope is what the memory allows: \"bytes\" nearly touches it, however low it stands."
    if seen["the_program_waits"] != "{{waits}}":
        yield False, "the program that waits is far below its roof", "The third is neither near the slope nor under the flat part: \"waits\" is far below the roof straight above it."
    if not 0.74 * {{bend}} < bend < 1.26 * {{bend}}:
        yield False, "the bend is where slope and flat part meet", ("Above your place the roof still rises: it bends further to the right. "
            if bend < {{bend}} else "Above your place the roof is flat already: it bends further to the left. ") + \
            "Go down from the place where the slope meets the flat part, to the horizontal axis. It counts in powers of ten: the " \
            "lines between stand for 2, 3, 4 … times."

# %% right: in small letters, read roughly
reading = {"bytes": "{{bytes}}".lower(), "arithmetic": " {{arithmetic}} ", "waits": "{{waits}}", "bend": 1.2 * {{bend}}}

# %% right: worked out from a point on the slope
speed_on_the_slope, operations_there = TOP / 200, {{bend}} / 200
reading = dict(waits="{{waits}}", bytes="{{bytes}}", arithmetic="{{arithmetic}}")
reading["bend"] = TOP / (speed_on_the_slope / operations_there)

# %% wrong: the fastest is taken for the one at its roof
# hint: The program with the most operations a second is not the one that moves bytes best: its roof is the flat part. Compare each
#   point with the slope above it.
#- "bytes": "{{bytes}}"
#+ "bytes": "{{arithmetic}}"
#- "arithmetic": "{{arithmetic}}"
#+ "arithmetic": "{{bytes}}"

# %% wrong: the slowest is taken for the one that waits
# hint: The lowest point is not the one that is furthest from its roof. At so few operations for each byte the roof itself is low.
#- "bytes": "{{bytes}}"
#+ "bytes": "{{waits}}"
#- "waits": "{{waits}}"
#+ "waits": "{{bytes}}"

# %% wrong: room above is taken for a lack of arithmetic
# hint: Two programs have room above them. Faster arithmetic lifts only the flat part of the roof: of the two, one stands under it.
#- "arithmetic": "{{arithmetic}}"
#+ "arithmetic": "{{waits}}"
#- "waits": "{{waits}}"
#+ "waits": "{{arithmetic}}"

# %% wrong: bytes for each operation
# hint: Your number for the bend is near the inverse: bytes for each operation.
#- "bend": {{bend}}
#+ "bend": 1 / {{bend}}

# %% wrong: the height in place of the position
# hint: Your number for the bend is near the height of the roof. Asked for is where it bends, on the horizontal axis: go straight down from
#   the corner.
#- "bend": {{bend}}
#+ "bend": TOP

# %% wrong: the place of the program under the flat roof
# hint: Your number for the bend is near the place of the program under the flat part. The roof bends further to the left, where the slope
#   meets the flat part.
#- "bend": {{bend}}
#+ "bend": 6 * {{bend}}

# %% wrong: the place of the program that waits
# hint: Your number for the bend is near the place of the program in the middle. The roof bends further to the right, where the slope meets
#   the flat part.
#- "bend": {{bend}}
#+ "bend": {{bend}} / 4

# %% wrong: the slope for the place
# hint: Your number for the bend is near the slope, in 10¹² bytes a second. Asked for is the place where the slope ends, on the horizontal
#   axis.
#- "bend": {{bend}}
#+ "bend": TOP / {{bend}}

# %% wrong: the logarithm of the place
# hint: Your number for the bend is near its logarithm. The axis is marked with the numbers themselves.
#- "bend": {{bend}}
#+ "bend": 0.4342944819 * __import__("math").log({{bend}})

# %% wrong: with the power of ten of the other axis
# hint: The power of ten belongs to the vertical axis. The bend is read on the horizontal one, whose numbers stand as they are.
#- "bend": {{bend}}
#+ "bend": 1e12 * {{bend}}

# %% wrong: all three in a circle
# hint: All three letters stand in a wrong place. First find the point that nearly touches the slope, then the one under the flat part; the third is far below its roof.
#- "bytes": "{{bytes}}"
#+ "bytes": "{{waits}}"
#- "arithmetic": "{{arithmetic}}"
#+ "arithmetic": "{{bytes}}"
#- "waits": "{{waits}}"
#+ "waits": "{{arithmetic}}"

# %% wrong: all three in the other circle
# hint: You sorted the points by their height, or by their place. What holds a program back shows in its distance from the roof straight above it, the slope or the flat part.
#- "bytes": "{{bytes}}"
#+ "bytes": "{{arithmetic}}"
#- "arithmetic": "{{arithmetic}}"
#+ "arithmetic": "{{waits}}"
#- "waits": "{{waits}}"
#+ "waits": "{{bytes}}"

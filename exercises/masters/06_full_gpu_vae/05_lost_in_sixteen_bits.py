# title: Lost in sixteen bits
# chapter: 06_full_gpu_vae
# goal: predict, then count, which gradients fp16 loses with and without a loss scale
# kind: predict
# minutes: 15
# points: 2
# difficulty: 2
# passage: Sixteen bits
# answer: lost
# repeats: 1
# tolerance: 6e-4

# %% statement
r"""
`gradients` holds 200,000 positive numbers; the logarithms of their sizes, to base 10, follow a normal distribution around ${{CENTRE}}$ with a
standard deviation of {{SPREAD}}. In fp16 some become 0. A loss scale of $2^{{{POWER}}}$ saves small ones, and may send large ones to infinity.

*Predict* first: does the share that is lost, as 0 or as infinity, shrink or grow with this scale? Put `"shrinks"` or `"grows"` for
`"predicted"`; a wrong prediction costs nothing. Then count: give the share lost without a scale for `"plain"`, and with it for `"scaled"`, both to three decimals.
"""

# %% draws
def draws(rng):
    return {"CENTRE": rng.choice([-6.0, -5.75, -5.5]), "SPREAD": rng.choice([2.2, 2.5]), "POWER": rng.choice([14, 15, 16])}

# %% given
import torch

gradients = 10 ** ({{CENTRE}} + {{SPREAD}} * torch.special.ndtri((torch.arange(200_000).double() + 0.5) / 200_000)).float()

# %% starter
lost = {"predicted": ..., "plain": ..., "scaled": ...}

# %% solution
plain, scaled = gradients.half(), (gradients * 2**POWER).half()
lost = {"predicted": "shrinks",
        "plain": ((plain == 0) | plain.isinf()).double().mean().item(),
        "scaled": ((scaled == 0) | scaled.isinf()).double().mean().item()}

# %% probe
def probe(answer):
    if not isinstance(answer, dict):
        raise Problem("type", "`lost` should be a dict with the entries \"predicted\", \"plain\" and \"scaled\".")
    choice(answer.get("predicted"), ("shrinks", "grows"), "the prediction")
    for name in ("plain", "scaled"):
        if answer.get(name, ...) is ...:
            raise Problem("none", f"The share {name!r} is still missing.")
    return {name: number(answer[name], f"the share {name!r}") for name in ("plain", "scaled")}

# %% laws
def laws(seen):
    yield 0 <= seen["plain"] <= 1 and 0 <= seen["scaled"] <= 1, "a share lies between 0 and 1", \
        "A share is the number of lost gradients over the number of all, 200,000."
    given = 10 ** ({{CENTRE}} + {{SPREAD}} * torch.special.ndtri((torch.arange(200_000).double() + 0.5) / 200_000)).float()
    for name, scale in (("plain", 1), ("scaled", 2**POWER)):
        there = (given * scale).half()
        right = ((there == 0) | there.isinf()).double().mean().item()
        if 0.03 < abs(seen[name] - right) and 0 <= seen[name] <= 1:
            yield False, f"the share {name!r} is counted", f"For {name!r}: " + ("multiply by the scale first, then " if scale > 1 else "") + \
                "convert with `half()`, and count what is 0 or infinite then, over all 200,000."
        elif 0.0008 < abs(seen[name] - right):
            yield False, f"the share {name!r} is given to three decimals", f"The share {name!r} is near, and not it. Give three decimals; count what becomes 0 and " \
                "what becomes infinite, after `half()`. A formula must know that half of the smallest number is still rounded up and kept."

# %% right: from the ends of fp16, without a conversion
smallest, largest = 2.0**-25, 65520.0  # half of the least number above 0 still rounds to 0; from 65,520 on it is infinity
share = lambda g: ((g <= smallest) | (g >= largest)).double().mean()
lost = {"predicted": "grows", "plain": share(gradients), "scaled": share(gradients.double() * 2**POWER)}

# %% right: by what comes back
back = [(gradients * s).to(torch.float16).double() / s for s in (1, 2**POWER)]
kept = [((b > 0) & (b < float("inf"))).sum().item() / len(gradients) for b in back]
lost = dict(zip(["plain", "scaled"], [1 - k for k in kept]), predicted="Shrinks")

# %% wrong: infinity is not counted
# hint: With the scale you count zeros only. What has become infinite is lost too.
#- ((scaled == 0) | scaled.isinf())
#+ (scaled == 0)

# %% wrong: all below the smallest normal number
# hint: You take all below 6e-5 as lost. fp16 keeps smaller ones too, with fewer digits, down to 6e-8: convert, and look which are 0.
#- ((plain == 0) | plain.isinf())
#+ (gradients < torch.finfo(torch.float16).smallest_normal)

# %% wrong: bf16
# hint: You converted to bf16, which has the range of float32 and loses none of these. `half()` is fp16.
#- gradients.half(), (gradients * 2**POWER).half()
#+ gradients.bfloat16(), (gradients * 2**POWER).bfloat16()

# %% wrong: divided by the scale
# hint: You divided by the scale, which makes small gradients smaller. The loss is multiplied by it, and so is each gradient.
#- (gradients * 2**POWER).half()
#+ (gradients / 2**POWER).half()

# %% wrong: scaled after the conversion
# hint: You scaled after the conversion to fp16. What is 0 by then stays 0: multiply while the numbers still have 32 bits.
#- (gradients * 2**POWER).half()
#+ (gradients.half() * 2**POWER)

# %% wrong: what is kept
# hint: These are the shares that are kept. Asked for are those that are lost.
#- ((plain == 0) | plain.isinf()).double().mean().item()
#+ 1 - ((plain == 0) | plain.isinf()).double().mean().item()
#- ((scaled == 0) | scaled.isinf()).double().mean().item()
#+ 1 - ((scaled == 0) | scaled.isinf()).double().mean().item()

# %% wrong: infinities alone
# hint: Your shares are those of the infinities alone: none that becomes 0 is counted. Those are lost too, below about 3e-8. (In a formula: mind the base of the logarithm.)
#- ((plain == 0) | plain.isinf())
#+ plain.isinf()
#- ((scaled == 0) | scaled.isinf())
#+ scaled.isinf()

# %% wrong: with the scale infinities alone
# hint: With the scale you count infinities only. What still becomes 0 is lost too.
#- ((scaled == 0) | scaled.isinf())
#+ scaled.isinf()

# %% wrong: below the smallest normal number, both times
# hint: In both shares you take all below 6e-5 as lost. fp16 keeps smaller ones too, with fewer digits, down to 6e-8: convert, and look which are 0.
#- ((plain == 0) | plain.isinf())
#+ (gradients < torch.finfo(torch.float16).smallest_normal)
#- ((scaled == 0) | scaled.isinf())
#+ ((gradients * 2**POWER < torch.finfo(torch.float16).smallest_normal) | scaled.isinf())

# %% wrong: with the scale below the smallest normal number
# hint: With the scale you take all below 6e-5 as lost. fp16 keeps smaller ones too, with fewer digits, down to 6e-8: convert, and look which are 0.
#- ((scaled == 0) | scaled.isinf())
#+ ((gradients * 2**POWER < torch.finfo(torch.float16).smallest_normal) | scaled.isinf())

# %% wrong: below the smallest number
# hint: You take all below the smallest number, 6e-8, as lost. What lies above half of it is rounded up and kept: convert, and look which are 0.
#- ((plain == 0) | plain.isinf())
#+ ((gradients < 2.0**-24) | plain.isinf())
#- ((scaled == 0) | scaled.isinf())
#+ ((gradients * 2**POWER < 2.0**-24) | scaled.isinf())

# %% wrong: exchanged
# hint: The two shares stand in each other's place.
#- "plain": ((plain == 0) | plain.isinf()).double().mean().item(),
#+ "plain": ((scaled == 0) | scaled.isinf()).double().mean().item(),
#- "scaled": ((scaled == 0) | scaled.isinf()).double().mean().item()}
#+ "scaled": ((plain == 0) | plain.isinf()).double().mean().item()}

# %% wrong: the power for the scale
# hint: You multiplied by `POWER`. The scale is 2 to that power.
#- (gradients * 2**POWER).half()
#+ (gradients * POWER).half()

# %% wrong: scaled back in sixteen bits
# hint: You divided by the scale again while the numbers had 16 bits, so the small ones became 0 after all. Count what is lost by the conversion; scale back in 32 bits.
#- (gradients * 2**POWER).half()
#+ (gradients * 2**POWER).half() / 2**POWER

# %% wrong: what the scale saves
# hint: For "scaled" you gave the share that the scale saves. Asked for is the share that is still lost.
#- "scaled": ((scaled == 0) | scaled.isinf()).double().mean().item()}
#+ "scaled": (((plain == 0) | plain.isinf()).double().mean() - ((scaled == 0) | scaled.isinf()).double().mean()).item()}

# %% wrong: one share over the other
# hint: For "scaled" you divided by the share without a scale. Asked for is the share of all 200,000 numbers.
#- "scaled": ((scaled == 0) | scaled.isinf()).double().mean().item()}
#+ "scaled": (((scaled == 0) | scaled.isinf()).double().mean() / ((plain == 0) | plain.isinf()).double().mean()).item()}

# %% wrong: numbers and no shares
# hint: You counted numbers. The share is that over all 200,000.
#- ((plain == 0) | plain.isinf()).double().mean().item()
#+ ((plain == 0) | plain.isinf()).double().sum().item()
#- ((scaled == 0) | scaled.isinf()).double().mean().item()
#+ ((scaled == 0) | scaled.isinf()).double().sum().item()

# %% wrong: per cent
# hint: These are per cent. Give shares between 0 and 1.
#- ((plain == 0) | plain.isinf()).double().mean().item()
#+ 100 * ((plain == 0) | plain.isinf()).double().mean().item()
#- ((scaled == 0) | scaled.isinf()).double().mean().item()
#+ 100 * ((scaled == 0) | scaled.isinf()).double().mean().item()

# %% wrong: the scale saves all
# hint: You take it that the scale saves all. Some numbers are still too small, and some are now too large: count them.
#- "scaled": ((scaled == 0) | scaled.isinf()).double().mean().item()}
#+ "scaled": 0.0}

# %% wrong: what the scale saves, for plain
# hint: For "plain" you gave the share that the scale saves. Asked for is all that is lost without a scale.
#- "plain": ((plain == 0) | plain.isinf()).double().mean().item(),
#+ "plain": (((plain == 0) | plain.isinf()).double().mean() - ((scaled == 0) | scaled.isinf()).double().mean()).item(),

# %% wrong: the same with and without
# hint: In yours the scale changes nothing. Multiply while the numbers still have 32 bits, then convert and count.
#- "scaled": ((scaled == 0) | scaled.isinf()).double().mean().item()}
#+ "scaled": ((plain == 0) | plain.isinf()).double().mean().item()}

# %% wrong: a power of ten
# hint: You took 10 to the power for the scale. It is 2 to the power.
#- (gradients * 2**POWER).half()
#+ (gradients * 10.0**POWER).half()

# %% wrong: the step at one
# hint: You take all below 2⁻¹⁰ as lost, the step of fp16 beside 1. Steps are relative: small numbers have small ones, down to 6e-8.
#- ((plain == 0) | plain.isinf())
#+ (gradients < 2.0**-10)
#- ((scaled == 0) | scaled.isinf())
#+ (gradients * 2.0**POWER < 2.0**-10)

# %% wrong: below 1e-8
# hint: You take all below 1e-8 as lost. fp16 ends at 6e-8, and from half of that on a number is rounded up: convert, and look which are 0.
#- ((plain == 0) | plain.isinf())
#+ (gradients < 1e-8)
#- ((scaled == 0) | scaled.isinf())
#+ (gradients * 2.0**POWER < 1e-8)

# %% wrong: weighed by size
# hint: You weigh each number by its size: these are shares of their sum. Count numbers, large and small alike.
#- ((plain == 0) | plain.isinf()).double().mean().item()
#+ (((plain == 0) | plain.isinf()) * gradients.double()).sum().item() / gradients.double().sum().item()
#- ((scaled == 0) | scaled.isinf()).double().mean().item()
#+ (((scaled == 0) | scaled.isinf()) * gradients.double()).sum().item() / gradients.double().sum().item()

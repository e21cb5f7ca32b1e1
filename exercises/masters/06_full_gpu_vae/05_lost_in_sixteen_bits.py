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
    return {"CENTRE": rng.choice([-7.25, -7.0, -6.75]), "SPREAD": rng.choice([2.8, 3.0]), "POWER": rng.choice([14, 15, 16])}

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

# %% why
r"""
The least number above 0 in fp16 is $2^{-24}$. What is at most half of it, $3 \cdot 10^{-8}$, is rounded to 0, and from 65,520 on all is infinity.
These ends are 12.3 powers of ten apart. Without a scale the lower one, at $-7.53$, lies in the middle of the gradients, and more than a third of
them is lost; beyond the upper one lie at most a dozen of the 200,000. The scale moves the gradients up by ${{POWER}} \log_{10} 2$ powers of ten.
Many fewer are too small then, and a few are too large: the share shrinks, to a sixth or less.

No scale saves all of them: they reach over more powers of ten than fp16 does. An infinite one spoils the whole step and can be noticed, one that
became 0 cannot. So a training loop raises the scale until something overflows, leaves that step out and halves the scale. bf16 has the range of
float32 and needs none, at the price of digits.
"""

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
        if 0.004 < abs(seen[name] - right) and 0 <= seen[name] <= 1:
            hint = f"For {name!r}: " + ("multiply by the scale first, then " if scale > 1 else "") + \
                "convert with `half()`, and count what is 0 or infinite then, over all 200,000."
            if scale == 1 and 0.001 < seen[name] < 0.999:  # as a threshold
                end = 10 ** ({{CENTRE}} + {{SPREAD}} * torch.special.ndtri(torch.tensor(seen[name]).double()).item())
                hint = f"As many numbers as your share 'plain' says lie below {end:.1e}. fp16 " + \
                    ("keeps some of those" if seen[name] > right else "loses larger ones too") + ". Convert with `half()`, and count " \
                        "what is 0 or infinite then."
            yield False, f"the share {name!r} is counted", hint
        elif 0.0008 < abs(seen[name] - right):
            yield False, f"the share {name!r} is given to three decimals", f"The share {name!r} is near. Give three decimals, rounded; if it " \
                "comes from a formula, mind what is rounded up to the smallest number and kept: convert with `half()` and count."

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
# hint: With the scale the small ones are lost all the same. Either you converted to fp16 first and scaled then, or you divided by the scale again while the numbers had 16 bits.
#   Scale in 32 bits, convert, and count there.
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

# %% wrong: without a scale what the scale saves
# hint: For "plain" you gave the share that the scale saves. Asked for is the share that is lost without it.
#- "plain": ((plain == 0) | plain.isinf()).double().mean().item(),
#+ "plain": (((plain == 0) | plain.isinf()).double().mean() - ((scaled == 0) | scaled.isinf()).double().mean()).item(),

# %% wrong: nothing is lost with the scale
# hint: With the scale you say that nothing is lost. Some of these numbers stay too small for fp16 and some become too large: convert after
#   the multiplication, and count both.
#- (gradients * 2**POWER).half()
#+ (gradients * 2**POWER)

# %% wrong: the scale saves nothing
# hint: Your two shares are equal, as if the scale saved nothing. It does where it comes before the conversion to fp16.
#- (gradients * 2**POWER).half()
#+ (gradients.half().double() * 2**POWER)

# %% wrong: half of the scale
# hint: Your share is that of half of the scale. It is 2 to the power of `POWER`.
#- (gradients * 2**POWER).half()
#+ (gradients * 2**(POWER - 1)).half()

# %% wrong: twice the scale
# hint: Your share is that of twice the scale. It is 2 to the power of `POWER`.
#- (gradients * 2**POWER).half()
#+ (gradients * 2**(POWER + 1)).half()

# %% wrong: a power of ten for the scale
# hint: Your scale is 10 to the power of `POWER`, or nearly as large, so nearly all becomes infinite. It is 2 to that power.
#- (gradients * 2**POWER).half()
#+ (gradients.double() * 10.0**POWER).half()

# %% wrong: below the spacing at one
# hint: You take all below 1e-3 as lost, the spacing of fp16 around 1. Around small numbers it is finer: convert, and look which are 0.
#- ((plain == 0) | plain.isinf())
#+ ((gradients < 2.0**-10) | plain.isinf())
#- ((scaled == 0) | scaled.isinf())
#+ (gradients * 2**POWER < 2.0**-10)

# %% wrong: the share of the sum
# hint: You added up the sizes of what is lost. Count: each of the 200,000 numbers counts alike.
#- ((plain == 0) | plain.isinf()).double().mean().item()
#+ (((plain == 0) | plain.isinf()) * gradients.double()).sum().item() / gradients.double().sum().item()
#- ((scaled == 0) | scaled.isinf()).double().mean().item()
#+ (((scaled == 0) | scaled.isinf()) * gradients.double()).sum().item() / gradients.double().sum().item()

# %% wrong: the infinities among the lost
# hint: For "scaled" you gave the part of the lost ones that is infinite. Asked for is the share of all 200,000 that is lost, as 0 or as
#   infinity.
#- ((scaled == 0) | scaled.isinf()).double().mean().item()
#+ (scaled.isinf().double().sum() / ((scaled == 0) | scaled.isinf()).double().sum()).item()

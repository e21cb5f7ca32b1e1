# title: Many times as fast
# chapter: 06_full_gpu_vae
# goal: read a claim about speed as a careful reviewer does
# kind: open
# minutes: 20
# points: 4
# difficulty: 2
# words: 100
# passage: Mistakes, made on purpose
# answer: review

# %% statement
r"""
A report says:

> Our loop trains {{times}} times as fast as the old one: {{fast}} images a second. We took the time before and after 10 steps on a GPU. The old
> loop was measured first, with batches of 128; ours uses batches of {{size}}, bf16 and the same learning rate. Both made the same number of
> epochs, so the models are equally good.

Write a review of 100 to 250 words as the text `review`. A person marks it. The marks are given for:

1. *The clock* (1 point): what is measured without waiting for the device, and which way it moves the number.
2. *The first step* (1 point): what else is inside 10 steps, and which loop it favours.
3. *What was changed* (1 point): several changes at once, so that none of them is measured.
4. *Is the model as good?* (1 point): what batch size and precision cost in nats, and which measurement would decide.
"""

# %% draws
def draws(rng):
    times = rng.choice([8, 12, 20])
    return {"times": times, "fast": f"{times * 110_000:,}", "size": f"{rng.choice([1024, 2048, 4096]):,}"}

# %% starter
review = """
"""

# %% rubric
r"""
A full answer says, in its own words:

- A GPU works through a queue. Without a wait before each reading of the clock, the time is that of Python's requests: speeds come out too
  high, and higher for the loop that never asks for a number.
- The first steps of a program allocate memory and choose kernels. They stand inside 10 steps of the loop that ran first, so the old one looks
  slower than it is. Warm up both, take many steps, and repeat in turns.
- Batch size, precision and loop changed together. Change one at a time.
- Batches of {{size}} take fewer steps in an epoch; with the same learning rate the model ends behind, by an amount that must be measured, as must
  that of bf16. Compare validation −ELBO, in float32, after equal seconds, with its error over seeds.

Typical weak answers: "that cannot be true" without a reason (0 points); faults without a direction (at most 2).
"""

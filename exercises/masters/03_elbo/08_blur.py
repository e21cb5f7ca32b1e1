# title: Why are they blurred?
# chapter: 03_elbo
# goal: explain blur from the likelihood and not from habit
# kind: open
# minutes: 15
# points: 3
# difficulty: 2
# words: 80
# passage: Why averages blur
# answer: explanation

# %% statement
r"""
Someone says: "VAEs are blurred because {{cause}}. A GAN has no such problem, so a likelihood is a bad idea."

Answer in 80 to 200 words, as the text `explanation`. A person marks this task. The marks are given for:

1. *What is shown* (1 point): a mean over all images that z could stand for, and how that gives grey.
2. *The claimed cause* (1 point): is it one, is it part of one, or does it stand for something else?
3. *What would change it* (1 point): two changes of the model that would make samples sharper, and the price of one.
"""

# %% draws
def draws(rng):
    return {"cause": rng.choice(["of the KL term", "the latent space is too small", "they use a Gaussian prior", "the ELBO is only a bound"])}

# %% starter
explanation = """
"""

# %% rubric
r"""
A full answer says, in its own words:

- The decoder's mean is an average over all images that fit this z. Where a stroke could be here or there, the average is grey in both places; shown in place
  of a draw, it looks blurred.
- "{{cause}}": the KL term and the size of the code limit what z tells, and so widen what is averaged; the prior and the gap of the bound have no direct part in it. A
  pixel-wise independent likelihood can't say "here or there, but not both"; that is the root.
- Sharper: more rate (smaller weight of the KL, more dimensions), a likelihood whose pixels depend on each other, a hierarchy of latents, or drawing and not
  averaging. Prices: draws from the prior get worse, training or sampling gets slower.

Typical weak answers: "because of the mean squared error" without why (half a point for 1).
"""

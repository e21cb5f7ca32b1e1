# title: Two sheets and a claim
# chapter: 04_sampling
# goal: say what a sheet of images shows, and what it does not prove
# kind: open
# minutes: 15
# points: 3
# difficulty: 2
# words: 80
# passage: Temperature
# answer: comment

# %% statement
r"""
A paper shows {{n}} images "sampled from our VAE". They are smooth and grey, and the likelihood is Bernoulli. A footnote says: "temperature {{t}}, best of
{{b}} seeds". Beside them stand images of another model, drawn at temperature 1 with drawn pixels. "Ours are visibly better."

Answer in 80 to 200 words, as the text `comment`. A person marks this task. The marks are given for:

1. *Which randomness is missing* (1 point), and how one sees it in the images.
2. *What temperature and the choice of seeds do* (1 point) to what the sheet says about $p(x)$.
3. *A fair comparison* (1 point): what both models must do alike, and which number should stand beside the pictures.
"""

# %% draws
def draws(rng):
    return {"n": rng.choice([16, 36, 64]), "t": rng.choice([0.5, 0.6, 0.7]), "b": rng.choice([5, 10, 20])}

# %% starter
comment = """
"""

# %% rubric
r"""
A full answer says, in its own words:

- A Bernoulli likelihood draws pixels 0 or 1. Grey pixels are means, E[x|z]: the second randomness is left out, and the images look smoother than
  what the model says.
- At temperature {{t}} the latents come from a narrower distribution than the prior: fewer kinds of images, nearer to the middle. The best of {{b}} seeds is
  a choice by eye. Neither is a draw from p(x).
- Both models at temperature 1, pixels of both drawn or means of both, images not chosen, the same number; beside them a likelihood (which bound, K, how many
  images) or a measure of samples with its floor.

Typical weak answers: "the images are cherry-picked" alone (half a point for 2); "FID is better" without what to draw (half a point for 3).
"""

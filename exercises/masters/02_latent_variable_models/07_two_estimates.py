# title: Two estimates of one image
# chapter: 02_latent_variable_models
# goal: judge an estimate by how it was made and not by how good it looks
# kind: open
# minutes: 15
# points: 3
# difficulty: 2
# words: 80
# passage: The logarithm of an average is too low
# answer: judgement

# %% statement
r"""
For one image and one model, two programs estimate $\log p(x)$. The first draws {{k}} latents from the prior and says {{low}} nats. The second draws 100 from a proposal
that reads the image, and says {{high}} nats, with an effective sample size of {{ess}}. "They can't both be right," says somebody, "and the first has
more draws, so I trust the first."

Answer in 80 to 200 words, as the text `judgement`. A person marks this task. The marks are given for:

1. *Which way both err* (1 point), on average, and why.
2. *Which one to trust more* (1 point), and what the number of draws has to do with it.
3. *What else to measure* (1 point) before you believe the second.
"""

# %% draws
def draws(rng):
    return {"k": rng.choice([5000, 10000, 100000]), "low": rng.choice([-131.2, -127.5, -118.9]), "high": rng.choice([-88.4, -91.3]),
            "ess": rng.choice([6, 14, 31])}

# %% starter
judgement = """
"""

# %% rubric
r"""
A full answer says, in its own words:

- Both average weights without bias and take the logarithm afterwards. The logarithm bends downwards, so both are too low on average; the higher is nearer to the truth.
- Nearly no draw from the prior decodes to this image; {{k}} draws miss the few places that matter. What counts is how many draws have a fair weight: {{ess}} of 100 in the
  second, perhaps one in the first.
- The effective sample size of the first; repeats with other seeds, and their spread; more draws from the same proposal; an image or a model for which the exact answer is
  known. A proposal that misses a region entirely shows a healthy effective sample size and is too low all the same.

Typical weak answers: "more draws are better" (0 points); "the second, because it is higher" without why that is a reason (half a point for 2).
"""

# title: A colleague's generator
# chapter: 01_autoencoder
# goal: say in your own words why reconstruction is no generation
# kind: open
# minutes: 15
# points: 3
# difficulty: 2
# words: 80
# passage: What you can do now
# answer: reply

# %% statement
r"""
A colleague writes: "My autoencoder with {{d}} numbers reconstructs test images almost perfectly. So its decoder knows what images look like,
and when I decode random codes from $\mathcal{N}(0, I)$ I get new images. {{idea}} will make them good. And the mean distance of the draws
to the nearest training image is already {{side}} that of real test images, which proves it."

Answer in 80 to 200 words, as the text `reply`. A person marks this task. The marks are given for:

1. *What training checks* (1 point): the decoder is only tested where codes of images lie, and nothing says where that is.
2. *The proposal* (1 point): whether it helps, and why.
3. *The proof* (1 point): what the distance to the nearest training image measures, and what it misses.
"""

# %% draws
def draws(rng):
    return {"d": rng.choice([16, 32, 64]), "idea": rng.choice(["Training it ten times longer", "A wider hidden layer", "More training images"]),
            "side": rng.choice(["close to", "a little below"])}

# %% starter
reply = """
"""

# %% rubric
r"""
A full answer says, in its own words:

- The loss looks at g(f(x)) for images x. It is the same for the encoder TA with the decoder BT⁻¹, so nothing fixes where codes lie, how far
  apart, or what stands between them. A draw from $\mathcal{N}(0, I)$ is decoded where no training image was ever checked.
- "{{idea}}" lowers the reconstruction error. It does not say where codes should lie. A distribution over codes, agreed between encoder and
  decoder, is what is missing. (Fitting a Gaussian to the codes finds place and scale, and still falls into holes.)
- A distance over pixels rewards blur: the mean image and reconstructions have small distances too. It finds copies; it doesn't find bad images.
  A judge that knows digits saw the difference in the chapter, and has blind spots of its own.

Typical weak answers: "it overfits" (0 points for 1 and 2); "use a VAE" without a reason (at most half a point for 2).
"""

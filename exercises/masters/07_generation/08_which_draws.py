# title: A record on paper
# chapter: 07_generation
# goal: read a claim about drawn images as a careful reviewer does
# kind: open
# minutes: 20
# points: 4
# difficulty: 2
# words: 100
# passage: Break it
# answer: review

# %% statement
r"""
A report says:

> Our VAE reaches a FID of {{fid}} on Fashion-MNIST; a published one has {{published}}. We compared {{n}} draws at temperature {{tau}} with the
> training images. The draws are the decoder's pixel means, as usual, and the features come from our own network, which fits such images better than
> the usual one. The nearest training image of a draw differs in {{pixels}} pixels on average, so nothing was copied. The higher FID of the model
> without our prior, {{without}} from {{few}} draws, shows what the prior brings.

Write a review of 100 to 250 words as the text `review`. Say which conclusions the numbers allow, and name for each fault which way it moves a
number, where that can be known.

A person marks this task. The marks are given for:

1. *Another judge* (1 point): what the two FIDs, {{fid}} and {{published}}, have to do with each other, and what is missing beside the first.
2. *What was drawn* (1 point): means and the temperature. Are these draws of the model? What may each do to FID, precision and recall?
3. *How many* (1 point): {{n}} against {{few}} draws, and which part of the difference this explains.
4. *Copies* (½ point): the training images as the reference, and what {{pixels}} pixels say without a comparison.
5. *What would decide it* (½ point): a measurement that tells whether the new prior helps.
"""

# %% draws
def draws(rng):
    fid = rng.choice([3.1, 4.4, 6.2])
    return {"fid": fid, "published": rng.choice([24.0, 29.3, 43.6]), "n": rng.choice(["10,000", "20,000", "50,000"]), "tau": rng.choice([0.7, 0.8]),
            "pixels": rng.choice([45, 60, 75]), "without": round(fid + rng.choice([1.3, 1.9, 2.4]), 1), "few": rng.choice(["500", "1,000", "2,000"])}

# %% starter
review = """
"""

# %% rubric
r"""
A full answer says, in its own words:

- A FID belongs to a network, its weights, the scale of the pixels and the number of images. {{fid}} and {{published}} come from two judges and stand on two
  scales: neither is better. Missing: the floor (real against real, same judge, same numbers), and a second judge.
- Means are no draws from $p(x)$: a pixel is never drawn. A temperature of {{tau}} draws from another prior than the model's. Both may be shown if one says so,
  and their scores are not the model's. In the chapter, a lower temperature cost much recall and
  gained little precision; what means do depended on the judge, so the direction cannot be known from the report. An answer that says "unknown, and why"
  gets the point.
- FID is biased upwards, by an amount that falls in proportion to one over the number of images. The model with {{few}} draws carries a larger bias than the one
  with {{n}}: part of the difference, possibly all of it, is the number of draws. It favours the new prior.
- Training images as the reference favour a model that copies. {{pixels}} pixels mean nothing alone: test images too have a nearest training image. Compare the
  distances of draws with those of test images, and run the test on a copier to see whether it can fail.
- Decision: the same decoder with both priors, temperature 1, pixels drawn, equal numbers of draws, test images as the reference, two judges, the floor, precision
  and recall beside FID, several seeds.

Typical weak answers: "FID is a bad measure" without a reason (0 points); a list of faults without a direction for any (at most 2½); "means are sharper, so
they lower the FID" as a certainty (half of the point for 2).
"""

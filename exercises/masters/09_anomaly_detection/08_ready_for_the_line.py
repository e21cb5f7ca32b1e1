# title: Ready for the line?
# chapter: 09_anomaly_detection
# goal: read a report on a detector as the person who must answer for it
# kind: open
# minutes: 20
# points: 4
# difficulty: 2
# words: 100
# passage: A checklist
# answer: assessment

# %% statement
r"""
A report on a detector of faulty {{things}} says:

> Our VAE has a Bernoulli likelihood on grey pixels. We trained it on {{n}} good pieces and scored the test set, good and
> faulty ones, by six scores; {{best}} was the best, with an AUROC of {{auroc}}. For {{kind}} the AUROC was {{bad}}, so there we use the negative score.
> The threshold lies at the 95th percentile of the scores of the {{n}} pieces, so that 5 % of good pieces raise an alarm. No other method was tried. It is
> ready for the line.

Write an assessment of 100 to 250 words as the text `assessment`. A person marks it. The marks are given for:

1. *The choice of the score* (1 point): what was chosen on which images, which way it moves the AUROC, and what to do instead.
2. *The AUROC below one half* (1 point): why turning the score over is no answer, and how to find the cause.
3. *The threshold* (1 point): which way the rate of false alarms is off, why, and what sets it rightly.
4. *What is missing* (1 point): a baseline, and one measurement or rule for the time after the start.
"""

# %% draws
def draws(rng):
    return {"things": rng.choice(["screws", "bottle caps", "tiles", "zips"]), "n": rng.choice([200, 400, 600]),
            "best": rng.choice(["the rate", "likelihood regret", "typicality"]), "auroc": rng.choice([0.94, 0.96, 0.97]),
            "kind": rng.choice(["blurred prints", "pieces that are too dark"]), "bad": rng.choice([0.21, 0.28, 0.33])}

# %% starter
assessment = """
"""

# %% rubric
r"""
A full answer says, in its own words:

- The best of six scores was chosen on the test images, so {{auroc}} is too high for {{best}}, by an amount that these images cannot tell. Name one score and all
  settings beforehand, or choose them on validation images with faults that are not in the test set; report that one.
- {{bad}} on "{{kind}}" means that the model finds these faults *more* probable than good pieces. Dark or smooth images are cheap under a Bernoulli
  likelihood, and cross-entropy on grey pixels has the floor of each image in it. Turned over, the score would call good what other faults make improbable, and the
  turn was chosen on the test images as well. Look at the parts: floor and excess, a Gaussian likelihood, the map of a few images; rule out a mere mistake of sign.
- The model has seen the {{n}} pieces that set the threshold and finds them more normal than new ones: there will be more than 5 % of false alarms. Set it on unseen good
  pieces, at place ⌊ρ(N + 1)⌋ from the top, and check the rate on others.
- No baseline: PCA, mean brightness or the size as PNG may do as well. After the start: count the alarms, watch for drift of light or place, set the threshold anew from
  recent pieces that a person has checked. Also worth a point here: an interval for the AUROC, AUROC for each kind of fault, whether the {{n}} pieces were all good.

Typical weak answers: "more data is needed" (0 points); faults without the direction in which they move a number (at most 2).
"""

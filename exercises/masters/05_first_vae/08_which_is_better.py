# title: Which of the two is better?
# chapter: 05_first_vae
# goal: read a table of results as a careful reviewer does
# kind: open
# minutes: 20
# points: 4
# difficulty: 2
# words: 100
# passage: From the bound to the likelihood
# answer: review

# %% statement
r"""
A report compares two VAEs on MNIST:

> Model {{a}} reaches a loss of {{loss}} on the test images, with binary cross-entropy on the grey pixels. Model {{b}} has a
> negative log-likelihood of {{nll}} nats, from {{k}} importance weights, on the first {{n}} binarised test images. Model {{a}} is
> therefore the better model by {{gap}} nats. The number of epochs of both was chosen where the test loss was lowest.

Write a review of 100 to 250 words as the text `review`. Say which conclusions the numbers allow, what is compared that can't be
compared, and which measurement would decide the question. Name for each fault which way it moves the number, where that is known.

A person marks this task. The marks are given for:

1. *Grey pixels and binary pixels* (1 point): the cross-entropy on grey values is no log-probability, and its floor is another one.
2. *A bound and an estimate* (1 point): a −ELBO and an importance-weighted estimate are not the same quantity; which is larger.
3. *The choice of images* (1 point): the first images are a small sample and not a random one; no standard error is given.
4. *The choice of epochs* (½ point): the test set took part in the training's choices.
5. *What would decide it* (½ point): one binarisation, one bound with one K, all test images, epochs chosen on validation images.
"""

# %% draws
def draws(rng):
    nll = rng.choice([86.9, 87.4, 88.2])
    gap = rng.choice([6.2, 9.1, 12.4])
    first, second = rng.sample(["A", "B"], 2)
    return {"a": first, "b": second, "nll": nll, "loss": round(nll - gap, 1), "gap": gap, "k": rng.choice([500, 1000, 5000]),
            "n": rng.choice([100, 500, 1000])}

# %% starter
review = """
"""

# %% rubric
r"""
A full answer says, in its own words:

- Binary cross-entropy on grey values is not $-\log p(x)$ of anything that was measured. Grey images have another floor than drawn
  ones, so the two numbers do not stand on one scale, and their difference means nothing, whichever sign it has.
- A loss of a VAE is a −ELBO: an upper bound on $-\log p(x)$. The estimate from {{k}} weights is an upper bound too, and a tighter one.
  On the same images and pixels this would make model {{a}} look worse than it is, not better.
- {{n}} images at the beginning of the file: their mean has a standard error of its own, and it is not given. The chapter measured that
  the beginning of the file is easier for its network than the whole.
- Choosing epochs on the test images makes both numbers too good, by an unknown amount; the better-tuned one gains more.
- Decision: both models on the same static binarisation of all 10,000 test images, the same bound with the same K, with standard errors
  of the *difference* per image; epochs chosen on validation images; more than one seed.

Typical weak answers, and what they get: "A is better because its loss is lower" (0 points); "one cannot compare because the losses
differ" without saying how (at most 1); a list of all faults without the direction of any (at most 3).
"""

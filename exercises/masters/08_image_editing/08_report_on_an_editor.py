# title: A report on an editor
# chapter: 08_image_editing
# goal: judge an edit's score as a careful reviewer does
# kind: open
# minutes: 20
# points: 4
# difficulty: 2
# words: 100
# passage: What moved, what stayed, how real
# answer: review

# %% statement
r"""
A report describes an editor for portraits:

> We add {{what}} through the code of a VAE. The direction is the weight vector of a logistic classifier on the codes, and the same classifier
> reads {{hits}} % of the edited codes as successful. All else stays as it is: outside of a mask, which covers {{mask}} % of the image, the pixels of the
> original are put back, and the mean squared error of the whole image is only {{mse}}. The strength {{strength}} worked best on the {{n}} test images.
> The figure shows {{shown}} of them, chosen for clarity.

Write a review of 100 to 250 words as the text `review`. Say which conclusions the numbers allow, which of them could not have come out otherwise,
and which measurements would decide whether the editor works.

A person marks this task. The marks are given for:

1. *Who measures* (1 point): what the score of {{hits}} % can and cannot show, and why.
2. *What stayed* (1 point): what the squared error measures here, and what it leaves out.
3. *Compared with what* (1 point): which controls are missing, at least two, and what each would tell.
4. *Chosen how* (½ point): the strength and the figure.
5. *What would decide it* (½ point): a plan that could fail.
"""

# %% draws
def draws(rng):
    return {"what": rng.choice(["glasses", "a smile", "a beard"]), "hits": rng.choice([95, 97, 99]), "mse": rng.choice(["0.0004", "0.0007", "0.0011"]),
            "mask": rng.choice([6, 9, 12]), "strength": rng.choice([1.8, 2.4, 3.2]), "n": rng.choice([200, 300, 500]),
            "shown": rng.choice([8, 12, 16])}

# %% starter
review = """
"""

# %% rubric
r"""
A full answer says, in its own words:

- The classifier that gave the direction also scores it, and on the code. A push along its own weight vector raises its score whatever the decoder
  draws; a large enough strength reaches 100 % with an untrained decoder. The {{hits}} % are arithmetic. The score must come from the decoded image, by
  a rule or a network that had no part in finding the direction.
- Outside of the mask the original pixels are put back, so the error there is 0 for every method. The error of the whole image is that of {{mask}} % of the
  pixels, divided by all of them; it measures the size of the mask as much as the edit. It does not see the seam, and it says nothing about whether
  the person is still the same. Inside the mask a difference is even wanted.
- Controls that are missing: a random direction of the same length (what any push does); the unmoved code, decoded (what decoding alone changes); an
  edit in the space of pixels at a strength with the same movement of the target; other attributes that should not move; a distance to real images.
- The strength was chosen on the test images, which makes every score there too good; it belongs to validation images. {{shown}} chosen pictures show
  the best cases: show draws that nobody chose, and failures.
- Decision: direction from training images, strength from validation images; on test images the target by an independent measure, the identity by a
  network for faces, the distance to real images for the region and its seam, each with a standard error, against the controls, at equal movement of the
  target. It should be said beforehand which outcome would count as a failure.

Typical weak answers, and what they get: "the classifier may be wrong" without saying that it is the one that gave the direction (at most ½ for item 1);
"more images are needed" alone (0 points); a list of faults with no measurement that could fail (at most 3).
"""

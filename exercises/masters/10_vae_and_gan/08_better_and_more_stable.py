# title: Better, and more stable
# chapter: 10_vae_and_gan
# goal: read a comparison of two models as the person who must repeat it
# kind: open
# minutes: 20
# points: 4
# difficulty: 2
# words: 100
# passage: Mistakes, made on purpose
# answer: comment

# %% statement
r"""
A report compares a GAN and a VAE on {{images}}:

> We tried {{many}} settings of the GAN, and the one setting of the VAE that its paper names, each from one seed. {{bad}} of the GAN's runs collapsed; they failed and are
> not in the table. Of each run we kept the moment with the lowest FID. The best GAN has a FID of {{gan}}, the VAE one of {{vae}}. The VAE's images are draws from
> $p(x \mid z)$, with its Gaussian noise. The GAN's discriminator ends at a loss of 1.39 nats, so its images cannot be told from real ones, and a classifier finds all {{kinds}}
> classes among 10,000 of them, so nothing is missing. GANs are better and more stable.

Write a comment of 100 to 250 words as the text `comment`. Say for each fault which way it moves a number, where that can be known. A person marks it. The marks are given for:

1. *The runs* (1 point): how many were tried, which are left out, which moment was kept; what the words "more stable" would need.
2. *The loss* (1 point): what a discriminator's loss of 1.39 nats says, and what it does not.
3. *Nothing is missing* (1 point): what the count of classes can overlook, and a measure that sees it.
4. *The noise* (½ point): what is judged when the VAE's images carry it.
5. *What would decide it* (½ point): a comparison with rules that favour neither.
"""

# %% draws
def draws(rng):
    images, kinds = rng.choice([("small photographs of flowers", 17), ("drawings of animals", 12), ("handwritten letters", 26)])
    many = rng.choice([30, 40, 60])
    gan = rng.choice([11.8, 14.2, 16.5])
    return {"images": images, "kinds": kinds, "many": many, "bad": many // rng.choice([3, 4, 5]), "gan": gan,
            "vae": round(gan + rng.choice([9.6, 13.1, 17.4]), 1)}

# %% starter
comment = """
"""

# %% rubric
r"""
A full answer says, in its own words:

- {{gan}} is the best of {{many}} settings and {{vae}} the only one of one: the search alone lowers the GAN's number. The {{bad}} collapsed runs are results: with them the
  GAN's mean and spread are worse, and the share of {{bad}} in {{many}} is the one thing in the report that speaks of stability, and against the GAN. The best moment lowers both numbers, and more so for
  the model that oscillates. "More stable" needs several seeds of each setting, all counted: the spread, the collapsed share, the modes lost again.
- 1.39 = 2 log 2: this discriminator answers one half everywhere. A perfect generator gives that, and so does a discriminator that was outrun or has stopped to learn; in the chapter a collapsed
  game showed the same number. It says nothing about the best discriminator.
- A classifier must name a class for every image, however poor. One image of 10,000 is enough for a class to count, and a class may be reduced to a few of its images: kept, and collapsed inside. Better:
  the shares of the classes (overlap or KL with the data's), how sure the classifier is, recall.
- With noise, the FID judges the likelihood: one σ for all pixels adds grain that no real image has. That raises the VAE's FID, by how much is unknown. Means, scored beside it and called means, would
  tell the two parts apart; means alone are no draws of the model.
- Decision: the same number of settings and seeds for both, fixed in advance; networks and batches matched; every run counted, at its end; FID with its floor and a second judge, precision and recall beside it.

Typical weak answers: "FID is unreliable" without a reason (0 points); faults without a direction for any (at most 2½); "the VAE is more stable" as a certainty (half of the point for 1: the report
has one run of it).
"""

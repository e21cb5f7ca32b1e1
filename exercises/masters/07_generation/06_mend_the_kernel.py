# title: Mend a KID
# chapter: 07_generation
# goal: find what makes an unbiased measure biased, or a measure of something else
# kind: mend
# minutes: 20
# points: 3
# difficulty: 2
# passage: How alike are two sets of images?
# answer: kid
# returns: tensor
# plant: 2
# tolerance: 3e-4
# removes: vae_lib.quality.kernel_distance, vae_lib.quality._kernel_sum

# %% statement
r"""
The KID of the chapter compares two clouds by the kernel $k(a, b) = (a \cdot b / d + 1)^3$ of two feature vectors with $d$ numbers. It is the unbiased
estimate, from the samples, of

$$
\mathbb{E}\,k(r, r') + \mathbb{E}\,k(f, f') - 2\, \mathbb{E}\,k(r, f) ,
$$

where $r$ and $r'$ are two *different* draws of the real features, $f$ and $f'$ two different draws of the fakes. These expectations give zero
where both distributions are the same, and never less; the estimate scatters around what they give.

The function below takes `real` $(n, d)$ and `fake` $(m, d)$, and has **two faults**. Mend them, and change as little as you can.
"""

# %% given
import torch

# %% solution
def kid(real, fake):
    """The unbiased squared distance of two sets of features under the cubic kernel, ()."""
    n, m = len(real), len(fake)
    d = real.shape[1]
    k_real = (real @ real.T / d + 1) ** 3
    k_fake = (fake @ fake.T / d + 1) ** 3
    k_between = (real @ fake.T / d + 1) ** 3
    within_real = (k_real.sum() - k_real.trace()) / (n * (n - 1))
    within_fake = (k_fake.sum() - k_fake.trace()) / (m * (m - 1))
    between = k_between.mean()
    return within_real + within_fake - 2 * between

# %% why
r"""
Multiplied out, $k(a, b)$ is a product $h(a) \cdot h(b)$, where $h(a)$ lists the products of up to three features, with factors. The three
expectations are then $\lVert \mathbb{E}\,h(r) - \mathbb{E}\,h(f) \rVert^2$, term by term. So all three kernels must be the same, and the mixed
term has the factor $-2$. Within a set, only the $n (n - 1)$ pairs of different images count, since
$\mathbb{E} \lVert h(r) \rVert^2 \ge \lVert \mathbb{E}\,h(r) \rVert^2$: the diagonal makes the distance too large. Of the mixed pairs, all $n m$
count.

Two faults may hide each other. With features that are all 0, one kernel without its $+ 1$ and a mixed term without its 2 give $0 + 1 - 1 = 0$, as it
should be. Exchange `real` and `fake`, and the value changes: that finds the kernel. With it mended, zeros give $1 + 1 - 1 = 1$, and that finds the
factor. So repeat every test after each repair.

Where both sets come from one distribution, the mended estimate is negative about half of the time. One that is never negative has a bias.
"""

# %% inputs
def inputs(rng):
    return {"real": rng.normal(7, 3), "fake": 0.8 * rng.normal(5, 3) + 0.7}

# %% probe
def probe(answer, real, fake):
    return {"value": answer(real, fake), "value_the_other_way_round": answer(fake, real),
            "value_of_a_set_and_itself": answer(real, real), "value_for_larger_features": answer(2 * real, 2 * fake) / 50,
            "value_of_features_that_are_all_zero": answer(torch.zeros(4, 3), torch.zeros(6, 3))}

# %% laws
def laws(seen, real, fake):
    yield seen["value"].shape == (), "there is one number for the two sets"
    yield abs(seen["value"] - seen["value_the_other_way_round"]) < 1e-3 * (1 + abs(seen["value"])), \
        "it does not matter which set comes first", \
        "Exchange the two sets in your mind: which line treats the real ones otherwise than the fakes?"
    yield abs(seen["value_of_features_that_are_all_zero"]) < 1e-4, "features that are all 0 give 0: every k(a, b) is 1 there", \
        "Put in features that are all 0. Every k(a, b) is 1 then, so is each average, and 1 + 1 − 2 is 0: which of your three averages, or which factor, is another?"
    yield seen["value_of_a_set_and_itself"] < 0, "a set and itself give a number below zero: only the mixed pairs hold an image with itself"

# %% right: over all pairs, one by one
import itertools

def kid(real, fake):
    def kernel(a, b):
        return (torch.dot(a, b) / len(a) + 1) ** 3

    def within(points):
        return torch.stack([kernel(a, b) for a, b in itertools.combinations(points, 2)]).mean()

    return within(real) + within(fake) - 2 * torch.stack([kernel(a, b) for a in real for b in fake]).mean()

# %% right: masked, in float64
def kid(real, fake):
    both = torch.cat([real, fake]).double()
    k = (torch.einsum("id,jd->ij", both, both) / both.shape[1] + 1).pow(3)
    n, total = len(real), 0.0
    for part in (k[:n, :n], k[n:, n:]):
        different = ~torch.eye(len(part), dtype=torch.bool)
        total = total + part[different].mean()
    return total - k[:n, n:].mean() - k[n:, :n].mean()

# %% wrong: a real image with itself
# hint: Among the real ones, each image also meets itself. Those n terms are no pairs of different draws, and they are large: take the diagonal off.
#- k_real.sum() - k_real.trace()
#+ k_real.sum()

# %% wrong: the number of pairs of fakes
# hint: The pairs of fakes are counted as m². Without the diagonal there are only m (m − 1) of them.
#- (m * (m - 1))
#+ (m * m)

# %% wrong: the mixed pairs count once
# hint: The mixed pairs count once, and it should be twice: as it stands, two sets of one distribution do not give zero.
#- - 2 * between
#+ - between

# %% wrong: the mixed pairs are added
# hint: The mixed pairs are added. They are taken off: the more alike the clouds, the smaller the distance.
#- - 2 * between
#+ + 2 * between

# %% wrong: the square for the cube
# hint: The kernel of the fakes is squared where the others are cubed. One measure needs one kernel.
#- k_fake = (fake @ fake.T / d + 1) ** 3
#+ k_fake = (fake @ fake.T / d + 1) ** 2

# %% wrong: the number of features is missing
# hint: The kernel of the mixed pairs does not divide by the number of features: it is another kernel than the other two.
#- real @ fake.T / d
#+ real @ fake.T

# %% wrong: the one is missing
# hint: The kernel of the real ones lacks its + 1: without it, the kernel compares third moments alone, and the other two terms do not.
#- k_real = (real @ real.T / d + 1)
#+ k_real = (real @ real.T / d)

# %% wrong: never below zero
# hint: The result is cut off at zero. Around zero, an unbiased estimate is negative about half of the time.
#- return within_real + within_fake - 2 * between
#+ return (within_real + within_fake - 2 * between).clamp(min=0)

# %% wrong: the real ones twice
# hint: The real ones stand in twice, and the pairs of fakes not at all.
#- within_real + within_fake -
#+ within_real + within_real -

# %% wrong: no constant in any kernel
# hint: None of the three kernels has its + 1. Then only the third moments of the clouds are compared: two clouds of other means or spreads
#   can get zero.
# alone
#-     k_real = (real @ real.T / d + 1) ** 3
#+     k_real = (real @ real.T / d) ** 3
#+     k_fake = (fake @ fake.T / d) ** 3
#+     k_between = (real @ fake.T / d) ** 3
#-     k_fake = (fake @ fake.T / d + 1) ** 3
#-     k_between = (real @ fake.T / d + 1) ** 3

# %% wrong: the squares of both counts
# hint: The pairs are counted as n² and m². The diagonals are taken off, so that n (n − 1) and m (m − 1) of them are left.
# alone
#-     within_real = (k_real.sum() - k_real.trace()) / (n * (n - 1))
#+     within_real = (k_real.sum() - k_real.trace()) / (n * n)
#+     within_fake = (k_fake.sum() - k_fake.trace()) / (m * m)
#-     within_fake = (k_fake.sum() - k_fake.trace()) / (m * (m - 1))

# %% wrong: the number of features under the one
# hint: The number of features divides the 1. It divides the product: (a · b / d + 1).
# alone
#-     k_real = (real @ real.T / d + 1) ** 3
#+     k_real = (real @ real.T + 1 / d) ** 3
#+     k_fake = (fake @ fake.T + 1 / d) ** 3
#+     k_between = (real @ fake.T + 1 / d) ** 3
#-     k_fake = (fake @ fake.T / d + 1) ** 3
#-     k_between = (real @ fake.T / d + 1) ** 3

# %% wrong: the two on the wrong terms
# hint: The 2 stands at the pairs within the sets. It belongs to the mixed pairs: a distance of distributions is E k(r, r′) + E k(f, f′) − 2
#   E k(r, f).
# alone
#-     return within_real + within_fake - 2 * between
#+     return 2 * within_real + 2 * within_fake - between

# %% wrong: a diagonal taken off the mixed pairs
# hint: You took a diagonal off the mixed pairs as well. A real image and a fake are never the same draw, whatever their numbers: all n m
#   pairs count.
# alone
#-     between = k_between.mean()
#+     between = (k_between.sum() - k_between.diagonal().sum()) / (n * m - min(n, m))

# %% wrong: the diagonals in both
# hint: Both sets hold the pairs of an image with itself. Two draws r and r′ are different ones: take both diagonals off.
# alone
#-     within_real = (k_real.sum() - k_real.trace()) / (n * (n - 1))
#+     within_real = (k_real.sum()) / (n * (n - 1))
#+     within_fake = (k_fake.sum()) / (m * (m - 1))
#-     within_fake = (k_fake.sum() - k_fake.trace()) / (m * (m - 1))

# %% wrong: biased averages
# hint: Both averages within a set hold the pairs of an image with itself. Those are no two different draws: take the diagonals off, and
#   divide by n (n − 1) and m (m − 1).
# alone
#-     within_real = (k_real.sum() - k_real.trace()) / (n * (n - 1))
#+     within_real = k_real.mean()
#+     within_fake = k_fake.mean()
#-     within_fake = (k_fake.sum() - k_fake.trace()) / (m * (m - 1))

# %% wrong: half of it all
# hint: You halve the pairs within the sets. In E k(r, r′) + E k(f, f′) − 2 E k(r, f) each of them counts in full, and the mixed pairs twice.
# alone
#- within_real + within_fake - 2 * between
#+ (within_real + within_fake) / 2 - between

# %% wrong: fewer mixed pairs
# hint: You count (n − 1)(m − 1) mixed pairs. Nothing is taken off there: each real image meets each fake, which makes n m pairs.
# alone
#- k_between.mean()
#+ k_between.sum() / ((n - 1) * (m - 1))

# %% wrong: the one beside the number of features
# hint: In the kernel of the real ones the 1 stands beside the number of features, below the line. It is added after the division.
# alone
#- (real @ real.T / d + 1) ** 3
#+ (real @ real.T / (d + 1)) ** 3

# %% wrong: the one outside of the cube
# hint: In the kernel of the real ones the 1 is added after the cube. It stands inside of the bracket, before it.
# alone
#- (real @ real.T / d + 1) ** 3
#+ (real @ real.T / d) ** 3 + 1

# %% wrong: all pairs of fakes
# hint: The average over the fakes holds the pairs of a fake with itself, and the one over the real ones does not. Treat both sets alike: only different
#   draws count.
# alone
#- (k_fake.sum() - k_fake.trace()) / (m * (m - 1))
#+ k_fake.mean()

# %% wrong: all pairs of real ones
# hint: The average over the real ones holds the pairs of an image with itself, and the one over the fakes does not. Treat both sets alike: only
#   different draws count.
# alone
#- (k_real.sum() - k_real.trace()) / (n * (n - 1))
#+ k_real.mean()

# %% wrong: centred first
# hint: You take the mean off each set first. Then two sets that differ in their means alone look the same, and the features are no longer those of the
#   formula.
# alone
#- d = real.shape[1]
#+ d = real.shape[1]
#+     real, fake = real - real.mean(0), fake - fake.mean(0)

# %% wrong: the root
# hint: This is a root of the estimate. Asked for is the squared distance itself, which may be negative: leave the root out.
# alone
#- within_real + within_fake - 2 * between
#+ (within_real + within_fake - 2 * between).abs().sqrt()

# title: Under the roof
# chapter: 06_full_gpu_vae
# goal: bound the speed of a layer by what a device computes and by what it moves
# kind: implement
# minutes: 10
# points: 2
# difficulty: 1
# passage: How far can it go? The roofline
# answer: seconds
# returns: tensor
# tolerance: 1e-4

# %% statement
r"""
A device makes {{PEAK}} · 10¹² operations a second and moves {{MOVES}} · 10⁹ bytes a second, both at the same time. A linear layer
without biases turns a batch of shape `(n, a)` into `(n, b)`. Its numbers take {{BYTES}} bytes each. It reads the batch and its
weights once and writes its result once; a multiplication and an addition are two operations.

Write `seconds(n, a, b)`: the least time that the layer can take. The arguments are float tensors of one shape, as is the result.
"""

# %% draws
def draws(rng):
    return {"PEAK": rng.choice([8, 20, 65, 120]), "MOVES": rng.choice([320, 900, 2000]), "BYTES": rng.choice([4, 8])}

# %% given
import torch

# %% starter
def seconds(n, a, b):
    """The least time of a linear layer (n, a) -> (n, b) on the device, in seconds."""
    ...

# %% solution
def seconds(n, a, b):
    """The least time of a linear layer (n, a) -> (n, b) on the device, in seconds."""
    compute = 2 * n * a * b / (PEAK * 1e12)
    move = BYTES * (n * a + a * b + n * b) / (MOVES * 1e9)
    return torch.maximum(compute, move)

# %% why
r"""
Each of the $n \cdot b$ results is a sum of $a$ products: $2\,n\,a\,b$ operations. Once each, the batch ($n a$ numbers), the weights ($a b$) and the
result ($n b$) are moved. As the device does both at the same time, the shorter of the two times is hidden behind the longer one: the layer takes at
least the longer, and the two are not added.

For one image ($n = 1$) each weight is moved for one multiplication and one addition: $2 / {{BYTES}}$ operations for each byte, so this device waits
for its memory. A larger batch uses every weight $n$ times for one move. That is why a larger batch is faster for each image, up to the bend of the
roof and not beyond.
"""

# %% inputs
def inputs(rng):
    return {"n": torch.tensor([1.0, 16.0, 128.0, 4096.0, 65536.0, 4096.0, 1e6, 1e6, 3.0]),
            "a": torch.cat([rng.uniform(200, 900, 5), rng.uniform(2, 5, 1), rng.uniform(3500, 4000, 1), rng.uniform(1600, 1700, 1), rng.uniform(100, 200, 1)]).round(),
            "b": torch.cat([rng.uniform(200, 900, 4), rng.uniform(5000, 9000, 1), rng.uniform(2, 5, 1), rng.uniform(9e5, 1e6, 2), rng.uniform(3000, 5000, 1)]).round()}

# %% probe
def probe(answer, n, a, b):
    return {"time_shown_in_microseconds": 1e6 * answer(n, a, b), "time_of_small_batches_shown_in_microseconds": 1e6 * answer(n[:1].expand(3) + 0.0,
        a[:3], b[:3])}

# %% laws
def laws(seen, n, a, b):
    time = seen["time_shown_in_microseconds"]
    yield time.shape == (9,), "there is one time for each layer"
    yield (time > 0).all(), "a time is positive"
    yield time.max() > 1.001 * time.min(), "each layer has a time of its own", \
        "All layers have the same time in yours. Compare computing with moving layer by layer: `torch.maximum` does that."
    compute, move = 2e6 * n * a * b / (PEAK * 1e12), 1e6 * BYTES * (n * a + a * b + n * b) / (MOVES * 1e9)
    full = compute > move  # the arithmetic decides
    right = ((time - torch.maximum(compute, move)).abs() < 1e-3 * time.abs()).all()
    if not right and ((time / compute - 1).abs() < 1e-3)[full].all():
        yield False, "the time is right where moving takes longer", "Where the arithmetic takes longer your time is right. Look at the bytes: the batch, the weights and the result, " \
            "each once, `BYTES` for each number, at `MOVES` · 10⁹ a second."
    elif not right and ((time / move - 1).abs() < 1e-3)[~full].all():
        yield False, "the time is right where the arithmetic takes longer", "Where moving takes longer your time is right. Look at the arithmetic: for each number of the result `a` " \
            "multiplications and as many additions, at `PEAK` · 10¹² a second."
    else:
        yield right, "the slower of computing and moving decides", \
            "Make the two times apart, in seconds: operations over operations a second, bytes over bytes a second. For each layer the longer one counts."

# %% right: from the arithmetic intensity
def seconds(n, a, b):
    operations, moved = 2 * n * a * b, BYTES * (n * a + a * b + n * b)
    speed = torch.clamp(operations / moved * MOVES * 1e9, max=PEAK * 1e12)
    return operations / speed

# %% right: one layer after the other, in plain numbers
def seconds(n, a, b):
    found = []
    for i, j, k in zip(n.tolist(), a.tolist(), b.tolist()):
        found.append(max(i * j * k / (PEAK * 5e11), (i * j + j * k + i * k) * BYTES / (MOVES * 1e9)))
    return torch.tensor(found, dtype=torch.float64)

# %% wrong: computing and moving one after the other
# hint: You add the two times. The device computes and moves at the same time, so the slower of the two decides.
#- torch.maximum(compute, move)
#+ compute + move

# %% wrong: the faster of the two
# hint: You take the shorter time. The layer is done when both are done: the slower of the two decides.
#- torch.maximum
#+ torch.minimum

# %% wrong: only what is computed
# hint: Your time is that of the operations alone. Either no bytes are counted, or they take no time (`MOVES` counts 10⁹ bytes a second, not 10¹²). A small batch reads all
#   weights for little arithmetic: what is moved then decides.
#- torch.maximum(compute, move)
#+ compute

# %% wrong: only what is moved
# hint: Your time is that of the bytes alone. Either no operations are counted or far too few: a large square layer uses each number that it
#   reads often,
#   and its arithmetic then decides.
#- torch.maximum(compute, move)
#+ move

# %% wrong: the weights are forgotten
# hint: You move the batch and the result, and not the weights. Every step reads them too.
#- + a * b + n * b
#+ + n * b

# %% wrong: a multiplication with its addition counted as one
# hint: You count one operation for a multiplication and its addition. Here they are two.
#- compute = 2 * n * a * b
#+ compute = n * a * b

# %% wrong: one addition less
# hint: You count 2a − 1 operations for a number of the result, or the additions of a bias. The statement counts two for each of the n · a · b products, and the layer has no biases.
#- compute = 2 * n * a * b
#+ compute = n * b * (2 * a - 1)

# %% wrong: an addition for each result alone
# hint: You count an addition for each number of the result. There is one for each of the n · a · b products.
#- compute = 2 * n * a * b
#+ compute = (n * a * b + n * b)

# %% wrong: biases
# hint: You count biases. The layer has none.
#- + n * b)
#+ + n * b + b)
#- compute = 2 * n * a * b
#+ compute = (2 * n * a * b + n * b)

# %% wrong: numbers for bytes
# hint: You count numbers. Each takes `BYTES` bytes.
#- move = BYTES * (n
#+ move = (n

# %% wrong: bits for bytes
# hint: You count bits. The device's speed is given in bytes, of which a number takes `BYTES`.
#- move = BYTES * (n
#+ move = 8 * BYTES * (n

# %% wrong: the result is forgotten
# hint: You move the batch and the weights, and not the result. It is written once.
#- (n * a + a * b + n * b)
#+ (n * a + a * b)

# %% wrong: the batch is forgotten
# hint: You move the weights and the result, and not the batch. It is read once.
#- (n * a + a * b + n * b)
#+ (a * b + n * b)

# %% wrong: only the weights move
# hint: You move the weights alone. The batch is read and the result is written as well.
#- (n * a + a * b + n * b)
#+ (a * b)

# %% wrong: the result twice
# hint: You move the result twice. It is written once, and not read again.
#- (n * a + a * b + n * b)
#+ (n * a + a * b + 2 * n * b)

# %% wrong: the weights for each row
# hint: You read the weights anew for each row of the batch. They are read once for the whole batch.
#- (n * a + a * b + n * b)
#+ (n * a + n * a * b + n * b)

# %% wrong: bytes of the products
# hint: You move n · a · b numbers, one for each multiplication. What is moved is the batch, the weights and the result: three tensors, each once.
#- (n * a + a * b + n * b)
#+ (n * a * b)

# %% wrong: square weights
# hint: Your weights have the shape (a, a). They turn a numbers into b: (a, b).
#- (n * a + a * b + n * b)
#+ (n * a + a * a + n * b)

# %% wrong: the lower power of ten for both
# hint: You take 10⁹ for operations too. The device makes `PEAK` · 10¹² operations a second.
#- (PEAK * 1e12)
#+ (PEAK * 1e9)

# %% wrong: without the powers of ten
# hint: The powers of ten are missing: `PEAK` counts 10¹² operations and `MOVES` counts 10⁹ bytes a second.
#- (PEAK * 1e12)
#+ PEAK
#- (MOVES * 1e9)
#+ MOVES

# %% wrong: microseconds
# hint: These are microseconds. Asked for are seconds.
#- return torch.maximum(compute, move)
#+ return 1e6 * torch.maximum(compute, move)

# %% wrong: milliseconds
# hint: These are milliseconds. Give the time in seconds.
#- return torch.maximum(compute, move)
#+ return 1e3 * torch.maximum(compute, move)

# %% wrong: powers of two for powers of ten
# hint: You count 2³⁰ bytes for 10⁹. `MOVES` counts 10⁹ bytes a second.
#- (MOVES * 1e9)
#+ (MOVES * 2.0**30)

# %% wrong: the largest of the three tensors alone
# hint: You move the largest of the three tensors alone. They share one memory, and its bytes a second: count the batch, the weights and the
#   result.
#- (n * a + a * b + n * b)
#+ torch.maximum(torch.maximum(n * a, a * b), n * b)

# %% wrong: the mean of the two times
# hint: You average the two times. The layer is done when both are done: the longer one decides.
#- torch.maximum(compute, move)
#+ 0.5 * (compute + move)

# %% wrong: operations a second
# hint: This is a speed, in operations a second. Asked for is the time, in seconds.
#- return torch.maximum(compute, move)
#+ return 2 * n * a * b / torch.maximum(compute, move)

# %% wrong: one maximum for all layers
# hint: You choose once for all layers whether computing or moving decides. Each layer has its own longer time: `torch.maximum`, number by number.
#- torch.maximum(compute, move)
#+ (compute if compute.max() > move.max() else move)

# %% wrong: forwards and backwards
# hint: This is three times the time: that of a training step, forwards and backwards. Asked for is the layer forwards.
#- return torch.maximum(compute, move)
#+ return 3 * torch.maximum(compute, move)

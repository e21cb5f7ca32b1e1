# title: Mend a training step
# chapter: 01_autoencoder
# goal: find faults in a training loop that runs
# kind: mend
# minutes: 20
# points: 3
# difficulty: 2
# passage: A linear autoencoder
# answer: train
# returns: tensor
# plant: 2
# tolerance: 1e-3
# removes: vae_lib.training.fit

# %% statement
r"""
`train` should minimise the squared error of the chapter, summed over pixels and averaged over images, by plain gradient descent:
it goes once through `batches`, a tensor of shape `(steps, batch, pixels)`, changes the weights of **both** networks, and returns the
loss of each step *before* its change, of shape `(steps,)`. The code below runs, and has **two faults**. Mend them, and
change as little as you can.
"""

# %% draws
def draws(rng):
    return {"codes": rng.choice([2, 3, 4])}  # the networks of the probes

# %% given
import torch

# the first optimiser of a session loads much of PyTorch, which takes some seconds: here, and not during a check
torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)

# %% solution
def train(encoder, decoder, batches, lr):
    """One gradient step for each batch; the loss before each step, (steps,)."""
    weights = [*encoder.parameters(), *decoder.parameters()]
    losses = []
    for x in batches:
        z = encoder(x)
        x_hat = decoder(z)
        loss = (x_hat - x).square().sum(1).mean()
        for w in weights:
            w.grad = None
        loss.backward()
        with torch.no_grad():
            for w in weights:
                w -= lr * w.grad
        losses.append(loss.detach())
    return torch.stack(losses)

# %% why
r"""
Ask of each line what it must hold. `weights` lists both networks. The loss is a sum over pixels and a mean over images, and nothing on the way from
the images to it may cut the gradient. PyTorch *adds* each new gradient to the old one, so the old one is emptied once per step. The step goes down
the slope, by `lr` times the gradient of *this* loss. The loss that is noted is the one from before the step.

A falling loss proves little: it falls even if only the decoder learns. Work out two steps on a tiny network, by hand or by `torch.optim.SGD`, and
compare the losses and *all* weights. After the first step all of these faults show but one. Gradients that were not emptied show after the second:
before the first there are none.
"""

# %% inputs
def inputs(rng):
    return {"batches": rng.normal(4, 5, 6), "seed": rng.integer(0, 10**6), "lr": round(rng.uniform(0.01, 0.02), 4)}

# %% probe
def probe(answer, batches, seed, lr):
    torch.manual_seed(seed)
    encoder, decoder = torch.nn.Linear(6, {{codes}}), torch.nn.Linear({{codes}}, 6)
    before = [w.detach().clone() for w in (encoder.weight, decoder.weight)]
    losses = answer(encoder, decoder, batches, lr)
    return {"losses": losses, "steps_of_the_encoder": encoder.weight.detach() - before[0],
            "steps_of_the_decoder": decoder.weight.detach() - before[1]}

# %% laws
def laws(seen, batches, seed, lr):
    yield seen["losses"].shape == (4,), "there is one loss for each step"
    moves = "Where do the weights change, and does it happen in place (`w -= …`), with the gradient that `backward` has left?"
    yield seen["steps_of_the_encoder"].abs().sum() > 0, "the encoder's weights change", moves
    yield seen["steps_of_the_decoder"].abs().sum() > 0, "the decoder's weights change", moves

# %% right: with an optimiser
def train(encoder, decoder, batches, lr):
    optimizer = torch.optim.SGD([*encoder.parameters(), *decoder.parameters()], lr=lr)
    losses = torch.zeros(len(batches))
    for step, x in enumerate(batches):
        loss = ((decoder(encoder(x)) - x) ** 2).sum() / len(x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses[step] = loss.item()
    return losses

# %% right: with torch.autograd.grad
def train(encoder, decoder, batches, lr):
    out = []
    weights = list(encoder.parameters()) + list(decoder.parameters())
    for x in batches:
        loss = torch.nn.functional.mse_loss(decoder(encoder(x)), x) * x.shape[1]
        for w, g in zip(weights, torch.autograd.grad(loss, weights)):
            w.data = w.data - lr * g
        out.append(loss.item())
    return out

# %% wrong: gradients pile up
# hint: From the second step on, the steps are too long: PyTorch adds each new gradient to the old one, and nobody clears it between the steps.
#- w.grad = None
#+ w.grad = w.grad

# %% wrong: the encoder stays as it is
# hint: The encoder's weights never change. Which weights does the loop go over, and does a gradient get through to all of them?
#- [*encoder.parameters(), *decoder.parameters()]
#+ [*decoder.parameters()]

# %% wrong: uphill
# hint: The steps go the wrong way: the gradient points uphill, so it is subtracted.
#- w -= lr
#+ w += lr

# %% wrong: mean over the pixels
# hint: The loss is averaged over the pixels too. In the chapter the pixels of an image are summed.
#- .sum(1).mean()
#+ .mean()

# %% wrong: sum over the images
# hint: The loss is summed over the images of a batch. The chapter averages over images, so that the step does not grow with the batch.
#- .sum(1).mean()
#+ .sum()

# %% wrong: the code compared with nothing
# hint: The reconstruction is driven towards zero. The target of an autoencoder is its input.
#- (x_hat - x)
#+ (x_hat - 0 * x)

# %% wrong: the loss without its square
# hint: Positive and negative differences cancel: the differences are not squared, and such a loss has no minimum.
#- (x_hat - x).square()
#+ (x_hat - x)

# %% wrong: half a step
# hint: Every step has half its length: the learning rate is not used as it was given.
#- w -= lr * w.grad
#+ w -= 0.5 * lr * w.grad

# %% wrong: the loss after the step
# hint: The losses are those after each change. Asked for is the loss *before* it: the one whose gradient you took.
def train(encoder, decoder, batches, lr):
    weights, losses = [*encoder.parameters(), *decoder.parameters()], []
    for x in batches:
        loss = (decoder(encoder(x)) - x).square().sum(1).mean()
        found = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for w, g in zip(weights, found):
                w -= lr * g
        losses.append((decoder(encoder(x)) - x).square().sum(1).mean().detach())
    return torch.stack(losses)

# %% wrong: the decoder stays as it is
# hint: The decoder's weights never change. The loop should go over the weights of both networks.
def train(encoder, decoder, batches, lr):
    weights, losses = [*encoder.parameters()], []
    for x in batches:
        loss = (decoder(encoder(x)) - x).square().sum(1).mean()
        found = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for w, g in zip(weights, found):
                w -= lr * g
        losses.append(loss.detach())
    return torch.stack(losses)

# %% wrong: nothing ever changes
# hint: No weight ever changes. Either the gradient is cleared between `backward` and the step, or `w = w - …` makes a new tensor and leaves the
#   weight as it was: change it in place.
def train(encoder, decoder, batches, lr):
    weights, losses = [*encoder.parameters(), *decoder.parameters()], []
    for x in batches:
        loss = (decoder(encoder(x)) - x).square().sum(1).mean()
        found = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for w, g in zip(weights, found):
                w - lr * g
        losses.append(loss.detach())
    return torch.stack(losses)

# %% wrong: a smaller step for a larger batch
# hint: The step is divided by the number of images. The loss is a mean over images already.
def train(encoder, decoder, batches, lr):
    weights, losses = [*encoder.parameters(), *decoder.parameters()], []
    for x in batches:
        loss = (decoder(encoder(x)) - x).square().sum(1).mean()
        found = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for w, g in zip(weights, found):
                w -= lr / len(x) * g
        losses.append(loss.detach())
    return torch.stack(losses)

# %% wrong: no learning rate
# hint: The learning rate is missing from the step, which is far too long without it.
def train(encoder, decoder, batches, lr):
    weights, losses = [*encoder.parameters(), *decoder.parameters()], []
    for x in batches:
        loss = (decoder(encoder(x)) - x).square().sum(1).mean()
        found = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for w, g in zip(weights, found):
                w -= g
        losses.append(loss.detach())
    return torch.stack(losses)

# %% wrong: steps of one length
# hint: You divided the gradient by its length: every step is equally long. Plain gradient descent takes the gradient as it is.
def train(encoder, decoder, batches, lr):
    weights, losses = [*encoder.parameters(), *decoder.parameters()], []
    for x in batches:
        loss = (decoder(encoder(x)) - x).square().sum(1).mean()
        found = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for w, g in zip(weights, found):
                w -= lr * g / g.norm()
        losses.append(loss.detach())
    return torch.stack(losses)

# %% wrong: a factor and no step
# hint: You multiply the weights by something. Gradient descent subtracts: the learning rate times the gradient.
def train(encoder, decoder, batches, lr):
    weights, losses = [*encoder.parameters(), *decoder.parameters()], []
    for x in batches:
        loss = (decoder(encoder(x)) - x).square().sum(1).mean()
        found = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for w, g in zip(weights, found):
                w *= 1 - lr * g
        losses.append(loss.detach())
    return torch.stack(losses)

# %% wrong: the running mean
# hint: You give the mean of the losses so far. Asked for is the loss of each step.
def train(encoder, decoder, batches, lr):
    weights, losses = [*encoder.parameters(), *decoder.parameters()], []
    for x in batches:
        loss = (decoder(encoder(x)) - x).square().sum(1).mean()
        found = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for w, g in zip(weights, found):
                w -= lr * g
        losses.append(loss.detach())
    return torch.stack(losses).cumsum(0) / torch.arange(1, len(losses) + 1)

# %% wrong: a distance and no square
# hint: You took the root of the squared error of each image, its distance. The chapter minimises the square.
def train(encoder, decoder, batches, lr):
    weights, losses = [*encoder.parameters(), *decoder.parameters()], []
    for x in batches:
        loss = (decoder(encoder(x)) - x).square().sum(1).sqrt().mean()
        found = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for w, g in zip(weights, found):
                w -= lr * g
        losses.append(loss.detach())
    return torch.stack(losses)

# %% wrong: only the encoder is cleared
# hint: From the second step on, the decoder's steps are too long: its gradients pile up, since only the encoder's are cleared.
def train(encoder, decoder, batches, lr):
    losses = []
    for x in batches:
        loss = (decoder(encoder(x)) - x).square().sum(1).mean()
        encoder.zero_grad()
        loss.backward()
        with torch.no_grad():
            for w in [*encoder.parameters(), *decoder.parameters()]:
                w -= lr * w.grad
        losses.append(loss.detach())
    return torch.stack(losses)

# %% wrong: only the decoder is cleared
# hint: From the second step on, the encoder's steps are too long: its gradients pile up, since only the decoder's are cleared.
def train(encoder, decoder, batches, lr):
    losses = []
    for x in batches:
        loss = (decoder(encoder(x)) - x).square().sum(1).mean()
        decoder.zero_grad()
        loss.backward()
        with torch.no_grad():
            for w in [*encoder.parameters(), *decoder.parameters()]:
                w -= lr * w.grad
        losses.append(loss.detach())
    return torch.stack(losses)

# %% wrong: Adam
# hint: The first loss is right and the steps are not: they are those of Adam. Plain gradient descent takes the learning rate times the gradient.
def train(encoder, decoder, batches, lr):
    optimizer, losses = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=lr), []
    for x in batches:
        loss = (decoder(encoder(x)) - x).square().sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses)

# %% wrong: momentum
# hint: The first step is right and later ones are too long: they carry earlier gradients along, as momentum does. Plain gradient descent forgets them.
def train(encoder, decoder, batches, lr):
    optimizer, losses = torch.optim.SGD([*encoder.parameters(), *decoder.parameters()], lr=lr, momentum=0.9), []
    for x in batches:
        loss = (decoder(encoder(x)) - x).square().sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses)

# title: Mend a broken game
# chapter: 10_vae_and_gan
# goal: find faults in a game that runs, and whose losses look like any other's
# kind: mend
# minutes: 20
# points: 3
# difficulty: 2
# passage: A GAN by hand
# answer: play
# returns: tensor
# plant: 2
# tolerance: 2e-4
# removes: vae_lib.gan.fit, vae_lib.gan.discriminator_loss, vae_lib.gan.generator_loss, vae_lib.gan_study.train

# %% statement
r"""
`play` should play the chapter's game with plain gradient descent in place of Adam. In each round the discriminator `D` first makes {{times}}, each with a
batch of real points and fresh noise of its own, on the loss of the chapter. Then the generator `G` makes one move against the discriminator as it is then, on
the *non-saturating* loss, with fresh noise.

`rounds` is a list; each of its entries is a pair `(batches, z)`: `batches` is a list of {{MOVES}} pairs `(real, noise)`, one for each move of `D`, and `z` is
the noise for the move of `G`. The learning rates are `{{LR_D}}` for `D` and `{{LR_G}}` for `G`. `play` changes both networks, and returns the weights of both in one row.

The code runs, and the losses look like those of any game. It has **two faults**, each in one line; one may take two changes there. Mend them, and change
as little as you can.
"""

# %% draws
def draws(rng):
    moves = rng.choice([2, 3])
    return {"MOVES": moves, "times": f"{moves} moves", "LR_D": rng.choice([0.3, 0.4]), "LR_G": rng.choice([0.6, 0.7]),
            "wide": rng.choice([3, 4, 5]), "judges": rng.choice([4, 5, 6])}  # hidden units of G and of D in the probes

# %% given
import torch
import torch.nn.functional as F

# %% solution
def play(G, D, rounds):
    """Plays the game; returns all weights of G, then of D, (weights,)."""
    for batches, z in rounds:
        for real, noise in batches:
            fake = G(noise).detach()
            loss_d = F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean()
            move(D, loss_d, LR_D)
        loss_g = F.softplus(-D(G(z))).mean()
        move(G, loss_g, LR_G)
    return torch.cat([p.detach().flatten() for net in (G, D) for p in net.parameters()])

def move(net, loss, lr):
    """One step of gradient descent of the weights of one network."""
    weights = list(net.parameters())
    slopes = torch.autograd.grad(loss, weights)
    with torch.no_grad():
        for p, slope in zip(weights, slopes):
            p -= lr * slope

# %% why
r"""
Read each line for three things: whose weights move, on which loss, and with which points. A move of $D$ takes the real points and the fresh noise of
that very move and adds both halves of its loss, each a mean over its own points. It changes $D$ alone: `move` sees to that, and `detach` only saves
work here. After *all* moves of $D$ the generator makes its own, on its own noise and with its own rate. With the logit $\ell$ of a draw, the
generator's loss is $-\log D = \log(1 + e^{-\ell})$, the softplus of $-\ell$. The other loss, $\log(1 - D)$, pulls the same way, but is nearly flat
where $D$ is sure that draws are fake.

The losses show few faults. A generator's loss below 0 cannot be $-\log D$, and where all logits are near 0, that of $D$ is near $2 \log 2$. But both
players change, so in the middle of a game there is no value that a loss should have. What shows the rest is one round that is worked out in another
way, as with `torch.optim`, and compared weight for weight.
"""

# %% inputs
def inputs(rng):
    rounds = [[[[rng.normal(6, 2) + 2.0, rng.normal(6, 2)] for _ in range(MOVES)], rng.normal(6, 2)] for _ in range(2)]
    return {"rounds": rounds, "weights": [0.8 * rng.normal({{wide}}, 2), rng.normal({{wide}}), 0.8 * rng.normal(2, {{wide}}), rng.normal(2)],
            "judge": [0.9 * rng.normal({{judges}}, 2), rng.normal({{judges}}), 0.9 * rng.normal(1, {{judges}}), rng.normal(1)]}

# %% probe
def probe(answer, rounds, weights, judge):
    def network(values, *last):
        (a, b), (c, d) = values[0].shape, values[2].shape
        net = torch.nn.Sequential(torch.nn.Linear(b, a), torch.nn.Tanh(), torch.nn.Linear(d, c), *last)
        with torch.no_grad():
            for p, value in zip(net.parameters(), values):
                p.copy_(value)
        return net

    def after(rounds):
        G, D = network(weights), network(judge, torch.nn.Flatten(0))
        return answer(G, D, rounds)

    twos = [([(real, noise) for real, noise in batches], z) for batches, z in rounds]
    return {"weights": after(twos), "weights_asked_again": after(twos), "weights_after_one_round": after(twos[:1])}

# %% laws
def laws(seen, rounds, weights, judge):
    size = sum(w.numel() for w in weights + judge)
    yield seen["weights"].shape == (size,), "the weights of both networks come back in one row"
    yield (seen["weights"] - seen["weights_asked_again"]).abs().max() < 1e-4, "played again, it gives the same", \
        "You draw noise of your own. All noise comes with `rounds`: one for each move of D, and z for the move of G."
    start = torch.cat([w.flatten() for w in weights + judge])
    n = sum(w.numel() for w in weights)
    moved = (seen["weights_after_one_round"] - start).abs()
    yield moved[:n].max() > 1e-5, "the generator has moved after one round", \
        "The generator has not moved. What cuts its loss off from its weights?"
    yield moved[n:].max() > 1e-5, "the discriminator has moved after one round"

# %% right: by torch's optimisers
def play(G, D, rounds):
    sgd = {net: torch.optim.SGD(net.parameters(), lr) for net, lr in ((G, LR_G), (D, LR_D))}
    for batches, z in rounds:
        for real, noise in batches:
            with torch.no_grad():
                fake = G(noise)
            logits, labels = torch.cat([D(real), D(fake)]), torch.cat([torch.ones(len(real)), torch.zeros(len(fake))])
            sgd[D].zero_grad()
            (2 * F.binary_cross_entropy_with_logits(logits, labels)).backward()
            sgd[D].step()
        sgd[G].zero_grad()
        F.binary_cross_entropy_with_logits(D(G(z)), torch.ones(len(z))).backward()
        sgd[G].step()
    return torch.nn.utils.parameters_to_vector([*G.parameters(), *D.parameters()]).detach()

# %% right: uphill, on the logarithms
def play(G, D, rounds):
    def climb(net, gain, lr):
        found = torch.autograd.grad(gain, tuple(net.parameters()))
        for p, slope in zip(net.parameters(), found):
            p.data.add_(slope, alpha=lr)

    for batches, z in rounds:
        for real, noise in batches:
            climb(D, torch.log(torch.sigmoid(D(real))).mean() + torch.log(1 - torch.sigmoid(D(G(noise)))).mean(), LR_D)
        climb(G, F.logsigmoid(D(G(z))).mean(), LR_G)
    return torch.cat([p.data.reshape(-1) for p in list(G.parameters()) + list(D.parameters())])

# %% wrong: the flat loss
# hint: The generator lowers log(1 − D): the saturating loss, which is flat where D is sure. Asked for is the non-saturating one.
#- loss_g = F.softplus(-D(G(z))).mean()
#+ loss_g = -F.softplus(D(G(z))).mean()

# %% wrong: the generator helps the discriminator
# hint: The generator lowers the discriminator's loss: it learns to be recognised. It wants a draw to be called real.
#- loss_g = F.softplus(-D(G(z))).mean()
#+ loss_g = F.softplus(D(G(z))).mean()

# %% wrong: labels the wrong way round
# hint: The discriminator is rewarded for calling real points fake and drawn points real. Which of the two logits wants to be large?
#- F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean()
#+ F.softplus(D(real)).mean() + F.softplus(-D(fake)).mean()

# %% wrong: the drawn points do not count
# hint: The discriminator's loss speaks of the real points alone. It learns to say real to all.
#- F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean()
#+ F.softplus(-D(real)).mean() + 0 * F.softplus(D(fake)).mean()

# %% wrong: half the loss
# hint: The discriminator's loss is halved. In the chapter the two averages are added: 2 log 2 for one that only guesses.
#- loss_d = F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean()
#+ loss_d = 0.5 * (F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean())

# %% wrong: the rates are exchanged
# hint: The generator moves with the discriminator's learning rate. Each player has its own.
#- move(G, loss_g, LR_G)
#+ move(G, loss_g, LR_D)

# %% wrong: old noise for the generator
# hint: The generator's move uses the noise of the discriminator's last move. It has noise of its own.
#- loss_g = F.softplus(-D(G(z))).mean()
#+ loss_g = F.softplus(-D(G(noise))).mean()

# %% wrong: the generator moves with each batch
# hint: The generator moves after each move of the discriminator. In a round it moves once, after the last of them.
#-         loss_g = F.softplus(-D(G(z))).mean()
#-         move(G, loss_g, LR_G)
#+             loss_of_g = F.softplus(-D(G(z))).mean()
#+             move(G, loss_of_g, LR_G)

# %% wrong: mean of the logit
# hint: The generator raises the mean of the logit itself, as in a Wasserstein game. In this game it raises log D.
#- loss_g = F.softplus(-D(G(z))).mean()
#+ loss_g = -D(G(z)).mean()

# %% wrong: summed over the batch
# hint: A loss is summed over the batch where it should be averaged: the step then grows with the number of points.
#- F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean()
#+ F.softplus(-D(real)).sum() + F.softplus(D(fake)).sum()

# %% wrong: labels and generator turned together
# hint: You turned the generator over to fit a discriminator whose labels are the wrong way round. The game is the same, but D then calls
#   draws real: a large logit should say real.
# alone
#-             loss_d = F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean()
#+             loss_d = F.softplus(D(real)).mean() + F.softplus(-D(fake)).mean()
#-         loss_g = F.softplus(-D(G(z))).mean()
#+         loss_g = F.softplus(D(G(z))).mean()

# %% wrong: both rates exchanged
# hint: The learning rates are exchanged: `LR_D` is for the discriminator, `LR_G` for the generator.
# alone
#-             move(D, loss_d, LR_D)
#+             move(D, loss_d, LR_G)
#-         move(G, loss_g, LR_G)
#+         move(G, loss_g, LR_D)

# %% wrong: the generator first
# hint: The generator moves before the discriminator. In a round D makes its moves first, and G answers the discriminator as it is then.
def play(G, D, rounds):
    """Plays the game; returns all weights of G, then of D, (weights,)."""
    for batches, z in rounds:
        loss_g = F.softplus(-D(G(z))).mean()
        move(G, loss_g, LR_G)
        for real, noise in batches:
            fake = G(noise).detach()
            loss_d = F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean()
            move(D, loss_d, LR_D)
    return torch.cat([p.detach().flatten() for net in (G, D) for p in net.parameters()])

def move(net, loss, lr):
    """One step of gradient descent of the weights of one network."""
    weights = list(net.parameters())
    slopes = torch.autograd.grad(loss, weights)
    with torch.no_grad():
        for p, slope in zip(weights, slopes):
            p -= lr * slope

# %% wrong: both losses summed
# hint: Both losses are summed over the batch. They are averages: the steps would grow with the number of points.
# alone
#-             loss_d = F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean()
#+             loss_d = F.softplus(-D(real)).sum() + F.softplus(D(fake)).sum()
#-         loss_g = F.softplus(-D(G(z))).mean()
#+         loss_g = F.softplus(-D(G(z))).sum()

# %% wrong: real points called fake
# hint: The discriminator's loss is small where it calls *both* fake: the sign at the real points is turned. They want a large logit.
# alone
#-             loss_d = F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean()
#+             loss_d = F.softplus(D(real)).mean() + F.softplus(D(fake)).mean()

# %% wrong: draws called real
# hint: The discriminator's loss is small where it calls *both* real: the sign at the drawn points is turned. They want a small logit.
# alone
#-             loss_d = F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean()
#+             loss_d = F.softplus(-D(real)).mean() + F.softplus(-D(fake)).mean()

# %% wrong: the generator's noise for the discriminator
# hint: The discriminator's moves use the noise `z` of the generator. Each of them has noise of its own, the second of its pair.
# alone
#-             fake = G(noise).detach()
#+             fake = G(z).detach()

# %% wrong: one move of the discriminator
# hint: The discriminator makes one move in a round. It makes one for each pair in `batches`.
# alone
#-         for real, noise in batches:
#+         for real, noise in batches[:1]:

# %% wrong: the first noise for all moves
# hint: All moves of the discriminator use the noise of the first. Each has fresh noise of its own, the second of its pair.
# alone
#-             fake = G(noise).detach()
#+             fake = G(batches[0][1]).detach()

# %% wrong: up the slope
# hint: `move` goes up the slope: both players raise their losses. A step of gradient descent takes the slope off.
# alone
#-             p -= lr * slope
#+             p += lr * slope

# %% wrong: the loss of the mean logit
# hint: You average the logits before the loss. Each point has a loss of its own; the average comes last.
# alone
#-             loss_d = F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean()
#+             loss_d = F.softplus(-D(real).mean()) + F.softplus(D(fake).mean())

# %% wrong: the losses of a Wasserstein game
# hint: Both losses are those of a Wasserstein game, means of the logits themselves. In the chapter's game a logit enters through the
#   softplus: −log D and −log(1 − D).
# alone
#-             loss_d = F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean()
#+             loss_d = D(fake).mean() - D(real).mean()
#-         loss_g = F.softplus(-D(G(z))).mean()
#+         loss_g = -D(G(z)).mean()

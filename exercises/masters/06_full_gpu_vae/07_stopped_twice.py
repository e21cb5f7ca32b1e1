# title: Stopped twice
# chapter: 06_full_gpu_vae
# goal: find what a checkpoint forgets, when no run crashes and every loss looks right
# kind: mend
# minutes: 20
# points: 3
# difficulty: 3
# passage: Stop, and go on
# answer: train
# returns: anything
# plant: 2
# tolerance: 1e-5

# %% statement
r"""
`train(images, steps)` makes some steps and returns the weights and a checkpoint; `train(images, steps, saved)` goes on from such a checkpoint. Each step takes the next
{{BATCH}} images of a shuffled order, binarises them anew, and moves the weights by gradient descent with momentum; the rate rises over the first {{RISE}} steps. Each
epoch has an order of its own.

Wherever a run is stopped, and however often, it must end at the weights of the run that was never stopped, from the same draws. A checkpoint can be used again: two runs that go on from it
end alike.

The whole run is right. Going on has **two faults**. Mend them. `images` is `(n, pixels)` with values in $[0, 1]$, where $n$ is a multiple of {{BATCH}}; what stands in a checkpoint is up to you.
"""

# %% draws
def draws(rng):
    return {"BATCH": rng.choice([2, 3]), "RATE": rng.choice([0.3, 0.4, 0.5]), "RISE": rng.choice([9, 10, 11]), "SEED": rng.integer(1, 999)}

# %% given
import torch

# %% solution
def train(images, steps, saved=None):
    """Makes `steps` steps, from the start or from a checkpoint; returns the weights and a checkpoint."""
    chance = torch.Generator().manual_seed(SEED)
    w, m, done = torch.zeros(images.shape[1]), torch.zeros(images.shape[1]), 0
    order = torch.randperm(len(images), generator=chance)
    if saved is not None:
        w, m, done = saved["w"].clone(), saved["m"].clone(), saved["done"]
        order = saved["order"]
        chance.set_state(saved["chance"])
    for step in range(done, done + steps):
        at = step * BATCH % len(images)
        if at == 0 and step > 0:
            order = torch.randperm(len(images), generator=chance)
        batch = images[order[at:at + BATCH]]
        x = torch.bernoulli(batch, generator=chance)
        m.mul_(0.9).add_(w - x.mean(0))
        w.sub_(RATE * min(1, (step + 1) / RISE) * m)
    return w.clone(), {"w": w, "m": m, "done": done + steps, "order": order, "chance": chance.get_state()}

# %% inputs
def inputs(rng):
    epoch, first = 4, rng.integer(5, 6)  # the second stop falls on the end of an epoch, the others do not
    return {"images": rng.uniform(0.1, 0.9, epoch * BATCH, 5), "stops": [first, 2 * epoch - first, epoch + rng.integer(1, 2)]}

# %% probe
def probe(answer, images, stops):
    def ran(*args):
        found = answer(images, *args)
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            raise Problem("type", "`train` should return two things: the weights and a checkpoint.")
        if not isinstance(found[0], torch.Tensor) or found[1] is None:
            raise Problem("type", "`train` should return the weights as a tensor, and then a checkpoint.")
        return found[0].clone(), found[1]

    first, second, third = stops
    whole, _ = ran(sum(stops))
    early, saved = ran(first)
    later, again = ran(second, saved)
    return {"weights_of_the_whole_run": whole, "weights_at_the_first_stop": early, "weights_at_the_second_stop": later,
            "weights_at_the_end": ran(third, again)[0], "weights_of_a_second_run_from_the_first_stop": ran(second + third, saved)[0],
            "weights_after_no_step_more": ran(0, again)[0]}

# %% laws
def laws(seen, images, stops):
    def never_stopped(steps):
        chance = torch.Generator().manual_seed(SEED)
        order, w, m = torch.randperm(len(images), generator=chance), torch.zeros(5), torch.zeros(5)
        for step in range(steps):
            at = step * BATCH % len(images)
            if at == 0 and step > 0:
                order = torch.randperm(len(images), generator=chance)
            m = 0.9 * m + w - torch.bernoulli(images[order[at:at + BATCH]], generator=chance).mean(0)
            w = w - RATE * min(1, (step + 1) / RISE) * m
        return w

    def same(part, steps):
        return (seen[part] - never_stopped(steps)).abs().max() < 1e-3

    whole = same("weights_of_the_whole_run", sum(stops)) and same("weights_at_the_first_stop", stops[0])
    yield whole, "the run that is never stopped is right", \
        "The run that is never stopped was right, and you changed it: its order, its draws, its rate or its steps are others now. Mend only what happens at a stop."
    later = same("weights_at_the_second_stop", sum(stops[:2]))
    yield later or not whole, "a run that goes on makes the same steps", \
        "After the first stop, in the middle of an epoch, the run goes another way. Go through what a step needs: the weights, the momentum, how many steps were " \
        "made, the order and the place in it, the state of the generator. Each must be saved *as it is at the stop*, and put back."
    end = same("weights_at_the_end", sum(stops))
    yield end or not (whole and later), "a run that was stopped twice ends where the whole run ends", \
        "The run is right up to the second stop, which falls on the end of an epoch. Does a new order begin there, and has the second checkpoint all that the first one had?"
    yield same("weights_of_a_second_run_from_the_first_stop", sum(stops)) or not (whole and later and end), "a checkpoint can be used a second time", \
        "The first run from a checkpoint is right, and a second one is not: going on changed something that the checkpoint holds. Copy what you put back."
    yield (seen["weights_after_no_step_more"] - seen["weights_at_the_second_stop"]).abs().max() < 1e-4, "no step more changes nothing"

# %% right: a checkpoint of bytes
import io

def train(images, steps, saved=None):
    chance = torch.Generator()
    if saved is None:
        chance.manual_seed(SEED)
        w = torch.zeros(images.shape[1])
        state = {"w": w, "m": torch.zeros_like(w), "step": 0, "queue": torch.randperm(len(images), generator=chance).tolist()}
    else:
        state = torch.load(io.BytesIO(saved))
        chance.set_state(state["chance"])
    for _ in range(steps):
        if not state["queue"]:
            state["queue"] = torch.randperm(len(images), generator=chance).tolist()
        now, state["queue"] = state["queue"][:BATCH], state["queue"][BATCH:]
        x = torch.bernoulli(images[now], generator=chance)
        state["step"] += 1
        state["m"] = 0.9 * state["m"] + state["w"] - x.sum(0) / len(now)
        state["w"] = state["w"] - RATE * (1 if state["step"] > RISE else state["step"] / RISE) * state["m"]
    file = io.BytesIO()
    torch.save(state | {"chance": chance.get_state()}, file)
    return state["w"], file.getvalue()

# %% right: with torch's optimiser, and copies of all that it holds
import copy

def train(images, steps, saved=None):
    chance, w = torch.Generator().manual_seed(SEED), torch.nn.Parameter(torch.zeros(images.shape[1]))
    sgd = torch.optim.SGD([w], lr=RATE, momentum=0.9)
    rate = torch.optim.lr_scheduler.LambdaLR(sgd, lambda k: min(1.0, (k + 1) / RISE))
    count, order = 0, torch.randperm(len(images), generator=chance)
    if saved:
        with torch.no_grad():
            w.copy_(saved[0])
        sgd.load_state_dict(copy.deepcopy(saved[1]))
        rate.load_state_dict(saved[2])
        count, order = saved[3], saved[4]
        chance.set_state(saved[5])
    for _ in range(steps):
        place = count % (len(images) // BATCH)
        if count and not place:
            order = torch.randperm(len(images), generator=chance)
        x = torch.bernoulli(images[order.view(-1, BATCH)[place]], generator=chance)
        sgd.zero_grad()
        (0.5 * (w - x).square().sum(1).mean()).backward()
        sgd.step()
        rate.step()
        count += 1
    held = copy.deepcopy((w.detach(), sgd.state_dict(), rate.state_dict(), count, order))
    return w.detach().clone(), (*held, chance.get_state())

# %% wrong: the momentum starts anew
# hint: A run that goes on begins with a momentum of zero, so that its first steps are too short. Save the momentum of the stop, and put it back.
#- saved["m"].clone()
#+ torch.zeros_like(saved["m"])

# %% wrong: the chance starts anew
# hint: A run that goes on draws numbers again that were drawn before: it does not go on with the state that the generator had at the stop.
#- chance.set_state(saved["chance"])
#+ chance.set_state(chance.get_state())

# %% wrong: the chance of the beginning is saved
# hint: The checkpoint holds the state that the generator had at the beginning of the run. Keep the state at its end.
#- "chance": chance.get_state()
#+ "chance": torch.Generator().manual_seed(SEED).get_state()

# %% wrong: the order is drawn anew
# hint: In the middle of an epoch a run that goes on takes another order of the images: some are then seen twice, others never.
#- order = saved["order"]
#+ order = torch.randperm(len(images), generator=torch.Generator().manual_seed(SEED + 1))

# %% wrong: the epoch starts anew
# hint: A run that goes on begins at the first image of the order, as if a new epoch began. It stopped in the middle of one.
#- at = step * BATCH % len(images)
#+ at = (step - done) * BATCH % len(images)

# %% wrong: the warm-up starts anew
# hint: A run that goes on warms up again: its rate counts the steps since the stop, and not those since the start.
#- min(1, (step + 1) / RISE)
#+ min(1, (step + 1 - done) / RISE)

# %% wrong: the count of steps forgets the earlier part
# hint: After a second stop the count is wrong: the checkpoint holds the steps of the last part alone.
#- "done": done + steps
#+ "done": steps

# %% wrong: the weights of the file are changed
# hint: Going on changes the checkpoint: the run works on the very tensor of weights that it holds. The first run from it is right, a second one is not.
#- saved["w"].clone()
#+ saved["w"]

# %% wrong: the momentum of the file is changed
# hint: Going on changes the momentum inside the checkpoint, since the run works on that very tensor. A second run from the same checkpoint starts
#   with another one.
#- saved["m"].clone(), saved
#+ saved["m"], saved

# %% wrong: no new order after a stop
# hint: A run that goes on at the end of an epoch keeps the old order for one more. Only the very first step of all needs no new one.
# alone
#- step > 0
#+ step > done

# %% wrong: the order drawn once more
# hint: A run that goes on draws an order at once and does not read the one that it had at the stop: the rest of the epoch sees other images.
# alone
#- order = saved["order"]
#+ order = torch.randperm(len(images), generator=chance)

# %% wrong: the epoch starts anew in the old order
# hint: A run that goes on takes the order of the stop, and begins it again from the first image. It was in the middle.
# alone
#- at = step * BATCH % len(images)
#+ at = (step - done) * BATCH % len(images)
#- step > 0
#+ step > done

# %% wrong: the number of steps taken for the total
# hint: You take `steps` for the number at which to end. It says how many more steps to make.
# alone
#- range(done, done + steps)
#+ range(done, steps)
#- "done": done + steps
#+ "done": max(done, steps)

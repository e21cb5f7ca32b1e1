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

# %% why
r"""
List what the next step depends on: the weights; the momentum; the number of the step, which gives the rate and the place in the epoch; the order of
*this* epoch; and the state of the random numbers, from which the next bits and the next order come. A checkpoint holds all five. And it must still
hold them after it was used. A tensor that a run changes in place is therefore copied when it is taken out of the checkpoint: a copy made at saving
alone would be changed by the first run from there, and the second would begin at the weights where that one ended. Of the generator the state is
kept, for the generator itself moves on with each draw.

The loss looks right with any of these faults. What finds them is a comparison of weights, bit for bit, with the run that was not stopped: stopped
at *each* step in turn, the edge of an epoch and the rise of the rate among them, stopped twice, and gone on from one checkpoint twice.
"""

# %% inputs
def inputs(rng):
    epoch, into = 4, rng.integer(1, 2)  # the first stop is in the middle of an epoch, the second at the end of one
    return {"images": rng.uniform(0.1, 0.9, epoch * BATCH, 7), "stops": [epoch + into, epoch - into, epoch + rng.integer(1, 2)]}

# %% probe
def probe(answer, images, stops):
    def ran(*args, of=images):
        found = answer(of.clone(), *args)
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            raise Problem("type", "`train` should return two things: the weights and a checkpoint.")
        if not isinstance(found[0], torch.Tensor) or found[1] is None:
            raise Problem("type", "`train` should return the weights as a tensor, and then a checkpoint.")
        return found[0].clone(), found[1]

    first, second, third = stops
    whole, _ = ran(sum(stops))
    early, saved = ran(first)
    later, again = ran(second, saved)
    one = {}
    for words, of in (("", images), ("_with_black_and_white_images", (images > 0.5).float())):  # those leave nothing to chance
        one["one_step_after_the_first_stop" + words] = ran(1, ran(first, of=of)[1], of=of)[0]
        begun = ran(first, of=of)[1]
        one["one_step_after_the_second_stop" + words] = ran(1, ran(second, begun, of=of)[1], of=of)[0]
        one["one_step_of_a_second_run" + words] = ran(1, begun, of=of)[0]
    return {"weights_of_the_whole_run": whole, "weights_at_the_first_stop": early, "weights_at_the_second_stop": later,
            "weights_at_the_end": ran(third, again)[0], "weights_of_a_second_run_from_the_first_stop": ran(second + third, saved)[0],
            "weights_after_no_step_more": ran(0, again)[0], **one}

# %% laws
def laws(seen, images, stops):
    def path(images, steps):  # weights and momentum before each step of the whole run, and after the last
        chance, w, m = torch.Generator().manual_seed(SEED), torch.zeros(images.shape[1]), torch.zeros(images.shape[1])
        found = [(w, m)]
        for step in range(steps):
            if step * BATCH % len(images) == 0:
                order = torch.randperm(len(images), generator=chance)
            m = 0.9 * m + w - torch.bernoulli(images[order[step * BATCH % len(images):][:BATCH]], generator=chance).mean(0)
            w = w - RATE * min(1, (step + 1) / RISE) * m
            found.append((w, m))
        return found

    first, second, third = stops
    plain, clear = path(images, sum(stops)), path((images > 0.5).float(), first + second + 1)
    near = lambda one, other: (one - other).abs().max() < 1e-4
    words = "_with_black_and_white_images"

    def blame(name, at, other_images):  # what the first step after a stop has wrong
        (w, m), got = clear[at], seen[name + words]
        if near(got, clear[at + 1][0]):
            return "The first step after a stop takes the right images and draws other numbers for them: the generator goes on from the " \
                "state that it had at the stop, after the last step."
        if near(got, w):
            return "A run that goes on for one step changes nothing: `steps` counts the steps to make now, and not those since the start."
        for start, rate in [(m, at + 1)] + [(m, k) for k in range(1, RISE + 1)] + [(torch.zeros_like(m), at + 1)]:
            mean = BATCH * (0.9 * start + w - (w - got) / (RATE * min(1, rate / RISE)))  # the batch that this step would have seen
            if (mean - mean.round()).abs().max() < 0.01 and mean.min() > -0.1 and mean.max() < BATCH + 0.1:
                return "A run that goes on begins with a momentum of zero. It goes on with the momentum that it had at the stop." \
                    if start is not m else other_images if min(rate, RISE) == min(at + 1, RISE) else \
                    f"The step after {at} steps has the rate of step {rate}: the count goes on from the start, over all stops."
        return "The first step after a stop goes elsewhere, and not for its images alone: look at the weights, the momentum and the " \
            "count of steps, each as it was at the stop."

    yield near(seen["weights_of_the_whole_run"], plain[-1][0]), "the run that was never stopped stays as it was", \
        "The run that was never stopped was right: you changed it."
    begins = near(seen["one_step_after_the_first_stop"], plain[first + 1][0])
    yield begins, "a run that stopped in the middle of an epoch takes the right next step", blame("one_step_after_the_first_stop", first,
        "The first step after a stop in the middle of an epoch takes other images than the whole run: it goes on in the order of that "
        "epoch, at the place where it stopped.")
    edge = near(seen["one_step_after_the_second_stop"], plain[first + second + 1][0])
    yield edge, "a run that stopped at the end of an epoch takes the right next step", \
        ("After the first stop all is right, and after the second, at the end of an epoch, it is not. " if begins else "") + \
        blame("one_step_after_the_second_stop", first + second, "The step after it belongs to a new epoch, with a new order.")
    again = near(seen["one_step_of_a_second_run"], plain[first + 1][0])
    kept = near(seen["one_step_of_a_second_run" + words], clear[first + 1][0])
    yield again and near(seen["weights_of_a_second_run_from_the_first_stop"], plain[-1][0]), "a checkpoint can be used a second time", \
        "" if not begins else "The first run from a checkpoint is right, and a second one from the same begins elsewhere: going on " \
        "changes what the checkpoint holds. " + \
        ("A generator moves on with each draw: keep its state." if kept else "Copy its tensors when you take them out.")
    yield near(seen["weights_at_the_end"], plain[-1][0]), "a run that was stopped twice ends where the whole run ends", \
        "The first step after each stop is right, and a later one is not: what does a step leave for the next one, and for the next " \
            "epoch?" if begins and edge else ""
    yield near(seen["weights_after_no_step_more"], seen["weights_at_the_second_stop"]), "no step more changes nothing"

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
# hint: A run that goes on begins with a momentum of zero: it is not taken from the checkpoint, or was not yet there when it was saved.
#- saved["m"].clone()
#+ torch.zeros_like(saved["m"])

# %% wrong: the chance starts anew
# hint: A run that goes on draws the numbers of the beginning again: the state of the generator is not put back, or was saved before the
#   loop.
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

# %% wrong: the order of the first epoch
# hint: A run that goes on has the order of the first epoch: the order is not taken from the checkpoint, or was saved before the loop.
#- order = saved["order"]
#+ pass

# %% wrong: no new order after a stop at the end of an epoch
# hint: A stop at the end of an epoch: the run that goes on from there keeps the old order. With its first step a new epoch begins.
#- if at == 0 and step > 0:
#+ if at == 0 and step > done:

# %% wrong: the generator itself is saved
# hint: The checkpoint holds the generator itself, or one that goes on being used. It moves on with each draw, so a second run from there
#   draws other numbers: keep its state.
#- chance.set_state(saved["chance"])
#+ chance = saved["chance"]
#- "chance": chance.get_state()
#+ "chance": chance

# %% wrong: the epoch starts anew
# hint: A run that goes on begins at the first image of the order, as if a new epoch began. It stopped in the middle of one.
#- at = step * BATCH % len(images)
#+ at = (step - done) * BATCH % len(images)

# %% wrong: the epoch starts anew in the old order
# hint: A run that goes on begins at the first image of its order, and draws no new order for it: it should go on at the place in the epoch
#   where it stopped.
# alone
#- at = step * BATCH % len(images)
#+ at = (step - done) * BATCH % len(images)
#- if at == 0 and step > 0:
#+ if at == 0 and step > done:

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

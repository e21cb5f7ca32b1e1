"""Laws of the two feature networks: what they give, what they refuse, what they learned; and their provenance."""

import pytest
import torch

from vae_lib import data, features, pretrained, quality, training

with torch.random.fork_rng():
    torch.manual_seed(0)
    NETWORKS = [features.Classes(d=5, width=2), features.Patches(d=5, hidden=6)]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
def test_features_have_the_promised_shape_whatever_the_batches(network):
    x = torch.rand(7, 1, 28, 28)
    found = features.of(network, x, batch_size=3)
    assert found.shape == (7, 5) and network.d == 5
    torch.testing.assert_close(found, network(x).detach())


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
@pytest.mark.parametrize(("x", "error", "words"), [
    (torch.zeros(2, 784), ValueError, "reshape"), (255 * torch.ones(2, 1, 28, 28), ValueError, "divide uint8"),
    (torch.zeros(2, 1, 28, 28, dtype=torch.uint8), TypeError, "as_float"),
    (torch.zeros(0, 1, 28, 28), ValueError, "empty"), (-torch.ones(2, 1, 28, 28), ValueError, "normalisation"),
])
def test_what_is_no_image_is_refused(network, x, error, words):
    with pytest.raises(error, match=words):
        network(x)


def test_an_unknown_network_is_an_error_that_names_both():
    with pytest.raises(ValueError, match="features-classes, features-patches"):
        features.load("inception")


def test_labels_travel_with_their_images(tiny_data):
    found = data.load("mnist")
    x = data.labelled(found, first=10)
    assert x.dtype == torch.uint8 and x.shape == (300, 2, 28, 28)
    for seen in (data.labelled_floats(x), data.labelled_binarized(x), features.half_drawn(x)):
        assert torch.equal(seen[:, 1, 3, 4].long() - 10, found.labels)
        assert seen[:, 0].min() >= 0 and seen[:, 0].max() <= 1
    assert torch.equal(data.labelled_floats(x)[:, :1], found.floats())
    drawn = features.half_drawn(x)[:, 0]
    assert set(drawn[::2].unique().tolist()) == {0, 1} and torch.equal(drawn[1::2], found.floats()[1::2, 0])


def test_training_images_are_both_sets_with_twenty_classes(tiny_data):
    x = features.training_images("train")
    assert len(x) == 600 and set(x[:, 1].unique().tolist()) == set(range(20))
    assert len(features.validation_images()) == 200


def test_the_scale_makes_the_variance_within_a_set_one():
    network = features.Classes(d=5, width=2)
    sets = [torch.rand(50, 1, 28, 28), torch.rand(60, 1, 28, 28).round()]
    network.standardise(sets)
    variance = torch.stack([features.of(network, x).var(0).mean() for x in sets]).mean().item()
    assert variance == pytest.approx(1, rel=1e-4)  # float32


def test_the_way_back_uses_the_weights_of_the_way_in():
    network = features.Patches(d=5, hidden=6)
    shapes = {name: tuple(value.shape) for name, value in network.named_parameters()}
    assert shapes == {"body.1.weight": (6, 784), "body.1.bias": (6,), "body.3.weight": (5, 6), "body.3.bias": (5,),
                      "back.0": (6,), "back.1": (784,)}
    assert network.fill_in(torch.rand(3, 1, 28, 28)).shape == (3, 784)


@pytest.mark.parametrize("kind", features.KINDS)
def test_training_lowers_the_loss(kind, tiny_data):
    network = features.KINDS[kind](d=16)
    x = features.training_images("train")
    history = training.fit(network, x, epochs=6, batch_size=50, lr=3e-3, draw=features.half_drawn, loss=features.loss,
                           validation=features.validation_images(), progress=False)
    assert history[-1]["validation"] < 0.97 * history[0]["validation"]


@pytest.mark.parametrize("name", features.NAMES)
def test_a_recipe_writes_half_precision_and_reads_what_it_scored(name, tiny_data, tmp_path):
    network, notes = pretrained.train(name, tmp_path, device="cpu", epochs=1, progress=False)
    again = pretrained.load(name, tmp_path)
    x = torch.rand(4, 1, 28, 28)
    # the scale alone is rounded after the other weights: 2^-11 of it
    torch.testing.assert_close(again(x), network(x), rtol=1e-3, atol=1e-4)
    assert all(value.dtype == torch.float32 for value in again.state_dict().values())
    assert (name == "features-classes") == ("test_accuracy_percent" in notes)


# The committed ones

@pytest.mark.parametrize("name", features.NAMES)
def test_the_committed_features_tell_real_images_from_shuffled_ones(name):
    """The distance of real from real is far below that to images that share every pixel's distribution."""
    network, x = features.load(name), data.static_binarized("mnist")[:4000]
    columns = torch.stack([torch.randperm(2000) for _ in range(784)], 1)
    shuffled = x[2000:].flatten(1).gather(0, columns).view(-1, 1, 28, 28)  # every pixel from another image
    real, other, wrong = (features.of(network, part) for part in (x[:2000], x[2000:], shuffled))
    assert quality.frechet_distance(real, wrong) > 20 * quality.frechet_distance(real, other)


def test_the_committed_classifier_names_what_its_provenance_says():
    network, said = features.load("features-classes"), pretrained.provenance("features-classes")
    for name in data.SETS:
        test = data.load(name, "test")
        right = (network.classify(test.floats(), name).argmax(1) == test.labels).double().mean().item()
        # another processor may round a tie differently: 5 of 10,000 images
        assert 100 * right == pytest.approx(said["test_accuracy_percent"][f"{name}, grey"], abs=0.05)
    with pytest.raises(ValueError, match="mnist"):
        network.classify(test.floats()[:2], "digits")


def test_the_two_networks_differ_in_architecture_and_objective():
    kinds = [{type(layer) for layer in features.load(name).modules()} for name in features.NAMES]
    assert torch.nn.Conv2d in kinds[0] and torch.nn.Conv2d not in kinds[1]
    assert features.Classes.score != features.Patches.score

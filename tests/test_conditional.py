"""Laws of the conditional VAE: for every label it is a VAE, and the label reaches both networks."""

import pytest
import torch

from vae_lib import conditional, data, objectives, pretrained, training
from vae_lib.conditional import ConditionalVAE


def model(seed=0):
    torch.manual_seed(seed)
    return ConditionalVAE.mlp(z_dim=3, hidden=(16,), x_shape=(1, 8, 8), classes=4)


def test_a_batch_of_labels_is_the_labels_one_by_one():
    cvae, y = model(), torch.tensor([0, 3, 3, 1])
    x, z = torch.rand(4, 1, 8, 8).round(), torch.randn(5, 4, 3)
    mu, logvar = cvae.given(y).encode(x)
    params = cvae.given(y).decode(z)
    assert mu.shape == logvar.shape == (4, 3) and params.shape == (5, 4, 1, 8, 8)
    for i, label in enumerate(y):
        one = cvae.given(label[None])
        torch.testing.assert_close(one.encode(x[i:i + 1])[0][0], mu[i])
        torch.testing.assert_close(one.decode(z[:, i:i + 1])[:, 0], params[:, i])


def test_the_label_reaches_encoder_and_decoder():
    cvae, x, z = model(), torch.rand(1, 1, 8, 8).round(), torch.randn(1, 3)
    one, other = cvae.given(torch.tensor([1])), cvae.given(torch.tensor([2]))
    assert not torch.allclose(one.encode(x)[0], other.encode(x)[0])
    assert not torch.allclose(one.decode(z), other.decode(z))


def test_given_a_label_it_is_a_vae_with_the_same_bound():
    cvae, y, x = model(), torch.tensor([2, 0, 1]), torch.rand(3, 1, 8, 8).round()
    vae = cvae.given(y)
    torch.manual_seed(0)
    terms = vae.elbo(x)
    torch.manual_seed(0)
    packed = torch.cat([x, y.float().view(3, 1, 1, 1).expand_as(x)], 1)
    torch.testing.assert_close(conditional.negative_elbo(cvae, packed), -terms.elbo)
    torch.testing.assert_close(terms.kl, objectives.gaussian_kl(*vae.encode(x)))
    assert (vae.log_prob(x, k=2000) > terms.elbo - 1).all() and vae.reconstruct(x).shape == x.shape
    assert vae.sample(3, means=True, temperature=0.0).shape == x.shape
    assert set(vae.sample(3).unique().tolist()) <= {0, 1}


def test_it_learns_what_the_label_tells():
    """Two classes of one image each: the label tells all, so that the KL falls to zero and the image is certain."""
    images = torch.stack([torch.zeros(1, 8, 8), torch.ones(1, 8, 8)]).repeat(50, 1, 1, 1)
    y = torch.tensor([0.0, 1.0]).repeat(50).view(-1, 1, 1, 1)
    cvae = model()
    training.fit(cvae, torch.cat([images, y.expand_as(images)], 1), epochs=60, lr=1e-2, batch_size=50, progress=False,
                 loss=conditional.negative_elbo, draw=lambda x: x)
    terms = cvae.given(torch.tensor([0, 1])).elbo(images[:2])
    assert terms.kl.max() < 0.1 and terms.elbo.min() > -1
    swapped = cvae.given(torch.tensor([1, 0])).elbo(images[:2])
    assert swapped.elbo.max() < -64  # worse than 64 fair coins


@pytest.mark.parametrize(("y", "error", "words"), [
    (torch.tensor([0.0]), TypeError, "integers"), (3, TypeError, "torch.full"),
    (torch.tensor([[1]]), TypeError, r"\(1, 1\)"),
    (torch.tensor([4]), ValueError, "0 to 3, got 4"), (torch.tensor([-1]), ValueError, "got -1"),
])
def test_labels_that_are_none(y, error, words):
    with pytest.raises(error, match=words):
        model().given(y)


def test_as_many_labels_as_images():
    with pytest.raises(ValueError, match="one label for each image"):
        model().given(torch.tensor([1, 2])).encode(torch.zeros(3, 1, 8, 8))


def test_gradients_reach_every_weight_and_the_value_checks_can_be_left_out():
    cvae = model()
    cvae.check_values = False
    vae = cvae.given(torch.tensor([1]))
    assert not vae.check_values
    (-vae.elbo(torch.zeros(1, 1, 8, 8)).elbo).sum().backward()
    assert all(value.grad is not None for value in cvae.parameters())


@pytest.mark.parametrize("name", ["conditional-mnist", "conditional-fashion"])
def test_the_committed_models_score_what_their_provenance_says(name):
    cvae, said = pretrained.load(name), pretrained.provenance(name)["test_negative_elbo"]
    again = conditional.finish(cvae, pretrained.recipe(name)["data"])["test_negative_elbo"]
    assert again == pytest.approx(said, abs=0.02)  # kernels of another processor round the same draws anew


@pytest.mark.parametrize("name", ["conditional-mnist", "conditional-fashion"])
def test_the_committed_models_draw_the_class_they_are_asked_for(name):
    from vae_lib import features

    y, kind = torch.arange(10).repeat_interleave(50), pretrained.recipe(name)["data"]
    x = pretrained.load(name).given(y).sample(500)
    guess = features.load("features-classes").classify(x, kind).argmax(1)
    # chance would be 0.1; shirts and coats of Fashion-MNIST are mistaken for each other in the data too
    assert (guess == y).double().mean() > (0.85 if kind == "mnist" else 0.6)


def test_fixed_images_are_the_static_draw_with_the_labels(tiny_data):
    x = conditional.fixed_images("mnist", "test")
    assert torch.equal(x[:, :1], data.static_binarized("mnist", "test"))
    assert torch.equal(x[:, 1, 0, 0].long(), data.load("mnist", "test").labels)

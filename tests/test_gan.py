"""Laws of the adversarial losses, of their game, and of many networks trained as one."""

import math

import pytest
import torch
import torch.distributions as td
from torch import nn

from vae_lib import gan, modes
from vae_lib.gan import Discriminator, Generator
from vae_lib.many import Many
from vae_lib.networks import ConvDecoder, ConvEncoder, MLPDecoder, MLPEncoder


def plane(hidden=(8, 8)):
    return (Generator(MLPDecoder((2,), 2, hidden, "relu")), Discriminator(MLPEncoder((2,), 2, hidden, "relu")))


# Losses

def by_hand(real, fake):
    """The losses from probabilities, as the papers write them."""
    p, q = torch.sigmoid(real), torch.sigmoid(fake)
    return {"discriminator": -(p.log().mean(-1) + (1 - q).log().mean(-1)), "generator": -q.log().mean(-1),
            "saturating": (1 - q).log().mean(-1), "critic": fake.mean(-1) - real.mean(-1)}


@pytest.mark.parametrize("lead", [(), (3,)])
def test_losses_are_the_formulas_of_the_papers(lead):
    real, fake = 3 * torch.randn(2, *lead, 50, dtype=torch.float64)
    found = {"discriminator": gan.discriminator_loss(real, fake), "generator": gan.generator_loss(fake),
             "saturating": gan.saturating_loss(fake), "critic": gan.critic_loss(real, fake)}
    for name, expected in by_hand(real, fake).items():
        assert found[name].shape == lead
        torch.testing.assert_close(found[name], expected, msg=name)


def test_losses_are_finite_where_the_discriminator_is_sure():
    sure = torch.tensor([1000.0, -1000.0])
    for loss in (gan.discriminator_loss(sure, sure), gan.generator_loss(sure), gan.saturating_loss(sure)):
        assert loss.isfinite()


def test_a_discriminator_that_guesses_loses_two_log_two():
    assert gan.discriminator_loss(torch.zeros(9), torch.zeros(9)).item() == pytest.approx(2 * math.log(2))


def test_the_best_discriminator_measures_the_jensen_shannon_divergence():
    """At D = p / (p + q) the loss is 2 log 2 - 2 JS(p, q), here by quadrature for two Gaussians."""
    grid = torch.linspace(-12, 14, 20001, dtype=torch.float64)
    p, q = (td.Normal(torch.tensor(m, dtype=torch.float64), s).log_prob(grid) for m, s in ((0.0, 1.0), (1.5, 2.0)))
    middle = torch.logaddexp(p, q) - math.log(2)
    step = grid[1] - grid[0]
    js = 0.5 * ((p.exp() * (p - middle)).sum() + (q.exp() * (q - middle)).sum()) * step
    logit = p - q
    loss = ((p.exp() * nn.functional.softplus(-logit)).sum() + (q.exp() * nn.functional.softplus(logit)).sum()) * step
    torch.testing.assert_close(loss, 2 * math.log(2) - 2 * js, atol=1e-9, rtol=0)


def test_only_the_non_saturating_loss_has_a_slope_where_the_discriminator_is_sure():
    slopes = []
    for loss in (gan.generator_loss, gan.saturating_loss):
        logit = torch.tensor([-12.0], requires_grad=True)
        slopes.append(torch.autograd.grad(loss(logit), logit)[0].abs().item())
    assert slopes[0] == pytest.approx(1, abs=1e-4) and slopes[1] == pytest.approx(math.exp(-12), rel=1e-3)


# Gradient penalty

@pytest.mark.parametrize("shape", [(2,), (1, 4, 4)])
def test_the_penalty_of_a_linear_critic_is_exact(shape):
    weight = torch.randn(shape, dtype=torch.float64)
    real, fake = torch.randn(2, 30, *shape, dtype=torch.float64)
    found = gan.gradient_penalty(lambda x: (x * weight).flatten(1).sum(1), real, fake)
    torch.testing.assert_close(found, (weight.norm() - 1).square())


def test_the_penalty_is_taken_between_the_two_points():
    """For f = |x|² / 2 the gradient at x̂ is x̂ itself."""
    real, fake, mix = torch.full((5, 2), 3.0), torch.full((5, 2), -1.0), torch.rand(5)
    at = (mix * 3 - (1 - mix))[:, None].expand(5, 2)
    found = gan.gradient_penalty(lambda x: x.square().sum(-1) / 2, real, fake, mix)
    torch.testing.assert_close(found, (at.norm(dim=1) - 1).square().mean())


def test_the_penalty_trains_the_critic():
    _, critic = plane()
    gan.gradient_penalty(critic, torch.randn(9, 2), torch.randn(9, 2)).backward()
    assert critic.body[0].weight.grad.abs().sum() > 0


def test_the_penalty_wants_equally_many():
    with pytest.raises(ValueError, match=r"real and fake must have one shape, got \(3, 2\) and \(4, 2\)"):
        gan.gradient_penalty(lambda x: x.sum(1), torch.zeros(3, 2), torch.zeros(4, 2))


# Networks

def test_generator_and_discriminator_are_a_vaes_networks():
    encoder, decoder = ConvEncoder(z_dim=3, width=2), ConvDecoder(z_dim=3, width=2)
    count = sum(p.numel() for p in [*encoder.parameters(), *decoder.parameters()])
    generator, discriminator = Generator(decoder, pixels=True), Discriminator(encoder, last=6)
    x = generator.sample(5)
    assert x.shape == (5, 1, 28, 28) and x.min() >= 0 and x.max() <= 1
    assert discriminator(x).shape == (5,)
    ours = sum(p.numel() for p in [*generator.parameters(), *discriminator.parameters()])
    assert ours == count + 7  # six weights and a bias of the output
    assert Discriminator(MLPEncoder(hidden=(4,)))(x).shape == (5,)


# The game

@pytest.mark.parametrize("game", gan.GAMES)
def test_the_game_finds_where_the_points_are(game):
    """A game circles around its solution: the mean of the draws, averaged over the second half, is near the data's."""
    nets, target, means = plane((32,)), torch.tensor([2.0, -1.0]), []
    gan.fit(*nets, lambda: target + 0.5 * torch.randn(64, 2), lambda: torch.randn(64, 2), 2000, game, lr=3e-3,
            every=50, watch=lambda step: means.append(nets[0].sample(500).mean(0)))
    assert (means[0] - target).norm() > 2
    assert (torch.stack(means[20:]).mean(0) - target).norm() < 0.5  # one standard deviation of the data


def test_a_player_learns_from_its_own_loss_alone():
    generator, discriminator = plane()
    before = [p.clone() for p in generator.parameters()]
    gan.fit(generator, discriminator, lambda: torch.randn(8, 2), lambda: torch.randn(8, 2), 4, turns=5)
    assert all(torch.equal(a, b) for a, b in zip(before, generator.parameters(), strict=True))
    gan.fit(generator, discriminator, lambda: torch.randn(8, 2), lambda: torch.randn(8, 2), 5, turns=5)
    assert not all(torch.equal(a, b) for a, b in zip(before, generator.parameters(), strict=True))


def test_the_history_is_watched():
    seen = []
    history = gan.fit(*plane(), lambda: torch.randn(8, 2), lambda: torch.randn(8, 2), 6, every=2, watch=seen.append)
    assert seen == [0, 2, 4, 6] and history["step"] == [2, 4, 6]
    assert len(history["discriminator"]) == len(history["generator"]) == 3 and history["seconds"] > 0


def test_an_unknown_game_is_named():
    with pytest.raises(ValueError, match="game must be one of non-saturating, saturating, wgan-gp, got 'wgan'"):
        gan.fit(*plane(), None, None, 1, "wgan")


# Many networks

def test_many_networks_are_each_of_them():
    nets = [nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)) for _ in range(5)]
    many, x = Many(nets), torch.randn(5, 7, 3)
    torch.testing.assert_close(many(x), torch.stack([net(part) for net, part in zip(nets, x, strict=True)]))
    assert len(many) == 5
    torch.testing.assert_close(many[3](x[3]), nets[3](x[3]))


def test_many_are_trained_as_if_alone():
    """Same start, same batches: after 20 steps of the game each pair is what it is alone, up to float32 rounding."""
    alone = [plane() for _ in range(3)]
    together = [Many(nets) for nets in zip(*alone, strict=True)]
    x, z = torch.randn(20, 3, 16, 2), torch.randn(40, 3, 16, 2)

    def play(nets, pick):
        reals, noises = iter(x), iter(z)
        gan.fit(*nets, lambda: pick(next(reals)), lambda: pick(next(noises)), 20, lr=1e-2)

    play(together, lambda batch: batch)
    for k, pair in enumerate(alone):
        play(pair, lambda batch, k=k: batch[k])
        for one, many in zip(pair, together, strict=True):
            torch.testing.assert_close(one.state_dict(), many[k].state_dict(), atol=1e-4, rtol=1e-3)


def test_draws_inside_of_many_networks_differ():
    class Noise(nn.Linear):
        def forward(self, x):
            return super().forward(x) + torch.randn(4, 1)

    one = Noise(2, 1)
    out = Many([one, one])(torch.zeros(2, 4, 2))
    assert not torch.equal(out[0], out[1])


@pytest.mark.parametrize("nets", [[], [nn.Linear(2, 3), nn.Linear(2, 4)]])
def test_many_wants_networks_of_one_shape(nets):
    with pytest.raises(ValueError, match="all of one shape"):
        Many(nets)


# Modes

def test_ring_and_grid_are_as_published():
    assert modes.ring().means.norm(dim=1).allclose(torch.ones(8).double())
    grid = modes.grid()
    assert len(grid.means) == 25 and grid.means.min() == -4 and grid.means.max() == 4
    assert grid.covariances[7].allclose(0.0025 * torch.eye(2).double())


def test_of_real_points_a_known_share_is_of_high_quality():
    """A point of a round Gaussian lies within 3 σ with probability 1 - exp(-9 / 2), in two dimensions."""
    found = modes.count(modes.grid().sample(20_000), modes.grid())
    expected = 1 - math.exp(-4.5)
    assert found.kept == 25
    assert abs(found.quality - expected) < 4 * math.sqrt(expected * (1 - expected) / 20_000)
    assert found.quality > found.overlap > 0.95 and 0 <= found.kl < 0.01


def test_constructed_points_are_counted_exactly():
    mixture = modes.grid()
    points = torch.cat([mixture.means[[0, 0, 0, 7]], mixture.means[[3]] + 1.0])  # the last lies between modes
    found = modes.count(points.float(), mixture)
    assert found.kept == 2 and found.quality == pytest.approx(0.8)
    assert found.overlap == pytest.approx(0.08)  # 1/25 of each of two modes
    assert found.kl == pytest.approx(0.75 * math.log(0.75 * 25) + 0.25 * math.log(0.25 * 25))


def test_the_limit_of_high_quality_is_three_sigma():
    mixture = modes.ring(k=4, sigma=0.1)
    for away, kept in ((0.299, 1), (0.301, 0)):
        assert modes.count(mixture.means[:1] + torch.tensor([[0.0, away]]), mixture).kept == kept


def test_what_is_not_finite_is_in_no_mode():
    found = modes.count(torch.full((4, 2), math.nan), modes.ring())
    assert (found.kept, found.quality, found.overlap, found.kl) == (0, 0, 0, math.inf)


def test_points_must_lie_on_the_plane():
    with pytest.raises(ValueError, match=r"points must have shape \(n, 2\), got \(5, 3\)"):
        modes.count(torch.zeros(5, 3), modes.grid())

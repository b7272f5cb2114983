"""What MixMatch and its kin share, against numbers by hand and against the distribution that a draw must have."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from leaven.methods import mix
from leaven.methods.losses import entropy, ramp_up, sharpen, squared_error


def test_sharpen_by_hand():
    """(0.5, 0.3, 0.2) at T = ½ is (25, 9, 4) / 38; at T = 1 it stays."""
    p = torch.tensor([[0.5, 0.3, 0.2]])
    np.testing.assert_allclose(sharpen(p, 0.5), [[25 / 38, 9 / 38, 4 / 38]], rtol=1e-5)
    np.testing.assert_allclose(sharpen(p, 1.0), p, rtol=1e-5)
    np.testing.assert_allclose(sharpen(torch.tensor([[0.9, 0.1, 0.0]]), 0.5), [[81 / 82, 1 / 82, 0]], atol=1e-6)


def test_sharpen_and_entropy_of_pixels():
    p = np.random.default_rng(0).dirichlet(np.ones(3), (2, 4, 5))
    maps = torch.from_numpy(np.moveaxis(p, 3, 1).copy())
    power = p**4
    np.testing.assert_allclose(sharpen(maps, 0.25), np.moveaxis(power / power.sum(-1, keepdims=True), 3, 1), rtol=1e-9)
    np.testing.assert_allclose(entropy(maps), -(p * np.log(p)).sum(-1), rtol=1e-9)


def test_entropy_by_hand():
    p = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]], requires_grad=True)
    found = entropy(p)
    np.testing.assert_allclose(found.detach(), [math.log(2), 0, math.log(3)], atol=1e-6)
    found.sum().backward()
    assert p.grad.isfinite().all()


def test_ramp_up_by_hand():
    """exp(-5) at first, exp(-5/4) half way through the rise, 1 from its end on."""
    assert [ramp_up(t, 0.4) for t in (0.0, 0.2, 0.4, 0.9)] == pytest.approx([math.exp(-5), math.exp(-1.25), 1, 1])
    assert ramp_up(0.0, 0.0) == 1


def test_squared_error_is_a_mean_over_items_and_classes():
    """By hand: ((0.25)² + (0.25)² + 0 + 0) / 4, and its gradient flows through both sides."""
    scores = torch.tensor([[0.75, 0.25], [0.5, 0.5]]).log().requires_grad_()
    targets = torch.tensor([[0.5, 0.5], [0.5, 0.5]], requires_grad=True)
    loss = squared_error(scores, targets)
    assert loss.item() == pytest.approx(0.125 / 4)
    loss.backward()
    np.testing.assert_allclose(targets.grad, [[-0.125, 0.125], [0, 0]], atol=1e-6)  # 2 (t - p) / 4
    assert scores.grad.abs().sum() > 0


def mix_up(x: torch.Tensor, y: torch.Tensor, alpha: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Items and labels, mixed as MixMatch does."""
    drawn = mix.mix_up(len(x), alpha, x.device, nearer=True)
    return drawn.images(x), drawn.labels(y)


def mixed(n: int, alpha: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Items that are unit vectors, mixed: λ' of each, its partner, and the labels that came out."""
    torch.manual_seed(seed)
    x, y = mix_up(torch.eye(n), 10 * torch.eye(n)[:, : n // 2] + torch.arange(n)[:, None], alpha)
    x = x.numpy()
    share = x.diagonal().copy()
    rest = x - np.diag(share)
    partner = np.where(rest.max(1) > 0, rest.argmax(1), np.arange(n))
    return share, partner, y.numpy()


def test_an_item_is_mixed_with_one_other_and_stays_the_larger_part():
    """Equations 10 and 11: λ' = max(λ, 1 - λ), so at least ½ of each is itself; labels go along with their items."""
    share, partner, y = mixed(400, 0.75)
    assert (share >= 0.5).all()
    assert share.max() <= 1
    assert sorted(partner) == list(range(400))  # a permutation of the whole batch
    assert (partner != np.arange(400)).sum() > 380
    labels = 10 * np.eye(400)[:, :200] + np.arange(400)[:, None]
    np.testing.assert_allclose(y, share[:, None] * labels + (1 - share[:, None]) * labels[partner], rtol=1e-4)


@pytest.mark.parametrize("alpha", [0.2, 0.75, 4.0])
def test_the_share_follows_beta(alpha):
    """λ' = max(λ, 1 - λ) of λ ~ Beta(α, α), which is symmetric: P(λ' ≤ t) = 2 F(t) - 1. Kolmogorov and Smirnov."""
    share = np.concatenate([mixed(500, alpha, seed)[0] for seed in range(6)])
    share = share[share < 1]  # an item that met itself
    assert len(share) > 2900 or alpha < 0.5
    found = stats.kstest(share, lambda t: np.clip(2 * stats.beta.cdf(t, alpha, alpha) - 1, 0, 1))
    if alpha >= 0.5:  # at 0.2, float32 rounds many shares to 1
        assert found.statistic < 1.95 / math.sqrt(len(share))  # one in a thousand draws has more, and the seed is fixed
    else:
        assert found.statistic < 0.15


def test_every_item_draws_its_own_share():
    share, _, _ = mixed(100, 0.75)
    assert len(np.unique(share.round(6))) > 90


def test_images_are_mixed_whole():
    torch.manual_seed(0)
    x = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 2, 3, 4)
    found, y = mix_up(x, torch.arange(6.0)[:, None], 0.75)
    assert (found == found[:, :1, :1, :1]).all()  # one share an image
    torch.testing.assert_close(found[:, 0, 0, 0], y[:, 0])
    assert (found != x).any()


def test_without_alpha_nothing_is_mixed():
    x, y = torch.rand(5, 3), torch.rand(5, 2)
    found = mix_up(x, y, 0.0)
    assert torch.equal(found[0], x)
    assert torch.equal(found[1], y)

"""Features as they are, and the two offline judges of them, against NumPy and SciPy."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn

from leaven.evaluation.intervals import proportion
from leaven.evaluation.probe import features, linear_probe, neighbours
from leaven.nn.network import Network
from leaven.nn.norm import BatchNorm

MEAN, STD = (0.4, -1.0, 2.0), (0.5, 2.0, 3.0)


def vectors(n: int = 10, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)


def network(*after: nn.Module) -> Network:
    torch.manual_seed(0)
    return Network(nn.Sequential(nn.Linear(3, 4), *after), nn.Linear(4, 2), MEAN, STD)


def by_hand(net: Network, x: np.ndarray) -> np.ndarray:
    weight, bias = (p.detach().double().numpy() for p in net.backbone[0].parameters())
    return (x - np.array(MEAN)) / STD @ weight.T + bias


def test_features_of_vectors_and_of_the_first_view():
    x, net = vectors(), network()
    found = features(net, x)
    assert (found.shape, found.dtype) == ((10, 4), np.float32)
    np.testing.assert_allclose(found, by_hand(net, x), rtol=1e-5, atol=1e-6)
    views = np.stack([x, vectors(seed=1), vectors(seed=2)], 1)  # view 0 is the plain one
    np.testing.assert_array_equal(features(net, views), found)


@pytest.mark.parametrize("flat", [False, True], ids=["maps", "vectors"])
def test_features_of_images(flat):
    """Pixels in 0..1, channels where they belong; of maps the mean over their places."""
    torch.manual_seed(0)
    body = nn.Conv2d(3, 5, 1)
    items = np.random.default_rng(0).integers(0, 256, (7, 4, 6, 3), dtype=np.uint8)
    net = Network(nn.Sequential(body, nn.Flatten()) if flat else body, nn.Identity(), MEAN, STD)
    weight, bias = (p.detach().double().numpy() for p in body.parameters())
    maps = np.einsum("nhwc,kc->nkhw", (items / 255 - MEAN) / STD, weight[..., 0, 0]) + bias[:, None, None]
    expected = maps.reshape(7, -1) if flat else maps.mean((2, 3))
    np.testing.assert_allclose(features(net, items, batch_size=3), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 4, 10, 512])
def test_the_batch_has_no_say(batch_size):
    """Running statistics normalise and nothing is dropped, though the network came from training; it stays in eval."""
    net = network(nn.BatchNorm1d(4, affine=False), nn.Dropout(0.5)).train()
    norm, x = net.backbone[1], vectors()
    norm.running_mean += torch.arange(4)
    norm.running_var *= 3
    before = {name: value.clone() for name, value in net.state_dict().items()}
    expected = (by_hand(net, x) - np.arange(4)) / np.sqrt(3 + norm.eps)
    np.testing.assert_allclose(features(net, x, batch_size=batch_size), expected, rtol=1e-5, atol=1e-6)
    assert not any(module.training for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_the_first_batch_gives_statistics_that_batch_norm_never_kept():
    x, net = vectors(), network(BatchNorm(4))
    found = features(net, x, batch_size=6)
    z = by_hand(net, x)
    expected = (z - z[:6].mean(0)) / np.sqrt(z[:6].var(0, ddof=1) + net.backbone[1].eps)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(features(net, x[::-1], batch_size=3), found[::-1], rtol=1e-5, atol=1e-6)  # they stay
    assert not any(module.training for module in net.modules())


def noisy(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Three classes that overlap, told apart by the direction, in columns of very unlike scale and place."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    x = 1.2 * np.eye(4)[labels] + rng.normal(size=(n, 4))
    return x, labels


def scores(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Of softmax regression, half the squared weights added to the summed cross-entropy, by the mean and spread of
    ``train``.
    """
    mean, std = train.mean(0), train.std(0)
    x = (train - mean) / std

    def loss(flat):
        z = x @ flat[:12].reshape(4, 3) + flat[12:]
        return (np.logaddexp.reduce(z, 1) - z[np.arange(len(x)), labels]).sum() + (flat[:12] ** 2).sum() / 2

    best = minimize(loss, np.zeros(15), tol=1e-9).x
    return (test - mean) / std @ best[:12].reshape(4, 3) + best[12:]


def test_linear_probe_is_a_softmax_regression_on_standardised_features():
    (train, labels), (test, truth) = noisy(20, 0), noisy(1000, 1)  # so few that the penalty counts
    scale, place = np.array([1e-3, 1, 30, 1e3]), np.array([5, 0, -2, 9])
    train, test = train * scale + place, (test + 0.3) * scale + place  # the test items' own mean is another
    right = int((scores(train, labels, test).argmax(1) == truth).sum())
    assert 500 < right < 900
    assert linear_probe(train, labels, test, truth) == proportion(right, 1000)


def test_linear_probe_of_what_a_line_separates():
    labels = np.arange(12) % 2
    train = np.stack([np.where(labels, 1.0, -1.0), np.arange(12.0)], 1)
    assert linear_probe(train, labels, train[:5], labels[:5]) == proportion(5, 5)
    assert linear_probe(train, labels, train[:5], 1 - labels[:5]) == proportion(0, 5)


def vote(train, labels, test, k=20):
    def unit(x):
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    cosine = unit(test) @ unit(train).T
    nearest = np.argsort(-cosine, 1)[:, :k]
    weight = np.exp(np.take_along_axis(cosine, nearest, 1) / 0.07)
    return np.stack([(weight * (labels[nearest] == c)).sum(1) for c in range(3)], 1).argmax(1)


@pytest.mark.parametrize("n", [150, 7], ids=["twenty", "all, where there are fewer"])
def test_neighbours_vote_by_their_angles(n):
    (train, labels), (test, truth) = noisy(n, 2), noisy(400, 3)
    train *= np.random.default_rng(4).uniform(0.1, 10, (n, 1))  # the length has no say
    right = int((vote(train, labels, test) == truth).sum())
    assert 150 < right < 380
    assert neighbours(train, labels, test, truth) == proportion(right, 400)


def test_a_near_neighbour_outweighs_many():
    """exp(1 / 0.07) against five times exp(0.5 / 0.07); at an angle of 25° against 26° it is one against five."""
    test, labels = np.array([[2.0, 0]]), np.array([1, 0, 0, 0, 0, 0])

    def at(own, others):
        angles = np.radians([own, *[others] * 5])
        return np.stack([np.cos(angles), np.sin(angles)], 1)

    assert neighbours(at(0, 60), labels, test, np.array([1])).value == 1
    assert neighbours(at(25, 26), labels, test, np.array([1])).value == 0

"""Algorithm 1. Items are unit vectors, so what the network was shown tells λ' and the partner of every mixed item."""

import numpy as np
import pytest
import torch
from stubs import Linear, batch, cross_entropy, draw, logits, softmax
from torch import Tensor, nn

from leaven.methods.semi.mixmatch import MixMatch
from leaven.nn.network import Network
from leaven.nn.norm import BatchNorm

RNG = np.random.default_rng(0)
L, U, K = 4, 6, 3
N = L + 2 * U
ITEMS = np.eye(N)
LABELS = [0, 2, 1, 2]
SCORES = RNG.normal(size=(N, K)) * 2  # of the unit vectors


class Seen(nn.Module):
    """Linear scores of what it was shown, which it remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(SCORES, dtype=torch.float32))
        self.seen: list[np.ndarray] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach().double().numpy())
        return x @ self.weight


def parts(x: np.ndarray) -> list[np.ndarray]:
    return [x[:L], x[L : L + U], x[L + U :]]


def step(progress: float = 0.5, seed: int = 0, **hyperparameters: float):
    labelled, one, other = parts(ITEMS)
    method = MixMatch(Seen(), **hyperparameters)
    torch.manual_seed(seed)
    drawn = batch(progress, labelled=draw(LABELS, weak=labelled), unlabelled=draw(weak=one, weak_2=other))
    return method(drawn), method.network


def guess(temperature: float) -> np.ndarray:
    """Equations 6 and 7: the mean over the two views first, then the power."""
    _, one, other = parts(SCORES)
    power = ((softmax(one) + softmax(other)) / 2) ** (1 / temperature)
    return power / power.sum(1, keepdims=True)


def targets(temperature: float) -> np.ndarray:
    return np.concatenate([np.eye(K)[LABELS], guess(temperature), guess(temperature)])


def read(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """λ' and the partner of each mixed unit vector."""
    share = np.diag(x)
    rest = x - np.diag(share)
    return share, np.where(rest.max(1) > 1e-9, rest.argmax(1), np.arange(len(x)))


@pytest.mark.parametrize("temperature", [0.5, 0.25])
def test_without_mixing_the_terms_are_those_of_the_guess(temperature):
    terms, network = step(alpha=0.0, temperature=temperature, weight=10.0, warmup=0.0)
    labelled, one, other = parts(SCORES)
    q = guess(temperature)
    squared = np.concatenate([(softmax(one) - q) ** 2, (softmax(other) - q) ** 2]).mean()
    assert terms["labelled"].item() == pytest.approx(cross_entropy(labelled, LABELS).mean(), rel=1e-5)
    assert terms["unlabelled"].item() == pytest.approx(10 * squared, rel=1e-4)
    assert [len(x) for x in network.seen] == [2 * U, N]  # one pass to guess, one to learn
    assert set(terms) == {"labelled", "unlabelled"}


def test_terms_of_mixed_items():
    """Each of X̂ and Û is mixed with one of all of them, and its target with it, by the same λ' (eq. 8 to 11)."""
    crossed = 0
    for seed in range(5):
        terms, network = step(seed=seed, weight=3.0, warmup=0.0)
        share, partner = read(network.seen[1])
        assert (share >= 0.5).all()
        assert sorted(partner) == list(range(N))
        y = targets(0.5)
        y = share[:, None] * y + (1 - share[:, None]) * y[partner]
        z = network.seen[1] @ SCORES
        assert terms["labelled"].item() == pytest.approx(cross_entropy(z[:L], y[:L]).mean(), rel=1e-4)
        assert terms["unlabelled"].item() == pytest.approx(3 * ((softmax(z[L:]) - y[L:]) ** 2).mean(), rel=1e-4)
        crossed += (partner[:L] >= L).sum()
    assert crossed > 5  # labelled items meet unlabelled ones


@pytest.mark.parametrize(("progress", "rise"), [(0.0, 0), (0.1, 0.25), (0.4, 1), (0.8, 1)])
def test_the_weight_rises_linearly(progress, rise):
    full, _ = step(0.9, alpha=0.0)
    terms, _ = step(progress, alpha=0.0)
    assert terms["unlabelled"].item() == pytest.approx(rise * full["unlabelled"].item(), rel=1e-5)
    assert terms["labelled"].item() == pytest.approx(full["labelled"].item())


def test_no_gradient_flows_through_the_guess():
    """Of the scores: 2 / (2U K) · p (d - Σ p d), d = p - q; were the guess not held fast there would be more."""
    terms, network = step(alpha=0.0, weight=1.0, warmup=0.0)
    terms["unlabelled"].backward()
    p = softmax(SCORES[L:])
    d = p - np.concatenate([guess(0.5)] * 2)
    expected = 2 / d.size * p * (d - (p * d).sum(1, keepdims=True))
    np.testing.assert_allclose(network.weight.grad[L:], expected, atol=1e-6)
    assert not network.weight.grad[:L].any()


def test_confident_guesses_become_more_so():
    """(0.8, 0.2) and (0.6, 0.4) average (0.7, 0.3); sharpened at ½ (49, 9) / 58."""
    drawn = batch(
        1.0,
        labelled=draw([0], weak=logits((0.5, 0.5))),
        unlabelled=draw(weak=logits((0.8, 0.2)), weak_2=logits((0.6, 0.4))),
    )
    terms = MixMatch(nn.Identity(), alpha=0.0, weight=1.0)(drawn)
    expected = ((0.8 - 49 / 58) ** 2 + (0.6 - 49 / 58) ** 2) / 2
    assert terms["unlabelled"].item() == pytest.approx(expected, rel=1e-5)


def test_batch_norm_follows_what_is_learnt_from():
    """The pass that guesses leaves no trace in the running statistics."""
    torch.manual_seed(0)
    norm = BatchNorm(3)
    norm.momentum = 0.1
    body = nn.Sequential(Linear(N, 3), norm)
    body.num_features = 3
    network = Network(body, nn.Identity(), (0.0,) * N, (1.0,) * N).train()
    labelled, one, other = parts(ITEMS)
    MixMatch(network, alpha=0.0)(
        batch(labelled=draw(LABELS, weak=labelled), unlabelled=draw(weak=one, weak_2=other * 3))
    )
    x = np.concatenate([labelled, one, other * 3])
    z = x @ body[0].weight.detach().numpy().T + body[0].bias.detach().numpy()
    np.testing.assert_allclose(norm.running_mean, 0.1 * z.mean(0), atol=1e-6)
    assert norm.momentum == 0.1


def test_streams():
    streams = MixMatch(nn.Identity(), ratio=2).streams
    assert [(s.role, s.ratio, s.views) for s in streams.values()] == [
        ("labelled", 1.0, ("weak",)),
        ("unlabelled", 2, ("weak", "weak_2")),
    ]

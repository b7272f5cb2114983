"""Against the Hessian of the divergence, which of a linear softmax model is known: Jᵀ (diag p - p pᵀ) J."""

import numpy as np
import pytest
import torch
from stubs import Linear, batch, cross_entropy, draw, softmax
from torch import Tensor, nn

from leaven.methods.semi.vat import VAT
from leaven.nn.network import Network
from leaven.nn.norm import BatchNorm

MEAN, STD = (0.3, -0.2, 0.0, 1.0), (0.5, 2.0, 1.0, 0.1)
RNG = np.random.default_rng(3)
W, B = RNG.normal(size=(3, 4)), RNG.normal(size=3)
X = RNG.normal(size=(5, 4)) * STD + MEAN
LABELLED = RNG.normal(size=(2, 4)) * STD + MEAN


class Recorded(Network):
    """Remembers what it was shown."""

    def forward(self, x: Tensor) -> Tensor:
        self.__dict__.setdefault("seen", []).append(x.detach().numpy().astype(float))
        return super().forward(x)


def network() -> Recorded:
    body = Linear(4, 3)
    with torch.no_grad():
        body.weight.copy_(torch.from_numpy(W))
        body.bias.copy_(torch.from_numpy(B))
    return Recorded(body, nn.Identity(), MEAN, STD)


def scores(x: np.ndarray) -> np.ndarray:
    return (x - MEAN) / STD @ W.T + B


def divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return (p * np.log(p / q)).sum(1)


def hessians() -> list[np.ndarray]:
    """Of each item's divergence, in standard deviations: Wᵀ F W, for the model is linear in them."""
    return [W.T @ (np.diag(p) - np.outer(p, p)) @ W for p in softmax(scores(X))]


def step(seed: int = 0, progress: float = 1.0, **hyperparameters: float):
    method = VAT(network(), **hyperparameters)
    torch.manual_seed(seed)
    drawn = batch(progress, labelled=draw([0, 2], weak=LABELLED), unlabelled=draw(weak=X))
    return method(drawn), method.network, drawn


def test_the_direction_is_the_top_eigenvector():
    """Many power iterations (eq. 13) find the direction in which the divergence is largest (eq. 10), either way."""
    _, seen, _ = step(iterations=60, radius=0.1, xi=0.003)
    moves = (seen.seen[-1] - X) / STD
    for move, hessian in zip(moves, hessians(), strict=True):
        top = np.linalg.eigh(hessian)[1][:, -1]
        assert abs(move @ top) / np.linalg.norm(move) == pytest.approx(1, abs=2e-3)


def test_one_iteration_multiplies_by_the_hessian():
    """The gradient at ξd is ξ H d (eq. 12)."""
    _, seen, _ = step(seed=7, iterations=1, radius=0.1, xi=1e-3)
    torch.manual_seed(7)
    start = torch.randn(5, 4).double().numpy()
    for move, first, hessian in zip((seen.seen[-1] - X) / STD, start, hessians(), strict=True):
        wanted = hessian @ first
        assert move @ wanted / np.linalg.norm(move) / np.linalg.norm(wanted) == pytest.approx(1, abs=5e-3)


@pytest.mark.parametrize("iterations", [1, 3])
def test_lengths_of_the_steps(iterations):
    """ξ · √D to find the direction, ε · √D to move along it, in standard deviations: of each item by itself."""
    _, seen, _ = step(iterations=iterations, radius=0.25, xi=0.02)
    assert [len(x) for x in seen.seen] == [7] + [5] * (iterations + 2)
    np.testing.assert_allclose(seen.seen[1], X, rtol=1e-6)
    for x in seen.seen[2:-1]:
        np.testing.assert_allclose(np.linalg.norm((x - X) / STD, axis=1), 0.02 * 2, rtol=1e-3)
    np.testing.assert_allclose(np.linalg.norm((seen.seen[-1] - X) / STD, axis=1), 0.25 * 2, rtol=1e-3)


def test_terms_worked_out():
    terms, seen, _ = step(radius=0.5, weight=2.0, entropy_weight=0.3)
    p, q = softmax(scores(X)), softmax(scores(seen.seen[-1]))
    assert terms["labelled"].item() == pytest.approx(cross_entropy(scores(LABELLED), [0, 2]).mean(), rel=1e-5)
    assert terms["smoothness"].item() == pytest.approx(2 * divergence(p, q).mean(), rel=1e-3)
    assert terms["entropy"].item() == pytest.approx(-0.3 * (p * np.log(p)).sum(1).mean(), rel=1e-4)
    assert set(terms) == {"labelled", "smoothness", "entropy"}


@pytest.mark.parametrize(("progress", "rise"), [(0.0, np.exp(-5)), (0.1, np.exp(-1.25)), (0.2, 1), (0.8, 1)])
def test_both_weights_rise(progress, rise):
    """By exp(-5 (1 - t)²) over the first share ``warmup`` of the run; the labelled term stands as it is."""
    full, now = step(warmup=0.2)[0], step(progress=progress, warmup=0.2)[0]
    for name in ("smoothness", "entropy"):
        assert now[name].item() == pytest.approx(rise * full[name].item(), rel=1e-4)
    assert now["labelled"].item() == pytest.approx(full["labelled"].item())


def test_it_is_worse_than_a_random_step():
    """Of the same length, averaged over a hundred random ones."""
    terms, _, _ = step(radius=0.25, iterations=10)
    p = softmax(scores(X))
    rng = np.random.default_rng(0)
    found = []
    for _ in range(100):
        r = rng.normal(size=X.shape)
        r *= 0.5 / np.linalg.norm(r, axis=1, keepdims=True)
        found.append(divergence(p, softmax(scores(X + r * STD))).mean())
    assert terms["smoothness"].item() > 1.5 * np.mean(found)


def test_no_gradient_flows_through_target_or_direction():
    """Of the weights: mean of (q - p) zᵀ, z the moved item, p and the step held fast."""
    terms, seen, _ = step(radius=0.5, weight=1.0)
    terms["smoothness"].backward()
    moved = seen.seen[-1]
    p, q = softmax(scores(X)), softmax(scores(moved))
    expected = (q - p).T @ ((moved - MEAN) / STD) / len(X)
    np.testing.assert_allclose(seen.backbone.weight.grad, expected, atol=1e-5)


def test_the_entropy_is_minimised_through_the_prediction():
    terms, seen, _ = step(entropy_weight=1.0)
    terms["entropy"].backward()
    p = softmax(scores(X))
    h = -(p * np.log(p)).sum(1, keepdims=True)
    expected = (-p * (np.log(p) + h)).T @ ((X - MEAN) / STD) / len(X)
    np.testing.assert_allclose(seen.backbone.weight.grad, expected, atol=1e-5)


def test_the_search_leaves_no_gradient_behind():
    _, seen, _ = step(iterations=3)
    assert all(p.grad is None for p in seen.parameters())


def test_scores_of_every_pixel():
    """A step has ε · √(C H W) over a whole image, and the divergence is a mean over pixels."""
    torch.manual_seed(0)
    body = nn.Conv2d(2, 3, 1)
    body.num_features = 3
    dense = Recorded(body, nn.Identity(), (0.0, 0.0), (1.0, 2.0))
    x = np.random.default_rng(0).normal(size=(2, 2, 3, 3)).astype(np.float32)
    labelled = draw(np.zeros((2, 3, 3), int).tolist(), weak=x)
    terms = VAT(dense, radius=0.3, weight=1.0)(batch(1.0, labelled=labelled, unlabelled=draw(weak=x)))
    move = (dense.seen[-1] - x) / np.array([1, 2]).reshape(1, 2, 1, 1)
    np.testing.assert_allclose(np.sqrt((move**2).sum((1, 2, 3))), 0.3 * np.sqrt(18), rtol=1e-3)
    w, b = body.weight.detach().numpy()[:, :, 0, 0], body.bias.detach().numpy()
    p, q = (softmax(np.moveaxis(z / np.array([1, 2]).reshape(1, 2, 1, 1), 1, 3) @ w.T + b) for z in (x, dense.seen[-1]))
    assert terms["smoothness"].item() == pytest.approx((p * np.log(p / q)).sum(-1).mean(), rel=1e-3)


def normed(momentum: float = 0.1) -> Recorded:
    torch.manual_seed(1)
    norm = BatchNorm(3)
    norm.momentum = momentum
    body = nn.Sequential(Linear(4, 3), norm)
    body.num_features = 3
    return Recorded(body, nn.Identity(), MEAN, STD).train()


def test_batch_norm_follows_the_items_as_they_are():
    """The running mean after a step is a tenth of that of the one pass over labelled and unlabelled items."""
    body = normed()
    VAT(body, iterations=2)(batch(1.0, labelled=draw([0, 2], weak=LABELLED), unlabelled=draw(weak=X)))
    both = (np.concatenate([LABELLED, X]) - MEAN) / STD
    first = body.backbone[0]
    z = both @ first.weight.detach().numpy().T + first.bias.detach().numpy()
    np.testing.assert_allclose(body.backbone[1].running_mean, 0.1 * z.mean(0), atol=1e-5)
    assert body.backbone[1].momentum == 0.1


def test_what_is_not_moved_does_not_change():
    """KL(p(u) ‖ p(u + r)) is 0 at r = 0 (eq. 5), and so has no slope there but the Hessian's (eq. 11): both sides have
    to be normalised by the same batch, also where the labelled items are of another kind.
    """
    body = normed()
    drawn = batch(1.0, labelled=draw([0, 2], weak=LABELLED + 3 * np.array(STD)), unlabelled=draw(weak=X))
    assert VAT(body, radius=0.0)(drawn)["smoothness"].item() == pytest.approx(0, abs=1e-5)


def test_streams():
    streams = VAT(network(), ratio=5).streams
    assert [(s.role, s.ratio, s.views, s.alone) for s in streams.values()] == [
        ("labelled", 1.0, ("weak",), False),
        ("unlabelled", 5, ("weak",), True),  # the search passes these by themselves
    ]

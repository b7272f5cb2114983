import math

import numpy as np
import pytest
import torch
from stubs import Given, batch, cross_entropy, differences, draw, logits, softmax

from leaven.methods.losses import decay_for
from leaven.methods.semi.freematch import FreeMatch, mean_learnt
from leaven.methods.step import RunInfo

LABELLED = draw([0], weak=np.zeros((1, 3)))


def freematch(steps: int, classes: int = 3, **hyper: float) -> FreeMatch:
    method = FreeMatch(Given(), **hyper)
    method.setup(RunInfo(steps=steps, batch_size=4, classes=classes, items=9))
    return method


def test_one_step_by_hand():
    """Two classes, a decay of ½ from ½ each. Confidences 0.9, 0.7, 0.6: mean 2.2 / 3, τ = (0.5 + 2.2 / 3) / 2 = 0.6167.

    Mean guess (2.0, 1.0) / 3, so p̃ = (3.5, 2.5) / 6 and the thresholds are (0.6167, 0.4405). The third item is under
    τ, but over the threshold of its own class: all three count.
    """
    method = freematch(40, classes=2, weight=2.0, fairness=0.0)
    unlabelled = draw(
        weak=logits((0.9, 0.1), (0.7, 0.3), (0.4, 0.6)), strong=logits((0.5, 0.5), (0.25, 0.75), (0.2, 0.8))
    )
    labelled = draw([1], weak=logits((0.75, 0.25)))
    terms = method(batch(labelled=labelled, unlabelled=unlabelled))
    tau = (0.5 + 2.2 / 3) / 2
    assert method.logged["threshold"].item() == pytest.approx(tau * (1 + 2.5 / 3.5) / 2, rel=1e-5)
    assert method.logged["mask_rate"].item() == 1
    assert terms["labelled"].item() == pytest.approx(math.log(4), rel=1e-5)
    assert terms["unlabelled"].item() == pytest.approx(2 * math.log(2 * 4 * 1.25) / 3, rel=1e-5)
    assert set(terms) == {"labelled", "unlabelled", "fairness"}

    # once more: τ = (τ + 2.2 / 3) / 2 = 0.675, p̃ = (7.5, 4.5) / 12, thresholds (0.675, 0.405); and with doubts instead
    method(batch(labelled=labelled, unlabelled=unlabelled))
    assert method.logged["threshold"].item() == pytest.approx(0.675 * (1 + 0.6) / 2, rel=1e-5)
    # τ = (0.675 + 0.6) / 2 = 0.6375, p̃ = (6.75, 5.25) / 12: the first is under 0.6375, the second over 0.4958
    doubts = draw(weak=logits((0.6, 0.4), (0.4, 0.6)), strong=logits((0.5, 0.5), (0.5, 0.5)))
    terms = method(batch(labelled=labelled, unlabelled=doubts))
    assert method.logged["mask_rate"].item() == 0.5
    assert terms["unlabelled"].item() == pytest.approx(2 * math.log(2) / 2, rel=1e-5)


def test_the_mean_of_what_is_learnt_by_hand():
    """Of two items and of two pixels: what is not learnt counts as 0."""
    p = torch.tensor([[0.25, 0.75], [0.9, 0.1]]).log()
    np.testing.assert_allclose(mean_learnt(p, torch.tensor([1.0, 0.0])), [0.125, 0.375], rtol=1e-6)
    np.testing.assert_allclose(mean_learnt(p.T.view(1, 2, 1, 2), torch.tensor([[[0.0, 1.0]]])), [0.45, 0.05], rtol=1e-6)


def reference(state, weak, strong, decay):
    """The formulas of section 4 in NumPy: the mask and L_f; ``state`` is (τ, p̃, h̃), moved on."""
    p, q = softmax(weak), softmax(strong)
    k = p.shape[1]
    said = p.argmax(1)
    new = (p.max(1).mean(), p.mean(0), np.bincount(said, minlength=k) / len(p))
    tau, expected, shares = (decay * old + (1 - decay) * n for old, n in zip(state, new, strict=True))
    mask = p.max(1) >= (expected / expected.max() * tau)[said]
    kept = q[mask]
    hist = np.bincount(kept.argmax(1), minlength=k) / max(1, len(kept))
    a = expected / shares
    b = np.array([kept[:, c].mean() / hist[c] if hist[c] else 0 for c in range(k)])
    a, b = a / a.sum(), b / b.sum()
    return (tau, expected, shares), mask, sum(a[c] * np.log(b[c]) for c in range(k) if b[c])


def test_against_the_formulas_over_several_steps():
    """Also the moving averages: 100 steps make a memory of 5, a decay of 0.8."""
    rng = np.random.default_rng(0)
    method = freematch(100, fairness=0.5)
    state = (1 / 3, np.full(3, 1 / 3), np.full(3, 1 / 3))
    masked = 0
    for _ in range(10):
        weak, strong = rng.normal(size=(2, 9, 3)) * 1.2 + [0.8, 0, 0]
        state, mask, fairness = reference(state, weak, strong, 0.8)
        terms = method(batch(labelled=LABELLED, unlabelled=draw(weak=weak, strong=strong)))
        expected = (cross_entropy(strong, weak.argmax(1)) * mask).mean()
        assert terms["unlabelled"].item() == pytest.approx(expected, rel=1e-5)
        assert terms["fairness"].item() == pytest.approx(0.5 * fairness, rel=1e-4)
        masked += (~mask).sum()
    assert masked
    assert {"confidence.total", "expected.total", "shares.total"} <= set(method.state_dict())


def test_gradients_of_the_fairness():
    """They flow through the strong views that are learnt from alone; by central differences of the formula."""
    rng = np.random.default_rng(3)
    weak, strong = rng.normal(size=(2, 12, 3))
    weak *= np.linspace(0.1, 3, 12)[:, None]
    method = freematch(20, fairness=1.0)  # a decay of ½
    unlabelled = draw(weak=weak, strong=strong)
    method(batch(labelled=LABELLED, unlabelled=unlabelled))["fairness"].backward()
    start = (1 / 3, np.full(3, 1 / 3), np.full(3, 1 / 3))
    _, mask, _ = reference(start, weak, strong, 0.5)
    assert 0 < mask.sum() < len(mask)
    expected = differences(lambda z: reference(start, weak, z, 0.5)[2], strong)
    np.testing.assert_allclose(unlabelled.strong.grad, expected, atol=1e-6)
    assert not unlabelled.strong.grad[~mask].any()
    assert unlabelled.weak.grad is None or not unlabelled.weak.grad.any()


@pytest.mark.parametrize(("steps", "decay"), [(1, 0.5), (40, 0.5), (400, 0.95), (20_000, 0.999), (10**6, 0.999)])
def test_decays_follow_the_length_of_the_run(steps, decay):
    assert decay_for(steps) == pytest.approx(decay)
    assert freematch(steps).expected.decay == pytest.approx(decay)


def test_an_item_at_freematchs_threshold_counts():
    """1[max q >= τ(argmax q)]: one item of (½, ½), whose confidence is the mean of all."""
    method = freematch(40, classes=2)
    method(
        batch(
            labelled=draw([0], weak=np.zeros((1, 2))), unlabelled=draw(weak=np.zeros((1, 2)), strong=np.zeros((1, 2)))
        )
    )
    assert method.logged["mask_rate"] == 1


def test_fairness_is_zero_where_nothing_is_learnt_from():
    method = freematch(10**6)  # a decay of 0.999
    method.confidence.total.fill_(0.99)
    unlabelled = draw(weak=logits((0.4, 0.3, 0.3)), strong=logits((0.2, 0.4, 0.4)))
    terms = method(batch(labelled=LABELLED, unlabelled=unlabelled))
    assert method.logged["mask_rate"].item() == 0
    assert terms["fairness"].item() == 0
    sum(terms.values()).backward()
    np.testing.assert_array_equal(unlabelled.strong.grad, np.zeros((1, 3)))


def test_no_gradient_flows_into_freematchs_guess():
    method = freematch(20, classes=2, fairness=0.0)
    unlabelled = draw(weak=logits((0.9, 0.1)), strong=logits((0.25, 0.75)))
    sum(method(batch(labelled=draw([0], weak=np.zeros((1, 2))), unlabelled=unlabelled)).values()).backward()
    assert unlabelled.weak.grad is None or not unlabelled.weak.grad.any()
    np.testing.assert_allclose(unlabelled.strong.grad, [[-0.75, 0.75]], atol=1e-6)


def test_freematch_scores_of_every_pixel():
    """``(N, K, H, W)``: an image's pixels are items of their own."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, (4, 2, 5))
    scores, weak, strong = (rng.normal(size=(4, 3, 2, 5)) * 2 for _ in range(3))

    def rows(z):
        return np.moveaxis(z, 1, -1).reshape(-1, 3)

    dense, flat = freematch(20, fairness=0.1), freematch(20, fairness=0.1)  # a decay of ½
    a = dense(batch(labelled=draw(labels.tolist(), weak=scores), unlabelled=draw(weak=weak, strong=strong)))
    b = flat(
        batch(
            labelled=draw(labels.reshape(-1).tolist(), weak=rows(scores)),
            unlabelled=draw(weak=rows(weak), strong=rows(strong)),
        )
    )
    for name in a:
        assert a[name].item() == pytest.approx(b[name].item(), rel=1e-4)
    assert 0 < dense.logged["mask_rate"] < 1


def test_freematch_streams():
    assert [(s.role, s.ratio, s.views) for s in FreeMatch(Given(), ratio=5).streams.values()] == [
        ("labelled", 1.0, ("weak",)),
        ("unlabelled", 5, ("weak", "strong")),
    ]

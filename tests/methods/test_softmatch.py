import math

import numpy as np
import pytest
from stubs import Given, batch, cross_entropy, draw, logits, softmax

from leaven.methods.semi.softmatch import SoftMatch
from leaven.methods.step import RunInfo

LABELLED = draw([0], weak=np.zeros((1, 3)))


def softmatch(steps: int, classes: int = 3, **hyper: float) -> SoftMatch:
    method = SoftMatch(Given(), **hyper)
    method.setup(RunInfo(steps=steps, batch_size=4, classes=classes, items=9))
    return method


def test_two_steps_by_hand():
    """A decay of ½. Confidences 0.9 and 0.5: mean 0.7, variance 0.08 (over n − 1).

    First μ = (0.5 + 0.7) / 2 = 0.6, σ² = (1 + 0.08) / 2 = 0.54: weights 1 and exp(−0.1² / 1.08).
    Then μ = 0.65, σ² = 0.31: 1 and exp(−0.15² / 0.62).
    """
    method = softmatch(40, classes=2, weight=2.0, narrowing=1.0, alignment=False)
    unlabelled = draw(weak=logits((0.9, 0.1), (0.5, 0.5)), strong=logits((0.5, 0.5), (0.25, 0.75)))
    labelled = draw([1], weak=logits((0.75, 0.25)))
    for mean, variance in [(0.6, 0.54), (0.65, 0.31)]:
        terms = method(batch(labelled=labelled, unlabelled=unlabelled))
        share = math.exp(-((0.5 - mean) ** 2) / (2 * variance))
        assert terms["unlabelled"].item() == pytest.approx(2 * (math.log(2) + share * math.log(4)) / 2, rel=1e-5)
        assert method.logged["mask_rate"].item() == pytest.approx((1 + share) / 2, rel=1e-5)
    assert set(terms) == {"labelled", "unlabelled"}
    assert terms["labelled"].item() == pytest.approx(math.log(4), rel=1e-5)
    assert {"seen.total", "mean.total", "variance.total"} <= set(method.state_dict())


def test_narrowing_divides_the_deviation():
    unlabelled = draw(weak=logits((0.9, 0.1), (0.5, 0.5)), strong=np.zeros((2, 2)))
    method = softmatch(40, classes=2, narrowing=2.0, alignment=False)
    method(batch(labelled=draw([0], weak=np.zeros((1, 2))), unlabelled=unlabelled))
    share = math.exp(-(0.1**2) / (2 * 0.54 / 4))
    assert method.logged["mask_rate"].item() == pytest.approx((1 + share) / 2, rel=1e-5)


def test_alignment_moves_the_weight_and_not_the_label():
    """Guesses average (0.7, 0.3), so (0.6, 0.4) is aligned to (0.6 / 0.7, 0.4 / 0.3) → (0.391, 0.609): class 1.

    The pseudo-label stays 0, and the confidences are 0.632 of (0.8, 0.2) → (0.8 / 0.7, 0.2 / 0.3), and 0.609.
    """
    method = softmatch(40, classes=2, narrowing=1.0)
    unlabelled = draw(weak=logits((0.8, 0.2), (0.6, 0.4)), strong=logits((0.5, 0.5), (0.25, 0.75)))
    terms = method(batch(labelled=draw([0], weak=np.zeros((1, 2))), unlabelled=unlabelled))
    first, second = (0.8 / 0.7) / (0.8 / 0.7 + 0.2 / 0.3), (0.4 / 0.3) / (0.6 / 0.7 + 0.4 / 0.3)
    mean = (0.5 + (first + second) / 2) / 2
    assert second > mean  # so both have weight 1
    assert terms["unlabelled"].item() == pytest.approx((math.log(2) + math.log(4)) / 2, rel=1e-4)
    # with a mean that is higher than both, they weigh what the Gaussian says
    method.mean.total.fill_(0.9)
    method.seen.total.copy_(method.seen.weight * method.seen.total.new_tensor([0.7, 0.3]))
    terms = method(batch(labelled=draw([0], weak=np.zeros((1, 2))), unlabelled=unlabelled))
    mean = (0.9 + (first + second) / 2) / 2
    variance = (0.5 + 0.5 * (first - second) ** 2 / 2) / 2 + 0.5 * (first - second) ** 2 / 2
    weights = [math.exp(-((c - mean) ** 2) / (2 * variance)) for c in (first, second)]
    expected = (weights[0] * math.log(2) + weights[1] * math.log(4)) / 2
    assert terms["unlabelled"].item() == pytest.approx(expected, rel=1e-4)


def test_against_the_formulas_over_softmatchs_steps():
    """400 steps make a memory of 20, a decay of 0.95; the mean guess starts at the first one seen.

    The mean confidence is put at 0.9, as if late in a run, so that most items are under it.
    """
    rng = np.random.default_rng(0)
    method = softmatch(400)
    method.mean.total.fill_(0.9)
    method.variance.total.fill_(0.0)
    mean, variance, total, weight = 0.9, 0.0, np.zeros(3), 0.0
    for _ in range(6):
        weak, strong = rng.normal(size=(2, 9, 3)) * 1.5 + [0.8, 0, 0]
        p = softmax(weak)
        total, weight = 0.95 * total + 0.05 * p.mean(0), 0.95 * weight + 0.05
        aligned = p / (total / weight)
        confidence = (aligned / aligned.sum(1, keepdims=True)).max(1)
        mean = 0.95 * mean + 0.05 * confidence.mean()
        variance = 0.95 * variance + 0.05 * confidence.var(ddof=1)
        share = np.where(confidence < mean, np.exp(-((confidence - mean) ** 2) / (2 * variance / 4)), 1)
        terms = method(batch(labelled=LABELLED, unlabelled=draw(weak=weak, strong=strong)))
        expected = (share * cross_entropy(strong, p.argmax(1))).mean()
        assert terms["unlabelled"].item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("alignment", [False, True])
def test_no_gradient_flows_into_label_or_weight(alignment):
    """Both are less sure than the mean, so that they weigh less: by a number, not by their guess."""
    method = softmatch(20, classes=2, alignment=alignment, narrowing=1.0)
    method.mean.total.fill_(0.99)
    unlabelled = draw(weak=logits((0.9, 0.1), (0.6, 0.4)), strong=logits((0.25, 0.75), (0.4, 0.6)))
    terms = method(batch(labelled=draw([0], weak=np.zeros((1, 2))), unlabelled=unlabelled))
    assert method.logged["mask_rate"] < 1
    sum(terms.values()).backward()
    assert unlabelled.weak.grad is None or not unlabelled.weak.grad.any()
    assert (unlabelled.strong.grad != 0).all()


def test_one_item_has_no_variance():
    """Of one item, over n - 1 = 0: nothing is divided by it. σ² = (1 + 0) / 2, μ = (0.5 + 0.9) / 2."""
    method = softmatch(40, classes=2, narrowing=1.0, alignment=False)
    views = draw(weak=logits((0.9, 0.1)), strong=np.zeros((1, 2)))
    method(batch(labelled=draw([0], weak=np.zeros((1, 2))), unlabelled=views))
    assert method.variance.total.item() == pytest.approx(0.5)
    assert method.mean.total.item() == pytest.approx(0.7)


def test_the_variance_is_over_the_items_of_all_processes(monkeypatch):
    """Another process has the same two: 0.04 of four items over n - 1 = 3."""
    monkeypatch.setattr("leaven.methods.semi.softmatch.processes", lambda: 2)
    method = softmatch(40, classes=2, alignment=False)
    views = draw(weak=logits((0.9, 0.1), (0.5, 0.5)), strong=np.zeros((2, 2)))
    method(batch(labelled=draw([0], weak=np.zeros((1, 2))), unlabelled=views))
    assert method.variance.total.item() == pytest.approx((1 + 0.04 * 4 / 3) / 2, rel=1e-5)


def test_items_of_equal_confidence_all_count():
    """A variance of 0, in the long run: no division by it."""
    method = softmatch(20, classes=2, alignment=False)
    unlabelled = draw(weak=logits((0.9, 0.1), (0.1, 0.9)), strong=np.zeros((2, 2)))
    for _ in range(200):
        terms = method(batch(labelled=draw([0], weak=np.zeros((1, 2))), unlabelled=unlabelled))
    assert terms["unlabelled"].item() == pytest.approx(math.log(2), rel=1e-4)


@pytest.mark.parametrize("alignment", [False, True])
def test_softmatch_scores_of_every_pixel(alignment):
    """``(N, K, H, W)``: an image's pixels are items of their own."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, (4, 2, 5))
    scores, weak, strong = (rng.normal(size=(4, 3, 2, 5)) * 2 for _ in range(3))

    def rows(z):
        return np.moveaxis(z, 1, -1).reshape(-1, 3)

    dense, flat = softmatch(100, alignment=alignment), softmatch(100, alignment=alignment)
    for method in (dense, flat):
        method.mean.total.fill_(0.9)  # so that some are under it
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


def test_softmatch_streams():
    assert [(s.role, s.ratio, s.views) for s in SoftMatch(Given(), ratio=5).streams.values()] == [
        ("labelled", 1.0, ("weak",)),
        ("unlabelled", 5, ("weak", "strong")),
    ]

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from stubs import Given, batch, cross_entropy, draw, logits, softmax

from leaven.methods.semi.flexmatch import FlexMatch
from leaven.methods.step import RunInfo

LABELLED = draw([0], weak=np.zeros((1, 3)))


def flexmatch(items: int, classes: int = 3, **hyper: float) -> FlexMatch:
    method = FlexMatch(Given(), **hyper)
    method.setup(RunInfo(steps=100, batch_size=4, classes=classes, items=items))
    return method


def seen(rows: list[int], weak: np.ndarray, strong: np.ndarray):
    return replace(draw(weak=weak, strong=strong), rows=torch.tensor(rows))


def test_two_steps_by_hand():
    """Six items. In the first step nothing is learnt: thresholds are 0, every item counts.

    It teaches class 0 two items, class 1 one, so three of six are not learnt: β = (2, 1, 0) / max(2, 3), thresholds
    0.9 · (½, ⅕, 0) = (0.45, 0.18, 0).
    """
    method = flexmatch(6, threshold=0.9, weight=2.0)
    weak = logits((0.95, 0.03, 0.02), (0.92, 0.04, 0.04), (0.02, 0.96, 0.02), (0.2, 0.2, 0.6))
    strong = logits((0.5, 0.25, 0.25), (0.25, 0.25, 0.5), (0.25, 0.5, 0.25), (0.25, 0.5, 0.25))
    first = method(batch(labelled=LABELLED, unlabelled=seen([0, 1, 2, 3], weak, strong)))
    assert first["unlabelled"].item() == pytest.approx(2 * math.log(2 * 4 * 2 * 4) / 4, rel=1e-5)
    assert method.logged["mask_rate"] == 1
    assert method.learnt.tolist() == [0, 0, 1, -1, -1, -1]

    # the first is under 0.45, the second over 0.18, the third over 0
    weak = logits((0.44, 0.28, 0.28), (0.3, 0.4, 0.3), (0.1, 0.1, 0.8), (0.04, 0.94, 0.02))
    second = method(batch(labelled=LABELLED, unlabelled=seen([4, 5, 3, 0], weak, strong)))
    assert second["unlabelled"].item() == pytest.approx(2 * math.log(4 * 4 * 2) / 4, rel=1e-5)
    assert method.logged["threshold"].item() == pytest.approx((0.45 + 0.18) / 3, rel=1e-5)
    assert method.learnt.tolist() == [1, 0, 1, -1, -1, -1]  # item 0 is another class now
    assert second["labelled"].item() == pytest.approx(math.log(3), rel=1e-5)


def test_thresholds_after_the_warmup():
    """Eq. 6 and 12: five items of class 0, three of 1, one of 2, one not learnt: β = (1, 0.6, 0.2)."""
    method = flexmatch(10, threshold=0.9)
    method.learnt.copy_(torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 2, -1]))
    expected = [0.9, 0.9 * 0.6 / 1.4, 0.9 * 0.2 / 1.8]
    np.testing.assert_allclose(method._thresholds(3), expected, rtol=1e-5)


def test_without_warmup_the_best_class_has_the_highest_threshold():
    method = flexmatch(10, threshold=0.9, warmup=False)
    np.testing.assert_allclose(method._thresholds(3), [0, 0, 0])
    method.learnt[0] = 0  # one item is all that any class has
    np.testing.assert_allclose(method._thresholds(3), [0.9, 0, 0], rtol=1e-6)
    method.learnt[:3] = torch.tensor([0, 0, 1])
    np.testing.assert_allclose(method._thresholds(3), [0.9, 0.9 * 0.5 / 1.5, 0], rtol=1e-6)


def test_at_a_threshold_an_item_is_left_out():
    """Greater than, say eq. 8 and 11 both: at 0.5 nothing is learnt of it, nor from it."""
    method = flexmatch(2, classes=2, threshold=0.5)
    even = batch(labelled=draw([0], weak=np.zeros((1, 2))), unlabelled=seen([0, 1], np.zeros((2, 2)), np.zeros((2, 2))))
    method(even)
    assert method.learnt.tolist() == [-1, -1]
    method.learnt.fill_(0)  # now the threshold of class 0 is the highest, 0.5
    method(even)
    assert method.logged["mask_rate"] == 0


def test_a_row_that_is_drawn_twice():
    """What was said of it with confidence last counts; a doubt after it takes nothing back."""
    method = flexmatch(3, threshold=0.9)
    sure_of_2, sure_of_0, doubt = (0.02, 0.02, 0.96), (0.96, 0.02, 0.02), (0.4, 0.3, 0.3)
    weak = logits(sure_of_2, sure_of_0, doubt, doubt)
    method(batch(labelled=LABELLED, unlabelled=seen([1, 1, 1, 2], weak, weak)))
    assert method.learnt.tolist() == [-1, 0, -1]


def test_against_plain_loops():
    """Algorithm 1, item by item, over several steps."""
    rng = np.random.default_rng(0)
    method = flexmatch(12, threshold=0.6)
    learnt = [-1] * 12
    for _ in range(8):
        rows = rng.permutation(12)[:5].tolist()
        weak, strong = rng.normal(size=(2, 5, 3)) * 2
        sigma = [learnt.count(c) for c in range(3)]
        beta = [s / max(*sigma, learnt.count(-1)) for s in sigma]
        limits = [0.6 * b / (2 - b) for b in beta]
        p = softmax(weak)
        for row, q in zip(rows, p, strict=True):
            if q.max() > 0.6:
                learnt[row] = int(q.argmax())
        kept = np.array([q.max() > limits[q.argmax()] for q in p])
        terms = method(batch(labelled=LABELLED, unlabelled=seen(rows, weak, strong)))
        assert terms["unlabelled"].item() == pytest.approx((cross_entropy(strong, p.argmax(1)) * kept).mean(), rel=1e-5)
        assert method.learnt.tolist() == learnt
    assert "learnt" in method.state_dict()  # so a resumed run goes on with it


def test_no_gradient_flows_into_the_pseudo_label():
    method = flexmatch(2)
    unlabelled = draw(weak=logits((0.5, 0.3, 0.2)), strong=logits((0.25, 0.25, 0.5)))
    method(batch(labelled=LABELLED, unlabelled=unlabelled))["unlabelled"].backward()
    assert unlabelled.weak.grad is None or not unlabelled.weak.grad.any()
    np.testing.assert_allclose(unlabelled.strong.grad, [[-0.75, 0.25, 0.5]], atol=1e-6)


def test_all_processes_learn_together(monkeypatch):
    """What another process said of its rows is remembered too."""

    def with_another(x):
        return torch.cat([x, torch.tensor([3, 4]) if x.tolist() == [0, 1] else torch.tensor([2, -1])])

    monkeypatch.setattr("leaven.methods.semi.flexmatch.gathered", with_another)
    method = flexmatch(5, threshold=0.9)
    weak = logits((0.96, 0.02, 0.02), (0.4, 0.3, 0.3))
    method(batch(labelled=LABELLED, unlabelled=seen([0, 1], weak, weak)))
    assert method.learnt.tolist() == [0, -1, -1, 2, -1]


def test_flexmatch_streams_and_no_pixels():
    assert [(s.role, s.ratio, s.views) for s in FlexMatch(Given(), ratio=5).streams.values()] == [
        ("labelled", 1.0, ("weak",)),
        ("unlabelled", 5, ("weak", "strong")),
    ]
    assert not FlexMatch.serves("segmentation")

import math

import numpy as np
import pytest
import torch
from stubs import Given, batch, cross_entropy, draw, logits, softmax
from torch import nn

from leaven.methods.semi.fixmatch import FixMatch
from leaven.methods.step import RunInfo


def test_loss_and_mask_worked_out_by_hand():
    """One confident item of three: -log 0.25 over three items, none for the others."""
    method = FixMatch(Given(), threshold=0.95, weight=2.0)
    labelled = draw([0, 1], weak=logits((0.5, 0.25, 0.25), (0.1, 0.8, 0.1)))
    unlabelled = draw(
        weak=logits((0.02, 0.96, 0.02), (0.9, 0.06, 0.04), (0.94, 0.03, 0.03)),
        strong=logits((0.5, 0.25, 0.25), (0.2, 0.4, 0.4), (0.98, 0.01, 0.01)),
    )
    terms = method(batch(labelled=labelled, unlabelled=unlabelled))
    assert terms["labelled"].item() == pytest.approx((math.log(2) + math.log(1.25)) / 2, rel=1e-5)
    assert terms["unlabelled"].item() == pytest.approx(2.0 * math.log(4) / 3, rel=1e-5)
    assert method.logged["mask_rate"].item() == pytest.approx(1 / 3)
    assert set(terms) == {"labelled", "unlabelled"}


def test_an_item_at_the_threshold_counts():
    """Equation 4 has ≥: with two equal scores and τ = 0.5 the item is in."""
    method = FixMatch(Given(), threshold=0.5)
    labelled = draw([0], weak=logits((0.5, 0.5)))
    unlabelled = draw(weak=np.zeros((1, 2)), strong=logits((0.25, 0.75)))
    assert method(batch(labelled=labelled, unlabelled=unlabelled))["unlabelled"].item() == pytest.approx(math.log(4))


def test_no_gradient_flows_into_the_guess():
    method = FixMatch(Given(), threshold=0.6)
    labelled = draw([0], weak=logits((0.5, 0.5)))
    unlabelled = draw(weak=logits((0.9, 0.1), (0.5, 0.5)), strong=logits((0.25, 0.75), (0.3, 0.7)))
    terms = method(batch(labelled=labelled, unlabelled=unlabelled))
    (terms["labelled"] + terms["unlabelled"]).backward()
    assert unlabelled.weak.grad is None or not unlabelled.weak.grad.any()
    # softmax minus the pseudo-label, over two items; the second one is masked out
    np.testing.assert_allclose(unlabelled.strong.grad, [[-0.375, 0.375], [0, 0]], atol=1e-6)
    np.testing.assert_allclose(labelled.weak.grad, [[-0.5, 0.5]], atol=1e-6)


def test_alignment_changes_guess_and_mask():
    """By hand: labels ask for (¾, ¼), guesses average (½, ½), so p becomes normalise(p · (1.5, 0.5))."""
    method = FixMatch(Given(), threshold=0.9, alignment=True)
    method.setup(RunInfo(steps=10_000, batch_size=4, classes=2))
    labelled = draw([0, 0, 0, 1], weak=np.zeros((4, 2)))
    # (0.8, 0.2) -> 12:1, in; (0.2, 0.8) -> 3:4, out
    unlabelled = draw(weak=logits((0.8, 0.2), (0.2, 0.8)), strong=logits((0.1, 0.9), (0.1, 0.9)))
    terms = method(batch(labelled=labelled, unlabelled=unlabelled))
    assert method.logged["mask_rate"].item() == 0.5
    assert terms["unlabelled"].item() == pytest.approx(math.log(10) / 2, rel=1e-4)
    # without alignment neither is
    plain = FixMatch(Given(), threshold=0.9)
    assert plain(batch(labelled=labelled, unlabelled=unlabelled))["unlabelled"].item() == 0


def test_alignment_over_several_steps():
    """The moving averages are means of the last window of batches, the present one included."""
    rng = np.random.default_rng(0)
    method = FixMatch(Given(), threshold=0.5, alignment=True)
    method.setup(RunInfo(steps=60, batch_size=4, classes=3))  # a window of 60 / 20 = 3 batches
    wanted, seen = [], []
    for _ in range(6):
        labels = rng.integers(0, 3, 4)
        weak, strong = rng.normal(size=(2, 5, 3)) * 2
        wanted.append(np.eye(3)[labels].mean(0))
        seen.append(softmax(weak).mean(0))
        p = softmax(weak) * (np.mean(wanted[-3:], 0) / np.mean(seen[-3:], 0))
        p /= p.sum(1, keepdims=True)
        expected = (cross_entropy(strong, p.argmax(1)) * (p.max(1) >= 0.5)).mean()
        labelled = draw(labels.tolist(), weak=rng.normal(size=(4, 3)))
        terms = method(batch(labelled=labelled, unlabelled=draw(weak=weak, strong=strong)))
        assert terms["unlabelled"].item() == pytest.approx(expected, rel=1e-3)
    assert "aligned.wanted.memory" in method.state_dict()  # so a resumed run goes on with them


@pytest.mark.parametrize("alignment", [False, True])
def test_scores_of_every_pixel(alignment):
    """``(N, K, H, W)``: an image's pixels are items of their own."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, (4, 2, 5))
    scores, weak, strong = (rng.normal(size=(4, 3, 2, 5)) * 2 for _ in range(3))
    dense = FixMatch(Given(), threshold=0.5, alignment=alignment)
    flat = FixMatch(Given(), threshold=0.5, alignment=alignment)
    for method in (dense, flat):
        method.setup(RunInfo(steps=100, batch_size=4, classes=3))

    def rows(z):
        return np.moveaxis(z, 1, -1).reshape(-1, 3)

    a = dense(batch(labelled=draw(labels.tolist(), weak=scores), unlabelled=draw(weak=weak, strong=strong)))
    b = flat(
        batch(
            labelled=draw(labels.reshape(-1).tolist(), weak=rows(scores)),
            unlabelled=draw(weak=rows(weak), strong=rows(strong)),
        )
    )
    for name in a:
        assert a[name].item() == pytest.approx(b[name].item(), rel=1e-5)
    assert 0 < dense.logged["mask_rate"] < 1


def test_all_views_share_one_forward_pass():
    """Batch statistics are those of labelled, weak and strong together (FixMatch's code)."""
    passes = []

    class Counting(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            passes.append(len(x))
            return x

    labelled, unlabelled = draw([0], weak=np.zeros((1, 2))), draw(weak=np.zeros((7, 2)), strong=np.zeros((7, 2)))
    FixMatch(Counting())(batch(labelled=labelled, unlabelled=unlabelled))
    assert passes == [15]


def test_streams():
    streams = FixMatch(Given(), ratio=5).streams
    assert [(s.role, s.ratio, s.views) for s in streams.values()] == [
        ("labelled", 1.0, ("weak",)),
        ("unlabelled", 5, ("weak", "strong")),
    ]

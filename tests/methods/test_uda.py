import math

import numpy as np
import pytest
from stubs import Given, batch, cross_entropy, draw, logits, softmax

from leaven.errors import LeavenError
from leaven.methods.semi.uda import UDA


def test_loss_worked_out_by_hand():
    """T = ½ squares: (0.9, 0.1) is (81, 1) / 82. Two items are under β = 0.8, one of them at it."""
    method = UDA(Given(), temperature=0.5, threshold=0.8, weight=2.0)
    labelled = draw([0, 1], weak=logits((0.5, 0.5), (0.2, 0.8)))
    unlabelled = draw(
        weak=logits((0.9, 0.1), (0.7, 0.3), (0.5, 0.5)), strong=logits((0.6, 0.4), (0.1, 0.9), (0.3, 0.7))
    )
    terms = method(batch(labelled=labelled, unlabelled=unlabelled))
    divergence = 81 / 82 * math.log(81 / 82 / 0.6) + 1 / 82 * math.log(1 / 82 / 0.4)
    assert set(terms) == {"labelled", "unlabelled"}
    assert terms["labelled"].item() == pytest.approx((math.log(2) + math.log(1.25)) / 2, rel=1e-5)
    assert terms["unlabelled"].item() == pytest.approx(2 * divergence / 3, rel=1e-4)
    assert method.logged["mask_rate"].item() == pytest.approx(1 / 3)


def test_an_item_at_the_threshold_is_left_out():
    """Greater than β, says the paper of its masking."""
    method = UDA(Given(), threshold=0.5)
    views = draw(weak=np.zeros((1, 2)), strong=logits((0.9, 0.1)))
    method(batch(labelled=draw([0], weak=np.zeros((1, 2))), unlabelled=views))
    assert method.logged["mask_rate"].item() == 0


def test_equal_predictions_cost_nothing():
    """It is a divergence, not a cross-entropy, where nothing is sharpened."""
    method = UDA(Given(), temperature=1.0, threshold=0.5)
    p = logits((0.7, 0.3), (0.1, 0.9))
    terms = method(batch(labelled=draw([0], weak=np.zeros((1, 2))), unlabelled=draw(weak=p, strong=p)))
    assert terms["unlabelled"].item() == pytest.approx(0, abs=1e-6)


def test_no_gradient_flows_into_the_target():
    method = UDA(Given(), temperature=0.5, threshold=0.8)
    unlabelled = draw(weak=logits((0.9, 0.1), (0.6, 0.4)), strong=logits((0.6, 0.4), (0.3, 0.7)))
    terms = method(batch(labelled=draw([0], weak=np.zeros((1, 2))), unlabelled=unlabelled))
    terms["unlabelled"].backward()
    assert unlabelled.weak.grad is None or not unlabelled.weak.grad.any()
    # softmax less the target, over two items; the second is masked out
    np.testing.assert_allclose(unlabelled.strong.grad, [[(0.6 - 81 / 82) / 2, (0.4 - 1 / 82) / 2], [0, 0]], atol=1e-6)


@pytest.mark.parametrize(
    ("annealing", "alpha"),
    [("linear", 0.4), ("log", 1 - math.exp(-2)), ("exp", math.exp(-3))],
)
def test_training_signal_annealing(annealing, alpha):
    """η = α · ½ + ½ at t / T = 0.4, of two classes: 0.7, 0.932 and 0.525. Items at 0.5, 0.65, 0.9 and 0.97."""
    method = UDA(Given(), annealing=annealing)
    own = np.array([0.5, 0.65, 0.9, 0.97])
    labelled = draw([0, 0, 1, 1], weak=logits((0.5, 0.5), (0.65, 0.35), (0.1, 0.9), (0.03, 0.97)))
    views = draw(weak=np.zeros((1, 2)), strong=np.zeros((1, 2)))
    terms = method(batch(0.4, labelled=labelled, unlabelled=views))
    kept = own <= alpha / 2 + 0.5
    assert kept.sum() == {"linear": 2, "log": 3, "exp": 1}[annealing]
    assert terms["labelled"].item() == pytest.approx(-np.log(own[kept]).mean(), rel=1e-5)
    assert method.logged["labelled_rate"].item() == kept.mean()
    terms["labelled"].backward()
    assert (labelled.weak.grad.abs().sum(1) > 0).tolist() == kept.tolist()


def test_as_probable_as_it_may_be_still_counts():
    """η = ½ at first, of two classes: p(y) = ½ is not above it."""
    method = UDA(Given(), annealing="linear")
    views = draw(weak=np.zeros((1, 2)), strong=np.zeros((1, 2)))
    terms = method(batch(labelled=draw([0], weak=np.zeros((1, 2))), unlabelled=views))
    assert terms["labelled"].item() == pytest.approx(math.log(2))


def test_nothing_is_left_of_the_labelled_batch():
    """All are better known than they may be: 0, not a division by it."""
    method = UDA(Given(), annealing="linear")
    labelled = draw([0], weak=logits((0.9, 0.1)))
    views = draw(weak=np.zeros((1, 2)), strong=np.zeros((1, 2)))
    terms = method(batch(labelled=labelled, unlabelled=views))
    terms["labelled"].backward()
    assert terms["labelled"].item() == 0
    assert not labelled.weak.grad.any()


def test_an_unknown_schedule_is_refused():
    with pytest.raises(LeavenError, match="annealing is 'cosine', but none, linear, log, exp were expected"):
        UDA(Given(), annealing="cosine")


def test_scores_of_every_pixel():
    """Pixels are items of their own; those that do not count are none of the labelled ones."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, (2, 4, 5))
    labels[0, 0] = -100
    scores, weak, strong = (rng.normal(size=(2, 3, 4, 5)) * 2 for _ in range(3))
    method = UDA(Given(), threshold=0.6, annealing="linear")
    terms = method(batch(0.5, labelled=draw(labels.tolist(), weak=scores), unlabelled=draw(weak=weak, strong=strong)))

    def rows(z):
        return np.moveaxis(z, 1, -1).reshape(-1, 3)

    counted = labels.reshape(-1) >= 0
    losses = cross_entropy(rows(scores)[counted], labels.reshape(-1)[counted])
    kept = np.exp(-losses) <= 0.5 * 2 / 3 + 1 / 3
    assert 0 < kept.sum() < len(kept)
    assert terms["labelled"].item() == pytest.approx(losses[kept].mean(), rel=1e-5)
    p = softmax(rows(weak))
    target = p**2.5 / (p**2.5).sum(1, keepdims=True)
    divergence = (target * (np.log(target) - np.log(softmax(rows(strong))))).sum(1)
    assert terms["unlabelled"].item() == pytest.approx((divergence * (p.max(1) > 0.6)).mean(), rel=1e-4)


def test_uda_streams():
    assert [(s.role, s.ratio, s.views) for s in UDA(Given(), ratio=5).streams.values()] == [
        ("labelled", 1.0, ("weak",)),
        ("unlabelled", 5, ("weak", "strong")),
    ]

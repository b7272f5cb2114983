import math

import numpy as np
import pytest
from stubs import Given, batch, differences, draw, logits, softmax

from leaven.methods.semi.pi_model import PiModel


def test_loss_worked_out_by_hand():
    """(0.3² + 0.3²) / 2 of the first item, 0 of the second; halfway up the ramp the weight is exp(−5 / 4)."""
    method = PiModel(Given(), weight=8.0, warmup=0.5)
    labelled = draw([1], weak=logits((0.75, 0.25)))
    unlabelled = draw(weak=logits((0.8, 0.2), (0.6, 0.4)), weak_2=logits((0.5, 0.5), (0.6, 0.4)))
    expected = 8 * (0.09 + 0.09) / 4
    for progress, rise in [(0.0, math.exp(-5)), (0.25, math.exp(-1.25)), (0.5, 1.0), (0.9, 1.0)]:
        terms = method(batch(progress, labelled=labelled, unlabelled=unlabelled))
        assert set(terms) == {"labelled", "unlabelled"}
        assert terms["labelled"].item() == pytest.approx(math.log(4), rel=1e-5)
        assert terms["unlabelled"].item() == pytest.approx(expected * rise, rel=1e-5)


def test_without_warmup_the_weight_is_whole_from_the_start():
    method = PiModel(Given(), weight=1.0, warmup=0.0)
    views = draw(weak=logits((0.8, 0.2)), weak_2=logits((0.5, 0.5)))
    terms = method(batch(labelled=draw([0], weak=np.zeros((1, 2))), unlabelled=views))
    assert terms["unlabelled"].item() == pytest.approx(0.09, rel=1e-5)


def test_gradient_flows_through_both_predictions():
    """Algorithm 1 has no target: by central differences of the formula, in NumPy."""
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 4, 3))
    unlabelled = draw(weak=one, weak_2=other)
    terms = PiModel(Given(), weight=2.0, warmup=0.0)(
        batch(labelled=draw([0], weak=np.zeros((1, 3))), unlabelled=unlabelled)
    )
    terms["unlabelled"].backward()

    def loss(a, b):
        return 2 * ((softmax(a) - softmax(b)) ** 2).mean()

    np.testing.assert_allclose(unlabelled.weak.grad, differences(lambda a: loss(a, other), one), atol=1e-6)
    np.testing.assert_allclose(unlabelled.weak_2.grad, differences(lambda b: loss(one, b), other), atol=1e-6)
    assert unlabelled.weak.grad.any()


def test_two_weak_views_and_no_pixels():
    streams = PiModel(Given(), ratio=3).streams
    assert [(s.role, s.ratio, s.views) for s in streams.values()] == [
        ("labelled", 1.0, ("weak",)),
        ("unlabelled", 3, ("weak", "weak_2")),
    ]
    assert not PiModel.serves("segmentation")

"""Supervised and Pseudo-Label."""

import math

import numpy as np
import pytest
from stubs import Given, batch, draw, logits

from leaven.methods.semi.pseudo_label import PseudoLabel
from leaven.methods.semi.supervised import Supervised


def test_supervised_learns_from_both_views_alike():
    labelled = draw([0, 1], weak=logits((0.5, 0.5), (0.75, 0.25)), strong=logits((0.1, 0.9), (0.8, 0.2)))
    (loss,) = Supervised(Given())(batch(labelled=labelled)).values()
    weak, strong = (math.log(2) + math.log(4)) / 2, (math.log(10) + math.log(5)) / 2
    assert loss.item() == pytest.approx((weak + strong) / 2, rel=1e-5)
    loss.backward()
    np.testing.assert_allclose(labelled.weak.grad, [[-0.125, 0.125], [0.1875, -0.1875]], atol=1e-6)
    np.testing.assert_allclose(labelled.strong.grad, [[-0.225, 0.225], [0.2, -0.2]], atol=1e-6)


def test_supervised_takes_both_domains_alike():
    """However few labels the target has: S+T of Saito et al. 2019, section 4."""
    source, target = draw([0], weak=logits((0.5, 0.5))), draw([0, 1], weak=logits((0.75, 0.25), (0.1, 0.9)))
    method = Supervised(Given(), strong=False)
    assert [stream.role for stream in method.streams.values()] == ["source", "target_labelled"]
    (loss,) = method(batch(labelled=source, target_labelled=target)).values()
    assert loss.item() == pytest.approx((math.log(2) + (math.log(4 / 3) + math.log(10 / 9)) / 2) / 2, rel=1e-5)


def test_supervised_without_the_strong_view():
    method = Supervised(Given(), strong=False)
    assert method.streams["labelled"].views == ("weak",)
    (loss,) = method(batch(labelled=draw([1], weak=logits((0.75, 0.25))))).values()
    assert loss.item() == pytest.approx(math.log(4), rel=1e-5)


@pytest.mark.parametrize(("progress", "rise"), [(0.0, 0.0), (0.1, 0.25), (0.4, 1.0), (0.9, 1.0)])
def test_pseudo_label(progress, rise):
    """-log p of the confident items' own best class, over all items, its weight rising until 0.4 of the run."""
    method = PseudoLabel(Given(), threshold=0.95, weight=3.0)
    labelled = draw([1], weak=logits((0.75, 0.25)))
    unlabelled = draw(weak=logits((0.96, 0.04), (0.9, 0.1), (0.02, 0.98), (0.5, 0.5)))
    terms = method(batch(progress, labelled=labelled, unlabelled=unlabelled))
    assert terms["labelled"].item() == pytest.approx(math.log(4), rel=1e-5)
    assert terms["unlabelled"].item() == pytest.approx(-3 * rise * math.log(0.96 * 0.98) / 4, rel=1e-4, abs=1e-9)
    assert method.logged["mask_rate"].item() == 0.5
    terms["unlabelled"].backward()
    # the guess is a constant: the gradient is that of a label, softmax minus one-hot
    expected = 3 * rise / 4 * np.array([[-0.04, 0.04], [0, 0], [0.02, -0.02], [0, 0]])
    np.testing.assert_allclose(unlabelled.weak.grad, expected, atol=1e-6)


def test_pseudo_label_at_the_threshold_and_without_a_rise():
    """max p >= τ counts; without a rise the weight is what it is from the first step on."""
    method = PseudoLabel(Given(), threshold=0.5, weight=3.0, warmup=0.0)
    drawn = batch(0.0, labelled=draw([1], weak=np.zeros((1, 2))), unlabelled=draw(weak=np.zeros((1, 2))))
    assert method(drawn)["unlabelled"].item() == pytest.approx(3 * math.log(2))


def test_pseudo_label_streams():
    streams = PseudoLabel(Given(), ratio=4).streams
    assert [(s.role, s.ratio, s.views) for s in streams.values()] == [
        ("labelled", 1.0, ("weak",)),
        ("unlabelled", 4, ("weak",)),
    ]

"""The sample that judges, by hand: who is in it, what is right, and the figures."""

import numpy as np
import pytest

from leaven.evaluation.intervals import proportion
from leaven.label.session import audit
from leaven.query.keys import keys

NAMES = [f"{i}.png" for i in range(10)]


@pytest.mark.parametrize(("share", "size"), [(0.0, 0), (0.05, 1), (0.25, 3), (0.3, 3), (1.0, 10)])
def test_the_sample_is_a_share_rounded_up(share, size):
    rows = audit.draw_sample(NAMES, share, 5)
    assert rows.dtype == np.int64
    assert rows.tolist() == audit.draw_sample(NAMES, 1.0, 5)[:size].tolist()
    assert len(set(rows.tolist())) == size
    assert len(audit.draw_sample([], share, 5)) == 0


def test_the_sample_is_the_same_in_every_version():
    """By keys of a seed of its own, so that it is no other draw's: who was audited must stay so after an update."""
    assert audit.draw_sample(NAMES, 1.0, 5).tolist() == keys(np.array(NAMES), 5 ^ 0xA0D17).argsort().tolist()
    assert audit.draw_sample(NAMES, 1.0, 6).tolist() != audit.draw_sample(NAMES, 1.0, 5).tolist()


def test_the_sample_is_no_larger_than_judging_needs(monkeypatch):
    monkeypatch.setattr(audit, "MOST", 4)
    assert len(audit.draw_sample(NAMES, 0.9, 0)) == 4


def test_what_is_right_and_the_figures_by_hand():
    true = {"a": "cat", "b": "dog", "c": "dog", "d": "cat"}
    hits = audit.correct({"a": "cat", "b": "cat", "c": None}, true)
    assert hits.tolist() == [True, False, False, False]
    at = proportion(1, 4)
    assert audit.figures(hits) == {"n": 4, "right": 1, "accuracy": 0.25, "low": at.low, "high": at.high}
    two = audit.figures(np.array([True, True]))
    assert (two["n"], two["right"], two["accuracy"]) == (2, 2, 1.0)
    assert audit.figures(hits[:0]) == {"n": 0, "right": 0, "accuracy": None, "low": None, "high": None}

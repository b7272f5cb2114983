"""Comparison of two sets of predictions against numbers worked out by hand."""

import numpy as np
import pytest

from leaven.evaluate.evaluation import Evaluation
from leaven.evaluate.paired import difference_interval, mcnemar, paired


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [
        (0, 0, 1.0),
        (3, 3, 1.0),
        (6, 0, 2 / 64),
        (7, 2, 2 * (1 + 9 + 36) / 512),
        (2, 7, 2 * (1 + 9 + 36) / 512),
        (12, 2, 2 * (1 + 14 + 91) / 2**14),
    ],
)
def test_mcnemar_against_hand_worked_numbers(gained, lost, p):
    assert mcnemar(gained, lost) == pytest.approx(p)


def test_mcnemar_of_many_disagreements():
    # 5,200 against 4,800: z = 399 / 100 with the correction for continuity, two-sided p = 6.61e-5
    assert mcnemar(5200, 4800) == pytest.approx(6.61e-5, rel=0.02)


def test_interval_against_newcombe():
    # Newcombe 1998, table II, first example, method 10
    assert difference_interval(36, 12, 2, 0) == pytest.approx((0.0569, 0.3404), abs=5e-5)


def test_interval_is_mirrored_when_the_two_are_swapped():
    low, high = difference_interval(60, 20, 5, 15)
    assert difference_interval(60, 5, 20, 15) == pytest.approx((-high, -low))


def test_no_difference_at_all():
    low, high = difference_interval(10, 0, 0, 0)
    assert low <= 0 <= high


def _predictions(predicted: list[int], labels: list[int], ids: str) -> Evaluation:
    return Evaluation(np.eye(2, dtype=np.float32)[predicted], np.array(labels), np.array(list(ids)), ("a", "b"))


def test_items_are_matched_by_id():
    first = _predictions([0, 1, 1, 0], [0, 1, 0, 1], "pqrs")
    second = _predictions([1, 0, 1, 0], [1, 1, 0, -1], "qpst")  # q right, p another label, s another label, t unknown
    pair = paired(first, second)
    assert pair is not None
    assert (pair.n, pair.gained, pair.lost) == (1, 0, 0)
    assert not pair.proven


def test_counts_and_difference():
    labels = [0] * 10
    pair = paired(
        _predictions([0] * 9 + [1], labels, "abcdefghij"),
        _predictions([0] * 2 + [1] * 7 + [0], labels, "abcdefghij"),
    )
    assert pair is not None
    assert (pair.n, pair.gained, pair.lost, pair.difference) == (10, 7, 1, 0.6)
    assert pair.p == pytest.approx(2 * 9 / 256)


def test_nothing_in_common():
    assert paired(_predictions([0], [0], "a"), _predictions([0], [0], "b")) is None

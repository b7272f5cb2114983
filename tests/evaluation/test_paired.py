"""Comparison of two sets of predictions against numbers worked out by hand."""

import numpy as np
import pytest

from leaven.evaluation.classification import Evaluation
from leaven.evaluation.paired import Paired, difference_interval, mcnemar, paired


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
    # and at once of a pool of millions: z = 999 / sqrt(1,999,000)
    assert mcnemar(1_000_000, 999_000) == pytest.approx(0.4798, rel=0.002)


def test_interval_against_newcombe():
    # Newcombe 1998, table II, first example, method 10
    assert difference_interval(36, 12, 2, 0) == pytest.approx((0.0569, 0.3404), abs=5e-5)


def test_interval_with_correction_for_continuity_by_hand():
    """32 of 50 against 22 of 50; e·h − f·g = 20 · 16 − 12 · 2 = 296, less n / 2 = 271.

    Wilson: 0.64 in (0.501412, 0.758612), 0.44 in (0.311623, 0.576939). φ = 271 / √(32 · 18 · 22 · 28) = 0.454954.
    Low 0.2 − √(0.138588² − 2φ · 0.138588 · 0.136939 + 0.136939²), high with 0.118612 and 0.128377.
    """
    assert difference_interval(20, 12, 2, 16) == pytest.approx((0.056158, 0.329206), abs=5e-6)


def test_interval_where_the_correction_is_all_of_the_correlation():
    """One right in both, one wrong in both: e·h = 1, less n / 2 = 0, so φ is 0 and not 1.

    Wilson of 1 of 2: centre 0.5, half width z · √(1/8 + z² / 16) / (1 + z² / 2) = 0.405468, once for each; √2 of it.
    """
    assert difference_interval(1, 0, 0, 1) == pytest.approx((-0.573418, 0.573418), abs=5e-6)


def test_interval_where_one_is_always_right():
    """10 of 10 against 8 of 10: a margin is 0, and so is φ.

    Wilson: 1 in (10 / 13.841459, 1), 0.8 in (0.490162, 0.943318). Low 0.2 − √(0.277533² + 0.143318²), high
    0.2 + √(0 + 0.309838²).
    """
    assert difference_interval(8, 2, 0, 0) == pytest.approx((-0.112354, 0.509838), abs=5e-6)


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


def test_the_interval_is_of_all_four_counts():
    """4 right in both, 3 only in the first, 1 only in the second, 2 wrong in both."""
    right = {"first": [1, 1, 1, 1, 1, 1, 1, 0, 0, 0], "second": [1, 1, 1, 1, 0, 0, 0, 1, 0, 0]}
    first, second = (_predictions([1 - x for x in right[name]], [0] * 10, "abcdefghij") for name in right)
    pair = paired(first, second)
    assert pair is not None
    assert (pair.low, pair.high) == difference_interval(4, 3, 1, 2)


@pytest.mark.parametrize(("gained", "proven"), [(5, False), (6, True)])  # p = 2 / 32 and 2 / 64
def test_proven_is_five_per_cent(gained, proven):
    first = _predictions([0] * gained, [0] * gained, "abcdef"[:gained])
    second = _predictions([1] * gained, [0] * gained, "abcdef"[:gained])
    pair = paired(first, second)
    assert pair is not None
    assert pair.proven is proven


def test_five_per_cent_itself_is_not_below():
    assert not Paired(10, 5, 1, 0.4, 0.0, 0.8, p=0.05).proven
    assert Paired(10, 5, 1, 0.4, 0.0, 0.8, p=0.0499).proven


def test_nothing_in_common():
    assert paired(_predictions([0], [0], "a"), _predictions([0], [0], "b")) is None

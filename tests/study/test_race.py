"""Successive halving: by whom, when, and that what is left out is not chosen."""

import numpy as np
import pytest

from leaven.data import Pool
from leaven.run.options import Options
from leaven.study.evidence import judge
from leaven.study.folds import CrossValidation, FoldLog, FoldTraining
from leaven.study.race import numbers, runners

NAMES = ("a", "b", "c", "d", "base")


@pytest.mark.parametrize(
    ("challengers", "sizes", "expected"),
    [
        (5, [20] * 5, [5, 3, 2, 1, 1]),
        (4, [20] * 3, [4, 2, 1]),
        (4, [4] * 5, [4, 4, 4, 2, 1]),  # 4 and 8 labels are too few, 12 are enough
        (4, [10, 9], [4, 2]),
        (4, [9, 10], [4, 4]),
        (0, [20, 20], [0, 0]),
        (1, [20, 20], [1, 1]),
    ],
)
def test_how_many_are_trained_in_each_fold(challengers, sizes, expected):
    assert numbers(challengers, sizes) == expected


def test_the_better_half_by_all_folds_so_far_goes_on():
    sizes = [20] * 4
    assert runners(NAMES, [], sizes) == list(NAMES)
    first = {"a": 5, "b": 12, "c": 3, "d": 9, "base": 20}
    assert runners(NAMES, [first], sizes) == ["b", "d", "base"]  # the baseline's own score keeps nobody out
    assert runners(NAMES, [first, {"b": 4, "d": 7, "base": 0}], sizes) == ["b", "base"]  # 16 and 16: the earlier
    assert runners(NAMES, [first, {"b": 4, "d": 8, "base": 0}], sizes) == ["d", "base"]
    equal = dict.fromkeys(NAMES, 7)
    assert runners(NAMES, [equal], sizes) == ["a", "b", "base"]


def test_what_was_left_out_is_judged_on_its_folds_and_not_chosen():
    """Twelve labels a fold: c has 10 of 12 and is left out for being third; b and the baseline have all 24."""
    labels = np.tile([0, 1, 2], 8)
    pool = Pool(np.zeros((24, 2), np.float32), labels, classes=("x", "y", "z"))
    folds = np.repeat([1, 2], 12)
    lines = FoldLog()

    def say(name, fold, right):
        truth = labels[folds == fold]
        predicted = np.where(np.arange(12) < right, truth, (truth + 1) % 3)
        lines.add({"candidate": name, "fold": fold, "predicted": predicted.tolist(), "seconds": 1.0})

    for name, right in zip(NAMES, (12, 11, 10, 3, 9), strict=True):
        say(name, 1, right)
    for name, right in (("a", 5), ("b", 6), ("base", 8)):
        say(name, 2, right)
    search = CrossValidation(FoldTraining(pool, folds, Options(), False), {key: {} for key in NAMES}, [], lines)
    assert search.runners(2) == ["a", "b", "base"]
    tried = search.tried()
    assert [(one.accuracy.n, round(one.accuracy.value * one.accuracy.n)) for one in tried] == [
        (24, 17),
        (24, 17),
        (12, 10),
        (12, 3),
        (24, 17),
    ]
    assert (tried[2].difference.n, tried[2].difference.gained, tried[2].seconds) == (12, 1, 1.0)
    found = judge(tried, 2)
    assert (found.chosen, found.labels) == ("a", 24)  # c's share is the largest, of half of the labels
    assert "Left out on the way, when half of the others were ahead: c (12 labels), d (12 labels)." in found.why
    assert "the best of 5 looks" in found.why

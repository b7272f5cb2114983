"""Two sets of predictions for the same items: is one better, and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from leaven.evaluation.classification import Evaluation
from leaven.evaluation.intervals import proportion


@dataclass(frozen=True)
class Paired:
    """How one set of predictions differs from another on the same ``n`` items.

    ``gained`` items are right only in the first, ``lost`` only in the second; ``difference`` is that of the
    accuracies with its 95 % interval; ``p`` is McNemar's.
    """

    n: int
    gained: int
    lost: int
    difference: float
    low: float
    high: float
    p: float

    @property
    def proven(self) -> bool:
        """Whether chance in which items were held out is an unlikely cause: p below 5 %."""
        return self.p < 0.05


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided p of McNemar's exact test: a fair coin for each of ``gained + lost`` disagreements."""
    from scipy.stats import binomtest

    return float(binomtest(gained, gained + lost).pvalue) if gained or lost else 1.0


def difference_interval(both: int, gained: int, lost: int, neither: int) -> tuple[float, float]:
    """95 % interval of a difference of paired proportions (Newcombe 1998, Stat. Med. 17:2635, method 10)."""
    n = both + gained + lost + neither
    first, second = proportion(both + gained, n), proportion(both + lost, n)
    product: float = both * neither - gained * lost
    product = max(product - n / 2, min(product, 0))  # the correction for continuity, which ends at 0
    margins = (both + gained) * (lost + neither) * (both + lost) * (gained + neither)
    phi = product / sqrt(margins) if margins else 0.0
    a, b = first.value - first.low, second.high - second.value
    c, d = first.high - first.value, second.value - second.low
    difference = first.value - second.value
    return difference - sqrt(max(0, a * a - 2 * phi * a * b + b * b)), difference + sqrt(
        max(0, c * c - 2 * phi * c * d + d * d)
    )


def paired(first: Evaluation, second: Evaluation) -> Paired | None:
    """Compare on the items that both know the label of; ``None`` where they share none."""
    if first.classes != second.classes:
        return None
    _, i, j = np.intersect1d(first.ids, second.ids, return_indices=True)
    labelled = (first.labels[i] >= 0) & (first.labels[i] == second.labels[j])
    i, j = i[labelled], j[labelled]
    if not len(i):
        return None
    right, other = first.predicted[i] == first.labels[i], second.predicted[j] == second.labels[j]
    both, gained = int((right & other).sum()), int((right & ~other).sum())
    lost, neither = int((~right & other).sum()), int((~right & ~other).sum())
    low, high = difference_interval(both, gained, lost, neither)
    return Paired(len(i), gained, lost, (gained - lost) / len(i), low, high, mcnemar(gained, lost))

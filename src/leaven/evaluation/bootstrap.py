"""Intervals by resampling (Efron 1979), for figures that are no plain shares."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from leaven.evaluation.intervals import Interval

RESAMPLES = 1000
AT_A_TIME = 2**22  # numbers drawn


def resampled(table: np.ndarray) -> np.ndarray:
    """Sums ``(1000, ...)`` of ``table`` ``(n, ...)`` over resamples of its rows, drawn with replacement.

    The resamples are fixed by ``n``, so the same table gives the same sums.
    """
    n = len(table)
    flat = table.reshape(n, int(np.prod(table.shape[1:])))
    sums = np.zeros((RESAMPLES, flat.shape[1]))
    rng = np.random.default_rng(0)
    part = max(1, AT_A_TIME // max(n, 1))
    for start in range(0, RESAMPLES, part) if n else ():
        stop = min(start + part, RESAMPLES)
        sums[start:stop] = rng.multinomial(n, np.full(n, 1 / n), size=stop - start) @ flat
    return sums.reshape(RESAMPLES, *table.shape[1:])


def of_sums(
    statistic: Callable[[np.ndarray], np.ndarray],
    table: np.ndarray,
    samples: np.ndarray,
    least: float = 0.0,
    most: float = 1.0,
) -> Interval:
    """A statistic of the sum over the rows of ``table`` ``(n, ...)`` with its 95 % interval.

    ``statistic`` maps sums ``(..., *)`` to ``(...)``; ``samples`` is what ``resampled`` gives for it, ``least`` and
    ``most`` are the statistic's own bounds.
    """
    low, high = bounds(statistic(samples), len(table), least, most)
    return Interval(float(statistic(table.sum(0))), low, high, len(table))


def bounds(values: np.ndarray, n: int, least: float = 0.0, most: float = 1.0) -> tuple[float, float]:
    """95 % interval from what the resamples of ``n`` rows give; of one row or none, anything is possible."""
    values = values[np.isfinite(values)]
    if n < 2 or not len(values):
        return least, most
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)

"""Accuracy with the interval that its number of labels allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """A share in 0..1 with its 95 % interval, and the ``n`` labels (or runs) that it rests on."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f}, n = {self.n})"

    def asdict(self) -> dict[str, float | int]:
        """The four numbers."""
        return asdict(self)


def proportion(successes: int, n: int) -> Interval:
    """Share of successes with Wilson's 95 % interval (Wilson 1927); of no trials, anything is possible."""
    from scipy.stats import binomtest

    if n == 0:
        return Interval(float("nan"), 0.0, 1.0, 0)
    bounds = binomtest(int(successes), int(n)).proportion_ci(0.95, method="wilson")
    return Interval(successes / n, float(bounds.low), float(bounds.high), int(n))


def student(values: Sequence[float]) -> tuple[float, float]:
    """Mean of several runs and half of Student's 95 % interval around it.

    Raises
    ------
    ValueError
        There are fewer than two runs; one says nothing about the spread of runs.
    """
    from scipy.stats import t

    x = np.asarray(values, dtype=float)
    if len(x) < 2:
        raise ValueError("An interval over runs needs two runs at least.")
    return float(x.mean()), float(t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)))


def mean_of_runs(values: Sequence[float]) -> Interval:
    """Mean of several runs (seeds, splits) with Student's 95 % interval, cut to 0..1.

    Raises
    ------
    ValueError
        There are fewer than two runs.
    """
    mean, half = student(values)
    return Interval(mean, max(0.0, mean - half), min(1.0, mean + half), len(values))

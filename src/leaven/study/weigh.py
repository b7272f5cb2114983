"""From the trainings with fewer and with more labels to what the unlabelled items were worth, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from leaven.evaluation.bootstrap import RESAMPLES
from leaven.evaluation.intervals import Interval, mean_of_runs, proportion
from leaven.study.power_law import ENOUGH, Curves, fit_curves
from leaven.study.trial import Record
from leaven.study.worth import BASE, require_curve, unpacked

FAR = 8  # times the most labels measured: no further does a curve tell a number
AHEAD = (2, 5)  # times the labels, of the forecast
MIDDLE = 0.5  # the rate c where two numbers of labels cannot settle it


@dataclass(frozen=True)
class Fitted:
    """A learning curve: the points it goes through, the curve itself, and those of the resamples."""

    labels: np.ndarray
    points: list[Interval]
    curve: Curves
    resampled: Curves

    def at(self, count: float) -> Interval:
        """Accuracy with ``count`` labels and its 95 % interval."""
        low, high = np.quantile(self.resampled.at(count), [0.025, 0.975])
        return Interval(float(self.curve.at(count)[0]), float(low), float(high), round(count))

    def asdict(self) -> dict[str, float]:
        """The three numbers of the curve."""
        return {name: float(getattr(self.curve, name)[0]) for name in "abc"}


@dataclass(frozen=True)
class Weighed:
    """What was found.

    Attributes
    ----------
    labels : int
        Number of labels n of the run.
    accuracy : Interval
        Accuracy of the run's model.
    curves : dict of str to Fitted
        Curves by method: the baseline's, and the method's where it was trained with fewer labels.
    equal : (float, float, float)
        Labels with which the baseline is as accurate as the run, low and high end of the 95 % interval; infinite beyond
        ``limit``.
    limit : int
        Up to where the baseline's curve is believed.
    seeds : int
        Trainings for each number of labels.
    """

    labels: int
    accuracy: Interval
    curves: dict[str, Fitted]
    equal: tuple[float, float, float]
    limit: int
    seeds: int

    def forecasts(self) -> list[dict[str, Any]]:
        """Accuracy with more labels, a row for each method and number, if the curves go on as they are."""
        return [
            {"method": name, "labels": factor * self.labels} | _numbers(curve.at(factor * self.labels))
            for name, curve in self.curves.items()
            for factor in AHEAD
        ]


def estimate_worth(lines: Sequence[Record], right: np.ndarray, labels: int, seed: int = 0) -> Weighed:
    """Fit the curves, and find where on the baseline's the run lies.

    The intervals come from 1000 resamples. In each, the test items are drawn with replacement, the same for all; and
    the mean of each number of labels moves by what chance in the draws moves it: Student's t, its spread that of the
    draws around their means, as a multiple of the binomial one that is the same for all numbers of labels.

    Parameters
    ----------
    lines : sequence of Record
        The lines of ``leaven.study.worth.train_all``.
    right : ndarray of bool, shape (N,)
        Which test items the run's own model gets right.
    labels : int
        Number of labels n that the run was trained with.
    seed : int, optional
        Seed of the resamples.

    Raises
    ------
    LeavenError
        The baseline was trained with one number of labels only.
    """
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(right), np.full(len(right), 1 / len(right)), size=RESAMPLES) / len(right)
    resampled = weights @ right
    curves = {}
    for name in dict.fromkeys(line["method"] for line in lines):
        table: dict[int, list[np.ndarray]] = {}
        for line in lines:
            if line["method"] == name:
                table.setdefault(line["labels"], []).append(unpacked(line))
        if name != BASE:
            table[labels] = [right]
        require_curve(list(table), labels)
        curves[name] = _curve(table, weights, rng)
    base = curves[BASE]
    limit = FAR * int(base.labels.max())
    reached = base.resampled.labels(resampled)
    least, most = np.quantile(reached, 0.025, method="lower"), np.quantile(reached, 0.975, method="higher")
    at = float(base.curve.labels(float(right.mean()))[0])
    equal = tuple(float(v) if v <= limit else np.inf for v in (at, least, most))
    seeds = len({line["seed"] for line in lines})
    return Weighed(labels, proportion(int(right.sum()), len(right)), curves, equal, limit, seeds)  # type: ignore[arg-type]


def _curve(table: Mapping[int, Sequence[np.ndarray]], weights: np.ndarray, rng: np.random.Generator) -> Fitted:
    """The curve through the means of ``table``: numbers of labels to a row of right items for each training."""
    from scipy.stats import t

    counts = np.array(sorted(table))
    rows = [np.stack(list(table[count])).astype(float) for count in counts]
    runs = np.array([len(row) for row in rows])
    n = rows[0].shape[1]
    means = np.array([row.mean() for row in rows])
    binomial = (clipped := np.clip(means, 0.5 / n, 1 - 0.5 / n)) * (1 - clipped)
    free = int((runs - 1).sum())
    squares = sum(((row.mean(1) - row.mean()) ** 2).sum() / one for row, one in zip(rows, binomial, strict=True))
    spread = np.sqrt(binomial * squares / free / runs) if free else np.zeros(len(runs))
    chance = t.rvs(free, size=(len(weights), len(runs)), random_state=rng) if free else 0.0
    resampled = np.stack([(weights @ row.T).mean(1) for row in rows], 1) + chance * spread
    variances = spread**2 + binomial / n
    unsettled = len(counts) < ENOUGH
    curve = fit_curves(counts, means[None], variances, np.array([MIDDLE]) if unsettled else None)
    rates = 1 - rng.random(len(weights)) if unsettled else None
    points = [mean_of_runs(row.mean(1).tolist()) if len(row) > 1 else proportion(int(row.sum()), n) for row in rows]
    return Fitted(counts, points, curve, fit_curves(counts, resampled, variances, rates))


def _numbers(at: Interval) -> dict[str, float]:
    return {"accuracy": at.value, "low": at.low, "high": at.high}


def rows(weighed: Weighed, lines: Sequence[Record], method: str, items: int) -> list[dict[str, Any]]:
    """The figures as a table: what was measured, the run among it."""
    trained = [(line["method"], line["labels"]) for line in lines]
    measured = [
        {"method": name, "labels": int(count), "seeds": trained.count((name, count)), "n": items} | _numbers(point)
        for name, curve in weighed.curves.items()
        for count, point in zip(curve.labels, curve.points, strict=True)
        if name == BASE or count < weighed.labels
    ]
    return [
        *measured,
        {"method": method, "labels": weighed.labels, "seeds": 1, "n": items} | _numbers(weighed.accuracy),
    ]

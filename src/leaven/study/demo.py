"""The embedded experiment: what unlabelled items are worth, on data that comes with the package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from leaven.data import Pool, adaptation, digits, few_labels, hold_out, rendered_digits
from leaven.evaluation.intervals import Interval, mean_of_runs, proportion
from leaven.run.fit import fit
from leaven.run.options import Options

RENDERED = 4000  # rendered digits, all labelled
ADAPT, REAL = "rendered → real digits", "real digits"
RUNS = (("adamatch", 0), ("fixmatch", 10), ("fixmatch", 40))
# Chosen on other digits, USPS at 8 pixels, with other splits: docs/results.md.
PLAN: dict[str, dict[str, Any]] = {
    "supervised": {"steps": 1000, "batch_size": 32},
    "fixmatch": {"steps": 1000, "batch_size": 32},
    "adamatch": {"steps": 1600, "batch_size": 32, "lr": 0.1},
}
FIXMATCH = {"alignment": True, "threshold": 0.8}
TEST = 0.3  # share of the real digits that is held out; the same items for every split


@dataclass
class Row:
    """One line of the table, over all splits."""

    data: str
    labels: int
    method: str
    right: list[int] = field(default_factory=list)
    tested: int = 0
    seconds: float = 0.0

    def add(self, predicted: np.ndarray, labels: np.ndarray, seconds: float) -> None:
        """Take the predictions of one more split in."""
        self.right.append(int((predicted == labels).sum()))
        self.tested = len(labels)
        self.seconds += seconds

    def accuracy(self) -> Interval:
        """Over several splits their mean with Student's interval, of one split Wilson's."""
        if len(self.right) > 1:
            return mean_of_runs([r / self.tested for r in self.right])
        return proportion(self.right[0], self.tested)

    def asdict(self) -> dict[str, Any]:
        """The line of ``result.json``."""
        accuracy = self.accuracy()
        return {
            "data": self.data,
            "labels": self.labels,
            "method": self.method,
            "accuracy": accuracy.value,
            "low": accuracy.low,
            "high": accuracy.high,
            "seeds": len(self.right),
            "seconds": round(self.seconds, 1),
        }


class Experiment:
    """Rendered digits to real ones without a label; real digits with 10 and 40 labels.

    Parameters
    ----------
    out : Path
        Folder of the report; the first split's runs are kept in it.
    """

    def __init__(self, out: Path):
        self.out = out
        self.rows: dict[tuple[str, int, str], Row] = {}
        self.pool, self.test = hold_out(digits(), TEST, seed=0)

    def run(self, seed: int) -> Iterator[str]:
        """One split; says what it does before it does it."""
        yield "rendered → real digits, no real label: source only"
        target = self.pool.with_labels(np.full(len(self.pool), -1))
        adapt = adaptation(rendered_digits(RENDERED, seed=seed), target)
        self._fit(ADAPT, 0, adapt, seed, "supervised", ["source_only"], {"strong": False})
        yield "rendered → real digits, no real label: source only with strong views, AdaMatch"
        self._fit(ADAPT, 0, adapt, seed, "adamatch", ["source_only_strong", "adamatch"])
        for per_class in (1, 4):
            labels = 10 * per_class
            few = few_labels(self.pool, per_class, seed)
            yield f"real digits, {labels} labels: LabelSpreading"
            self._spread(few, labels)
            yield f"real digits, {labels} labels: supervised, FixMatch"
            self._fit(REAL, labels, few, seed, "fixmatch", ["supervised", "fixmatch"], FIXMATCH)

    def _fit(
        self, data: str, labels: int, pool: Pool, seed: int, method: str, names: list[str], values: Any = None
    ) -> None:
        run = self.out / names[-1] / str(labels) if seed == 0 else None
        options = Options(
            method,
            values or {},
            plan=PLAN[method] | {"seed": seed},
            baseline=len(names) > 1,
            validation=0.0,
        )
        results = fit(pool, run, options, test=self.test, source=data, overwrite=True)
        for name, fitted in zip(names, results, strict=True):
            self._row(data, labels, name).add(fitted.classification("test").predicted, self.test.labels, fitted.seconds)

    def _spread(self, pool: Pool, labels: int) -> None:
        options = Options("label_spreading", baseline=False, validation=0.0)
        [fitted] = fit(pool, None, options, test=self.test, progress=False)
        self._row(REAL, labels, "labelspreading").add(
            fitted.classification("test").predicted, self.test.labels, fitted.seconds
        )

    def _row(self, data: str, labels: int, method: str) -> Row:
        return self.rows.setdefault((data, labels, method), Row(data, labels, method))

    def table(self) -> list[dict[str, Any]]:
        """All lines, in the order in which they were run."""
        return [row.asdict() for row in self.rows.values()]

    def page(self) -> Path:
        """Write the page: the table in two parts, what the data look like, links to the runs of the first split."""
        from leaven.report.summary import write_summary

        rows = self.table()
        count = len(next(iter(self.rows.values())).right)
        return write_summary(
            self.out,
            "What unlabelled items are worth",
            f"{len(self.test)} real digits were held out; "
            + (
                "each figure is of one split, with the 95 % interval that so many items allow."
                if count == 1
                else f"each figure is the mean of {count} splits with its 95 % interval."
            ),
            [(data, [row for row in rows if row["data"] == data]) for data in (ADAPT, REAL)],
            [
                ("Rendered digits, whose labels are free:", rendered_digits(25, seed=0).items),
                ("Real digits:", self.test.items[:25]),
            ],
            [(f"{name}, {labels} labels of real digits", f"{name}/{labels}/report.html") for name, labels in RUNS],
        )

"""How ``--method auto`` came to its method."""

from __future__ import annotations

from typing import Any

from leaven.evaluation.intervals import Interval
from leaven.report.figures import Table
from leaven.report.parts import Panel, Section
from leaven.report.rows import interval_rows
from leaven.report.run import Run
from leaven.report.svg import percent


def chosen(run: Run) -> Section:
    """The sentence why; each candidate's accuracy under cross-validation, and its difference to the baseline."""
    tried = run.auto["tried"]
    if not tried:
        return Section("auto", "Why this method", lead=run.auto["why"])
    names = [row["method"] for row in tried]
    intervals = [Interval(row["value"], row["low"], row["high"], row["n"]) for row in tried]
    what = f"Accuracy in {run.auto['folds']}-fold cross-validation over {run.auto['labels']} labels"
    panel = Panel(what, interval_rows(names, [("accuracy", "a", intervals)], what), text="The bars are 95 % intervals.")
    columns = ["method", "labels", "accuracy", "points over the baseline", "95 % interval", "McNemar's p"]
    rows = [
        [name, str(at.n), percent(at.value), *_difference(row)]
        for name, at, row in zip(names, intervals, tried, strict=True)
    ]
    return Section(
        "auto",
        "Why this method",
        run.auto["why"],
        [panel],
        table=Table(columns, rows),
        heading="The same items, beside the supervised baseline",
    )


def _difference(row: dict[str, Any]) -> list[str]:
    if row["difference"] is None:
        return ["", "", ""]
    value, low, high = (f"{100 * row[k]:+.1f}" for k in ("difference", "difference_low", "difference_high"))
    p = "< 0.001" if row["p"] < 0.001 else f"{row['p']:.3f}"
    return [value.replace("-", "−"), f"{low} to {high}".replace("-", "−"), p]

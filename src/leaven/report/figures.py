"""The table of figures at the head of the page, and the tiles above it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from leaven.evaluation.intervals import Interval
from leaven.evaluation.paired import Paired
from leaven.report.rows import whisker
from leaven.report.run import Run
from leaven.report.svg import percent
from leaven.report.words import BASELINE, duration

ORDER = ("data", "strategy", "labels", "method", "split", "accuracy", "difference", "n", "seeds", "seconds")
NUMBERS = ("labels", "n", "seeds")
HEADINGS = {"n": "items", "seconds": "time", "difference": "points over random"}


@dataclass(frozen=True)
class Table:
    """Columns, and rows of cells: text, or a drawing."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str | Markup]]


@dataclass(frozen=True)
class Tile:
    """One large figure, what it is, and what to know about it."""

    value: str
    name: str
    note: str


def rows_of(run: Run) -> list[dict[str, Any]]:
    """The figures of ``result.json``, or those that the evaluations give."""
    if run.result:
        return run.result
    return [
        {
            "method": who.title if who is run else BASELINE,
            "split": split,
            "accuracy": at.value,
            "low": at.low,
            "high": at.high,
            "n": at.n,
            "labels": who.learnt,
            "seconds": who.seconds,
            "metric": run.metric if run.dense else None,
        }
        for who in (run, run.baseline)
        if who
        for split, at in who.accuracies.items()
    ]


def table(rows: Sequence[dict[str, Any]]) -> Table | None:
    """The rows as they are shown: each accuracy with its interval, written and drawn."""
    columns = [c for c in ORDER if any(r.get(c) is not None for r in rows)]
    if "accuracy" not in columns:
        return None
    intervals = [_interval(r) for r in rows]
    low = math.floor(10 * min((i.low for i in intervals if i), default=0.0)) / 10
    first = columns.index("accuracy") + 1
    shown = [
        [_cell(c, r.get(c)) for c in columns[:first]]
        + ([f"{100 * at.low:.1f} to {100 * at.high:.1f}", whisker(at, low, _style(r))] if at else ["–", ""])
        + [_cell(c, r.get(c)) for c in columns[first:]]
        for r, at in zip(rows, intervals, strict=True)
    ]
    names = [*columns[:first], "95\u00a0% interval", f"{percent(low, 0)} to 100\u00a0%", *columns[first:]]
    metric = next((r["metric"] for r in rows if r.get("metric")), "accuracy")
    return Table([{**HEADINGS, "accuracy": metric}.get(c, c) for c in names], shown)


def _interval(row: dict[str, Any]) -> Interval | None:
    values = [row.get(k) for k in ("accuracy", "low", "high")]
    numbers = [float(v) for v in values if isinstance(v, int | float) and math.isfinite(v)]
    if len(numbers) != 3:
        return None
    return Interval(numbers[0], numbers[1], numbers[2], int(row.get("n") or row.get("seeds") or 0))


def _style(row: dict[str, Any]) -> str:
    control = str(row.get("method", row.get("strategy"))).lower()
    return "b" if control.startswith(("supervised", "source_only", "random")) else "a"


def _cell(column: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, int | float):
        if column == "accuracy":
            return percent(value)
        if column == "seconds":
            return duration(value)
        return f"{value:,}"
    return str(value)


def tiles(run: Run, pair: Paired | None) -> list[Tile]:
    """The four figures that one looks for first."""
    made = []
    if run.held_out is not None:
        accuracy = run.held_out.accuracy()
        made.append(
            Tile(
                percent(accuracy.value),
                "accuracy",
                f"{100 * accuracy.low:.1f} to {100 * accuracy.high:.1f}, {accuracy.n:,} {run.split} items",
            )
        )
        if pair:
            note = "" if pair.proven else ", not proven"
            value = f"{100 * pair.difference:+.1f}".replace("-", "−")
            made.append(
                Tile(
                    value,
                    "points over the baseline",
                    f"{100 * pair.low:+.1f} to {100 * pair.high:+.1f}{note}".replace("-", "−"),
                )
            )
    return made + of_training(run)


def of_training(run: Run) -> list[Tile]:
    """What the figures cost: labels and time."""
    made = []
    given, items = run.of("data", "labelled"), run.of("data", "items")
    if (learnt := run.learnt) is not None:
        notes = [] if run.source_learnt is None else [f"and {run.source_learnt:,} of the source"]
        held_out = (given if isinstance(given, int) else learnt) - learnt - (run.source_learnt or 0)
        notes += [f"{held_out:,} more were held out"] if held_out > 0 else []
        notes += [f"of {items:,} items"] if isinstance(items, int) else []
        made.append(Tile(f"{learnt:,}", "labels learnt from", "; ".join(notes)))
    if not math.isnan(run.seconds):
        steps = run.of("plan", "steps")
        made.append(Tile(duration(run.seconds), "of training", f"{steps:,} steps" if isinstance(steps, int) else ""))
    return made


def configuration(run: Run) -> list[tuple[str, str]]:
    """Everything in ``config.json``, flat: ``plan.lr``, ``data.path``, ..."""
    return list(_flat("", run.config))


def _flat(prefix: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [line for key, part in value.items() for line in _flat(f"{prefix}.{key}" if prefix else str(key), part)]
    if isinstance(value, list):
        return [(prefix, ", ".join(map(str, value)))]
    return [(prefix, str(value))]

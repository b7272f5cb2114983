"""What a simulation has found: figures with intervals, and the page with the learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leaven.evaluation.intervals import mean_of_runs, proportion, student
from leaven.report.lines import Series, line_chart
from leaven.report.parts import Panel
from leaven.report.summary import write_summary
from leaven.study.round_log import Line
from leaven.study.simulate import CONTROL
from leaven.utils.reading import PathLike

STYLES = ("a", "c", "d", "e", "f")  # of the page; the control has the one of baselines


def figures(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """A row for each strategy and number of labels.

    Accuracy is the mean over the seeds with Student's 95 % interval (of a single seed: Wilson's over the test items);
    the difference from random is that of the same seeds, so paired, and of a single seed it has no interval.
    """
    rows = []
    for strategy in dict.fromkeys(line.strategy for line in lines):
        played = [line for line in lines if line.strategy == strategy]
        for number in sorted({line.round for line in played}):
            same_round = [line for line in played if line.round == number]
            values = [line.accuracy for line in same_round]
            control = {line.seed: line for line in lines if line.strategy == CONTROL and line.round == number}
            more = [line.accuracy - control[line.seed].accuracy for line in same_round if line.seed in control]
            at = mean_of_runs(values) if len(values) > 1 else proportion(same_round[0].right, same_round[0].n)
            mean, half = student(more) if len(more) > 1 else (float(np.mean(more)) if more else np.nan, np.nan)
            other = strategy != CONTROL
            rows.append(
                {
                    "strategy": strategy,
                    "labels": same_round[0].labels,
                    "accuracy": at.value,
                    "low": at.low,
                    "high": at.high,
                    "n": same_round[0].n,
                    "seeds": len(same_round),
                    "seconds": round(sum(line.seconds for line in same_round), 1),
                    "difference": mean if other else None,
                    "difference_low": mean - half if other else None,
                    "difference_high": mean + half if other else None,
                }
            )
    return rows


def shown(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows for a person: the difference in points, with its interval, in one column."""
    return [
        {k: v for k, v in row.items() if not k.startswith("difference")} | {"difference": difference(row)}
        for row in rows
    ]


def difference(row: dict[str, Any]) -> str:
    """``+1.2 (−0.3 to +2.7)``, in points."""
    value, low, high = (row[k] for k in ("difference", "difference_low", "difference_high"))
    if value is None or np.isnan(value):
        return ""
    interval = "" if np.isnan(low) else f" ({100 * low:+.1f} to {100 * high:+.1f})"
    return f"{100 * value:+.1f}{interval}".replace("-", "−")


def verdict(rows: Sequence[dict[str, Any]]) -> str:
    """Which strategies are ahead of random, or behind, with all labels."""
    last = [row for row in rows if row["labels"] == max(r["labels"] for r in rows) and row["strategy"] != CONTROL]
    if not last:
        return "Only the control was played."
    if last[0]["seeds"] < 2:
        return "One seed cannot tell a strategy from chance: give more --seeds."
    words = []
    for where, side in (
        ("ahead of", [r for r in last if r["difference_low"] > 0]),
        ("behind", [r for r in last if r["difference_high"] < 0]),
    ):
        if side:
            words.append(f"{', '.join(r['strategy'] for r in side)} {where} {CONTROL}")
    outcome = " and ".join(words) if words else f"no strategy differs from {CONTROL}"
    return (
        f"With {last[0]['labels']} labels {outcome} by more than the 95 % interval over {last[0]['seeds']} seeds; "
        "of many comparisons one in twenty says so by chance."
    )


def write_page(out: PathLike, title: str, rows: Sequence[dict[str, Any]], lead: str) -> Path:
    """Write ``report.html``: all curves in one picture, each beside the control in one of its own, and the table."""
    out = Path(out)
    strategies = list(dict.fromkeys(row["strategy"] for row in rows))
    others = [name for name in strategies if name != CONTROL]
    styles = {CONTROL: "b"} | {name: STYLES[i % len(STYLES)] for i, name in enumerate(others)}
    curves = {name: _curve(name, styles[name], rows) for name in strategies}
    bare = [Series(c.name, c.x, c.y, c.style) for c in curves.values()]
    text = "Accuracy on held-out items against the number of labels."
    panels = [Panel("All strategies", line_chart(bare, text, unit="labels"), _legend(bare), text, wide=True)]
    for name in others:
        pair = [curves[CONTROL], curves[name]]
        chart = line_chart(pair, f"{name} and {CONTROL} against the number of labels", unit="labels")
        panels.append(Panel(f"{name} and {CONTROL}", chart, _legend(pair), "The bands are 95 % intervals."))
    return write_summary(out, title, f"{lead} {verdict(rows)}", [("Figures", shown(rows))], [], [], panels)


def _curve(name: str, style: str, rows: Sequence[dict[str, Any]]) -> Series:
    curve_rows = [row for row in rows if row["strategy"] == name]
    x, y, low, high = (np.array([row[k] for row in curve_rows], float) for k in ("labels", "accuracy", "low", "high"))
    return Series(name, x, y, style, low, high)


def _legend(series: Sequence[Series]) -> list[tuple[str, str]]:
    return [(s.name, s.style) for s in series]

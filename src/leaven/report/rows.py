"""One row a class: accuracies with their intervals, or bars beside each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from leaven.evaluation.intervals import Interval
from leaven.report.svg import RIGHT, TOP, WIDTH, Scale, cut, drawing, percent, tag, ticks, x_axis

ROW = 24
NAMES = 116  # room for the class names


def interval_rows(names: Sequence[str], series: Sequence[tuple[str, str, Sequence[Interval]]], label: str) -> Markup:
    """A dot with its interval for each class and each ``(name, style, intervals)``."""
    lows = [at.low for _, _, intervals in series for at in intervals if at.n]
    x = Scale(0.5 if min(lows, default=0.0) >= 0.5 else 0.0, 1.0, NAMES, WIDTH - RIGHT)
    bottom = TOP + ROW * len(names)
    marks = []
    for i, name in enumerate(names):
        lines = [name]
        for j, (who, style, intervals) in enumerate(series):
            at = intervals[i]
            y = TOP + ROW * (i + 0.5) + 7.0 * (j - (len(series) - 1) / 2)
            lines.append(f"{who}: {at}" if at.n else f"{who}: no label of this class")
            if at.n:
                marks.append(tag("line", x1=x(at.low), x2=x(at.high), y1=y, y2=y, class_=f"whisker {style}"))
                marks.append(tag("circle", cx=x(at.value), cy=y, r=3.6, class_=f"dot {style}"))
        marks.append(_hit(i, "\n".join(lines)))
    return drawing(WIDTH, bottom + 24, label, _frame(names, x, bottom, ticks(x.low, x.high)), *marks)


def bar_rows(
    names: Sequence[str],
    series: Sequence[tuple[str, str, Sequence[int]]],
    label: str,
    longest: float,
    totals: Sequence[int],
) -> Markup:
    """Bars for each class and each ``(name, style, counts)``: shares of ``totals``, at most ``longest``."""
    x = Scale(0.0, longest or 1.0, NAMES, WIDTH - RIGHT - 30)
    bottom = TOP + ROW * len(names)
    marks = []
    for i, name in enumerate(names):
        lines = [name]
        for j, (who, style, counts) in enumerate(series):
            share = counts[i] / max(1, totals[j])
            y = TOP + ROW * i + 3 + 9 * j
            lines.append(f"{who}: {counts[i]:,} ({percent(share)})")
            marks.append(tag("rect", x=x.start, y=y, width=x(share) - x.start, height=8, class_=f"bar {style}"))
        end = x(max(counts[i] / max(1, total) for (_, _, counts), total in zip(series, totals, strict=True)))
        marks.append(tag("text", f"{series[0][2][i]:,}", x=end + 5, y=TOP + ROW * i + 15, class_="count"))
        marks.append(_hit(i, "\n".join(lines)))
    return drawing(WIDTH, bottom + 24, label, _frame(names, x, bottom, ticks(0, x.high, 4)), *marks)


def _frame(names: Sequence[str], x: Scale, bottom: float, at: Sequence[float]) -> Markup:
    lines = [tag("line", x1=x(v), x2=x(v), y1=TOP, y2=bottom, class_="grid") for v in at]
    digits = 0 if all(math.isclose(100 * v, round(100 * v), abs_tol=1e-6) for v in at) else 1
    texts = [
        tag(
            "text",
            cut(name, 15),
            x=NAMES - 8,
            y=TOP + ROW * (i + 0.5) + 4.5,
            class_="name",
            text_anchor="end",
        )
        for i, name in enumerate(names)
    ]
    return Markup("").join([*lines, x_axis(x, bottom, at, [percent(v, digits) for v in at]), *texts])


def _hit(i: int, hint: str) -> Markup:
    return tag("g", tag("rect", x=0, y=TOP + ROW * i, width=WIDTH, height=ROW), title=hint, class_="hit row")


def whisker(at: Interval, low: float, style: str) -> Markup:
    """One interval alone, for a cell of a table whose axis runs from ``low`` to 1."""
    x = Scale(low, 1.0, 6, 194)
    return tag(
        "svg",
        tag("line", x1=x.start, x2=x.end, y1=10, y2=10, class_="grid"),
        tag("line", x1=x(at.low), x2=x(at.high), y1=10, y2=10, class_=f"whisker {style}"),
        tag("circle", cx=x(at.value), cy=10, r=4.5, class_=f"dot {style}"),
        viewBox="0 0 200 20",
        class_="inline",
        role="img",
        aria_label=str(at),
    )

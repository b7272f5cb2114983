"""Curves over the steps of a run, or over whatever else is counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from markupsafe import Markup

from leaven.report.svg import BOTTOM, LEFT, RIGHT, TOP, WIDTH, Scale, drawing, percent, tag, ticks, x_axis, y_axis

HEIGHT = 290


@dataclass(frozen=True)
class Series:
    """One curve, ``style`` the class that colours it; a band where ``low`` and ``high`` are given."""

    name: str
    x: np.ndarray
    y: np.ndarray
    style: str
    low: np.ndarray | None = None
    high: np.ndarray | None = None


def line_chart(series: Sequence[Series], label: str, shares: bool = True, unit: str = "step") -> Markup:
    """Curves with bands; ``shares``: the values are shares, shown in percent; ``unit``: what x counts."""
    xs = np.concatenate([s.x for s in series])
    values = np.concatenate([v for s in series for v in (s.y, s.low, s.high) if v is not None])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if shares:
        low = 0.0 if low < 0.5 else math.floor(10 * low) / 10
        high = max(low + 0.1, math.ceil(10 * high - 1e-6) / 10)
    else:
        low, high = min(0.0, low), 1.04 * high or 1.0
    x = Scale(min(0.0, float(xs.min())), float(xs.max()), LEFT, WIDTH - RIGHT)
    y = Scale(low, high, HEIGHT - BOTTOM, TOP)
    at_x, at_y = ticks(x.low, x.high), ticks(low, high)
    digits = max(0, -math.floor(math.log10((at_y[1] - at_y[0]) * 1.0001))) if len(at_y) > 1 else 1
    texts = [percent(v, max(0, digits - 2)) if shares else f"{v:.{digits}f}" for v in at_y]
    return drawing(
        WIDTH,
        HEIGHT,
        label,
        y_axis(y, LEFT, WIDTH - RIGHT, at_y, texts),
        x_axis(x, HEIGHT - BOTTOM, at_x, [f"{v:,.0f}" for v in at_x], unit),
        *(_band(s, x, y) for s in series),
        *(_curve(s, x, y) for s in series),
        *_hits(series, x, shares, unit),
    )


def _points(x: Scale, y: Scale, xs: np.ndarray, ys: np.ndarray) -> list[str]:
    return [f"{x(float(a)):.1f},{y(float(b)):.1f}" for a, b in zip(xs, ys, strict=True) if math.isfinite(b)]


def _band(s: Series, x: Scale, y: Scale) -> Markup:
    if s.low is None or s.high is None:
        return Markup("")
    outline = _points(x, y, s.x, s.high) + _points(x, y, s.x, s.low)[::-1]
    return tag("polygon", points=" ".join(outline), class_=f"band {s.style}")


def _curve(s: Series, x: Scale, y: Scale) -> Markup:
    points = _points(x, y, s.x, s.y)
    dots = points if len(points) <= 25 else points[-1:]
    return tag("polyline", points=" ".join(points), class_=f"line {s.style}") + Markup("").join(
        tag("circle", cx=p.split(",")[0], cy=p.split(",")[1], r=2.6, class_=f"dot {s.style}") for p in dots
    )


def _hits(series: Sequence[Series], x: Scale, shares: bool, unit: str) -> list[Markup]:
    """An invisible strip for each step of any curve: it tells the values there."""
    steps = np.unique(np.concatenate([s.x for s in series]))
    edges = [
        x.start,
        *((x(float(a)) + x(float(b))) / 2 for a, b in pairwise(steps)),
        x.end,
    ]
    strips = []
    for step, left, right in zip(steps, edges, edges[1:], strict=False):
        lines = [f"{unit} {step:,.0f}"]
        for s in series:
            lines += [
                f"{s.name}: {_told(s, int(i), shares)}" for i in np.flatnonzero(s.x == step) if math.isfinite(s.y[i])
            ]
        at = x(float(step))
        strips.append(
            tag(
                "g",
                tag("line", x1=at, x2=at, y1=TOP, y2=HEIGHT - BOTTOM, class_="cross"),
                tag("rect", x=left, y=TOP, width=right - left, height=HEIGHT - BOTTOM - TOP),
                title="\n".join(lines),
                class_="hit",
            )
        )
    return strips


def _told(s: Series, i: int, shares: bool) -> str:
    if not shares:
        return f"{s.y[i]:.4g}"
    if s.low is None or s.high is None:
        return percent(float(s.y[i]))
    return f"{percent(float(s.y[i]))} ({100 * s.low[i]:.1f} to {100 * s.high[i]:.1f})"

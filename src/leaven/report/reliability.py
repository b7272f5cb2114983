"""Does 90 % confidence mean right nine times out of ten?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from leaven.evaluation.classification import Evaluation
from leaven.evaluation.intervals import Interval, proportion
from leaven.report.svg import LEFT, RIGHT, TOP, WIDTH, Scale, drawing, percent, tag, x_axis, y_axis

BINS = 15  # as many as ``Evaluation.calibration_error`` has


@dataclass(frozen=True)
class Bin:
    """The items whose confidence lies in ``low..high``."""

    low: float
    high: float
    confidence: float
    accuracy: Interval


def bins(evaluation: Evaluation, count: int = BINS) -> list[Bin]:
    """Bins of equal width over the items with a label; empty ones are left out."""
    labelled = evaluation.has_label
    confidence, right = evaluation.confidence[labelled], (evaluation.predicted == evaluation.labels)[labelled]
    which = np.minimum((confidence * count).astype(int), count - 1)
    return [
        Bin(
            b / count,
            (b + 1) / count,
            float(confidence[which == b].mean()),
            proportion(int(right[which == b].sum()), n),
        )
        for b in range(count)
        if (n := int((which == b).sum()))
    ]


def reliability_diagram(evaluation: Evaluation, style: str, label: str) -> Markup:
    """Accuracy over confidence with intervals, a histogram of the confidences below it."""
    filled = bins(evaluation)
    total = sum(b.accuracy.n for b in filled)
    plot, gap, floor = 270.0, 12.0, 62.0
    x = Scale(0.0, 1.0, LEFT, WIDTH - RIGHT)
    y = Scale(0.0, 1.0, TOP + plot, TOP)
    base = TOP + plot + gap + floor
    fill = Scale(0.0, max(b.accuracy.n for b in filled) / total, base, base - floor)
    fifths = [0, 0.2, 0.4, 0.6, 0.8, 1]
    texts = [percent(v, 0) for v in fifths]
    marks = []
    for b in filled:
        at, a = x(b.confidence), b.accuracy
        share, left, wide = a.n / total, x(b.low), x(b.high) - x(b.low)
        top = fill(share)
        hint = (
            f"confidence {percent(b.low, 0)} to {percent(b.high, 0)}: {a.n:,} items ({percent(share)})\n"
            f"mean confidence {percent(b.confidence)}\naccuracy {a}"
        )
        marks.append(
            tag(
                "g",
                tag("rect", x=left + 1, y=top, width=wide - 2, height=base - top, class_=f"bar {style}"),
                tag("line", x1=at, x2=at, y1=y(a.low), y2=y(a.high), class_=f"whisker {style}"),
                tag("circle", cx=at, cy=y(a.value), r=2.5 + 3.5 * share**0.5, class_=f"dot {style}"),
                tag("rect", x=left, y=TOP, width=wide, height=base - TOP, class_="over"),
                title=hint,
                class_="hit",
            )
        )
    return drawing(
        WIDTH,
        base + 42,
        label,
        y_axis(y, LEFT, WIDTH - RIGHT, fifths, texts),
        tag("line", x1=x(0), y1=y(0), x2=x(1), y2=y(1), class_="ideal"),
        tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=base, y2=base, class_="grid"),
        tag("text", "items", x=LEFT - 7, y=base - floor / 2 + 4, class_="tick", text_anchor="end"),
        x_axis(x, base, fifths, texts, "confidence"),
        *marks,
    )

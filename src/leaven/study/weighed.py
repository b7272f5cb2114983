"""What the unlabelled items were worth, in plain words, as JSON and as a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leaven.report.lines import Series, line_chart
from leaven.report.parts import Panel
from leaven.report.summary import write_summary
from leaven.run import folder
from leaven.study.power_law import ENOUGH
from leaven.study.weigh import Weighed
from leaven.study.worth import BASE
from leaven.utils.reading import PathLike

DRAWN = 60  # points of a curve


def sentences(weighed: Weighed, title: str) -> list[str]:
    """The answer first, what is not proven, the forecast, and what the intervals cover."""
    n, (at, low, high) = weighed.labels, weighed.equal
    texts = [
        f"{title} with {n:,} labels gets {_percent(weighed.accuracy)} of {weighed.accuracy.n:,} test items right; "
        f"supervised training needs {_range(weighed.equal, weighed.limit)} for that."
    ]
    if high <= n:
        texts.append("The unlabelled items were worth nothing: with the same labels the baseline is ahead.")
    elif at <= n:
        texts.append("That the unlabelled items were worth any label is not proven.")
    else:
        worth = [max(0.0, v - n) for v in weighed.equal]
        texts.append(f"So the unlabelled items were worth {_range(worth, weighed.limit - n)}.")
        if low <= n:
            texts.append("The interval includes 0: that they were worth anything is not proven.")
    ahead = [
        f"{row['method']} with {row['labels']:,} labels {100 * row['accuracy']:.1f} % ({100 * row['low']:.1f} to "
        f"{100 * row['high']:.1f})"
        for row in weighed.forecasts()
    ]
    texts.append(f"An extrapolation, right only if the curves go on as power laws: {'; '.join(ahead)}.")
    texts.append(
        "The 95 % intervals cover chance in the test items and in the draws of labels, not another seed of the run "
        "itself."
    )
    if weighed.seeds < 2:
        texts.append("One draw cannot tell how far draws differ, so the intervals are too narrow: give more --seeds.")
    if min(len(curve.labels) for curve in weighed.curves.values()) < ENOUGH:
        texts.append(
            "Two numbers of labels cannot settle a curve of three parameters; its rate was taken as 0.5, and as "
            "anything from 0 to 1 in the intervals."
        )
    return texts


def content(weighed: Weighed, texts: Sequence[str], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of ``worth.json``; a number of labels is ``null`` where it is more than ``limit``."""
    at, low, high = (None if math.isinf(v) else round(v, 1) for v in weighed.equal)
    accuracy = weighed.accuracy.asdict()
    return {
        "labels": weighed.labels,
        "accuracy": accuracy,
        "equal_to": {"labels": at, "low": low, "high": high},
        "worth": {
            k: None if v is None else round(max(0.0, v - weighed.labels), 1)
            for k, v in (("labels", at), ("low", low), ("high", high))
        },
        "limit": weighed.limit,
        "measured": list(rows),
        "forecast": weighed.forecasts(),
        "curves": {name: curve.asdict() for name, curve in weighed.curves.items()},
        "said": list(texts),
    }


def write_page(
    run: PathLike, weighed: Weighed, title: str, texts: Sequence[str], rows: Sequence[dict[str, Any]]
) -> Path:
    """Write ``worth.html``: the baseline's curve with the run's point, the method's curve, and the table."""
    run = Path(run)
    base = weighed.curves[BASE]
    most = max(5 * weighed.labels, int(base.labels.max()))
    accuracy = weighed.accuracy
    point = Series(
        f"{title}, the run",
        np.array([weighed.labels]),
        np.array([accuracy.value]),
        "a",
        np.array([accuracy.low]),
        np.array([accuracy.high]),
    )
    styles = {name: "b" if name == BASE else "c" for name in weighed.curves}
    smooth = [_smooth(name, weighed, most, styles[name]) for name in weighed.curves]
    measured = [
        Series(
            f"{name}, measured",
            curve.labels.astype(float),
            np.array([p.value for p in curve.points]),
            "d" if name == BASE else "c",
        )
        for name, curve in weighed.curves.items()
    ]
    height = Series(
        f"{title}'s accuracy", np.array([0.0, float(most)]), np.array([accuracy.value, accuracy.value]), "a"
    )
    text = "Accuracy on held-out items against the number of labels."
    near = [*smooth, *measured, height, point]
    panels = [
        Panel(
            text,
            line_chart(near, text, unit="labels"),
            [(s.name, s.style) for s in near],
            "The run is worth the labels with which the baseline's curve meets its height. The bands are 95 % "
            "intervals; beyond the measured points all is extrapolated.",
            wide=True,
        )
    ]
    heading = f"What the unlabelled items were worth to {title}"
    tables = [("Measured", list(rows)), ("Forecast", weighed.forecasts())]
    return write_summary(run, heading, " ".join(texts), tables, [], [], panels, name=folder.WORTH_PAGE)


def _smooth(name: str, weighed: Weighed, most: int, style: str) -> Series:
    curve = weighed.curves[name]
    x = np.geomspace(curve.labels.min(), most, DRAWN)
    at = [curve.at(float(v)) for v in x]
    y, low, high = (np.array([getattr(a, k) for a in at]) for k in ("value", "low", "high"))
    return Series(name, x, y, style, low, high)


def _percent(at: Any) -> str:
    return f"{100 * at.value:.1f} %"


def _range(equal: Sequence[float], limit: int) -> str:
    """``about 210 labels (120 to more than 800)``."""
    at, low, high = equal
    text = f"{_count(at, limit, 'about ')} labels"
    return text if math.isinf(low) else f"{text} ({_count(low, limit)} to {_count(high, limit)})"


def _count(labels: float, limit: int, about: str = "") -> str:
    return f"more than {limit:,}" if math.isinf(labels) else f"{about}{round(labels):,}"

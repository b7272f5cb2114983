"""Drawing by hand: elements, scales, axes.

Charts are inline SVG, not plotly: plotly.js puts 4.6 MB into every report (the whole page is 0.2 MB), shows
nothing until it is parsed, and does not follow the page from light to dark or onto paper. These are there
before any script runs, and the hover that one wants is twenty lines (``templates/script.js``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH = 480
LEFT, RIGHT, TOP, BOTTOM = 50, 22, 12, 42


def tag(name: str, *children: str, title: str = "", **attributes: object) -> Markup:
    """One element; ``class_`` and ``text_anchor`` become ``class`` and ``text-anchor``; texts are escaped."""
    shown = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), number(value))
        for key, value in attributes.items()
        if value is not None
    )
    inside = (Markup("<title>{}</title>").format(title) if title else Markup("")) + Markup("").join(
        map(escape, children)
    )
    return Markup("<{0}{1}>{2}</{0}>").format(name, shown, inside) if inside else Markup(f"<{name}{shown}/>")


def number(value: object) -> object:
    """Coordinates to a hundredth: the page stays small."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def drawing(width: float, height: float, label: str, *children: str, least: float = 0.62) -> Markup:
    """The whole picture, as wide as its card, but no larger than is read well, no smaller than ``least``."""
    style = f"min-width:{least * width:.0f}px;max-width:{1.35 * width:.0f}px"
    return tag("svg", *children, viewBox=f"0 0 {width:.0f} {height:.0f}", role="img", aria_label=label, style=style)


def percent(share: float, digits: int = 1) -> str:
    """``0.971`` as ``97.1 %``."""
    return "–" if math.isnan(share) else f"{100 * share:.{digits}f}\u00a0%"


def cut(text: str, length: int) -> str:
    """At most ``length`` characters; the end stays, for names often differ there."""
    return text if len(text) <= length else f"{text[: length - length // 3 - 1]}…{text[-(length // 3) :]}"


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About ``count`` round numbers in the range."""
    if not high > low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


@dataclass(frozen=True)
class Scale:
    """Maps ``low..high`` to ``start..end`` on the page."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Where ``value`` lies."""
        return self.start + (value - self.low) / ((self.high - self.low) or 1.0) * (self.end - self.start)


def x_axis(scale: Scale, y: float, at: Sequence[float], texts: Sequence[str], name: str = "") -> Markup:
    """Numbers under the plot, and what they count."""
    marks = [
        tag("text", t, x=scale(v), y=y + 17, class_="tick", text_anchor="middle")
        for v, t in zip(at, texts, strict=True)
    ]
    middle = (scale.start + scale.end) / 2
    return Markup("").join(
        [*marks, tag("text", name, x=middle, y=y + 35, class_="axis", text_anchor="middle")] if name else marks
    )


def y_axis(scale: Scale, left: float, right: float, at: Sequence[float], texts: Sequence[str]) -> Markup:
    """Numbers beside the plot, a hairline for each."""
    return Markup("").join(
        tag("line", x1=left, x2=right, y1=scale(v), y2=scale(v), class_="grid")
        + tag("text", t, x=left - 7, y=scale(v) + 4, class_="tick", text_anchor="end")
        for v, t in zip(at, texts, strict=True)
    )

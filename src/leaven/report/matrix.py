"""The confusion matrix as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from leaven.report.svg import cut, drawing, percent, tag


@dataclass(frozen=True)
class Size:
    """What fits into a matrix of so many classes."""

    cell: float
    font: float
    letters: int
    numbers: bool
    shares: bool
    faintest: float

    @classmethod
    def of(cls, classes: int) -> Size:
        """The size for so many classes."""
        if classes <= 12:
            return cls(40, 11, 12, True, True, 0.1)
        if classes <= 30:
            return cls(26, 10, 14, True, False, 0.15)
        return cls(max(8.0, 780 / classes), min(10.0, max(7.0, 700 / classes)), 16, False, False, 0.3)


def heat_map(counts: np.ndarray, classes: Sequence[str], label: str) -> Markup:
    """Row the label, column the prediction; the deeper, the larger the share of the row."""
    n, size = len(classes), Size.of(len(classes))
    short = [cut(c, size.letters) for c in classes]
    margin = 30 + size.font * 0.62 * max(map(len, short))
    flat = size.shares and max(map(len, short)) <= 4
    top = 22 + size.font + 6 if flat else margin
    side = n * size.cell
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    cells = [
        _cell(
            counts[i, j],
            shares[i, j],
            i == j,
            margin + j * size.cell,
            top + i * size.cell,
            size,
            classes[i],
            classes[j],
        )
        for i, j in np.argwhere(counts > 0)
    ]
    names = []
    for k, name in enumerate(short):
        at = (k + 0.5) * size.cell
        names.append(
            tag(
                "text",
                name,
                x=margin - 6,
                y=top + at + 0.35 * size.font,
                font_size=size.font,
                text_anchor="end",
                class_="name",
            )
        )
        turn = None if flat else f"rotate(-90 {margin + at + 0.35 * size.font:.1f} {top - 6:.1f})"
        names.append(
            tag(
                "text",
                name,
                x=margin + at + (0 if flat else 0.35 * size.font),
                y=top - 6,
                font_size=size.font,
                text_anchor="middle" if flat else "start",
                transform=turn,
                class_="name",
            )
        )
    middle = top + side / 2
    return drawing(
        margin + side + 6,
        top + side + 6,
        label,
        tag("rect", x=margin, y=top, width=side, height=side, class_="board"),
        *cells,
        *names,
        tag("text", "predicted", x=margin + side / 2, y=13, class_="axis", text_anchor="middle"),
        tag(
            "text",
            "label",
            x=12,
            y=middle,
            class_="axis",
            text_anchor="middle",
            transform=f"rotate(-90 12 {middle:.1f})",
        ),
        least=0.62 if size.shares else 0.85,
    )


def _cell(count: int, share: float, right: bool, x: float, y: float, size: Size, label: str, predicted: str) -> Markup:
    hint = f"label {label}, predicted {predicted}\n{count:,} items, {percent(share)} of label {label}"
    style, strength = "right" if right else "wrong", size.faintest + (1 - size.faintest) * float(share) ** 0.6
    gap = 0.5 if size.cell < 20 else 1.0
    inside = [
        tag(
            "rect",
            x=x + gap,
            y=y + gap,
            width=size.cell - 2 * gap,
            height=size.cell - 2 * gap,
            rx=0 if size.cell < 20 else 3,
            fill_opacity=strength,
            class_=style,
        )
    ]
    ink = "strong" if strength > 0.55 else "faint"
    middle = x + size.cell / 2
    if size.numbers:
        down = 0.47 if size.shares else 0.64
        inside.append(
            tag(
                "text",
                f"{count}",
                x=middle,
                y=y + down * size.cell,
                class_=f"cell {ink}",
                text_anchor="middle",
            )
        )
    if size.shares:
        inside.append(
            tag(
                "text",
                percent(share, 0),
                x=middle,
                y=y + 0.8 * size.cell,
                class_=f"cell small {ink}",
                text_anchor="middle",
            )
        )
    return tag("g", *inside, title=hint, class_="tell")


def confusions(counts: np.ndarray, count: int = 10) -> list[tuple[int, int]]:
    """The cells beside the diagonal with most items, ``(label, prediction)``, most first."""
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    return [(int(i // len(counts)), int(i % len(counts))) for i in order if wrong.flat[i] > 0]

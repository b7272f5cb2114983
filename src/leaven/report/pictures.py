"""Thumbnails and what is said below them."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from leaven.evaluation.classification import Evaluation
from leaven.report.svg import percent

TINY = 48  # pixels; smaller images are shown as the squares that they are
LARGE = 128  # larger ones are made smaller: the page is for a glance


@dataclass(frozen=True)
class Card:
    """One item of a grid; ``source`` is a data URI, empty where there is no picture."""

    source: str
    tiny: bool
    head: str
    detail: str
    id: str


def data_uri(picture: np.ndarray, largest: int = LARGE) -> str:
    """A picture, uint8 ``(H, W, C)``, as text: PNG, or JPEG for photographs, a fifth of the size."""
    from PIL import Image

    image = Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)
    image.thumbnail((largest, largest))
    kind, options = ("jpeg", {"quality": 85}) if max(image.size) > TINY else ("png", {"optimize": True})
    file = io.BytesIO()
    image.save(file, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def worst_cards(evaluation: Evaluation) -> list[Card]:
    """The most confident errors."""
    names = evaluation.classes
    return [
        _card(
            evaluation,
            row,
            f"{names[evaluation.labels[row]]} → {names[evaluation.predicted[row]]}",
            f"{percent(float(evaluation.confidence[row]))} sure",
        )
        for row in evaluation.worst()
    ]


def uncertain_cards(evaluation: Evaluation) -> list[Card]:
    """The items without a label that lie nearest to the border of two classes."""
    return [_uncertain(evaluation, row) for row in evaluation.least_certain() if evaluation.labels[row] < 0]


def _uncertain(evaluation: Evaluation, row: int) -> Card:
    first, second = _two(evaluation.probabilities[row])
    p, names = evaluation.probabilities[row], evaluation.classes
    detail = f"{percent(float(p[first]), 0)} or {percent(float(p[second]), 0)}"
    return _card(evaluation, row, f"{names[first]} or {names[second]}", detail)


def _two(p: np.ndarray) -> Iterable[int]:
    return np.argsort(-p, kind="stable")[:2]


def _card(evaluation: Evaluation, row: int, head: str, detail: str) -> Card:
    at = np.flatnonzero(evaluation.picture_rows == row)
    picture = evaluation.pictures[at[0]] if len(at) else None
    source = data_uri(picture) if picture is not None else ""
    return Card(source, picture is not None and max(picture.shape[:2]) <= TINY, head, detail, str(evaluation.ids[row]))

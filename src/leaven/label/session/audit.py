"""Random items to judge the model by: which they are, and what they say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from leaven.evaluation.intervals import proportion
from leaven.label.session.renames import Renames
from leaven.labels.consensus import majority
from leaven.query.keys import keys

MOST = 2000  # items that are set aside: they judge to within 2 points
STRATEGY = "audit"


def draw_sample(names: Sequence[str], share: float, seed: int) -> np.ndarray:
    """Rows of a random sample of the names, in a random order, int64.

    It is drawn before the first question and set aside: a sample of what is left when a strategy has taken what it
    likes would be no sample of the pool.
    """
    order = np.argsort(keys(np.array(names, str), seed ^ 0xA0D17))
    return order[: min(MOST, math.ceil(share * len(names)))]


def agreed_labels(votes: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The class of each audit item on which its annotators agree."""
    return majority(votes).labels


def correct(predicted: Mapping[str, str | None], true: Mapping[str, str]) -> np.ndarray:
    """Whether each item, in the order of ``true``, was taken for what it is, bool ``(n,)``."""
    return np.array([predicted.get(name) == label for name, label in true.items()], dtype=bool)


def rename_predictions(predictions: Mapping[str, Any], renames: Renames) -> dict[str, str | None]:
    """A round's predictions of the audit items, by the present names of its classes."""
    classes = renames.current_names(predictions["classes"], predictions["seq"])
    return {name: classes[k] for name, k in predictions["predicted"].items()}


def figures(hits: np.ndarray) -> dict[str, Any]:
    """``n``, ``right`` and the accuracy with Wilson's interval; none of no items."""
    if not len(hits):
        return {"n": 0, "right": 0, "accuracy": None, "low": None, "high": None}
    at = proportion(int(hits.sum()), len(hits))
    return {"n": len(hits), "right": int(hits.sum()), "accuracy": at.value, "low": at.low, "high": at.high}

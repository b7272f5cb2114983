"""What the figures and files of a run ask of predictions, whatever they are of."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from leaven.evaluation.intervals import Interval
from leaven.utils.reading import PathLike


class Judged(Protocol):
    """Predictions for one set of items: an ``Evaluation``, or a ``DenseEvaluation`` of pixels."""

    metric: str
    """Name of what ``score`` gives."""

    @property
    def has_label(self) -> np.ndarray:
        """Whether each item's label is known, bool ``(N,)``."""

    def score(self) -> Interval:
        """How good the predictions are, on the items whose label is known."""

    def save(self, path: PathLike) -> None:
        """Write all of it into an ``.npz``."""

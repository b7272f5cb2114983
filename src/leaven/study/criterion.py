"""What scores a trained model from what may be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from leaven.study.trial import Record

if TYPE_CHECKING:
    from leaven.run.training import FitResult


class Criterion(Protocol):
    """Scores a trained model by labels that were held out, or without any.

    What there is to score is noted where the model was trained, as entries of the trial's record; the score follows
    from these, wherever and whenever it is asked for.
    """

    def note(self, fitted: FitResult) -> Record:
        """What a record says of the model."""
        ...

    def score(self, record: Record) -> float:
        """How good the model is by that; larger is better."""
        ...


@dataclass(frozen=True)
class HiddenLabels:
    """How many of some labels, hidden while it was trained, a model gets right.

    Attributes
    ----------
    labels : ndarray of int64, shape (M,)
        The hidden ones.
    rows : ndarray of int64, shape (M,)
        Where their items stand among those of the split ``unlabelled``.
    """

    labels: np.ndarray
    rows: np.ndarray

    def note(self, fitted: FitResult) -> Record:
        """What it takes these items for."""
        return {"predicted": fitted.classification("unlabelled").predicted[self.rows].tolist()}

    def score(self, record: Record) -> float:
        """How many it gets right."""
        return int((self.labels == record["predicted"]).sum())

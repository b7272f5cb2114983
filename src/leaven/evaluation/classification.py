"""Predictions for one set of items beside what is known of their labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from leaven.data.names import array_to_nfc
from leaven.evaluation.intervals import Interval, proportion
from leaven.utils.archive import read_archive, require_form, require_within
from leaven.utils.reading import PathLike

CONFIDENT = 0.95  # the confidence above which the curves count an item as one that a method would learn from
AGAIN = "remove it and run `leaven evaluate` again, or train again if training made it"
PICTURES = 24  # thumbnails kept for each of the two grids of the report


@dataclass(frozen=True)
class Evaluation:
    """Predictions for one set of items.

    Attributes
    ----------
    probabilities : ndarray of float32, shape (N, K)
        Class probabilities.
    labels : ndarray of int64, shape (N,)
        Number of each item's class, ``-1`` unknown.
    ids : ndarray of str, shape (N,)
        Names of the items.
    classes : tuple of str
        Names of the K classes.
    picture_rows : ndarray of int64, shape (P,)
        Rows whose thumbnails are shown; none for feature vectors.
    pictures : ndarray of uint8, shape (P, H, W, C)
        Their thumbnails.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    ids: np.ndarray
    classes: tuple[str, ...]
    picture_rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    pictures: np.ndarray = field(default_factory=lambda: np.zeros((0, 1, 1, 1), np.uint8))

    metric = "accuracy"  # the name of what ``score`` gives

    @property
    def predicted(self) -> np.ndarray:
        """The likeliest class of each item, int64 ``(N,)``."""
        return self.probabilities.argmax(1)

    @property
    def confidence(self) -> np.ndarray:
        """Its probability, float32 ``(N,)``."""
        return self.probabilities.max(1)

    @property
    def has_label(self) -> np.ndarray:
        """Which items have a label, bool ``(N,)``."""
        return self.labels >= 0

    @property
    def unjudged(self) -> tuple[str, ...]:
        """Names of the classes that no item's label names, so that nothing here speaks of them."""
        there = np.bincount(self.labels[self.has_label], minlength=len(self.classes))
        return tuple(name for name, count in zip(self.classes, there, strict=True) if not count)

    def accuracy(self, among: np.ndarray | None = None) -> Interval:
        """Share of right predictions among the items with a label (and in the mask ``among``)."""
        chosen = self.has_label if among is None else self.has_label & among
        return proportion(int((self.predicted == self.labels)[chosen].sum()), int(chosen.sum()))

    def score(self) -> Interval:
        """The figure that a run is judged by: its accuracy."""
        return self.accuracy()

    @property
    def at_chance(self) -> bool:
        """Whether its accuracy cannot be told from what always naming the commonest label would have."""
        labels = self.labels[self.has_label]
        return bool(len(labels) and self.accuracy().low <= np.bincount(labels).max() / len(labels))

    def per_class(self) -> list[Interval]:
        """Recall of each class: right predictions among the items that have its label."""
        return [self.accuracy(self.labels == k) for k in range(len(self.classes))]

    def confusion(self) -> np.ndarray:
        """Counts ``(K, K)``: row the label, column the prediction."""
        labelled, k = self.has_label, len(self.classes)
        return np.bincount(self.labels[labelled] * k + self.predicted[labelled], minlength=k * k).reshape(k, k)

    def calibration_error(self, bins: int = 15) -> float:
        """Expected calibration error (Guo et al. 2017, eq. 3), bins of equal width."""
        labelled = self.has_label
        confidence, right = self.confidence[labelled], (self.predicted == self.labels)[labelled]
        which = np.minimum((confidence * bins).astype(int), bins - 1)
        gaps = [abs(confidence[which == b].sum() - right[which == b].sum()) for b in range(bins)]
        return float(sum(gaps) / max(1, len(right)))

    def worst(self, count: int = PICTURES) -> np.ndarray:
        """Rows of the wrong predictions of highest confidence, most confident first."""
        wrong = np.flatnonzero(self.has_label & (self.predicted != self.labels))
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")][:count]

    def least_certain(self, count: int = PICTURES) -> np.ndarray:
        """Rows of smallest margin between the two likeliest classes, smallest first."""
        top = np.sort(self.probabilities, axis=1)[:, -2:]
        return np.argsort(top[:, 1] - top[:, 0], kind="stable")[:count]

    def with_pictures(self, items: np.ndarray) -> Evaluation:
        """The same with thumbnails of the items that the report shows, out of ``items`` (uint8 images)."""
        if items.dtype != np.uint8:
            return self
        rows = np.unique(np.concatenate([self.worst(), self.least_certain()]))
        return Evaluation(self.probabilities, self.labels, self.ids, self.classes, rows, np.asarray(items[rows]))

    def save(self, path: PathLike) -> None:
        """Write to an ``.npz`` file."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        columns = {name: getattr(self, name) for name in self.__dataclass_fields__}
        np.savez(path, **columns | {"classes": np.array(self.classes)})

    @classmethod
    def load(cls, path: PathLike) -> Evaluation:
        """Read what ``save`` wrote; no code in the file is ever run.

        Raises
        ------
        LeavenError
            The file is damaged, or holds something else.
        """
        z = read_archive(path, cls.__dataclass_fields__, AGAIN)
        n, k, shown = len(z["labels"]), len(z["classes"]), len(z["picture_rows"])
        require_form(
            path,
            AGAIN,
            ("probabilities", z["probabilities"], "f", (n, k)),
            ("labels", z["labels"], "iu", (n,)),
            ("ids", z["ids"], "U", (n,)),
            ("classes", z["classes"], "U", (k,)),
            ("picture_rows", z["picture_rows"], "iu", (shown,)),
            ("pictures", z["pictures"], "u", (shown, *[None] * 3)),
        )
        require_within(path, AGAIN, "probabilities", z["probabilities"], -1e-3, 1 + 1e-3)
        require_within(path, AGAIN, "labels", z["labels"], -1, k - 1)
        require_within(path, AGAIN, "picture_rows", z["picture_rows"], 0, n - 1)
        classes = tuple(z.pop("classes").tolist())
        return cls(classes=classes, **z | {"ids": array_to_nfc(z["ids"])})

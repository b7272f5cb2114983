"""What a model says about a pool: all that a strategy chooses by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leaven.data.storage import gather, parts, room
from leaven.errors import LeavenError


@dataclass(frozen=True, eq=False)
class PoolPredictions:
    """What a model says about N items; row *i* of every column is item *i*.

    Attributes
    ----------
    probabilities : ndarray of float, shape (N, K)
        Class probabilities.
    features : ndarray of float32, shape (N, D)
        What the model's last layer sees; may be memory-mapped.
    ids : ndarray of str, shape (N,)
        The items' names, each its own.
    labelled : ndarray of bool, shape (N,)
        Whether the label is known; such items are never chosen.
    votes : ndarray of float32, shape (M, N, K), or None
        Class probabilities of M members of a committee, or M draws of dropout; may be memory-mapped.
    acquisition : ndarray of float, shape (N,), or None
        How much the trained method itself wants each item labelled, larger: more.
    content : ndarray of int64, shape (N,), or None
        Items of the same number are exact copies of each other (``leaven.query.copies.content`` of their pixels);
        ``None``: not known, see ``leaven.query.selection.select``.

    Raises
    ------
    LeavenError
        Lengths do not fit, or what should be a finite number is none.
    """

    probabilities: np.ndarray
    features: np.ndarray
    ids: np.ndarray
    labelled: np.ndarray
    votes: np.ndarray | None = None
    acquisition: np.ndarray | None = None
    content: np.ndarray | None = None

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "ids", np.asarray(self.ids).astype(str, copy=False))
        set_(self, "labelled", np.asarray(self.labelled, dtype=bool))
        count = len(self.ids)
        for name, column, dimensions in (
            ("probabilities", self.probabilities, 2),
            ("features", self.features, 2),
            ("labelled", self.labelled, 1),
        ):
            if column.ndim != dimensions or len(column) != count:
                wanted = f"({count}, ...)" if dimensions == 2 else f"({count},)"
                raise LeavenError(
                    f"A query over {count} items was given {name} of the shape {column.shape}, expected {wanted}: "
                    "one row for each item."
                )
        self._require_finite("probabilities", self.probabilities)
        self._require_finite("features", self.features)
        for name in ("acquisition", "content"):
            if getattr(self, name) is None:
                continue
            set_(self, name, np.asarray(getattr(self, name)))
            if (column := getattr(self, name)).shape != (count,):
                raise LeavenError(
                    f"A query over {count} items was given {name} of the shape {column.shape}, expected "
                    f"({count},): one number for each item."
                )
        if self.acquisition is not None:
            self._require_finite("acquisition", self.acquisition[:, None])
        if self.votes is not None:
            expected = (*self.votes.shape[:1], *self.probabilities.shape)
            if self.votes.ndim != 3 or self.votes.shape != expected or not len(self.votes):
                raise LeavenError(
                    f"A query over {count} items was given votes of the shape {self.votes.shape}, expected "
                    f"(M, {count}, {self.probabilities.shape[1]}): of M members, the classes of each item."
                )
            for member in self.votes:
                self._require_finite("votes", member)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def unlabelled(self) -> np.ndarray:
        """Rows that may be chosen, int64."""
        return np.flatnonzero(~self.labelled)

    def subset(self, rows: np.ndarray) -> PoolPredictions:
        """What is said of these rows alone, int64 ``(M,)``; above 1 GiB the columns are mapped to a file."""

        def of(column: np.ndarray | None) -> np.ndarray | None:
            return None if column is None else gather(column, rows)

        votes = self.votes
        if votes is not None:
            selected = room((len(votes), len(rows), votes.shape[2]), votes.dtype)
            for member, into in zip(votes, selected, strict=True):
                into[:] = member[rows]
            votes = selected
        return PoolPredictions(
            gather(self.probabilities, rows),
            gather(self.features, rows),
            self.ids[rows],
            self.labelled[rows],
            votes,
            of(self.acquisition),
            of(self.content),
        )

    def _require_finite(self, name: str, column: np.ndarray) -> None:
        for start, stop in parts(len(column)):
            fine = np.isfinite(column[start:stop]).all(1)
            if not fine.all():
                first = self.ids[start + int(np.flatnonzero(~fine)[0])]
                raise LeavenError(
                    f"The {name} of the item {first} hold NaN or infinity, expected finite numbers: look at the item, "
                    "and at whether the training went wrong."
                )

"""The newest ranking in the form that questions are made from: by row of the items, with classes as called now."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from leaven.label.session.queue import Order
from leaven.label.session.ranking import Ranking, still_named
from leaven.label.session.renames import Renames


class LiveRanking:
    """What the newest model says, for the session.

    Parameters
    ----------
    ranking : Ranking
        As the worker wrote it.
    rows : mapping of str to int
        Row of each item by its name; items that are gone are passed over, new ones have no prediction.
    reserved : ndarray of bool, shape (N,)
        Rows that are only ever asked about as audit items.
    """

    def __init__(self, ranking: Ranking, rows: Mapping[str, int], reserved: np.ndarray):
        self.ranking = ranking
        names = ranking.names.tolist()
        self._rows = np.array([rows.get(name, -1) for name in names], np.int64)
        self._place = np.full(len(reserved), -1, np.int64)
        there = self._rows >= 0
        self._place[self._rows[there]] = np.flatnonzero(there)
        ranked = self._rows[ranking.ranking]
        self.order = Order.of([row for row in ranked.tolist() if row >= 0 and not reserved[row]])
        self.rank = {row: i for i, row in enumerate(self.order.rows)}
        self.classes: list[str | None] = list(ranking.classes)
        self.left_out: dict[int, str] = {}  # rows that are not what this model takes them for → by which event

    def rename(self, renames: Renames) -> None:
        """Call the classes by their present names."""
        classes = renames.current_names(self.ranking.classes, self.ranking.seq)
        if classes != self.classes:
            self.classes = classes
            for name in ("guesses", "by_class"):
                self.__dict__.pop(name, None)

    def score(self, row: int) -> float | None:
        """How much the strategy wants the item: 1 for the first of its ranking, falling evenly; ``None`` outside."""
        place = self.rank.get(row)
        return None if place is None else 1 - place / len(self.rank)

    def suggestion(self, row: int) -> tuple[str, float | None]:
        """What the model takes an item for, and how surely; nothing where there is no model or it never saw it."""
        place = self._place[row]
        if self.ranking.probabilities is None or place < 0 or not any(self.classes):
            return "", None
        p = np.where(still_named(self.classes), self.ranking.probabilities[place], -1.0)
        best = int(p.argmax())
        return self.classes[best] or "", float(p[best])

    @cached_property
    def guesses(self) -> tuple[np.ndarray, np.ndarray]:
        """For each row of the items the number of its class, −1 where there is none, and the confidence."""
        guess, sure = np.full(len(self._place), -1, np.int64), np.zeros(len(self._place), np.float32)
        if self.ranking.probabilities is not None and any(self.classes):
            p = np.where(still_named(self.classes), np.asarray(self.ranking.probabilities), -1.0)
            there = self._rows >= 0
            guess[self._rows[there]], sure[self._rows[there]] = p.argmax(1)[there], p.max(1)[there]
        return guess, sure

    @cached_property
    def by_class(self) -> dict[int, Order]:
        """Rows by the class they are taken for, the surest first."""
        guess, sure = self.guesses
        return {
            k: Order.of(rows[np.argsort(-sure[rows], kind="stable")])
            for k in range(len(self.classes))
            if len(rows := np.flatnonzero(guess == k))
        }

    def warm(self) -> LiveRanking:
        """Compute now what the grid needs, so that no request has to wait for it."""
        if self.ranking.probabilities is not None:
            _ = self.by_class
        return self

"""Whom to ask about before there is a model: typical items of a random sample, by small pictures of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from leaven.data.readers.decode import reason
from leaven.data.readers.images import GREY, standardise
from leaven.label.session.items import ItemIndex
from leaven.query.keys import keys
from leaven.query.predictions import PoolPredictions
from leaven.query.registry import find
from leaven.query.selection import select

SIDE = 24  # pixels of the small pictures
STAGES = ((2000, 3.0), (8000, 30.0))  # items to look at, and seconds of work after which what there is must do
PATIENCE = 3  # times as long by the clock, where other programs or a slow disk have the machine
TYPICAL = "typiclust"
CHUNKS = 3


class Sample:
    """A random sample of the items, looked at little by little.

    Parameters
    ----------
    items : ItemIndex
        What is labelled; made items and those of ``passed`` are left aside.
    passed : set of str
        Names that are never asked about by a strategy: audit items, and what is known.
    seed : int
        Seed of the sample.
    """

    def __init__(self, items: ItemIndex, passed: set[str], seed: int):
        self.items = items
        names = np.array(items.names[: items.count])
        order = np.argsort(keys(names, seed))
        self._waiting = iter([int(row) for row in order if items.names[row] not in passed])
        self.of = len(names) - len(passed)
        self.names: list[str] = []
        self.unreadable: dict[str, str] = {}
        self._pixels: list[np.ndarray] = []
        self._channels: int | None = None

    def grow(self, most: int, seconds: float, tell: Callable[[int], None]) -> bool:
        """Add items until there are ``most``, or the time is over; whether any were left.

        ``seconds`` are of this thread's own work, so that beside other programs the sample is not a poor one.
        """
        worked, reported = time.thread_time() + seconds, time.monotonic()
        end = reported + PATIENCE * seconds
        while len(self.names) < most and time.thread_time() < worked and time.monotonic() < end:
            row = next(self._waiting, None)
            if row is None:
                return False
            name = self.items.names[row]
            try:
                with self.items.open(self.items.ids[row]) as image:
                    if self._channels is None:  # as the first one has it: the others are brought to that
                        self._channels = 1 if image.mode in GREY else 3
                    self._pixels.append(standardise(image, (SIDE, SIDE), self._channels, self.items.white).ravel())
                self.names.append(name)
            except Exception as error:  # a damaged file raises whatever its decoder trips over
                self.unreadable[name] = reason(error)
            if time.monotonic() - reported > 0.3:
                reported = time.monotonic()
                tell(len(self.names))
        return True

    def rank(self, strategy: str, answered: set[str], every: int, seed: int) -> np.ndarray:
        """Rows of ``names``, the most wanted first: a few times ``every``, each lot chosen with regard to the last."""
        return rank(self.names, np.stack(self._pixels).astype(np.float32) / 255, strategy, answered, every, seed)


def rank(
    names: Sequence[str], features: np.ndarray, strategy: str, answered: set[str], every: int, seed: int
) -> np.ndarray:
    """Rows of ``names``, the most wanted first, by features alone."""
    ids, nothing = np.array(names), np.ones((len(names), 1), np.float32)
    done = np.array([name in answered for name in names])
    name = strategy if find(strategy).needs == "features" else TYPICAL
    return in_lots(name, {"probabilities": nothing, "features": features, "ids": ids}, done, every, CHUNKS, seed)


def in_lots(
    strategy: str, columns: Mapping[str, np.ndarray], labelled: np.ndarray, every: int, lots: int, seed: int
) -> np.ndarray:
    """Choose ``every`` items, take them for labelled, choose the next: so that the first lot stands by itself."""
    labelled, chosen = labelled.copy(), []
    for lot in range(lots):
        rows = select(strategy, PoolPredictions(labelled=labelled, **columns), every, seed + lot)
        chosen.append(rows)
        labelled[rows] = True
    return np.concatenate(chosen)

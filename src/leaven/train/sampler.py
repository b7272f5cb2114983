"""Which rows step t draws: a function of (seed, stream, step, rank), so there is no state to save."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch


class Sampler:
    """Rows of a pool, each seen once before any is seen again.

    The draws of all steps, laid end to end, are permutations of ``rows``, one an epoch, each a function of
    (seed, stream, epoch). The processes share every step's draw, so the global batch does not depend on how
    many there are.

    Parameters
    ----------
    rows : ndarray of int, shape (M,)
        The rows to draw from.
    size : int
        Rows a step and process.
    seed, stream : int
        Key of the permutations.
    rank : int, optional
        Number of this process.
    processes : int, optional
        How many share a step's draw.
    """

    def __init__(self, rows: np.ndarray, size: int, seed: int, stream: int, rank: int = 0, processes: int = 1):
        self.rows = np.asarray(rows, dtype=np.int64)
        self.size, self.rank, self.processes = size, rank, processes

        @lru_cache(maxsize=2)
        def epoch(number: int) -> np.ndarray:
            return np.random.default_rng((seed, stream, number)).permutation(self.rows)

        self._epoch = epoch
        self._key = (seed, stream)
        self._total: np.ndarray | None = None

    def set_weights(self, weights: np.ndarray) -> None:
        """From now on draw each of the rows in proportion to its weight ``(M,)``, with replacement."""
        self._total = np.cumsum(weights, dtype=np.float64)

    def at(self, step: int) -> np.ndarray:
        """Rows ``(size,)`` of ``step`` for this process."""
        if self._total is not None:
            places = np.random.default_rng((*self._key, step)).random(self.size * self.processes) * self._total[-1]
            rows = self.rows[np.minimum(np.searchsorted(self._total, places, "right"), len(self.rows) - 1)]
            return rows[self.rank * self.size : (self.rank + 1) * self.size]
        start = (step * self.processes + self.rank) * self.size
        parts: list[np.ndarray] = []
        missing = self.size
        while missing:
            number, offset = divmod(start, len(self.rows))
            part = self._epoch(number)[offset : offset + missing]
            parts.append(part)
            start += len(part)
            missing -= len(part)
        return np.concatenate(parts)


def seed_step(seed: int, step: int, rank: int) -> None:
    """Seed PyTorch's generators, on every device, for one step of one process."""
    state = np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0]
    number = int(state >> np.uint64(1))
    if torch.accelerator.is_available():
        torch.manual_seed(number)
    else:  # the same, without a stack trace noted for each device that may come: a sixth of a small step's time
        torch.default_generator.manual_seed(number)

"""Which episodes step t draws: a function of (seed, stream, episode number), so there is no state to save."""

from __future__ import annotations

import numpy as np

from leaven.errors import LeavenError
from leaven.methods.step import Episode


class EpisodeSampler:
    """Whole episodes: classes without replacement, and items of each without replacement.

    Episodes are numbered through a run, step by step and in it process by process. Each is a function of (seed,
    stream, number), so the global batch does not depend on how many processes share it.

    Parameters
    ----------
    labels : ndarray of int, shape (N,)
        The classes of all rows, -1 unknown.
    rows : ndarray of int, shape (M,)
        The rows to draw from; those whose label is unknown are left out.
    episode : Episode
        Its form; classes with fewer items than shots and queries together are left out.
    count : int
        Episodes a step and process.
    seed, stream : int
        Key of the draws.
    rank : int, optional
        Number of this process.
    processes : int, optional
        How many share a step's draw.

    Raises
    ------
    LeavenError
        Fewer classes are left than an episode has.
    """

    def __init__(
        self,
        labels: np.ndarray,
        rows: np.ndarray,
        episode: Episode,
        count: int,
        seed: int,
        stream: int,
        rank: int = 0,
        processes: int = 1,
    ):
        self.episode, self.count, self.key = episode, count, (seed, stream)
        self.rank, self.processes = rank, processes
        self.items = episode.shots + episode.queries
        rows = np.asarray(rows, dtype=np.int64)
        rows = rows[labels[rows] >= 0]
        self.rows = rows[np.argsort(labels[rows], kind="stable")]  # class after class
        sizes = np.unique(labels[rows], return_counts=True)[1]
        enough = sizes >= self.items
        self.starts, self.sizes = (np.cumsum(sizes) - sizes)[enough], sizes[enough]
        self.labels = np.tile(np.repeat(np.arange(episode.ways), self.items), count)
        if len(self.sizes) < episode.ways:
            raise LeavenError(
                f"An episode of {episode.ways} ways needs as many classes with {episode.shots} + {episode.queries} "
                f"labelled items, but {len(self.sizes)} of {len(sizes)} have them; lower ways, shots or queries."
            )

    def at(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of ``step`` for this process, and their labels within the episodes, int64 ``(count * ways * items,)``.

        Episode by episode, in it class by class, in it the support's items before the queries.
        """
        first = (step * self.processes + self.rank) * self.count
        numbers = range(first, first + self.count)
        return np.concatenate([self._episode(number) for number in numbers]), self.labels.copy()

    def _episode(self, number: int) -> np.ndarray:
        rng = np.random.default_rng((*self.key, number))
        classes = rng.permutation(len(self.sizes))[: self.episode.ways]
        sizes = self.sizes[classes]
        chosen = np.empty((self.items, len(classes)), dtype=np.int64)
        # Floyd's subset (Bentley & Floyd 1987) of all classes at once: the cost does not grow with their sizes
        for i in range(self.items):
            last = sizes - self.items + i
            drawn = rng.integers(0, last + 1)
            chosen[i] = np.where((chosen[:i] == drawn).any(0), last, drawn)
        chosen = rng.permuted(chosen, axis=0)  # which of them are the support must not depend on their numbers
        return self.rows[(self.starts[classes] + chosen).T].ravel()

"""Which episodes step t draws: a function of (seed, stream, episode number), so there is no state to save."""

from __future__ import annotations

import numpy as np

from leaven.errors import LeavenError
from leaven.methods.episode import Episode
from leaven.train.uneven import Uneven

SUPPORT, QUERY, EXTRA = range(3)  # what an item of an episode is for


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
        Its form; classes with fewer items than it has of one are left out.
    count : int
        Episodes a step and process.
    seed, stream : int
        Key of the draws.
    rank : int, optional
        Number of this process.
    processes : int, optional
        How many share a step's draw.
    uneven : Uneven, optional
        How many shots and queries the classes have, where that is not the same for all; of such episodes there is no
        ``at``, for they differ in size.

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
        uneven: Uneven | None = None,
    ):
        self.episode, self.count, self.key, self.uneven = episode, count, (seed, stream), uneven
        self.rank, self.processes = rank, processes
        rows = np.asarray(rows, dtype=np.int64)
        rows = rows[labels[rows] >= 0]
        self.rows = rows[np.argsort(labels[rows], kind="stable")]  # class after class
        sizes = np.unique(labels[rows], return_counts=True)[1]
        enough = sizes >= episode.each
        self.starts, self.sizes = (np.cumsum(sizes) - sizes)[enough], sizes[enough]
        self.counts = np.full((episode.ways + episode.distractors, 3), 0)
        self.counts[: episode.ways] = episode.shots, episode.queries, episode.unlabelled
        self.counts[episode.ways :, EXTRA] = episode.unlabelled
        self.labels = np.tile(self._labels(self.counts), count)
        if len(self.sizes) < len(self.counts):
            also = f" and {episode.distractors} distractors" if episode.distractors else ""
            items = f"{episode.shots} + {episode.queries}" + (f" + {episode.unlabelled}" if episode.unlabelled else "")
            raise LeavenError(
                f"An episode of {episode.ways} ways{also} needs as many classes with {items} labelled items, but "
                f"{len(self.sizes)} of {len(sizes)} have them; lower ways, shots or queries."
            )

    def at(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of ``step`` for this process, and their labels within the episodes, int64 ``(count * items,)``.

        Episode by episode, in it as `Episode` has them.
        """
        assert self.uneven is None, "episodes of a step are of one size"
        first = (step * self.processes + self.rank) * self.count
        numbers = range(first, first + self.count)
        return np.concatenate([self._drawn(number)[0] for number in numbers]), self.labels.copy()

    def task(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of one episode, their labels in it, and what each is for (`SUPPORT`, `QUERY`, `EXTRA`), all ``(M,)``."""
        rows, counts = self._drawn(number)
        return rows, self._labels(counts), np.repeat(np.tile([SUPPORT, QUERY, EXTRA], len(counts)), counts.ravel())

    def _labels(self, counts: np.ndarray) -> np.ndarray:
        numbers = np.arange(len(counts))
        return np.repeat(np.where(numbers < self.episode.ways, numbers, -1), counts.sum(1))

    def _drawn(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of one episode, and how many of each class are for what, ``(classes, 3)``."""
        rng = np.random.default_rng((*self.key, number))
        classes = rng.permutation(len(self.sizes))[: len(self.counts)]
        sizes, counts = self.sizes[classes], self.counts
        if self.uneven is not None:
            counts, ways = counts.copy(), self.episode.ways
            counts[:ways, SUPPORT], counts[:ways, QUERY] = self.uneven.counts(rng, self.episode, sizes[:ways])
        items = counts.sum(1)
        chosen = np.empty((items.max(), len(classes)), dtype=np.int64)
        # Floyd's subset (Bentley & Floyd 1987) of all classes at once: the cost does not grow with their sizes
        for i in range(len(chosen)):
            last = sizes - items + i
            candidate = rng.integers(0, last + 1)
            chosen[i] = np.where((chosen[:i] == candidate).any(0), last, candidate)
        chosen[np.arange(len(chosen))[:, None] >= items] = -1  # of classes with fewer items than others
        chosen = rng.permuted(chosen, axis=0).T  # which of them are the support must not depend on their numbers
        return self.rows[(self.starts[classes][:, None] + chosen)[chosen >= 0]], counts

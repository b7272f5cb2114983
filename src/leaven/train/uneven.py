"""How many items each class of a task has, where that is not the same for all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leaven.methods.episode import Episode


@dataclass(frozen=True)
class Uneven:
    """Counts that differ from class to class and from task to task.

    Attributes
    ----------
    fewest_shots : int, optional
        Shots of a class are drawn evenly from this number to the episode's; ``None``: all have the episode's.
    dirichlet : float, optional
        Shares of the queries are drawn from a symmetric Dirichlet distribution of this concentration, for tasks have
        as many queries as balanced ones but not as many of each class (Veilleux et al. 2021, section 4.1, who take 2);
        ``None``: all have the same number.
    """

    fewest_shots: int | None = None
    dirichlet: float | None = None

    def counts(self, rng: np.random.Generator, episode: Episode, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shots and queries of each class, int64 ``(ways,)``, of classes of so many items ``(ways,)``.

        A class without items enough for its share gives all that it has, and the others the rest, by their shares.
        """
        shots, queries = (np.full(episode.ways, n, dtype=np.int64) for n in (episode.shots, episode.queries))
        if self.fewest_shots is not None:
            shots = rng.integers(self.fewest_shots, episode.shots + 1, episode.ways)
        if self.dirichlet is not None:
            shares = rng.dirichlet(np.full(episode.ways, self.dirichlet))
            queries = shared_out(shares, int(queries.sum()), sizes - shots - episode.unlabelled)
        return shots, queries


def shared_out(shares: np.ndarray, total: int, most: np.ndarray) -> np.ndarray:
    """Whole numbers ``(K,)`` of that sum in proportion to ``shares``, none of them above ``most``.

    By largest remainders, as the code of Veilleux et al. (2021) rounds.

    Parameters
    ----------
    shares : ndarray of float, shape (K,)
        What each gets of the sum; positive.
    total : int
        The sum, at most that of ``most``.
    most : ndarray of int, shape (K,)
        The most that each takes.
    """
    counts = np.zeros(len(shares), dtype=np.int64)
    free = np.ones(len(shares), dtype=bool)
    while free.any():
        left = total - counts[~free].sum()
        exact = left * shares[free] / shares[free].sum()
        whole = np.floor(exact).astype(np.int64)
        whole[np.argsort(whole - exact, kind="stable")[: left - whole.sum()]] += 1
        counts[free] = whole
        over = free & (counts > most)
        if not over.any():
            break
        counts[over] = most[over]
        free &= ~over
    return counts

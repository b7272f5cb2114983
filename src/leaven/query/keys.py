"""Randomness that belongs to an item, wherever it stands in the pool: a function of (seed, id) and nothing else."""

from __future__ import annotations

import numpy as np

from leaven.errors import LeavenError


def keys(ids: np.ndarray, seed: int) -> np.ndarray:
    """A random number for each item, uint64 ``(N,)``: ties are broken by it, and draws are made of it.

    The letters of an id, times odd numbers drawn from the seed, are summed (so that names of other lengths beside it
    change nothing) and mixed.

    Raises
    ------
    LeavenError
        An id stands twice.
    """
    letters = np.ascontiguousarray(ids).view(np.uint32).reshape(len(ids), ids.dtype.itemsize // 4)
    places = np.arange(letters.shape[1], dtype=np.uint64)
    times = _mix(places ^ _mix(np.array([seed % 2**64], dtype=np.uint64))) | np.uint64(1)
    total = np.zeros(len(ids), np.uint64)
    for place in range(letters.shape[1]):
        total += letters[:, place] * times[place]
    mixed = _mix(total)
    order = np.argsort(mixed)
    alike = np.flatnonzero(np.diff(mixed[order]) == 0)
    here, there = ids[order[alike]], ids[order[alike + 1]]
    for name in here[here == there]:  # and not two whose numbers met by chance
        raise LeavenError(f"The id {name} stands twice in the pool, expected one for each item.")
    return mixed


def exponential(keys: np.ndarray, draw: int) -> np.ndarray:
    """Draw number ``draw`` of each item from the exponential distribution of mean 1, float64 ``(N,)``.

    The item of the least draw / weight is drawn in proportion to the weights (an exponential race), with no sum over
    the pool, which would depend on its order.
    """
    bits = _mix(keys ^ _mix(np.array([draw], dtype=np.uint64)))
    return -np.log(((bits >> np.uint64(11)) + 0.5) * 2.0**-53)


def least(scores: np.ndarray, keys: np.ndarray) -> int:
    """Row of the smallest score, of one at least; ties are broken by the keys."""
    rows = np.flatnonzero(scores == scores.min())
    return int(rows[keys[rows].argmin()])


def smallest(scores: np.ndarray, keys: np.ndarray, n: int) -> np.ndarray:
    """Rows of the ``n`` smallest scores, smallest first, int64; ties are broken by the keys."""
    if n == 0:
        return np.zeros(0, np.int64)
    last = n - 1
    rows = np.flatnonzero(scores <= np.partition(scores, last)[last])
    return rows[np.lexsort((keys[rows], scores[rows]))[:n]]


def _mix(x: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea & Flood 2014): every bit of the answer depends on every bit of ``x``."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))

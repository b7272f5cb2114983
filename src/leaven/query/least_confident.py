"""Least confident (Lewis & Gale 1994; Settles 2009, survey of active learning, section 3.1)."""

from __future__ import annotations

import numpy as np

from leaven.data.storage import parts
from leaven.query.keys import smallest
from leaven.query.said import Said


def least_confident(said: Said, n: int, keys: np.ndarray) -> np.ndarray:
    """Items whose likeliest class is the least likely, 1 − max p. O(N·K) time, O(N) memory."""
    found = np.empty(len(said), said.probabilities.dtype)
    for start, stop in parts(len(said)):
        found[start:stop] = said.probabilities[start:stop].max(1)
    rows = said.unlabelled
    return rows[smallest(found[rows], keys[rows], n)]

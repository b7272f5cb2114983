"""Entropy (Settles 2009, survey of active learning, section 3.1; Shannon 1948)."""

from __future__ import annotations

import numpy as np

from leaven.data.storage import parts
from leaven.query.disagreement import entropies
from leaven.query.keys import smallest
from leaven.query.said import Said


def entropy(said: Said, n: int, keys: np.ndarray) -> np.ndarray:
    """Items of the largest entropy −Σ p log p of the predicted classes. O(N·K) time, O(N) memory."""
    found = np.empty(len(said))
    for start, stop in parts(len(said)):
        found[start:stop] = entropies(said.probabilities[start:stop])
    rows = said.unlabelled
    return rows[smallest(-found[rows], keys[rows], n)]

"""Margin (Scheffer, Decomain & Wrobel 2001; Settles 2009, section 3.1)."""

from __future__ import annotations

import numpy as np

from leaven.data.storage import parts
from leaven.query.keys import smallest
from leaven.query.said import Said


def margin(said: Said, n: int, keys: np.ndarray) -> np.ndarray:
    """Items of the smallest gap between the two likeliest classes. O(N·K) time, O(N) memory."""
    found = np.zeros(len(said), said.probabilities.dtype)  # of a single class there is no second
    if said.probabilities.shape[1] > 1:
        for start, stop in parts(len(said)):
            two = np.sort(said.probabilities[start:stop], axis=1)[:, -2:]
            found[start:stop] = two[:, 1] - two[:, 0]
    rows = said.unlabelled
    return rows[smallest(found[rows], keys[rows], n)]

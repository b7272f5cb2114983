"""Random items: the control that every other strategy is shown beside."""

from __future__ import annotations

import numpy as np

from leaven.query.keys import smallest
from leaven.query.said import Said


def random(said: Said, n: int, keys: np.ndarray) -> np.ndarray:
    """Items drawn uniformly without replacement: those of the smallest keys. O(N) time and memory."""
    rows = said.unlabelled
    return rows[smallest(keys[rows], keys[rows], n)]

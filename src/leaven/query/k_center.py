"""Core-set by k-center greedy (Sener & Savarese, ICLR 2018, arXiv 1708.00489, section 4.2, algorithm 1)."""

from __future__ import annotations

import numpy as np

from leaven.query.distances import to_nearest, to_point
from leaven.query.keys import least
from leaven.query.said import Said


def k_center(said: Said, n: int, keys: np.ndarray) -> np.ndarray:
    """One after the other, the item whose features are the farthest from all that is labelled or chosen.

    It starts from the labelled items, or from a random one where there is none. The greedy cover is at most twice as
    wide as the best one; the paper's mixed-integer program, which narrows it a little, is left out.

    O(N·D·(n + labelled)) time, O(N) memory beside the features.
    """
    features, order = said.features, np.argsort(keys)
    open_, known = order[~said.labelled[order]], order[said.labelled[order]]
    nearest = np.full(len(said), np.inf, np.float32)
    if len(known):
        nearest[open_], _ = to_nearest(features, open_, np.asarray(features[known], np.float32))
    nearest[known] = -np.inf  # below every distance: never the farthest
    chosen = np.zeros(n, np.int64)
    for i in range(n):
        row = chosen[i] = least(-nearest, keys)
        np.minimum(nearest, to_point(features, features[row]), out=nearest)
        nearest[row] = -np.inf
    return chosen

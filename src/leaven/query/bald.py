"""BALD (Houlsby et al. 2011, arXiv 1112.5745, eq. 2; with dropout: Gal, Islam & Ghahramani 2017, arXiv 1703.02910)."""

from __future__ import annotations

import numpy as np

from leaven.query.disagreement import information, most
from leaven.query.said import Said


def bald(said: Said, n: int, keys: np.ndarray) -> np.ndarray:
    """Items whose label would tell the most about the weights: H(mean p) − mean H(p) over M draws of them.

    Uncertain as a whole, while each draw is sure: where all draws are equally unsure, the item is merely noisy, and
    is not asked for. Needs ``said.votes``. O(M·N·K) time, O(N) memory beside the votes.
    """
    return most(information, said, n, keys)

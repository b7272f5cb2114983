"""How far several answers for one item are apart, in parts, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from leaven.data.storage import parts
from leaven.query.keys import smallest
from leaven.query.predictions import PoolPredictions


def most(
    measure: Callable[[np.ndarray], np.ndarray], predictions: PoolPredictions, n: int, keys: np.ndarray
) -> np.ndarray:
    """Rows of the ``n`` unlabelled items of the largest ``measure``, which maps votes ``(M, B, K)`` to ``(B,)``."""
    rows = predictions.unlabelled
    return rows[smallest(-measured(measure, predictions)[rows], keys[rows], n)]


def measured(measure: Callable[[np.ndarray], np.ndarray], predictions: PoolPredictions) -> np.ndarray:
    """``measure`` of the votes on every item, float64 ``(N,)``."""
    assert predictions.votes is not None
    values = np.empty(len(predictions))
    for start, stop in parts(len(predictions)):
        values[start:stop] = measure(np.asarray(predictions.votes[:, start:stop], np.float64))
    return values


def information(votes: np.ndarray) -> np.ndarray:
    """H(mean p) − mean H(p) in nats, ``(B,)``, of votes ``(M, B, K)``: what an item's label tells of which member is
    right (Houlsby et al. 2011, eq. 2; Gal, Islam & Ghahramani 2017, section 3).
    """
    return entropies(votes.mean(0)) - entropies(votes).mean(0)


def entropies(probabilities: np.ndarray) -> np.ndarray:
    """−Σ p log p over the last axis, in nats."""
    from scipy.special import entr

    return entr(probabilities).sum(-1)

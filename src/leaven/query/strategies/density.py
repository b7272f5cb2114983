"""Information density (Settles & Craven, EMNLP 2008; Settles 2009, section 3.6)."""

from __future__ import annotations

import numpy as np

from leaven.data.storage import parts
from leaven.query.disagreement import entropies
from leaven.query.keys import smallest
from leaven.query.predictions import PoolPredictions
from leaven.query.registry import strategy

BETA = 1.0  # the paper's: how much density counts


@strategy("density", "classifier", "Information density (Settles & Craven, EMNLP 2008; Settles 2009, section 3.6)")
def density(predictions: PoolPredictions, n: int, keys: np.ndarray, beta: float = BETA) -> np.ndarray:
    """Items that are uncertain and like many others: entropy × (mean cosine similarity to the unlabelled items)^β.

    Of vectors of unit length the mean similarity to all is the product with their mean, so there is no N × N: O(N·(D +
    K)) time, O(N) memory. A similarity below 0 counts as 0 (features need not be positive as the paper's words are).
    """
    rows = predictions.unlabelled
    by_key = rows[np.argsort(keys[rows])]  # a sum depends on its order
    typical = similarity(predictions.features, by_key)
    scores = np.empty(len(predictions))
    for start, stop in parts(len(predictions)):
        unsure = entropies(predictions.probabilities[start:stop].astype(np.float64))
        scores[start:stop] = unsure * np.maximum(typical[start:stop], 0) ** beta
    return rows[smallest(-scores[rows], keys[rows], n)]


def similarity(features: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Mean cosine similarity of every item to those of ``rows``, float64 ``(N,)``; 0 for a vector of zeros."""
    middle = np.zeros(features.shape[1])
    for start, stop in parts(len(rows)):
        middle += _unit(features[rows[start:stop]]).sum(0)
    middle /= max(len(rows), 1)
    mean = np.empty(len(features))
    for start, stop in parts(len(features)):
        unit = _unit(features[start:stop])
        mean[start:stop] = np.einsum("nd,nd->n", unit, np.broadcast_to(middle, unit.shape))
    return mean


def _unit(features: np.ndarray) -> np.ndarray:
    x = features.astype(np.float64)
    length = np.sqrt(np.einsum("nd,nd->n", x, x))[:, None]
    return np.divide(x, length, out=np.zeros_like(x), where=length > 0)

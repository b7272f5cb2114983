"""BADGE (Ash et al., ICLR 2020, arXiv 1906.03671, algorithm 1): diverse, uncertain gradients."""

from __future__ import annotations

import numpy as np

from leaven.query.distances import SMALL
from leaven.query.keys import exponential, least
from leaven.query.predictions import PoolPredictions
from leaven.query.registry import strategy

NEVER, LAST = np.inf, np.finfo(np.float64).max  # in the race: labelled or chosen already; of no distance


@strategy(
    "expected change",
    "classifier",
    "BADGE (Ash et al., ICLR 2020, arXiv 1906.03671, algorithm 1): diverse, uncertain gradients",
)
def badge(predictions: PoolPredictions, n: int, keys: np.ndarray) -> np.ndarray:
    """Items drawn by k-means++ (Arthur & Vassilvitskii 2007) on gradient embeddings.

    The embedding of an item is the gradient that the last layer would get if its likeliest class were its label:
    g = a ⊗ h with a = p − onehot(argmax p) and the features h. It is never formed: ⟨gᵢ, gⱼ⟩ = ⟨aᵢ, aⱼ⟩·⟨hᵢ, hⱼ⟩.
    The first item is the one of the longest gradient, as in the authors' code; each further one is drawn in
    proportion to its squared distance from the nearest one chosen; where none has a distance left, by the keys.

    O(n·N·(D + K)) time, O(N) memory beside features and probabilities.
    """
    squares = inner(predictions, None)
    distance = np.full(len(predictions), np.inf)
    closed = predictions.labelled.copy()
    chosen = np.zeros(n, np.int64)
    for i in range(n):
        race = exponential(keys, i) / np.maximum(distance, 1e-300) if i else -squares
        race = np.where(closed, NEVER, np.where(distance > 0, np.minimum(race, LAST), LAST))
        row = chosen[i] = least(race, keys)
        closed[row] = True
        distance = np.minimum(distance, gradient_distances(predictions, squares, row))
    return chosen


def gradient_distances(predictions: PoolPredictions, squares: np.ndarray, row: int) -> np.ndarray:
    """Squared distance of every item's gradient to that of ``row``, ``(N,)``; ``squares`` are all |g|²."""
    return np.maximum(squares + squares[row] - 2 * inner(predictions, row), 0)


def inner(predictions: PoolPredictions, row: int | None) -> np.ndarray:
    """⟨g, g_row⟩ of every item's gradient with that of ``row``, or where that is ``None`` with itself, float64."""
    products = np.empty(len(predictions))
    probabilities, features = predictions.probabilities, predictions.features
    other = None if row is None else (residuals(probabilities[row : row + 1]), features[row : row + 1])
    for start in range(0, len(predictions), SMALL):
        part = slice(start, start + SMALL)
        a, h = residuals(probabilities[part]), features[part]
        b, k = (a, h) if other is None else other
        products[part] = np.einsum("nk,nk->n", a, np.broadcast_to(b, a.shape)) * np.einsum(
            "nd,nd->n", h, np.broadcast_to(k, h.shape), dtype=np.float32
        )
    return products


def residuals(probabilities: np.ndarray) -> np.ndarray:
    """p − onehot(argmax p), float32 ``(B, K)``: the gradient of the cross-entropy with respect to the scores."""
    a = probabilities.astype(np.float32)
    a[np.arange(len(a)), a.argmax(1)] -= 1
    return a

"""What one model is unsure about: least confident, margin, entropy; and BALD, by draws of its weights."""

from __future__ import annotations

import numpy as np

from leaven.data.storage import parts
from leaven.query.disagreement import entropies, information, most
from leaven.query.keys import smallest
from leaven.query.predictions import PoolPredictions
from leaven.query.registry import strategy


@strategy(
    "uncertainty",
    "classifier",
    "Least confident (Lewis & Gale 1994; Settles 2009, survey of active learning, section 3.1)",
)
def least_confident(predictions: PoolPredictions, n: int, keys: np.ndarray) -> np.ndarray:
    """Items whose likeliest class is the least likely, 1 − max p. O(N·K) time, O(N) memory."""
    confidence = np.empty(len(predictions), predictions.probabilities.dtype)
    for start, stop in parts(len(predictions)):
        confidence[start:stop] = predictions.probabilities[start:stop].max(1)
    rows = predictions.unlabelled
    return rows[smallest(confidence[rows], keys[rows], n)]


@strategy("uncertainty", "classifier", "Margin (Scheffer, Decomain & Wrobel 2001; Settles 2009, section 3.1)")
def margin(predictions: PoolPredictions, n: int, keys: np.ndarray) -> np.ndarray:
    """Items of the smallest gap between the two likeliest classes. O(N·K) time, O(N) memory."""
    margins = np.zeros(len(predictions), predictions.probabilities.dtype)  # of a single class there is no second
    if predictions.probabilities.shape[1] > 1:
        for start, stop in parts(len(predictions)):
            two = np.sort(predictions.probabilities[start:stop], axis=1)[:, -2:]
            margins[start:stop] = two[:, 1] - two[:, 0]
    rows = predictions.unlabelled
    return rows[smallest(margins[rows], keys[rows], n)]


@strategy("uncertainty", "classifier", "Entropy (Settles 2009, survey of active learning, section 3.1; Shannon 1948)")
def entropy(predictions: PoolPredictions, n: int, keys: np.ndarray) -> np.ndarray:
    """Items of the largest entropy −Σ p log p of the predicted classes. O(N·K) time, O(N) memory."""
    values = np.empty(len(predictions))
    for start, stop in parts(len(predictions)):
        values[start:stop] = entropies(predictions.probabilities[start:stop])
    rows = predictions.unlabelled
    return rows[smallest(-values[rows], keys[rows], n)]


@strategy(
    "uncertainty",
    "dropout",
    "BALD (Houlsby et al. 2011, arXiv 1112.5745, eq. 2; with dropout: Gal, Islam & Ghahramani 2017, arXiv 1703.02910)",
)
def bald(predictions: PoolPredictions, n: int, keys: np.ndarray) -> np.ndarray:
    """Items whose label would tell the most about the weights: H(mean p) − mean H(p) over M draws of them.

    Uncertain as a whole, while each draw is sure: where all draws are equally unsure, the item is merely noisy, and
    is not asked for. Needs ``said.votes``. O(M·N·K) time, O(N) memory beside the votes.
    """
    return most(information, predictions, n, keys)

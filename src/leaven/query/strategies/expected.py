"""What a label would change: the length of its gradient, the loss that would be left; both of the last layer."""

from __future__ import annotations

import numpy as np

from leaven.data.storage import parts
from leaven.query.disagreement import entropies
from leaven.query.keys import smallest
from leaven.query.predictions import PoolPredictions
from leaven.query.registry import strategy


@strategy(
    "expected change",
    "classifier",
    "Expected gradient length (Settles, Craven & Ray, NIPS 2007; Settles 2009, section 3.3), of the last layer",
)
def expected_gradient_length(predictions: PoolPredictions, n: int, keys: np.ndarray) -> np.ndarray:
    """Items that would change the last layer the most, were they labelled: Σ_y p_y ‖(p − e_y) ⊗ h‖.

    The gradient of the cross-entropy with respect to the layer's weights is an outer product, whose norm is that of its
    factors: ‖p − e_y‖·‖h‖, with ‖p − e_y‖² = Σp² − 2 p_y + 1. So nothing is differentiated. The bias is left out, as in
    BADGE. Long features win; features of one length leave a measure of uncertainty. O(N·(D + K)) time, O(N) memory.
    """
    lengths = np.empty(len(predictions))
    for start, stop in parts(len(predictions)):
        p, h = predictions.probabilities[start:stop].astype(np.float64), predictions.features[start:stop]
        away = np.sqrt(np.maximum((p * p).sum(1, keepdims=True) - 2 * p + 1, 0))
        lengths[start:stop] = (p * away).sum(1) * np.sqrt(np.einsum("nd,nd->n", h, h, dtype=np.float64))
    rows = predictions.unlabelled
    return rows[smallest(-lengths[rows], keys[rows], n)]


CANDIDATES = 500  # items that are looked at, drawn at random
JUDGED = 1000  # items that the loss is expected over, drawn at random
LIKELIEST = 10  # classes that a candidate may be of; their probabilities are scaled to a sum of 1
ROOM = 2**20  # numbers of a table at a time


@strategy(
    "expected error",
    "classifier",
    "Expected error reduction (Roy & McCallum, ICML 2001; Settles 2009, section 3.4), of the last layer",
)
def error_reduction(predictions: PoolPredictions, n: int, keys: np.ndarray) -> np.ndarray:
    """Items after whose labelling the least log loss is expected: Σ_y p_y Σ_j H(p_j after adding (x, y)).

    What is approximated. Of 500 unlabelled items, drawn at random (or 2 n, if that is more), each is judged alone,
    over 1,000 unlabelled items drawn at random, and for its 10 likeliest classes. Nothing is trained: the last layer
    takes the one step that the label would cause, a Newton step under Böhning's bound of the curvature (1992), from
    where it is, taken to be the optimum of the labelled items. With the gradient (p_x − e_y) ⊗ h_x and the curvature
    A = ½ Σ_labelled hhᵀ + λI, to which ½ h_x h_xᵀ is added, the scores of item j move by

        (e_y − p_x) · h_jᵀ A⁻¹ h_x / (1 + ½ h_xᵀ A⁻¹ h_x),

    λ being the mean square of a feature; h has a 1 appended for the bias. The features stay as they are.

    O(N·D + labelled·D² + D³ + 500·10·1,000·K) time, O(D² + 1,500·D) memory beside tables of 8 MB.
    """
    rows = predictions.unlabelled
    order = rows[smallest(keys[rows], keys[rows], min(len(rows), max(CANDIDATES, 2 * n, JUDGED)))]
    some, judged = order[: max(CANDIDATES, 2 * n)], order[:JUDGED]
    labelled_rows = np.flatnonzero(predictions.labelled)
    labelled_rows = labelled_rows[np.argsort(keys[labelled_rows])]
    loss = expected_loss(predictions, some, judged, labelled_rows)
    return some[smallest(loss, keys[some], n)]


def expected_loss(
    predictions: PoolPredictions, candidates: np.ndarray, judged: np.ndarray, labelled_rows: np.ndarray
) -> np.ndarray:
    """The mean loss over the rows ``judged`` in nats that is expected after each of ``candidates``, ``(C,)``.

    ``labelled_rows`` are the rows that the layer was fitted to.
    """
    x, p = _with_one(predictions.features[candidates]), predictions.probabilities[candidates].astype(np.float64)
    pool = _with_one(predictions.features[judged])
    scores = np.log(np.maximum(predictions.probabilities[judged].astype(np.float64), 1e-30))
    moved = x @ np.linalg.inv(curvature(predictions, labelled_rows, pool))  # rows are A⁻¹ h_x
    step = (pool @ moved.T) / (1 + 0.5 * (x * moved).sum(1))  # (J, C)
    few = min(LIKELIEST, p.shape[1])
    likely = np.argsort(-p, axis=1, kind="stable")[:, :few]
    weight = np.take_along_axis(p, likely, 1)
    weight /= weight.sum(1, keepdims=True)
    loss = np.zeros(len(candidates))
    size = max(1, ROOM // scores.size)
    for start in range(0, len(candidates), size):
        part = slice(start, start + size)
        for turn in range(few):
            push = -p[part]
            push[np.arange(len(push)), likely[part, turn]] += 1
            after = scores[None] + step.T[part, :, None] * push[:, None]  # (C, J, K)
            after -= after.max(2, keepdims=True)
            np.exp(after, out=after)
            after /= after.sum(2, keepdims=True)
            loss[part] += weight[part, turn] * entropies(after).mean(1)
    return loss


def curvature(predictions: PoolPredictions, labelled_rows: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """½ Σ hhᵀ over the rows ``labelled_rows``, and λ, the mean square of a feature in ``pool``, on the diagonal."""
    matrix = np.eye(pool.shape[1]) * np.square(pool).mean()
    for start, stop in parts(len(labelled_rows)):
        h = _with_one(predictions.features[labelled_rows[start:stop]])
        matrix += 0.5 * h.T @ h
    return matrix


def _with_one(features: np.ndarray) -> np.ndarray:
    return np.concatenate([features.astype(np.float64), np.ones((len(features), 1))], 1)

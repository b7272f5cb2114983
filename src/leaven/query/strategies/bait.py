"""BAIT (Ash et al., NeurIPS 2021, "Gone Fishing", arXiv 2106.09675, algorithm 1), a block of the Fisher a class."""

from __future__ import annotations

import numpy as np

from leaven.data.storage import parts
from leaven.query.keys import least
from leaven.query.predictions import PoolPredictions
from leaven.query.registry import strategy

CANDIDATES = 10_000  # items that are looked at and that the pool's Fisher matrix is of, drawn at random
TWICE = 2  # so many times n are chosen going forward, as the authors do; the rest go again
RIDGE = 1.0  # λ of the paper's M₀, in units of a feature's mean square
TABLE = 2**23  # numbers of a table of candidates and classes: where there are more, fewer are looked at
BLOCKS = 2**25  # numbers of all blocks together: beyond, features are projected


@strategy(
    "variance",
    "classifier",
    'BAIT (Ash et al., NeurIPS 2021, "Gone Fishing", arXiv 2106.09675, algorithm 1), a block of the Fisher a class',
)
def bait(predictions: PoolPredictions, n: int, keys: np.ndarray) -> np.ndarray:
    """Items whose labels would lower the variance of the last layer the most: the least tr((M + Σ I(x))⁻¹ I_pool).

    I(x) is the Fisher matrix of the layer, Σ_y p_y gg ᵀ = (diag p − ppᵀ) ⊗ hhᵀ, and M that of the labelled items and
    λ on the diagonal. As in the paper, 2 n items are chosen one after the other, then n of them go again, each time the
    one whose loss costs the least; the trace is followed by Woodbury's identity.

    The affordable form: of the K·D × K·D matrix the diagonal blocks, one a class, with p_k(1 − p_k) hhᵀ. This is how
    FIRAL scales (Chen, Wen & Biros 2024); for two classes nothing is lost, for there the difference of both is all.
    The pool is 10,000 items drawn at random (fewer above 838 classes, but 2 n at least); where the blocks exceed 2²⁵
    numbers (268 MB), features are projected on as many principal directions as do not. Features are divided
    by their root mean square.

    Whose weights: 2 n items forward are the authors', the rest is ours. In M every labelled and every chosen item
    counts once, beside a λ of 1, and I_pool is the mean over the unlabelled candidates. In the authors' code
    (JordanAsh/badge), with L labelled items, M is λ + (Σ I of the labelled) / (L + n) + n / (L + n) · (Σ I of the
    chosen), so that a chosen item counts n times as much as a labelled one, and λ (L + n) times as much; I_pool is the
    mean over the labelled items too.

    For C candidates O(C·K·D²) time to begin, O(n·C·K·D) then; O(K·D² + C·D) memory.
    """
    rows = predictions.unlabelled
    most = min(CANDIDATES, TABLE // predictions.probabilities.shape[1])
    order = rows[np.argsort(keys[rows])][: max(most, TWICE * n)]
    labelled_rows = np.flatnonzero(predictions.labelled)
    labelled_rows = labelled_rows[np.argsort(keys[labelled_rows])]
    view = _view(predictions.features[order].astype(np.float64), predictions.probabilities.shape[1])
    h, w = predictions.features[order] @ view, _weights(predictions.probabilities[order])
    state = _State(h, w, _fisher_of_labelled(predictions, labelled_rows, view))
    chosen: list[int] = []
    for _ in range(min(TWICE * n, len(order))):
        gain = state.gain()
        gain[chosen] = -np.inf
        row = least(-gain, keys[order])
        state.move(row, 1.0)
        chosen.append(row)
    for _ in range(len(chosen) - n):
        cost = state.cost(chosen)
        row = chosen.pop(least(cost, keys[order[chosen]]))
        state.move(row, -1.0)
    return order[chosen]


class _State:
    """Of every candidate i and class k: q = hᵀM⁻¹h and t = hᵀM⁻¹FM⁻¹h, as items come to M and leave it."""

    def __init__(self, h: np.ndarray, w: np.ndarray, fisher: np.ndarray):
        self.h, self.w = h, w
        pool = _fisher(h, w) / len(h)
        self.inverse = np.linalg.inv(fisher)  # (K, D, D)
        self.middle = self.inverse @ pool @ self.inverse
        self.q, self.t = (np.empty(w.shape) for _ in range(2))
        for k in range(w.shape[1]):
            self.q[:, k] = np.einsum("nd,nd->n", h @ self.inverse[k], h)
            self.t[:, k] = np.einsum("nd,nd->n", h @ self.middle[k], h)

    def gain(self) -> np.ndarray:
        """By how much each candidate would lower the trace, ``(C,)``."""
        return (self.w * self.t / (1 + self.w * self.q)).sum(1)

    def cost(self, rows: list[int]) -> np.ndarray:
        """By how much the trace would rise without each of these, ``(len(rows),)``."""
        w = self.w[rows]
        return (w * self.t[rows] / np.maximum(1 - w * self.q[rows], 1e-12)).sum(1)

    def move(self, row: int, sign: float) -> None:
        """The candidate comes (1) or leaves (−1): Sherman & Morrison, of M⁻¹, of M⁻¹FM⁻¹ and of q and t."""
        x, w = self.h[row], sign * self.w[row]
        u, v = self.inverse @ x, self.middle @ x  # (K, D)
        scale = w / (1 + w * self.q[row])
        inner, other = self.h @ u.T, self.h @ v.T  # (C, K)
        t = self.t[row].copy()
        self.q -= scale * inner**2
        self.t += scale * inner * (scale * t * inner - 2 * other)
        mixed = (0.5 * scale * t)[:, None] * u - v
        self.middle += scale[:, None, None] * (u[:, :, None] * mixed[:, None] + mixed[:, :, None] * u[:, None])
        self.inverse -= scale[:, None, None] * u[:, :, None] * u[:, None]


def _weights(probabilities: np.ndarray) -> np.ndarray:
    p = probabilities.astype(np.float64)
    return p * (1 - p)


def _fisher(h: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Σ w_k hhᵀ, a block a class, ``(K, D, D)``."""
    return np.stack([(h * w[:, k : k + 1]).T @ h for k in range(w.shape[1])])


def _fisher_of_labelled(predictions: PoolPredictions, labelled_rows: np.ndarray, view: np.ndarray) -> np.ndarray:
    classes, size = predictions.probabilities.shape[1], view.shape[1]
    fisher = np.broadcast_to(RIDGE * np.eye(size), (classes, size, size)).copy()
    for start, stop in parts(len(labelled_rows)):
        some = labelled_rows[start:stop]
        fisher += _fisher(predictions.features[some] @ view, _weights(predictions.probabilities[some]))
    return fisher


def _view(h: np.ndarray, classes: int) -> np.ndarray:
    """What features are multiplied with, ``(D, D')``: a scale, and principal directions where D is too many."""
    scale = np.sqrt(np.square(h).mean()) or 1.0
    most = max(1, int((BLOCKS / classes) ** 0.5))
    if h.shape[1] <= most:
        return np.eye(h.shape[1]) / scale
    _, directions = np.linalg.eigh(h.T @ h)
    return directions[:, -most:] / scale

"""The graph of nearest neighbours, and what spreads over it."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_matrix, diags, identity
from scipy.sparse.linalg import cg

ROOM = 2**24  # cosines at a time


def neighbour_graph(features: np.ndarray, k: int = 50, gamma: float = 3.0) -> csr_matrix:
    """The normalised graph S = D^(-½) W D^(-½) of the k nearest neighbours by angle (Iscen et al. 2019, eq. 9 and 10).

    W = A + Aᵀ, with a_ij = max(cos(f_i, f_j), 0)^γ where j is one of the k nearest of i, and no loops.

    Parameters
    ----------
    features : ndarray of float32, shape (N, D)
        Features of the items.
    k : int, optional
        Neighbours of each, fewer where there are not as many items.
    gamma : float, optional
        The power γ of the similarities.

    Returns
    -------
    csr_matrix of float32, shape (N, N)
        The graph S.
    """
    n = len(features)
    near, who = nearest(features, min(k + 1, n))
    rows = np.repeat(np.arange(n), who.shape[1])
    value = np.maximum(near.ravel(), 0) ** gamma
    other = who.ravel() != rows
    a = csr_matrix((value[other], (rows[other], who.ravel()[other])), (n, n))
    w = a + a.T
    degree = np.asarray(w.sum(1)).ravel()
    scale = diags(1 / np.sqrt(np.maximum(degree, 1e-12)))  # what has no neighbours has no weights either
    return (scale @ w @ scale).tocsr()


def nearest(features: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k items of the largest cosine to each, itself among them: that cosine, float32, and which, int64 ``(N, k)``.

    All pairs are looked at, a part at a time: O(N²·D) time, 64 MB beside the answer.
    """
    unit = torch.nn.functional.normalize(torch.from_numpy(np.ascontiguousarray(features, np.float32)), eps=1e-12)
    near, who = np.empty((len(unit), k), np.float32), np.empty((len(unit), k), np.int64)
    size = max(1, ROOM // max(len(unit), 1))
    for start in range(0, len(unit), size):
        values, rows = (unit[start : start + size] @ unit.T).topk(k)
        near[start : start + size], who[start : start + size] = values.numpy(), rows.numpy()
    return near, who


def diffuse(graph: csr_matrix, seeds: np.ndarray, alpha: float = 0.99, iterations: int = 20) -> np.ndarray:
    """Z of (I − α S) Z = Y by conjugate gradients, column by column (Iscen et al. 2019, eq. 4).

    Parameters
    ----------
    graph : csr_matrix
        S, of shape ``(N, N)``.
    seeds : ndarray of shape (N, K)
        Y, what is known of the classes.
    alpha : float, optional
        How far it spreads, α.
    iterations : int, optional
        Iterations of conjugate gradients at most, as the authors have it.

    Returns
    -------
    ndarray of float, shape (N, K)
        Z, not below 0.
    """
    system = identity(len(seeds), format="csr") - alpha * graph
    columns = [cg(system, seeds[:, column], rtol=1e-6, maxiter=iterations)[0] for column in range(seeds.shape[1])]
    return np.maximum(np.stack(columns, 1), 0)


def spread_classically(features: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Shares ``(N, classes)`` by scikit-learn's LabelSpreading (Zhou et al. 2004) over 7 neighbours, by angle.

    ``features`` ``(N, D)``; ``labels`` int ``(N,)``, -1 where unknown.
    """
    from sklearn.semi_supervised import LabelSpreading

    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    with np.errstate(invalid="ignore"):  # it divides by 0 where no label arrives
        model = LabelSpreading(kernel="knn", n_neighbors=min(7, len(unit) - 1), alpha=0.2).fit(unit, labels)
    spread = np.zeros((len(unit), classes))
    spread[:, model.classes_] = np.nan_to_num(model.label_distributions_)
    return spread


def pseudo_labels(spread: np.ndarray, labels_given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """argmax of each row of ``spread`` ``(N, K)``, and its certainty (Iscen et al. 2019, section 4.2).

    That is 1 − H / log K, over the largest of these as in the authors' code; 0 where nothing reached the item. Where
    ``labels_given`` ``(N,)`` is not negative, it is the label, with certainty 1.
    """
    total = spread.sum(1, keepdims=True)
    shares = spread / np.maximum(total, 1e-300)
    entropy = -(shares * np.log(np.maximum(shares, 1e-12))).sum(1)
    certainty = np.where(total[:, 0] > 0, np.maximum(1 - entropy / np.log(spread.shape[1]), 0), 0)
    certainty /= max(certainty.max(), 1e-12)
    labels = spread.argmax(1)
    given = labels_given >= 0
    labels[given], certainty[given] = labels_given[given], 1
    return labels, certainty

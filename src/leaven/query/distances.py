"""Distances in a large pool, in parts, so that memory stays bounded, and independent of the pool's order.

The answer of a matrix product for one row may depend, in its last bit, on where the row stands among the others; one
bit can change which item is the farthest. So ``to_point`` uses a sum that treats every row alike, and ``to_nearest``
takes the rows in an order that the caller fixes.
"""

from __future__ import annotations

import numpy as np

from leaven.data.storage import parts

CENTRES = 1024  # that a part is multiplied with at a time
SMALL = 1024  # rows a part where memory bandwidth is all: it stays in the processor's cache


def to_point(features: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Squared Euclidean distance of every row of ``(N, D)`` to one point ``(D,)``, float32 ``(N,)``; 0 for its like."""
    squared = np.empty(len(features), np.float32)
    room = np.empty((SMALL, features.shape[1]), np.float32)
    for start in range(0, len(features), SMALL):
        part = features[start : start + SMALL]
        difference = np.subtract(part, point, out=room[: len(part)], casting="same_kind")
        np.einsum("nd,nd->n", difference, difference, out=squared[start : start + SMALL])
    return squared


def to_nearest(features: np.ndarray, order: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared distance of the rows ``order`` to their nearest centre, float32, and that centre's number, int64.

    One matrix product for each part and ``CENTRES`` centres: many times as fast as ``to_point`` for each centre.

    Parameters
    ----------
    features : ndarray of shape (N, D)
        Features of the items.
    order : ndarray of int64, shape (M,)
        Rows, in an order that does not depend on the pool's.
    centres : ndarray of shape (C, D)
        The centres, at least one.
    """
    middle = centres.mean(0, dtype=np.float64).astype(np.float32)  # a common offset would cost digits
    moved = centres - middle
    least, which = np.full(len(order), np.inf, np.float32), np.zeros(len(order), np.int64)
    for start, stop in parts(len(order)):
        part = features[order[start:stop]] - middle
        for first in range(0, len(moved), CENTRES):
            some = moved[first : first + CENTRES]
            squared = (some * some).sum(1) - 2 * (part @ some.T)  # |x|² is added to the least of them
            nearest = squared.argmin(1)
            distance = squared[np.arange(len(part)), nearest]
            nearer = distance < least[start:stop]
            least[start:stop][nearer], which[start:stop][nearer] = distance[nearer], nearest[nearer] + first
        least[start:stop] += (part * part).sum(1)
    return np.maximum(least, 0), which

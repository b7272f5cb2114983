"""Items that cover the others: the k-center core-set, and balls of one radius (ProbCover)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from leaven.query.distances import to_nearest, to_point
from leaven.query.keys import least
from leaven.query.predictions import PoolPredictions
from leaven.query.registry import strategy
from leaven.query.strategies.typiclust import MOST, centres_of


@strategy(
    "representative",
    "features",
    "Core-set by k-center greedy (Sener & Savarese, ICLR 2018, arXiv 1708.00489, section 4.2, algorithm 1)",
)
def k_center(predictions: PoolPredictions, n: int, keys: np.ndarray) -> np.ndarray:
    """One after the other, the item whose features are the farthest from all that is labelled or chosen.

    It starts from the labelled items, or from a random one where there is none. The greedy cover is at most twice as
    wide as the best one; the paper's mixed-integer program, which narrows it a little, is left out.

    O(N·D·(n + labelled)) time, O(N) memory beside the features.
    """
    features, order = predictions.features, np.argsort(keys)
    open_, labelled_rows = order[~predictions.labelled[order]], order[predictions.labelled[order]]
    nearest = np.full(len(predictions), np.inf, np.float32)
    if len(labelled_rows):
        nearest[open_], _ = to_nearest(features, open_, np.asarray(features[labelled_rows], np.float32))
    nearest[labelled_rows] = -np.inf  # below every distance: never the farthest
    chosen = np.zeros(n, np.int64)
    for i in range(n):
        row = chosen[i] = least(-nearest, keys)
        np.minimum(nearest, to_point(features, features[row]), out=nearest)
        nearest[row] = -np.inf
    return chosen


SAMPLE = 8_000  # items that balls are drawn around and counted in, drawn at random
ROWS = 512  # of a table of distances at a time
PURE = 0.95  # α: the share of balls that hold one pseudo-label, the paper's


@strategy(
    "representative",
    "features",
    "ProbCover (Yehuda, Dekel, Hacohen & Weinshall, NeurIPS 2022, arXiv 2205.11514, algorithm 1)",
)
def prob_cover(predictions: PoolPredictions, n: int, keys: np.ndarray) -> np.ndarray:
    """One after the other, the item whose ball of radius δ holds the most items that no ball holds yet.

    The balls of labelled items count. δ is the largest radius at which 95 % of the balls hold one pseudo-label alone
    (the paper's section 3.3), the pseudo-labels being clusters of k-means, as many as classes; where no classes are
    known (K is 1), as many as there are labelled items and items to choose. A ball is pure up to the distance of the
    nearest item of another pseudo-label, so δ is a quantile of these distances; what lies at δ itself is outside.
    When all is covered, the rest are random. The features are taken as they are; the paper's are of unit length.

    Of a pool above 8,000 items, as many, drawn at random, stand for all: O(8,000²·D + n·8,000²) time at most, 128 MB
    and O(8,000·D) memory beside the features, and distances of the labelled items to the sample.
    """
    order = np.argsort(keys)[:SAMPLE]  # labelled and unlabelled: all that is to be covered
    x = np.asarray(predictions.features[order], np.float32)
    classes = predictions.probabilities.shape[1]
    count = classes if classes > 1 else max(2, min(int(predictions.labelled.sum()) + n, MOST))
    every = np.arange(len(x))
    _, label = to_nearest(x, every, centres_of(x, min(count, len(x))))
    reach = squared_radius(x, label)
    near = np.zeros((len(x), len(x)), bool)
    for part in _slices(len(x)):
        near[part] = _squared(x[part], x) < reach
    near &= near.T.copy()  # a product's last bit must not make it one-sided
    np.fill_diagonal(near, True)
    labelled_rows = np.flatnonzero(predictions.labelled)
    open_cover = np.ones(len(x), bool)
    if len(labelled_rows):
        labelled_rows = labelled_rows[np.argsort(keys[labelled_rows])]
        open_cover = to_nearest(x, every, np.asarray(predictions.features[labelled_rows], np.float32))[0] >= reach
    gain = np.concatenate([(near[part] & open_cover).sum(1) for part in _slices(len(x))])
    gain[predictions.labelled[order]] = 0  # but for a last bit it is
    chosen: list[int] = []
    while len(chosen) < n:
        row = int(gain.argmax())  # the first of the best: rows are in the order of their keys
        if gain[row] <= 0:  # all that can be is covered, the chosen ones with it
            break
        covered = np.flatnonzero(near[row] & open_cover)
        gain -= near[covered].sum(0)
        open_cover[covered] = False
        chosen.append(int(order[row]))
    rest = predictions.unlabelled[np.argsort(keys[predictions.unlabelled])]
    rest = rest[~np.isin(rest, chosen)]
    return np.concatenate([np.array(chosen, np.int64), rest[: n - len(chosen)]])


def squared_radius(x: np.ndarray, label: np.ndarray) -> float:
    """δ², δ being the largest radius at which at least 95 % of the open balls around ``x`` ``(N, D)`` hold one
    ``label`` alone.

    0 where copies of one item have several labels; infinite where all items have one.
    """
    nearest = np.empty(len(x))
    for part in _slices(len(x)):
        apart = np.where(label[part, None] == label[None], np.inf, _squared(x[part], x))
        nearest[part] = apart.min(1)
    within = int((1 - PURE) * len(x))  # so many balls may be impure
    return float(np.sort(nearest)[within])


def _squared(part: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Squared distances ``(P, N)`` of a part to all."""
    middle = x.mean(0, dtype=np.float64).astype(np.float32)
    part, x = part - middle, x - middle
    return np.maximum((part * part).sum(1)[:, None] + (x * x).sum(1) - 2 * (part @ x.T), 0)


def _slices(count: int) -> Iterator[slice]:
    return (slice(start, start + ROWS) for start in range(0, count, ROWS))

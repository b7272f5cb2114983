"""TypiClust (Hacohen, Dekel & Weinshall, ICML 2022, arXiv 2202.02794, algorithm 1): typical items first."""

from __future__ import annotations

import warnings

import numpy as np

from leaven.query.distances import to_nearest
from leaven.query.predictions import PoolPredictions
from leaven.query.registry import strategy

MOST = 500  # clusters at most; this, NEIGHBOURS and SMALLEST are those of the authors' code
NEIGHBOURS = 20
SMALLEST = 5  # members up to which a cluster comes last
SAMPLE = 25_000  # items that the clusters are found on
DENSE = 5_000  # members of a cluster that are looked at


@strategy(
    "representative",
    "features",
    "TypiClust (Hacohen, Dekel & Weinshall, ICML 2022, arXiv 2202.02794, algorithm 1): typical items first",
)
def typiclust(predictions: PoolPredictions, n: int, keys: np.ndarray) -> np.ndarray:
    """The most typical item of each cluster, of those with the fewest labels, of these the largest, first;
    clusters of 5 members or fewer when all others are empty.

    As many clusters as there are labelled items and items to choose, but 500 at most. Typicality is the inverse of the
    mean distance to the 20 nearest neighbours within the cluster. The features are taken as they are; the paper's are
    of unit length.

    Clusters of a pool above 25,000 items are found on as many of them, drawn at random, and in a cluster of more than
    5,000 as many, drawn at random, are looked at: O(N·D·C + n·5,000²·D) time, O(N + 25,000·D) memory at most beside
    the features, for C clusters.
    """
    order = np.argsort(keys)  # a random order: its beginning is a sample
    count = min(int(predictions.labelled.sum()) + n, MOST, len(order))
    centres = centres_of(np.asarray(predictions.features[order[:SAMPLE]], np.float32), count)
    cluster = np.empty(len(predictions), np.int64)
    _, cluster[order] = to_nearest(predictions.features, order, centres)
    open_ = order[~predictions.labelled[order]]
    size, left, labels = (
        np.bincount(cluster[rows], minlength=count) for rows in (order, open_, np.flatnonzero(predictions.labelled))
    )
    turn = np.lexsort((-size, labels))
    large = size[turn] > SMALLEST
    share = np.zeros(count, np.int64)
    turns: list[np.ndarray] = []
    for some in (turn[large], turn[~large]):
        while missing := n - share.sum():  # each cluster gives one, then each another one
            giving = some[share[some] < left[some]][:missing]
            if not len(giving):
                break
            turns.append(giving)
            share[giving] += 1
    typical = {}
    for k in np.flatnonzero(share):
        members = open_[cluster[open_] == k][: max(DENSE, share[k])]
        typical[k] = iter(
            members[_spread(np.asarray(predictions.features[members], np.float32)).argsort(kind="stable")]
        )
    return np.array([next(typical[k]) for k in np.concatenate(turns)], np.int64)


def centres_of(features: np.ndarray, count: int) -> np.ndarray:
    """Centres ``(count, D)`` of k-means; on one thread, for several add up their sums in the order of their finish."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer different items than clusters: some clusters stay empty
        return KMeans(count, random_state=0).fit(features).cluster_centers_


def _spread(features: np.ndarray) -> np.ndarray:
    """Mean distance of each of M members to its nearest neighbours among them, ``(M,)``: 1 / typicality.

    Of a small cluster at most half are neighbours, as in the authors' code.
    """
    from sklearn.neighbors import NearestNeighbors

    if len(features) == 1:
        return np.zeros(1)
    near = max(1, min(NEIGHBOURS, len(features) // 2))
    distances, _ = NearestNeighbors(n_neighbors=near, algorithm="brute").fit(features).kneighbors()
    return distances.mean(1)

"""Each strategy against what one can work out by hand, or the long way in NumPy."""

import numpy as np
import pytest
from predictions_query import make
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_info

from leaven.query import distances
from leaven.query.keys import keys
from leaven.query.predictions import PoolPredictions
from leaven.query.selection import select
from leaven.query.strategies import typiclust
from leaven.query.strategies.badge import gradient_distances, inner


def said_of(features, probabilities=None, labelled=()) -> PoolPredictions:
    features = np.asarray(features, np.float32)
    p = np.ones((len(features), 1)) if probabilities is None else probabilities
    known = np.isin(np.arange(len(features)), labelled)
    ids = np.arange(len(features))
    return PoolPredictions(np.asarray(p, np.float32), features, ids, known, content=ids)


def test_entropy_and_margin_by_hand():
    p = [
        [0.50, 0.50, 0.00],  # entropy 0.693, margin 0.00
        [0.34, 0.33, 0.33],  # entropy 1.099, margin 0.01
        [0.60, 0.20, 0.20],  # entropy 0.950, margin 0.40
        [0.80, 0.20, 0.00],  # entropy 0.500, margin 0.60
        [1.00, 0.00, 0.00],  # entropy 0, margin 1
        [0.34, 0.33, 0.33],  # labelled
    ]
    said = said_of(np.zeros((6, 2)), p, labelled=[5])
    assert select("entropy", said, 5).tolist() == [1, 2, 0, 3, 4]
    assert select("margin", said, 5).tolist() == [0, 1, 2, 3, 4]


def test_margin_is_that_of_the_two_likeliest_of_many_classes():
    p = np.random.default_rng(0).dirichlet(np.ones(100), 40).astype(np.float32)
    assert select("margin", said_of(np.zeros((3, 1)), [[0.5, 0.5], [0.9, 0.1], [0.7, 0.3]]), 3).tolist() == [0, 2, 1]
    two = np.sort(p, 1)[:, -2:]
    assert select("margin", said_of(np.zeros((40, 1)), p), 40).tolist() == (two[:, 1] - two[:, 0]).argsort().tolist()


def test_random_is_uniform():
    said = said_of(np.zeros((10, 1)), labelled=[3])
    counts = np.zeros(10)
    for seed in range(3000):
        counts[select("random", said, 3, seed)] += 1
    assert counts[3] == 0
    others = np.delete(counts, 3)
    np.testing.assert_allclose(others, 1000, atol=4.5 * np.sqrt(3000 * (1 / 3) * (2 / 3)))


def test_k_center_by_hand():
    # on a line: 0 is labelled; 10 is the farthest; then 5 (5 away from both); then 7.6, 2.4 away from 10; then 2
    line = np.array([0.0, 2.0, 10.0, 5.0, 7.6])[:, None]
    assert select("k_center", said_of(line, labelled=[0]), 4).tolist() == [2, 3, 4, 1]


def test_k_center_is_the_greedy_cover():
    for labelled in (0, 1, 9):
        said = make(150, features=6, labelled=labelled, seed=labelled)
        chosen = select("k_center", said, 60, seed=2)
        x = said.features.astype(np.float64)
        between = ((x[:, None] - x[None]) ** 2).sum(2)
        covered = list(np.flatnonzero(said.labelled)) or [int(chosen[0])]
        for row in chosen[0 if labelled else 1 :]:
            far = between[covered].min(0)
            far[said.labelled] = -1
            assert far[row] >= far.max() - 1e-5 * between.max()
            covered.append(int(row))


def test_k_center_takes_a_copy_last():
    x = np.array([[0, 0], [3, 4], [3, 4], [0, 1e-3]], np.float32) + 1000
    chosen = select("k_center", said_of(x, labelled=[0]), 3).tolist()
    assert sorted(chosen[:2]) in ([1, 3], [2, 3])
    assert chosen[2] in (1, 2)


def test_distances_to_the_nearest_of_many_centres(monkeypatch):
    monkeypatch.setattr(distances, "CENTRES", 7)
    rng = np.random.default_rng(0)
    x, centres = (rng.normal(50, 1, size=(n, 6)).astype(np.float32) for n in (5000, 20))
    order = rng.permutation(len(x))[:4500]
    found, which = distances.to_nearest(x, order, centres)
    between = ((x[order, None].astype(float) - centres[None]) ** 2).sum(2)
    np.testing.assert_allclose(found, between.min(1), rtol=1e-4)
    assert (which == between.argmin(1)).all()
    np.testing.assert_allclose(distances.to_point(x, centres[0]), ((x.astype(float) - centres[0]) ** 2).sum(1), 1e-5)
    assert distances.to_point(x, x[17])[17] == 0


def embeddings(said: PoolPredictions) -> np.ndarray:
    """The gradient embeddings, the long way: N × K·D."""
    p = said.probabilities.astype(np.float64)
    a = p - np.eye(p.shape[1])[p.argmax(1)]
    return np.einsum("nk,nd->nkd", a, said.features.astype(np.float64)).reshape(len(p), -1)


def test_badge_distances_without_the_embeddings():
    said = make(1500, classes=5, features=19)
    g = embeddings(said)
    squares = inner(said, None)
    np.testing.assert_allclose(squares, (g**2).sum(1), rtol=1e-5)
    for row in (0, 700, 1499):
        found = gradient_distances(said, squares, row)
        np.testing.assert_allclose(found, ((g - g[row]) ** 2).sum(1), rtol=1e-3, atol=1e-5)
        like = (said.features == said.features[row]).all(1) & (said.probabilities == said.probabilities[row]).all(1)
        assert (found[like] == 0).all()


def test_badge_draws_in_proportion_to_the_squared_distance():
    """The first is the longest gradient; the second and third as k-means++ has it, over many seeds."""
    said = make(12, classes=3, features=2, labelled=2, seed=1, differ=True)
    g, open_ = embeddings(said), ~said.labelled
    between = ((g[:, None] - g[None]) ** 2).sum(2)
    first = int(np.where(open_, (g**2).sum(1), -1).argmax())
    expected = np.zeros((12, 12))
    weights = np.where(open_, between[first], 0)
    for second in np.flatnonzero(weights):
        then = np.where(open_, np.minimum(between[first], between[second]), 0)
        expected[second] = weights[second] / weights.sum() * then / then.sum()
    runs = 6000
    counts = np.zeros((12, 12))
    for seed in range(runs):
        chosen = select("badge", said, 3, seed)
        assert chosen[0] == first
        counts[chosen[1], chosen[2]] += 1
    spread = np.sqrt(runs * expected * (1 - expected))
    assert (np.abs(counts - runs * expected) <= 4.5 * spread + 1e-9).all()
    assert len(np.unique(said.features[open_], axis=0)) < open_.sum()  # there is a copy, of no distance to its like


def test_badge_takes_what_is_left_when_no_distance_is():
    sure = said_of(np.ones((6, 2)), [[1, 0]] * 6, labelled=[0])
    assert sorted(select("badge", sure, 5)) == [1, 2, 3, 4, 5]


def test_badge_takes_what_is_left_by_the_keys():
    sure = said_of(np.ones((30, 2)), [[1, 0]] * 30, labelled=[0])
    order = 1 + keys(sure.ids, 3)[1:].argsort()
    assert select("badge", sure, 29, 3).tolist() == order.tolist()


def blobs(sizes, seed=0):
    """Blobs far apart, of so many items, each with a dense core."""
    rng = np.random.default_rng(seed)
    blob = np.repeat(np.arange(len(sizes)), sizes)
    x = (
        rng.normal(size=(len(blob), 3)) * rng.uniform(0.1, 1, (len(blob), 1))
        + np.eye(3)[blob % 3] * 40 * (1 + blob // 3)[:, None]
    )
    return x, blob


def most_typical(x, blob, number):
    """Of a blob: the item of the least mean distance to its nearest neighbours in it (20, or half of the blob)."""
    rows = np.flatnonzero(blob == number)
    between = np.sort(np.sqrt(((x[rows, None] - x[None, rows]) ** 2).sum(2)), axis=1)
    return int(rows[between[:, 1 : min(20, len(rows) // 2) + 1].mean(1).argmin()])


def test_typiclust_takes_the_most_typical_item_of_the_largest_blobs():
    x, blob = blobs([50, 80, 30, 60, 41])
    for seed in range(5):
        chosen = select("typiclust", said_of(x), 5, seed)
        assert chosen.tolist() == [most_typical(x, blob, k) for k in (1, 3, 0, 4, 2)]
        centre = np.array([x[blob == blob[row]].mean(0) for row in chosen])
        assert (np.linalg.norm(x[chosen] - centre, axis=1) < 0.3).all()


def test_typiclust_goes_where_no_label_is():
    x, blob = blobs([50, 80, 30])
    chosen = select("typiclust", said_of(x, labelled=[60, 10]), 1)  # labels in blobs 1 and 0; three clusters
    assert chosen.tolist() == [most_typical(x, blob, 2)]


def test_typiclust_leaves_small_clusters_to_the_end(monkeypatch):
    """As the authors' code: five members are few, and a second item of a large cluster goes before them."""
    monkeypatch.setattr(typiclust, "MOST", 3)
    x, blob = blobs([30, 6, 5])
    assert (blob[select("typiclust", said_of(x), 37)] == 2).tolist() == [False] * 36 + [True]
    # labelled members count: six with two of them labelled are no small cluster, but go after those with fewer labels
    chosen = select("typiclust", said_of(x, labelled=[30, 31]), 5)
    assert blob[chosen].tolist() == [0, 1, 0, 1, 0]


def test_typicality_is_the_mean_distance_to_twenty_neighbours():
    x = np.random.default_rng(0).normal(size=(70, 4)).astype(np.float32)
    between = np.sort(np.sqrt(((x[:, None].astype(float) - x[None]) ** 2).sum(2)), axis=1)
    np.testing.assert_allclose(typiclust._spread(x), between[:, 1:21].mean(1), rtol=1e-4)
    np.testing.assert_allclose(typiclust._spread(x[:10]).shape, (10,))


def test_clusters_of_typiclust_are_those_of_one_thread_and_of_one_seed(monkeypatch):
    """So that another version, or machine, chooses the same."""
    threads = []
    fit = KMeans.fit

    def watched(self, x):
        threads.extend(library["num_threads"] for library in threadpool_info())
        return fit(self, x)

    x = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    expected = [KMeans(20, n_init=1, random_state=seed).fit(x).cluster_centers_ for seed in (0, 1)]
    monkeypatch.setattr(KMeans, "fit", watched)
    found = typiclust.centres_of(x, 20)
    np.testing.assert_allclose(found, expected[0], rtol=1e-4)
    assert np.abs(found - expected[1]).max() > 0.1
    assert max(threads) == 1


@pytest.mark.parametrize("limits", [(500, 25_000, 5_000), (6, 40, 8)])
def test_typiclust_gives_as_many_as_asked_for(limits, monkeypatch):
    """More items than clusters, clusters that run dry, samples in place of all: each item once, none missing."""
    for name, value in zip(("MOST", "SAMPLE", "DENSE"), limits, strict=True):
        monkeypatch.setattr(typiclust, name, value)
    x, _ = blobs([50, 3, 30, 1])
    for n in (1, 7, 60, 82):
        chosen = select("typiclust", said_of(x, labelled=[0, 51]), n)
        assert len(set(chosen.tolist())) == n

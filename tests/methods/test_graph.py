"""The graph and its diffusion against dense matrices, item by item."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from leaven.methods.graph import diffuse, neighbour_graph, pseudo_labels, spread_classically


@pytest.fixture
def rng() -> np.random.Generator:
    """Of each test its own, so that it draws the same whichever tests were run before it."""
    return np.random.default_rng(0)


def dense_graph(features: np.ndarray, k: int, gamma: float) -> np.ndarray:
    """Equations 9 and 10 by loops: a_ij = max(cos, 0)^γ for the k nearest j of i; W = A + Aᵀ; D^(-½) W D^(-½)."""
    n = len(features)
    a = np.zeros((n, n))
    for i in range(n):
        cosine = [
            -np.inf if i == j else features[i] @ features[j] / np.linalg.norm(features[i]) / np.linalg.norm(features[j])
            for j in range(n)
        ]
        for j in np.argsort(cosine)[::-1][:k]:
            if np.isfinite(cosine[j]):
                a[i, j] = max(cosine[j], 0) ** gamma
    w = a + a.T
    degree = w.sum(1)
    scaled = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            if w[i, j]:
                scaled[i, j] = w[i, j] / np.sqrt(degree[i] * degree[j])
    return scaled


@pytest.mark.parametrize(("k", "gamma"), [(3, 3.0), (5, 1.0), (50, 3.0)])
def test_graph_by_loops(k, gamma, rng):
    features = rng.normal(size=(25, 4)).astype(np.float32)
    found = neighbour_graph(features, k, gamma).toarray()
    np.testing.assert_allclose(found, dense_graph(features, k, gamma), atol=1e-5)
    assert not found.diagonal().any()
    np.testing.assert_allclose(found, found.T, atol=1e-6)


def test_length_of_features_does_not_matter(rng):
    features = rng.normal(size=(20, 3)).astype(np.float32)
    scaled = features * rng.uniform(0.1, 10, (20, 1)).astype(np.float32)
    np.testing.assert_allclose(neighbour_graph(features, 4).toarray(), neighbour_graph(scaled, 4).toarray(), atol=1e-5)


def test_an_item_with_no_features_is_alone():
    """Its row is 0; so is that of one that looks away from all others."""
    features = np.array([[1, 0], [1, 0.2], [0.9, 0.1], [0, 0], [-1, -0.1]], np.float32)
    found = neighbour_graph(features, 2).toarray()
    assert np.isfinite(found).all()
    assert not found[3].any()
    assert not found[:, 3].any()
    assert not found[4].any()
    assert found[0].any()


def test_items_that_are_the_same(rng):
    """Copies are neighbours of each other and no loops."""
    features = np.repeat(rng.normal(size=(2, 3)), 6, 0).astype(np.float32)
    found = neighbour_graph(features, 3).toarray()
    assert not found.diagonal().any()
    assert np.isfinite(found).all()
    assert (found.sum(1) > 0).all()
    assert (neighbour_graph(features, 3) != 0).sum() <= 2 * 3 * 12  # each has chosen three at most


@pytest.mark.parametrize("alpha", [0.5, 0.99])
def test_diffusion_is_the_solution(alpha, rng):
    """(I - α S)⁻¹ Y (eq. 4), by NumPy's dense solver."""
    features = rng.normal(size=(15, 3)).astype(np.float32) + 2
    graph = dense_graph(features, 4, 3.0)
    seeds = np.zeros((15, 3))
    seeds[[0, 5, 10], [0, 1, 2]] = 1
    expected = np.linalg.solve(np.eye(15) - alpha * graph, seeds)
    assert expected.min() > -1e-9  # a sum of powers of what is not negative
    np.testing.assert_allclose(diffuse(csr_matrix(graph), seeds, alpha), expected, rtol=1e-3, atol=1e-4)


def test_diffusion_is_never_negative(rng):
    """Iterations that were cut short may be; shares may not."""
    features = rng.normal(size=(60, 2)).astype(np.float32)
    seeds = np.eye(60)[:, :4]
    assert diffuse(neighbour_graph(features, 3), seeds, iterations=2).min() >= 0


def test_nothing_reaches_what_is_alone():
    graph = np.zeros((4, 4))
    graph[0, 1] = graph[1, 0] = 1
    seeds = np.array([[1.0, 0], [0, 0], [0, 0], [0, 0.5]])
    found = diffuse(csr_matrix(graph), seeds, 0.5)
    np.testing.assert_allclose(found, [[4 / 3, 0], [2 / 3, 0], [0, 0], [0, 0.5]], atol=1e-5)
    labels, certainty = pseudo_labels(found, np.array([0, -1, -1, 1]))
    assert labels.tolist()[:2] == [0, 0]
    assert certainty.tolist() == [1, 1, 0, 1]


def test_pseudo_labels_by_hand():
    """(3, 1, 0) has shares ¾, ¼, 0: certainty 1 - H / log 3; where all is even it is 0 (eq. 6 and 7)."""
    spread = np.array([[3.0, 1, 0], [0, 2, 0], [1, 1, 1], [0, 0, 0], [0.1, 5, 0.1], [0.1, 5, 0.1]])
    labels, certainty = pseudo_labels(spread, np.array([-1, -1, -1, -1, 2, 0]))
    h = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    np.testing.assert_allclose(certainty, [1 - h / np.log(3), 1, 0, 0, 1, 1], atol=1e-9)
    assert labels[[0, 1, 4, 5]].tolist() == [0, 1, 2, 0]  # a known label stands whatever has spread


def test_pseudo_labels_do_not_depend_on_the_scale(rng):
    spread = rng.random((9, 4))
    known = np.full(9, -1)
    for one, other in zip(pseudo_labels(spread, known), pseudo_labels(spread * 1e-7, known), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_spread_classically_is_zhou_and_others(seed):
    """Y ← α S Y + (1 - α) Y⁰ until it rests, S the 7-nearest graph that scikit-learn makes of unit vectors.

    An item that is nobody's neighbour has a degree of 0, for which scikit-learn takes 1.
    """
    from sklearn.neighbors import kneighbors_graph

    rng = np.random.default_rng(seed)
    labels = np.full(30, -1)
    centres = np.array([[5.0, 0], [0, 5.0]])
    truth = np.arange(30) % 2
    features = (centres[truth] + rng.normal(size=(30, 2))).astype(np.float32) * rng.uniform(0.2, 5, (30, 1))
    labels[:10] = [2, 0] * 5  # class 1 of three has none
    found = spread_classically(features.astype(np.float32), labels, 3)
    assert found.shape == (30, 3)
    assert not found[:, 1].any()
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    near = kneighbors_graph(unit, 7, mode="connectivity", include_self=True).toarray()
    degree = (near - np.diag(near.diagonal())).sum(0)
    degree[degree == 0] = 1
    laplacian = near / np.sqrt(np.outer(degree, degree))
    np.fill_diagonal(laplacian, 0)
    start = np.zeros((30, 3))
    start[np.arange(10), labels[:10]] = 1
    y = start
    for _ in range(400):
        y = 0.2 * laplacian @ y + 0.8 * start
    total = y.sum(1, keepdims=True)
    expected = y / np.where(total > 0, total, 1)
    reached = (total[:, 0] > 1e-6) & (found.sum(1) > 0)
    assert reached.sum() > 20
    assert (found.argmax(1) == np.where(truth == 0, 2, 0))[reached].mean() > 0.9
    np.testing.assert_allclose(found[reached], expected[reached], atol=0.05)


@pytest.mark.parametrize("items", [5, 12])
def test_spread_classically_to_its_rest(items):
    """(I - 0.2 S) Y = 0.8 Y⁰ by NumPy's dense solver, S of the 7 nearest, itself with them, or of all but one of 5."""
    angle = np.linspace(0, 3, items)  # each its place on half a circle, so that the nearest by angle are beside it
    features = np.stack([np.cos(angle), np.sin(angle)], 1) * np.linspace(1, 3, items)[:, None]
    labels = np.full(items, -1)
    labels[[0, items - 1]] = [0, 1]
    near = np.zeros((items, items))
    for row, of in enumerate(np.abs(angle[:, None] - angle).argsort(1, kind="stable")):
        near[row, of[: min(7, items - 1)]] = 1
    np.fill_diagonal(near, 0)
    degree = near.sum(0)
    start = np.eye(2)[labels] * (labels >= 0)[:, None]
    rest = np.linalg.solve(np.eye(items) - 0.2 * near / np.sqrt(np.outer(degree, degree)), 0.8 * start)
    expected = rest / rest.sum(1, keepdims=True)
    np.testing.assert_allclose(spread_classically(features.astype(np.float32), labels, 2), expected, atol=2e-3)


def test_spread_classically_where_no_label_arrives(rng):
    features = np.concatenate([np.tile([1.0, 0], (9, 1)), np.tile([0, 1.0], (9, 1))]).astype(np.float32)
    features += rng.normal(size=features.shape).astype(np.float32) * 0.01
    labels = np.full(18, -1)
    labels[0] = 0
    found = spread_classically(features, labels, 2)
    assert np.isfinite(found).all()
    assert not found[9:].any()
    assert pseudo_labels(found, labels)[1][9:].max() == 0

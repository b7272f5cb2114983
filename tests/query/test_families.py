"""The families of Settles' survey against numbers by hand, plain loops and brute force."""

import itertools

import numpy as np
import pytest
from predictions_query import make
from scipy.linalg import block_diag

from leaven.errors import LeavenError
from leaven.query.disagreement import information
from leaven.query.predictions import PoolPredictions
from leaven.query.registry import find, names, strategy
from leaven.query.selection import select
from leaven.query.strategies import basic, batch_bald, coverage, density
from leaven.query.strategies.batch_bald import Joint
from leaven.query.strategies.committee import divergence, hard
from leaven.query.strategies.expected import expected_loss


def said_of(features=None, probabilities=None, labelled=(), votes=None) -> PoolPredictions:
    if features is None:
        features = np.zeros((len(probabilities) if votes is None else votes.shape[1], 2))
    features = np.asarray(features, np.float32)
    p = np.ones((len(features), 1)) if probabilities is None else probabilities
    p = p if votes is None else votes.mean(0)
    known = np.isin(np.arange(len(features)), labelled)
    return PoolPredictions(
        np.asarray(p, np.float32), features, np.arange(len(features)), known, votes, content=np.arange(len(features))
    )


def entropy(p) -> float:
    p = np.asarray(p, float).ravel()
    return float(-(p[p > 0] * np.log(p[p > 0])).sum())


def test_least_confident_by_hand():
    p = [[0.5, 0.5, 0.0], [0.34, 0.33, 0.33], [0.6, 0.2, 0.2], [0.8, 0.2, 0.0], [0.34, 0.33, 0.33]]
    assert select("least_confident", said_of(probabilities=p, labelled=[4]), 4).tolist() == [1, 0, 2, 3]


# three members on four items: all sure and agreed; all unsure; two against one, sure; two against one, less so
VOTES = np.array(
    [
        [[1.0, 0.0], [0.5, 0.5], [1.0, 0.0], [0.7, 0.3]],
        [[1.0, 0.0], [0.5, 0.5], [1.0, 0.0], [0.6, 0.4]],
        [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.4, 0.6]],
    ]
)


def test_bald_by_hand():
    told = [0, 0, np.log(3) - 2 / 3 * np.log(2), entropy([17 / 30, 13 / 30])]
    told[3] -= (entropy([0.7, 0.3]) + 2 * entropy([0.6, 0.4])) / 3
    np.testing.assert_allclose(information(VOTES), told, atol=1e-12)
    assert select("bald", said_of(votes=VOTES), 2).tolist() == [2, 3]
    assert select("entropy", said_of(votes=VOTES), 1).tolist() == [1]  # noise, which BALD leaves alone


def test_vote_entropy_by_hand():
    split = np.log(3) - 2 / 3 * np.log(2)
    np.testing.assert_allclose(hard(VOTES), [0, 0, split, split], atol=1e-12)
    assert set(select("vote_entropy", said_of(votes=VOTES), 2).tolist()) == {2, 3}
    # of three classes: all for the first, whatever they think of the others; one for each
    votes = np.array([[[0.6, 0.3, 0.1], [1, 0, 0]], [[0.6, 0.1, 0.3], [0, 1, 0]], [[0.4, 0.3, 0.3], [0, 0, 1]]])
    np.testing.assert_allclose(hard(votes), [0, np.log(3)], atol=1e-12)


def test_consensus_kl_by_hand():
    mean = VOTES.mean(0)
    expected = [
        sum(p * np.log(p / q) for m in VOTES[:, i] for p, q in zip(m, mean[i], strict=True) if p) / 3 for i in range(4)
    ]
    np.testing.assert_allclose(divergence(VOTES), expected, atol=1e-12)
    assert select("consensus_kl", said_of(votes=VOTES), 2).tolist() == [2, 3]


def joint_information(votes) -> float:
    """I(y₁…y_b; ω), every joint label enumerated: votes (M, b, K)."""
    members, count, classes = votes.shape
    p = [
        np.mean([np.prod([votes[m, i, y] for i, y in enumerate(labels)]) for m in range(members)])
        for labels in itertools.product(range(classes), repeat=count)
    ]
    return entropy(p) - sum(entropy(votes[m, i]) for m in range(members) for i in range(count)) / members


def random_votes(items, members=4, classes=3, seed=0):
    return np.random.default_rng(seed).dirichlet(0.5 * np.ones(classes), (members, items))


def test_batch_bald_is_the_joint_information():
    votes = random_votes(4)
    joint, total, rng = Joint.of(4), 0.0, np.random.default_rng(0)
    for i in range(4):
        noise = np.array([[entropy(m)] for m in votes[:, i]])
        total += joint.information(votes[:, i : i + 1].astype(np.float32), noise)[0]
        joint = joint.with_label_of(votes[:, i].astype(np.float32), rng)
        assert total == pytest.approx(joint_information(votes[:, : i + 1]), abs=1e-5)
    assert len(joint.share) == 3**4
    assert not joint.sampled


def test_batch_bald_is_greedy_by_brute_force():
    votes = random_votes(9, seed=3)
    chosen: list[int] = []
    for _ in range(4):
        told = {i: joint_information(votes[:, [*chosen, i]]) for i in range(9) if i not in chosen}
        chosen.append(max(told, key=told.get))
    assert select("batch_bald", said_of(votes=votes.astype(np.float32)), 4).tolist() == chosen


def test_batch_bald_takes_no_copy():
    votes = random_votes(6, seed=1)
    votes[:, 1] = votes[:, 0] = np.eye(3)[[0, 0, 1, 1]]  # the most that one item tells, twice
    votes[:, 2] = 0.95 * np.eye(3)[[0, 1, 0, 1]] + 0.05 / 3
    said = said_of(votes=votes.astype(np.float32))
    assert set(select("bald", said, 2).tolist()) == {0, 1}
    assert set(select("batch_bald", said, 2).tolist()) & {0, 1} != {0, 1}
    assert select("batch_bald", said, 2)[1] == 2


def test_batch_bald_beyond_all_configurations(monkeypatch):
    """Drawn configurations: unbiased in the long run, here within five standard errors over many draws."""
    votes = random_votes(7, seed=5).astype(np.float32)
    exact = Joint.of(4)
    for i in range(5):
        exact = exact.with_label_of(votes[:, i], np.random.default_rng(0))
    monkeypatch.setattr(batch_bald, "CONFIGURATIONS", 40)
    found, noise = [], np.array([[entropy(p) for p in member] for member in votes[:, 5:]])
    for seed in range(200):
        rng, joint = np.random.default_rng(seed), Joint.of(4)
        for i in range(5):
            joint = joint.with_label_of(votes[:, i], rng)
        assert joint.sampled
        assert len(joint.share) == 40
        found.append(joint.information(votes[:, 5:], noise)[0])
    error = np.std(found) / len(found) ** 0.5
    assert abs(np.mean(found) - exact.information(votes[:, 5:], noise)[0]) < 5 * error
    assert min(found) >= 0
    assert len(set(select("batch_bald", said_of(votes=votes), 7).tolist())) == 7


def test_batch_bald_that_has_told_all_goes_on_with_what_tells_alone():
    votes = np.zeros((2, 5, 2), np.float32)
    votes[0, :, 0], votes[1, :, 0] = 1.0, [0.0, 0.3, 0.2, 0.1, 0.4]  # the first tells which member is right
    votes[:, :, 1] = 1 - votes[:, :, 0]
    assert select("batch_bald", said_of(votes=votes), 5).tolist() == [0, 3, 2, 1, 4]


def test_expected_gradient_length_is_that_of_the_gradients():
    said = make(40, classes=4, features=6, labelled=0, differ=True)
    expected = []
    for p, h in zip(said.probabilities.astype(float), said.features.astype(float), strict=True):
        expected.append(sum(p[y] * np.linalg.norm(np.outer(p - np.eye(4)[y], h)) for y in range(4)))
    chosen = select("expected_gradient_length", said, 40)
    lengths = np.array(expected)[chosen]
    assert (np.diff(lengths) <= 1e-6).all()
    assert lengths[0] > 2 * lengths[-1]


def test_density_by_loops():
    said = make(50, classes=3, features=4, labelled=6, differ=True)
    x = said.features.astype(float)
    cosine = x @ x.T / np.outer(np.linalg.norm(x, axis=1), np.linalg.norm(x, axis=1))
    rows = said.unlabelled
    mean = cosine[:, rows].mean(1)
    np.testing.assert_allclose(density.similarity(said.features, rows), mean, atol=1e-9)
    score = np.array([entropy(p) for p in said.probabilities]) * np.maximum(mean, 0)
    chosen = select("density", said, 10)
    assert (np.diff(score[chosen]) <= 1e-7).all()
    assert score[chosen].min() >= np.sort(score[rows])[-10] - 1e-7
    far = said_of([[1, 0], [1, 0.1], [1, -0.1], [-1, 0]], [[0.6, 0.4]] * 3 + [[0.5, 0.5]])
    assert select("density", far, 4)[-1] == 3  # the most uncertain, and alone
    assert (density.similarity(np.zeros((2, 3), np.float32), np.arange(2)) == 0).all()


def softmax(scores):
    z = np.exp(scores - scores.max(-1, keepdims=True))
    return z / z.sum(-1, keepdims=True)


def test_error_reduction_picks_what_brute_force_picks():
    """The whole weight matrix of a layer is moved by the Newton step, and the loss over the pool looked at."""
    rng = np.random.default_rng(0)
    n, d, k = 30, 4, 3
    h = rng.normal(size=(n, d)).astype(np.float32)
    weights = rng.normal(size=(d + 1, k))
    x = np.concatenate([h.astype(float), np.ones((n, 1))], 1)
    p = softmax(x @ weights)
    known = np.arange(5)
    said = said_of(h, p, known)
    p = said.probabilities.astype(float)
    rows = said.unlabelled
    ridge = np.eye(d + 1) * np.square(x[rows]).mean()
    expected = {}
    for i in rows:
        curvature = ridge + 0.5 * sum(np.outer(x[j], x[j]) for j in (*known, i))
        loss = 0.0
        for y in range(k):
            moved = weights + np.linalg.solve(curvature, np.outer(x[i], np.eye(k)[y] - p[i]))
            loss += p[i, y] * np.mean([entropy(q) for q in softmax(x[rows] @ moved)])
        expected[i] = loss
    found = expected_loss(said, rows, rows, known)
    np.testing.assert_allclose(found, list(expected.values()), rtol=1e-4)
    assert select("error_reduction", said, 5).tolist() == sorted(expected, key=expected.get)[:5]


def dense_bait(h, p, known, n) -> list[int]:
    """Algorithm 1 with whole matrices, inverted anew each time."""
    rows = [i for i in range(len(h)) if i not in known]
    h = h.astype(float) / np.sqrt(np.square(h[rows].astype(float)).mean())

    def fisher(i):
        return block_diag(*[q * (1 - q) * np.outer(h[i], h[i]) for q in p[i].astype(float)])

    pool = sum(fisher(i) for i in rows) / len(rows)
    m = np.eye(len(pool)) + sum((fisher(i) for i in known), np.zeros_like(pool))
    chosen: list[int] = []
    for _ in range(min(2 * n, len(rows))):
        trace = {i: np.trace(np.linalg.inv(m + fisher(i)) @ pool) for i in rows if i not in chosen}
        chosen.append(min(trace, key=trace.get))
        m += fisher(chosen[-1])
    while len(chosen) > n:
        trace = {i: np.trace(np.linalg.inv(m - fisher(i)) @ pool) for i in chosen}
        gone = min(trace, key=trace.get)
        m -= fisher(gone)
        chosen.remove(gone)
    return chosen


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("known", [(), (0, 1, 2, 3)])
def test_bait_is_the_dense_formula(classes, known):
    rng = np.random.default_rng(classes)
    h = (rng.normal(size=(25, 3)) * np.linspace(0.5, 3, 25)[:, None]).astype(np.float32)
    p = rng.dirichlet(np.ones(classes), 25).astype(np.float32)
    said = said_of(h, p, known)
    assert select("bait", said, 6).tolist() == dense_bait(h, p, known, 6)


def test_bait_projects_what_is_too_wide(monkeypatch):
    from leaven.query.strategies import bait

    monkeypatch.setattr(bait, "BLOCKS", 4 * 3**2)
    rng = np.random.default_rng(0)
    h = np.zeros((60, 9), np.float32)
    h[:, :3] = rng.normal(size=(60, 3))  # three directions hold everything, so that nothing is lost
    p = rng.dirichlet(np.ones(4), 60).astype(np.float32)
    assert bait._view(h.astype(float), 4).shape == (9, 3)
    wide = select("bait", said_of(h @ np.linalg.qr(rng.normal(size=(9, 9)))[0], p), 8)
    monkeypatch.undo()
    assert len(set(wide.tolist())) == 8
    assert wide.tolist() == select("bait", said_of(h, p), 8).tolist()


def test_prob_cover_on_a_layout_by_hand():
    """Clumps on a line, far apart, of 5, 4 and 3 items a tenth apart: a ball each, the largest first."""
    line = np.concatenate([0.1 * np.arange(5), 100 + 0.1 * np.arange(4), 200 + 0.1 * np.arange(3)])[:, None]
    p = np.full((12, 3), 1 / 3)
    chosen = select("prob_cover", said_of(line, p), 3)
    assert [int(line[i, 0] // 100) for i in chosen] == [0, 1, 2]
    # a label in the first clump covers it: its others come when all else is covered
    assert [int(line[i, 0] // 100) for i in select("prob_cover", said_of(line, p, [1]), 2)] == [1, 2]
    assert sorted(select("prob_cover", said_of(line, p, [1]), 12)) == [0, *range(2, 12)]


def clumps(said: PoolPredictions, n: int, seed: int = 0) -> list[int]:
    """The hundreds that the chosen items of a line lie nearest to."""
    return [round(float(said.features[i, 0]) / 100) for i in select("prob_cover", said, n, seed)]


def test_prob_cover_has_as_many_clusters_as_classes_or_else_as_items():
    """Clumps of 5, 4 and 3 items at 0, 100 and 190. As two clusters the last two are one, of 7, and one ball's."""
    line = np.concatenate([0.1 * np.arange(5), 100 + 0.1 * np.arange(4), 190 + 0.1 * np.arange(3)])[:, None]
    without, two = np.ones((12, 1)), np.full((12, 2), 0.5)
    for seed in range(5):
        assert clumps(said_of(line, without), 3, seed) == [0, 1, 2]
        assert clumps(said_of(line, without), 1, seed)[0] > 0  # two clusters at least
        assert clumps(said_of(line, without, [1]), 2, seed) == [1, 2]  # of one label and two items to choose: three
        first, second, _ = clumps(said_of(line, two), 3, seed)
        assert first > 0
        assert second == 0


def test_what_lies_at_the_radius_itself_is_outside(monkeypatch):
    """Two clusters, the nearest of them 8 and 12: δ is 4, and a ball holds what is less than 4 away.

    The ball of 3 holds 8 items, 0 to 6. Left are -2, 7, 8 and the four upwards; the ball of 14 holds these. Then
    7 and 8 are in the balls of 5 to 8, and -2 in those of -2 to 1. With 8 labelled, 4 and 12 are not covered: the ball
    of 1 holds 7, -2 to 3 and no 5, and that of 14 four.
    """
    monkeypatch.setattr(coverage, "centres_of", lambda x, count: np.array([[4.0], [14.0]], np.float32))
    line = np.array([-2.0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 14, 14, 16])[:, None]  # of mean 6: exact
    p = np.full((15, 2), 0.5)
    for seed in range(5):
        first, second, third, fourth = line[select("prob_cover", said_of(line, p), 4, seed), 0]
        assert (first, second) == (3, 14)
        assert 5 <= third <= 8
        assert -2 <= fourth <= 1
        assert line[select("prob_cover", said_of(line, p, [10]), 2, seed), 0].tolist() == [1, 14]


def test_what_two_balls_hold_is_taken_off_once(monkeypatch):
    """The nearest of the second cluster is 4 away, so δ is 4. Ten at (-3, 0), three each at (3, 0) and (3, ±3).

    The ball of (0, 0) holds 14 items; then that of (3, 0) holds 7 more, and the three at (3, 0) again. Of (6, 0) it
    holds these three and (6, ±3), and so covers two more; no other does.
    """
    monkeypatch.setattr(coverage, "centres_of", lambda x, count: np.array([[2.0, 0], [12, 0]], np.float32))
    x = [[0, 0], *[[-3, 0]] * 10, *[[3, 0], [3, 3], [3, -3]] * 3, [6, 0], [6, 3], [6, -3], [10, 0], [25, 0]]
    for seed in range(5):
        chosen = select("prob_cover", said_of(x, np.full((25, 2), 0.5)), 3, seed)
        assert [x[row] for row in chosen] == [[0, 0], [3, 0], [6, 0]]


def test_prob_cover_is_the_greedy_cover(monkeypatch):
    """Of balls that overlap: a few items of the second cluster are at the edge of the first."""
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=(80, 2)), [[3.2, 0], [3.3, 0.1], [3.4, 0], [3.5, 0.2]]]).astype(np.float32)
    centres = np.array([[0, 0], [5, 0]], np.float32)
    monkeypatch.setattr(coverage, "centres_of", lambda x, count: centres)
    said = said_of(x, np.full((84, 2), 0.5), [3, 4])
    between = np.sqrt(((x[:, None].astype(float) - x[None]) ** 2).sum(2))
    reach = np.sqrt(coverage.squared_radius(x, ((x[:, None] - centres) ** 2).sum(2).argmin(1)))
    near = between < 0.999999 * reach  # less what float32 rounds
    assert near.sum(1).max() > 10
    open_ = ~near[[3, 4]].any(0)
    for row in select("prob_cover", said, 12):
        gain = (near & open_).sum(1)
        gain[said.labelled] = -1
        assert gain[row] == gain.max()
        open_ &= ~near[row]


def test_prob_cover_finds_its_clusters_itself():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(80, 2)).astype(np.float32)
    said = said_of(x, np.full((80, 4), 0.25), [3, 4])
    between = np.sqrt(((x[:, None].astype(float) - x[None]) ** 2).sum(2))
    reach = np.sqrt(coverage.squared_radius(x, _clusters(x, 4)))
    near = between < 0.999999 * reach  # less what float32 rounds
    open_ = ~near[[3, 4]].any(0)
    for row in select("prob_cover", said, 6):
        gain = (near & open_).sum(1)
        gain[said.labelled] = -1
        assert gain[row] == gain.max()
        open_ &= ~near[row]


def _clusters(x, count):
    """Which of the strategy's own centres is the nearest; keys order k-means, whose start is by them."""
    from leaven.query.keys import keys
    from leaven.query.strategies.typiclust import centres_of

    order = np.argsort(keys(np.arange(len(x)).astype(str), 0))
    centres = centres_of(x[order], count)
    return ((x[:, None] - centres[None]) ** 2).sum(2).argmin(1)


def test_the_radius_keeps_nineteen_of_twenty_balls_pure():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(200, 3)).astype(np.float32)
    label = (x[:, 0] > 0).astype(int)
    between = np.sqrt(((x[:, None].astype(float) - x[None]) ** 2).sum(2))

    def pure(reach):
        return np.mean([(label[between[i] < reach] == label[i]).all() for i in range(200)])

    reach = np.sqrt(coverage.squared_radius(x, label))
    assert pure(0.999999 * reach) >= 0.95
    assert pure(1.001 * reach) < 0.95
    assert coverage.squared_radius(x, np.zeros(200, int)) == np.inf


def test_default_is_typical_first_and_uncertain_later():
    few, many = make(300, classes=3, labelled=29), make(300, classes=3, labelled=30)
    assert basic.FEW == 10
    for said, same in ((few, "typiclust"), (many, "badge")):
        assert select("default", said, 8, 5).tolist() == select(same, said, 8, 5).tolist()
    bare = make(300, classes=1, labelled=100)
    assert select("default", bare, 8, 5).tolist() == select("typiclust", bare, 8, 5).tolist()


def test_every_strategy_is_in_the_list(capsys):
    from leaven.cli.query import strategies

    strategies()
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert listed == names()


def test_one_registers_where_it_is_written(tmp_path, monkeypatch):
    """What one's own strategy needs is known to every door; a name that is taken is refused."""
    (tmp_path / "far_off.py").write_text(
        "from leaven.query.registry import strategy\n\n"
        "@strategy('representative', 'features', 'The last ones.')\n"
        "def last(said, n, keys):\n    return said.unlabelled[-n:]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert find("far_off:last").needs == "features"
    assert "last" not in names()  # those are leaven's
    with pytest.raises(LeavenError, match=r"There is a query strategy margin already, in leaven\.query\.strategies"):
        strategy("uncertainty", "classifier", "Another.")(type(find)(find.__code__, {}, "margin"))

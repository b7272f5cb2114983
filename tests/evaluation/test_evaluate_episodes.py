import numpy as np
import pytest
import torch
from torch import nn

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.evaluation.episodes import evaluate_episodes, takes_unlabelled
from leaven.methods.base import Episode, Method
from leaven.nn.network import Network
from leaven.train.episodes import QUERY, EpisodeSampler
from leaven.train.uneven import Uneven


class Default(Method):
    """Solves by the nearest class mean."""


class Own(Method):
    """Solves the same way, by itself; counts its tasks and keeps the last."""

    def __init__(self, network):
        super().__init__(network)
        self.tasks = []

    def predict_episode(self, support, labels, query):
        self.tasks.append((support, labels, query))
        return super().predict_episode(support, labels, query)


class Guess(Own):
    """Always the first class."""

    def predict_episode(self, support, labels, query):
        super().predict_episode(support, labels, query)
        return torch.tensor([[1.0, 0, 0]]).expand(len(query), -1)


def network(dim: int = 3) -> Network:
    torch.manual_seed(0)
    return Network(nn.Linear(dim, 4), nn.Identity(), (0.0,) * dim, (1.0,) * dim)


def vectors(apart: float = 1.0, classes: int = 6, each: int = 8) -> Pool:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), each)
    items = rng.normal(size=(len(labels), 3)) + apart * rng.normal(size=(classes, 3))[labels]
    return Pool(items.astype(np.float32), labels, classes=tuple("abcdefgh"[:classes]))


TASK = Episode(3, 2, 4)


def test_by_hand():
    """The same episodes, solved in NumPy; the interval is mean ± t · s / √n."""
    pool, method = vectors(), Default(network())
    found = evaluate_episodes(method, pool, TASK, 20, seed=3)
    own = Own(method.network)
    assert evaluate_episodes(own, pool, TASK, 20, seed=3) == found
    assert len(own.tasks) == 20
    weight, bias = (p.detach().numpy() for p in method.network.backbone.parameters())
    shares = []
    for support, labels, query in own.tasks:
        assert labels.tolist() == [0, 0, 1, 1, 2, 2]
        features = support.numpy() @ weight.T + bias
        means = np.stack([features[labels.numpy() == k].mean(0) for k in range(3)])
        distances = np.linalg.norm((query.numpy() @ weight.T + bias)[:, None] - means, axis=2)
        shares.append((distances.argmin(1) == np.repeat(np.arange(3), 4)).mean())
    half = 2.093 * np.std(shares, ddof=1) / np.sqrt(20)  # Student's t of 19 degrees of freedom
    assert found.value == pytest.approx(np.mean(shares), abs=1e-6)
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=1e-4)
    assert found.n == 20
    assert 0.4 < found.value < 0.95


def test_support_and_query_are_of_the_pool_and_apart():
    pool, own = vectors(), Own(network())
    evaluate_episodes(own, pool, TASK, 5)
    for support, labels, query in own.tasks:
        items = torch.cat([support, query])
        rows = [int(np.flatnonzero((pool.items == x.numpy()).all(1))[0]) for x in items]
        assert len(set(rows)) == 18
        classes = pool.labels[rows]
        known = classes[:6].reshape(3, 2)
        assert (known == known[:, :1]).all()
        assert (classes[6:].reshape(3, 4) == known[:, :1]).all()
        assert len(set(known[:, 0])) == 3
        assert labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_a_guess_is_right_by_chance():
    found = evaluate_episodes(Guess(network()), vectors(), TASK, 10)
    assert found.value == pytest.approx(1 / 3)
    assert found.low == pytest.approx(found.high)


def test_seed_decides_the_tasks():
    values = [evaluate_episodes(Default(network()), vectors(), TASK, 10, seed).value for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]


def test_images_and_cached_views():
    """Pixels come as 0..1; of cached views the plain one is looked at."""
    pool = vectors()
    views = np.stack([pool.items, 100 + 0 * pool.items], 1)
    same = evaluate_episodes(Own(network()), pool.with_items(views), TASK, 10)
    assert same == evaluate_episodes(Default(network()), pool, TASK, 10)
    images = np.random.default_rng(0).integers(0, 256, (len(pool), 5, 4, 1)).astype(np.uint8)
    own = Own(Network(nn.Flatten(), nn.Identity(), (0.5,), (0.2,)))
    own.weight = nn.Parameter(torch.zeros(()))
    pool = pool.with_items(images)
    evaluate_episodes(own, pool, TASK, 10)
    query = own.tasks[0][2]
    assert query.shape == (12, 1, 5, 4)
    assert query.max() <= 1


def test_the_network_is_in_evaluation_mode():
    method = Own(network()).train()
    evaluate_episodes(method, vectors(), TASK, 2)
    assert not method.network.training


def test_unlabelled_items_are_no_part_of_it():
    pool = vectors()
    labels = np.where(np.arange(len(pool)) % 8 < 6, pool.labels, -1)
    own = Own(network())
    evaluate_episodes(own, pool.with_labels(labels), TASK, 5)
    hidden = pool.items[labels < 0]
    for support, _, query in own.tasks:
        for x in torch.cat([support, query]).numpy():
            assert not (hidden == x).all(1).any()
    with pytest.raises(LeavenError, match=r"3 ways .* 3 \+ 4 .* 0 of 6 have them"):
        evaluate_episodes(own, pool.with_labels(labels), Episode(3, 3, 4), 5)


def test_a_method_that_goes_by_features_has_those_of_the_pool_computed_once():
    class Farthest(Method):
        def predict_from_features(self, support, labels, query):
            assert support.shape[1] == 4, "features, not items"
            return -super().predict_from_features(support, labels, query)

    pool, passed = vectors(apart=6.0), []
    method = Farthest(network())
    method.network.backbone.register_forward_hook(lambda module, given, out: passed.append(len(out)))
    assert evaluate_episodes(method, pool, TASK, 20).value < 0.2
    # how many fit at once is measured by passing one item and two
    assert sum(passed) <= len(pool) + 3, "the network was passed anew for each task"


class WithUnlabelled(Own):
    """Keeps the unlabelled items of its tasks."""

    def predict_episode(self, support, labels, query, unlabelled=None):
        self.tasks.append((support, labels, unlabelled))
        return Method.predict_episode(self, support, labels, query)


def test_unlabelled_items_are_handed_to_a_method_that_takes_them():
    pool, own = vectors(), WithUnlabelled(network())
    evaluate_episodes(own, pool, Episode(3, 2, 2, unlabelled=3, distractors=2), 5)
    for support, labels, unlabelled in own.tasks:
        assert unlabelled.shape == (15, 3)
        classes = [int(pool.labels[(pool.items == x.numpy()).all(1)][0]) for x in torch.cat([support, unlabelled])]
        of_task = [k for k in classes[:6:2] for _ in range(3)]
        assert classes[6:15] == of_task
        assert not set(classes[15:]) & set(of_task)
        assert labels.tolist() == [0, 0, 1, 1, 2, 2]
    evaluate_episodes(own, pool, TASK, 2)
    assert own.tasks[-1][2] is None, "a task without unlabelled items says nothing of them"


def test_a_method_that_takes_none_solves_the_same_tasks_without():
    assert not takes_unlabelled(Own(network()))
    assert takes_unlabelled(WithUnlabelled(network()))
    task = Episode(3, 2, 2, unlabelled=3)
    found = [evaluate_episodes(kind(network()), vectors(), task, 5) for kind in (Own, WithUnlabelled)]
    assert found[0] == found[1]


def test_features_of_unlabelled_items_are_those_of_the_pool():
    class ByFeatures(Default):
        def predict_from_features(self, support, labels, query, unlabelled=None):
            assert unlabelled.shape == (6, 4)
            return super().predict_from_features(support, labels, query)

    evaluate_episodes(ByFeatures(network()), vectors(), Episode(3, 2, 2, unlabelled=2), 3)


def images(flip: bool, copies: int):
    pool = vectors()
    pixels = np.random.default_rng(0).integers(0, 256, (len(pool), 8, 8, 1)).astype(np.uint8)
    own = Own(Network(nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), nn.Identity(), (0.5,), (0.2,)))
    own.copies = copies
    evaluate_episodes(own, pool.with_items(pixels), TASK, 3, seed=5, flip=flip)
    return own.tasks


def test_copies_of_the_support_come_after_it_in_the_weak_view():
    plain, copied, mirrored = images(False, 0), images(False, 3), images(True, 3)
    for (support, labels, query), (with_copies, of_copies, same) in zip(plain, copied, strict=True):
        assert torch.equal(with_copies[:6], support)
        assert torch.equal(query, same)
        assert of_copies.tolist() == labels.tolist() * 4
        assert len(with_copies) == 24
        for k in range(6, 24):  # a shift by up to a pixel, the border reflected
            one, copy = support[k % 6, 0], with_copies[k, 0]
            padded = torch.nn.functional.pad(one[None, None], (1, 1, 1, 1), mode="reflect")[0, 0]
            assert any(torch.equal(copy, padded[y : y + 8, x : x + 8]) for y in range(3) for x in range(3))
    assert not torch.equal(copied[0][0][6:12], copied[0][0][12:18]), "each round draws anew"
    assert not torch.equal(copied[0][0], mirrored[0][0])
    again = images(False, 3)
    assert all(torch.equal(one[0], other[0]) for one, other in zip(copied, again, strict=True))


def test_copies_pass_the_network_where_features_are_asked_for():
    class ByFeatures(Default):
        copies = 2

        def predict_from_features(self, support, labels, query):
            assert support.shape == (18, 4)
            assert labels.tolist() == [0, 0, 1, 1, 2, 2] * 3
            assert not torch.equal(support[:6], support[6:12])
            assert (support[:6] - support[6:12]).abs().max() < 1  # a weak view of a vector is near it
            return super().predict_from_features(support, labels, query)

    evaluate_episodes(ByFeatures(network()), vectors(), TASK, 2)


def test_queries_that_are_not_balanced():
    """The accuracy is that of the queries of a task: a guess of the first class is right as often as it occurs."""
    own = Guess(network())
    found = evaluate_episodes(own, vectors(), TASK, 40, uneven=Uneven(dirichlet=2.0))
    sampler = EpisodeSampler(vectors().labels, np.arange(48), TASK, 1, 0, 0, uneven=Uneven(dirichlet=2.0))
    tasks = [sampler.task(number) for number in range(40)]
    shares = [((labels == 0) & (parts == QUERY)).sum() / 12 for _, labels, parts in tasks]
    assert found.value == pytest.approx(np.mean(shares))
    assert found.high - found.low > 0.02

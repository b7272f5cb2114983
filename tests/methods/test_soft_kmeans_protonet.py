import math
from functools import cache

import numpy as np
import pytest
import torch
from scipy.stats import kurtosis, skew
from stubs import Linear, cross_entropy, softmax, weights_of
from torch import nn

from leaven.augment import FeatureViews
from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.evaluation.episodes import evaluate_episodes, takes_unlabelled
from leaven.methods.base import Batch, Episode, StreamBatch
from leaven.methods.fewshot.soft_kmeans_protonet import SoftKMeansProtonet, moments
from leaven.methods.registry import resolve
from leaven.methods.soft_kmeans import refined_means
from leaven.nn.network import Network
from leaven.train.engine import train
from leaven.train.job import TrainJob
from leaven.train.plan import Plan


def small(clustering: str, **settings) -> SoftKMeansProtonet:
    """The items are the features, in float64; what is learnt beside is large enough to count."""
    torch.manual_seed(0)
    backbone = Linear(2, 2)
    with torch.no_grad():
        backbone.weight.copy_(torch.eye(2))
        backbone.bias.zero_()
    network = Network(backbone, nn.Identity(), (0.0,) * 2, (1.0,) * 2)
    sizes = {"ways": 3, "shots": 2, "queries": 2, "unlabelled_items": 4, "distractors": 1}
    method = SoftKMeansProtonet(network, clustering=clustering, **(sizes | settings)).double()
    with torch.no_grad():
        if method.edges is not None:
            for weight in method.edges.parameters():
                weight.normal_(std=0.4)
        if method.log_radius is not None:
            method.log_radius.fill_(math.log(1.5))
    return method


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def edges_by_hand(w: dict[str, np.ndarray], ratios: np.ndarray) -> tuple[float, float, float]:
    """Of the normalised distances of all items to one class, by SciPy's moments."""
    x = np.array([ratios.min(), ratios.max(), ratios.var(), skew(ratios), kurtosis(ratios)])
    hidden = np.tanh(w["edges.hidden.weight"] @ x + w["edges.hidden.bias"])
    first, added, scale = w["edges.output.weight"] @ hidden + w["edges.output.bias"]
    return np.exp(first), added, np.exp(scale)


def by_hand(method: SoftKMeansProtonet, classes: list[np.ndarray], items: np.ndarray, steps: int) -> np.ndarray:
    """The means after so many steps, item by item and class by class."""
    w, ways = weights_of(method), len(classes)
    means = np.stack([members.mean(0) for members in classes])
    edges = []
    if method.edges is not None:
        for mean in means:
            distances = ((items - mean) ** 2).sum(1)
            edges.append(edges_by_hand(w, distances / distances.mean()))
    for step in range(steps):
        sums, weights = [members.sum(0) for members in classes], [float(len(members)) for members in classes]
        all_distances = ((items[:, None] - means) ** 2).sum(2)
        for item, distances in zip(items, all_distances, strict=True):
            logits = list(-distances)
            if method.log_radius is not None:
                radius = np.exp(w["log_radius"])
                logits = [x - 0.5 * np.log(2 * np.pi) for x in logits]
                logits.append(-(item @ item) / radius**2 - 0.5 * np.log(2 * np.pi) - np.log(radius))
            shares = softmax(np.array(logits))
            for c in range(ways):
                weight = shares[c]
                if edges:
                    first, added, scale = edges[c]
                    edge = first + added * (step / (steps - 1) if steps > 1 else 0)
                    weight *= sigmoid(scale * (edge - distances[c] / all_distances[:, c].mean()))
                sums[c] = sums[c] + weight * item
                weights[c] += weight
        means = np.stack([total / weight for total, weight in zip(sums, weights, strict=True)])
    return means


def test_refined_means_worked_out():
    """Of two items at 0 and one of weight ½ at (5, 0): 2.5 over 2.5; the class that gets nothing stays."""
    found = refined_means(
        torch.tensor([[0.0, 0], [9, 9]]), torch.tensor([2, 1]), torch.tensor([[5.0, 0]]), torch.tensor([[0.5, 0.0]])
    )
    torch.testing.assert_close(found, torch.tensor([[1.0, 0], [9, 9]]))


def test_memberships_and_the_distractors_cluster_worked_out():
    """An item at the origin, a class 1 from it and another 2: e⁻¹ and e⁻⁴ beside 1 / r of the cluster there."""
    method = small("cluster")
    means, item = torch.tensor([[[1.0, 0], [0, 2]]]).double(), torch.zeros(1, 1, 2).double()
    found = method.refined(means, torch.tensor([1, 1]), item, 1).detach()[0]
    shares = np.exp([-1.0, -4.0]) / (np.exp(-1) + np.exp(-4) + 1 / 1.5)
    np.testing.assert_allclose(found, [[1 / (1 + shares[0]), 0], [0, 2 / (1 + shares[1])]], rtol=1e-6)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("clustering", ["soft", "cluster", "masked"])
def test_means_by_hand(clustering, steps):
    """And a task is solved by them; shots may differ from class to class."""
    method, rng = small(clustering, test_refinements=steps), np.random.default_rng(1)
    classes = [rng.normal(size=(n, 2)) + 2 * np.eye(2)[n % 2] for n in (1, 2, 3)]
    items, query = 1.5 * rng.normal(size=(9, 2)), rng.normal(size=(4, 2))
    means = by_hand(method, classes, items, steps)
    labels = torch.tensor([0, 1, 1, 2, 2, 2])
    given = torch.tensor(np.concatenate(classes)), labels, torch.tensor(query)
    found = method.predict_from_features(*given, unlabelled=torch.tensor(items)).detach()
    np.testing.assert_allclose(found, -((query[:, None] - means) ** 2).sum(2), rtol=1e-6)
    plain = np.stack([members.mean(0) for members in classes])
    assert np.abs(means - plain).max() > 0.1
    alone = method.predict_from_features(*given).detach()
    np.testing.assert_allclose(alone, -((query[:, None] - plain) ** 2).sum(2), rtol=1e-6)


@pytest.mark.parametrize("clustering", ["soft", "cluster", "masked"])
def test_loss_of_many_episodes(clustering):
    """Distractors' items stand behind; what their labels are changes nothing."""
    method, rng = small(clustering), np.random.default_rng(2)
    tasks = rng.normal(size=(2, 3 * 8 + 4, 2))
    labels = np.tile(np.append(np.repeat(np.arange(3), 8), [-1] * 4), 2)
    losses = []
    for task in tasks:
        parts, distractors = task[:24].reshape(3, 8, 2), task[24:]
        items = np.concatenate([parts[:, 4:].reshape(-1, 2), distractors])
        means = by_hand(method, [part[:2] for part in parts], items, 1)
        scores = -((parts[:, 2:4].reshape(-1, 1, 2) - means) ** 2).sum(2)
        losses.append(cross_entropy(scores, np.repeat(np.arange(3), 2)))
    draw = StreamBatch(torch.arange(56), {"plain": torch.tensor(tasks.reshape(-1, 2))}, torch.tensor(labels))
    assert method(Batch({"episodes": draw}))["queries"].item() == pytest.approx(np.mean(losses), rel=1e-6)


def test_moments_of_items_that_are_all_alike():
    found = moments(torch.ones(1, 3, 2))
    assert found.tolist() == [[[1, 1, 0, 0, -3]] * 2]


def test_edges_get_no_gradient_through_the_distances():
    """But the distances that they are compared with do."""
    distances = torch.rand(1, 6, 2, dtype=torch.float64, requires_grad=True)
    method = small("masked")
    sum(edge.sum() for edge in method.edges(distances)).backward()
    assert distances.grad is None
    assert method.edges.hidden.weight.grad.abs().max() > 1e-4


def test_without_steps_training_is_that_of_prototypical_networks():
    method = small("soft", refinements=0)
    assert (method.episode.unlabelled, method.episode.distractors) == (0, 0)
    assert takes_unlabelled(method)
    assert method.test_refinements == 1
    given = resolve(SoftKMeansProtonet, {"refinements": 0})
    with pytest.raises(LeavenError, match="nothing of masked clustering is learnt"):
        SoftKMeansProtonet.check(9, given)
    with pytest.raises(LeavenError, match="clustering is 'hard', expected soft, cluster, masked"):
        SoftKMeansProtonet.check(9, given | {"clustering": "hard"})
    SoftKMeansProtonet.check(9, given | {"clustering": "soft"})


def overlapping(seed: int) -> tuple[Pool, Pool]:
    """40 classes to learn from and 20 others, of 20 items each that lie so wide that one alone says little of them."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(60), 20)
    items = 2 * rng.normal(size=(60, 8))[labels] + 1.5 * rng.normal(size=(1200, 8))
    pool = Pool(items.astype(np.float32), labels, classes=tuple(map(str, range(60))))
    return pool.subset(labels < 40), pool.subset(labels >= 40)


@cache
def accuracies(clustering: str, seed: int) -> list[float]:
    """In 5-way 1-shot tasks without unlabelled items, with five of each class, and with distractors among them."""
    known, new = overlapping(seed)
    torch.manual_seed(seed)
    network = Network(Linear(8, 8), nn.Identity(), (0.0,) * 8, (1.0,) * 8)
    method = SoftKMeansProtonet(network, clustering=clustering, distractors=5)
    plan = {"steps": 70, "lr": 3e-2, "probes": 0, "accelerator": "cpu", "precision": "32-true", "seed": seed}
    train(TrainJob(method, known, Plan(**(SoftKMeansProtonet.plan | plan)), FeatureViews(), progress=False))
    tasks = Episode(5, 1, 10), Episode(5, 1, 10, 5), Episode(5, 1, 10, 5, 5)
    return [evaluate_episodes(method, new, task, 120, progress=False).value for task in tasks]


@pytest.mark.parametrize("clustering", ["soft", "cluster", "masked"])
def test_unlabelled_items_make_means_better(clustering):
    """Seen in per cent, means of seeds 0 to 2: without 76, 77, 77; with 84, 84, 84; with distractors 80, 82, 81."""
    alone, clean, distracted = np.mean([accuracies(clustering, seed) for seed in range(3)], 0)
    assert clean > alone + 0.04
    assert distracted > alone + 0.01


@pytest.mark.parametrize("clustering", ["cluster", "masked"])
def test_distractors_are_left_out(clustering):
    """Seen, points over soft k-means of seeds 0 to 2: the cluster 1.8, 0.9, 2.9; masked 1.3, 0.9, 2.4."""
    gains = [accuracies(clustering, seed)[2] - accuracies("soft", seed)[2] for seed in range(3)]
    assert np.mean(gains) > 0.005, gains
    assert min(gains) > -0.01, gains

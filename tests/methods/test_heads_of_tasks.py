"""Heads of few labels by name: their formulas by hand, their gradients, and what they learn without a step."""

import math
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from leaven.data import Pool
from leaven.methods.classical.alpha_tim import AlphaTIM, alpha_of, tsallis, tsallis_slope
from leaven.methods.classical.laplacian import neighbours, smooth
from leaven.methods.classical.soft_kmeans import soft_step
from leaven.methods.classical.tim import TIM, scores, shannon, shannon_slope, through_scores, through_softmax
from leaven.methods.registry import get, names
from leaven.methods.step import Survey
from leaven.nn.heads import SmoothedHead, UnitHead, spread_of_means
from leaven.nn.network import Network
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.trained.model import load_model

FEW = ("cl2n", "cosine", "laplacian", "tim", "alpha_tim", "soft_kmeans")
CLOSED = [name for name in names() if get(name).closed]
HALF = math.sqrt(0.5)


class Nothing(nn.Module):
    """In place of a backbone: its features are made elsewhere."""

    num_features = 2


def method_of(name: str, **given):
    return get(name)(Network(Nothing(), nn.Identity(), [0.0], [1.0]), **given)


def solve(name: str, support, labels, query, **given):
    tensors = (torch.as_tensor(x, dtype=torch.float32) for x in (support, query))
    support, query = tensors
    return method_of(name, **given).predict_from_features(support, torch.tensor(labels), query)


def head_of(name: str, x, labels, classes: int, **given) -> nn.Module:
    method = method_of(name, **given)
    head = (SmoothedHead if name == "laplacian" else UnitHead)(len(x[0]), classes)
    method.set_head(head, Survey(np.zeros((len(x), classes)), np.asarray(x, np.float32), np.asarray(labels)))
    return head


# -- by hand -------------------------------------------------------------------------------------------------------


def test_cosine_by_hand():
    """(3, 4) to (1, 0) and (0, 2): cosines 0.6 and 0.8; two shots of one class, (1, 0) and (0, 3), point halfway."""
    found = solve("cosine", [[1, 0], [0, 2]], [0, 1], [[3, 4]])
    torch.testing.assert_close(found - found.mean(), torch.tensor([[-1.0, 1.0]]))
    found = solve("cosine", [[1, 0], [0, 3], [-5, 0]], [0, 0, 1], [[2, 0]], scale=1.0)
    torch.testing.assert_close(found[0, 0] - found[0, 1], torch.tensor(HALF + 1))


def test_cl2n_by_hand():
    """About the centre (10, 10) of (12, 10), (8, 10), (10, 13) and (10, 7) the first two point to ±x."""
    x = [[12, 10], [8, 10], [10, 13], [10, 7]]
    head = head_of("cl2n", x, [0, 1, -1, -1], 2, temperature=0.5)
    torch.testing.assert_close(head.centre, torch.tensor([10.0, 10.0]))
    torch.testing.assert_close(head.weight.detach(), torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
    # of length one (1, 1)/√2: squared distances 2 − √2 and 2 + √2, in halves of the 4 between the means
    torch.testing.assert_close(
        head(torch.tensor([[11.0, 11.0]])).detach(), -torch.tensor([[2 - 2 * HALF, 2 + 2 * HALF]]) / 2
    )


def test_the_mean_distance_between_means():
    """0, 3 and 4 on a line: 9, 16 and 1, so 26 / 3."""
    assert spread_of_means(torch.tensor([[0.0], [3.0], [4.0]])) == pytest.approx(26 / 3)
    assert spread_of_means(torch.tensor([[2.0]])) == 0


def test_a_step_of_soft_k_means_by_hand():
    """Means 0 and 2; an item at 1 belongs half to each, one at 0 by 1/(1 + e⁻⁴) to the first."""
    z = 1 / (1 + math.exp(-4))
    means, support, labels = torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [2.0]]), torch.tensor([0, 1])
    found = soft_step(means, support, labels, torch.tensor([[1.0], [0.0]]))
    expected = torch.tensor([[0.5 / (1.5 + z)], [(2 + 0.5) / (1.5 + 1 - z)]])
    torch.testing.assert_close(found, expected)
    softer = soft_step(means, support, labels, torch.tensor([[1.0], [0.0]]), scale=4.0)
    z = 1 / (1 + math.exp(-1))
    torch.testing.assert_close(softer, torch.tensor([[0.5 / (1.5 + z)], [2.5 / (2.5 - z)]]))


def test_soft_k_means_of_a_task_is_the_step():
    """Scores are minus the squared distances to the moved means, but for what all classes have in common."""
    rng = np.random.default_rng(0)
    support, query = (torch.tensor(rng.normal(size=(n, 3)), dtype=torch.float32) for n in (4, 6))
    labels = torch.tensor([0, 0, 1, 2])
    means = torch.stack([support[:2].mean(0), support[2], support[3]])
    unit = 0.1 * spread_of_means(means)
    moved = soft_step(means, support, labels, query, unit)
    expected = -torch.cdist(query, moved).square() / (0.1 * spread_of_means(moved))
    found = solve("soft_kmeans", support, labels.tolist(), query)
    torch.testing.assert_close(found.log_softmax(1), expected.log_softmax(1), atol=1e-4, rtol=1e-4)


def test_steps_of_the_laplacian_by_hand():
    """Two items that are each other's neighbour, scores 0 and ln 3 to 0: shares ½ and ¾, then σ(ln 3·0 + 0.8·(2·¾ − 1))
    of the first and σ(ln 3 + 0.8·0) of the second, all of the first class.
    """
    start, near = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]]), torch.tensor([[1], [0]])
    torch.testing.assert_close(smooth(start, near, 0.8, 0)[:, 0], torch.tensor([0.5, 0.75]))
    first = 1 / (1 + math.exp(-0.8 * 0.5))
    torch.testing.assert_close(smooth(start, near, 0.8, 1)[:, 0], torch.tensor([first, 0.75]))
    second = 1 / (1 + math.exp(-math.log(3) - 0.8 * (2 * first - 1)))
    torch.testing.assert_close(smooth(start, near, 0.8, 2)[:, 0], torch.tensor([first, second]))


def test_neighbours_are_others():
    angles = torch.tensor([0.0, 0.1, 0.3, 2.0])
    found = neighbours(torch.stack([angles.cos(), angles.sin()], 1), 2)
    assert [set(row) for row in found.tolist()] == [{1, 2}, {0, 2}, {0, 1}, {1, 2}]
    same = neighbours(torch.tensor([[1.0, 0.0]] * 5), 2)
    assert same.shape == (5, 2)
    assert all(own not in row for own, row in enumerate(same.tolist()))
    assert neighbours(torch.tensor([[1.0, 0.0]]), 3).shape == (1, 0)


def test_what_the_laplacian_says_of_its_own_items_and_of_new_ones():
    """Of its own what one more step makes of Y; of a new one its distances and what is thought of the nearest."""
    rng = np.random.default_rng(1)
    x, labels = rng.normal(size=(12, 3)), np.array([0, 1, *[-1] * 10])
    head = head_of("laplacian", x, labels, 2, weight=0.5, k=2)
    assert isinstance(head, SmoothedHead)
    items = torch.tensor(x[2:], dtype=torch.float32)
    unit = head.means.unit(items)
    plain, near = head.means(items).detach(), neighbours(unit.detach(), 2)
    expected = plain + 0.5 * head.told[near].sum(1)
    torch.testing.assert_close(head(items).detach(), expected)
    torch.testing.assert_close(expected.softmax(1), head.told, atol=1e-3, rtol=0)  # where the steps end
    new = items[:1] + 0.01
    nearest = torch.cdist(head.means.unit(new), head.items).topk(2, largest=False).indices[0]
    torch.testing.assert_close(head(new), head.means(new) + 0.5 * head.told[nearest].sum(0))


def test_the_losses_of_tim_and_alpha_tim_by_hand():
    """Shares (1, 0) and (½, ½): H(mean) of (¾, ¼), H of the items 0 and ln 2; α = 2: 1 − 10/16, and 0 and ½."""
    shares = torch.tensor([[1.0, 0.0], [0.5, 0.5]], dtype=torch.float64)
    marginal = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert float(shannon(shares, 0.1)) == pytest.approx(0.1 * math.log(2) / 2 - marginal)
    assert float(tsallis(shares, 1.0, 2.0)) == pytest.approx(0.25 - 0.375)
    assert float(tsallis(shares, 0.0, 3.0)) == pytest.approx(-(1 - 28 / 64) / 2)
    assert [alpha_of(shots) for shots in (1, 2, 4.5, 5, 20)] == [2, 5, 5, 7, 7]


# -- gradients -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [None, 2.0, 7.0])
def test_gradients_are_those_of_the_loss(alpha):
    """In float64, of cross-entropy and entropies together, against PyTorch's own."""
    rng = np.random.default_rng(2)
    items, points = (torch.tensor(rng.normal(size=(n, 4))) for n in (7, 3))
    items = items / items.norm(dim=1, keepdim=True)
    points.requires_grad_()
    shares = scores(items, points, 15.0).softmax(1)
    loss = shannon(shares, 0.3) if alpha is None else tsallis(shares, 0.3, alpha)
    [expected] = torch.autograd.grad(loss, points)
    with torch.no_grad():
        slope = shannon_slope(shares, 0.3) if alpha is None else tsallis_slope(shares, 0.3, alpha)
        found = through_scores(through_softmax(shares, slope), items, points, 15.0)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("kind", "given"), [(TIM, {}), (AlphaTIM, {}), (AlphaTIM, {"alpha": 3.0})])
def test_the_descent_is_adams_on_the_whole_loss(kind, given):
    """Five steps, against PyTorch's gradients of CE + the entropies, Adam written out."""
    rng = np.random.default_rng(3)
    support, others = (torch.tensor(rng.normal(size=(n, 4))) for n in (3, 8))
    labels, start = torch.tensor([0, 1, 2]), torch.tensor(rng.normal(size=(3, 4)))
    method = method_of("tim" if kind is TIM else "alpha_tim", steps=5, rate=0.01, **given)
    found = method.descend(start, support, labels, others)
    w, first, second = start.clone().requires_grad_(), torch.zeros(3, 4), torch.zeros(3, 4)
    for step in range(1, 6):
        shares = scores(others, w, 15.0).softmax(1)
        entropies = shannon(shares, 0.1) if kind is TIM else tsallis(shares, 1.0, given.get("alpha", 2.0))
        loss = nn.functional.cross_entropy(scores(support, w, 15.0), labels) + entropies
        [g] = torch.autograd.grad(loss, w)
        first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g * g
        change = first / (1 - 0.9**step) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
        w = (w - 0.01 * change).detach().requires_grad_()
    torch.testing.assert_close(found, w.detach())


# -- what they learn -----------------------------------------------------------------------------------------------


@cache
def gain(name: str, even: bool) -> float:
    """Points over the nearest mean, 24 tasks of five clouds that lie in few directions; one shot."""
    right = {"nearest": 0, name: 0}
    for seed in range(24):
        rng = np.random.default_rng(seed)
        middle = rng.normal(size=(5, 12)) * 0.75
        counts = [15] * 5 if even else [41, 22, 8, 3, 1]
        truth = np.repeat(np.arange(5), counts)
        support, query = (middle[k] + rng.normal(size=(len(k), 12)) for k in (np.arange(5), truth))
        given = {"steps": 60, "rate": 1e-2} if "tim" in name else {}  # a rate that gets there in fewer steps
        for one in right:
            found = solve(one, support, list(range(5)), query, **(given if one == name else {}))
            right[one] += (found.argmax(1).numpy() == truth).mean()
    return (right[name] - right["nearest"]) / 24


@pytest.mark.parametrize("name", ["tim", "alpha_tim", "soft_kmeans", "laplacian"])
def test_queries_without_labels_help_where_they_are_even(name):
    """Seen, in points: TIM 9, α-TIM 7, soft k-means 12, LaplacianShot 10; where they are not, −10, 5, 7 and 10."""
    assert gain(name, True) > 0.03


def test_tim_asks_for_even_classes_and_alpha_tim_does_not():
    """Of 75 queries 41 of one class and one of another: TIM does worse than where they are even, by far more."""
    assert gain("tim", False) < -0.03
    assert gain("alpha_tim", False) > 0.02


@pytest.mark.parametrize(("name", "at"), [("cl2n", 20.0), ("cosine", 0.0)])
def test_lengths_of_features_do_not_count(name, at):
    """Four directions about a point, lengths drawn at random: by angle nearly all are right, by distance not."""
    rng = np.random.default_rng(0)
    truth = np.arange(200) % 4
    ways = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    x = at + (ways[truth] + 0.1 * rng.normal(size=(200, 3))) * rng.lognormal(0, 1.2, (200, 1))
    items = torch.tensor(x, dtype=torch.float32)
    right = {}
    for one in (name, "nearest"):
        method, tasks = method_of(one), [items[i : i + 4] for i in range(0, 40, 4)]
        found = [method.predict_from_features(s, torch.arange(4), items, unlabelled=items).argmax(1) for s in tasks]
        right[one] = np.mean([answer.numpy() == truth for answer in found])
    print(right)
    assert right[name] > 0.85
    assert right[name] > right["nearest"] + 0.05


# -- runs and tasks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLOSED)
def test_a_task_is_a_pool_with_few_labels(name):
    """Solved alike as a task or, its queries without their labels, as a run; queries count where it says so."""
    rng = np.random.default_rng(5)
    truth = np.arange(40) % 4
    x = (3 * np.eye(4)[truth] + 0.8 * rng.normal(size=(40, 4))).astype(np.float32)
    given = {"k": 3} if name in ("k_nn", "label_spreading") else {"steps": 20} if "tim" in name else {}
    task = solve(name, x[:12], truth[:12].tolist(), x[12:], **given)
    assert (task.argmax(1).numpy() == truth[12:]).mean() > 0.7
    fewer = solve(name, x[:12], truth[:12].tolist(), x[12:20], **given)
    assert get(name).transductive == (not torch.allclose(task[:8], fewer, atol=1e-5))
    if get(name).transductive:
        pool = Pool(x, np.where(np.arange(40) < 12, truth, -1), classes=tuple("abcd"))
        plan = {"accelerator": "cpu", "precision": "32-true"}
        [fitted] = fit(pool, None, Options(name, given, baseline=False, validation=0.0, plan=plan), progress=False)
        answers = fitted.model.predict_proba(x[12:]).argmax(1)
        assert (answers == task.argmax(1).numpy()).mean() > 0.95


@pytest.mark.parametrize("name", FEW)
def test_one_label_a_class_ends_in_a_model_that_is_kept(name, tmp_path):
    """Chance is a quarter; what is saved is what was fitted; a pool without unlabelled items is no trouble."""
    rng = np.random.default_rng(6)
    truth = np.arange(48) % 4
    x = (3 * np.eye(4)[truth] + 0.7 * rng.normal(size=(48, 4))).astype(np.float32)
    given = {"steps": 20} if "tim" in name else {}
    options = Options(name, given, baseline=False, validation=0.0, plan={"accelerator": "cpu", "precision": "32-true"})
    pool = Pool(x, np.where(np.arange(48) < 4, truth, -1), classes=tuple("abcd"))
    [fitted] = fit(pool, tmp_path / "run", options, progress=False)
    found = load_model(tmp_path / "run").predict_proba(x)
    np.testing.assert_array_equal(found, fitted.model.predict_proba(x))
    assert (found.argmax(1) == truth).mean() > 0.8
    [alone] = fit(pool.subset(np.arange(4)), None, options, progress=False)
    assert (alone.model.predict_proba(x).argmax(1) == truth).mean() > 0.8
    assert get(name).few
    assert get(name).transductive == ("transductive" in get(name).settings)

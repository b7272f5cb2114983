import numpy as np
import pytest
import torch
from few_shot import before_and_after, episodes
from stubs import cross_entropy
from torch import nn

from leaven.errors import LeavenError
from leaven.methods.fewshot.prototypical import Prototypical
from leaven.nn.heads import class_means, nearest_mean, squared_distances


class Features(nn.Module):
    """The items are the features; ``scale`` is the only weight."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def features(self, x, domain=None):
        return x * self.scale


def by_hand(items: np.ndarray, ways: int, shots: int, power: int = 2) -> tuple[float, float]:
    """Loss and accuracy of one episode, in loops."""
    each = len(items) // ways
    classes = items.reshape(ways, each, -1)
    scores, truth = [], []
    for k in range(ways):
        for query in classes[k, shots:]:
            scores.append([-(np.linalg.norm(query - c[:shots].mean(0)) ** power) for c in classes])
            truth.append(k)
    scores = np.array(scores)
    return cross_entropy(scores, truth).mean(), (scores.argmax(1) == truth).mean()


def test_one_episode_worked_out():
    """Means at (0, 1) and (4, 0); the query (0, 0) is 1 and 16 from them, (3, 0) is 10 and 1: squared."""
    method = Prototypical(Features(), ways=2, shots=2, queries=1)
    items = np.array([[-1.0, 1], [1, 1], [0, 0], [4, 1], [4, -1], [3, 0]])
    loss = method(episodes(items, 2, dtype=torch.float64))["queries"].item()
    assert loss == pytest.approx((np.log1p(np.exp(1 - 16)) + np.log1p(np.exp(1 - 10))) / 2)
    assert method.logged["accuracy"] == 1


@pytest.mark.parametrize(("ways", "shots", "queries"), [(5, 1, 3), (4, 3, 2), (3, 5, 1)])
def test_loss_of_many_episodes(ways, shots, queries):
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(ways * (shots + queries), 6)) for _ in range(3)]
    method = Prototypical(Features(), ways=ways, shots=shots, queries=queries)
    terms = method(episodes(np.concatenate(parts), ways, 3))
    assert set(terms) == {"queries"}
    found = [by_hand(part, ways, shots) for part in parts]
    assert terms["queries"].item() == pytest.approx(np.mean([f[0] for f in found]), rel=1e-5)
    assert method.logged["accuracy"].item() == pytest.approx(np.mean([f[1] for f in found]))
    plain_distance = np.mean([by_hand(part, ways, shots, power=1)[0] for part in parts])
    assert abs(terms["queries"].item() - plain_distance) > 0.1  # the square is not dropped


def test_gradient_flows_through_queries_and_means():
    """Against finite differences: support and query are both of the network."""
    rng = np.random.default_rng(1)
    items = rng.normal(size=(12, 3))
    method = Prototypical(Features().double(), ways=3, shots=2, queries=2)
    method(episodes(items, 3, dtype=torch.float64))["queries"].backward()
    h = 1e-6
    expected = (by_hand(items * (1 + h), 3, 2)[0] - by_hand(items * (1 - h), 3, 2)[0]) / (2 * h)
    assert method.network.scale.grad.item() == pytest.approx(expected, rel=1e-6)


def test_solve_takes_any_number_of_shots():
    support = torch.tensor([[0.0, 0], [2, 0], [0, 3], [7, 7]])
    scores = Prototypical(Features()).predict_episode(
        support, torch.tensor([1, 1, 0, 2]), torch.tensor([[1.0, 1], [0, 0]])
    )
    torch.testing.assert_close(scores, -torch.tensor([[1.0 + 4, 1, 72], [9, 1, 98]]))


def test_a_query_is_solved_by_itself():
    torch.manual_seed(0)
    method = Prototypical(Features()).eval()
    support, labels, query = torch.randn(10, 4), torch.arange(5).repeat(2), torch.randn(7, 4)
    together = method.predict_episode(support, labels, query)
    apart = torch.cat([method.predict_episode(support, labels, q) for q in query.split(1)])
    torch.testing.assert_close(together, apart)
    assert not method.transductive


def test_other_numbers_for_the_classes_are_other_columns():
    torch.manual_seed(0)
    support, labels, query = torch.randn(10, 4), torch.arange(5).repeat(2), torch.randn(7, 4)
    order = torch.tensor([3, 0, 4, 1, 2])  # class k is now called order[k]
    renamed = nearest_mean(support, order[labels], query)
    torch.testing.assert_close(renamed[:, order], nearest_mean(support, labels, query))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_distances_and_means_are_exact(dtype):
    """Far from the origin and near each other, where ‖x‖² − 2·x·y + ‖y‖² rounds; and under autocast."""
    rng = np.random.default_rng(2)
    x, y = (100 + rng.normal(size=(2, n, 16)) for n in (7, 4))
    expected = ((x[:, :, None] - y[:, None]) ** 2).sum(-1)
    labels = np.array([0, 1, 1, 0, 2, 1, 0])
    means = np.stack([x[:, labels == k].mean(1) for k in range(3)], 1)
    with torch.autocast("cpu", torch.bfloat16):
        found = squared_distances(torch.as_tensor(x, dtype=dtype), torch.as_tensor(y, dtype=dtype))
        found_means = class_means(torch.as_tensor(x, dtype=dtype), torch.as_tensor(labels), 3)
    assert found.dtype == found_means.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=1e-4 if dtype == torch.float32 else 1e-10)
    np.testing.assert_allclose(found_means, means, rtol=1e-6)


def test_half_precision_features_are_widened():
    assert squared_distances(torch.randn(3, 4).bfloat16(), torch.randn(2, 4).bfloat16()).dtype == torch.float32


def test_defaults_are_the_papers():
    defaults = {name: h.default for name, h in Prototypical.hyperparameters().items()}
    assert defaults == {"ways": 60, "shots": 1, "queries": 5}
    assert Prototypical.outputs(100, defaults) == 0  # the network ends with its features


def test_it_learns_which_directions_tell_classes_apart():
    """5-way 1-shot tasks of new classes. Seen in per cent before and after, seeds 0 to 2, 200 tasks: 32, 30, 26 and
    90, 84, 77.
    """
    found = np.array(
        [
            before_and_after("prototypical", seed, {"ways": 20, "shots": 1, "queries": 5}, {"steps": 150})
            for seed in range(3)
        ]
    )
    before, after = found.mean(0)
    assert before < 0.4, found
    assert after > 0.7, found


def test_an_episode_that_the_pool_cannot_give():
    with pytest.raises(LeavenError, match="60 ways"):
        before_and_after("prototypical", 0, {"ways": 60}, {"steps": 1})

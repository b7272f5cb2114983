"""How many items pass at once follows from what the network takes for one, wherever a pool passes through a network."""

import numpy as np
import pytest
import torch
from torch import nn

from leaven.data import Pool
from leaven.evaluation.probe import features
from leaven.evaluation.segmentation import evaluate_dense, predicted_masks
from leaven.inference.predict import predict, predict_acquisition, predict_with_features
from leaven.methods.base import Method
from leaven.nn.build import Spec
from leaven.nn.frozen import encode
from leaven.nn.memory import at_once, peak
from leaven.nn.network import Network
from leaven.query.votes import committee_votes, dropout_votes, snapshot_votes

CPU = torch.device("cpu")
SIDE, CHANNELS, WIDE = 8, 3, 64
EACH = WIDE * SIDE * SIDE * 4  # bytes of the widest map of one item, of which two are alive at a time
BUDGET = 9 * EACH
IMAGES = np.random.default_rng(0).integers(0, 256, (40, SIDE, SIDE, CHANNELS), dtype=np.uint8)


class Wide(nn.Module):
    """A backbone whose maps are far larger than its items; notes how many items pass."""

    num_features = 5

    def __init__(self, dense=False):
        super().__init__()
        self.first, self.last = nn.Conv2d(CHANNELS, WIDE, 1), nn.Conv2d(WIDE, 5, 1)
        self.dense, self.sizes = dense, []

    def forward(self, x):
        self.sizes.append(len(x))
        y = self.last(self.first(x).sigmoid())
        return y if self.dense else y.mean((2, 3))


class Asks(Method):
    asks = True

    def acquisition(self, x):
        return self.network(x)[:, 0]


def network(dense=False, head=None):
    torch.manual_seed(0)
    head = head or (nn.Conv2d(5, 3, 1) if dense else nn.Linear(5, 3))
    return Network(Wide(dense), head, (0.5,) * CHANNELS, (0.2,) * CHANNELS).eval()


def masks(net, items):
    return np.concatenate([part for _, part in predicted_masks(net, items)])


def counts(net, items):
    pool = Pool(items, np.zeros(len(items), np.int64), classes=("a", "b", "c"), masks=items[..., 0] % 3)
    return evaluate_dense(net, pool).counts


def frozen(net, items):
    spec = Spec("wrn-10-1", items.shape[1:], 3, (0.5,) * CHANNELS, (0.2,) * CHANNELS, frozen=True)
    return encode(
        spec, items, [lambda x: x], key="", precision="32-true", device="cpu", backbone=net.backbone, progress=False
    )


def votes(net, items):
    return snapshot_votes(net, [net.head.state_dict()] * 2, items, beneath=True)


DOORS = {
    "predict": predict,
    "describe": lambda net, items: predict_with_features(net, items)[1],
    "wanted": lambda net, items: predict_acquisition(Asks(net), items),
    "features": features,
    "committee": lambda net, items: committee_votes([net], items),
    "snapshots": votes,
    "frozen": frozen,
    "masks": masks,
    "counts": counts,
}


@pytest.mark.parametrize("door", DOORS)
def test_every_pass_of_a_pool_is_by_memory(door, monkeypatch, tmp_path):
    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path))
    monkeypatch.setattr("leaven.nn.frozen.fused", lambda net, example: net)  # no copy, so that its sizes are seen
    dense, look = door in ("masks", "counts"), DOORS[door]
    net = network(dense)
    whole = look(net, IMAGES)
    assert max(net.backbone.sizes) >= 16
    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr("leaven.nn.memory.ACTIVATIONS", BUDGET, raising=False)
    net = network(dense)
    parts = look(net, IMAGES)
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-6)
    assert 2 <= max(net.backbone.sizes) <= 4  # two wide maps of 64 channels an item, and a little more


def test_draws_of_dropout_are_by_memory(monkeypatch):
    class Counted(nn.Linear):
        def forward(self, x):
            sizes.append(len(x))
            return super().forward(x)

    sizes: list[int] = []
    torch.manual_seed(0)
    net, x = network(head=Counted(500, 3)), np.random.default_rng(0).normal(size=(300, 500)).astype(np.float32)
    whole = dropout_votes(net, x, draws=4)
    monkeypatch.setattr("leaven.nn.memory.ACTIVATIONS", 100 * 500 * 4, raising=False)
    sizes.clear()
    np.testing.assert_allclose(dropout_votes(net, x, draws=4), whole, rtol=1e-5)
    assert 10 < max(sizes) < 100


def test_the_peak_is_that_of_the_tensors_alive():
    def go(n):
        first = torch.ones(n, 1000)  # 4,000 bytes an item
        second = first + 1
        del first
        third = second.view(-1)[: n * 500] * 2  # a view takes nothing
        del second
        return third

    assert [peak(go, n) for n in (1, 3)] == [8000, 24000]
    weight = torch.ones(10**6)
    assert peak(lambda n: weight.view(1000, 1000).t()[:n], 5) == 0  # weights and views of them were there before
    assert peak(lambda n: weight[:n] + 1, 5) == 20


@pytest.mark.parametrize(
    ("each", "fixed", "expected"), [(100, 0, 10), (100, 450, 5), (100, 2000, 1), (5000, 0, 1), (1, 0, 50)]
)
def test_as_many_as_fit(each, fixed, expected, monkeypatch):
    monkeypatch.setattr("leaven.nn.memory.ACTIVATIONS", 1000)

    def go(n):
        return torch.ones(fixed + each * n, dtype=torch.uint8)

    assert at_once(go, 50, CPU) == expected
    assert peak(go, expected) <= 1000 or expected == 1
    assert (at_once(go, 0, CPU), at_once(go, 1, CPU)) == (0, 1)


def test_an_item_above_the_budget_passes_alone_and_is_not_tried_in_pairs(monkeypatch):
    monkeypatch.setattr("leaven.nn.memory.ACTIVATIONS", 10)
    net = network()
    predict(net, IMAGES)
    assert set(net.backbone.sizes) == {1}


def test_batch_norm_without_statistics_takes_them_from_equal_batches(monkeypatch):
    """As many items as before give them, however few pass at once."""
    from leaven.nn.norm import BatchNorm

    def fresh():
        torch.manual_seed(0)
        body = nn.Sequential(nn.Linear(4, 4), BatchNorm(4))
        return Network(body, nn.Identity(), (0.0,) * 4, (1.0,) * 4)

    x = np.random.default_rng(0).normal(size=(600, 4)).astype(np.float32)
    first = fresh()
    features(first, x)
    np.testing.assert_allclose(
        first.backbone[1].running_mean, first.backbone[0](torch.from_numpy(x[:512])).mean(0).detach(), atol=1e-5
    )
    monkeypatch.setattr("leaven.nn.memory.ACTIVATIONS", 6000)
    second = fresh()
    features(second, x)
    np.testing.assert_allclose(second.backbone[1].running_mean, first.backbone[1].running_mean, atol=5e-3)
    np.testing.assert_allclose(second.backbone[1].running_var, first.backbone[1].running_var, rtol=0.05)

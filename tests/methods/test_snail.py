import numpy as np
import pytest
import torch
import torch.nn.functional as F
from few_shot import episodes
from stubs import Linear, cross_entropy, softmax, weights_of
from torch import nn

from leaven.augment import FeatureViews
from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.evaluation.episodes import evaluate_episodes
from leaven.methods.base import Episode
from leaven.methods.fewshot.snail import SNAIL, AttentionBlock, DenseBlock
from leaven.nn.network import Network
from leaven.train.engine import train
from leaven.train.job import TrainJob
from leaven.train.plan import Plan


def small(**settings) -> SNAIL:
    """The items are the features, in float64."""
    torch.manual_seed(0)
    backbone = Linear(3, 3)
    with torch.no_grad():
        backbone.weight.copy_(torch.eye(3))
        backbone.bias.zero_()
    network = Network(backbone, nn.Identity(), (0.0,) * 3, (1.0,) * 3)
    return SNAIL(network, **({"ways": 2, "shots": 2, "queries": 2, "filters": 4} | settings)).double()


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def test_attention_with_a_causal_mask_worked_out():
    """Keys and questions are the items, values are ten times them: of 1 and 2 the second weighs e² beside e⁴, the query
    3 weighs e³, e⁶ and e⁹.
    """
    block = AttentionBlock(1, 1, 1)
    with torch.no_grad():
        for layer, factor in ((block.asks, 1.0), (block.keys, 1.0), (block.values, 10.0)):
            layer.weight.fill_(factor)
            layer.bias.zero_()
    support, query = block(torch.tensor([[[1.0], [2.0]]]), torch.tensor([[[3.0]]]))
    two = np.exp([2.0, 4.0])
    three = np.exp([3.0, 6.0, 9.0])
    expected = [10.0, 10 * (two @ [1, 2]) / two.sum(), 10 * (three @ [1, 2, 3]) / three.sum()]
    np.testing.assert_allclose([*support[0, :, 1].tolist(), query[0, 0, 1].item()], expected, rtol=1e-6)
    assert [*support[0, :, 0].tolist(), query[0, 0, 0].item()] == [1, 2, 3]


@pytest.mark.parametrize("dilation", [1, 2, 8])
def test_dense_block_is_a_dilated_convolution(dilation):
    """Of kernel 2 over the whole sequence, as PyTorch has it, with zeros before the first item."""
    torch.manual_seed(1)
    block = DenseBlock(3, 4, dilation).double()
    x = torch.randn(2, 6, 3, dtype=torch.float64)
    kernel = block.convolution.weight.unflatten(1, (2, 3)).mT  # (8, 3, 2), the earlier place first
    out = F.conv1d(F.pad(x.mT, (dilation, 0)), kernel, block.convolution.bias, dilation=dilation).mT
    expected = torch.cat([x, out[:, :, :4].tanh() * out[:, :, 4:].sigmoid()], 2)
    support, query = block(x[:, :5], x[:, 5:])
    torch.testing.assert_close(torch.cat([support, query], 1), expected)


def by_hand(method: SNAIL, items: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Scores ``(T, ways)`` of every item of a sequence, place by place; the last has no label."""
    w, ways = weights_of(method), method.episode.ways
    told = np.vstack([np.eye(ways)[labels], np.zeros(ways)])
    x = list(np.hstack([items, told]))
    for number, block in enumerate(method.blocks):

        def linear(layer, value, number=number):
            return w[f"blocks.{number}.{layer}.weight"] @ value + w[f"blocks.{number}.{layer}.bias"]

        made = []
        for t, now in enumerate(x):
            if isinstance(block, DenseBlock):
                earlier = x[t - block.dilation] if t >= block.dilation else np.zeros_like(now)
                value, gate = np.split(linear("convolution", np.concatenate([earlier, now])), 2)
                made.append(np.concatenate([now, np.tanh(value) * sigmoid(gate)]))
            else:
                ask = linear("asks", now)
                logits = np.array([ask @ linear("keys", one) / np.sqrt(len(ask)) for one in x[: t + 1]])
                weights = softmax(logits)
                read = sum(weight * linear("values", one) for weight, one in zip(weights, x, strict=False))
                made.append(np.concatenate([now, read]))
        x = made
    return np.stack([w["output.weight"] @ now + w["output.bias"] for now in x])


def test_loss_by_hand():
    """Each query is the last item of a sequence of its own, after the support in the order drawn."""
    method, rng = small(), np.random.default_rng(2)
    items = rng.normal(size=(2, 2, 4, 3))
    torch.manual_seed(3)
    orders = torch.rand(2, 4).argsort(1).numpy()
    losses = []
    for task, order in zip(items, orders, strict=True):
        support, labels = task[:, :2].reshape(-1, 3)[order], np.repeat(np.arange(2), 2)[order]
        query = task[:, 2:].reshape(-1, 3)
        scores = np.stack([by_hand(method, np.vstack([support, x]), labels)[-1] for x in query])
        losses.append(cross_entropy(scores, np.repeat(np.arange(2), 2)))
    torch.manual_seed(3)
    found = method(episodes(items.reshape(-1, 3), 2, 2, dtype=torch.float64))["queries"].item()
    assert found == pytest.approx(np.mean(losses), rel=1e-8)


def test_the_network_is_the_papers():
    """Sequences of 6 and of 26: three dilations, and five; channels grow block by block."""
    for shots, dilations in ((1, [2, 4, 8]), (5, [2, 4, 8, 16, 32])):
        method = small(ways=5, shots=shots, filters=128)
        blocks = [
            (block.keys.out_features, block.values.out_features)
            if isinstance(block, AttentionBlock)
            else (block.dilation, block.convolution.out_features // 2)
            for block in method.blocks
        ]
        dense = [(dilation, 128) for dilation in dilations]
        assert blocks == [(64, 32), *dense, (256, 128), *dense, (512, 256)]
        assert method.output.in_features == 3 + 5 + 32 + 128 + 256 + 2 * 128 * len(dilations)


def test_future_labels_change_nothing():
    """Of every place of the sequence; what stands before a place does change what is made of it."""
    method = small(ways=3, shots=2).eval()
    x, labels = torch.randn(1, 6, 3, dtype=torch.float64), torch.tensor([[0, 2, 1, 1, 0, 2]])

    def made(labels: torch.Tensor, x: torch.Tensor = x) -> torch.Tensor:
        support, query = torch.cat([x, F.one_hot(labels, 3).double()], 2), torch.zeros(1, 1, 6).double()
        for block in method.blocks:
            support, query = block(support, query)
        return support.detach()

    for place in range(6):
        changed, moved = labels.clone(), x.clone()
        changed[0, place] = (labels[0, place] + 1) % 3
        moved[0, place] += 1
        for other in (made(changed), made(labels, moved)):
            assert torch.equal(other[:, :place], made(labels)[:, :place])
            assert not torch.isclose(other[:, place:], made(labels)[:, place:]).all(2).any()


def test_a_query_is_solved_by_itself():
    method, rng = small(ways=3).eval(), np.random.default_rng(4)
    support, query, labels = rng.normal(size=(5, 3)), rng.normal(size=(4, 3)), np.array([1, 0, 0, 1, 0])
    given = torch.tensor(support), torch.tensor(labels)
    together = method.predict_from_features(*given, torch.tensor(query)).detach()
    order = torch.randperm(5, generator=torch.Generator().manual_seed(0)).numpy()
    expected = [by_hand(method, np.vstack([support[order], x]), labels[order])[-1, :2] for x in query]
    np.testing.assert_allclose(together, expected, rtol=1e-8)
    torch.manual_seed(9)
    apart = [method.predict_from_features(*given, torch.tensor(x)[None]).detach() for x in query]
    torch.testing.assert_close(torch.cat(apart), together)
    assert not method.transductive
    with pytest.raises(LeavenError, match="SNAIL has 3 ways, but a task has 5"):
        method.predict_from_features(given[0], torch.arange(5), torch.tensor(query))


def near_points(seed: int) -> tuple[Pool, Pool]:
    """60 classes to learn from and 20 others: points of four dimensions, ten items near each."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(80), 10)
    items = rng.normal(size=(80, 4))[labels] + 0.1 * rng.normal(size=(800, 4))
    pool = Pool(items.astype(np.float32), labels, classes=tuple(map(str, range(80))))
    return pool.subset(labels < 60), pool.subset(labels >= 60)


def test_it_learns_to_compare_items():
    """2-way 1-shot tasks of new classes, for which the features are left as they come."""
    plan = {"steps": 60, "lr": 3e-3, "batch_size": 32, "probes": 0, "accelerator": "cpu", "precision": "32-true"}
    found = []
    for seed in range(2):
        known, new = near_points(seed)
        torch.manual_seed(seed)
        method = SNAIL(Network(Linear(4, 8), nn.Identity(), (0.0,) * 4, (1.0,) * 4), ways=2, queries=3, filters=16)
        job = TrainJob(method, known, Plan(**(SNAIL.plan | plan | {"seed": seed})), FeatureViews(), progress=False)
        before = evaluate_episodes(method, new, Episode(2, 1, 5), 60, progress=False).value
        train(job)
        found.append([before, evaluate_episodes(method, new, Episode(2, 1, 5), 60, progress=False).value])
    before, after = np.mean(found, 0)
    assert before < 0.6, found
    assert after > 0.75, found

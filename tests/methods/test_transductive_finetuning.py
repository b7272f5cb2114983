"""Transductive fine-tuning: its layer, its two steps an epoch, and base training, by hand."""

import copy

import numpy as np
import pytest
import torch
from few_shot import before_and_after, classes_in_noise
from scipy.special import log_softmax
from torch import nn

from leaven.data import Pool
from leaven.inference.copies import sees_again, weak_again
from leaven.methods.base import Batch, StreamBatch
from leaven.methods.fewshot.transductive_finetuning import TaskNetwork, TransductiveFinetuning
from leaven.nn.norm import BatchNorm
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.trained.model import load_model
from leaven.run.trained.run import load_method
from leaven.run.trained.support import solved

RNG = np.random.default_rng(0)
SUPPORT, LABELS, QUERY = RNG.normal(size=(5, 3)), np.array([0, 1, 1, 0, 1]), RNG.normal(size=(4, 3))


class Linear(nn.Linear):
    """Scores of four base classes."""

    def __init__(self):
        super().__init__(3, 4, bias=False)
        self.double()

    def forward(self, x, domain=None):
        return super().forward(x)


def start() -> Linear:
    torch.manual_seed(0)
    return Linear()


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def solve(method: TransductiveFinetuning, **also) -> np.ndarray:
    given = (torch.tensor(x) for x in (SUPPORT, LABELS, QUERY))
    return method.predict_episode(*given, **also).numpy()


def first_layer(weight: np.ndarray) -> np.ndarray:
    rectified = np.maximum(SUPPORT @ weight.T, 0)
    return unit(np.stack([rectified[k == LABELS].mean(0) for k in range(2)]))


def test_the_layer_begins_as_the_mean_of_rectified_scores():
    """(3, −1) and (1, 2) are rectified to (3, 0) and (1, 2), whose mean is (2, 1); (0, 5) is of length 1 as (0, 1)."""
    support = torch.tensor([[3.0, -1], [0, 5], [1, 2]])
    made = TaskNetwork(nn.Identity(), support, torch.tensor([0, 1, 0]))
    expected = torch.tensor([[2 / 5**0.5, 1 / 5**0.5], [0, 1]])
    torch.testing.assert_close(made.layer.weight.detach(), expected)
    assert not made.layer.bias.any()
    scores = made(torch.tensor([[-7.0, 4]])).detach()  # (0, 4), of length 1 as (0, 1)
    torch.testing.assert_close(scores, torch.tensor([[1 / 5**0.5, 1]]))


def test_without_epochs_it_is_its_start():
    weight = start().weight.detach().numpy()
    method = TransductiveFinetuning(start(), epochs=0)
    expected = unit(np.maximum(QUERY @ weight.T, 0)) @ first_layer(weight).T
    np.testing.assert_allclose(solve(method), expected)
    assert not method.transductive


@pytest.mark.parametrize("transductive", [False, True])
def test_an_epoch_is_a_step_on_the_support_and_one_on_the_entropy(transductive):
    """Two epochs with Adam written out, gradients by central differences."""
    shapes = [(4, 3), (2, 4), (2,)]
    weight = start().weight.detach().numpy()
    flat = np.concatenate([weight.ravel(), first_layer(weight).ravel(), np.zeros(2)])

    def scores(at: np.ndarray, x: np.ndarray) -> np.ndarray:
        body, layer, bias = (part.reshape(shape) for part, shape in zip(np.split(at, [12, 20]), shapes, strict=True))
        return unit(np.maximum(x @ body.T, 0)) @ layer.T + bias

    def of_support(at: np.ndarray) -> float:
        return -log_softmax(scores(at, SUPPORT), axis=1)[range(5), LABELS].mean()

    def of_queries(at: np.ndarray) -> float:
        log = log_softmax(scores(at, QUERY), axis=1)
        return -(np.exp(log) * log).sum(1).mean()

    lr, mean, square = 0.05, np.zeros(22), np.zeros(22)
    losses = [of_support, of_queries] * 2 if transductive else [of_support] * 2
    for step, loss in enumerate(losses, 1):
        slope = np.array([(loss(flat + h) - loss(flat - h)) / 2e-6 for h in 1e-6 * np.eye(22)])
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        flat = flat - lr * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    network = start()
    method = TransductiveFinetuning(network, epochs=2, tune_lr=lr, transductive=transductive)
    np.testing.assert_allclose(solve(method), scores(flat, QUERY), atol=1e-3)
    assert method.transductive == transductive
    assert torch.equal(network.weight, start().weight)  # it is a copy that is tuned


def test_support_and_queries_are_seen_anew_in_each_epoch():
    seen = []
    method = TransductiveFinetuning(start(), epochs=3)
    assert sees_again(method)
    state = torch.get_rng_state()
    found = solve(method, again=lambda x: seen.append(len(x)) or x + torch.rand_like(x))
    assert seen == [5, 4] * 3
    assert torch.equal(torch.get_rng_state(), state)  # of the run
    np.testing.assert_array_equal(found, solve(method, again=lambda x: x + torch.rand_like(x)))  # the same numbers
    assert np.abs(found - solve(method)).max() > 1e-6


def test_what_is_seen_anew_is_the_stored_image():
    class Halved:
        def weak(self, x):
            assert x.dtype == torch.uint8
            return x // 2

    stored = torch.arange(256).view(1, 1, 16, 16)
    torch.testing.assert_close(weak_again(Halved())(stored / 255), (stored // 2) / 255)


def test_norms_follow_the_passes_and_the_network_stays():
    """Passes go by their own statistics; the copy's running ones follow them, by a tenth each."""

    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = BatchNorm(3)
            self.norm.momentum = 0.5

        def forward(self, x, domain=None):
            return self.norm(x)

    method = TransductiveFinetuning(Normed(), epochs=1, tune_lr=1e-12)
    before = copy.deepcopy(method.state_dict())
    support, query = torch.tensor(SUPPORT).float(), torch.tensor(QUERY).float()
    found = method.predict_episode(support, torch.tensor(LABELS), query)
    mean, variance = torch.zeros(3), torch.ones(3)
    for x in (support, query):
        mean, variance = 0.9 * mean + 0.1 * x.mean(0), 0.9 * variance + 0.1 * x.var(0)
    tuned = TaskNetwork(method.network.eval(), support, torch.tensor(LABELS))
    tuned.network.norm.running_mean, tuned.network.norm.running_var = mean, variance
    torch.testing.assert_close(found, tuned(query).detach(), atol=1e-4, rtol=0)
    for name, tensor in method.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert torch.isfinite(method.predict_episode(support, torch.tensor(LABELS), query[:1])).all()


def test_base_labels_are_smoothed():
    scores, labels = RNG.normal(size=(4, 5)), np.array([0, 4, 2, 2])
    draw = StreamBatch(torch.arange(4), {"weak": torch.tensor(scores).float()}, torch.tensor(labels))

    class Scores(nn.Module):
        def forward(self, x, domain=None):
            return x

    terms = TransductiveFinetuning(Scores(), mixup=0.0)(Batch({"labelled": draw}))
    target = 0.9 * np.eye(5)[labels] + 0.1 / 5
    expected = -(target * log_softmax(scores, axis=1)).sum(1).mean()
    assert terms["base"].item() == pytest.approx(expected, rel=1e-5)


def test_it_learns_which_directions_tell_classes_apart():
    """5-way 1-shot tasks of new classes, by the random network and by the trained one. Seen in per cent, seeds 0 to 2:
    27, 28, 23 and 95, 92, 87.
    """
    settings, plan = {"epochs": 2, "mixup": 0.0}, {"steps": 150, "batch_size": 64}
    found = np.array([before_and_after("transductive_finetuning", seed, settings, plan, tasks=30) for seed in range(3)])
    before, after = found.mean(0)
    assert before < 0.4, found
    assert after > 0.75, found


def test_a_run_predicts_by_a_support_that_is_seen_anew(tmp_path):
    """The weak views of the run's own kind are what ``again`` draws: without them the answers are others."""
    known, new = classes_in_noise(0)
    plan = {"steps": 2, "probes": 0, "accelerator": "cpu", "precision": "32-true"}
    options = Options("transductive_finetuning", {"epochs": 2, "tune_lr": 0.01}, network="mlp", plan=plan)
    fit(known, tmp_path, options, progress=False)
    support = Pool(new.items[:60:10], new.labels[:60:10] - 40, classes=("a", "b", "c"))
    model = solved(tmp_path, load_model(tmp_path), support)
    found = model.predict_proba(new.items[:8])
    assert found.shape == (8, 3)
    np.testing.assert_array_equal(found, solved(tmp_path, load_model(tmp_path), support).predict_proba(new.items[:8]))
    method = load_method(tmp_path)
    plain = method.predict_episode(*(torch.from_numpy(x) for x in (support.items, support.labels, new.items[:8])))
    assert np.abs(found - plain.softmax(1).numpy()).max() > 1e-6

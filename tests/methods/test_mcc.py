import numpy as np
import pytest
import torch
from stubs import Given, Linear, batch, differences, draw, softmax, weights_of
from torch import nn

from leaven.methods.adapt.ent import ENT
from leaven.methods.adapt.mcc import MCC
from leaven.nn.network import Network

SOURCE = np.log([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])
TARGET = np.array([[2.0, 1.0, 0.0], [0.5, 0.0, 3.0], [1.0, 1.2, 1.1], [0.0, 0.0, 0.3]])


def given(kind, **hyperparameters):
    """The items are the scores."""
    backbone = Given()
    backbone.num_features = 3
    return kind(Network(backbone, nn.Identity(), (0.0,) * 3, (1.0,) * 3), **hyperparameters)


def confusion(z: np.ndarray, temperature: float) -> float:
    """Equations 2 to 6, entry by entry, with the weights' normalisation."""
    p = softmax(z / temperature)
    h = -(p * np.log(p)).sum(1)
    weights = len(z) * (1 + np.exp(-h)) / (1 + np.exp(-h)).sum()
    n, k = p.shape
    c = np.zeros((k, k))
    for i in range(k):
        for j in range(k):
            c[i, j] = sum(p[b, i] * weights[b] * p[b, j] for b in range(n))
    c = c / c.sum(1, keepdims=True)
    return sum(c[i, j] for i in range(k) for j in range(k) if i != j) / k


@pytest.mark.parametrize("temperature", [2.5, 1.0])
def test_confusion_by_hand(temperature):
    method = given(MCC, temperature=temperature, weight=0.7)
    terms = method(batch(source=draw([0, 1], weak=SOURCE), target=draw(weak=TARGET)))
    assert set(terms) == {"source", "confusion"}
    assert terms["source"].item() == pytest.approx(-np.log(0.7 * 0.8) / 2)
    assert terms["confusion"].item() == pytest.approx(0.7 * confusion(TARGET, temperature), rel=1e-5)
    p = softmax(TARGET)
    assert method.logged["confusion"].item() == pytest.approx(confusion(TARGET, temperature), rel=1e-5)
    assert method.logged["entropy"].item() == pytest.approx(-(p * np.log(p)).sum(1).mean(), rel=1e-5)


def test_sure_predictions_are_not_confused_and_equal_ones_are():
    method = given(MCC)
    sure, torn = 200 * np.eye(3), np.zeros((3, 3))
    values = [method(batch(source=draw([0], weak=SOURCE[:1]), target=draw(weak=z)))["confusion"] for z in (sure, torn)]
    assert values[0].item() == pytest.approx(0.0, abs=1e-6)
    assert values[1].item() == pytest.approx(2 / 3)


def test_the_weights_of_items_take_no_gradient():
    """By differences of the confusion with the weights held where they are."""
    torch.manual_seed(0)
    method = MCC(Network(Linear(2, 4), nn.Linear(4, 3), (0.0,) * 2, (1.0,) * 2))
    x = np.random.default_rng(0).normal(size=(5, 2))
    method(batch(source=draw([0], weak=x[:1]), target=draw(weak=x)))["confusion"].backward()
    w = weights_of(method)

    def predictions(w):
        features = x @ w["network.backbone.weight"].T + w["network.backbone.bias"]
        return softmax((features @ w["network.head.weight"].T + w["network.head.bias"]) / 2.5)

    p = predictions(w)
    fixed = 1 + np.exp((p * np.log(p)).sum(1))

    def loss(w):
        p = predictions(w)
        c = (p * fixed[:, None]).T @ p
        return 1 - np.diag(c / c.sum(1, keepdims=True)).mean()

    for name, parameter in method.named_parameters():
        expected = differences(lambda v, n=name: loss({**w, n: v}), w[name])
        np.testing.assert_allclose(parameter.grad, expected, rtol=1e-3, atol=1e-5)


def test_ent_lowers_entropy_by_every_weight():
    method = given(ENT, weight=0.4)
    few = draw([2], weak=SOURCE[:1])
    terms = method(batch(source=draw([0, 1], weak=SOURCE), target_labelled=few, target=draw(weak=TARGET)))
    p = softmax(TARGET)
    assert terms["entropy"].item() == pytest.approx(-0.4 * (p * np.log(p)).sum(1).mean(), rel=1e-5)
    assert terms["source"].item() == pytest.approx(-np.log(0.7 * 0.8) / 2 / 2)
    assert terms["target_labelled"].item() == pytest.approx(-np.log(0.1) / 2)
    assert ENT.head == "cosine"

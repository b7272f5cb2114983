import numpy as np
import pytest
import torch
from stubs import Linear, batch, cross_entropy, differences, draw, softmax, weights_of

from leaven.methods.adapt.mme import MME
from leaven.nn.heads import CosineHead
from leaven.nn.network import Network

K, D, T = 3, 4, 0.05
SOURCE_LABELS, FEW_LABELS = [0, 2, 1], [1, 2]


def method(**hyperparameters) -> MME:
    torch.manual_seed(0)
    return MME(Network(Linear(2, D), CosineHead(D, K), (0.0,) * 2, (1.0,) * 2), **hyperparameters)


def step(few: bool):
    rng = np.random.default_rng(1)
    source = {view: rng.normal(size=(3, 2)) for view in ("weak", "strong")}
    target_few = {view: rng.normal(size=(2, 2)) + 1 for view in ("weak", "strong")}
    target = rng.normal(size=(5, 2)) + 1
    draws = {"source": draw(SOURCE_LABELS, **source), "target": draw(weak=target)}
    if few:
        draws["target_labelled"] = draw(FEW_LABELS, **target_few)
    return batch(**draws), source, target_few, target


def scores(w: dict, x: np.ndarray) -> np.ndarray:
    """W f / (T ‖f‖), section 3.1."""
    f = x @ w["network.backbone.weight"].T + w["network.backbone.bias"]
    return f / np.linalg.norm(f, axis=1, keepdims=True) @ w["network.head.weight"].T / T


def labelled_loss(w: dict, views: dict, labels: list[int]) -> float:
    return float(np.mean([cross_entropy(scores(w, x), labels).mean() for x in views.values()]))


def entropy(w: dict, target: np.ndarray) -> float:
    p = softmax(scores(w, target))
    return float(-(p * np.log(p)).sum(1).mean())


@pytest.mark.parametrize("few", [True, False])
def test_loss(few):
    """Both kinds of labels weigh alike (eq. 1); without any of the target the source's weigh all."""
    mme = method(weight=0.3)
    one, source, target_few, target = step(few)
    terms = mme(one)
    w = weights_of(mme)
    expected = {
        "source": labelled_loss(w, source, SOURCE_LABELS) * (0.5 if few else 1),
        **({"target_labelled": labelled_loss(w, target_few, FEW_LABELS) / 2} if few else {}),
        "entropy": -0.3 * entropy(w, target),
    }
    assert set(terms) == set(expected)
    for name, value in expected.items():
        assert terms[name].item() == pytest.approx(value, rel=1e-4), name
    assert mme.logged["entropy"].item() == pytest.approx(entropy(w, target), rel=1e-4)


def test_classifier_raises_the_entropy_and_the_features_lower_it():
    """θ_F: L + λH, θ_C: L − λH (eq. 3), by differences. A step down the gradient moves the two against each other."""
    mme = method(weight=0.3)
    one, source, target_few, target = step(few=True)
    torch.stack(list(mme(one).values())).sum().backward()
    w = weights_of(mme)

    def supervised(w):
        return 0.5 * labelled_loss(w, source, SOURCE_LABELS) + 0.5 * labelled_loss(w, target_few, FEW_LABELS)

    for name, parameter in mme.named_parameters():
        by_labels = differences(lambda v, n=name: supervised({**w, n: v}), w[name])
        by_entropy = differences(lambda v, n=name: entropy({**w, n: v}, target), w[name])
        assert np.abs(by_entropy).max() > 1e-3
        sign = 1 if name.startswith("network.backbone") else -1
        np.testing.assert_allclose(parameter.grad, by_labels + sign * 0.3 * by_entropy, rtol=1e-3, atol=1e-4)
    for part, sign in (("network.head", 1), ("network.backbone", -1)):
        mme.zero_grad()
        mme(one)["entropy"].backward()
        gradients = {n: p.grad.double().numpy() for n, p in mme.named_parameters() if n.startswith(part)}
        moved = {n: value - 1e-3 * gradients.get(n, 0.0) for n, value in w.items()}
        assert sign * (entropy(moved, target) - entropy(w, target)) > 0, part


def test_streams_and_head():
    streams = method(ratio=3).streams
    both = ("weak", "strong")
    assert {n: (s.role, s.ratio, s.views, s.optional) for n, s in streams.items()} == {
        "source": ("source", 1.0, both, False),
        "target_labelled": ("target_labelled", 1.0, both, True),
        "target": ("unlabelled", 3, ("weak",), False),
    }
    assert MME.head == "cosine"

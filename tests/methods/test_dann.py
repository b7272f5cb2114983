import math

import numpy as np
import pytest
import torch
from stubs import Linear, batch, cross_entropy, differences, draw, weights_of
from torch import nn

from leaven.methods.adapt.dann import DANN
from leaven.nn.network import Network

K, D, LABELS = 3, 4, [0, 2, 1]


def method(**hyperparameters) -> DANN:
    torch.manual_seed(0)
    network = Network(Linear(2, D), nn.Linear(D, K), (0.0,) * 2, (1.0,) * 2)
    return DANN(network, hidden=5, **hyperparameters)


def step(progress: float):
    """Three source items and, of other views and number, five of the target."""
    rng = np.random.default_rng(1)
    source = {view: rng.normal(size=(3, 2)) for view in ("weak", "strong")}
    target = {view: rng.normal(size=(5, 2)) + 1 for view in ("weak", "strong")}
    return batch(progress, source=draw(LABELS, **source), target=draw(**target)), source, target


def source_loss(w: dict, source: dict, target: dict) -> float:
    """Mean of the cross-entropies of weak and strong view."""
    scores = {v: features(w, x) @ w["network.head.weight"].T + w["network.head.bias"] for v, x in source.items()}
    return np.mean([cross_entropy(z, LABELS).mean() for z in scores.values()])


def domain_loss(w: dict, source: dict, target: dict) -> float:
    """−mean log q over the source's views − mean log (1 − q) over the target's."""
    total = 0.0
    for views, sign in ((source, -1), (target, 1)):
        x = features(w, np.concatenate(list(views.values())))
        hidden = np.maximum(0, x @ w["domain.0.weight"].T + w["domain.0.bias"])
        logit = hidden @ w["domain.2.weight"].T + w["domain.2.bias"]
        total += np.log1p(np.exp(sign * logit)).mean()
    return total


def features(w: dict, x: np.ndarray) -> np.ndarray:
    return x @ w["network.backbone.weight"].T + w["network.backbone.bias"]


def test_loss():
    dann = method()
    one, source, target = step(0.3)
    terms = dann(one)
    assert set(terms) == {"source", "domain"}
    w = weights_of(dann)
    assert w["domain.2.weight"].shape == (1, 5)  # one score: source or target
    assert terms["source"].item() == pytest.approx(source_loss(w, source, target), rel=1e-5)
    assert terms["domain"].item() == pytest.approx(domain_loss(w, source, target), rel=1e-5)


def test_domain_classifier_descends_where_the_features_ascend():
    """The gradient of the domain loss by differences: as it is for the classifier, by −λ_p for the features."""
    dann = method(weight=0.6)
    one, source, target = step(0.2)
    torch.stack(list(dann(one).values())).sum().backward()
    w = weights_of(dann)
    strength = 0.6 * (2 / (1 + math.exp(-2)) - 1)
    for name, parameter in dann.named_parameters():
        by_loss = [
            differences(lambda v, f=f, n=name: f({**w, n: v}, source, target), w[name])
            for f in (source_loss, domain_loss)
        ]
        factor = -strength if name.startswith("network.backbone") else 1.0
        expected = by_loss[0] + factor * by_loss[1]
        np.testing.assert_allclose(parameter.grad, expected, rtol=1e-3, atol=1e-5, err_msg=name)
        assert np.abs(by_loss[1]).max() > 1e-3 or name.startswith("network.head")


@pytest.mark.parametrize(("progress", "share"), [(0.0, 0.0), (0.1, 0.4621172), (0.5, 0.9866143), (1.0, 0.9999092)])
def test_strength_rises(progress, share):
    """2 / (1 + e^(−10 p)) − 1 = tanh 5p: tanh ½ = 0.4621172."""
    assert method().strength(progress) == pytest.approx(0.1 * share, rel=1e-6)
    assert method(weight=1.0).strength(progress) == pytest.approx(share, rel=1e-6)


def test_at_first_the_features_learn_from_labels_alone():
    dann = method()
    one, *_ = step(0.0)
    dann(one)["domain"].backward()
    assert not dann.network.backbone.weight.grad.any()
    assert dann.domain[0].weight.grad.any()


def test_logged_accuracy_counts_both_domains_alike():
    """Of the source four of six told, of the target three of ten: (2 / 3 + 0.3) / 2; a score of 0 tells nothing."""
    dann = DANN(Network(Linear(1, 1), nn.Linear(1, K), (0.0,), (1.0,)))
    dann.domain = nn.Identity()
    with torch.no_grad():
        dann.network.backbone.weight.fill_(1.0)
        dann.network.backbone.bias.zero_()
    source = {"weak": np.array([[2.0], [0.5], [0]]), "strong": np.array([[0.5], [-2], [3]])}
    target = {"weak": np.array([[-0.5], [-1], [0.5], [1], [0]]), "strong": np.array([[-1.0], [0.5], [1], [1], [0]])}
    dann(batch(source=draw(LABELS, **source), target=draw(**target)))
    assert dann.logged["domain_accuracy"].item() == pytest.approx((2 / 3 + 0.3) / 2)


def test_both_domains_are_seen_alike():
    streams = method(ratio=2).streams
    assert {n: (s.role, s.ratio, s.views) for n, s in streams.items()} == {
        "source": ("source", 1.0, ("weak", "strong")),
        "target": ("unlabelled", 2, ("weak", "strong")),
    }


def test_maps_of_features_are_told_apart_place_by_place():
    """Of a 1x2 map the same as of twice as many items of one place each."""
    torch.manual_seed(0)
    body = nn.Conv2d(2, D, 1)
    body.num_features = D
    dense = DANN(Network(body, nn.Conv2d(D, K, 1), (0.0,) * 2, (1.0,) * 2), hidden=5)
    flat = method()
    flat.load_state_dict({k: v.flatten(1) if v.ndim == 4 else v for k, v in dense.state_dict().items()})
    rng = np.random.default_rng(0)
    maps = {
        n: {v: rng.normal(size=(m, 2, 1, 2)) for v in ("weak", "strong")} for n, m in (("source", 3), ("target", 4))
    }
    labels = rng.integers(0, K, (3, 1, 2))
    terms = dense(batch(0.5, source=draw(labels.tolist(), **maps["source"]), target=draw(**maps["target"])))
    rows = {n: {v: x.transpose(0, 2, 3, 1).reshape(-1, 2) for v, x in views.items()} for n, views in maps.items()}
    expected = flat(batch(0.5, source=draw(labels.ravel().tolist(), **rows["source"]), target=draw(**rows["target"])))
    for name, value in expected.items():
        assert terms[name].item() == pytest.approx(value.item(), rel=1e-5)

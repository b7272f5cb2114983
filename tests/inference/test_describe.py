"""Probabilities and features of many items in one pass."""

import numpy as np
import torch

from leaven.inference.predict import predict, predict_with_features
from leaven.nn.build import Spec, build
from leaven.run.trained.model import compose


def test_features_are_what_the_last_layer_sees():
    torch.manual_seed(0)
    network = build(Spec("cnn", (8, 8, 1), 3, (0.5,), (0.25,)))
    items = np.random.default_rng(0).integers(0, 256, (23, 8, 8, 1), dtype=np.uint8)
    probabilities, features = predict_with_features(network, items, batch_size=7)
    np.testing.assert_allclose(probabilities, predict(network, items, batch_size=23), atol=1e-6)
    weight, bias = (p.detach().numpy() for p in network.head.parameters())
    scores = np.exp(features @ weight.T + bias)
    np.testing.assert_allclose(probabilities, scores / scores.sum(1, keepdims=True), rtol=1e-4)
    none = predict_with_features(network, items[:0])
    assert [len(part) for part in none] == [0, 0]


def test_a_head_over_a_frozen_backbone_is_a_network_too():
    torch.manual_seed(0)
    spec = Spec("cnn", (8, 8, 1), 3, (0.5,), (0.25,), frozen=True)
    body = build(spec).backbone
    size = int(body.num_features)
    head = build(Spec("angular", (size,), 3, (0.0,) * size, (1.0,) * size))
    items = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), dtype=np.uint8)
    _, features = predict_with_features(compose(spec, head, body), items)
    length = np.linalg.norm(features, axis=1)
    np.testing.assert_allclose(length, length[0], rtol=1e-5)  # an angular head brings all to one length
    views = np.random.default_rng(0).normal(size=(9, 2, size)).astype(np.float32)
    np.testing.assert_array_equal(
        predict_with_features(head, views)[1], predict_with_features(head, views[:, 0].copy())[1]
    )

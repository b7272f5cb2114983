"""Heads: their scores by hand, what builds them, and names that there are not."""

import numpy as np
import pytest
import torch
from torch import nn

from leaven.errors import LeavenError
from leaven.nn.build import Spec, build
from leaven.nn.heads import (
    DroppedLinear,
    PrototypeHead,
    ScaledCosineHead,
    WeightNormCosineHead,
    cosine,
    cosine_scaled,
    cosine_weight_norm,
    find,
    head,
    linear,
    neighbours,
    projection,
    prototypes,
    registry,
    restarted,
)

OF_PLACES = [linear, cosine, cosine_scaled, cosine_weight_norm, prototypes]
RNG = np.random.default_rng(0)


def test_scaled_angles_by_hand():
    """cos of (3, 4) to (1, 0) and (0, −5) is 0.6 and −0.8; lengths do not count; the scale is learnt."""
    made = ScaledCosineHead(2, 2)
    with torch.no_grad():
        made.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, -5.0]]))
    scores = made(torch.tensor([[3.0, 4.0]]))
    torch.testing.assert_close(scores, torch.tensor([[6.0, -8.0]]))
    scores[0, 0].backward()
    assert made.scale.grad.item() == pytest.approx(0.6)


def test_angles_with_lengths_by_hand():
    """cos of (3, 4) to (1, 0) and (0, −5) is 0.6 and −0.8; times lengths of 1 and 3 and a scale of 2."""
    made = WeightNormCosineHead(2, 2)
    with torch.no_grad():
        made.direction.copy_(torch.tensor([[1.0, 0.0], [0.0, -5.0]]))
        made.length.copy_(torch.tensor([[1.0], [3.0]]))
    scores = made(torch.tensor([[3.0, 4.0]]))
    torch.testing.assert_close(scores, torch.tensor([[1.2, -4.8]]))
    scores[0, 1].backward()
    assert made.length.grad.flatten().tolist() == pytest.approx([0, -1.6])
    assert made.direction.grad[1].tolist() == pytest.approx([2 * 3 / 5 * 0.6, 0])  # across the direction alone


def test_angles_with_lengths_begin_as_plain_weights():
    """As weight normalisation does; of more than 200 classes the scale is larger."""
    torch.manual_seed(0)
    few, many = cosine_weight_norm(3, 200), cosine_weight_norm(3, 201)
    assert (few.scale, many.scale) == (2, 10)
    torch.testing.assert_close(few.length, few.direction.norm(dim=1, keepdim=True))
    x = torch.randn(4, 3)
    torch.testing.assert_close(few(x), 2 * (x / x.norm(dim=1, keepdim=True)) @ few.direction.T)


def test_distances_to_prototypes_by_hand():
    made = PrototypeHead(2, 2)
    with torch.no_grad():
        made.weight.copy_(torch.tensor([[0.0, 0.0], [4.0, 4.0]]))
    torch.testing.assert_close(made(torch.tensor([[1.0, 2.0]])), torch.tensor([[-5.0, -13.0]]))


@pytest.mark.parametrize(
    "kind", [linear, cosine, cosine_scaled, cosine_weight_norm, prototypes], ids=lambda kind: kind.name
)
def test_of_maps_every_place(kind):
    torch.manual_seed(0)
    made, x = kind(5, 3, dense=True), torch.randn(2, 5, 4, 6)
    scores = made(x)
    assert scores.shape == (2, 3, 4, 6)
    alone = kind(5, 3)
    alone.load_state_dict({name: w.view(w.shape[:2]) if w.ndim == 4 else w for name, w in made.state_dict().items()})
    expected = alone(x.permute(0, 2, 3, 1).reshape(-1, 5))
    torch.testing.assert_close(scores.permute(0, 2, 3, 1).reshape(-1, 3), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [projection, neighbours], ids=lambda kind: kind.name)
def test_what_scores_items_alone_says_so(kind):
    with pytest.raises(LeavenError, match=f"The head {kind.name} scores whole items, but pixels have classes"):
        build(Spec("deeplab", (16, 16, 1), 3, (0.4,), (0.7,), head=kind.name))


@pytest.mark.parametrize("kind", [cosine_scaled, prototypes], ids=lambda kind: kind.name)
def test_a_restart_is_a_start(kind):
    made = kind(8, 3)
    nn.init.zeros_(made.weight)
    again = restarted(made)
    assert again.weight.std() > 0.05
    assert not made.weight.any()


def test_dropout_is_of_the_head_that_has_it():
    assert isinstance(linear(4, 2, dropout=0.5), DroppedLinear)
    assert type(linear(4, 2)) is nn.Linear
    assert cosine.dropped is None


@pytest.mark.parametrize("name", [kind.name for kind in (*OF_PLACES, neighbours, projection)])
def test_a_network_has_the_head_that_its_spec_names(name):
    spec = Spec("mlp", (6,), 3, (0.0,) * 6, (1.0,) * 6, head=name)
    torch.manual_seed(0)
    network = build(Spec.from_dict(spec.asdict()))
    assert type(network.head) is type(find(name)(4, 3))
    assert network(torch.randn(4, 6)).shape == (4, 3)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cosin", "There is no head 'cosin'; did you mean 'cosine'"),
        ("softmax_of_all", "choose one of linear, projection, prototypes, cosine"),
        ("elsewhere:mine", "The head elsewhere:mine is not one of leaven's, and no file makes leaven import it"),
        ("../x", "head of the network is '../x', but the name of a head was expected"),
    ],
)
def test_an_unknown_head_is_a_sentence(name, words):
    with pytest.raises(LeavenError, match=words):
        build(Spec("mlp", (6,), 3, (0.0,) * 6, (1.0,) * 6, head=name))


def test_ones_own_is_named_after_its_module(monkeypatch):
    monkeypatch.setattr(registry, "_KNOWN", dict(registry._KNOWN))

    @head(maps=True)
    def mine(features, classes):
        return nn.Conv2d(features, classes, 1)

    assert mine.name.startswith(f"{__name__}:")
    assert find(mine.name) is mine
    assert mine(4, 2, dense=True)(torch.rand(1, 4, 3, 3)).shape == (1, 2, 3, 3)

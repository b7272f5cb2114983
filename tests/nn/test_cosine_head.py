"""The classifier by angle, the copy of a head that starts anew, and models that are saved with either head."""

import numpy as np
import pytest
import torch
from torch import nn

from leaven.nn.build import Spec, build
from leaven.nn.heads import CosineHead, linear, restarted
from leaven.run.trained.model import Model, load_model


def test_scores_by_hand():
    """f = (3, 4) has length 5: W = ((1, 0), (2, −1)) gives 0.6 and 0.4, over T = 0.05 12 and 8."""
    head = CosineHead(2, 2)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 0.0], [2.0, -1.0]]))
    torch.testing.assert_close(head(torch.tensor([[3.0, 4.0]])), torch.tensor([[12.0, 8.0]]))
    head.temperature = 1.0
    torch.testing.assert_close(head(torch.tensor([[30.0, 40.0]])), torch.tensor([[0.6, 0.4]]))


def test_of_maps_every_place():
    torch.manual_seed(0)
    head, x = CosineHead(5, 3), torch.randn(2, 5, 4, 6)
    scores = head(x)
    assert scores.shape == (2, 3, 4, 6)
    torch.testing.assert_close(scores.permute(0, 2, 3, 1).reshape(-1, 3), head(x.permute(0, 2, 3, 1).reshape(-1, 5)))


def test_computes_in_full_precision():
    head, x = CosineHead(64, 10), torch.randn(8, 64)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(head(x), head(x.float()))
        assert head(x.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize(
    "head", [nn.Linear(8, 3), CosineHead(8, 3), nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 3))]
)
def test_restarted_has_the_form_and_other_weights(head):
    before = [p.detach().clone() for p in head.parameters()]
    other = restarted(head)
    for mine, theirs, was in zip(head.parameters(), other.parameters(), before, strict=True):
        assert torch.equal(mine, was)
        assert mine.shape == theirs.shape
        assert not torch.equal(mine, theirs)
    assert other(torch.randn(5, 8)).shape == (5, 3)


@pytest.mark.parametrize(("classes", "dense"), [(10, False), (10, True)])
def test_restarted_draws_from_the_same_distribution(classes, dense):
    torch.manual_seed(0)
    head = linear(200, classes, dense=dense)
    other = restarted(head)
    assert other.weight.std().item() == pytest.approx(head.weight.std().item(), rel=0.1)
    assert other.bias.tolist() == [0] * classes


@pytest.mark.parametrize("head", ["linear", "cosine"])
@pytest.mark.parametrize(("name", "shape"), [("cnn", (8, 8, 1)), ("mlp", (6,))])
def test_saved_model_has_its_head_again(head, name, shape, tmp_path):
    channels = shape[-1]
    torch.manual_seed(0)
    spec = Spec(name, shape, 3, (0.4,) * channels, (0.7,) * channels, head=head)
    network = build(spec)
    assert isinstance(network.head, CosineHead) == (head == "cosine")
    Model(network, spec, "abc").save(tmp_path / "model.safetensors")
    found = load_model(tmp_path / "model.safetensors")
    assert found.spec == spec
    rng = np.random.default_rng(0)
    items = rng.integers(0, 256, (7, *shape)).astype(np.uint8) if len(shape) == 3 else rng.normal(size=(7, *shape))
    items = items if len(shape) == 3 else items.astype(np.float32)
    expected = Model(network, spec, "abc").predict_proba(items)
    np.testing.assert_array_equal(found.predict_proba(items), expected)
    assert np.ptp(expected, axis=0).max() > 1e-3


def test_model_saved_before_heads_had_names_is_linear():
    values = Spec("mlp", (6,), 3, (0.0,) * 6, (1.0,) * 6).asdict()
    del values["head"]
    assert Spec.from_dict(values).head == "linear"

"""Leaven's batch norm in place of timm's: the same network, which now knows of groups, domains and processes."""

import pytest
import torch
from torch import nn

from leaven.nn.build import Spec, build
from leaven.nn.norm import BatchNorm, with_our_norms
from leaven.nn.normalising import has_no_statistics, normalised_apart, set_policy

timm = pytest.importorskip("timm")


@pytest.mark.parametrize("name", ["resnet10t", "tf_efficientnet_lite0"])
def test_the_network_is_what_it_was(name):
    torch.manual_seed(0)
    theirs = timm.create_model(name, num_classes=0)
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    ours = timm.create_model(name, num_classes=0)
    ours.load_state_dict(theirs.state_dict())
    ours = with_our_norms(ours)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in ours.modules())
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    x = torch.randn(4, 3, 64, 64)
    for mode in (False, True):
        a, b = ours.train(mode)(x), theirs.train(mode)(x)
        torch.testing.assert_close(a, b)
    a.square().sum().backward()
    b.square().sum().backward()
    for (key, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, msg=key)
    for key, value in ours.state_dict().items():
        if "running" in key:
            torch.testing.assert_close(value, theirs.state_dict()[key], msg=key)


def test_groups_and_policies_reach_a_timm_network():
    network = build(Spec("resnet10t", (32, 32, 3), 2, (0.5,) * 3, (0.2,) * 3))
    x = torch.rand(8, 3, 32, 32)
    together = network.features(x)
    with normalised_apart(network, [torch.arange(4), torch.arange(4, 8)]):
        apart = network.features(x)
        assert torch.allclose(apart[:4], network.features(torch.cat([x[:4], 1 - x[4:]]))[:4], atol=1e-5)
    assert not torch.allclose(together, apart, atol=1e-3)
    set_policy(network, "per_domain")
    assert all(m.policy == "per_domain" for m in network.modules() if isinstance(m, BatchNorm))


def test_frozen_ones_stay_timms_for_they_are_folded_away():
    network = build(Spec("resnet10t", (32, 32, 3), 2, (0.5,) * 3, (0.2,) * 3, frozen=True))
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def test_statistics_that_never_moved():
    network = build(Spec("cnn", (8, 8, 1), 2, (0.5,), (0.2,)))
    assert has_no_statistics(network)
    network.train()(torch.rand(4, 1, 8, 8))
    assert not has_no_statistics(network)
    assert not has_no_statistics(build(Spec("linear", (4,), 2, (0.5,) * 4, (0.2,) * 4)))

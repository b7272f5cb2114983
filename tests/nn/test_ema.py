import numpy as np
import pytest
import torch
from torch import nn

from leaven.nn.ema import EMA
from leaven.nn.norm import BatchNorm


def test_average_by_hand():
    """Decay 0.9, but (1 + t) / (10 + t) at first: 0.1, 2/11, 3/12.

    From 0, towards 1: 0.9; towards 3: 2/11 · 0.9 + 9/11 · 3 = 2.61818…; towards 0: a quarter of that.
    """
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    ema = EMA(network, 0.9)
    found = []
    for step, value in enumerate((1.0, 3.0, 0.0)):
        nn.init.constant_(network.weight, value)
        ema.update(network, step)
        found.append(ema.network.weight.item())
    assert found == pytest.approx([0.9, 2.6181818, 0.65454545], rel=1e-5)


@pytest.mark.parametrize(
    ("decay", "step", "expected"),
    [
        (0.999, 0, 0.1),
        (0.999, 90, 0.91),
        (0.999, 8980, 8981 / 8990),
        (0.999, 8991, 0.999),
        (0.5, 7, 8 / 17),
        (0.5, 8, 0.5),
    ],
)
def test_decay_warms_up(decay, step, expected):
    assert EMA(nn.Linear(1, 1), decay).decay_at(step) == pytest.approx(expected)


def test_buffers_are_averaged_and_counters_copied():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), BatchNorm(3)).to(memory_format=torch.channels_last)
    ema = EMA(network, 0.7)
    start = {k: v.clone().numpy() for k, v in network.state_dict().items()}
    expected = dict(start)
    for step in range(40, 43):
        network(torch.randn(4, 1, 5, 5))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
        ema.update(network, step)
        for name, value in network.state_dict().items():
            floating = value.is_floating_point()
            expected[name] = 0.7 * expected[name] + 0.3 * value.numpy() if floating else value.numpy().copy()
    for name, value in ema.network.state_dict().items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)
        assert not np.array_equal(value, start[name]) or name == "2.num_batches_tracked", name
    assert ema.network[1].num_batches_tracked == 3


def test_average_is_apart_from_the_network():
    network = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    ema = EMA(network, 0.9)
    assert not ema.network.training
    assert network.training
    assert not any(p.requires_grad for p in ema.network.parameters())
    assert all(p.requires_grad for p in network.parameters())
    before = ema.network[0].weight.clone()
    nn.init.ones_(network[0].weight)
    assert torch.equal(ema.network[0].weight, before)

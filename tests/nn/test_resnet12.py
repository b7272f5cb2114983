"""ResNet-12: DropBlock by hand, and the network beside plain functions."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from leaven.errors import LeavenError
from leaven.nn.backbones.resnet12 import WIDTHS, DropBlock, ResNet12
from leaven.nn.build import Spec, build


def test_squares_are_of_their_upper_left_places():
    begins = torch.zeros(1, 2, 3, 3)
    begins[0, 0, 1, 0] = begins[0, 1, 0, 0] = begins[0, 1, 0, 1] = 1
    expected = np.ones((1, 2, 4, 4))
    expected[0, 0, 1:3, 0:2] = 0
    expected[0, 1, 0:2, 0:3] = 0  # two that overlap
    np.testing.assert_array_equal(DropBlock.kept(begins, 2), expected)


@pytest.mark.parametrize(
    ("shape", "side", "passes", "expected"),
    [
        ((4, 5), 2, 10_000, 0.025 / 4 * 20 / 12),  # a quarter of the rise; 3 · 4 places where a square fits
        ((5, 5), 5, 40_000, 0.1),  # one place fits: the whole map
        ((1, 1), 5, 90_000, 0.1),  # a map that is smaller than a square
    ],
)
def test_gamma_by_hand(shape, side, passes, expected):
    made = DropBlock(side)
    made.passes.fill_(passes)
    assert float(made.gamma(torch.zeros(1, 1, *shape))) == pytest.approx(expected)


def test_what_is_left_is_scaled_up():
    torch.manual_seed(0)
    made, x = DropBlock(2, rate=0.3, rise=1), torch.ones(8, 16, 6, 6)
    y = made(x)
    dropped = (y == 0).double().mean()
    assert 0.2 < dropped < 0.3  # of overlapping squares a little less than 0.3
    assert y.mean().item() == pytest.approx(1)
    torch.testing.assert_close(y.unique(), torch.tensor([0, 1 / (1 - dropped)]).float())
    assert made.passes == 1
    assert torch.equal(made.eval()(x), x)
    assert made.passes == 1


def test_the_network_is_three_convolutions_a_block_beside_one():
    torch.manual_seed(0)
    network = ResNet12((20, 24), 1).eval()
    x = out = torch.randn(2, 1, 20, 24)
    for part in network.layers:
        block, y = part[0], out
        for number in range(3):
            convolution, norm = block.layers[2 * number : 2 * number + 2]
            y = F.conv2d(y, convolution.weight, padding=1) / (1 + norm.eps) ** 0.5  # as norms begin
            y = torch.where(y > 0, y, 0.1 * y) if number < 2 else y
        beside = F.conv2d(out, block.shortcut[0].weight) / (1 + 1e-5) ** 0.5
        out = F.max_pool2d(F.leaky_relu(y + beside, 0.1), 2)
    assert out.shape == (2, 640, 1, 1)
    torch.testing.assert_close(network(x), out.mean((2, 3)), rtol=1e-3, atol=1e-4)
    widths = zip((1, *WIDTHS), WIDTHS, strict=False)
    weights = sum(9 * (a * b + 2 * b * b) + a * b + 4 * 2 * b for a, b in widths)
    assert sum(p.numel() for p in network.parameters()) == weights


@pytest.mark.parametrize(("size", "side"), [(32, 2), (84, 5)])
def test_squares_follow_the_size(size, side):
    network = build(Spec("resnet12", (size, size, 3), 4, (0.5,) * 3, (0.25,) * 3))
    assert [m.side for m in network.modules() if isinstance(m, DropBlock)] == [side] * 2
    assert network.num_features == 640
    assert network.layer_names == ("block1", "block2", "block3", "block4")


def test_images_that_are_too_small():
    with pytest.raises(LeavenError, match=r"resnet12 halves images 4 times.*28x12; choose cnn"):
        build(Spec("resnet12", (28, 12, 1), 4, (0.5,), (0.25,)))

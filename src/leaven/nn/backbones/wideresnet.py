"""Wide ResNet (Zagoruyko & Komodakis 2016) in the form that the semi-supervised papers use."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from leaven.nn.backbones.stack import Stack
from leaven.nn.norm import BatchNorm

SLOPE = 0.1  # leaky ReLU of Oliver et al. 2018, kept by MixMatch, FixMatch and AdaMatch


class Block(nn.Module):
    """Pre-activation residual block: BN, ReLU, conv 3x3, BN, ReLU, conv 3x3."""

    def __init__(self, inputs: int, outputs: int, stride: int, activate_shortcut: bool, dilation: int = 1):
        super().__init__()
        self.norm1 = BatchNorm(inputs, slope=SLOPE)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False)
        self.norm2 = BatchNorm(outputs, slope=SLOPE)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, dilation, dilation, bias=False)
        self.shortcut = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.activate_shortcut = activate_shortcut

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` → ``(N, outputs, H, W)``, sides divided by the stride and rounded up."""
        y = self.norm1(x)
        if self.activate_shortcut:
            x = y
        y = self.conv2(self.norm2(self.conv1(y)))
        return y + (x if self.shortcut is None else self.shortcut(x))


class WideResNet(Stack):
    """WRN-``depth``-``width`` up to the global average: ``(N, C, H, W)`` → ``(N, 64 * width)``.

    Layers ``stage1``, ``stage2``, ``stage3`` end with the blocks of one width; the last norm belongs to the third.

    Parameters
    ----------
    depth : int, optional
        ``6 n + 4`` layers.
    width : int, optional
        Widening factor; FixMatch uses WRN-28-2 (CIFAR-10, SVHN) and WRN-28-8 (CIFAR-100).
    channels : int, optional
        Input channels.

    Raises
    ------
    ValueError
        ``depth`` is not of the form ``6 n + 4``.
    """

    def __init__(self, depth: int = 28, width: int = 2, channels: int = 3):
        super().__init__()
        if (depth - 4) % 6:
            raise ValueError(f"A Wide ResNet has 6 n + 4 layers, not {depth}.")
        blocks = (depth - 4) // 6
        sizes = [16, 16 * width, 32 * width, 64 * width]
        layers: list[nn.Module] = [nn.Conv2d(channels, sizes[0], 3, 1, 1, bias=False)]
        for stage in range(3):
            for i in range(blocks):
                layers.append(
                    Block(
                        sizes[stage] if i == 0 else sizes[stage + 1],
                        sizes[stage + 1],
                        stride=2 if stage and i == 0 else 1,
                        activate_shortcut=stage == 0 and i == 0,
                    )
                )
        self.layers = nn.Sequential(*layers, BatchNorm(sizes[3], slope=SLOPE))
        self.ends = {"stage1": 1 + blocks, "stage2": 1 + 2 * blocks, "stage3": len(self.layers)}
        self.num_features = sizes[3]
        start_convolutions(self)

    def feature_map(self, x: Tensor) -> Tensor:
        """Features of a quarter of the places a side, ``(N, 64 * width, h, w)``."""
        return self.layers(x)

    def forward(self, x: Tensor) -> Tensor:
        """Feature vectors ``(N, 64 * width)``."""
        return F.adaptive_avg_pool2d(self.feature_map(x), 1).flatten(1)


def start_convolutions(module: nn.Module) -> None:
    """Draw the weights of every convolution from a normal distribution of variance 2 / (k² · outputs)."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            fan = part.kernel_size[0] * part.kernel_size[1] * part.out_channels
            nn.init.normal_(part.weight, std=(2.0 / fan) ** 0.5)

"""ResNet-12 with DropBlock, the network of later few-shot papers (Lee et al. 2019; Tian et al. 2020)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.errors import LeavenError
from leaven.nn.backbones.stack import Stack
from leaven.nn.backbones.wideresnet import start_convolutions
from leaven.nn.norm import BatchNorm

WIDTHS = (64, 160, 320, 640)
SLOPE = 0.1
RATE = 0.1  # of what is dropped after each block: single numbers after the first two, squares after the others
RISE = 40_000  # passes over which the share of dropped squares rises from 0
SMALL, SIDE, SMALL_SIDE = 32, 5, 2  # squares are smaller on images of up to so many pixels


class DropBlock(nn.Module):
    """Sets squares of every channel to 0 in training (Ghiasi et al. 2018, algorithm 1): ``(N, C, H, W)`` stays so.

    Neighbouring places of a map tell the same, so that single ones would not be missed. The share rises from 0, pass by
    pass; what is left is scaled up by the share of places that were dropped.

    Parameters
    ----------
    side : int
        Of a square, in places; on a map that is smaller, all of it.
    rate : float, optional
        Share of the places to drop, in the end.
    rise : int, optional
        Passes in training until then.
    """

    passes: Tensor

    def __init__(self, side: int, rate: float = RATE, rise: int = RISE):
        super().__init__()
        self.side, self.rate, self.rise = side, rate, rise
        self.register_buffer("passes", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor:
        """The maps, in evaluation as they are."""
        if not self.training:
            return x
        self.passes += 1
        side = min(self.side, *x.shape[2:])
        kept = self.kept(torch.rand_like(x[:, :, side - 1 :, side - 1 :], dtype=torch.float32) < self.gamma(x), side)
        return x * (kept * (kept.numel() / kept.sum().clamp(min=1))).to(x.dtype)

    def gamma(self, x: Tensor) -> Tensor:
        """γ, the probability that a square begins at a place where one fits (eq. 1): rate / side² · all / fitting."""
        height, width = x.shape[2:]
        side = min(self.side, height, width)
        rate = self.rate * (self.passes / self.rise).clamp(max=1)
        return rate / side**2 * (height * width) / ((height - side + 1) * (width - side + 1))

    @staticmethod
    def kept(begins: Tensor, side: int) -> Tensor:
        """1 where no square is, else 0, ``(N, C, H, W)``, of squares by their upper left places, where they fit."""
        return 1 - F.max_pool2d(F.pad(begins.float(), [side - 1] * 4), side, 1)


class Block(nn.Module):
    """Three 3x3 convolutions with norms beside a 1x1 one, then 2x2 max pool and leaky ReLU.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        layers: list[nn.Module] = []
        for number, channels in enumerate((inputs, outputs, outputs)):
            layers.append(nn.Conv2d(channels, outputs, 3, padding=1, bias=False))
            layers.append(BatchNorm(outputs, slope=SLOPE if number < 2 else 1.0))
        self.layers = nn.Sequential(*layers)
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), BatchNorm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` → ``(N, outputs, H / 2, W / 2)``, rounded down.

        The authors rectify first and pool then, which is the same and dearer.
        """
        return F.leaky_relu(F.max_pool2d(self.layers(x) + self.shortcut(x), 2), SLOPE)


class ResNet12(Stack):
    """Four residual blocks of 64, 160, 320 and 640 channels and the mean over places: ``(N, C, H, W)`` → ``(N, 640)``.

    As Tian et al. (2020) have it in their code: dropout after the first two blocks, `DropBlock` after the others.
    Layers are ``block1`` to ``block4``.

    Parameters
    ----------
    size : (int, int)
        Height and width of the images in pixels; up to 32, squares of 2 places are dropped, else of 5.
    channels : int, optional
        Input channels.

    Raises
    ------
    LeavenError
        The images are under 16 pixels, so that pools leave nothing of them.
    """

    def __init__(self, size: tuple[int, int], channels: int = 3):
        super().__init__()
        if min(size) < 2 ** len(WIDTHS):
            raise LeavenError(
                f"The network resnet12 halves images {len(WIDTHS)} times, so they need {2 ** len(WIDTHS)} pixels a "
                f"side, but these are {size[0]}x{size[1]}; choose cnn."
            )
        side = SMALL_SIDE if min(size) <= SMALL else SIDE
        blocks = []
        for number, (inputs, outputs) in enumerate(zip((channels, *WIDTHS), WIDTHS, strict=False)):
            blocks.append(nn.Sequential(Block(inputs, outputs), nn.Dropout(RATE) if number < 2 else DropBlock(side)))
        self.layers = nn.Sequential(*blocks)
        self.ends = {f"block{number}": number for number in range(1, len(WIDTHS) + 1)}
        self.num_features = WIDTHS[-1]
        start_convolutions(self)

    def feature_map(self, x: Tensor) -> Tensor:
        """What is left of the image, ``(N, 640, h, w)``."""
        return self.layers(x)

    def forward(self, x: Tensor) -> Tensor:
        """Feature vectors ``(N, 640)``."""
        return self.feature_map(x).mean((2, 3))

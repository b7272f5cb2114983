"""A small convolutional network for images of 8 to 32 pixels, made for laptops."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from leaven.nn.backbones.stack import Stack
from leaven.nn.norm import BatchNorm


class SmallCNN(Stack):
    """Convolution, batch norm, leaky ReLU; a 2x2 max pool between stages down to 4 pixels; global average.

    ``(N, C, H, W)`` → ``(N, 2 * width)`` in two stages, ``(N, 4 * width)`` in more. The number of stages follows
    from the size of the images, so that the last one sees about 4x4 positions: 8 px two stages, 28 and 32 px four.
    Layers ``stage1``, ``stage2``, ... end with a stage.

    Parameters
    ----------
    size : (int, int)
        Height and width of the images in pixels.
    channels : int, optional
        Input channels.
    width : int, optional
        Channels of the first stage.
    """

    def __init__(self, size: tuple[int, int], channels: int = 1, width: int = 32):
        super().__init__()
        stages = max(2, 1 + math.ceil(math.log2(max(min(size), 8) / 4)))
        layers: list[nn.Module] = []
        self.ends = {}
        inputs = channels
        for stage in range(stages):
            outputs = width * min(2**stage, 4)
            if stage:
                layers.append(nn.MaxPool2d(2))
            for i in range(2 if stage else 1):
                layers.append(nn.Conv2d(inputs if i == 0 else outputs, outputs, 3, padding=1, bias=False))
                layers.append(BatchNorm(outputs, slope=0.1))
            inputs = outputs
            self.ends[f"stage{stage + 1}"] = len(layers)
        self.layers = nn.Sequential(*layers)
        self.num_features = inputs

    def feature_map(self, x: Tensor) -> Tensor:
        """Features of about 4x4 places, ``(N, num_features, h, w)``."""
        return self.layers(x)

    def forward(self, x: Tensor) -> Tensor:
        """Feature vectors ``(N, num_features)``."""
        return F.adaptive_avg_pool2d(self.feature_map(x), 1).flatten(1)

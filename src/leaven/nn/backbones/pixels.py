"""No backbone: the pixels are the features."""

from __future__ import annotations

import math

from torch import nn


class Pixels(nn.Flatten):
    """``(N, C, H, W)`` → ``(N, C·H·W)``."""

    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        self.num_features = math.prod(shape)

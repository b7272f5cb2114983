"""Networks for feature vectors: a multi-layer perceptron, and vectors of one length."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from leaven.nn.backbones.stack import Stack
from leaven.nn.norm import BatchNorm


class MLP(Stack):
    """``(N, D)`` → ``(N, hidden)``: linear, batch norm, leaky ReLU, ``layers`` times; none at all for 0 layers.

    They are ``layer1``, ``layer2``, ....
    """

    def __init__(self, inputs: int, hidden: int = 128, layers: int = 2):
        super().__init__()
        stack: list[nn.Module] = []
        for i in range(layers):
            stack += [nn.Linear(inputs if i == 0 else hidden, hidden, bias=False), BatchNorm(hidden, slope=0.1)]
        self.layers = nn.Sequential(*stack)
        self.ends = {f"layer{i + 1}": 2 * (i + 1) for i in range(layers)}
        self.num_features = hidden if layers else inputs

    def forward(self, x: Tensor) -> Tensor:
        """Feature vectors ``(N, num_features)``."""
        return self.layers(x)


class OneLength(nn.Module):
    """``(N, D)`` → ``(N, D)``, every vector scaled to length ``length``.

    A linear layer on it is a classifier by angle whose scores stay within ± ``length`` times the norm of a weight:
    what suits the features of a pretrained encoder, whose lengths say more of the picture than of its class.
    """

    def __init__(self, features: int, length: float = 16.0):
        super().__init__()
        self.num_features = features
        self.length = length

    def forward(self, x: Tensor) -> Tensor:
        """The scaled vectors."""
        return F.normalize(x.float(), dim=1) * self.length

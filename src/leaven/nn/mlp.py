"""A multi-layer perceptron for feature vectors."""

from __future__ import annotations

from torch import Tensor, nn

from leaven.nn.norm import BatchNorm


class MLP(nn.Module):
    """``(N, D)`` → ``(N, hidden)``: linear, batch norm, leaky ReLU, ``layers`` times; none at all for 0 layers."""

    def __init__(self, inputs: int, hidden: int = 128, layers: int = 2):
        super().__init__()
        stack: list[nn.Module] = []
        for i in range(layers):
            stack += [nn.Linear(inputs if i == 0 else hidden, hidden, bias=False), BatchNorm(hidden, slope=0.1)]
        self.layers = nn.Sequential(*stack)
        self.num_features = hidden if layers else inputs

    def forward(self, x: Tensor) -> Tensor:
        """Feature vectors ``(N, num_features)``."""
        return self.layers(x)

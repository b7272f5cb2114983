"""Linear heads, of whole items and of every pixel, and what has a hidden layer."""

from __future__ import annotations

import copy

import torch.nn.functional as F
from torch import Tensor, nn

from leaven.nn.heads.registry import head


class DroppedLinear(nn.Linear):
    """A linear head whose input is thinned out in training (Srivastava et al. 2014); its weights are a linear head's.

    Parameters
    ----------
    features : int
        Number of features D.
    classes : int
        Number of classes K.
    rate : float
        Share of the features that each step sets to 0.
    """

    def __init__(self, features: int, classes: int, rate: float):
        super().__init__(features, classes)
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """The scores ``(N, K)`` of ``(N, D)``."""
        return super().forward(F.dropout(x, self.rate, self.training))


def start_linear(layer: nn.Linear | nn.Conv2d) -> None:
    """Small weights (Glorot & Bengio 2010) and zero bias."""
    nn.init.xavier_normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def restarted(head: nn.Module) -> nn.Module:
    """A head of the same form whose random weights are drawn anew, from the same distribution."""
    other = copy.deepcopy(head)
    for module in other.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            start_linear(module)
        elif restart := getattr(module, "reset_parameters", None):
            restart()
    return other


def _of_maps(features: int, classes: int) -> nn.Module:
    layer = nn.Conv2d(features, classes, 1)
    start_linear(layer)
    return layer


def _dropped(features: int, classes: int, rate: float) -> nn.Module:
    layer = DroppedLinear(features, classes, rate)
    start_linear(layer)
    return layer


@head(maps=_of_maps, dropped=_dropped)
def linear(features: int, classes: int) -> nn.Module:
    """A linear layer, of maps one of each place; small weights (Glorot & Bengio 2010) and zero bias."""
    layer = nn.Linear(features, classes)
    start_linear(layer)
    return layer


@head()
def projection(features: int, classes: int) -> nn.Module:
    """A linear layer after a hidden one as wide as the features (MoCo v2, Chen et al. 2020; SimCLR, section 4.2)."""
    return nn.Sequential(nn.Linear(features, features), nn.ReLU(inplace=True), nn.Linear(features, classes))

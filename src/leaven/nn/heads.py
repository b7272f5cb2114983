"""Heads without weights of their own: distances to the means of classes."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def wide(x: Tensor) -> Tensor:
    """``x`` in float32, or in float64 where it is: distances and losses are not for half precision."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def class_means(features: Tensor, labels: Tensor, ways: int) -> Tensor:
    """The mean feature of each class, ``(..., ways, D)``, of ``(..., S, D)`` features with int64 labels ``(S,)``.

    Shots may differ from class to class; a class without any has no mean, and NaN stands for it.
    """
    features = wide(features)
    member = F.one_hot(labels, ways).to(features.dtype)
    with torch.autocast(features.device.type, enabled=False):
        return (member / member.sum(0)).T @ features


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared Euclidean distances ``(..., N, M)`` of ``(..., N, D)`` to ``(..., M, D)``.

    By ‖x‖² − 2·x·y + ‖y‖², about the centre of ``y``: as exact as from differences, of which there are N·M·D.
    """
    with torch.autocast(x.device.type, enabled=False):
        x, y = wide(x), wide(y)
        centre = y.mean(-2, keepdim=True)
        x, y = x - centre, y - centre
        return x.square().sum(-1, keepdim=True) - 2 * x @ y.mT + y.square().sum(-1).unsqueeze(-2)


def nearest_mean(support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
    """Scores ``(Q, ways)``: minus the squared distance of each query to each class's mean (Snell et al. 2017, eq. 2).

    ``support`` ``(S, D)``, ``labels`` int64 ``(S,)`` in 0 .. ways - 1, ``query`` ``(Q, D)``.
    """
    return -squared_distances(query, class_means(support, labels, int(labels.max()) + 1))


def set_to_means(head: nn.Linear, means: Tensor, temperature: float | None = None) -> None:
    """Give a linear layer the weights by which its scores are minus the squared distances to class means ``(K, D)``.

    −‖f − c_k‖² = 2·f·c_k − ‖c_k‖² − ‖f‖², and what all classes have in common changes no probability (Snell et al.
    2017, section 2.4). ``temperature``, in mean squared distances between two of the means, divides the scores.
    """
    means = means.double()
    centre = means.mean(0)
    apart = means - centre
    scale = 1.0
    if temperature is not None:
        between = 2 * apart.square().sum() / max(1, len(means) - 1)  # mean over the pairs
        scale = temperature * float(between) or 1.0  # all means alike: every class is as near
    with torch.no_grad():
        head.weight.copy_(2 * apart / scale)
        head.bias.copy_(-(2 * apart @ centre + apart.square().sum(1)) / scale)


class CosineHead(nn.Module):
    """Scores ``W f / (‖f‖ T)`` by the angle of features to a weight vector a class (Saito et al. 2019, section 3.1).

    ``(N, D)`` → ``(N, K)``, or ``(N, D, h, w)`` → ``(N, K, h, w)``. As in the paper, weights keep their lengths.

    Parameters
    ----------
    features, classes : D and K
    temperature : T
    """

    def __init__(self, features: int, classes: int, temperature: float = 0.05):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, features))
        self.temperature = temperature
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Glorot & Bengio 2010)."""
        nn.init.xavier_normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """The scores."""
        with torch.autocast(x.device.type, enabled=False):
            return F.linear(F.normalize(wide(x), dim=1).movedim(1, -1), self.weight / self.temperature).movedim(-1, 1)


class DroppedLinear(nn.Linear):
    """A linear head whose input is thinned out in training (Srivastava et al. 2014); its weights are a linear head's.

    Parameters
    ----------
    features, classes : D and K
    rate : share of the features that each step sets to 0
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

"""Distances to a point a class: the means of classes, or prototypes that are learnt."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.nn.heads.registry import head


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
        scale = temperature * spread_of_means(means) or 1.0  # all means alike: every class is as near
    with torch.no_grad():
        head.weight.copy_(2 * apart / scale)
        head.bias.copy_(-(2 * apart @ centre + apart.square().sum(1)) / scale)


def spread_of_means(means: Tensor) -> float:
    """The mean squared distance between two of the means ``(K, D)``, over the pairs."""
    apart = means.double() - means.double().mean(0)
    return float(2 * apart.square().sum() / max(1, len(means) - 1))


class PrototypeHead(nn.Module):
    """Scores −‖f − c_k‖² of the distance of features to a prototype a class (Snell et al. 2017, eq. 2).

    ``(N, D)`` → ``(N, K)``, or ``(N, D, h, w)`` → ``(N, K, h, w)``. The prototypes are weights, learnt as others are
    (Yang et al. 2018, arXiv 1805.03438).

    Parameters
    ----------
    features : int
        Number of features D.
    classes : int
        Number of classes K.
    """

    def __init__(self, features: int, classes: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, features))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the prototypes anew (Glorot & Bengio 2010)."""
        nn.init.xavier_normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """The scores."""
        return -squared_distances(x.movedim(1, -1), self.weight).movedim(-1, 1)


@head(maps=True)
def prototypes(features: int, classes: int) -> nn.Module:
    """By the distance to a prototype a class."""
    return PrototypeHead(features, classes)

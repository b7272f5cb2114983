"""Scores of vectors of length one: by the distance to a point a class, and by what is thought of the nearest items."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.nn.heads.distances import squared_distances, wide
from leaven.nn.heads.nearest import Remembering
from leaven.nn.heads.registry import head

SAME = 1e-6  # squared distance of vectors of length one that are the same, but for rounding


class UnitHead(nn.Module):
    """Scores −s·‖z − w_k‖² of z = (f − c)/‖f − c‖, for features ``(N, D)``: ``(N, K)``.

    Of points w_k of length one it is the order of the cosines.

    Parameters
    ----------
    features : int
        Number of features D.
    classes : int
        Number of classes K.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, features: int, classes: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, features))
        self.register_buffer("centre", torch.zeros(features))
        self.register_buffer("scale", torch.ones(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the points anew (Glorot & Bengio 2010)."""
        nn.init.xavier_normal_(self.weight)

    def place(self, points: Tensor, scale: float, centre: Tensor | None = None) -> None:
        """Set the points w ``(K, D)``, the scale s and the centre c ``(D,)``, by default the origin."""
        with torch.no_grad():
            self.weight.copy_(points)
            self.scale.fill_(scale)
            self.centre.copy_(torch.zeros_like(self.centre) if centre is None else centre)

    def unit(self, x: Tensor) -> Tensor:
        """z, the features as they are scored."""
        return F.normalize(wide(x) - self.centre, dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """The scores."""
        return -self.scale * squared_distances(self.unit(x), self.weight)


class SmoothedHead(Remembering):
    """Scores of a `UnitHead` plus λ times the sum, over the k nearest remembered items, of the shares of their classes.

    An item that is remembered itself is not asked (Ziko et al. 2020, eq. 7, whose W has no loops).

    Parameters
    ----------
    features : int
        Number of features D.
    classes : int
        Number of classes K.
    """

    weight: Tensor

    def __init__(self, features: int, classes: int):
        super().__init__(features, classes)
        self.means = UnitHead(features, classes)
        self.register_buffer("weight", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """The scores."""
        scores, k = self.means(x), int(self.k)
        if not k:
            return scores
        far = squared_distances(self.means.unit(x), self.items)
        far, nearest = far.topk(min(k + 1, len(self.items)), largest=False)
        itself = (far[:, :1] < SAME).long()  # then the nearest is left out, else the last
        order = torch.arange(k).to(x.device) + itself
        there = order < far.shape[1]
        nearest = nearest.gather(1, order.clamp(max=far.shape[1] - 1))
        return scores + self.weight * (self.told[nearest] * there.unsqueeze(2)).sum(1)


@head()
def unit_points(features: int, classes: int) -> nn.Module:
    """By the distance of features of length one to a point a class."""
    return UnitHead(features, classes)


@head()
def smoothed(features: int, classes: int) -> nn.Module:
    """The same, smoothed by what is thought of the nearest items of a pool."""
    return SmoothedHead(features, classes)

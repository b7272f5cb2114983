"""Scores by the angle between features and a weight vector a class."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.nn.heads.distances import wide
from leaven.nn.heads.registry import head

MANY, FEW_SCALE, MANY_SCALE = 200, 2.0, 10.0  # of scores by a few classes, and by more than so many


class CosineHead(nn.Module):
    """Scores ``W f / (‖f‖ T)`` by the angle of features to a weight vector a class (Saito et al. 2019, section 3.1).

    ``(N, D)`` → ``(N, K)``, or ``(N, D, h, w)`` → ``(N, K, h, w)``. As in the paper, weights keep their lengths.

    Parameters
    ----------
    features : int
        Number of features D.
    classes : int
        Number of classes K.
    temperature : float, optional
        The temperature T.
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


class ScaledCosineHead(nn.Module):
    """Scores τ · cos(f, w_k), τ being learnt (Gidaris & Komodakis 2018, arXiv 1804.09458, section 3.2).

    ``(N, D)`` → ``(N, K)``, or ``(N, D, h, w)`` → ``(N, K, h, w)``. The lengths of weights do not count.

    Parameters
    ----------
    features : int
        Number of features D.
    classes : int
        Number of classes K.
    scale : float, optional
        The scale τ in the beginning; 10 is that of the authors' code.
    """

    def __init__(self, features: int, classes: int, scale: float = 10.0):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, features))
        self.scale = nn.Parameter(torch.empty(()))
        self.start = scale
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Glorot & Bengio 2010), and begin with the scale."""
        nn.init.xavier_normal_(self.weight)
        nn.init.constant_(self.scale, self.start)

    def forward(self, x: Tensor) -> Tensor:
        """The scores."""
        with torch.autocast(x.device.type, enabled=False):
            direction = F.normalize(wide(x), dim=1).movedim(1, -1)
            return self.scale * F.linear(direction, F.normalize(self.weight, dim=1)).movedim(-1, 1)


class WeightNormCosineHead(nn.Module):
    """Scores s · g_k (v_k / ‖v_k‖)·(f / ‖f‖), a length g_k and a direction v_k a class (Chen et al. 2019, section 3.2).

    ``(N, D)`` → ``(N, K)``, or ``(N, D, h, w)`` → ``(N, K, h, w)``. What it can say is what `CosineHead` can; that
    lengths are learnt apart from directions (weight normalisation, Salimans & Kingma 2016, eq. 2) is in the authors'
    code, not in the paper, and makes it learn otherwise.

    Parameters
    ----------
    features : int
        Number of features D.
    classes : int
        Number of classes K.
    scale : float, optional
        The scale s, which is not learnt; 2 is that of the authors' code for up to 200 classes.
    """

    def __init__(self, features: int, classes: int, scale: float = 2.0):
        super().__init__()
        self.direction = nn.Parameter(torch.empty(classes, features))
        self.length = nn.Parameter(torch.empty(classes, 1))
        self.scale = scale
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (Glorot & Bengio 2010); lengths are theirs."""
        nn.init.xavier_normal_(self.direction)
        with torch.no_grad():
            self.length.copy_(self.direction.norm(dim=1, keepdim=True))

    def forward(self, x: Tensor) -> Tensor:
        """The scores."""
        with torch.autocast(x.device.type, enabled=False):
            weight = self.scale * self.length * F.normalize(self.direction, dim=1)
            return F.linear(F.normalize(wide(x), dim=1).movedim(1, -1), weight).movedim(-1, 1)


@head(maps=True)
def cosine(features: int, classes: int) -> nn.Module:
    """By the angle, at a temperature of 0.05."""
    return CosineHead(features, classes)


@head(maps=True)
def cosine_scaled(features: int, classes: int) -> nn.Module:
    """By the angle, with a scale that is learnt."""
    return ScaledCosineHead(features, classes)


@head(maps=True)
def cosine_weight_norm(features: int, classes: int) -> nn.Module:
    """By the angle, with a length a class; the scale is 2, and 10 above 200 classes, as in Chen et al.'s code."""
    return WeightNormCosineHead(features, classes, MANY_SCALE if classes > MANY else FEW_SCALE)

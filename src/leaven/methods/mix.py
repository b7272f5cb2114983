"""Mixing the items of a batch with each other, and what is said of them likewise: whole images and pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from leaven.methods.step import IGNORE


@dataclass(frozen=True)
class Mix:
    """Which other item each is mixed with, and how much stays its own.

    Attributes
    ----------
    other : Tensor of int64, shape (N,)
        Rows of the batch.
    share : Tensor
        Floats in 0..1: ``(N,)`` of each item, or ``(N, H, W)`` of each of its pixels.
    """

    other: Tensor
    share: Tensor

    def images(self, x: Tensor) -> Tensor:
        """The items ``(N, ...)`` or images ``(N, C, H, W)``, mixed."""
        share = self.share[:, None] if self.share.ndim > 1 else _by_item(self.share, x)
        return share * x + (1 - share) * x[self.other]

    def labels(self, y: Tensor) -> Tensor:
        """What is said of them, mixed.

        Parameters
        ----------
        y : Tensor
            Of items: distributions ``(N, K)``; where pixels are mixed by the share of them that each item has. Of
            pixels: distributions ``(N, K, H, W)``, or numbers of classes ``(N, H, W)``, of which each pixel takes the
            one of the item that it has more of.
        """
        if y.ndim == 3:
            share = self.share if self.share.ndim > 1 else _by_item(self.share, y)
            return torch.where(share > 0.5, y, y[self.other])
        if y.ndim == 4:
            return self.images(y)
        share = self.share.flatten(1).mean(1) if self.share.ndim > 1 else self.share
        return share[:, None] * y + (1 - share[:, None]) * y[self.other]


def _by_item(share: Tensor, x: Tensor) -> Tensor:
    return share.view(-1, *[1] * (x.ndim - 1))


def mix_up(n: int, alpha: float, device: torch.device, *, nearer: bool = False) -> Mix:
    """MixUp (Zhang et al. 2018, eq. 1): λ ~ Beta(α, α), anew for each item; with α = 0 nothing is mixed.

    Parameters
    ----------
    n : int
        Number of items.
    alpha : float
        The α of the distribution.
    device : torch.device
        Where the batch is.
    nearer : bool, optional
        Take λ' = max(λ, 1 − λ), so that each stays nearer to itself (MixMatch, eq. 9).
    """
    if not alpha:
        return Mix(torch.arange(n, device=device), torch.ones(n, device=device))
    share = _beta(n, alpha, device)
    if nearer:
        share = torch.maximum(share, 1 - share)
    return Mix(torch.randperm(n, device=device), share)


def cut_mix(n: int, height: int, width: int, alpha: float, device: torch.device) -> Mix:
    """CutMix (Yun et al. 2019, eq. 1 and 2): a box of the other item, of a share 1 − λ of the image, λ ~ Beta(α, α).

    Its middle is uniform over the image, and what of it lies outside is cut off.
    """
    side = (1 - _beta(n, alpha, device)).sqrt()
    middle = torch.rand(2, n, device=device)

    def inside(number: int, length: int) -> Tensor:
        at, half = (middle[number] * length)[:, None], (side * length / 2)[:, None]
        places = torch.arange(length, device=device) + 0.5
        return (places >= at - half) & (places < at + half)

    box = inside(0, height)[:, :, None] & inside(1, width)[:, None, :]
    return Mix(torch.randperm(n, device=device), 1 - box.float())


def class_mix(labels: Tensor) -> Mix:
    """ClassMix (Olsson et al. 2021, section 3.1): half of the classes of each image stay, over another image.

    Parameters
    ----------
    labels : Tensor of int64, shape (N, H, W)
        Labels or pseudo-labels; those that do not count (``IGNORE``) are the other's.
    """
    n, counted = len(labels), labels != IGNORE
    classes = int(labels.max().clamp(min=0)) + 1
    there = torch.zeros(n, classes, device=labels.device)
    there.scatter_add_(1, labels.clamp(min=0).flatten(1), counted.flatten(1).float())
    noise = torch.rand(n, classes, device=labels.device).masked_fill(there == 0, 2.0)
    rank = noise.argsort(1).argsort(1)
    half = ((there > 0).sum(1, keepdim=True) + 1) // 2
    stays = (rank < half).gather(1, labels.clamp(min=0).flatten(1)).view_as(labels) & counted
    return Mix(torch.randperm(n, device=labels.device), stays.float())


def _beta(n: int, alpha: float, device: torch.device) -> Tensor:
    shape = torch.full((n,), alpha, device=device)
    return torch.distributions.Beta(shape, shape, validate_args=False).sample()

"""A head that remembers items: the classes of those that lie nearest."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from leaven.nn.heads.distances import squared_distances
from leaven.nn.heads.registry import head

LEAST = 1e-6  # of a class that no neighbour has, so that it has a logarithm


class Remembering(nn.Module):
    """A head that remembers items, and what is known of their classes.

    How many is in its buffers alone, so that weights of any number can be loaded into it.

    Parameters
    ----------
    features : int
        Number of features D.
    classes : int
        Number of classes K.
    """

    items: Tensor
    told: Tensor
    k: Tensor

    def __init__(self, features: int, classes: int):
        super().__init__()
        self.register_buffer("items", torch.zeros(0, features))
        self.register_buffer("told", torch.zeros(0, classes))
        self.register_buffer("k", torch.zeros((), dtype=torch.long))

    def remember(self, items: Tensor, distributions: Tensor, k: int) -> None:
        """Keep items ``(M, D)`` and the probabilities of their classes ``(M, K)``; ask the ``k`` nearest."""
        self.items, self.told = items.float(), distributions.float()
        self.k = torch.tensor(min(k, len(items)))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in ("items", "told"):
            if (stored := state_dict.get(f"{prefix}{name}")) is not None:
                setattr(self, name, torch.zeros_like(stored))
        super()._load_from_state_dict(state_dict, prefix, *rest)


class NeighboursHead(Remembering):
    """Scores ``(N, K)`` of features ``(N, D)``: the log of the mean, over the k nearest remembered items, of what is
    known of their classes.
    """

    def forward(self, x: Tensor) -> Tensor:
        """The scores; all alike before anything is remembered."""
        if not len(self.items):
            return x.new_zeros(len(x), self.told.shape[1])
        _, nearest = squared_distances(x, self.items).topk(int(self.k), largest=False)
        shares = self.told[nearest].mean(1)
        return (shares / shares.sum(1, keepdim=True).clamp(min=LEAST)).clamp(min=LEAST).log()


@head()
def neighbours(features: int, classes: int) -> nn.Module:
    """By the classes of the nearest items that it was given to remember."""
    return NeighboursHead(features, classes)

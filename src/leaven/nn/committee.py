"""Several networks that vote, in the form of one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Bodies(nn.Module):
    """Several backbones side by side: ``(N, ...)`` to ``(N, D_1 + D_2 + …)``.

    Parameters
    ----------
    members : sequence of Module
        Backbones, each with an attribute ``num_features``.
    columns : sequence of Tensor, optional
        Of feature vectors, those that each member sees; ``None``: each sees all of its item.
    """

    def __init__(self, members: Sequence[nn.Module], columns: Sequence[Tensor] | None = None):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.halves = columns is not None
        for number, subset in enumerate(columns or ()):
            self.register_buffer(f"columns_{number}", subset)
        self.sizes = [int(member.num_features) for member in members]  # type: ignore[arg-type]
        self.num_features = sum(self.sizes)

    def of(self, number: int, x: Tensor) -> Tensor:
        """The features ``(N, D_i)`` of member ``number``."""
        return self.members[number](self._part(number, x))

    def _part(self, number: int, x: Tensor) -> Tensor:
        """What a member sees of the items."""
        return x.index_select(1, self.get_buffer(f"columns_{number}")) if self.halves else x

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Those of a member, for they are of one form."""
        return getattr(self.members[0], "layer_names", ())

    def at_layer(self, x: Tensor, layer: str) -> Tensor:
        """The features of all members after a layer, side by side."""
        each = [member.at_layer(self._part(n, x), layer) for n, member in enumerate(self.members)]  # type: ignore[operator]
        return torch.cat(each, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Those of all members."""
        return torch.cat([self.of(number, x) for number in range(len(self.members))], 1)


class Vote(nn.Module):
    """A head for each member; together log of their mean probability, ``(N, D_1 + D_2 + …)`` to ``(N, K)``."""

    def __init__(self, heads: Sequence[nn.Module], sizes: Sequence[int]):
        super().__init__()
        self.members = nn.ModuleList(heads)
        self.sizes = list(sizes)

    def forward(self, features: Tensor) -> Tensor:
        """Scores whose softmax is the members' mean probability."""
        parts = features.split(self.sizes, 1)
        each = [head(part).float().log_softmax(1) for head, part in zip(self.members, parts, strict=True)]
        return torch.stack(each).logsumexp(0) - math.log(len(each))


def halves(columns: int) -> list[Tensor]:
    """Two halves of the columns of a feature vector, every other one: neighbours tell nearly the same."""
    return [torch.arange(first, columns, 2) for first in range(2)]

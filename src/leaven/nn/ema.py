"""The exponential moving average of a network's weights."""

from __future__ import annotations

import copy

import torch
from torch import nn


class EMA:
    """A copy of ``network`` whose weights trail it: θ̄ ← d·θ̄ + (1 − d)·θ (Tarvainen & Valpola 2017, eq. 3).

    Running statistics are averaged like weights, for they belong to them. In the first steps the decay is
    (1 + t) / (10 + t) where that is smaller, so that the random start is forgotten.
    """

    def __init__(self, network: nn.Module, decay: float):
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    def decay_at(self, step: int) -> float:
        """The decay of step ``step`` (from 0)."""
        return min(self.decay, (1 + step) / (10 + step))

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move one step towards ``network``."""
        floats: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
        for mine, theirs in zip(self.network.state_dict().values(), network.state_dict().values(), strict=True):
            if mine.is_floating_point():
                floats[0].append(mine)
                floats[1].append(theirs)
            else:
                mine.copy_(theirs)
        torch._foreach_lerp_(*floats, 1.0 - self.decay_at(step))

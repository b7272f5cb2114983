"""The exponential moving average of what a run trains."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn


class EMA:
    """A copy of ``network`` whose weights trail it: θ̄ ← d·θ̄ + (1 − d)·θ (Tarvainen & Valpola 2017, eq. 3).

    Running statistics are averaged like weights, for they belong to them. In the first steps the decay is
    (1 + t) / (10 + t) where that is smaller, so that the random start is forgotten.

    Parameters
    ----------
    network : Module
        What is averaged; its copy, in evaluation, is ``ema.network``.
    decay : float
        The share d of the old value in the new one.
    beside : mapping of str to Tensor, optional
        What else is trained, by name, as a discriminator of the method's own; its average is ``ema.beside``.
    """

    def __init__(self, network: nn.Module, decay: float, beside: Mapping[str, Tensor] | None = None):
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.beside = {name: tensor.detach().clone() for name, tensor in (beside or {}).items()}
        self.decay = decay

    def decay_at(self, step: int) -> float:
        """The decay of step ``step`` (from 0)."""
        return min(self.decay, (1 + step) / (10 + step))

    @torch.no_grad()
    def update(self, network: nn.Module, step: int, beside: Mapping[str, Tensor] | None = None) -> None:
        """Move one step towards ``network``, and what is averaged ``beside`` it."""
        pairs = list(zip(self.network.state_dict().values(), network.state_dict().values(), strict=True))
        pairs += [(mine, (beside or {})[name]) for name, mine in self.beside.items()]
        floats: tuple[list[Tensor], list[Tensor]] = ([], [])
        for mine, theirs in pairs:
            if mine.is_floating_point():
                floats[0].append(mine)
                floats[1].append(theirs)
            else:
                mine.copy_(theirs)
        torch._foreach_lerp_(*floats, 1.0 - self.decay_at(step))

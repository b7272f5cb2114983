"""The order in which a task is shown to what reads its support one item after another."""

from __future__ import annotations

import torch
from torch import Tensor

SEED = 0


def drawn_order(labels: Tensor) -> Tensor:
    """An order for each of E tasks ``(E, S)``, drawn anew; of labels ``(E, S)``."""
    return torch.rand(*labels.shape, device=labels.device).argsort(1)


def fixed_order(labels: Tensor) -> Tensor:
    """The order in which a task to be solved is shown, ``(S,)``: drawn once, for an answer depends on nothing else."""
    return torch.randperm(len(labels), generator=torch.Generator().manual_seed(SEED)).to(labels.device)


def ordered(x: Tensor, order: Tensor) -> Tensor:
    """What stands in ``x`` ``(E, S, ...)``, in the order ``(E, S)`` of each row."""
    return x[torch.arange(len(order), device=order.device)[:, None], order]

"""Gradient reversal (Ganin et al. 2016, section 4.2)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * -ctx.weight, None


def reverse_gradient(x: Tensor, weight: float = 1.0) -> Tensor:
    """``x`` as it is; the gradient that comes back through it is multiplied by −``weight``.

    What stands behind it minimises a loss that what stands before it maximises, in one update.
    """
    return _Reverse.apply(x, weight)

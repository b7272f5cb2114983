"""What a batch statistic needs when the batch is spread over processes."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class _Sum(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of theirs, and so on (PyTorch's is to go)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return _Sum.apply(gradient)


def processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def process() -> int:
    """The number of this one among them, from 0."""
    return dist.get_rank() if processes() > 1 else 0


def global_mean(x: Tensor) -> Tensor:
    """The mean of ``x`` over all processes, element by element; no gradient flows through it."""
    if processes() == 1:
        return x.detach()
    x = x.detach().clone()
    dist.all_reduce(x)
    return x / processes()


def differentiable_mean(x: Tensor) -> Tensor:
    """The mean of ``x`` over all processes, with its gradient."""
    if processes() == 1:
        return x
    mean: Tensor = _Sum.apply(x) / processes()
    return mean


def gathered(x: Tensor) -> Tensor:
    """The rows ``(B, ...)`` of all processes, in their order, ``(processes · B, ...)``; no gradient flows through them.

    Every process must have as many.
    """
    if processes() == 1:
        return x.detach()
    parts = [torch.empty_like(x) for _ in range(processes())]
    dist.all_gather(parts, x.detach().contiguous())
    return torch.cat(parts)


def differentiable_gather(x: Tensor) -> Tensor:
    """The same, with their gradient: for losses that set the items of a batch against each other.

    Each process computes the loss of the whole batch, or that of its own rows among all; gradients in the mean over
    the processes, as the engine takes them, are then those of one process that has the whole batch.
    """
    if processes() == 1:
        return x
    before, after = process() * len(x), (processes() - 1 - process()) * len(x)
    rows: Tensor = _Sum.apply(torch.cat([x.new_zeros(before, *x.shape[1:]), x, x.new_zeros(after, *x.shape[1:])]))
    return rows

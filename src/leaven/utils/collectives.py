"""What a batch statistic needs when the batch is spread over processes."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


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
    from torch.distributed.nn.functional import all_reduce

    return all_reduce(x) / processes()


def gathered(x: Tensor) -> Tensor:
    """The rows ``(B, ...)`` of all processes, in their order, ``(processes · B, ...)``; no gradient flows through them.

    Every process must have as many.
    """
    if processes() == 1:
        return x.detach()
    parts = [torch.empty_like(x) for _ in range(processes())]
    dist.all_gather(parts, x.detach().contiguous())
    return torch.cat(parts)

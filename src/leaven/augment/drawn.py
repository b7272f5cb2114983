"""What was drawn for a batch, row by row, and how a large batch is worked off in pieces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, Self, TypeVar

import torch
from torch import Tensor

#: Bytes of pixels that the CPU works on at once. Places and histograms take four to eight times as much: in pieces
#: they stay in the cache, and are small enough for the allocator to keep instead of asking for fresh pages.
PIECE = 3 << 19


class Drawn:
    """A frozen dataclass of tensors ``(N, ...)`` (or others of its kind, or what holds for all) about N images."""

    def __getitem__(self, rows: slice) -> Self:
        """What was drawn for some of the images."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return type(self)(
            **{
                name: value if value is None or isinstance(value, bool) else value[rows]
                for name, value in values.items()
            }
        )


D = TypeVar("D", bound=Drawn)


def in_pieces(function: Callable[[D, Tensor], Tensor], parameters: D, x: Tensor) -> Tensor:
    """``function(drawn, x)`` for ``x`` ``(N, ...)``, on the CPU a few images at a time. The answer is the same."""
    if x.device.type != "cpu" or x.nbytes <= PIECE:
        return function(parameters, x)
    step = max(1, PIECE * len(x) // x.nbytes)
    out = torch.empty_like(x)
    for start in range(0, len(x), step):
        rows = slice(start, start + step)
        out[rows] = function(parameters[rows], x[rows])
    return out

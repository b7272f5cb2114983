"""The photometric half of a draw: tables are composed until a filter, or the end, asks for the pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from leaven.augment.filters import FILTERS
from leaven.augment.policy import NUMBER, Draw, one_of
from leaven.augment.rows import Rows
from leaven.augment.tables import (
    FROM_HISTOGRAM,
    FROM_STRENGTH,
    from_strength,
    histogram,
    levels,
    look_up,
    push_forward,
)


def photometric(x: Tensor, draw: Draw) -> Tensor:
    """Apply the photometric operations of ``draw`` in order to uint8 ``(N, H, W, C)``, which is changed."""
    n, _, _, c = x.shape
    tables = from_strength(draw.operation, draw.strength)
    is_table = one_of(draw.operation, (*FROM_STRENGTH, *FROM_HISTOGRAM))
    table = None  # what each image still has to go through, (N, C, 256); None while that is nothing
    waiting = torch.zeros(n, dtype=torch.bool, device=x.device)
    for k, (operation, strength) in enumerate(zip(draw.operation.T, draw.strength.T, strict=True)):
        for name, filtered in FILTERS.items():
            if rows := Rows(operation == NUMBER[name]):
                pixels = rows.of(x)
                if table is not None:
                    pixels = look_up(pixels, rows.of(table))
                    table = rows.put(table, levels(x.device, torch.uint8).expand(len(pixels), c, 256))
                    waiting &= ~rows.mask
                x = rows.put(x, filtered(pixels, rows.of(strength)))
        step = tables[:, k, None].repeat(1, c, 1)
        if rows := Rows(one_of(operation, FROM_HISTOGRAM)):
            counts = histogram(rows.of(x))
            if table is not None:
                counts = push_forward(counts, rows.of(table))
            step = rows.put(step, _from_histogram(rows.of(operation), rows.of(strength), counts))
        if table is None:
            table = step
        elif rows := Rows(is_table[:, k]):
            table = rows.put(table, rows.of(step).gather(2, rows.of(table).long()))
        waiting |= is_table[:, k]
    if table is not None and (rows := Rows(waiting)):
        x = rows.put(x, look_up(rows.of(x), rows.of(table)))
    return x


def _from_histogram(operation: Tensor, strength: Tensor, counts: Tensor) -> Tensor:
    """The tables of images that drew one of `FROM_HISTOGRAM`, uint8 ``(N, C, 256)``."""
    tables = torch.empty_like(counts, dtype=torch.uint8)
    for name, make in FROM_HISTOGRAM.items():
        if rows := Rows(operation == NUMBER[name]):
            made = make(rows.of(counts), rows.of(strength))
            tables = rows.put(tables, made.expand(-1, counts.shape[1], -1))
    return tables

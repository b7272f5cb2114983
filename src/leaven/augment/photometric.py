"""The photometric half of a draw: tables are gathered up until a filter, or the end, asks for the pixels."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from leaven.augment.filters import FILTERS
from leaven.augment.policy import Draw
from leaven.augment.rows import Rows
from leaven.augment.tables import FROM_HISTOGRAM, FROM_STRENGTH, histogram, levels, look_up, push_forward


def any_of(operation: Tensor, numbers: Iterable[int]) -> Tensor:
    """Where ``operation`` is one of ``numbers``, bool."""
    mask = torch.zeros_like(operation, dtype=torch.bool)
    for number in numbers:
        mask |= operation == number
    return mask


class _Pixels:
    """A batch uint8 ``(N, H, W, C)`` and the table that each of its images still has to go through."""

    def __init__(self, x: Tensor):
        self.x = x
        self.identity = levels(x.device, torch.uint8)
        self.table = self.identity.repeat(x.shape[0], x.shape[3], 1)
        self.waiting = torch.zeros(x.shape[0], dtype=torch.bool, device=x.device)
        self.first = True  # in the first column of the draw: no image waits for anything yet

    def add(self, rows: Rows, table: Tensor) -> None:
        """Let ``rows`` go through ``table`` ``(N, C or 1, 256)`` after what they wait for."""
        table = table.expand(-1, self.table.shape[1], -1)
        if not self.first:
            table = table.gather(2, rows.of(self.table).long())
        self.table = rows.put(self.table, table)
        self.waiting |= rows.mask

    def read(self, rows: Rows) -> Tensor:
        """The pixels of ``rows``, which then wait for nothing."""
        if self.first:
            return rows.of(self.x)
        pixels = look_up(rows.of(self.x), rows.of(self.table))
        self.table = rows.put(self.table, self.identity.expand(pixels.shape[0], *self.table.shape[1:]))
        self.waiting &= ~rows.mask
        return pixels

    def counts(self, rows: Rows) -> Tensor:
        """The histogram of ``rows`` behind their tables, int32 ``(N, C, 256)``."""
        counts = histogram(rows.of(self.x))
        return counts if self.first else push_forward(counts, rows.of(self.table))


def photometric(x: Tensor, draw: Draw) -> Tensor:
    """Apply the photometric operations of ``draw``, in its order, to uint8 ``(N, H, W, C)``; changes ``x``."""
    pixels = _Pixels(x)
    for operation, strength in zip(draw.operation.T, draw.strength.T, strict=True):
        for number, filtered in FILTERS.items():
            if rows := Rows(operation == number):
                pixels.x = rows.put(pixels.x, filtered(pixels.read(rows), rows.of(strength)))
        if rows := Rows(any_of(operation, FROM_HISTOGRAM)):
            # One pass over the pixels for the three of them; each then takes its own rows of the answer.
            counts, drawn, strong = pixels.counts(rows), rows.of(operation), rows.of(strength)
            table = torch.empty_like(counts, dtype=torch.uint8)
            for number, from_histogram in FROM_HISTOGRAM.items():
                if own := Rows(drawn == number):
                    new = from_histogram(own.of(counts), own.of(strong))
                    table = own.put(table, new.expand(-1, x.shape[3], -1))
            pixels.add(rows, table)
        for number, from_strength in FROM_STRENGTH.items():
            if rows := Rows(operation == number):
                pixels.add(rows, from_strength(rows.of(strength)))
        pixels.first = False
    if rows := Rows(pixels.waiting.clone()):
        pixels.x = rows.put(pixels.x, pixels.read(rows))
    return pixels.x

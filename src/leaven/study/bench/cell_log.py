"""What the cells of a suite have found so far, so that it can go on where it was stopped."""

from __future__ import annotations

from collections.abc import Hashable

from leaven.study.bench.cell import Cell, Found
from leaven.utils.jsonl import JsonlLog


class CellLog(JsonlLog[Found]):
    """A line for each cell; what a cell is about is its recipe, so one that changed is another."""

    form = Found

    def key(self, line: Found) -> Hashable:
        """The fingerprint of its recipe."""
        return line.fingerprint

    def get(self, cell: Cell) -> Found | None:
        """What was found of this recipe, if it was."""
        found = self.lines.get(cell.fingerprint)
        return found if found is not None and not found.note else None

"""One byte a pixel for the classes of numbers above 255 and of colours."""

from __future__ import annotations

import numpy as np

from leaven.data.pool import NO_CLASS
from leaven.errors import LeavenError

from .mask_values import HIGHEST, MaskValues, Value

MOST = 253  # classes: codes above are no class, see `CodeTable`
IGNORED, UNKNOWN = 253, 254  # codes: said to count for nothing; said nothing of


class CodeTable:
    """Classes of numbers above 255 and of colours, as one byte a pixel: by a table, as images are large.

    A code is the class's place in `MaskValues.names`, or `IGNORED`, `UNKNOWN`, or `NO_CLASS`, of which nobody
    said anything.

    Raises
    ------
    LeavenError
        There are more classes than codes.
    """

    def __init__(self, values: MaskValues):
        self.values = values
        if len(values.names) > MOST:
            raise LeavenError(f"{values.where} names {len(values.names)} classes, expected up to {MOST}: name fewer.")
        self.numbers = np.full(HIGHEST + 1, UNKNOWN, np.uint8)
        self.numbers[NO_CLASS] = NO_CLASS
        self.colours = np.full(2**24 if values.by_colour else 0, UNKNOWN, np.uint8)
        for value, name in values.of.items():
            code = values.names.index(name) if name else IGNORED
            if isinstance(value, int):
                self.numbers[value] = code
            else:
                self.colours[int(value[1:], 16)] = code

    @property
    def coded(self) -> MaskValues:
        """What the codes stand for."""
        of: dict[Value, str] = dict(enumerate(self.values.names))
        return MaskValues({**of, IGNORED: ""}, self.values.where, self.values.listed)


def pack_colours(rgb: np.ndarray) -> np.ndarray:
    """Colours uint8 ``(..., 3)`` as numbers of 24 bits."""
    wide = rgb.astype(np.uint32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def hex_colour(colour: int) -> str:
    """A colour of 24 bits as ``#rrggbb``."""
    return f"#{colour:06x}"

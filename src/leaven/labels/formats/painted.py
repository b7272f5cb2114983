"""A mask that is painted area by area."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leaven.labels.pixels import encode

if TYPE_CHECKING:
    import numpy as np

    from .outside import Size

NOTHING = -1  # what was not painted


class Painted:
    """The classes of an image's pixels; where areas overlap, the later one counts.

    Parameters
    ----------
    size : (int, int)
        Height and width.
    """

    def __init__(self, size: Size):
        import numpy as np

        self._numbers = np.full(size, NOTHING, np.int16)
        self._classes: list[str] = []

    def add(self, of: np.ndarray, name: str) -> None:
        """Paint an area, bool ``(H, W)``."""
        if name not in self._classes:
            self._classes.append(name)
        self._numbers[of] = self._classes.index(name)

    def text(self, background: str | None = None) -> str:
        """The mask as it is kept; ``background`` is the class of what was not painted."""
        if background is not None:
            self.add(self._numbers == NOTHING, background)
        return encode(self._numbers, self._classes)

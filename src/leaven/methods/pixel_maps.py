"""Where each view of a dense batch shows which pixel: what is said of one view's pixels moves to another's."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

IMAGE = "image"  # the stored image, of which all views are made

# The pixels (row · W + column) of an image or a view that another view shows, int64 (B, H, W); -1: none.
PixelMap = Tensor


class PixelMaps:
    """The pixel maps of one batch, each worked out when it is first asked for.

    Parameters
    ----------
    pixels : int
        Of a stored image, H · W.
    makers : mapping
        (of, view) → a function that gives the map: of the stored image (``"image"``) to a view made of it, or of a view
        to one that is made of that very view.
    """

    def __init__(self, pixels: int, makers: Mapping[tuple[str, str], Callable[[], PixelMap]]):
        self.pixels, self.makers = pixels, makers
        self._found: dict[tuple[str, str], PixelMap] = {}

    def between(self, of: str, view: str) -> PixelMap | None:
        """Which pixels of ``of`` the ``view`` shows; ``None`` where nobody knows."""
        if (of, view) not in self._found:
            made = self._made(of, view)
            if made is None:
                return None
            self._found[of, view] = made
        return self._found[of, view]

    def _made(self, of: str, view: str) -> PixelMap | None:
        if (of, view) in self.makers:
            return self.makers[of, view]()
        if of == IMAGE:  # a view of a view
            for first, last in self.makers:
                if last == view and (beneath := self.between(IMAGE, first)) is not None:
                    over = self.between(first, view)
                    return None if over is None else moved(beneath, over, -1)
            return None
        one, other = self.between(IMAGE, of), self.between(IMAGE, view)
        return None if one is None or other is None else through(one, other, self.pixels)


def moved(x: Tensor, places: PixelMap, fill: float) -> Tensor:
    """``x`` ``(B, H, W)`` or ``(B, K, H, W)`` as a view shows it; ``fill`` where that shows none of its pixels."""
    flat = x.flatten(-2).reshape(len(x), -1, x.shape[-2] * x.shape[-1])
    where = places.flatten(1)[:, None]
    gathered = flat.gather(2, where.clamp(min=0).expand(-1, flat.shape[1], -1)).masked_fill(where < 0, fill)
    return gathered.view(*x.shape[:-2], *places.shape[1:])


def through(one: PixelMap, other: PixelMap, pixels: int) -> PixelMap:
    """Which pixel of one view each pixel of another shows, by the pixels of the image that both show.

    Where a border is reflected a view shows a pixel twice; then the last place counts.
    """
    numbers = torch.arange(one[0].numel(), device=one.device).expand(len(one), -1)
    shown = one.flatten(1)
    place = torch.full((len(one), pixels), -1, device=one.device)
    place.scatter_reduce_(1, shown.clamp(min=0), numbers.masked_fill(shown < 0, -1), "amax")
    there = other.flatten(1)
    return place.gather(1, there.clamp(min=0)).masked_fill(there < 0, -1).view_as(other)

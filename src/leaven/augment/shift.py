"""The weak view: a horizontal flip and a shift, the border reflected."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from leaven.augment.drawn import Drawn, in_pieces
from leaven.augment.tables import index_dtype


def _reflect(place: Tensor, size: int) -> Tensor:
    """Reflect places around the first and the last one: -1 is 1, ``size`` is ``size - 2``."""
    return (size - 1) - ((size - 1) - place.abs()).abs()


@dataclass(frozen=True)
class Shift(Drawn):
    """A flip, then a shift, for each image. It fits masks as it fits images.

    Attributes:
        flip: bool ``(N,)``.
        down, across: int32 ``(N,)``, pixels; pixel (y, x) of the answer is pixel (y + down, x + across) of
            the flipped input, reflected at the border as by NumPy's ``reflect`` (the border is not repeated).
    """

    flip: Tensor
    down: Tensor
    across: Tensor

    def image(self, x: Tensor) -> Tensor:
        """Flip and shift ``(N, H, W, C)`` of any type; a new tensor."""
        return in_pieces(Shift._image, self, x)

    def _image(self, x: Tensor) -> Tensor:
        n, h, w, c = x.shape
        kind = index_dtype(x.numel())
        row = torch.arange(h, dtype=torch.int32, device=x.device)
        column = torch.arange(w, dtype=torch.int32, device=x.device)
        row = _reflect(row + self.down[:, None], h)
        column = _reflect(column + self.across[:, None], w)
        column = torch.where(self.flip[:, None], w - 1 - column, column)
        image = torch.arange(n, dtype=kind, device=x.device)[:, None] * (h * w * c)
        byte = torch.arange(c, dtype=torch.int32, device=x.device)
        columns = (column[:, :, None] * c + byte).view(n, 1, w * c)
        rows = (row.to(kind) * (w * c) + image)[:, :, None]
        return x.reshape(-1).index_select(0, (rows + columns).view(-1)).view(x.shape)

    def mask(self, mask: Tensor) -> Tensor:
        """Flip and shift labels of pixels, ``(N, H, W)``."""
        return self.image(mask[..., None])[..., 0]


def draw_shift(n: int, height: int, width: int, flip: bool, shift: float, device: torch.device) -> Shift:
    """Flips for half of the images, shifts uniform on the whole pixels within ``shift`` of each side."""

    def pixels(side: int) -> Tensor:
        reach = int(shift * side)
        return torch.randint(-reach, reach + 1, (n,), dtype=torch.int32, device=device)

    flips = torch.randint(2 if flip else 1, (n,), device=device).bool()
    return Shift(flips, pixels(height), pixels(width))

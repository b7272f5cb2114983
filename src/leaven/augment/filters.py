"""The two photometric operations that are no tables: Color mixes channels, Sharpness mixes neighbours."""

from __future__ import annotations

import torch
from torch import Tensor

from leaven.augment.tables import GREY, blend, enhancement


def color(x: Tensor, strength: Tensor) -> Tensor:
    """Blend with grey: ``PIL.ImageEnhance.Color``, uint8 ``(N, H, W, C)``; one channel stays as it is."""
    if x.shape[3] == 1:
        return x
    # Planes first: sums over an inner dimension of three are slow.
    planes = [x[..., c].contiguous() for c in range(3)]
    grey = torch.full_like(planes[0], 0x8000, dtype=torch.int32)
    for plane, weight in zip(planes, GREY, strict=True):
        grey.add_(plane.int(), alpha=weight)
    degenerate = (grey >> 16).float()
    factor = enhancement(strength)[:, None, None]
    return torch.stack([blend(degenerate, plane.float(), factor) for plane in planes], 3)


def sharpness(x: Tensor, strength: Tensor) -> Tensor:
    """Blend with a smoothed copy: ``PIL.ImageEnhance.Sharpness``, uint8 ``(N, H, W, C)``.

    Smoothing weighs the centre 5/13 and its eight neighbours 1/13; border pixels stay as they are.
    """
    n, h, w, c = x.shape
    if h < 3 or w < 3:
        return x
    flat = x.reshape(n, h, w * c).float()
    rows = flat[:, :-2] + flat[:, 1:-1] + flat[:, 2:]
    inner = flat[:, 1:-1, c:-c]
    total = rows[:, :, : -2 * c] + rows[:, :, c:-c] + rows[:, :, 2 * c :] + 4 * inner
    smooth = flat.clone()
    smooth[:, 1:-1, c:-c] = (total * (1 / 13) + 0.5).floor()
    return blend(smooth, flat, enhancement(strength)[:, None, None]).view(x.shape)


FILTERS = {"Color": color, "Sharpness": sharpness}

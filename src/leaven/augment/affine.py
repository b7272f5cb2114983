"""The geometric half of a draw: one affine map for all of its rotations, shears and translations."""

from __future__ import annotations

import torch
from torch import Tensor

from leaven.augment.policy import NUMBER, Draw

_NAMES = ("Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY")
GEOMETRIC = tuple(NUMBER[name] for name in _NAMES)


def affine(draw: Draw, height: int, width: int) -> Tensor:
    """Where each place of the answer comes from: float64 ``(N, 3, 3)``, in pixels, their corners at whole numbers.

    Pillow's conventions: rotations up to ±30 degrees about the centre, shears up to ±0.3 about the upper left
    corner, translations up to ±0.3 of the side, cut to whole pixels. One after another is matrix times matrix.
    """
    n = draw.operation.shape[0]
    whole = torch.eye(3, dtype=torch.float64, device=draw.operation.device).expand(n, 3, 3)
    for operation, strength, sign in zip(draw.operation.T, draw.strength.T, draw.sign.T, strict=True):
        amount = (strength * sign).double()
        drawn = {name: (operation == NUMBER[name]).double() for name in _NAMES}
        angle = (drawn["Rotate"] * amount * -30).deg2rad()
        cosine, sine = angle.cos(), angle.sin()
        right = (drawn["TranslateX"] * amount * 0.3 * width).trunc()
        down = (drawn["TranslateY"] * amount * 0.3 * height).trunc()
        # An image drew one of them here; the others are zero. The centre stays in place under its rotation.
        x, y = width / 2, height / 2
        one = torch.zeros(n, 3, 3, dtype=torch.float64, device=amount.device)
        one[:, 0, 0] = one[:, 1, 1] = cosine
        one[:, 0, 1] = sine + 0.3 * drawn["ShearX"] * amount
        one[:, 1, 0] = -sine + 0.3 * drawn["ShearY"] * amount
        one[:, 0, 2] = x - cosine * x - sine * y + right
        one[:, 1, 2] = y + sine * x - cosine * y + down
        one[:, 2, 2] = 1
        whole = whole @ one
    return whole

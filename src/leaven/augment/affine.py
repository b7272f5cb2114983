"""The geometric half of a draw: one affine map for all of its rotations, shears and translations."""

from __future__ import annotations

import torch
from torch import Tensor

from leaven.augment.policy import NUMBER, Draw

GEOMETRIC = ("Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY")


def affine(draw: Draw, height: int, width: int) -> Tensor:
    """Where each place of the answer comes from: float64 ``(N, 3, 3)``, in pixels, corners at whole numbers.

    Pillow's conventions: rotations up to ±30 degrees about the centre, shears up to ±0.3 about the upper left
    corner, translations up to ±0.3 of the side, cut to whole pixels. A sequence is a product of matrices.
    """
    n, columns = draw.operation.shape
    if not columns:
        return torch.eye(3, dtype=torch.float64, device=draw.operation.device).expand(n, 3, 3)
    amount = (draw.strength * draw.sign).double() * 0.3
    # Of these five a column has one, the others are zero.
    angle, shear_x, shear_y, right, down = (
        torch.where(draw.operation == NUMBER[name], amount, 0) for name in GEOMETRIC
    )
    angle = (angle * -100).deg2rad_()
    right, down = (right * width).trunc_(), (down * height).trunc_()
    cosine, sine = angle.cos(), angle.sin()
    x, y = width / 2, height / 2  # a rotation leaves the centre in place
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    matrices = torch.stack(
        [
            *(cosine, sine + shear_x, x - cosine * x - sine * y + right),
            *(shear_y - sine, cosine, y + sine * x - cosine * y + down),
            *(zero, zero, one),
        ],
        2,
    ).view(n, columns, 3, 3)
    whole = matrices[:, 0]
    for k in range(1, columns):
        whole = whole @ matrices[:, k]
    return whole

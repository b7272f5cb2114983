"""The views of contrastive learning: a part of the image at the image's size, mirrored and recoloured."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from leaven.augment.colours import colours, recoloured
from leaven.augment.drawn import Drawn, in_pieces

AREA = (0.2, 1.0)  # share of the image that a crop shows (MoCo)
RATIO = (3 / 4, 4 / 3)  # width by height


@dataclass(frozen=True)
class Cropped(Drawn):
    """All that was drawn for a batch.

    Attributes:
        place: float32 ``(N, 2, 3)``, from places of the answer to places of the image, both -1..1.
        colour: float32 ``(N, C, C)``, what every pixel's channels are multiplied with.
        mean: float32 ``(N,)``, what part of the crop's mean grey is added.
    """

    place: Tensor
    colour: Tensor
    mean: Tensor

    def image(self, x: Tensor) -> Tensor:
        """The views of uint8 ``(N, C, H, W)``: same shape, channels-last."""
        return in_pieces(Cropped._image, self, x).contiguous(memory_format=torch.channels_last)

    def mask(self, mask: Tensor) -> Tensor:
        """The labels of the views' pixels, from integers ``(N, H, W)``: each of the nearest pixel."""
        n, h, w = mask.shape
        grid = F.affine_grid(self.place, [n, 1, h, w], align_corners=False)
        sides = torch.tensor([w, h], device=mask.device)
        across, down = (((grid + 1) * sides / 2).floor().long().clamp(min=0).minimum(sides - 1)).unbind(3)
        return mask.flatten(1).gather(1, (down * w + across).flatten(1)).view(n, h, w)

    def _image(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        grid = F.affine_grid(self.place, [n, c, h, w], align_corners=False)
        pixels = F.grid_sample(x.float(), grid, padding_mode="border", align_corners=False).flatten(2)
        mixed = recoloured(pixels, self.colour, self.mean)
        return mixed.add_(0.5).clamp_(0, 255).to(torch.uint8).view(n, c, h, w)


def draw_cropped(n: int, channels: int, height: int, width: int, flip: bool, device: torch.device) -> Cropped:
    """Crops, mirrorings and colours for ``n`` images of ``channels`` 1 or 3."""
    u = torch.rand(11, n, device=device)

    def between(low: float, high: float, number: int) -> Tensor:
        return low + (high - low) * u[number]

    low, high = (torch.tensor(r).log().item() for r in RATIO)
    area, ratio = between(*AREA, 0), between(low, high, 1).exp()
    # parts of the sides; where one would be longer than the image it is as long
    across = (area * ratio * height / width).sqrt().clamp(max=1)
    down = (area / ratio * width / height).sqrt().clamp(max=1)
    right, below = (1 - across) * between(-1, 1, 2), (1 - down) * between(-1, 1, 3)
    mirrored = torch.where(u[4] < 0.5, -across, across) if flip else across
    zero = torch.zeros_like(area)
    place = torch.stack([mirrored, zero, right, zero, down, below], 1).view(n, 2, 3)

    return Cropped(place, *colours(u[5:], channels))

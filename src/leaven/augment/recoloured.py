"""A strong view that keeps the geometry of the weak one: other colours, grey, blurred."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from leaven.augment.colours import DRAWS, colours, recoloured
from leaven.augment.drawn import Drawn, in_pieces
from leaven.augment.shift import Shift

BLURRED = 0.5  # share of images
SIGMA = (0.1, 2.0)  # pixels of an image of SIDE or more a side; of a smaller one as much less
SIDE = 224
REACH = 4  # pixels to each side: two of the largest deviations


@dataclass(frozen=True)
class Recoloured(Drawn):
    """All that was drawn for a batch.

    Attributes
    ----------
    shift : Shift
        The weak flip and shift that comes first.
    colour : Tensor
        Floats ``(N, C, C)``, what every pixel's channels are multiplied with.
    mean : Tensor
        Floats ``(N,)``, what part of the image's mean grey is added.
    sigma : Tensor
        Floats ``(N,)``, deviation of the Gaussian blur in pixels; 0: none.
    """

    shift: Shift
    colour: Tensor
    mean: Tensor
    sigma: Tensor

    def image(self, x: Tensor) -> Tensor:
        """The views of uint8 ``(N, C, H, W)``: same shape, channels-last."""
        pixels = x.permute(0, 2, 3, 1).contiguous()
        return in_pieces(Recoloured._image, self, pixels).permute(0, 3, 1, 2)

    def mask(self, mask: Tensor, ignore: int = -1) -> Tensor:
        """What belongs to the views' pixels, from integers ``(N, H, W)``: where the weak view has it."""
        return self.shift.mask(mask)

    def places(self, n: int, height: int, width: int) -> Tensor:
        """Which pixel (row · width + column) of the weak view each pixel shows: the same, int64 ``(n, h, w)``."""
        pixels = torch.arange(height * width, device=self.sigma.device)
        return pixels.view(1, height, width).expand(n, -1, -1)

    def _image(self, pixels: Tensor) -> Tensor:
        x = self.shift.image(pixels).permute(0, 3, 1, 2).float()
        x = recoloured(x.flatten(2), self.colour, self.mean).clamp_(0, 255).view(x.shape)
        return blurred(x, self.sigma).add_(0.5).clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def blurred(x: Tensor, sigma: Tensor) -> Tensor:
    """A Gaussian blur of floats ``(N, C, H, W)``, each by its own ``sigma`` ``(N,)``; the border is repeated."""
    n, c, h, w = x.shape
    places = torch.arange(-REACH, REACH + 1, device=x.device)
    kernel = (-0.5 * (places / sigma.clamp(min=1e-6)[:, None]).square()).exp()
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(c, 0)
    rows = F.pad(x.reshape(1, n * c, h, w), (REACH,) * 4, mode="replicate")
    rows = F.conv2d(rows, kernel[:, None, :, None], groups=n * c)
    return F.conv2d(rows, kernel[:, None, None, :], groups=n * c).view(n, c, h, w)


def draw_recoloured(n: int, channels: int, side: int, shift: Shift, device: torch.device) -> Recoloured:
    """Colours and blur for ``n`` images of ``channels`` 1 or 3, ``side`` the shorter one, on top of a weak ``shift``.

    Colours and their shares are MoCo v2's (`leaven.augment.colours`), the blur is SimCLR's at 224 pixels (Chen et al.
    2020, appendix A).
    """
    u = torch.rand(DRAWS + 2, n, device=device)
    sigma = (SIGMA[0] + (SIGMA[1] - SIGMA[0]) * u[DRAWS]) * min(1, side / SIDE)
    return Recoloured(shift, *colours(u, channels), torch.where(u[DRAWS + 1] < BLURRED, sigma, 0))

"""Weak and strong views of image batches, as FixMatch has them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from leaven.augment.affine import GEOMETRIC, affine
from leaven.augment.crop import Cropped, draw_cropped
from leaven.augment.drawn import Drawn, in_pieces
from leaven.augment.photometric import photometric
from leaven.augment.policy import Draw, Learner, Policy, RandAugment, one_of
from leaven.augment.recoloured import Recoloured, draw_recoloured
from leaven.augment.shift import Shift, draw_shift
from leaven.augment.warp import Warp, draw_boxes

SMOOTH = 16  # pixels


def _checked(x: Tensor) -> Tensor:
    if x.dtype != torch.uint8 or x.ndim != 4 or x.shape[1] not in (1, 3):
        raise ValueError(
            f"image views take uint8 (N, C, H, W) with 1 or 3 channels, not {x.dtype} {tuple(x.shape)}; "
            "convert the images first."
        )
    return x


def _pixels(x: Tensor) -> Tensor:
    """uint8 ``(N, C, H, W)`` as contiguous ``(N, H, W, C)``: no copy where it is channels-last."""
    return _checked(x).permute(0, 2, 3, 1).contiguous()


@dataclass(frozen=True)
class StrongView(Drawn):
    """All that was drawn for a batch of strong views, so that images and their masks can go through the same.

    Attributes:
        shift: the weak flip and shift that comes first.
        draw: the policy's operations.
        warp: the draw's geometry, and the cut-out.
    """

    shift: Shift
    draw: Draw
    warp: Warp

    def image(self, x: Tensor) -> Tensor:
        """The strong views of uint8 ``(N, C, H, W)``: same shape, channels-last."""
        return in_pieces(StrongView._image, self, _pixels(x)).permute(0, 3, 1, 2)

    def _image(self, pixels: Tensor) -> Tensor:
        return self.warp.image(photometric(self.shift.image(pixels), self.draw))

    def mask(self, mask: Tensor, ignore: int) -> Tensor:
        """The labels of the views' pixels, from integers ``(N, H, W)``; ``ignore`` outside and cut out."""
        return self.warp.mask(self.shift.mask(mask), ignore)

    def places(self, n: int, height: int, width: int) -> Tensor:
        """Which pixel (row · width + column) of the weak view each pixel of the strong one shows.

        int64 ``(n, height, width)``; -1 outside the image and cut out. What was said of the weak view's pixels is
        gathered through it.
        """
        pixels = torch.arange(height * width, device=self.warp.matrix.device).view(1, height, width)
        return self.warp.mask(pixels.expand(n, -1, -1), -1)


class ImageViews:
    """Views of uint8 batches ``(N, C, H, W)``, C = 1 or 3, made where the batch is; each image draws its own.

    * ``plain``: the image.
    * ``weak``: a flip left to right for half of the images, a shift by up to ``shift`` of the side,
      the border reflected.
    * ``strong``: a weak view of its own, then ``operations`` operations of RandAugment, then cutout.
    * ``cropped``: a random part of the image at the image's size, for half of the images mirrored, with other
      brightness, contrast and colours: the views of contrastive learning (Chen et al. 2020, appendix A, without the
      blur, as there for CIFAR).
    * ``recoloured``: a weak view of its own in other colours or grey, half of them blurred: a strong view that leaves
      every pixel where the weak one has it.
    * ``probe``: what a policy that learns, `Learner`, asks to see of labelled images; like ``strong``, without cutout.

    FixMatch (Sohn et al. 2020), section 2.3 and appendix D. What differs from applying Pillow's operations
    one by one, as public code does: all photometric operations come before all geometric ones, so that
    AutoContrast, Contrast and Equalize do not count the black that a warp brings in, nor do Contrast and Solarize
    change it; and several geometric operations are one warp, so that what the first moves out of the image the
    second can bring back. Pixels come from the nearest neighbour, Pillow's default (with ``smooth``, from four), and
    are black outside the image.

    Randomness comes from the default generator of the batch's device. Inputs are not changed.

    Args:
        flip: draw horizontal flips; not for digits or letters.
        shift: largest shift, as a part of the side, 0 to below 1.
        operations: RandAugment operations for each image.
        magnitude: RandAugment draws magnitudes from 0 to this, at most 10.
        cutout: largest side of the grey square, as a part of the shorter side, 0 to 1; 0 for none.
        exclude: names of `OPERATIONS` not to draw.
        smooth: interpolate when warping; None: for images under ``SMOOTH`` pixels, whose strokes the nearest
            neighbour would break.
        policy: draws in place of RandAugment; ``operations``, ``magnitude`` and ``exclude`` are then unused.

    Raises:
        ValueError: for arguments out of range, and at the call for anything but uint8 with 1 or 3 channels.
    """

    def __init__(
        self,
        flip: bool = True,
        shift: float = 0.125,
        operations: int = 2,
        magnitude: int = 10,
        cutout: float = 0.5,
        exclude: tuple[str, ...] = (),
        smooth: bool | None = None,
        policy: Policy | None = None,
    ):
        if not 0 <= shift < 1:
            raise ValueError(f"shift is {shift}; it must be at least 0 and below 1.")
        if not 0 <= cutout <= 1:
            raise ValueError(f"cutout is {cutout}; it must be between 0 and 1.")
        self.flip, self.shift, self.cutout, self.smooth = flip, shift, cutout, smooth
        self.policy = RandAugment(operations, magnitude, exclude) if policy is None else policy

    @property
    def learner(self) -> Learner | None:
        """The policy, where it is one that learns."""
        return self.policy if isinstance(self.policy, Learner) else None

    def plain(self, x: Tensor) -> Tensor:
        """The images as they are, channels-last."""
        return _pixels(x).permute(0, 3, 1, 2)

    def weak(self, x: Tensor) -> Tensor:
        """Flipped and shifted images, ``(N, C, H, W)`` channels-last."""
        return self.draw_weak(x).image(_pixels(x)).permute(0, 3, 1, 2)

    def strong(self, x: Tensor) -> Tensor:
        """Strongly augmented images, ``(N, C, H, W)`` channels-last."""
        return self.draw_strong(x).image(x)

    def cropped(self, x: Tensor) -> Tensor:
        """Random parts of the images, recoloured, ``(N, C, H, W)`` channels-last."""
        return self.draw_cropped(x).image(x)

    def recoloured(self, x: Tensor) -> Tensor:
        """Weak views in other colours, blurred, ``(N, C, H, W)`` channels-last."""
        return self.draw_recoloured(x).image(x)

    def probe(self, x: Tensor) -> Tensor:
        """Labelled images as the `learner` asks to see them, ``(N, C, H, W)`` channels-last."""
        assert self.learner is not None, "only a policy that learns asks"
        n, _, h, w = _checked(x).shape
        return self._strong(self.draw_weak(x), self.learner.probe(n, x.device), None, h, w).image(x)

    def draw_weak(self, x: Tensor) -> Shift:
        """Draw for the batch ``x`` what ``weak`` would; it is for images ``(N, H, W, C)`` and for their masks."""
        n, _, h, w = _checked(x).shape
        return draw_shift(n, h, w, self.flip, self.shift, x.device)

    def draw_cropped(self, x: Tensor) -> Cropped:
        """Draw for the batch ``x`` what ``cropped`` would, to be used on images and on their masks."""
        n, c, h, w = _checked(x).shape
        return draw_cropped(n, c, h, w, self.flip, x.device)

    def draw_recoloured(self, x: Tensor, shift: Shift | None = None) -> Recoloured:
        """Draw for the batch ``x`` what ``recoloured`` would; with ``shift``, on top of that weak view."""
        n, c, h, w = _checked(x).shape
        return draw_recoloured(n, c, min(h, w), self.draw_weak(x) if shift is None else shift, x.device)

    def draw_strong(self, x: Tensor, shift: Shift | None = None) -> StrongView:
        """Draw for the batch ``x`` what ``strong`` would, to be used on images and on their masks.

        With ``shift``, which ``draw_weak`` drew, the strong view is made of that weak view instead of one of its own.
        """
        n, _, h, w = _checked(x).shape
        shift = self.draw_weak(x) if shift is None else shift
        draw = self.policy.draw(n, x.device)
        box = draw_boxes(n, h, w, self.cutout, x.device) if self.cutout else None
        return self._strong(shift, draw, box, h, w)

    def _strong(self, shift: Shift, draw: Draw, box: Tensor | None, h: int, w: int) -> StrongView:
        moved = one_of(draw.operation, GEOMETRIC).any(1)
        smooth = min(h, w) < SMOOTH if self.smooth is None else self.smooth
        return StrongView(shift, draw, Warp(affine(draw, h, w), moved, box, smooth))

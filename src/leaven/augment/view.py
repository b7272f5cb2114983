"""What a view is: an object that draws for a batch, and what was drawn makes the images and knows their pixels."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class DrawnView(Protocol):
    """What was drawn for one view of a batch; all that follows from it is the same whenever it is asked."""

    def image(self, x: Tensor, /) -> Tensor:
        """The view of uint8 ``(B, C, H, W)``, channels-last, in 0..255; of feature vectors, floats ``(B, D)``."""

    # Of images whose pixels have classes also ``mask(integers (B, H, W), fill) -> (B, h, w)``: what belongs to the
    # image's pixels, where the view shows these, and ``fill`` where it shows none. A view without it has no labels.


class View(Protocol):
    """How a batch is seen: one of a run's own, or one that a method brings (`leaven.Method.own_views`)."""

    def draw(self, x: Tensor, /) -> DrawnView:
        """Draw for the batch ``x``, from the default generator of its device."""

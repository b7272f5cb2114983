"""What a view is: an object that draws for a batch, and what was drawn makes the images and knows their pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from torch import Tensor

if TYPE_CHECKING:
    from leaven.augment.crop import Cropped
    from leaven.augment.shift import Shift


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


class ItemViews(Protocol):
    """How a run sees its items: a function for each kind of view, from a batch to a batch of the same form."""

    def plain(self, x: Tensor, /) -> Tensor:
        """The items as they are."""

    def weak(self, x: Tensor, /) -> Tensor:
        """A view of the same class beyond doubt."""

    def strong(self, x: Tensor, /) -> Tensor:
        """A view that is hard to tell."""


class PixelViews(ItemViews, Protocol):
    """The same of images whose pixels may have classes: what is drawn is kept, for masks to go through it too."""

    def draw_weak(self, x: Tensor, /) -> Shift:
        """Draw what ``weak`` would."""

    def draw_cropped(self, x: Tensor, /) -> Cropped:
        """Draw what ``cropped`` would."""

    def probe(self, x: Tensor, /) -> Tensor:
        """What a policy that learns asks to see of labelled images."""

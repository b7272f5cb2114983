"""Items as the streams of a step want them seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from leaven.augment import Shift
from leaven.data.pool import NO_CLASS
from leaven.errors import LeavenError
from leaven.inference.items import to_float
from leaven.methods.base import IGNORE, kind_of, reference


class Drawn(Protocol):
    """What was drawn for one view of a batch of images."""

    def mask(self, mask: Tensor, /) -> Tensor:
        """Integers ``(B, H, W)`` that belong to the images' pixels, where the view shows these."""


class _Whole:
    """Of a plain view."""

    def mask(self, mask: Tensor) -> Tensor:
        return mask


@dataclass(frozen=True)
class Seen:
    """One stream's views, floats ``(B, ...)`` by name; of dense pools also what happened to the pixels' places."""

    views: dict[str, Tensor]
    drawn: Drawn | None = None  # of the weak view, or of the first, if that is known
    places: Mapping[str, Tensor] | None = None  # see ``leaven.methods.base.StreamBatch``

    def mask(self, masks: Tensor) -> Tensor:
        """The labels of the weak (or first) view's pixels, int64 ``(B, H, W)``, from uint8 masks ``(B, 1, H, W)``.

        Raises
        ------
        LeavenError : it is a view of which nobody knows where it shows which pixel
        """
        if self.drawn is None:
            raise LeavenError(
                f"Nobody knows which pixels the view {next(iter(self.views))!r} shows, so it has no labels of pixels; "
                "draw plain, weak, strong or cropped beside it."
            )
        moved = self.drawn.mask(masks[:, 0].contiguous()).long()
        return moved.masked_fill_(moved == NO_CLASS, IGNORE)


def _maker(views: Any, kind: str) -> Callable[[Tensor], Tensor]:
    """What makes a view: ``strong_2`` is one more draw of ``strong``."""
    return getattr(views, kind_of(kind))


def see_together(views: Any, items: Mapping[str, Tensor], wanted: Mapping[str, tuple[str, ...]]) -> dict[str, Seen]:
    """Make each kind of view of all the items that want it at once."""
    found: dict[str, dict[str, Tensor]] = {name: {} for name in items}
    for kind in dict.fromkeys(("plain", "weak", "strong", *(kind for name in items for kind in wanted[name]))):
        wanting = [name for name in items if kind in wanted[name]]
        if wanting:
            view = to_float(_maker(views, kind)(torch.cat([items[name] for name in wanting])))
            for name, part in zip(wanting, view.split([len(items[name]) for name in wanting]), strict=True):
                found[name][kind] = part
    return {name: Seen({kind: found[name][kind] for kind in wanted[name]}) for name in items}


def see_pixels(views: Any, items: Mapping[str, Tensor], wanted: Mapping[str, tuple[str, ...]]) -> dict[str, Seen]:
    """The same where pixels have labels: strong views are made of the very weak view, and of every view it is known
    which pixels it shows, so that what is said of a pixel in one can be said of it in the others.
    """
    return {name: _see_pixels(views, x, wanted[name]) for name, x in items.items()}


def _see_pixels(views: Any, x: Tensor, wanted: tuple[str, ...]) -> Seen:
    chief = reference(wanted)
    strong = [kind for kind in wanted if kind_of(kind) == "strong"]
    made: dict[str, Tensor] = {}
    drawn: dict[str, Drawn] = {}
    for kind in (k for k in wanted if k != "weak" and k not in strong):
        made[kind], of_view = _apart(views, kind, x)
        drawn |= {} if of_view is None else {kind: of_view}
    pixels = torch.arange(x[0, 0].numel(), device=x.device).view(1, *x.shape[2:]).expand(len(x), -1, -1)
    places: dict[str, Tensor] = {}
    if chief == "weak":
        drawn["weak"] = shift = views.draw_weak(x)
        made["weak"] = _shifted(shift, x)
        for kind in strong:
            of_weak = views.draw_strong(x, shift)
            made[kind], places[kind] = of_weak.image(x), of_weak.places(len(x), *x.shape[2:])
    if chief in drawn:
        one = drawn[chief].mask(pixels)
        places |= {kind: _through(one, other.mask(pixels)) for kind, other in drawn.items() if kind != chief}
    return Seen({kind: to_float(made[kind]) for kind in wanted}, drawn.get(chief), places)


def _apart(views: Any, kind: str, x: Tensor) -> tuple[Tensor, Drawn | None]:
    """A view drawn for itself, and what was drawn, where that is known."""
    if (of := kind_of(kind)) == "weak":
        shift = views.draw_weak(x)
        return _shifted(shift, x), shift
    if of == "cropped":
        crop = views.draw_cropped(x)
        return crop.image(x), crop
    return _maker(views, kind)(x), _Whole() if of == "plain" else None


def _shifted(shift: Shift, x: Tensor) -> Tensor:
    return shift.image(x.permute(0, 2, 3, 1).contiguous()).permute(0, 3, 1, 2)


def _through(one: Tensor, other: Tensor) -> Tensor:
    """Which pixel of one view each pixel of another shows: both show the pixels of an item that ``(B, H, W)`` say.

    Where a border is reflected a view shows a pixel twice; then the last place counts.
    """
    count = one[0].numel()
    place = torch.full((len(one), count), -1, device=one.device)
    numbers = torch.arange(count, device=one.device).expand(len(one), -1)
    place.scatter_reduce_(1, one.flatten(1), numbers, "amax")
    return place.gather(1, other.flatten(1)).view_as(other)

"""Items as the streams of a step want them seen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor

from leaven.augment import Shift
from leaven.augment.view import ItemViews, PixelViews, View
from leaven.data.pool import NO_CLASS
from leaven.errors import LeavenError
from leaven.inference.items import to_float
from leaven.methods.pixel_maps import IMAGE, PixelMaps, moved
from leaven.methods.step import IGNORE, OF_WEAK, kind_of, reference

KINDS = ("plain", "weak", "strong", "recoloured", "cropped")  # that every run has


@dataclass(frozen=True)
class Views:
    """The views of a run and those that its method brings.

    Attributes
    ----------
    usual : ItemViews
        The run's views, see ``leaven.augment``.
    of_method : mapping of str to View
        The method's views by name, see ``leaven.augment.view``.
    """

    usual: ItemViews
    of_method: Mapping[str, View]

    def require(self, names: Iterable[str], reader: str) -> None:
        """Find out before anything is trained whether somebody makes these views.

        Raises
        ------
        LeavenError
            Nobody makes one of them.
        """
        for name in names:
            kind = kind_of(name)
            if kind not in self.of_method and not hasattr(self.usual, kind):
                there = ", ".join([*KINDS, *self.of_method])
                raise LeavenError(
                    f"{reader} draws the view {name!r}, which nobody makes; there are {there}, each with a number for "
                    "one more, and what a method brings in `own_views`."
                )

    @property
    def of_pixels(self) -> PixelViews:
        """The run's views, where its items are images."""
        return cast(PixelViews, self.usual)

    def see(self, name: str, x: Tensor) -> Tensor:
        """One view of items; ``strong_2`` is one more draw of ``strong``."""
        kind = kind_of(name)
        if kind in self.of_method:
            return self.of_method[kind].draw(x).image(x)
        made: Tensor = getattr(self.usual, kind)(x)
        return made

    def draw(self, name: str, x: Tensor) -> tuple[Tensor, Callable[[Tensor, int], Tensor] | None]:
        """One view of images whose pixels have classes, made of the stored image; and how masks go through the same,
        where that is known.
        """
        kind = kind_of(name)
        if kind in self.of_method:
            view = self.of_method[kind].draw(x)
            return view.image(x), getattr(view, "mask", None)
        if kind == "weak":
            shift = self.of_pixels.draw_weak(x)
            return shifted(shift, x), lambda mask, fill: shift.mask(mask)
        if kind == "cropped":
            crop = self.of_pixels.draw_cropped(x)
            return crop.image(x), lambda mask, fill: crop.mask(mask)
        return self.see(name, x), (lambda mask, fill: mask) if kind == "plain" else None


@dataclass(frozen=True)
class Seen:
    """One stream's views, floats ``(B, ...)`` by name; of dense pools also where each shows which pixel."""

    views: dict[str, Tensor]
    maps: PixelMaps | None = None

    def mask(self, masks: Tensor) -> Tensor:
        """The labels of the weak (or first) view's pixels, int64 ``(B, H, W)``, from uint8 masks ``(B, 1, H, W)``.

        Raises
        ------
        LeavenError
            It is a view of which nobody knows where it shows which pixel.
        """
        assert self.maps is not None
        if (places := self.maps.between(IMAGE, reference(tuple(self.views)))) is None:
            raise LeavenError(
                f"Nobody knows which pixels the view {next(iter(self.views))!r} shows, so it has no labels of pixels; "
                "draw plain, weak, strong, recoloured or cropped beside it."
            )
        labels = moved(masks[:, 0], places, NO_CLASS).long()
        return labels.masked_fill_(labels == NO_CLASS, IGNORE)


def see_together(views: Views, items: Mapping[str, Tensor], wanted: Mapping[str, Collection[str]]) -> dict[str, Seen]:
    """Make each kind of view of all the items that want it at once."""
    images: dict[str, dict[str, Tensor]] = {name: {} for name in items}
    for kind in dict.fromkeys(("plain", "weak", "strong", *(kind for name in items for kind in wanted[name]))):
        wanting = [name for name in items if kind in wanted[name]]
        if wanting:
            view = to_float(views.see(kind, torch.cat([items[name] for name in wanting])))
            for name, part in zip(wanting, view.split([len(items[name]) for name in wanting]), strict=True):
                images[name][kind] = part
    return {name: Seen({kind: images[name][kind] for kind in wanted[name]}) for name in items}


def see_pixels(views: Views, items: Mapping[str, Tensor], wanted: Mapping[str, Collection[str]]) -> dict[str, Seen]:
    """The same where pixels have labels: strong views are made of the very weak view, and of every view it is known
    which pixels it shows, so that what is said of a pixel in one can be said of it in the others.
    """
    return {name: _see_pixels(views, x, tuple(wanted[name])) for name, x in items.items()}


def _see_pixels(views: Views, x: Tensor, wanted: tuple[str, ...]) -> Seen:
    strong = [kind for kind in wanted if kind_of(kind) in OF_WEAK]
    made: dict[str, Tensor] = {}
    maps: dict[tuple[str, str], Callable[[], Tensor]] = {}
    pixels = torch.arange(x[0, 0].numel(), device=x.device).view(1, *x.shape[2:]).expand(len(x), -1, -1)
    for kind in (k for k in wanted if k != "weak" and k not in strong):
        made[kind], mask = views.draw(kind, x)
        if mask is not None:
            maps[IMAGE, kind] = partial(mask, pixels, -1)
    if reference(wanted) == "weak":
        shift = views.of_pixels.draw_weak(x)
        made["weak"] = shifted(shift, x)
        maps[IMAGE, "weak"] = partial(shift.mask, pixels)
        for kind in strong:
            of_weak = getattr(views.usual, f"draw_{kind_of(kind)}")(x, shift)
            made[kind] = of_weak.image(x)
            maps["weak", kind] = partial(of_weak.places, len(x), *x.shape[2:])
    return Seen({kind: to_float(made[kind]) for kind in wanted}, PixelMaps(pixels[0].numel(), maps))


def shifted(shift: Shift, x: Tensor) -> Tensor:
    """The weak view of ``(B, C, H, W)``."""
    return shift.image(x.permute(0, 2, 3, 1).contiguous()).permute(0, 3, 1, 2)

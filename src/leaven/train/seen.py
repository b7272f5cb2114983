"""Items as the streams of a step want them seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from leaven.augment import Shift
from leaven.data.pool import NO_CLASS
from leaven.methods.base import IGNORE
from leaven.train.items import to_float


@dataclass(frozen=True)
class Seen:
    """One stream's views, floats ``(B, ...)`` by name; of dense pools also what happened to the pixels' places."""

    views: dict[str, Tensor]
    shift: Shift | None = None
    places: Tensor | None = None

    def mask(self, masks: Tensor) -> Tensor:
        """The labels of the weak view's pixels, int64 ``(B, H, W)``, from uint8 masks ``(B, 1, H, W)``."""
        pixels = masks[:, 0].contiguous()
        shifted = (pixels if self.shift is None else self.shift.mask(pixels)).long()
        return shifted.masked_fill_(shifted == NO_CLASS, IGNORE)


def _maker(views: Any, kind: str) -> Callable[[Tensor], Tensor]:
    """What makes a view: ``strong_2`` is one more draw of ``strong``."""
    return getattr(views, kind.rstrip("0123456789").removesuffix("_"))


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
    """The same where pixels have labels: the strong view is made of the very weak view, so that what is said of a
    pixel of the one can be said of it in the other. Views of other names are drawn apart, and nothing follows them.
    """
    found = {}
    for name, x in items.items():
        made = {kind: _maker(views, kind)(x) for kind in wanted[name] if kind not in ("weak", "strong")}
        shift = places = None
        if "weak" in wanted[name] or "strong" in wanted[name]:
            shift = views.draw_weak(x)
            made["weak"] = shift.image(x.permute(0, 2, 3, 1).contiguous()).permute(0, 3, 1, 2)
        if "strong" in wanted[name]:
            strong = views.draw_strong(x, shift)
            made["strong"] = strong.image(x)
            places = strong.places(len(x), *x.shape[2:])
        found[name] = Seen({kind: to_float(made[kind]) for kind in wanted[name]}, shift, places)
    return found

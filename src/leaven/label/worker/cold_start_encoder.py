"""The first ranking by a pretrained encoder, where the trainings will have one: it knows what small pictures do not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from leaven.data.readers.images import standardise
from leaven.label.session.items import ItemIndex
from leaven.label.session.settings import Settings

MOST, LOT, SECONDS = 1000, 50, 60.0  # items to encode, items at a time, and when to rank what there is
SMALL = 32  # pixels: `auto` takes a small network for images up to this, see `leaven.nn.build`
SIDE = 128  # pixels, as the reader of folders has it for images of several sizes


def encoded(
    items: ItemIndex, names: Sequence[str], settings: Settings, stop: Callable[[], bool]
) -> tuple[list[str], np.ndarray] | None:
    """Features ``(n, D)`` of the first of these names by the frozen encoder that a training would take.

    ``None`` where it would take none, or ``stop`` says that there is something better to do.

    Raises
    ------
    LeavenError
        There is to be an encoder, but it cannot be had.
    """
    from leaven.nn.build import Spec, spec_for
    from leaven.run.prepare import encode_plain
    from leaven.train.plan import Plan

    size = settings.form.get("size") or SIDE
    pair = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    asked = dict(settings.network)
    network = asked.get("network", "auto")
    with items.open(items.id(names[0])) as image:
        if network == "auto" and max(image.size) <= SMALL:
            return None
    plan = Plan().with_(**{name: settings.plan[name] for name in ("precision", "accelerator") if name in settings.plan})
    end = time.monotonic() + SECONDS
    encoded_names: list[str] = []
    features: list[np.ndarray] = []
    for start in range(0, min(MOST, len(names)), LOT):
        lot = list(names[start : start + LOT])
        pixels = np.stack([_pixels(items, name, pair) for name in lot])
        spec: Spec = spec_for(
            network,
            pixels,
            2,
            pretrained=asked.get("pretrained"),
            frozen=asked.get("frozen"),
            resolution=asked.get("resolution"),
        )
        if not spec.frozen or not spec.pretrained or stop():
            return None
        features.append(encode_plain(spec, pixels, plan, progress=False))
        encoded_names += lot
        if time.monotonic() > end:
            break
    return encoded_names, np.concatenate(features)


def _pixels(items: ItemIndex, name: str, pair: tuple[int, int]) -> np.ndarray:
    with items.open(items.id(name)) as image:
        return standardise(image, pair, 3, items.white)

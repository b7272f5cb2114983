"""Colours of classes, and masks as files that show them."""

from __future__ import annotations

import colorsys
from pathlib import Path
from typing import IO

import numpy as np

from leaven.data.pool import NO_CLASS

# Easy to tell apart for most eyes, in dark and light pages (after Okabe & Ito 2008, and Tol's muted scheme).
COLOURS = (
    "#88ccee",
    "#cc6677",
    "#7d7a85",
    "#ddcc77",
    "#117733",
    "#332288",
    "#ee3377",
    "#f0e442",
    "#44aa99",
    "#aa4499",
    "#e69f00",
    "#661100",
)
UNKNOWN = "#f4efe7"  # pixels that do not count


def colour(k: int) -> str:
    """The colour of class *k*, as ``#rrggbb``."""
    if k < len(COLOURS):
        return COLOURS[k]
    rgb = colorsys.hls_to_rgb(k * 0.618 % 1, 0.4 + 0.2 * (k % 2), 0.6)
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)


def table() -> np.ndarray:
    """Colours of all numbers of a mask, uint8 ``(256, 3)``."""
    text = "".join(colour(k)[1:] for k in range(NO_CLASS)) + UNKNOWN[1:]
    return np.frombuffer(bytes.fromhex(text), np.uint8).reshape(256, 3)


def save_mask(mask: np.ndarray, file: Path | IO[bytes], **options: object) -> None:
    """Write class numbers, uint8 ``(H, W)``, as a PNG that holds them and shows them in colours."""
    from PIL import Image

    image = Image.fromarray(mask)
    image.putpalette(table().tobytes())
    image.save(file, "PNG", **options)

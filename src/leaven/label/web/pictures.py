"""Images as a browser shows them: upright, of 8 bits, no larger than needed, encoded."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

from leaven.data.in_flight import PIXELS, decoding
from leaven.data.readers.depth import eight_bits
from leaven.data.readers.images import averaged, probe
from leaven.data.readers.white import FULL, White

if TYPE_CHECKING:
    from PIL.Image import Image

SMALL = 256  # pixels: an original up to this is shown as it is
SHOWN = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}  # by every browser


class Picture(NamedTuple):
    """An encoded image and its media type."""

    type: str
    content: bytes


def scaled(image: Image, side: int, white: White = FULL) -> Image:
    """The opened image upright, in colours that a browser shows, at most ``side`` pixels on its longer side."""
    whole = image.size
    image.draft(None, (side, side))  # of a JPEG only as much is decoded as is needed
    with decoding(image, whole):
        return _scaled(eight_bits(image, white), side)


def _scaled(image: Image, side: int) -> Image:
    from PIL import Image as Pillow
    from PIL import ImageOps

    if image.width * image.height > PIXELS:
        image = averaged(image, "L" if probe(image)[2] else "RGB", (side, side))
    ImageOps.exif_transpose(image, in_place=True)
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Pillow.alpha_composite(Pillow.new("RGBA", image.size, "white"), image).convert("RGB")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    image.thumbnail((side, side), Pillow.Resampling.BICUBIC, reducing_gap=2.0)
    return image


def encoded(image: Image) -> Picture:
    """A JPEG of large ones, as it is by far the quickest to make; a PNG, which loses nothing, of small ones."""
    stream = io.BytesIO()
    if max(image.size) <= SMALL and image.size[0] * image.size[1] <= 96 * 96:
        image.save(stream, "PNG")
        return Picture("image/png", stream.getvalue())
    image.save(stream, "JPEG", quality=86)
    return Picture("image/jpeg", stream.getvalue())

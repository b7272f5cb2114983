"""One image file of any size and mode → uint8 pixels of one size."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from leaven.data.in_flight import PIXELS, decoding

from .depth import ORIENTATION, eight_bits
from .white import FULL, Span, White

if TYPE_CHECKING:
    from PIL.Image import Image

GREY = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
GAP = 3  # times the pixels asked for that are left to resample, of an image that is averaged first
BAND = 2**22  # pixels of it on their way at a time


def probe(image: Image) -> tuple[int, int, bool]:
    """Height and width after the EXIF rotation, and greyness of an opened image, from its header alone.

    Grey is a question of the mode (or palette), not of the pixels: an RGB file of grey pixels is a colour
    image.
    """
    width, height = image.size
    turned = width != height and "exif" in image.info and image.format != "TIFF"  # Pillow turns TIFF itself
    if turned and image.getexif().get(ORIENTATION, 1) >= 5:
        width, height = height, width
    if image.mode in ("P", "PA"):
        palette = image.getpalette("RGB") or [0, 0, 0]
        return height, width, palette[0::3] == palette[1::3] == palette[2::3]
    return height, width, image.mode in GREY


def standardise(
    image: Image,
    size: tuple[int, int],
    channels: int,
    white: White = FULL,
    record_span: Callable[[Span], None] | None = None,
) -> np.ndarray:
    """Pixels of an opened image as uint8 ``(height, width, channels)``.

    The first frame of an animation; the EXIF rotation applied; integers of more than 8 bits and floats brought to 8
    bits, see `leaven.data.readers.depth.eight_bits`; anything transparent laid on white; palettes, CMYK and the rest
    converted to RGB (colour profiles are not applied). Then scaled, antialiased (bicubic), until it covers ``size``,
    and cropped at the centre. Threads that do this at once share a budget of pixels (`leaven.data.in_flight`), and an
    image above that budget is averaged over blocks of pixels first, never to less than three times what is asked for.

    Parameters
    ----------
    image : PIL.Image.Image
        Opened, not necessarily loaded; loading it may raise whatever its decoder raises.
    size : tuple of int
        Height and width, pixels.
    channels : int
        1 (grey: ITU-R 601 luma) or 3 (RGB).
    white : White, optional
        As for `eight_bits`.
    record_span : callable, optional
        As for `eight_bits`.

    Raises
    ------
    ValueError
        The image has more pixels than are ever decoded, or values of no known range.
    """
    from PIL import Image, ImageOps

    height, width = size
    mode, whole = "L" if channels == 1 else "RGB", image.size
    if image.format in ("JPEG", "MPO"):
        # The decoder leaves fine frequencies out, which saves most of the work for a big photo. It is asked
        # for twice the size, so that the resampling below does the last step; the longer side, as the image
        # may be turned.
        most = 2 * max(height, width)
        image.draft("L" if channels == 1 else None, (most, most))
    with decoding(image, whole):
        image = eight_bits(image, white, record_span)
        if image.width * image.height > PIXELS:
            image = averaged(image, mode, size)
        ImageOps.exif_transpose(image, in_place=True)
        image = _plain(image, mode)
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BICUBIC, box=kept_part(image.size, size))
        return np.asarray(image).reshape(height, width, channels)


def averaged(image: Image, mode: str, size: tuple[int, int]) -> Image:
    """A large, loaded image of 8 bits in ``mode``, each block of its pixels made one; not upright yet, if it was not.

    It goes band by band, so that what is on the way from the one to the other stays small. At least `GAP` times as
    many pixels a side are left as cover ``size`` (height, width), so that scaling these down looks the same to within
    a few levels.
    """
    from PIL import Image

    turn = image.getexif().get(ORIENTATION, 1)
    down, across = size[::-1] if turn >= 5 else size
    factor = max(1, int(min(image.width / across, image.height / down) / GAP))
    rows = factor * max(1, BAND // (image.width * factor))
    small = Image.new(mode, (-(-image.width // factor), -(-image.height // factor)))
    for top in range(0, image.height, rows):
        band = _plain(image.crop((0, top, image.width, min(top + rows, image.height))), mode)
        small.paste(band.reduce(factor), (0, top // factor))
    small.getexif()[ORIENTATION] = turn
    return small


def _plain(image: Image, mode: str) -> Image:
    """Laid on white, and in this mode."""
    from PIL import Image

    if image.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in image.info:
        image = image.convert("LA" if image.mode == "La" else image.mode).convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert(mode)


def kept_part(image: tuple[int, int], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The part that is kept of an image that is scaled until it covers ``size`` and cropped at the centre.

    ``image`` is (width, height), as Pillow has it; ``size`` (height, width). Left, top, right and bottom, in the
    image's own pixels.
    """
    (width, height), (down, across) = image, size
    scale = max(down / height, across / width)
    across_kept, down_kept = across / scale, down / scale
    left, top = (width - across_kept) / 2, (height - down_kept) / 2
    return max(left, 0), max(top, 0), min(left + across_kept, width), min(top + down_kept, height)

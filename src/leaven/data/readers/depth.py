"""Images of more than 8 bits: what values they hold, and the same in 8 bits."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .white import FULL, Kind, Span, White, alone

if TYPE_CHECKING:
    from PIL.Image import Image

BAND = 2**20  # pixels on their way at a time
ORIENTATION = 0x0112  # the EXIF tag; 5 to 8 are the ones that swap the sides
SCALED = frozenset({"PPM", "JPEG2000"})  # whose files say what is white, so that their decoders make it 65535
OTHER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}  # end of a number's bytes
GREY_ALPHA = "LA;16B"  # which Pillow has no counterpart of; read as four bytes, the second is grey's lower one


def kind(image: Image) -> Kind | None:
    """What an opened image, not loaded yet, holds by its header; None where it has 8 bits, or says what is white."""
    if image.mode == "F":
        return "floats"
    if image.format in SCALED:
        return None
    return "integers" if image.mode.startswith("I") or ";16" in _raw(image) else None


def eight_bits(image: Image, white: White = FULL, record_span: Callable[[Span], None] | None = None) -> Image:
    """Load an opened image; the answer is itself, or where it is not of 8 bits another of the same form that is.

    Values from 0 to ``white`` become 0 to 255, and what is brighter is cut. Of colours of 16 bits Pillow reads the
    upper bytes only; where white is below 65535 the lower ones are read apart.

    Parameters
    ----------
    image : Image
        An opened image.
    white : White, optional
        White as far as it is known; else the image's own values decide.
    record_span : callable, optional
        Is told the image's values, in place of checking that they are of a range with ``white``.

    Raises
    ------
    ValueError
        The values are NaN or of no known range.
    """
    value_kind = kind(image)
    colours = value_kind is not None and image.mode != "F" and not image.mode.startswith("I")
    content = _content(image) if colours and white.integers != FULL.integers else b""
    image.load()
    if value_kind is None:
        return _scaled(image, 2**16 - 1) if image.mode.startswith("I") else image
    span = _span(image, value_kind)
    if record_span is not None:
        record_span(span)
    top = white.of(value_kind)
    if top is None or record_span is None:
        top = alone(span, white)
    if not colours:
        return _scaled(image, top)
    if top != FULL.integers:
        _with_lower(image, content or _content(image), top)
    return image


def _raw(image: Image) -> str:
    """How the pixels stand in the file of an opened image."""
    for tile in getattr(image, "tile", ()):
        return str(tile.args if isinstance(tile.args, str) else (tile.args or ("",))[0])
    return ""


def _as(args: Any, raw: str) -> Any:
    return raw if isinstance(args, str) else (raw, *args[1:])


def _content(image: Any) -> bytes:
    place = image.fp.tell()
    image.fp.seek(0)
    try:
        return bytes(image.fp.read())
    finally:
        image.fp.seek(place)


def _boxes(image: Image) -> Iterator[tuple[int, int, int, int]]:
    rows = max(1, BAND // image.width)
    for top in range(0, image.height, rows):
        yield 0, top, image.width, min(top + rows, image.height)


def _span(image: Image, value_kind: Kind) -> Span:
    if image.mode == "F" or image.mode.startswith("I"):
        parts = (np.asarray(image.crop(box)) for box in _boxes(image))
        ends = np.array([(part.min(), part.max()) for part in parts], np.float64)
        return Span(value_kind, float(ends[:, 0].min()), float(ends[:, 1].max()))
    low, high = zip(*image.getextrema()[:3], strict=True)  # upper bytes, without what is transparent
    return Span(value_kind, 256 * min(low), 256 * max(high) + 255)


def _in_bytes(values: np.ndarray, white: float) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # NaN: whoever was shown the values sees to it
        return np.rint(np.clip(values, 0, white) * (255 / white)).astype(np.uint8)


def _scaled(image: Image, white: float) -> Image:
    """A loaded grey image in 8 bits, as upright as it was."""
    from PIL import Image as Pillow

    grey = Pillow.new("L", image.size)
    for box in _boxes(image):
        grey.paste(Pillow.fromarray(_in_bytes(np.asarray(image.crop(box)), white)), box)
    grey.getexif()[ORIENTATION] = image.getexif().get(ORIENTATION, 1)
    return grey


def _with_lower(image: Image, content: bytes, white: float) -> None:
    """Scale a loaded image of the upper bytes of colours, in place, by what the lower ones say."""
    from PIL import Image as Pillow

    with Pillow.open(io.BytesIO(content)) as lower:
        raw = _raw(lower)
        ours = [1, 1, 1] if raw == GREY_ALPHA else [0, 1, 2]
        other = "RGBA" if raw == GREY_ALPHA else raw[:-1] + OTHER[raw[-1]]
        lower.tile = [tile._replace(args=_as(tile.args, other)) for tile in lower.tile]
        lower.load()
        for box in _boxes(image):
            part = np.array(image.crop(box))
            below = np.asarray(lower.crop(box))[..., ours]
            part[..., :3] = _in_bytes(part[..., :3].astype(np.uint16) << 8 | below, white)
            image.paste(Pillow.fromarray(part), box)

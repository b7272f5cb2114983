"""Areas as COCO has them, through pycocotools: polygons and compressed run lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leaven.errors import LeavenError

if TYPE_CHECKING:
    import numpy as np


def run_lengths(text: str) -> list[int]:
    """Run lengths from their text; pycocotools reads beyond the end of a damaged one.

    Five bits a character, the lowest first, a sixth says that more follow; from the fourth number on, what it differs
    by from the one two before (its maskApi.c, ``rleFrString``).
    """
    lengths: list[int] = []
    number = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            return []
        number |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            number -= (bits & 16) << (shift - 4)
            lengths.append(number + (lengths[-2] if len(lengths) > 2 else 0))
            number = shift = 0
    return [] if shift else lengths


def polygons_to_mask(polygons: list[list[float]], height: int, width: int) -> np.ndarray:
    """Pixels of polygons ``[x, y, x, y, ...]`` of three corners or more, bool ``(height, width)``."""
    mask = _pycocotools()
    pixels: np.ndarray = mask.decode(mask.merge(mask.frPyObjects(polygons, height, width))).astype(bool)
    return pixels


def encode_area(counts: list[int], height: int, width: int) -> dict[str, Any]:
    """What an annotation says of the pixels that run lengths have: ``segmentation``, ``area`` and ``bbox``."""
    mask = _pycocotools()
    rle = mask.frPyObjects({"counts": counts, "size": [height, width]}, height, width)
    size, box = int(mask.area(rle)), [float(x) for x in mask.toBbox(rle)]
    return {"segmentation": {"size": [height, width], "counts": rle["counts"].decode()}, "area": size, "bbox": box}


def _pycocotools() -> Any:
    try:
        from pycocotools import mask
    except ImportError:
        raise LeavenError(
            'COCO\'s masks need pycocotools, which is not installed: pip install "leaven-learn[coco]".'
        ) from None
    return mask

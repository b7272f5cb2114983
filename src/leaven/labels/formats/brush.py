"""The run lengths of Label Studio's brush.

A bit stream: how many numbers follow (32 bits), their width less one (5 bits), four widths of lengths less one (4 bits
each), then packets: a bit that says whether one number is repeated, which width the length has (2 bits), the length
less one, and the number, or as many numbers. The numbers are the red, green, blue and opacity of each pixel, row by
row; what the brush touched is opaque.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from leaven.errors import LeavenError

if TYPE_CHECKING:
    import numpy as np

WIDTHS = (3, 4, 8, 16)  # of lengths, as Label Studio's own encoder has them
WORD = 8
CHANNELS = 4


def decode(rle: Sequence[int], height: int, width: int, where: str) -> np.ndarray:
    """Which pixels were brushed, bool ``(height, width)``.

    Raises
    ------
    LeavenError
        The stream is damaged, or of an image of another size.
    """
    import numpy as np

    try:
        bits = "".join(np.unpackbits(np.array(rle, np.uint8)).astype(str).tolist())
        at = 0

        def take(n: int) -> int:
            nonlocal at
            at += n
            return int(bits[at - n : at], 2)

        count, word = take(32), take(5) + 1
        widths = [take(4) + 1 for _ in range(4)]
        if count != height * width * CHANNELS:
            raise ValueError(f"{count} numbers for {height}×{width} pixels")
        flat, done = np.zeros(count, np.uint8), 0
        while done < count:
            repeated, length = take(1), take(widths[take(2)]) + 1
            if repeated:
                flat[done : done + length] = take(word)
            else:
                flat[done : done + length] = [take(word) for _ in range(length)]
            done += length
    except (ValueError, TypeError, OverflowError) as error:
        raise LeavenError(f"{where} has a brush stroke that cannot be read ({error}): export it anew.") from None
    return flat.reshape(height, width, CHANNELS)[..., -1] > 0


def encode(of: np.ndarray) -> list[int]:
    """The stream of a boolean ``(H, W)``."""
    import numpy as np

    flat = np.asarray(of, bool).ravel()
    ends = np.append(np.flatnonzero(np.diff(flat)) + 1, flat.size)
    parts = [f"{flat.size * CHANNELS:032b}{WORD - 1:05b}" + "".join(f"{width - 1:04b}" for width in WIDTHS)]
    start = 0
    for end in ends.tolist():
        value, left = (255 if flat[start] else 0), (end - start) * CHANNELS
        while left:
            k = next((k for k, width in enumerate(WIDTHS) if left <= 1 << width), len(WIDTHS) - 1)
            length = min(left, 1 << WIDTHS[k])
            parts.append(f"1{k:02b}{length - 1:0{WIDTHS[k]}b}{value:0{WORD}b}")
            left -= length
        start = end
    bits = "".join(parts)
    bits += "0" * (-len(bits) % 8)
    return list(int(bits, 2).to_bytes(len(bits) // 8, "big"))

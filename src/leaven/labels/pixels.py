"""Classes of pixels as text: COCO's run lengths of each class.

``{"counts": {"road": [3, 5, 1]}, "size": [3, 3]}``: height and width, and for each class how many pixels are not of
it, then how many are, and so on, down the columns from left to right. No pixel is of two classes; those of none count
for nothing. It is the form that pycocotools calls uncompressed: ``pycocotools.mask.frPyObjects`` reads a class of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from leaven.errors import LeavenError

if TYPE_CHECKING:
    import numpy as np

NO_CLASS = 255  # as `leaven.data.pool` has it
MOST_PIXELS = 2**28  # of an image; a file that says more is damaged, and would fill the memory


def encode(numbers: np.ndarray, classes: Sequence[str]) -> str:
    """Text of a map of class numbers, ``(H, W)``; numbers from ``len(classes)`` on are of no class.

    Raises
    ------
    LeavenError
        The map is none.
    """
    import numpy as np

    numbers = np.asarray(numbers)
    if numbers.ndim != 2 or not numbers.size:
        raise LeavenError(f"A mask has the shape {numbers.shape}, expected height and width: make it anew.")
    there = [k for k in np.unique(numbers).tolist() if 0 <= k < len(classes)]
    return format_mask(numbers.shape, {classes[k]: counts(numbers == k) for k in there})


def format_mask(size: Sequence[int], runs: Mapping[str, Sequence[int]]) -> str:
    """The text of runs of each class: always the same for the same mask, so that texts can be compared."""
    content = {"counts": dict(runs), "size": list(size)}
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def counts(of: np.ndarray) -> list[int]:
    """Run lengths of a boolean ``(H, W)``, the first of pixels that are not of it."""
    import numpy as np

    flat = np.asarray(of, bool).ravel(order="F")
    changes = np.flatnonzero(np.diff(np.concatenate(([False], flat)))).tolist()
    return np.diff([0, *changes, len(flat)]).tolist()


def fill_runs(counts: Sequence[int], height: int, width: int) -> np.ndarray:
    """Which pixels are of it, bool ``(H, W)``, from run lengths that fill the image."""
    import numpy as np

    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape((height, width), order="F")


def parse_mask(text: str) -> tuple[tuple[int, int], dict[str, list[int]]]:
    """Height and width, and the run lengths of each class.

    Raises
    ------
    LeavenError
        The text is no mask, or its runs do not fill the image.
    """
    try:
        content: Any = json.loads(text)
        (height, width), runs = content["size"], content["counts"]
        whole = type(height) is type(width) is int and height > 0 and width > 0 and height * width <= MOST_PIXELS
        whole = whole and isinstance(runs, dict)
        whole = whole and all(set(map(type, r)) == {int} for r in runs.values())
        whole = whole and all(min(r, default=-1) >= 0 and sum(r) == height * width for r in runs.values())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise LeavenError(f"The mask {text[:40]}... does not fill an image with runs of classes: make it anew.")
    return (height, width), runs


def decode(text: str, classes: Sequence[str]) -> np.ndarray:
    """Class numbers of a mask, uint8 ``(H, W)``; ``NO_CLASS`` for pixels of none of the classes.

    Raises
    ------
    LeavenError
        The text is no mask, or a pixel is of two classes.
    """
    import numpy as np

    (height, width), runs = parse_mask(text)
    numbers = np.full((height, width), NO_CLASS, np.uint8, order="F")
    for name, lengths in runs.items():
        if name in classes:
            of = fill_runs(lengths, height, width)
            if (numbers[of] != NO_CLASS).any():
                raise LeavenError(f"A mask has pixels of {name} and of another class: give every pixel one class.")
            numbers[of] = classes.index(name)
    return numbers

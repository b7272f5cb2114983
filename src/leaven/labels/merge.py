"""One mask of each item from those of several people."""

from __future__ import annotations

from collections.abc import Sequence

from leaven.errors import LeavenError

from .pixels import NO_CLASS, decode, encode
from .state import State


def merged_masks(state: State) -> dict[str, str]:
    """Item → mask that the annotators agree on, see `merged`."""
    combined = {}
    for item, given in state.answers.items():
        masks = [event.mask for _, event in sorted(given.items()) if event.kind == "mask"]
        if masks:
            combined[item] = merged(masks, state.classes, item)
    return combined


def merged(masks: Sequence[str], classes: Sequence[str], item: str) -> str:
    """The class that most annotators gave each pixel; a pixel of which two have as many votes is of no class.

    Raises
    ------
    LeavenError
        The masks are of different sizes.
    """
    import numpy as np

    if len(masks) == 1:
        return masks[0]
    maps = [decode(mask, classes) for mask in masks]
    if len({one.shape for one in maps}) > 1:
        raise LeavenError(f"The masks of {item} are of different sizes: undo the wrong one.")
    votes = np.stack([sum(one == k for one in maps) for k in range(len(classes))])
    most = votes.max(0)
    numbers = np.where((most > 0) & ((votes == most).sum(0) == 1), votes.argmax(0), NO_CLASS)
    return encode(numbers, classes)

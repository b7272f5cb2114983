"""A folder of masks: a palette PNG of class numbers for each image under its name, and ``classes.txt``."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

from leaven.data.readers.mask_files import MaskReader, pair, places
from leaven.data.readers.mask_numbering import numbering
from leaven.data.readers.mask_values import FILE, Value, combine_values, write_names
from leaven.data.readers.palette import save_mask
from leaven.errors import LeavenError
from leaven.labels.event import Event
from leaven.labels.merge import merged_masks
from leaven.labels.pixels import decode, encode
from leaven.labels.state import State

from .import_result import answer

MOST = 255  # classes that a PNG of one byte a pixel can tell apart from none


def read(
    masks: Path, images: Path, annotator: str, values: Mapping[Value, str] | None = None, background: str | None = None
) -> tuple[list[Event], list[str], str]:
    """A mask for each image that has one, the names of the classes in their order, and which have no pixel.

    ``values`` and ``background`` are those of `leaven.data.read_masks`.

    Raises
    ------
    LeavenError
        A mask has no image, cannot be read, is of another size than its image, or holds what stands for no class.
    """
    import numpy as np

    from leaven.data import LeavenWarning
    from leaven.data.readers.image_files import select_images
    from leaven.data.readers.scan import scan

    for folder in (masks, images):
        if not folder.is_dir():
            raise LeavenError(f"The folder {folder} does not exist, expected masks and their images: check the path.")
    selection = select_images(images, scan(images))
    if selection.warning:
        warnings.warn(selection.warning, LeavenWarning, stacklevel=2)
    of = pair(selection.files, masks, images, selection.passed)
    combined = combine_values(masks, values)
    reader = MaskReader(combined, by_number=bool(values))
    maps = {item: np.asarray(reader.open(masks / file.name, images / item)) for item, file in of.items()}
    counts = sum((np.bincount(numbers.ravel(), minlength=256) for numbers in maps.values()), np.zeros(256, np.int64))
    to, names, absent = numbering(counts, reader.coded or combined, background, masks)
    return [answer(item, annotator, "mask", mask=encode(to[m], names)) for item, m in maps.items()], list(names), absent


def write(state: State, folder: Path, *, audit: bool = True) -> int:
    """Write the masks that the annotators agree on into an empty folder; the answer is how many.

    Raises
    ------
    LeavenError
        There is none, there are too many classes, or two images would have one mask's name.
    """
    masks = {item: mask for item, mask in merged_masks(state).items() if audit or item not in state.audit}
    if not masks:
        raise LeavenError("The store holds no masks, so there is nothing to write: choose another --format.")
    if len(state.classes) > MOST:
        raise LeavenError(f"A mask file tells {MOST} classes apart, but there are {len(state.classes)}: remove some.")
    for item, path in places(masks, folder).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        save_mask(decode(masks[item], state.classes), path)
    write_names(folder / FILE, state.classes)
    return len(masks)

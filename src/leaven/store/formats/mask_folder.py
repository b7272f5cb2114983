"""A folder of masks: a PNG of class numbers for each image under its name, and ``classes.txt``."""

from __future__ import annotations

import os
from pathlib import Path

from leaven.errors import LeavenError

from ..event import Event
from ..merge import merged_masks
from ..pixels import decode, encode
from ..state import State
from .taken import answer

NAMES = "classes.txt"  # as `leaven.data.masks` has it
MOST = 255  # classes that a PNG of one byte a pixel can tell apart from none


def read(masks: Path, images: Path, annotator: str) -> tuple[list[Event], list[str]]:
    """A mask for each image that has one, and the names of the classes in the order of their numbers.

    Raises
    ------
    LeavenError
        A mask has no image, or is no map of class numbers of its image's size.
    """
    import numpy as np
    from PIL import Image

    from leaven.data.folder import is_image, scan
    from leaven.data.mask_files import pair
    from leaven.data.masks import named

    for folder in (masks, images):
        if not folder.is_dir():
            raise LeavenError(f"The folder {folder} does not exist, expected masks and their images: check the path.")
    files = sorted(file for file in scan(images) if is_image(file.name))
    if not files:
        raise LeavenError(f"The folder {images} has no images, expected those of the masks: check the path.")
    of = pair(files, masks, images)
    maps = {}
    for item, file in of.items():
        path = masks / file.name
        try:
            with Image.open(path) as mask, Image.open(images / item) as image:
                grey = mask.mode in ("L", "P", "1") or mask.mode.startswith("I")
                sizes, numbers = (mask.size, image.size), np.asarray(mask)
        except OSError as error:
            raise LeavenError(f"The mask {path} or its image cannot be read ({error}): replace it.") from None
        if not grey or sizes[0] != sizes[1] or numbers.min() < 0 or numbers.max() > MOST:
            raise LeavenError(
                f"The mask {path} is of another size than its image or holds no class numbers, expected one from 0 to "
                f"{MOST} a pixel: make it anew."
            )
        maps[item] = numbers.astype(np.uint8)
    names = named(masks)
    if names is None:
        there = {int(k) for numbers in maps.values() for k in np.unique(numbers)} - {MOST}
        names = tuple(map(str, range(max(there, default=-1) + 1)))
    return [answer(item, annotator, "mask", mask=encode(m, names)) for item, m in maps.items()], list(names)


def write(state: State, folder: Path, *, audit: bool = True) -> int:
    """Write the masks that the annotators agree on into an empty folder; the answer is how many.

    Raises
    ------
    LeavenError
        There is none, there are too many classes, or two images would have one mask's name.
    """
    from PIL import Image

    masks = {item: mask for item, mask in merged_masks(state).items() if audit or item not in state.audit}
    if not masks:
        raise LeavenError("The store holds no masks, so there is nothing to write: choose another --format.")
    if len(state.classes) > MOST:
        raise LeavenError(f"A mask file tells {MOST} classes apart, but there are {len(state.classes)}: remove some.")
    stems: dict[str, str] = {}
    for item in masks:
        stem = os.path.splitext(item)[0]
        if stem in stems:
            raise LeavenError(f"The images {stems[stem]} and {item} would share the mask {stem}.png: rename one.")
        stems[stem] = item
    root = folder.resolve()
    for stem, item in stems.items():
        path = (root / f"{stem}.png").resolve()
        if root not in path.parents:  # ids come from files of others too
            raise LeavenError(f"The mask of {item} would lie outside {folder}: rename the image.")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(decode(masks[item], state.classes)).save(path)
    (root / NAMES).write_text("".join(f"{name}\n" for name in state.classes), "utf-8")
    return len(masks)

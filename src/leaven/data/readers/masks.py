"""Reader of a folder of images and a folder of masks, for pools in which every pixel has a class."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leaven.data.pool import NO_CLASS, Pool
from leaven.data.storage import bytes_each, let_go, parts, room
from leaven.errors import LeavenError, LeavenWarning

from .decode import COMMON
from .folder import say_parts
from .image_files import decode_files, select_images
from .images import probe
from .mask_numbering import numbering, one_class_message
from .mask_source import FolderMasks, Masks, decode_masks
from .mask_values import Value, combine_values
from .scan import File, scan, subfolder


def read_masks(
    images: str | os.PathLike[str],
    masks: str | os.PathLike[str] | None = None,
    *,
    classes: Sequence[str] | None = None,
    ignore: Collection[int] = (),
    values: Mapping[Value, str] | None = None,
    background: str | None = None,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    white: Any = None,
    strict: bool = False,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
    announce: bool = True,
) -> Pool:
    """Dense pool from a folder of images and a folder of masks.

    The mask of ``images/a/b.jpg`` is ``masks/a/b.png``: one channel (grey or palette) whose values are class numbers,
    or colours that ``values`` names. 255, like what is transparent, means that a pixel does not count. An image without
    a mask is unlabelled. Both are decoded once into a memory-mapped cache, as by `read_folder`, and scaled and cropped
    alike, the mask by its nearest pixels.

    Parameters
    ----------
    images : path-like
        The folder of images, read with all its subfolders.
    masks : path-like, optional
        The folder of masks. A file ``classes.txt`` in it (or beside ``images`` and ``masks``), where there is one,
        names the classes: a name a line from 0 on, or lines of ``255=object`` or ``#ff0000=car``. None: no image has a
        mask.
    classes : sequence of str, optional
        Names of the classes 0, 1, ..., in place of those in ``classes.txt``; by default the numbers that occur, each
        a class, in their order.
    ignore : collection of int, optional
        Numbers that stand for no class.
    values : mapping of int or str to str, optional
        What a number, or a colour such as ``"#ff0000"``, stands for, before what ``classes.txt`` or ``classes`` say;
        several may be of one class, and an empty name says that such pixels do not count. ``{0: "background", 255:
        "object"}``. A class of which no mask has a pixel is left out, unless ``classes`` or ``classes.txt`` list it.
    background : str, optional
        The class of all pixels of masks that are 255 or transparent, in place of none.
    size : int or (int, int), optional
        As for `read_folder`; by default the size of the first image, made smaller until no side is above 256.
    channels : {1, 3}, optional
        As for `read_folder`.
    white : number, mapping or White, optional
        As for `read_folder`.
    strict : bool, optional
        As for `read_folder`.
    cache : path-like, optional
        As for `read_folder`.
    progress : bool, optional
        As for `read_folder`.
    announce : bool, optional
        Name classes and numbers without a pixel in a `LeavenWarning`.

    Returns
    -------
    Pool
        ``labels`` are 0 where there is a mask, else -1.

    Raises
    ------
    LeavenError
        A folder is missing, no image has a mask or a mask has no image, a mask cannot be read, holds colours or
        numbers that stand for nothing, or is of another size than its image; what counts is all of one class, while
        255 is not said to be none; and as for `read_folder`.
    """
    form: dict[str, Any] = {
        "size": size,
        "channels": channels,
        "white": white,
        "strict": strict,
        "cache": cache,
        "progress": progress,
    }
    if masks is None:
        named = combine_values(None, values, classes, ignore)
        return read_painted(images, None, classes=named.names if named else (), **form)
    source = FolderMasks(_folder(masks, "masks"), values, classes, ignore)
    return read_painted(images, source, background=background, announce=announce, **form)


def read_painted(
    images: str | os.PathLike[str],
    masks: Masks | None,
    *,
    classes: Sequence[str] = (),
    background: str | None = None,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    white: Any = None,
    strict: bool = False,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
    announce: bool = True,
) -> Pool:
    """`read_masks` with masks from wherever they are; ``classes`` are those where there are no masks at all.

    Raises
    ------
    LeavenError
        As `read_masks` raises it.
    """
    folder = _folder(images, "images")
    selection = select_images(folder, scan(folder))
    if selection.warning:
        warnings.warn(selection.warning, LeavenWarning, stacklevel=3)
    files = selection.files
    known_names = () if masks is None else masks.pair(files, folder, selection.passed)
    if masks is not None:
        say_parts(folder, [subfolder(file.name) for file in files], "read as one")
    size = _size(folder, files) if size is None else size
    items, readable, judged_white = decode_files(
        folder, files, size=size, channels=channels, strict=strict, cache=cache, progress=progress, white=white
    )
    files = [files[row] for row in readable]
    if masks is None:
        pixels = np.full(items.shape[:3], NO_CLASS, np.uint8)
    else:
        pixels = decode_masks(folder, files, masks, known_names, items.shape[1:3], cache, progress)
    labels = np.array([0 if file.name in known_names else -1 for file in files], np.int64)
    has_label = labels >= 0
    values = None if masks is None else masks.values
    names = tuple(values.names if values else classes)
    if masks is not None and has_label.any():
        counts = pixel_counts(pixels, has_label)
        to, names, absent = numbering(counts, values, background, masks.where)
        painted = [name for k, name in enumerate(names) if counts[to == k].any()]
        unsaid = to[NO_CLASS] == NO_CLASS and NO_CLASS not in (values.of if values else ())
        if len(painted) < 2 and counts[NO_CLASS] and unsaid:
            raise LeavenError(one_class_message(masks.where, painted, numbers=masks.files))
        if absent and announce:
            warnings.warn(absent, LeavenWarning, stacklevel=3)
        if counts[to != np.arange(256)].any():
            pixels = renumbered(pixels, has_label, to)
    ids = np.array([file.name for file in files])
    return Pool(items, labels, ids, None, names, pixels, judged_white)  # type: ignore[arg-type]


def _folder(path: str | os.PathLike[str], what: str) -> Path:
    folder = Path(path)
    if not folder.is_dir():
        is_ = "is a file" if folder.exists() else "does not exist"
        raise LeavenError(f"The folder {folder} {is_}, expected a folder of {what}: check the path.")
    return folder


def _size(folder: Path, files: Sequence[File]) -> tuple[int, int]:
    """Height and width of the first image that can be read, within ``COMMON``."""
    from PIL import Image

    for file in files:
        try:
            with Image.open(folder / file.name) as image:
                height, width, _ = probe(image)
        except Exception:  # reported by the decoding pass
            continue
        scale = min(1.0, COMMON / max(height, width))
        return max(1, round(height * scale)), max(1, round(width * scale))
    return COMMON, COMMON


def pixel_counts(masks: np.ndarray, has_label: np.ndarray) -> np.ndarray:
    """Pixels of each number, int64 ``(256,)``, in the masks that are known."""
    counts = np.zeros(256, np.int64)
    for start, stop in parts(len(masks), 8 * bytes_each(masks)):  # counting takes 8 bytes a pixel
        counts += np.bincount(masks[start:stop][has_label[start:stop]].ravel(), minlength=256)
        let_go(masks)
    return counts


def renumbered(masks: np.ndarray, has_label: np.ndarray, to: np.ndarray) -> np.ndarray:
    """The masks with each number changed to ``to`` ``(256,)``; of those that are not known all is `NO_CLASS`."""
    changed = room(masks.shape, masks.dtype)
    for start, stop in parts(len(masks), bytes_each(masks)):
        changed[start:stop] = to[masks[start:stop]]
        changed[start:stop][~has_label[start:stop]] = NO_CLASS
        let_go(masks)
    return changed

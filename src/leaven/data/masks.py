"""Reader of a folder of images and a folder of masks, for pools in which every pixel has a class."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from leaven.errors import LeavenError

from .decode import COMMON
from .folder import File, decode_files, is_image, scan
from .images import probe
from .mask_files import decode_masks, pair
from .pool import NO_CLASS, Pool
from .storage import parts, room

NAMES = "classes.txt"


def read_masks(
    images: str | os.PathLike[str],
    masks: str | os.PathLike[str] | None = None,
    *,
    classes: Sequence[str] | None = None,
    ignore: Collection[int] = (),
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    strict: bool = False,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Pool:
    """Dense pool from a folder of images and a folder of masks.

    The mask of ``images/a/b.jpg`` is ``masks/a/b.png``: one channel (grey or palette) whose values are class numbers.
    An image without a mask is unlabelled. Both are decoded once into a memory-mapped cache, as by `read_folder`, and
    scaled and cropped alike, the mask by its nearest pixels.

    Parameters
    ----------
    images : path
        The folder of images, read with all its subfolders.
    masks : path, optional
        The folder of masks. A file ``classes.txt`` in it, where there is one, names the classes, a name a line. None:
        no image has a mask.
    classes : sequence of str, optional
        Names of the classes 0, 1, ..., in place of those in ``classes.txt``; by default the numbers that occur.
    ignore : collection of int
        Numbers that stand for no class. So do 255 and all from the number of classes on.
    size : int or (int, int), optional
        As for `read_folder`; by default the size of the first image, made smaller until no side is above 256.
    channels, strict, cache, progress
        As for `read_folder`.

    Returns
    -------
    Pool
        ``labels`` are 0 where there is a mask, else -1.

    Raises
    ------
    LeavenError
        A folder is missing, no image has a mask or a mask has no image, a mask cannot be read, holds colours or
        numbers above 255, or is of another size than its image; and as for `read_folder`.
    """
    folder = _folder(images, "images")
    files = sorted(file for file in scan(folder) if is_image(file.name))
    if not files:
        raise LeavenError(f"The folder {folder} has no images, expected files such as .png or .jpg in it: add some.")
    root = None if masks is None else _folder(masks, "masks")
    of = {} if root is None else pair(files, root, folder)
    names = tuple(classes) if classes is not None else () if root is None else named(root)
    size = _size(folder, files) if size is None else size
    items, kept = decode_files(
        folder, files, size=size, channels=channels, strict=strict, cache=cache, progress=progress
    )
    files = [files[row] for row in kept]
    if root is None:
        pixels = np.full(items.shape[:3], NO_CLASS, np.uint8)
    else:
        pixels = decode_masks(folder, files, root, of, items.shape[1:3], cache, progress)
    pixels, names = _numbered(pixels, names, ignore)
    labels = np.array([0 if file.name in of else -1 for file in files], np.int64)
    return Pool(items, labels, np.array([file.name for file in files]), None, names, pixels)  # type: ignore[arg-type]


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


def named(root: Path) -> tuple[str, ...] | None:
    """Names of the classes of a folder of masks; None where no file says them."""
    path = root / NAMES
    if not path.is_file():
        return None
    try:
        names = tuple(line.strip() for line in path.read_text("utf-8-sig").rstrip().splitlines())
    except UnicodeDecodeError as error:
        raise LeavenError(f"{path} is no readable text ({error}): save it as UTF-8.") from None
    if not names or "" in names:
        raise LeavenError(f"{path} has an empty line or none at all, expected the name of a class on each: fill it in.")
    return names


def _numbered(
    masks: np.ndarray, names: tuple[str, ...] | None, ignore: Collection[int]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The masks with ``NO_CLASS`` for all that is no class, and the names of the classes."""
    counts = sum((np.bincount(masks[a:b].ravel(), minlength=256) for a, b in parts(len(masks))), np.zeros(256, int))
    there = [k for k in np.flatnonzero(counts).tolist() if k != NO_CLASS]
    if names is None:
        names = tuple(map(str, range(max((k for k in there if k not in ignore), default=-1) + 1)))
    lost = [k for k in there if k in ignore or k >= len(names)]
    if not lost:
        return masks, names
    to = np.arange(256, dtype=np.uint8)
    to[lost] = NO_CLASS
    changed = room(masks.shape, masks.dtype)
    for start, stop in parts(len(masks)):
        changed[start:stop] = to[masks[start:stop]]
    return changed, names

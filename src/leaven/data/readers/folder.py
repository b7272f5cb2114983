"""Reader of folders of images: a folder for each class, or a CSV of labels, or no labels."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from leaven.data.names import listing, number
from leaven.data.pool import Pool
from leaven.data.unlabelled import STANDARD, is_unlabelled
from leaven.errors import LeavenError, LeavenWarning

from .image_files import decode_files, select_images
from .scan import scan, subfolder
from .table import fitting, read_table

PARTS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev"})


def read_folder(
    path: str | os.PathLike[str],
    labels: str | os.PathLike[str] | Mapping[str, str] | Literal[False] | None = None,
    *,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    white: Any = None,
    strict: bool = False,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
    classes: Sequence[str] | None = None,
    unlabelled: Any = STANDARD,
) -> Pool:
    """Pool from a folder of images.

    The images are decoded once into a memory-mapped cache; a second call opens that and no image. The ids are
    the paths relative to the folder, with forward slashes and in NFC, and the rows stand in their order.

    Parameters
    ----------
    path : path-like
        The folder, read with all its subfolders. Hidden files and files that are no images are passed over.
    labels : path-like, mapping, False or None, optional
        None: each subfolder is a class; images beside the subfolders, or in one named ``unlabelled`` (or
        ``unlabeled``), are unlabelled. A path: a CSV of file and label, see `leaven.data.readers.table.read_table`;
        subfolders are then only part of the paths, and files that it does not name are unlabelled. A mapping
        of file to class says the same, but files that are gone are left out with a `LeavenWarning`. False: no
        labels at all.
    size : int or (int, int), optional
        Pixels of the square side, or height and width. Each image is scaled until it covers that and cropped
        at the centre. By default the size that all images share, if no side is above 256; else 128.
    channels : {1, 3}, optional
        Grey or RGB; by default 1 if all images are grey, else 3.
    white : number, mapping or White, optional
        The value that is white in images that are not of 8 bits, such as 4095 of those of 12 bits, of integers and
        floats alike or by ``"integers"`` and ``"floats"``. By default the range in use over all of them decides, and is
        said in a `LeavenWarning`, see `leaven.data.readers.white.judge`.
    strict : bool, optional
        Raise for an image that cannot be read, in place of leaving it out with a `LeavenWarning`.
    cache : path-like, optional
        Folder of the cache; by default ``$LEAVEN_CACHE``, else ``~/.cache/leaven``.
    progress : bool, optional
        Show a progress bar on a terminal while decoding.
    classes : sequence of str, optional
        The classes to number after, such as those of training; by default those that occur, in natural order.
    unlabelled : object, default=-1
        What stands for no label, see `leaven.data.unlabelled.is_unlabelled`; names of subfolders too.

    Returns
    -------
    Pool
        ``items`` is a read-only `numpy.memmap`, uint8 ``(N, H, W, C)``.

    Raises
    ------
    LeavenError
        The folder is missing or has no images, the CSV does not fit it, an item's class is not among
        ``classes``, no image (or with ``strict`` any) cannot be read, the range of images that are not of 8 bits cannot
        be decided, or the cache cannot be written.
    """
    folder = Path(path)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise LeavenError(f"The folder {folder} {what}, expected a folder of images: check the path.")
    listed = {file.name: file for file in scan(folder)}
    table: Mapping[str, str] | None = None
    if isinstance(labels, Mapping):
        table = fitting(labels, folder, listed)
    elif labels is not None and labels is not False:
        table = read_table(labels, folder, listed)
    selection = select_images(folder, listed.values(), table or ())
    if selection.warning:
        warnings.warn(selection.warning, LeavenWarning, stacklevel=2)
    names = [file.name for file in selection.files]
    images = decode_files(
        folder,
        selection.files,
        size=size,
        channels=channels,
        white=white,
        strict=strict,
        cache=cache,
        progress=progress,
    )
    readable = images.readable
    if table is not None:
        texts = [table.get(name, "") for name in names]
    else:
        texts = ["" if labels is False else subfolder(name) for name in names]
    if table is None and labels is not False:
        say_parts(folder, texts, "taken for classes")
    elif table is not None:
        lost = [names[row] for row in np.setdiff1d(np.arange(len(names)), readable) if not is_unlabelled(texts[row])]
        if lost:
            noun = "label is" if len(lost) == 1 else "labels are"
            warnings.warn(
                f"{len(lost)} {noun} of images that cannot be read ({listing(lost)}), and left out with them.",
                LeavenWarning,
                stacklevel=2,
            )
    where = "The labels" if isinstance(labels, Mapping) else str(labels or folder)
    numbers, classes = number(texts, classes, where, unlabelled)
    return Pool(images.items, numbers[readable], np.array(names)[readable], None, classes, white=images.white)  # type: ignore[arg-type]


def say_parts(folder: Path, names: Iterable[str], reading: str) -> None:
    """Warn where subfolders look like the parts of a data set, and ``reading`` says what they are instead."""
    subfolders = sorted({name for name in names if name.casefold() in PARTS})
    if len(subfolders) > 1:
        warnings.warn(
            f"The subfolders {' and '.join(subfolders)} of {folder} are {reading}; if they are parts of the data, "
            "give one of them to train on and another as --test.",
            LeavenWarning,
            stacklevel=3,
        )

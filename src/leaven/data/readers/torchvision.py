"""Reader of torchvision's data sets."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from leaven.data.cache import cached_rows
from leaven.data.checks import without_unlabelled
from leaven.data.pool import Pool
from leaven.data.unlabelled import STANDARD
from leaven.errors import LeavenError

from .arrays import read_arrays
from .image_files import decode_files
from .scan import File


def read_torchvision(
    dataset: Any,
    *,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    white: Any = None,
    strict: bool = False,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
    classes: Sequence[object] | None = None,
    unlabelled: Any = STANDARD,
) -> Pool:
    """Pool from a torchvision classification data set, or a `torch.utils.data.Subset` of one.

    Its ``transform`` is not applied: a pool holds plain pixels. Three ways, the first that fits: arrays in
    ``data`` and ``targets`` (or ``labels``) are taken as they are, unless ``size`` or ``channels`` asks
    otherwise; files in ``samples`` (`ImageFolder`) go through the decoding cache; any other items, pairs of
    image and int, are decoded into the cache's folder anew each time.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset
        With ``__len__`` and ``__getitem__``.
    size : int or (int, int), optional
        As for `read_folder`.
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
    classes : sequence of str, optional
        Names of the classes; by default the data set's own (MNIST's ``"0 - zero"`` becomes ``"0"``), or the
        targets that occur.
    unlabelled : object, default=-1
        What stands for no label, see `leaven.data.unlabelled.is_unlabelled`.

    Raises
    ------
    LeavenError
        The items are not pairs of image and label, or an image cannot be read.
    """
    if hasattr(dataset, "indices") and hasattr(dataset, "dataset"):
        rows = np.asarray(dataset.indices, dtype=np.int64)
        options: dict[str, Any] = {"size": size, "channels": channels, "white": white, "strict": strict}
        options |= {"cache": cache, "progress": progress, "classes": classes, "unlabelled": unlabelled}
        whole = read_torchvision(dataset.dataset, **options)
        if len(whole) == len(dataset.dataset):
            return whole.subset(rows)
        raise LeavenError("A Subset of a data set with unreadable images has no fixed rows: mend them first.")
    pool = _read(
        dataset,
        classes if classes is not None else _class_names(dataset),
        unlabelled,
        {
            "size": size,
            "channels": channels,
            "white": white,
            "strict": strict,
            "cache": cache,
            "progress": progress,
        },
    )
    return pool if classes is not None else without_unlabelled(pool, unlabelled)


def _read(dataset: Any, names: Sequence[object] | None, unlabelled: Any, options: dict[str, Any]) -> Pool:
    """The pool, in the first of the three ways that fits."""
    size, channels = options["size"], options["channels"]
    targets = getattr(dataset, "targets", getattr(dataset, "labels", None))
    target_transform = getattr(dataset, "target_transform", None)
    if targets is not None and target_transform is not None:
        targets = [target_transform(target) for target in np.asarray(targets).tolist()]
    data = getattr(dataset, "data", None)
    if targets is not None and data is not None and hasattr(data, "shape") and len(data.shape) in (3, 4):
        pool = read_arrays(data, targets, names, unlabelled=unlabelled)
        pixels = pool.items
        if (size is None or _pair(size) == pixels.shape[1:3]) and channels in (None, pixels.shape[3]):
            return pool
        return pool.with_items(cached_rows(len(pool), lambda row: _picture(pixels[row]), None, **options).items)
    samples = getattr(dataset, "samples", None)
    if targets is not None and samples and isinstance(samples[0][0], (str, os.PathLike)):
        root = Path(os.path.commonpath([os.path.dirname(path) for path, _ in samples]))
        stats = [os.stat(path) for path, _ in samples]
        files = [
            File(Path(path).relative_to(root).as_posix(), stat.st_size, stat.st_mtime_ns)
            for (path, _), stat in zip(samples, stats, strict=True)
        ]
        items, readable, white = decode_files(root, files, **options)
        ids = np.array([file.name for file in files])[readable]
        return replace(read_arrays(items, np.asarray(targets)[readable], names, ids, unlabelled), white=white)
    return _read_items(dataset, names, unlabelled, options)


def _read_items(dataset: Any, names: Sequence[object] | None, unlabelled: Any, options: dict[str, Any]) -> Pool:
    """Any data set of pairs, item by item."""
    plain = copy.copy(dataset)
    for name in ("transform", "transforms"):
        if hasattr(plain, name):
            setattr(plain, name, None)
    try:
        first = plain[0]
    except (IndexError, KeyError):
        first = None
    if not isinstance(first, (tuple, list)) or len(first) != 2:
        raise LeavenError(
            f"The items of {type(dataset).__name__} are no pairs of image and label, expected a "
            "classification data "
            "set: wrap it so that dataset[i] answers (image, int)."
        )
    targets = np.full(len(plain), None, dtype=object)

    def open_image(row: int) -> Any:
        picture, target = plain[row]
        targets[row] = target.item() if hasattr(target, "item") else target
        return _picture(picture)

    items, readable, white = cached_rows(len(plain), open_image, None, **options)
    return replace(read_arrays(items, targets[readable], names, readable, unlabelled), white=white)


def _picture(value: Any) -> Any:
    """A `PIL.Image.Image` from one, or from an array or tensor of pixels."""
    from PIL import Image

    if isinstance(value, Image.Image):
        return value.copy()  # the caller closes what it is given
    if not hasattr(value, "shape"):
        raise LeavenError(f"An image is a {type(value).__name__}, expected a PIL image or an array of pixels.")
    pixels = read_arrays(value[None]).items[0]
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def _class_names(dataset: Any) -> Sequence[object] | None:
    names = getattr(dataset, "classes", None)
    if not names or not all(isinstance(name, (str, int)) for name in names):
        return None
    if all(re.fullmatch(r"[0-9] - [a-z]+", str(name)) for name in names):  # MNIST's "7 - seven"
        return [str(name)[0] for name in names]
    return list(names)

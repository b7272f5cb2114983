"""Decode every image once, in parallel, into a memory-mapped array that the next run opens at once."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from functools import cache as once
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from leaven.errors import LeavenError, LeavenWarning

from .cache_entry import TRIES, building, finish, load, publish, remove
from .readers.decode import Convert, Decoded, decode
from .readers.depth import kind
from .readers.white import UNKNOWN, White, as_white
from .storage import cache_folder


class Images(NamedTuple):
    """Decoded images.

    Attributes
    ----------
    items : numpy.memmap of uint8, shape (kept, H, W, C)
        The images, read-only.
    readable : ndarray of int64
        Numbers of the images that could be read.
    white : White
        That images which are not of 8 bits were divided by, or would be.
    """

    items: np.ndarray
    readable: np.ndarray
    white: White


def clear_cache(cache: str | os.PathLike[str] | None = None) -> int:
    """Remove every decoded pool from the cache folder and answer how many there were."""
    entries = list(cache_folder(cache).glob("decoded-*"))
    for entry in entries:
        remove(entry)
    return len(entries)


def cached_images(
    key: str | None,
    names: Sequence[str],
    open_image: Callable[[int], Any],
    *,
    size: int | tuple[int, int] | None,
    channels: int | None,
    strict: bool,
    cache: str | os.PathLike[str] | None,
    progress: bool,
    where: str,
    convert: Convert | None = None,
    white: White = UNKNOWN,
) -> Images:
    """Images from the cache, or decoded into it.

    Parameters
    ----------
    key : str or None
        Digest of what the images and the options are; None: nothing tells whether they stayed the same, so
        the array is nameless and vanishes with the process.
    names : sequence of str
        Name of every image, for messages.
    open_image : callable
        Number of an image → opened `PIL.Image.Image`. Called from several threads.
    size : (int, int)
        Height and width in pixels.
    channels : {1, 3}
        Grey or RGB.
    strict : bool
        As for `read_folder`.
    cache : path-like
        As for `read_folder`.
    progress : bool
        As for `read_folder`.
    where : str
        Where the images come from, for messages.
    convert : callable, optional
        Opened image, (height, width) and channels → pixels; ``key`` must tell it too.
    white : White, optional
        As for `leaven.data.readers.decode.decode`. Images of 8 bits have one entry, whatever it is.

    Raises
    ------
    LeavenError
        No image can be read, one cannot and ``strict``, the range of images that are not of 8 bits cannot be decided,
        or the cache cannot be written.
    """
    folder = cache_folder(cache)

    def make(build: Path) -> Decoded:
        return decode(build / "items.npy", names, open_image, size, channels, progress, where, convert, white)

    def report(failed: dict[int, str], message: str) -> None:
        _report(failed, len(names), strict, where)
        if message:
            warnings.warn(message, LeavenWarning, stacklevel=4)

    def images(items: np.ndarray, failed: dict[int, str], fitted: White) -> Images:
        return Images(items, np.setdiff1d(np.arange(len(names)), list(failed)), white.over(fitted))

    if key is None:
        with building(folder) as build:  # removed at once: the mapping keeps the file until it is let go
            answer = make(build)
            report(answer.failed, answer.message)
            finish(answer, build)
            items = np.load(build / "items.npy", mmap_mode="r" if os.name == "posix" else None)
        return images(items, answer.failed, answer.white)

    @once
    def plain() -> bool:  # asked of an entry that does not say it
        return convert is not None or not any(_deep(open_image, row) for row in range(len(names)))

    entry = folder / f"decoded-{key}"
    entry_read, reported = load(entry, len(names), plain), False
    if white != UNKNOWN and entry_read is not None and entry_read.deep and entry_read.white != white:
        entry = _with_white(entry, white)
        entry_read = load(entry, len(names), plain)
    for _ in range(TRIES):
        if entry_read is not None:
            break
        with building(folder) as build:
            answer = make(build)
            if not reported:
                report(answer.failed, answer.message)
            reported = True
            finish(answer, build)
            if white != UNKNOWN and answer.deep and entry.name == f"decoded-{key}":
                entry = _with_white(entry, white)
            publish(build, entry, len(names), plain)
        entry_read = load(entry, len(names), plain)
    if entry_read is None:
        raise LeavenError(f"The cache {entry} vanished while it was read: run the command again.")
    if not reported:  # where white was known, that the range in use is the same is no news
        report(
            entry_read.failed,
            "" if entry_read.white == white and entry.name == f"decoded-{key}" else entry_read.message,
        )
    return images(entry_read.items, entry_read.failed, entry_read.white)


def _with_white(entry: Path, white: White) -> Path:
    return entry.with_name("-".join([entry.name, *(f"{kind}{value}" for kind, value in white.asdict().items())]))


def _deep(open_image: Callable[[int], Any], row: int) -> bool:
    try:
        with open_image(row) as image:
            return kind(image) is not None
    except Exception:  # it cannot be read: that was said when the entry was made
        return False


def cached_rows(
    count: int, open_image: Callable[[int], Any], key: str | None, *, white: Any = None, **options: Any
) -> Images:
    """`cached_images` for the rows of a data set object; ``key`` says what it is, None that nothing does."""
    names = [f"row {row}" for row in range(count)]
    full = None if key is None else f"{key}-{options['size']}-{options['channels']}".replace(" ", "")
    return cached_images(full, names, open_image, where="the data set", white=as_white(white), **options)


def _report(failed: dict[int, str], count: int, strict: bool, where: str) -> None:
    if not failed:
        return
    some = "; ".join(list(failed.values())[:3]) + (f"; and {len(failed) - 3} more" if len(failed) > 3 else "")
    noun = "image" if count == 1 else "images"
    if len(failed) == count:
        raise LeavenError(f"None of the {count} {noun} in {where} can be read ({some}): replace them by whole files.")
    message = f"{len(failed)} of the {count} images in {where} cannot be read ({some})"
    if strict:
        raise LeavenError(f"{message}: mend or remove them, or leave `strict` out to skip them.")
    warnings.warn(f"{message} and were skipped.", LeavenWarning, stacklevel=5)

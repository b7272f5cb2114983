"""Where items are kept: in memory, or in a file that memory is mapped to."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np

IN_MEMORY = 2**30  # bytes; a longer copy goes through a temporary file
PART = 4096  # items copied at a time, at most
PART_BYTES = 2**24  # and bytes of them


def cache_folder(cache: str | os.PathLike[str] | None = None) -> Path:
    """Folder of the cache: the one given, else ``$LEAVEN_CACHE``, else ``~/.cache/leaven``."""
    if cache is not None:
        return Path(cache)
    named = os.environ.get("LEAVEN_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "leaven"


def room(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array to fill: in memory up to 1 GiB, above that mapped to a nameless file in the cache's folder.

    The file vanishes with the array, however the process ends.
    """
    if int(np.prod(shape)) * dtype.itemsize <= IN_MEMORY:
        return np.empty(shape, dtype)
    import tempfile

    folder = cache_folder()  # not the folder for temporary files, which may be memory itself
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def gather(items: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Copy of these rows (indices or mask), of whatever length the copy gets."""
    if rows.dtype == bool:
        rows = np.flatnonzero(rows)
    chosen = room((len(rows), *items.shape[1:]), items.dtype)
    for start, stop in parts(len(rows), bytes_each(items)):
        chosen[start:stop] = items[rows[start:stop]]
        let_go(items)
    return chosen


def parts(count: int, each: int = 1) -> Iterator[tuple[int, int]]:
    """Beginnings and ends of parts of at most `PART` items, which take ``each`` bytes, and `PART_BYTES` together."""
    step = max(1, min(PART, PART_BYTES // max(1, each)))
    for start in range(0, count, step):
        yield start, min(start + step, count)


def bytes_each(items: np.ndarray) -> int:
    """What one item takes."""
    return int(np.prod(items.shape[1:])) * items.dtype.itemsize


def let_go(items: np.ndarray) -> None:
    """Give back the memory of a mapped file's pages that were read; they are read again where they are wanted.

    The system would take them only when it has nothing else, and whoever watches a process counts them as its own.
    """
    shared, base = False, cast(Any, items)
    while isinstance(base, np.ndarray):
        shared |= isinstance(base, np.memmap) and base.mode in ("r", "r+", "w+")  # else what was changed would be lost
        base = base.base
    if shared and isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)

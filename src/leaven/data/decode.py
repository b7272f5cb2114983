"""Decode many images in parallel threads into one array on disk."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from leaven.errors import LeavenError

from .images import probe, standardise
from .in_flight import MOST
from .storage import let_go

COMMON = 256  # pixels: images that share a size up to this keep it
SIDE = 128  # pixels: the side that all others are brought to


class Decoded(NamedTuple):
    """Shape of the array written, and a line for every row that could not be filled."""

    shape: tuple[int, int, int, int]
    failed: dict[int, str]


def decode(
    path: Path,
    names: Sequence[str],
    open_image: Callable[[int], Any],
    size: int | tuple[int, int] | None,
    channels: int | None,
    progress: bool,
    where: str,
    convert: Callable[[Any, tuple[int, int], int], np.ndarray] = standardise,
) -> Decoded:
    """Write all images to ``path``, an ``.npy`` of uint8 ``(N, H, W, C)``; rows that failed stay zero.

    ``convert`` makes pixels of an opened image; a `LeavenError` of it, or of ``open_image``, ends the work.
    """
    from PIL import Image

    if channels not in (None, 1, 3):
        raise LeavenError(f"channels is {channels}, expected 1 (grey), 3 (RGB) or None (1 if all images are grey).")
    pair = (size, size) if isinstance(size, int) else size
    if pair is not None and (len(pair) != 2 or min(pair) < 1):
        raise LeavenError(f"size is {size}, expected a number of pixels or (height, width), both 1 or more.")
    Image.init()  # once, before the threads ask for it
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # a file's oddities; what cannot be read is reported below
        if pair is None or channels is None:
            pair, channels = _settle(len(names), open_image, pair, channels)
        height, width = pair
        failed: dict[int, str] = {}

        def fill(start: int, stop: int) -> int:
            for row in range(start, stop):
                try:
                    with open_image(row) as image:
                        items[row] = convert(image, (height, width), channels)
                except (MemoryError, LeavenError):
                    raise
                except Exception as error:  # a damaged file raises whatever its decoder trips over
                    failed[row] = f"{names[row]}: {reason(error)}"
            return stop - start

        workers = threads()
        part = max(1, min(64, len(names) // (4 * workers)))
        with (
            reserve(path, (len(names), height, width, channels)) as items,
            bar(len(names), progress, f"Decoding {where}") as advance,
            ThreadPoolExecutor(workers) as pool,
        ):
            starts = range(0, len(names), part)
            jobs = [pool.submit(fill, start, min(start + part, len(names))) for start in starts]
            try:
                for job in as_completed(jobs):
                    advance(job.result())
                    let_go(items)
            except BaseException:  # Ctrl-C too: do not decode the rest first
                pool.shutdown(wait=True, cancel_futures=True)
                raise
    return Decoded((len(names), height, width, channels), dict(sorted(failed.items())))


def threads() -> int:
    """Number of decoding threads: one for each core that this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(count, 32)


@contextmanager
def reserve(path: Path, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """A new uint8 ``.npy`` to fill through memory, whose space on the disk is taken first.

    A full disk is then an OSError here, and not a SIGBUS in the middle of the work.
    """
    items = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    try:
        yield items
        items.flush()
    finally:
        del items


def _settle(
    count: int, open_image: Callable[[int], Any], pair: tuple[int, int] | None, channels: int | None
) -> tuple[tuple[int, int], int]:
    """Size and channels from the headers; looks no further than it must."""
    sizes: set[tuple[int, int]] = set()
    grey = True
    for row in range(count):
        try:
            with open_image(row) as image:
                height, width, plain = probe(image)
        except Exception:  # reported by the decoding pass
            continue
        sizes.add((height, width))
        grey &= plain
        if (channels or not grey) and (pair or len(sizes) > 1 or max(height, width) > COMMON):
            break
    if pair is None:
        common = sizes.pop() if len(sizes) == 1 else (COMMON + 1, 0)
        pair = common if max(common) <= COMMON else (SIDE, SIDE)
    return pair, channels or (1 if grey else 3)


def reason(error: Exception) -> str:
    """Why an image cannot be read, in a few words."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, Image.DecompressionBombError):
        return f"more than {MOST:,} pixels; make the image smaller"
    if isinstance(error, UnidentifiedImageError):
        return "no image that Pillow knows"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


@contextmanager
def bar(count: int, progress: bool, label: str) -> Iterator[Callable[[int], None]]:
    """A progress bar over ``count`` images on a terminal; what it gives is called with how many more are done."""
    if not progress or not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=count)
        yield lambda done: bar.advance(task, done)

"""Decode many images in parallel threads into one array on disk."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from leaven.data.in_flight import MOST, MOST_SIDE
from leaven.data.storage import let_go
from leaven.errors import LeavenError

from .images import probe, standardise
from .white import FULL, UNKNOWN, Span, White, judge

COMMON = 256  # pixels: images that share a size up to this keep it
SIDE = 128  # pixels: the side that all others are brought to

Convert = Callable[[Any, tuple[int, int], int], np.ndarray]  # opened image, (height, width), channels → pixels


class Decoded(NamedTuple):
    """Shape of the array written, and a line for every row that could not be filled.

    ``deep``: whether there were images that are not of 8 bits; ``message``: what should be said of their range.
    """

    shape: tuple[int, int, int, int]
    failed: dict[int, str]
    white: White = UNKNOWN
    deep: bool = False
    message: str = ""


def decode(
    path: Path,
    names: Sequence[str],
    open_image: Callable[[int], Any],
    size: int | tuple[int, int] | None,
    channels: int | None,
    progress: bool,
    where: str,
    convert: Convert | None = None,
    white: White = UNKNOWN,
) -> Decoded:
    """Write all images to ``path``, an ``.npy`` of uint8 ``(N, H, W, C)``; rows that failed stay zero.

    ``convert`` makes pixels of an opened image, `standardise` where it is left out; a `LeavenError` of it, or of
    ``open_image``, ends the work. ``white`` is what is known of images that are not of 8 bits; what is not, the range
    in use decides, see `leaven.data.readers.white.judge`, once all were looked at: those that were taken otherwise are
    then decoded again.
    """
    from PIL import Image

    if channels not in (None, 1, 3):
        raise LeavenError(f"channels is {channels}, expected 1 (grey), 3 (RGB) or None (1 if all images are grey).")
    pair = (size, size) if isinstance(size, int) else size
    if pair is not None and (len(pair) != 2 or not all(1 <= side <= MOST_SIDE for side in pair)):
        raise LeavenError(
            f"size is {size}, expected a number of pixels or (height, width), each from 1 to {MOST_SIDE:,}."
        )
    Image.init()  # once, before the threads ask for it
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # a file's oddities; what cannot be read is reported below
        if pair is None or channels is None:
            pair, channels = _settle(len(names), open_image, pair, channels)
        height, width = pair
        failed: dict[int, str] = {}
        spans: dict[int, Span] = {}

        def fill(rows: Sequence[int], white: White) -> int:
            for row in rows:
                try:
                    with open_image(row) as image:
                        if convert is None:
                            note = partial(spans.__setitem__, row)
                            items[row] = standardise(image, (height, width), channels, white, note)
                        else:
                            items[row] = convert(image, (height, width), channels)
                except (MemoryError, LeavenError):
                    raise
                except Exception as error:  # a damaged file raises whatever its decoder trips over
                    failed[row] = f"{names[row]}: {reason(error)}"
            return len(rows)

        def fill_all(rows: Sequence[int], white: White) -> None:
            workers = threads()
            part = max(1, min(64, len(rows) // (4 * workers)))
            with bar(len(rows), progress, f"Decoding {where}") as advance, ThreadPoolExecutor(workers) as pool:
                jobs = [pool.submit(fill, rows[at : at + part], white) for at in range(0, len(rows), part)]
                try:
                    for job in as_completed(jobs):
                        advance(job.result())
                        let_go(items)
                except BaseException:  # Ctrl-C too: do not decode the rest first
                    pool.shutdown(wait=True, cancel_futures=True)
                    raise

        with reserve(path, (len(names), height, width, channels)) as items:
            assumed = white.over(FULL)
            fill_all(range(len(names)), assumed)
            read = {row: span for row, span in spans.items() if row not in failed}
            judged = judge(read, names, white, where)
            failed |= {row: f"{names[row]}: {why}" for row, why in judged.failed.items()}
            final = judged.white.over(assumed)
            if again := [row for row, span in read.items() if final.of(span.kind) != assumed.of(span.kind)]:
                fill_all(again, final)
    shape = (len(names), height, width, channels)
    measured = judged.white if spans else UNKNOWN
    return Decoded(shape, dict(sorted(failed.items())), measured, bool(spans), judged.message)


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

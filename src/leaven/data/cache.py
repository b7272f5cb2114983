"""Decode every image once, in parallel, into a memory-mapped array that the next run opens at once."""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache as once
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from leaven.errors import LeavenError
from leaven.utils.files import replacing

from .readers.decode import Convert, Decoded, decode, reserve
from .readers.depth import kind
from .readers.white import UNKNOWN, White, as_white
from .storage import bytes_each, cache_folder, let_go, parts

VERSION = 2  # of the cache's layout and of what `standardise` answers: raise it when either changes
TRIES = 3  # where other processes replace an entry in the same moment


class LeavenWarning(UserWarning):
    """Something was left out or done otherwise; the message says what."""


class Images(NamedTuple):
    """Decoded images.

    Parameters
    ----------
    items : numpy.memmap, read-only
        uint8 ``(kept, H, W, C)``.
    kept : numpy.ndarray of int64
        Numbers of the images that could be read.
    white : White
        That images which are not of 8 bits were divided by, or would be.
    """

    items: np.ndarray
    kept: np.ndarray
    white: White


class Entry(NamedTuple):
    """What stands in the cache, see `leaven.data.readers.decode.Decoded`."""

    items: np.ndarray
    failed: dict[int, str]
    white: White
    deep: bool
    said: str


def clear_cache(cache: str | os.PathLike[str] | None = None) -> int:
    """Remove every decoded pool from the cache folder and answer how many there were."""
    entries = list(cache_folder(cache).glob("decoded-*"))
    for entry in entries:
        _remove(entry)
    return len(entries)


def decoded(
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
    size, channels, strict, cache, progress
        As for `read_folder`.
    where : str
        Where the images come from, for messages.
    convert : callable, optional
        Opened image, (height, width) and channels → pixels; ``key`` must tell it too.
    white : White
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

    def report(failed: dict[int, str], said: str) -> None:
        _report(failed, len(names), strict, where)
        if said:
            warnings.warn(said, LeavenWarning, stacklevel=4)

    def images(items: np.ndarray, failed: dict[int, str], found: White) -> Images:
        return Images(items, np.setdiff1d(np.arange(len(names)), list(failed)), white.over(found))

    if key is None:
        with _building(folder) as build:  # removed at once: the mapping keeps the file until it is let go
            answer = make(build)
            report(answer.failed, answer.said)
            _finish(answer, build)
            items = np.load(build / "items.npy", mmap_mode="r" if os.name == "posix" else None)
        return images(items, answer.failed, answer.white)

    @once
    def plain() -> bool:  # asked of an entry that does not say it
        return convert is not None or not any(_deep(open_image, row) for row in range(len(names)))

    entry = folder / f"decoded-{key}"
    found, reported = _load(entry, len(names), plain), False
    if white != UNKNOWN and found is not None and found.deep and found.white != white:
        entry = _with_white(entry, white)
        found = _load(entry, len(names), plain)
    for _ in range(TRIES):
        if found is not None:
            break
        with _building(folder) as build:
            answer = make(build)
            if not reported:
                report(answer.failed, answer.said)
            reported = True
            _finish(answer, build)
            if white != UNKNOWN and answer.deep and entry.name == f"decoded-{key}":
                entry = _with_white(entry, white)
            _publish(build, entry, len(names), plain)
        found = _load(entry, len(names), plain)
    if found is None:
        raise LeavenError(f"The cache {entry} vanished while it was read: run the command again.")
    if not reported:  # where white was known, that the range in use is the same is no news
        report(found.failed, "" if found.white == white and entry.name == f"decoded-{key}" else found.said)
    return images(found.items, found.failed, found.white)


def _with_white(entry: Path, white: White) -> Path:
    return entry.with_name("-".join([entry.name, *(f"{kind}{value}" for kind, value in white.asdict().items())]))


def _deep(open_image: Callable[[int], Any], row: int) -> bool:
    try:
        with open_image(row) as image:
            return kind(image) is not None
    except Exception:  # it cannot be read: that was said when the entry was made
        return False


def decoded_rows(
    count: int, open_image: Callable[[int], Any], key: str | None, *, white: Any = None, **options: Any
) -> Images:
    """`decoded` for the rows of a data set object; ``key`` says what it is, None that nothing does."""
    names = [f"row {row}" for row in range(count)]
    full = None if key is None else f"{key}-{options['size']}-{options['channels']}".replace(" ", "")
    return decoded(full, names, open_image, where="the data set", white=as_white(white), **options)


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


def _load(entry: Path, count: int, plain: Callable[[], bool]) -> Entry | None:
    """The entry of ``count`` images; None where there is no whole one, whatever lies there instead.

    An entry of older versions does not say whether there were images that are not of 8 bits, whose range nothing
    decided then. Where ``plain`` answers that there are none, it is as good as a new one, and says so from now on.
    """
    about_file, items_file = entry / "about.json", entry / "items.npy"
    if not about_file.is_file() or not items_file.is_file():  # a pipe would be waited for
        return None
    try:
        about = json.loads(about_file.read_text("utf-8"))
        items = np.load(items_file, mmap_mode="r", allow_pickle=False)
        failed = {int(row): str(text) for row, text in about["failed"].items()}
        silent = "deep" not in about
        deep, white, said = bool(about.get("deep")), as_white(about.get("white")), str(about.get("said", ""))
        whole = (
            about["version"] == VERSION
            and items.dtype == np.uint8
            and items.ndim == 4
            and items.flags.c_contiguous
            and list(items.shape) == about["shape"]
            and items.offset + items.nbytes == items_file.stat().st_size
            and len(items) + len(failed) == count
            and all(0 <= row < count for row in failed)
        )
    except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, LeavenError):  # damaged from outside
        return None
    if not whole or (silent and not plain()):
        return None
    if silent:
        _write_about(entry, about | {"deep": False})
    return Entry(items, failed, white, deep, said)


def _write_about(entry: Path, about: dict[str, Any]) -> None:
    """Replace what an entry says of itself, or leave it where that cannot be."""
    with suppress(OSError), replacing(entry / "about.json", shared=True) as part:
        part.write_text(json.dumps(about), "utf-8")


def _finish(answer: Decoded, build: Path) -> None:
    shape, path = list(answer.shape), build / "items.npy"
    if answer.failed:  # close the gaps
        whole = np.load(path, mmap_mode="r")
        kept = np.setdiff1d(np.arange(shape[0]), list(answer.failed))
        shape[0] = len(kept)
        with reserve(build / "kept.npy", tuple(shape)) as packed:
            for start, stop in parts(len(kept), bytes_each(whole)):
                packed[start:stop] = whole[kept[start:stop]]
                let_go(whole)
        del whole
        os.replace(build / "kept.npy", path)
    about = {"version": VERSION, "shape": shape, "failed": answer.failed, "made": time.time()}
    about |= {"deep": answer.deep, "white": answer.white.asdict(), "said": answer.said}
    (build / "about.json").write_text(json.dumps(about), "utf-8")


def _publish(build: Path, entry: Path, count: int, plain: Callable[[], bool]) -> None:
    """One rename makes the entry; where another process was first, its entry stands; what is damaged is put aside.

    Should another process's whole entry be put aside, because it came in the same moment, a whole one takes its place.
    """
    (build / "lock").unlink(missing_ok=True)
    for _ in range(TRIES):
        try:
            os.rename(build, entry)
        except OSError as error:
            if _load(entry, count, plain) is not None:
                return
            if not os.path.lexists(entry):
                raise
            _put_aside(entry, error)
        else:
            return


def _put_aside(entry: Path, error: OSError) -> None:
    aside = entry.with_name(f"building-{uuid.uuid4().hex}")
    try:
        os.rename(entry, aside)
    except FileNotFoundError:  # another process did
        return
    except OSError:
        raise LeavenError(
            f"The cache {entry} is damaged and cannot be replaced ({error.strerror}): remove it, or set LEAVEN_CACHE "
            "to a folder elsewhere."
        ) from None
    _remove(aside)


def _remove(entry: Path) -> None:
    """Remove whatever lies there, as far as that can be done."""
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        with suppress(OSError):
            entry.unlink()


@contextmanager
def _building(folder: Path) -> Iterator[Path]:
    """A folder to build an entry in, locked while its process lives, removed at the end if still there."""
    build = folder / f"building-{uuid.uuid4().hex}"
    try:
        build.mkdir(parents=True)
        lock = open(build / "lock", "wb")  # noqa: SIM115 - closed below, or by the death of the process
        _lock(lock)
    except OSError as error:
        raise LeavenError(
            f"The cache folder {folder} cannot be written ({error.strerror}): set LEAVEN_CACHE to a folder that can."
        ) from None
    try:
        _sweep(folder)
        yield build
    except OSError as error:
        raise LeavenError(
            f"The decoded images cannot be written to {folder} ({error.strerror or error}): make room "
            "there or set LEAVEN_CACHE to a folder elsewhere."
        ) from None
    finally:
        lock.close()
        shutil.rmtree(build, ignore_errors=True)


def _lock(file: IO[bytes]) -> bool:
    """Take the lock of an open file if it is free; the end of the process, of whatever kind, frees it."""
    try:
        import fcntl
    except ImportError:  # Windows: nothing is swept there
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sweep(folder: Path) -> None:
    """Remove what killed processes left behind: no process holds its lock any more."""
    for path in folder.glob("building-*"):
        try:
            if time.time() - path.stat().st_mtime > 10:  # younger ones may be about to take theirs, or to be renamed
                if not (path / "lock").is_file():
                    _remove(path)
                    continue
                with open(path / "lock", "r+b") as file:
                    if _lock(file):
                        shutil.rmtree(path, ignore_errors=True)
        except OSError:  # gone, or not ours
            continue

"""An entry of the decoding cache on the disk: built beside it, published by one rename, read only when it is whole."""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from leaven.errors import LeavenError
from leaven.utils.files import replacing

from .readers.decode import Decoded, reserve
from .readers.white import White, as_white
from .storage import bytes_each, let_go, parts

VERSION = 2  # of the cache's layout and of what `standardise` answers: raise it when either changes
TRIES = 3  # where other processes replace an entry in the same moment


class Entry(NamedTuple):
    """What stands in the cache, see `leaven.data.readers.decode.Decoded`."""

    items: np.ndarray
    failed: dict[int, str]
    white: White
    deep: bool
    message: str


def load(entry: Path, count: int, plain: Callable[[], bool]) -> Entry | None:
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
        deep, white, message = bool(about.get("deep")), as_white(about.get("white")), str(about.get("said", ""))
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
    return Entry(items, failed, white, deep, message)


def _write_about(entry: Path, about: dict[str, Any]) -> None:
    """Replace what an entry says of itself, or leave it where that cannot be."""
    with suppress(OSError), replacing(entry / "about.json", shared=True) as part:
        part.write_text(json.dumps(about), "utf-8")


def finish(answer: Decoded, build: Path) -> None:
    """Close the gaps of images that failed, and write ``about.json``, after which the entry is whole."""
    shape, path = list(answer.shape), build / "items.npy"
    if answer.failed:
        whole = np.load(path, mmap_mode="r")
        readable = np.setdiff1d(np.arange(shape[0]), list(answer.failed))
        shape[0] = len(readable)
        with reserve(build / "kept.npy", tuple(shape)) as packed:
            for start, stop in parts(len(readable), bytes_each(whole)):
                packed[start:stop] = whole[readable[start:stop]]
                let_go(whole)
        del whole
        os.replace(build / "kept.npy", path)
    about = {"version": VERSION, "shape": shape, "failed": answer.failed, "made": time.time()}
    about |= {"deep": answer.deep, "white": answer.white.asdict(), "said": answer.message}
    (build / "about.json").write_text(json.dumps(about), "utf-8")


def publish(build: Path, entry: Path, count: int, plain: Callable[[], bool]) -> None:
    """One rename makes the entry; where another process was first, its entry stands; what is damaged is put aside.

    Should another process's whole entry be put aside, because it came in the same moment, a whole one takes its place.
    """
    (build / "lock").unlink(missing_ok=True)
    for _ in range(TRIES):
        try:
            os.rename(build, entry)
        except OSError as error:
            if load(entry, count, plain) is not None:
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
    remove(aside)


def remove(entry: Path) -> None:
    """Remove whatever lies there, as far as that can be done."""
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        with suppress(OSError):
            entry.unlink()


@contextmanager
def building(folder: Path) -> Iterator[Path]:
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
                    remove(path)
                    continue
                with open(path / "lock", "r+b") as file:
                    if _lock(file):
                        shutil.rmtree(path, ignore_errors=True)
        except OSError:  # gone, or not ours
            continue

"""Files that are whole or not there, and a sentence where one cannot be written."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from leaven.errors import LeavenError
from leaven.utils.disks import unwritten
from leaven.utils.reading import PathLike


@contextmanager
def replacing(path: PathLike, shared: bool = False) -> Iterator[Path]:
    """The name to write under; at the end the file gets the name ``path``, or, where that failed, is removed.

    Parameters
    ----------
    path : path-like
        The file.
    shared : bool, optional
        Several processes may write it at once, as in a cache: each under a name of its own.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part" if shared else f"{path.name}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        with suppress(OSError):
            part.unlink()


@contextmanager
def whole(path: PathLike) -> Iterator[Path]:
    """The same, and the folder is made; a sentence where it cannot be written.

    Raises
    ------
    LeavenError
        It cannot be written (no permission, a full disk).
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            yield part
    except OSError as error:
        raise LeavenError(_sentence(path, error)) from error


def save_whole(path: PathLike, save: Callable[[Path], None]) -> None:
    """The same for what writes a file itself and is particular about its name.

    Raises
    ------
    LeavenError
        It cannot be written.
    """
    path = Path(path)
    staged = path.parent / ".part" / path.name
    try:
        save(staged)
        os.replace(staged, path)
    except OSError as error:
        raise LeavenError(_sentence(path, error)) from error
    finally:
        shutil.rmtree(staged.parent, ignore_errors=True)


def require_writable(path: PathLike) -> None:
    """Find out before hours of work whether a file or folder could be made at ``path``; nothing is made.

    Raises
    ------
    LeavenError
        Something that is no folder lies on the way, or the folder there lets us write nothing.
    """
    parent = Path(path).absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise LeavenError(f"{path} cannot be written, for {parent} is a file; choose another -o.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise LeavenError(f"{path} cannot be written, for {parent} is not yours to write to; choose another -o.")


def _sentence(path: Path, error: OSError) -> str:
    why, do = unwritten(path, error)
    return f"{path} cannot be written ({why}); {do}."

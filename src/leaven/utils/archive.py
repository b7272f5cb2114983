"""Reading archives of arrays (``.npz``) that may be damaged; no memory is taken for what the file does not hold."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable

import numpy as np

from leaven.utils.reading import PathLike, damaged, require_regular

SMALLEST = 1 / 1100  # of its size that deflate makes of anything


def read_archive(path: PathLike, names: Iterable[str], mend: str) -> dict[str, np.ndarray]:
    """Some arrays of a file of ``np.savez``; no code in it is ever run, and every byte is checked by its CRC.

    Raises
    ------
    LeavenError
        The file is none, is damaged, or lacks an array.
    FileNotFoundError
        Nothing is there.
    """
    size = require_regular(path, mend)
    try:
        with zipfile.ZipFile(path) as archive:
            for name in names:
                _require_there(archive, f"{name}.npy", size)
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names}
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged file raises whatever its parsers trip over
        raise damaged(path, error, mend) from error


def _require_there(archive: zipfile.ZipFile, name: str, size: int) -> None:
    """Raise unless a member is as large as the array that its header tells, and the file large enough for it."""
    info = archive.getinfo(name)
    if info.compress_size > size or info.file_size * SMALLEST > info.compress_size + 1:
        raise ValueError(f"{name} cannot be of {info.file_size:,} bytes")
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(member)
        if kind.hasobject:
            raise ValueError(f"{name} holds objects")
        wanted = math.prod(shape) * kind.itemsize
        if wanted != info.file_size - member.tell():
            raise ValueError(f"{name} tells of {wanted:,} bytes and has {info.file_size - member.tell():,}")


def require_form(path: PathLike, mend: str, *wanted: tuple[str, np.ndarray, str, tuple[int | None, ...]]) -> None:
    """Raise unless arrays have their form.

    Parameters
    ----------
    path : path-like
        The file that they are of, for the message.
    mend : str
        What to do about it, the end of the sentence.
    *wanted : (str, ndarray, str, tuple)
        Name, array, the kinds of its type (``"f"``, ``"iu"``, see ``numpy.dtype.kind``), and its shape, ``None`` where
        any length will do.
    """
    for name, array, kinds, shape in wanted:
        same = len(array.shape) == len(shape) and all(b in (None, a) for a, b in zip(array.shape, shape, strict=True))
        if array.dtype.kind not in kinds or not same:
            raise damaged(path, f"{name} is {array.dtype} {array.shape}", mend)


def require_within(path: PathLike, mend: str, name: str, array: np.ndarray, low: float, high: float) -> None:
    """Raise unless all numbers of an array lie from ``low`` to ``high``; NaN does not."""
    if array.size and not (low <= array.min() and array.max() <= high):
        raise damaged(path, f"{name} has numbers outside of {low:g} to {high:g}", mend)

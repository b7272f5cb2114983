"""Reader of ``.npz`` files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leaven.data.names import listing
from leaven.data.pool import NO_CLASS, Pool
from leaven.data.unlabelled import STANDARD
from leaven.errors import LeavenError

from .arrays import read_arrays

X_KEYS = ("x", "images", "data", "arr_0")
Y_KEYS = ("y", "labels", "arr_1")


def read_npz(
    path: str | os.PathLike[str],
    classes: Sequence[object] | None = None,
    unlabelled: Any = STANDARD,
    precise: bool = False,
) -> Pool:
    """Pool from an ``.npz`` file; never unpickles.

    Items stand under ``x``, ``images``, ``data`` or ``arr_0``; labels, where there are any, under ``y``,
    ``labels`` or ``arr_1``; both as for `read_arrays`. ``classes`` and ``ids`` are read too where present. With
    ``masks``, uint8 ``(N, H, W)``, the pool is dense: the label -1 says that a mask is not to be looked at.

    Raises
    ------
    LeavenError
        The file is missing, no ``.npz``, lacks the key, holds Python objects, or its arrays do not fit.
    """
    path = Path(path)
    if not path.is_file():
        raise LeavenError(f"The file {path} does not exist, expected an .npz file: check the path.")
    try:
        with np.load(path, allow_pickle=False) as file:
            columns = {key: file[key] for key in file.files if key in (*X_KEYS, *Y_KEYS, "classes", "ids", "masks")}
            keys = list(file.files)
    except Exception as error:  # a damaged archive raises whatever its parser trips over
        reason = (
            "Python objects, which leaven never loads" if "pickle" in str(error) else f"no readable arrays ({error})"
        )
        raise LeavenError(
            f"{path} holds {reason}, expected an .npz of plain arrays: save it with numpy.savez."
        ) from None
    x = next((key for key in X_KEYS if key in columns), None)
    if x is None:
        raise LeavenError(
            f"{path} has the keys {listing(keys, 6) or '(none)'}, expected the items under one of {', '.join(X_KEYS)}: "
            "save it with numpy.savez(path, x=..., y=...)."
        )
    y = next((key for key in Y_KEYS if key in columns), None)
    if classes is None and "classes" in columns:
        classes = columns["classes"].tolist()
    masks = columns.get("masks")
    try:
        if masks is not None:
            return _dense(columns[x], masks, columns[y] if y else None, classes, columns.get("ids"))
        return read_arrays(columns[x], columns[y] if y else None, classes, columns.get("ids"), unlabelled, precise)
    except LeavenError as error:
        raise LeavenError(f"{path}: {error}") from None


def _dense(X: np.ndarray, masks: np.ndarray, y: Any, classes: Sequence[object] | None, ids: Any) -> Pool:
    pool = read_arrays(X, None, classes, ids)
    if classes is None:
        numbers = np.unique(masks[masks != NO_CLASS])
        classes = [str(number) for number in range(int(numbers.max(initial=-1)) + 1)]
    labels = np.zeros(len(pool), np.int64) if y is None else np.where(np.asarray(y) < 0, -1, 0)
    names = tuple(str(name) for name in classes)
    top = int(masks[masks != NO_CLASS].max(initial=0)) if masks.dtype == np.uint8 else 0
    if top >= len(names):
        raise LeavenError(
            f"masks holds the class number {top} and there are {len(names)} classes, expected numbers up to "
            f"{len(names) - 1}, or {NO_CLASS} where a pixel does not count."
        )
    return Pool(pool.items, labels, pool.ids, None, names, masks)  # type: ignore[arg-type]

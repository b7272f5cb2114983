"""Reader of arrays: NumPy and torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from leaven.data.names import array_to_nfc, class_name, number
from leaven.data.pool import Pool
from leaven.data.storage import bytes_each, parts
from leaven.data.unlabelled import STANDARD, as_text, is_unlabelled
from leaven.errors import LeavenError

LOSS = 1e-3  # of a column's standard deviation, which float32 may round off


def read_arrays(
    X: Any,
    y: Any = None,
    classes: Sequence[object] | None = None,
    ids: Any = None,
    unlabelled: Any = STANDARD,
    precise: bool = False,
) -> Pool:
    """Pool from NumPy or torch arrays.

    Parameters
    ----------
    X : array
        Images: ``(N, H, W)``, ``(N, H, W, C)`` or, where the last axis is neither 1 nor 3, ``(N, C, H, W)``,
        with C = 1 or 3; uint8, other integers in 0..255, or floats in 0..1. Features: ``(N, D)``, kept as
        float32, or as float64 where that tells rows apart that float32 does not (see `as_features`). A uint8
        ``(N, H, W, C)`` array, memory-mapped or not, is not copied.
    y : array of shape (N,), optional
        Class names, or whole numbers of any type: with ``classes`` the index of the class, else any numbers, which
        become the names of the classes. What stands for no label, `leaven.data.unlabelled` says: -1, NaN, None, ...
    classes : sequence of str, optional
        Names of the classes; by default those that occur in ``y``, in order.
    ids : array of shape (N,), optional
        Names of the items; by default their row numbers.
    unlabelled : object, default=-1
        What stands for no label in ``y``, see `leaven.data.unlabelled.is_unlabelled`.
    precise : bool, optional
        Keep float64 features as they are, for a trained network to centre.

    Raises
    ------
    LeavenError
        Shapes, lengths or types do not fit, pixels lie outside 0..1 or 0..255, a feature is NaN or infinite,
        a label is not among ``classes``, or two ids are the same.
    """
    items = _items(_array(X, "X"), precise)
    labels, names = _labels(y, classes, len(items), unlabelled)
    if ids is not None:
        ids = array_to_nfc(np.asarray(ids).astype(str))
        values, counts = np.unique(ids, return_counts=True)
        if (counts > 1).any():
            raise LeavenError(f"The id {values[counts > 1][0]} stands twice in ids, expected one for each item.")
    return Pool(items, labels, ids, None, names)  # type: ignore[arg-type]


def _array(value: Any, name: str) -> np.ndarray:
    if hasattr(value, "detach"):  # a torch tensor, without importing torch
        value = value.detach().cpu()
        value = value.float().numpy() if str(value.dtype) == "torch.bfloat16" else value.numpy()
    try:
        mixed = isinstance(value, (list, tuple)) and any(isinstance(one, str) for one in value)
        array = np.array(value, dtype=object) if mixed else np.asanyarray(value)  # ["cat", -1] stays what it is
    except ValueError:
        array = np.empty(0, dtype=object)
    if name == "X" and array.dtype.kind not in "buif":
        raise LeavenError(f"X holds {array.dtype} values, expected numbers in a NumPy or torch array of one shape.")
    return array


def as_features(X: np.ndarray, precise: bool = False) -> np.ndarray:
    """Numbers ``(N, D)`` as a pool holds them: float32, unless that loses what tells the rows apart.

    float32 has 24 binary digits. Where its rounding of a column is more than a thousandth of the column's standard
    deviation (time stamps, coordinates in metres, prices in cents), the float64 numbers are kept, and the network
    centres them before it goes on in float32; with ``precise`` they are kept in any case.

    Raises
    ------
    LeavenError
        A feature is NaN or infinite, or too large for float32.
    """
    with np.errstate(over="ignore"):
        features = np.ascontiguousarray(X, dtype=np.float32)
    bad = ~np.isfinite(features).all(axis=1)
    if bad.any():
        raise LeavenError(
            f"X has NaN or infinite features in {bad.sum()} of its {len(X)} rows (the first is row "
            f"{np.flatnonzero(bad)[0]}), expected finite numbers: fill them in or leave the rows out."
        )
    wide = X.dtype.kind in "iu" or (X.dtype.kind == "f" and X.dtype.itemsize > 4)
    if not wide or not X.size or not (precise or _loses(X)):
        return features
    return np.ascontiguousarray(X, dtype=np.float64)


def _loses(X: np.ndarray) -> bool:
    for start in range(0, X.shape[1], 64):  # a few columns at a time, so that the float64 copy stays small
        columns = np.asarray(X[:, start : start + 64], np.float64)
        rounding = np.abs(columns).max(0) * 2.0**-24
        if (rounding > LOSS * columns.std(0))[np.ptp(columns, axis=0) > 0].any():
            return True
    return False


def _items(X: np.ndarray, precise: bool) -> np.ndarray:
    if X.ndim == 2:
        return as_features(X, precise)
    if X.ndim == 3:
        X = X[..., None]
    elif X.ndim == 4 and X.shape[3] not in (1, 3) and X.shape[1] in (1, 3):
        X = X.transpose(0, 2, 3, 1)
    if X.ndim != 4 or X.shape[3] not in (1, 3) or 0 in X.shape[1:]:
        raise LeavenError(
            f"X has the shape {X.shape}, expected images (N, H, W), (N, H, W, C) or (N, C, H, W) with C = 1 or 3, or "
            "features (N, D): reshape it."
        )
    if X.dtype == np.uint8:
        return X if isinstance(X, np.memmap) else np.ascontiguousarray(X)
    top = 1 if X.dtype.kind in "bf" else 255
    low, high = (X.min(), X.max()) if len(X) else (0, 0)
    if not (low >= 0 and high <= top):  # so written that NaN fails
        raise LeavenError(
            f"X holds {X.dtype} images with values from {low} to {high}, expected 0 to {top}: "
            "give uint8 pixels in 0..255 or floats in 0..1."
        )
    pixels = np.empty(X.shape, dtype=np.uint8)
    for start, stop in parts(len(X), 8 * bytes_each(pixels)):  # so that the float copy stays small
        part = X[start:stop]
        pixels[start:stop] = np.rint(part * 255.0) if top == 1 else part
    return pixels


def _labels(
    y: Any, classes: Sequence[object] | None, count: int, unlabelled: Any
) -> tuple[np.ndarray, tuple[str, ...]]:
    names = None if classes is None else tuple(class_name(str(name)) for name in classes)
    if y is None:
        return np.full(count, -1, dtype=np.int64), names or ()
    y = _array(y, "y")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.shape != (count,):
        raise LeavenError(
            f"X has {count} items and y the shape {y.shape}, expected ({count},): give one label for each item, -1 "
            "where it is unknown."
        )
    if y.dtype.kind == "O":
        labels = [value for value in y.tolist() if not is_unlabelled(value, unlabelled, names)]
        numbers = all(isinstance(value, (int, float, np.number)) and not isinstance(value, bool) for value in labels)
        if not numbers or (names is not None and {as_text(value) for value in labels} <= set(names)):
            return number(y.tolist(), names, "y", unlabelled)
        gone = np.array([is_unlabelled(value, unlabelled) for value in y.tolist()], dtype=bool)
        y = np.array([0 if none else value for value, none in zip(y.tolist(), gone.tolist(), strict=True)])
    elif y.dtype.kind in "US":
        return number(y.tolist(), names, "y", unlabelled)
    elif y.dtype.kind == "b":
        names, gone = names or ("False", "True"), np.zeros(count, dtype=bool)
    else:
        gone = np.isnan(y) if y.dtype.kind == "f" else np.zeros(count, dtype=bool)
        if unlabelled is not None:
            gone = gone | np.isin(y, [value for value in np.unique(y) if is_unlabelled(value, unlabelled)])
    if y.dtype.kind == "f":
        odd = ~gone & (y != np.rint(y))
        if odd.any():
            raise LeavenError(f"y holds the number {y[odd][0]}, expected whole numbers or class names.")
        y = np.where(gone, 0, y)
    y = y.astype(np.int64)
    low, high = (int(y[~gone].min()), int(y[~gone].max())) if not gone.all() else (0, 0)
    if low < 0 and (names is not None or unlabelled == STANDARD):
        raise LeavenError(f"y holds the label {low}, expected -1 where it is unknown and else 0 or more.")
    if names is None:
        values = np.unique(y[~gone])
        return np.where(gone, -1, np.searchsorted(values, y)), tuple(str(value) for value in values)
    if high >= len(names):
        raise LeavenError(
            f"y holds the label {high} and there are {len(names)} classes, expected labels up to {len(names) - 1}: "
            "name every class in `classes`."
        )
    return np.where(gone, -1, y), names

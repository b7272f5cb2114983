"""Which rows of ``y`` are labelled, and with what; which domain a row is from."""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from leaven.errors import LeavenError


def labelled(y: Any, marker: Any = -1) -> tuple[np.ndarray, np.ndarray]:
    """Tell labelled rows from unlabelled ones.

    A row is unlabelled where ``y`` is the marker, None, NaN, pandas' NA or an empty string. Text equal to the
    marker counts too, for ``np.array(["cat", -1])`` is an array of text.

    Parameters
    ----------
    y : array-like of shape (N,); a column ``(N, 1)`` is taken with a warning
    marker : what stands for "unlabelled" beside those; ``None``: nothing else

    Returns
    -------
    y : array of shape (N,)
    known : bool ``(N,)``

    Raises
    ------
    LeavenError, ValueError : ``y`` is missing, or has another shape
    """
    if y is None:
        raise LeavenError(
            "LeavenClassifier requires y to be passed, but the target y is None; give labels, -1 where unknown."
        )
    y = column_or_1d(_array(y), warn=True)
    if y.dtype.kind in "biu":
        missing = np.zeros(len(y), dtype=bool)
    elif y.dtype.kind == "f":
        missing = np.isnan(y)
    else:
        missing = np.array([_missing(value) for value in y.tolist()], dtype=bool)
    if marker is not None and y.dtype.kind != "b":
        if y.dtype.kind in "iuf":
            missing |= y == marker if isinstance(marker, Number) else False
        else:
            texts = (marker, str(marker))
            missing |= np.array([any(_same(value, text) for text in texts) for value in y.tolist()], dtype=bool)
    return y, ~missing


def classes_of(known: np.ndarray, marker: Any = -1) -> tuple[np.ndarray, np.ndarray]:
    """The classes among known labels, in order, and the number of each label's class.

    Raises
    ------
    LeavenError, ValueError : there is no label, they name one class only, or they are no classes
    """
    if not len(known):
        raise LeavenError(f"No row of y is labelled ({_marked(marker)}); give some labels of each of two classes.")
    if known.dtype == object and not all(isinstance(value, str) for value in known):
        if any(isinstance(value, str) for value in known):
            raise LeavenError("y mixes text and numbers as class labels; give one kind of both.")
        known = np.asarray(known.tolist())
    check_classification_targets(check_array(known, dtype=None, ensure_2d=False, input_name="y"))
    classes, numbers = np.unique(known, return_inverse=True)
    if len(classes) < 2:
        raise LeavenError(
            f"The labels in y name one class only, {classes[0]!s} ({_marked(marker)}); label some rows of another "
            "class, or, where the marker is a class, set unlabelled=None."
        )
    return classes, numbers


def domains(sample_domain: Any, count: int) -> np.ndarray | None:
    """The domain of each row, int64 ``(N,)``: positive source, negative target, as skada has it.

    Raises
    ------
    LeavenError : another length or type, a domain 0, or no row of the target
    """
    if sample_domain is None:
        return None
    domain = np.asarray(sample_domain)
    if domain.shape != (count,) or domain.dtype.kind not in "iuf" or (domain != np.rint(domain)).any():
        raise LeavenError(
            f"sample_domain is {domain.dtype} of shape {domain.shape}, expected {count} integers, one for each "
            "row: positive for source, negative for target."
        )
    domain = domain.astype(np.int64)
    if not domain.all():
        raise LeavenError("sample_domain holds a 0, expected positive numbers for source, negative for target.")
    if not (domain < 0).any():
        raise LeavenError(
            "sample_domain has source rows only, expected some of the target (negative); leave it out for one domain."
        )
    return domain


def _array(y: Any) -> Any:
    """A list of labels as an array that keeps numbers and text apart: ``["cat", -1]`` stays what it is."""
    if isinstance(y, list | tuple) and any(isinstance(value, str) for value in y):
        array = np.empty(len(y), dtype=object)
        array[:] = y
        return array
    return y


def _missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return value == "" if isinstance(value, str) else isinstance(value, Number) and value != value


def _same(value: Any, marker: Any) -> bool:
    return isinstance(value, str) == isinstance(marker, str) and value == marker


def _marked(marker: Any) -> str:
    return "empty, None or NaN is unlabelled" if marker is None else f"{marker!r} marks unlabelled rows"

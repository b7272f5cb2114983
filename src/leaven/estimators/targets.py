"""Which rows of ``y`` are labelled, and with what; which domain a row is from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from leaven.data.names import class_name
from leaven.data.unlabelled import is_unlabelled
from leaven.errors import LeavenError


def labelled(y: Any, marker: Any = -1) -> tuple[np.ndarray, np.ndarray]:
    """Tell labelled rows from unlabelled ones.

    What stands for "unlabelled", ``leaven.data.unlabelled`` says, for the estimator as for every reader.

    Parameters
    ----------
    y : array-like of shape (N,)
        Classes of the rows; a column ``(N, 1)`` is taken with a warning.
    marker : object, optional
        What stands for "unlabelled" beside what is missing, see ``leaven.data.unlabelled.is_unlabelled``.

    Returns
    -------
    y : array of shape (N,)
        Of the type that was given; text in NFC, without spaces around it.
    known : ndarray of bool, shape (N,)
        Which rows are labelled.

    Raises
    ------
    LeavenError or ValueError
        ``y`` is missing, or has another shape.
    """
    if y is None:
        raise LeavenError(
            "LeavenClassifier requires y to be passed, but the target y is None; give labels, -1 where unknown."
        )
    y, missing = _array(y)
    y = column_or_1d(y, warn=True)
    if y.dtype.kind in "biuf":
        missing = (np.isnan(y) if y.dtype.kind == "f" else np.zeros(len(y), dtype=bool)) | missing
        if marker is not None and y.dtype.kind != "b":
            missing = missing | np.isin(y, [value for value in np.unique(y) if is_unlabelled(value, marker)])
    else:
        missing = np.array([is_unlabelled(value, marker) for value in y.tolist()], dtype=bool)
        names = [class_name(value) if isinstance(value, str) else value for value in y.tolist()]
        y = np.array(names, dtype=y.dtype) if y.dtype.kind == "U" else _objects(names)
    return y, ~missing


def classes_of(labels: np.ndarray, marker: Any = -1) -> tuple[np.ndarray, np.ndarray]:
    """The classes among known labels, in order, and the number of each label's class.

    Raises
    ------
    LeavenError or ValueError
        There is no label, they name one class only, or they are no classes.
    """
    if not len(labels):
        raise LeavenError(f"No row of y is labelled ({_marked(marker)}); give some labels of each of two classes.")
    if labels.dtype == object and not all(isinstance(value, str) for value in labels):
        if any(isinstance(value, str) for value in labels):
            raise LeavenError("y mixes text and numbers as class labels; give one kind of both.")
        labels = np.asarray(labels.tolist())
    check_classification_targets(check_array(labels, dtype=None, ensure_2d=False, input_name="y"))
    classes, numbers = np.unique(labels, return_inverse=True)
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
    LeavenError
        There is another length or type, a domain 0, or no row of the target.
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


def _array(y: Any) -> tuple[Any, Any]:
    """Labels that keep their type, and which of them are missing as far as another array than ``y`` says so.

    A list keeps numbers and text apart: ``["cat", -1]`` stays what it is. Of pandas, ``Int64`` stays whole numbers, and
    so does a categorical of them with gaps.
    """
    if isinstance(y, list | tuple) and any(isinstance(value, str) for value in y):
        return _objects(y), False
    kind = getattr(getattr(y, "dtype", None), "numpy_dtype", None)
    if kind is not None and hasattr(y, "isna"):
        missing = np.asarray(y.isna())
        return (y.to_numpy(kind, na_value=0) if missing.any() else y.to_numpy(kind)), missing
    if type(getattr(y, "dtype", None)).__name__ == "CategoricalDtype":
        names, codes = getattr(y, "cat", y).categories.tolist(), np.asarray(getattr(y, "cat", y).codes)
        return _objects([names[k] if k >= 0 else None for k in codes.tolist()]), False
    return y, False


def _objects(values: Sequence[Any]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _marked(marker: Any) -> str:
    return "empty, None or NaN is unlabelled" if marker is None else f"{marker!r} marks unlabelled rows"

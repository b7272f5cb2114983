"""Features or images that an estimator is given, as the items of a pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import validate_data

from leaven.data import read_arrays
from leaven.data.readers.arrays import as_features
from leaven.errors import LeavenError

if TYPE_CHECKING:
    from leaven.estimators.classifier import LeavenClassifier


def validate_items(estimator: LeavenClassifier, X: Any, *, reset: bool) -> np.ndarray:
    """``X`` as a ``Pool`` holds it; with ``reset`` its form is noted on the estimator, else compared.

    Raises
    ------
    LeavenError, ValueError
        ``X`` is neither features nor images, or of another form than was trained on.
    """
    shape = np.shape(X) if isinstance(X, list | tuple) else getattr(X, "shape", ())
    if len(shape) < 3:
        if not reset and estimator.image_shape_ is not None:
            raise LeavenError(f"X has the shape {tuple(shape)}, but images {estimator.image_shape_} were trained on.")
        numbers = validate_data(estimator, X, reset=reset, dtype=(np.float64, np.float32), order="C")
        items = as_features(numbers, precise=not reset and estimator.model_.spec.precise)
        if reset:
            estimator.image_shape_ = None
        return items
    items = read_arrays(X).items
    if reset:
        if not len(items):
            raise LeavenError("X has no rows, expected some to learn from.")
        estimator.image_shape_ = items.shape[1:]
        estimator.n_features_in_ = int(np.prod(items.shape[1:]))
    elif estimator.image_shape_ != items.shape[1:]:
        trained = estimator.image_shape_ or f"rows of {estimator.n_features_in_} features"
        raise LeavenError(f"X has images of shape {items.shape[1:]}, but {trained} were trained on.")
    return items

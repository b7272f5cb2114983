"""Which rows are labelled, and what the classes are."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import make_blobs

from leaven import LeavenClassifier
from leaven.errors import LeavenError
from leaven.estimators.targets import classes_of, labelled

X, TRUTH = make_blobs(60, centers=3, cluster_std=0.5, random_state=0)
FEW = np.arange(60) < 15
SMALL = {"steps": 40, "random_state": 0}


@pytest.mark.parametrize(
    ("y", "known"),
    [
        ([0, -1, 2], [1, 0, 1]),
        ([0.0, np.nan, -1.0], [1, 0, 0]),
        (["cat", -1, "dog"], [1, 0, 1]),
        (np.array(["cat", -1, "dog"]), [1, 0, 1]),
        (np.array(["cat", "", "-1"]), [1, 0, 0]),
        (np.array(["cat", None, np.nan, -1, ""], dtype=object), [1, 0, 0, 0, 0]),
        (pd.Series(["cat", None, "dog"]), [1, 0, 1]),
        (pd.Series([1, None, 2], dtype="Int64"), [1, 0, 1]),
        (pd.Series(["cat", None, "dog"], dtype="category"), [1, 0, 1]),
        (np.array([True, False, True]), [1, 1, 1]),
    ],
)
def test_what_is_unlabelled(y, known):
    assert_array_equal(labelled(y)[1], np.array(known, dtype=bool))


def test_another_marker_leaves_minus_one_a_class():
    y, known = labelled([-1, 1, 99], marker=99)
    assert_array_equal(known, [True, True, False])
    assert_array_equal(classes_of(y[known])[0], [-1, 1])
    assert_array_equal(labelled(np.array([-1, 1, None], dtype=object), marker=None)[1], [True, True, False])
    assert_array_equal(labelled(["?", "a"], marker="?")[1], [False, True])


@pytest.mark.parametrize(
    ("names", "marker"),
    [
        (np.array([10, 20, 30]), -1),
        (np.array([0.0, 1.0, 2.0]), np.nan),
        (np.array(["ant", "bee", "cow"]), ""),
        (np.array(["ant", "bee", "cow"], dtype=object), -1),
        (np.array(["ant", "bee", "cow"], dtype=object), None),
        (np.array([10, 20, 30], dtype=object), None),
    ],
)
def test_classes_leave_the_marker_out_and_predictions_are_classes(names, marker):
    y = np.where(FEW, names[TRUTH], marker)
    model = LeavenClassifier(**SMALL).fit(X, y)
    assert_array_equal(model.classes_, names)
    assert (model.predict(X) == names[TRUTH]).mean() > 0.9
    assert model.score(X, y) > 0.9  # the unlabelled rows of y don't count as mistakes


@pytest.mark.parametrize(
    ("y", "says"),
    [
        (np.full(60, -1), "No row of y is labelled"),
        (np.full(60, 3), "one class only, 3"),
        (np.linspace(0, 1, 60), "continuous"),
        (np.where(FEW, np.inf, 1), "infinity"),
        ([1] * 30 + ["a"] * 30, "mixes text and numbers"),
    ],
)
def test_labels_that_are_none(y, says):
    with pytest.raises(ValueError, match=says):
        LeavenClassifier(**SMALL).fit(X, y)


def test_score_needs_a_label():
    model = LeavenClassifier(**SMALL).fit(X, TRUTH)
    with pytest.raises(LeavenError, match="nothing to score"):
        model.score(X, np.full(60, -1))


@pytest.mark.parametrize(
    "y",
    [
        pd.Series([1, 2, None, 2, 1], dtype="Int64"),
        pd.Series([1, 2, -1, 2, 1], dtype="Int32"),
        pd.Series([1, 2, None, 2, 1], dtype="Int8"),
        np.array([1, 2, -1, 2, 1], np.int16),
        pd.Series(["a", "b", None, "b", "a"], dtype="string"),
        np.array(["a", "b", "NA", "b", "a"]),
        pd.Series([True, False, None, False, True], dtype="boolean"),
        pd.Series([1, 2, None, 2, 1], dtype="category"),
    ],
    ids=str,
)
def test_predictions_are_of_the_type_of_y(y):
    """None of these was taken so before: NA was a crash, "NA" a class, and whole numbers came back as floats."""
    rows = np.array([[0.0, 0], [9, 9], [5, 5], [8, 9], [1, 0]])
    model = LeavenClassifier("supervised", steps=2, random_state=0).fit(rows, y)
    kind = getattr(y.dtype, "numpy_dtype", np.dtype("int64") if str(y.dtype) == "category" else y.dtype)
    kind = np.dtype(object) if str(y.dtype) == "string" else kind
    assert model.classes_.dtype == kind
    assert model.predict(rows).dtype == kind
    assert len(model.classes_) == 2
    assert model.model_.classes in {("1", "2"), ("a", "b"), ("False", "True")}

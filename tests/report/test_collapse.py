import numpy as np

from leaven.report.collapse import warnings

NAMES = tuple("abcdefghij")


def test_even_predictions_are_no_alarm():
    assert warnings(np.full(10, 100), np.full(10, 4), NAMES) == []


def test_a_class_that_is_never_predicted():
    predicted = np.array([0, 111, 111, 111, 111, 111, 111, 111, 111, 112])
    assert warnings(predicted, np.full(10, 4), NAMES) == ["Never predicted although there are labels: a."]


def test_a_class_without_labels_may_stay_unpredicted():
    assert warnings(np.array([0, 50, 50]), np.array([0, 5, 5]), NAMES) == []


def test_few_predictions_are_no_evidence():
    assert warnings(np.array([0, 2, 2, 2, 2]), np.full(5, 4), NAMES) == []


def test_a_class_that_takes_far_more_than_its_share():
    predicted = np.array([460] + [60] * 9)
    (said,) = warnings(predicted, np.full(10, 4), NAMES)
    assert "far more often" in said
    assert "a (46.0\u00a0% of the predictions, 10.0\u00a0% of the labels)" in said


def test_two_classes():
    assert warnings(np.array([70, 30]), np.array([5, 5]), NAMES) == []
    assert warnings(np.array([80, 20]), np.array([5, 5]), NAMES)

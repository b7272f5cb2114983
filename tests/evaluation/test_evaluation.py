"""``Evaluation`` against six items worked out by hand."""

import math

import numpy as np
import pytest

from leaven.evaluation.classification import Evaluation

# predictions   a     b     b     c     a     a
# labels        a     b     a     b     c     unknown
P = np.array(
    [[0.9, 0.1, 0.0], [0.2, 0.6, 0.2], [0.0, 1.0, 0.0], [0.1, 0.1, 0.8], [0.5, 0.4, 0.1], [0.4, 0.3, 0.3]],
    np.float32,
)
LABELS = np.array([0, 1, 0, 1, 2, -1])


@pytest.fixture
def six() -> Evaluation:
    return Evaluation(P, LABELS, np.array(list("pqrstu")), ("a", "b", "c"))


def test_accuracy_counts_items_with_a_label(six):
    assert (six.accuracy().value, six.accuracy().n) == (0.4, 5)
    assert six.accuracy(six.confidence >= 0.8).value == pytest.approx(1 / 3)


def test_per_class_is_recall(six):
    assert [i.value for i in six.per_class()] == [0.5, 0.5, 0.0]
    assert [i.n for i in six.per_class()] == [2, 2, 1]


def test_confusion_has_labels_in_rows(six):
    assert six.confusion().tolist() == [[1, 1, 0], [0, 1, 1], [1, 0, 0]]


def test_calibration_error_against_hand_worked_numbers(six):
    # two bins: [0, ½) holds nothing; [½, 1] all five: |3.8 − 2| / 5
    assert six.calibration_error(2) == pytest.approx(0.36)
    # five bins of 0.2: 0.5 (wrong) | 0.6 (right) | 0.9 (right), 1.0 and 0.8 (wrong): (0.5 + 0.4 + 1.7) / 5
    assert six.calibration_error(5) == pytest.approx((0.5 + 0.4 + 1.7) / 5, abs=1e-6)


def test_worst_errors_come_most_confident_first(six):
    assert six.worst().tolist() == [2, 3, 4]
    assert six.worst(1).tolist() == [2]


def test_least_certain_has_the_smallest_margins(six):
    assert six.least_certain(3).tolist() == [4, 5, 1]


def test_pictures_are_those_that_the_report_shows(six):
    items = np.arange(6 * 4, dtype=np.uint8).reshape(6, 2, 2, 1)
    shown = six.with_pictures(items)
    assert shown.picture_rows.tolist() == [0, 1, 2, 3, 4, 5]
    assert np.array_equal(shown.pictures, items)
    assert not len(six.with_pictures(np.zeros((6, 8), np.float32)).pictures)


def test_save_and_load(six, tmp_path):
    file = tmp_path / "evaluations" / "test.npz"
    six.save(file)
    back = Evaluation.load(file)
    assert np.array_equal(back.probabilities, six.probabilities)
    assert np.array_equal(back.labels, six.labels)
    assert back.ids.tolist() == list("pqrstu")
    assert back.classes == ("a", "b", "c")


def test_without_any_label(six):
    blind = Evaluation(P, np.full(6, -1), six.ids, six.classes)
    assert math.isnan(blind.accuracy().value)
    assert blind.confusion().sum() == 0
    assert blind.calibration_error() == 0.0
    assert not len(blind.worst())

"""scikit-learn's own checks."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_classifiers_classes, parametrize_with_checks

from leaven import LeavenClassifier

SMALL = {"steps": 10, "batch_size": 16, "lr": 0.1, "random_state": 0}
NOT_FOR_US = {
    "check_classifiers_classes": "its last labels are {-1, 1}, and -1 marks unlabelled rows; scikit-learn spares "
    "its own semi-supervised classifiers by name. With unlabelled=None the check passes, see below.",
}


@parametrize_with_checks([LeavenClassifier(**SMALL)], expected_failed_checks=lambda _: NOT_FOR_US)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_the_spared_check_passes_where_minus_one_is_a_class():
    check_classifiers_classes("LeavenClassifier", LeavenClassifier(unlabelled=None, **SMALL))


def test_the_spared_check_is_spared_for_minus_one_alone():
    with pytest.raises(ValueError, match=r"one class only, 1 .*unlabelled=None"):
        LeavenClassifier(**SMALL).fit(np.eye(4), [-1, 1, -1, 1])

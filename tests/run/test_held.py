"""Which labels are held out, and how many are learnt from."""

import numpy as np
import pytest

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.run.figures import trained_on
from leaven.run.held import share, split


def pool(labels, domain=None):
    labels = np.asarray(labels)
    items = np.arange(len(labels), dtype=np.float32)[:, None]
    return Pool(items, labels, domain=domain, classes=("a", "b"))


def test_a_fifth_is_held_out_where_every_class_has_ten_labels():
    assert share(pool([0, 1] * 10), None) == 0.2
    assert share(pool([0, 1] * 10 + [0] * 9 + [-1]), 0.0) == 0.0
    assert share(pool([0, 1] * 9 + [0] * 5), None) == 0.0


@pytest.mark.parametrize("asked", [-0.1, 1.0, float("nan")])
def test_what_is_no_share(asked):
    with pytest.raises(LeavenError, match="from 0 to under 1"):
        share(pool([0, 1]), asked)


def test_labels_of_a_source_say_nothing_about_the_target():
    domain = np.array([1] * 40 + [-1] * 20)
    unknown = pool([0, 1] * 20 + [-1] * 20, domain)
    assert share(unknown, None) == 0.0
    with pytest.raises(LeavenError, match="the target has no label"):
        share(unknown, 0.5)
    known = pool([0, 1] * 30, domain)
    assert share(known, None) == 0.2
    rest, held = split(known, 0.2, seed=0)
    assert (held.domain < 0).all()
    assert np.bincount(held.labels).tolist() == [2, 2]
    assert trained_on(rest) == {"labels": 16, "source_labels": 40}
    assert sorted([*rest.ids, *held.ids]) == sorted(known.ids)


def test_one_domain():
    rest, held = split(pool([0, 1, -1] * 10), 0.2, seed=1)
    assert trained_on(rest) == {"labels": 16}
    assert (held.labels >= 0).all()
    assert len(rest) + len(held) == 30
    again = split(pool([0, 1, -1] * 10), 0.2, seed=1)[1]
    assert (again.ids == held.ids).all()

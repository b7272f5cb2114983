"""Which labels are held out, and how many are learnt from."""

import numpy as np
import pytest

from leaven.data import LeavenWarning, Pool
from leaven.errors import LeavenError
from leaven.run.figures import trained_on
from leaven.run.fit import fit
from leaven.run.holdout import least, share, split
from leaven.run.options import Options


def pool(labels, domain=None):
    labels = np.asarray(labels)
    items = np.arange(len(labels), dtype=np.float32)[:, None]
    return Pool(items, labels, domain=domain, classes=("a", "b"))


def test_a_fifth_is_held_out_of_the_classes_that_have_ten_labels():
    assert share(pool([0, 1] * 10), None) == 0.2
    assert share(pool([0, 1] * 10 + [0] * 9 + [-1]), 0.0) == 0.0
    assert share(pool([0, 1] * 9 + [0] * 5), None) == 0.0


def test_classes_that_cannot_spare_a_label_keep_it_and_are_named():
    labels = np.repeat([0, 1, 2, 3, -1], [20, 10, 9, 1, 5])
    items = np.arange(len(labels), dtype=np.float32)[:, None]
    given = Pool(items, labels, classes=("a", "b", "few", "one"))
    assert share(given, None) == 0.2
    with pytest.warns(LeavenWarning, match=r"Not judged, for with fewer than 10 labels .*: the classes few, one\.$"):
        rest, part = split(given, 0.2, 0, least(None))
    assert np.bincount(part.labels).tolist() == [4, 2]
    assert np.bincount(rest.labels[rest.labels >= 0]).tolist() == [16, 8, 9, 1]
    with pytest.warns(LeavenWarning, match=r"fewer than 2 labels it spares none to hold out: the class one\.$"):
        _, part = split(given, 0.2, 0, least(0.2))
    assert np.bincount(part.labels).tolist() == [4, 2, 2]
    with pytest.raises(LeavenError, match="No class has 2 labelled items"):
        split(pool([0, 1, -1]), 0.5, 0)


def test_the_report_says_which_classes_are_judged(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [12, 12, 1])
    items = (rng.normal(size=(25, 4)) + 3 * np.eye(4)[labels]).astype(np.float32)
    plan = {"steps": 4, "batch_size": 4, "accelerator": "cpu", "precision": "32-true", "probes": 0}
    with pytest.warns(LeavenWarning, match="the class rare"):
        fitted = fit(
            Pool(items, labels, classes=("a", "b", "rare")),
            tmp_path / "run",
            Options("supervised", plan=plan),
            progress=False,
        )
    assert fitted[-1].evaluations["validation"].unjudged == ("rare",)
    assert fitted[-1].figures()[0]["n"] == 4
    page = (tmp_path / "run" / "report.html").read_text()
    assert "No validation item is of the class rare, which the figures do not judge." in page


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

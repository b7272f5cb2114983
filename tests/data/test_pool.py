"""`Pool`, its splits, checks and joins."""

import subprocess
import sys

import numpy as np
import pytest

from leaven.data import Pool, adaptation, few_labels, hold_out, match_classes, read_arrays, require_trainable
from leaven.errors import LeavenError


def features(labels, classes=None, domain=None, d=2, ids=None):
    labels = np.asarray(labels)
    items = np.arange(len(labels) * d, dtype=np.float32).reshape(-1, d)
    classes = classes or tuple("abcdefghij"[: max(labels.max(initial=-1) + 1, 0)])
    return Pool(items, labels, ids, None if domain is None else np.asarray(domain), classes)


def test_import_is_light():
    code = "import sys, leaven.data; print([m for m in ('torch', 'PIL', 'sklearn', 'rich') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_every_public_name_is_there():
    import leaven.data

    for name in leaven.data.__all__:
        assert callable(getattr(leaven.data, name))
    with pytest.raises(AttributeError):
        leaven.data.nothing  # noqa: B018


def test_defaults():
    pool = Pool(np.zeros((3, 4, 5, 1), np.uint8))
    assert pool.labels.tolist() == [-1] * 3
    assert pool.ids.tolist() == ["0", "1", "2"]
    assert pool.domain.tolist() == [-1] * 3
    assert pool.kind == "images"
    assert len(pool) == 3
    assert pool.num_classes == 0
    assert "3 images of 4×5×1" in repr(pool)
    assert features([0, 1]).kind == "features"


def test_rows_of_one_domain():
    pool = features([0, -1, 1, -1])
    assert pool.rows("labelled").tolist() == [0, 2]
    assert pool.rows("unlabelled").tolist() == [0, 1, 2, 3]
    assert pool.rows("source").tolist() == [0, 2]
    assert pool.rows("target_labelled").tolist() == []


def test_rows_of_two_domains():
    pool = features([0, -1, 1, -1, 0], domain=[1, 2, -1, -1, 1])
    assert pool.rows("labelled").tolist() == [0, 2, 4]
    assert pool.rows("unlabelled").tolist() == [2, 3]
    assert pool.rows("source").tolist() == [0, 4]
    assert pool.rows("target_labelled").tolist() == [2]
    with pytest.raises(LeavenError, match="role 'labeled'"):
        pool.rows("labeled")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"items": np.zeros((2, 3), np.float16)}, "float16"),
        ({"items": np.zeros((2, 4, 4, 2), np.uint8)}, r"\(2, 4, 4, 2\)"),
        ({"items": [[1.0]]}, "list"),
        ({"labels": np.zeros(3, int)}, r"labels of shape \(3,\)"),
        ({"labels": np.array([0.0, 1.0])}, "float64"),
        ({"labels": np.array([0, 2])}, "label 2"),
        ({"labels": np.array([0, -2])}, "label -2"),
        ({"ids": np.array(["x"])}, "ids of shape"),
        ({"domain": np.array([1, 0])}, "domain 0"),
        ({"classes": ("a", "a")}, "'a' stands twice"),
    ],
)
def test_columns_that_do_not_fit(columns, message):
    whole = {"items": np.zeros((2, 3), np.float32), "labels": np.array([0, 1]), "classes": ("a", "b")}
    with pytest.raises(LeavenError, match=message):
        Pool(**{**whole, **columns})


def test_subset_and_with():
    pool = features([0, 1, 0, 1], ids=np.array(list("wxyz")))
    assert pool.subset([3, 0]).ids.tolist() == ["z", "w"]
    assert pool.subset([3, 0]).items[0].tolist() == [6, 7]
    assert pool.subset(pool.labels == 1).ids.tolist() == ["x", "z"]
    assert pool.subset([]).items.shape == (0, 2)
    assert pool.subset([-1]).ids.tolist() == ["z"]
    other = pool.with_labels(np.array([-1, -1, -1, 2]), ("p", "q", "r"))
    assert other.classes == ("p", "q", "r")
    assert other.items is pool.items
    assert pool.with_items(np.zeros((4, 3, 7), np.float32)).items.shape == (4, 3, 7)
    with pytest.raises(LeavenError, match="4 items was given 3"):
        pool.with_items(np.zeros((3, 2), np.float32))


def test_few_labels():
    pool = features(np.arange(60) % 3)
    few = few_labels(pool, 4, seed=1)
    assert np.bincount(few.labels[few.labels >= 0]).tolist() == [4, 4, 4]
    known = few.labels >= 0
    assert (few.labels[known] == pool.labels[known]).all()
    assert len(few) == 60
    assert (few_labels(pool, 4, seed=1).labels == few.labels).all()
    assert (few_labels(pool, 4, seed=2).labels != few.labels).any()
    assert (few_labels(pool, 9, seed=1).labels[known] >= 0).all()  # nested
    with pytest.raises(LeavenError, match="class a has 20 labelled items, expected at least per_class=21"):
        few_labels(pool, 21)
    with pytest.raises(LeavenError, match="per_class is 0"):
        few_labels(pool, 0)


def test_hold_out_is_stratified_and_deterministic():
    labels = np.repeat([0, 1, 2, -1], [100, 40, 2, 30])
    pool = features(labels)
    rest, held = hold_out(pool, 0.2, seed=3)
    assert np.bincount(held.labels).tolist() == [20, 8, 1]
    assert (rest.labels == -1).sum() == 30
    assert sorted(rest.ids.tolist() + held.ids.tolist(), key=int) == pool.ids.tolist()
    assert (held.items[:, 0] == held.ids.astype(int) * 2).all()
    assert (hold_out(pool, 0.2, seed=3)[1].ids == held.ids).all()
    assert (hold_out(pool, 0.2, seed=4)[1].ids != held.ids).any()
    rest, held = hold_out(pool, 0.99, seed=0)
    assert np.bincount(rest.labels[rest.labels >= 0]).tolist() == [1, 1, 1]


def test_hold_out_within_each_domain():
    pool = features([0] * 20 + [1] * 20, domain=([1] * 10 + [-1] * 10) * 2)
    _, held = hold_out(pool, 0.3)
    assert sorted(zip(held.labels.tolist(), held.domain.tolist(), strict=True)) == (
        [(0, -1)] * 3 + [(0, 1)] * 3 + [(1, -1)] * 3 + [(1, 1)] * 3
    )


def test_hold_out_that_cannot_be():
    with pytest.raises(LeavenError, match="No class has 2 labelled items, expected one to hold out and one to keep"):
        hold_out(features([0, 1]), 0.5)
    with pytest.raises(LeavenError, match="None of the 2 items"):
        hold_out(features([-1, -1], ("a",)), 0.5)
    with pytest.raises(LeavenError, match=r"fraction .* 1\.5"):
        hold_out(features([0, 0]), 1.5)


def test_require_trainable():
    require_trainable(features([0, 1, -1]))
    with pytest.raises(LeavenError, match="None of the 2 items has a label"):
        require_trainable(features([-1, -1]))
    with pytest.raises(LeavenError, match="All 2 labels name the class a, expected at least two"):
        require_trainable(features([0, 0, -1]))
    with pytest.raises(LeavenError, match="The class b of 3 had no labelled item"):
        require_trainable(features([0, 2, 0, 2]))
    with pytest.raises(LeavenError, match=r"\(5 classes, 2 labels\)"):
        require_trainable(features([0, 1], tuple("abcde")))


def test_match_classes_by_name():
    pool = match_classes(features([0, 1, -1, 1], ("dog", "cat")), ("ant", "cat", "dog"))
    assert pool.classes == ("ant", "cat", "dog")
    assert pool.labels.tolist() == [2, 1, -1, 1]
    unused = match_classes(features([0, -1], ("cat", "yak")), ("ant", "cat"))
    assert unused.labels.tolist() == [1, -1]
    with pytest.raises(LeavenError, match="test/ has the class yak, expected only ant, cat"):
        match_classes(features([0, 1], ("cat", "yak")), ("ant", "cat"), "test/")


def test_adaptation_matches_names():
    source, target = features([0, 1, 1], ("dog", "cat")), features([0, -1], ("cat", "dog"))
    pool = adaptation(source, target)
    assert pool.classes == ("dog", "cat")
    assert pool.labels.tolist() == [0, 1, 1, 1, -1]
    assert pool.domain.tolist() == [1, 1, 1, -1, -1]
    assert pool.ids.tolist() == ["source:0", "source:1", "source:2", "0", "1"]
    assert (pool.items == np.concatenate([source.items, target.items])).all()
    assert pool.rows("source").tolist() == [0, 1, 2]
    assert adaptation(source, Pool(target.items)).labels[3:].tolist() == [-1, -1]


def test_adaptation_of_grey_and_rgb():
    grey = read_arrays(np.full((2, 4, 4), 9, np.uint8), [0, 1])
    colour = read_arrays(np.zeros((3, 4, 4, 3), np.uint8))
    pool = adaptation(grey, colour)
    assert pool.items.shape == (5, 4, 4, 3)
    assert (pool.items[:2] == 9).all()
    assert (pool.items[2:] == 0).all()


def test_adaptation_of_a_large_pool_goes_through_a_file(monkeypatch):
    monkeypatch.setattr("leaven.data.storage.IN_MEMORY", 10)
    monkeypatch.setattr("leaven.data.storage.PART", 2)
    source, target = features([0, 1, 1]), Pool(np.full((5, 2), 7, np.float32))
    pool = adaptation(source, target)
    assert isinstance(pool.items, np.memmap)
    assert (pool.items == np.concatenate([source.items, target.items])).all()


def test_a_large_subset_goes_through_a_file(monkeypatch, cache):
    monkeypatch.setattr("leaven.data.storage.IN_MEMORY", 10)
    monkeypatch.setattr("leaven.data.storage.PART", 3)
    pool = features(np.arange(20) % 2)
    rest, held = hold_out(pool, 0.2)
    assert isinstance(rest.items, np.memmap)
    assert (rest.items == pool.items[rest.ids.astype(int)]).all()
    assert len(rest) + len(held) == 20
    assert not list(cache.iterdir())


def test_a_target_is_numbered_by_its_sources_classes():
    two = features([0, 1, 2], ("cat", "dog", "yak"))
    pool = adaptation(two, features([-1, 0, 1], ("yak", "cat")))
    assert pool.classes == ("cat", "dog", "yak")
    assert pool.labels.tolist() == [0, 1, 2, -1, 2, 0]
    assert adaptation(two, features([-1, -1], ("ox",))).labels[3:].tolist() == [-1, -1]  # no item of it is one


def test_adaptation_that_cannot_be():
    two = features([0, 1], ("cat", "dog"))
    with pytest.raises(LeavenError, match=r"target has the class yak, expected only cat, dog"):
        adaptation(two, features([0, 1], ("cat", "yak")))
    with pytest.raises(LeavenError, match="None of the 2 source items has a class"):
        adaptation(features([-1, -1]), two)
    with pytest.raises(LeavenError, match=r"shape \(2,\) and the target's \(3,\)"):
        adaptation(two, features([0, 1], ("cat", "dog"), d=3))
    images = read_arrays(np.zeros((2, 16, 16), np.uint8), [0, 1], ("cat", "dog"))
    with pytest.raises(LeavenError, match="2-d features and the target images"):
        adaptation(two, images)
    with pytest.raises(LeavenError, match=r"16×16 pixels and the target's 28×28.*size=28"):
        adaptation(images, read_arrays(np.zeros((2, 28, 28), np.uint8)))

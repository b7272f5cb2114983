"""Counts of pixels, and what is made of them, against numbers worked out by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.evaluation.bootstrap import bounds, of_sums, resampled
from leaven.evaluation.segmentation import DenseEvaluation, difference, evaluate_dense


class Stub(nn.Module):
    """Takes the first channel's level for the class; remembers how many images it saw at a time."""

    def __init__(self, classes: int):
        super().__init__()
        self.classes, self.sizes = classes, []
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        self.sizes.append(len(x))
        return nn.functional.one_hot((x[:, 0] * 255).round().long(), self.classes).permute(0, 3, 1, 2).float()


def dense_pool(guess, truth, labels=None, classes=("a", "b", "c")) -> Pool:
    guess, truth = np.array(guess, np.uint8), np.array(truth, np.uint8)
    labels = np.zeros(len(truth), np.int64) if labels is None else np.array(labels)
    return Pool(np.repeat(guess[..., None], 3, 3), labels, None, None, classes, truth)


GUESS = [[[0, 0, 1], [1, 2, 2]], [[1, 1, 1], [0, 0, 2]]]
TRUTH = [[[0, 1, 1], [1, 2, 255]], [[1, 1, 0], [0, 0, 255]]]


def test_counts_by_hand():
    found = evaluate_dense(Stub(3), dense_pool(GUESS, TRUTH))
    assert found.counts.dtype == np.int64
    assert found.counts[0].tolist() == [[1, 0, 0], [1, 2, 0], [0, 0, 1]]
    assert found.counts[1].tolist() == [[2, 1, 0], [0, 2, 0], [0, 0, 0]]
    assert found.confusion().tolist() == [[3, 1, 0], [1, 4, 0], [0, 0, 1]]


def test_figures_by_hand():
    """a: 3 / (3 + 1 + 1); b: 4 / (4 + 1 + 1); c: 1 / 1, for the pixels of 255 that were taken for it do not count."""
    found = evaluate_dense(Stub(3), dense_pool(GUESS, TRUTH))
    assert [at.value for at in found.per_class()] == pytest.approx([3 / 5, 4 / 6, 1.0])
    assert [at.n for at in found.per_class()] == [2, 2, 1]
    assert found.miou().value == pytest.approx((3 / 5 + 4 / 6 + 1) / 3)
    assert found.miou().n == 2
    assert found.pixel_accuracy().value == pytest.approx(8 / 10)
    assert found.score() == found.miou()
    assert found.metric == "mIoU"


def test_a_class_that_does_not_occur_is_no_part_of_the_mean():
    found = evaluate_dense(Stub(4), dense_pool([[[0, 3], [1, 1]]], [[[0, 0], [1, 1]]], classes=tuple("abcd")))
    a, b, c, d = found.per_class()
    assert (a.value, b.value) == (0.5, 1.0)
    assert np.isnan(c.value)
    assert np.isnan(d.value)  # predicted, but nowhere true
    assert c.n == d.n == 0
    assert found.miou().value == pytest.approx(0.75)
    assert (found.miou().low, found.miou().high) == (0.0, 1.0)  # one image says nothing of others


def test_masks_that_may_not_be_looked_at():
    shown = evaluate_dense(Stub(3), dense_pool(GUESS, TRUTH, labels=[0, -1]))
    assert shown.has_label.tolist() == [True, False]
    assert not shown.counts[1].any()
    assert shown.miou().value == pytest.approx((1 / 2 + 2 / 3 + 1) / 3)
    assert (shown.truth != 255).any()
    none = evaluate_dense(Stub(3), dense_pool(GUESS, TRUTH, labels=[-1, -1]))
    assert np.isnan(none.miou().value)
    assert none.miou().n == 0
    assert (none.truth == 255).all()
    assert none.picture_rows.tolist() == [0, 1]


def test_memory_stays_bounded(monkeypatch):
    rng = np.random.default_rng(0)
    pool = dense_pool(rng.integers(0, 3, (50, 6, 9)), rng.integers(0, 3, (50, 6, 9)))
    whole = evaluate_dense(Stub(3), pool)
    monkeypatch.setattr("leaven.nn.memory.ACTIVATIONS", 6 * 9 * 100)
    network = Stub(3)
    parts = evaluate_dense(network, pool)
    assert 1 < max(network.sizes) < 10
    for name in ("counts", "picture_rows", "pictures", "predicted", "truth"):
        assert (getattr(parts, name) == getattr(whole, name)).all()
    assert (whole.counts.sum((1, 2)) == 54).all()


def test_pictures_are_spread_evenly():
    rng = np.random.default_rng(0)
    guess, truth = rng.integers(0, 3, (2, 30, 4, 5))
    labels = np.where(np.arange(30) % 2, 0, -1)
    found = evaluate_dense(Stub(3), dense_pool(guess, truth, labels))
    assert found.picture_rows.tolist() == [1, 5, 9, 13, 17, 21, 25, 29]
    assert (found.predicted == guess[found.picture_rows]).all()
    assert (found.truth == truth[found.picture_rows]).all()
    assert (found.pictures[..., 0] == guess[found.picture_rows]).all()
    large = dense_pool(np.zeros((1, 100, 700), int), np.zeros((1, 100, 700), int))
    assert evaluate_dense(Stub(3), large).pictures.shape == (1, 34, 234, 3)


def random_evaluation(rng, images, better=0.0):
    """Images that differ: each has its own rate of errors around a third."""
    rate = np.clip(rng.normal(0.35 - better, 0.15, images), 0, 1)
    truth = rng.integers(0, 3, (images, 100))
    wrong = rng.random((images, 100)) < rate[:, None]
    guess = np.where(wrong, (truth + rng.integers(1, 3, truth.shape)) % 3, truth)
    counts = np.stack([np.bincount(t * 3 + g, minlength=9).reshape(3, 3) for t, g in zip(truth, guess, strict=True)])
    return DenseEvaluation(counts, np.ones(images, bool), np.arange(images).astype(str), ("a", "b", "c"))


def test_the_interval_covers():
    """In 95 of 100 repetitions, more or less, it holds the figure of very many images; a 90 % interval would not do."""
    rng = np.random.default_rng(1)
    wanted = random_evaluation(rng, 20_000).confusion()
    true = np.diag(wanted)
    wanted = (true / (wanted.sum(0) + wanted.sum(1) - true)).mean()
    found = [random_evaluation(rng, 60).miou() for _ in range(700)]
    held = np.mean([at.low <= wanted <= at.high for at in found])
    # The standard error is 0.8 points; a 90 % interval would hold 90 of 100 at most, for of 60 images it is too narrow.
    assert 0.92 <= held <= 0.97
    assert all(at.low <= at.value <= at.high for at in found)
    # Pixels as if they were independent would give a tenth of the images' variance.
    widths = [at.high - at.low for at in found]
    assert 0.03 < np.mean(widths) < 0.12


@pytest.mark.parametrize(
    ("name", "value", "can_be"),
    [
        ("counts", 0, True),
        ("counts", 2**53, True),
        ("counts", -1, False),
        ("counts", 2**53 + 1, False),
        ("predicted", 0, True),
        ("predicted", 2, True),
        ("predicted", 3, False),
        ("picture_rows", 0, True),
        ("picture_rows", 1, True),
        ("picture_rows", -1, False),
        ("picture_rows", 2, False),
    ],
)
def test_a_file_holds_numbers_that_can_be(tmp_path, name, value, can_be):
    """Two images of three classes; of more than 2^53 pixels float64 has not each number."""
    evaluate_dense(Stub(3), dense_pool(GUESS, TRUTH)).save(tmp_path / "e.npz")
    with np.load(tmp_path / "e.npz") as columns:
        changed = dict(columns)
    changed[name].flat[:1] = value
    np.savez(tmp_path / "e.npz", **changed)
    if can_be:
        assert getattr(DenseEvaluation.load(tmp_path / "e.npz"), name).flat[0] == value
    else:
        with pytest.raises(LeavenError, match=f"{name} has numbers outside"):
            DenseEvaluation.load(tmp_path / "e.npz")


def test_resamples_by_hand():
    """Each resample of four rows takes four of them; the mean of all comes near the sum."""
    sums = resampled(np.eye(4))
    assert sums.shape == (1000, 4)
    assert (sums.sum(1) == 4).all()
    assert (sums == sums.round()).all()
    assert np.allclose(sums.mean(0), 1, atol=0.1)
    assert np.allclose(sums.var(0), 0.75, atol=0.1)  # of a binomial of four draws at a quarter
    assert (resampled(np.eye(4)) == sums).all()
    assert resampled(np.zeros((0, 2))).shape == (1000, 2)


def test_resamples_are_those_of_one_seed():
    """So that a published interval is the same in every version and on every machine."""
    assert (resampled(np.eye(3)) == np.random.default_rng(0).multinomial(3, [1 / 3] * 3, size=1000)).all()


def test_bounds_of_a_sum_by_hand():
    """Of the sum itself, 1 + 2 + 3; of 1,001 sums the shares of 2.5 and 97.5 % lie below."""
    drawn = np.arange(1001.0)[:, None]
    found = of_sums(lambda sums: sums[..., 0], np.array([[1.0], [2.0], [3.0]]), drawn)
    assert (found.value, found.n) == (6, 3)
    assert (found.low, found.high) == pytest.approx((25, 975))
    one = of_sums(lambda sums: sums[..., 0], np.ones((1, 1)), drawn, least=-1.0, most=9.0)
    assert (one.value, one.low, one.high, one.n) == (1, -1, 9, 1)


def test_bounds_by_hand():
    """The shares that lie below are 2.5 and 97.5 %, of finite values; of one row anything is possible."""
    values = np.random.default_rng(0).permutation(np.arange(1001) / 1000)
    assert bounds(values, 2) == pytest.approx((0.025, 0.975))
    assert bounds(np.append(values, np.nan), 2) == pytest.approx((0.025, 0.975))
    assert bounds(values, 1) == (0.0, 1.0)
    assert bounds(values, 1, least=-1.0) == (-1.0, 1.0)
    assert bounds(np.array([np.nan]), 5) == (0.0, 1.0)


def test_resamples_do_not_depend_on_how_many_are_drawn_at_a_time(monkeypatch):
    from leaven.evaluation import bootstrap

    whole = resampled(np.eye(7))
    monkeypatch.setattr(bootstrap, "AT_A_TIME", 7 * 33)
    assert (resampled(np.eye(7)) == whole).all()


@pytest.mark.parametrize(("rows", "at_a_time", "drawn"), [(7, 7 * 33, 33), (7, 1, 1), (1, 10, 10)])
def test_no_more_is_drawn_at_a_time_than_memory_is_meant_for(monkeypatch, rows, at_a_time, drawn):
    from leaven.evaluation import bootstrap

    sizes, rng = [], np.random.default_rng(0)

    class Drawing:
        def multinomial(self, n, shares, size):
            sizes.append(size)
            return rng.multinomial(n, shares, size=size)

    monkeypatch.setattr(bootstrap, "AT_A_TIME", at_a_time)
    monkeypatch.setattr(np.random, "default_rng", lambda seed: Drawing())
    resampled(np.eye(rows))
    assert set(sizes[:-1]) == {drawn}
    assert sum(sizes) == 1000


def test_void_is_no_class_of_255():
    """Of 255 classes the number after the last is that of void."""
    classes = tuple(map(str, range(255)))
    found = evaluate_dense(Stub(255), dense_pool([[[254, 3]]], [[[254, 255]]], classes=classes))
    assert found.counts.sum() == found.counts[0, 254, 254] == 1


def test_a_difference_of_one_image_may_be_anything():
    one = DenseEvaluation(np.eye(2, dtype=np.int64)[None], np.ones(1, bool), np.array(["a"]), ("x", "y"))
    assert (difference(one, one).low, difference(one, one).high) == (-1.0, 1.0)


def test_a_difference_is_of_the_same_images():
    rng = np.random.default_rng(2)
    one, other = random_evaluation(rng, 80), random_evaluation(rng, 80, better=0.15)
    gain = difference(other, one)
    assert gain.value == pytest.approx(other.miou().value - one.miou().value)
    assert gain.low < gain.value < gain.high
    assert gain.low > 0
    same = difference(one, one)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    part = DenseEvaluation(one.counts[10:], one.has_label[10:], one.ids[10:], one.classes)
    assert difference(one, part).n == 70
    assert difference(one, part).value == pytest.approx(0)
    hidden = DenseEvaluation(one.counts, np.zeros(80, bool), one.ids, one.classes)
    assert difference(one, hidden) is None
    assert difference(one, DenseEvaluation(one.counts, one.has_label, one.ids, ("x", "y", "z"))) is None


def test_saved_and_read_again(tmp_path):
    found = evaluate_dense(Stub(3), dense_pool(GUESS, TRUTH, labels=[0, -1]))
    for _ in range(2):  # the folder may be there already
        found.save(tmp_path / "deeper" / "deep" / "test.npz")
    again = DenseEvaluation.load(tmp_path / "deeper" / "deep" / "test.npz")
    assert again.classes == found.classes
    for name in ("counts", "has_label", "ids", "picture_rows", "pictures", "predicted", "truth"):
        one, other = getattr(again, name), getattr(found, name)
        assert one.dtype == other.dtype
        assert (one == other).all()
    assert again.miou() == found.miou()
    with np.load(
        tmp_path / "deeper" / "deep" / "test.npz", allow_pickle=False
    ) as file:  # nothing in it needs unpickling
        assert all(file[name].dtype != object for name in file.files)


def test_an_empty_pool():
    found = evaluate_dense(Stub(3), dense_pool(np.zeros((0, 2, 2), int), np.zeros((0, 2, 2), int)))
    assert found.counts.shape == (0, 3, 3)
    assert np.isnan(found.score().value)


def test_what_does_not_fit():
    with pytest.raises(LeavenError, match="no masks"):
        evaluate_dense(Stub(3), Pool(np.zeros((1, 2, 2, 3), np.uint8), classes=("a",)))
    with pytest.raises(LeavenError, match="scores 4 classes and the pool has 3"):
        evaluate_dense(Stub(4), dense_pool(GUESS, TRUTH))

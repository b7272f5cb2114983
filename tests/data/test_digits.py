"""The embedded data."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from leaven.data import adaptation, digits, rendered_digits
from leaven.data.embedded.digits import GLYPHS, glyph_maps
from leaven.errors import LeavenError


def test_real_digits():
    pool = digits()
    assert pool.items.shape == (1797, 8, 8, 1)
    assert pool.items.max() == 255
    assert pool.items[0, 0, :, 0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]  # 0 0 5 13 9 1 0 0 sixteenths
    assert pool.labels[:5].tolist() == [0, 1, 2, 3, 4]
    assert pool.classes == tuple("0123456789")


def test_glyphs_are_ten_different_digits_in_every_font():
    maps = glyph_maps()
    assert len(maps) >= 15
    for font in maps:
        ink = (font > 0).reshape(10, -1)
        assert (ink.mean(axis=1) > 0.02).all()
        assert len(np.unique(ink, axis=0)) == 10


def test_the_kept_glyphs_are_those_of_the_fonts(monkeypatch):
    """Silhouettes that matplotlib's fonts give, to the bit: what is kept was not touched."""
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    from benchmarks.glyphs import silhouettes

    kept = np.unpackbits(np.load(GLYPHS)["glyphs"], axis=-1)
    np.testing.assert_array_equal(kept, silhouettes())


def test_rendered_digits_are_determined_and_vary():
    pool = rendered_digits(300, seed=1)
    assert pool.items.shape == (300, 8, 8, 1)
    assert np.bincount(pool.labels).tolist() == [30] * 10
    assert (rendered_digits(300, seed=1).items == pool.items).all()
    assert (rendered_digits(40, seed=1).items == pool.items[:40]).all()
    assert (rendered_digits(300, seed=2).items != pool.items).any()
    assert len(np.unique(pool.items.reshape(300, -1), axis=0)) == 300
    corners = pool.items[:, [0, 0, -1, -1], [0, -1, 0, -1], 0].mean()
    assert corners < 50 < pool.items[:, 2:6, 2:6].mean()  # light on dark


def test_longer_pools_begin_with_shorter_ones_across_parts():
    assert (rendered_digits(1100, seed=5).items[:1030] == rendered_digits(1030, seed=5).items).all()


def test_rendered_digits_show_their_labels():
    train, test = rendered_digits(2000, seed=0), rendered_digits(300, seed=9)
    near = KNeighborsClassifier(1).fit(train.items.reshape(2000, -1), train.labels)
    assert near.score(test.items.reshape(300, -1), test.labels) > 0.8


@pytest.mark.parametrize("size", [5, 16, 28])
def test_other_sizes(size):
    assert rendered_digits(3, size=size).items.shape == (3, size, size, 1)


def test_rendered_to_real_is_an_adaptation_pool():
    pool = adaptation(rendered_digits(50), digits())
    assert pool.classes == tuple("0123456789")
    assert len(pool.rows("source")) == 50
    assert len(pool.rows("unlabelled")) == 1797


def test_impossible_orders():
    for options in ({"n": 0}, {"n": 3, "size": 2}):
        with pytest.raises(LeavenError, match="rendered_digits"):
            rendered_digits(**options)

"""The embedded streets: exact masks, two looks of one kind of scene."""

import importlib
import time

import numpy as np
import pytest

from leaven.data import streets
from leaven.data.embedded.scene import BUILDING, CAR, CLASSES, PAINTS, PERSON, POLE, ROAD, SKY, TREE, Draws, Scene
from leaven.data.embedded.streets import LOOKS
from leaven.errors import LeavenError

OWN = {  # paints that only one class has
    "sky": SKY,
    "road": ROAD,
    "mark": ROAD,
    "shop": BUILDING,
    "wall": BUILDING,
    "trunk": TREE,
    "leaf": TREE,
    "body": CAR,
    "tyre": CAR,
    "lamp": CAR,
    "shirt": PERSON,
    "trouser": PERSON,
    "skin": PERSON,
    "pole": POLE,
    "sign": POLE,
}


@pytest.fixture(scope="module")
def both():
    return {look: streets(120, seed=3, style=look) for look in LOOKS}


@pytest.mark.parametrize("look", LOOKS)
def test_a_dense_pool(both, look):
    pool = both[look]
    assert pool.dense
    assert pool.items.shape == (120, 60, 80, 3)
    assert pool.masks.shape == (120, 60, 80)
    assert pool.classes == CLASSES
    assert len(CLASSES) == 8
    assert (pool.labels == 0).all()
    assert pool.masks.max() == 7  # every pixel has a class
    assert len(np.unique(pool.items.reshape(120, -1), axis=0)) == 120


@pytest.mark.parametrize("look", LOOKS)
def test_a_function_of_seed_number_look_and_size(both, look):
    pool = both[look]
    assert (streets(120, 3, look).items == pool.items).all()
    some = streets(110, 3, look)  # another division into parts
    assert (some.items == pool.items[:110]).all()
    assert (some.masks == pool.masks[:110]).all()
    one = streets(1, 3, look)
    assert (one.items == pool.items[:1]).all()
    assert (streets(3, 4, look).masks != pool.masks[:3]).any()


def test_the_parts_that_are_drawn_at_a_time_do_not_show(monkeypatch):
    module = importlib.import_module("leaven.data.embedded.streets")  # the package has a function of that name
    whole = streets(7, 1, "camera")
    monkeypatch.setattr(module, "PART", 2 * 60 * 80)
    parts = streets(7, 1, "camera")
    assert (parts.items == whole.items).all()
    assert (parts.masks == whole.masks).all()


def test_the_two_looks_show_different_scenes_of_one_kind(both):
    clean, camera = both["clean"].masks, both["camera"].masks
    assert (clean[0] != camera[0]).any()
    shares = [np.bincount(masks.ravel(), minlength=8) / masks.size for masks in (clean, camera)]
    assert (np.minimum(*shares) > 0.004).all()
    assert (np.maximum(*shares) / np.minimum(*shares) < 1.5).all()
    for k in range(8):
        places = [np.argwhere(masks == k)[:, 1:].mean(0) for masks in (clean, camera)]
        assert np.abs(places[0] - places[1]).max() < 4, CLASSES[k]
        present = [(masks == k).any((1, 2)).mean() for masks in (clean, camera)]
        assert min(present) > 0.85, CLASSES[k]


def test_streets_are_streets(both):
    masks = both["clean"].masks
    assert (masks[:, -1] != SKY).all()
    row = lambda k: np.argwhere(masks == k)[:, 1].mean()  # noqa: E731
    assert row(SKY) < row(TREE) < row(CAR) < row(ROAD)
    below = masks[:, 40:]
    assert (below == ROAD).mean() > 0.5


def test_every_paint_belongs_to_its_class():
    """The mask is what the paints say: nothing is painted over whose class is not."""
    scene = Scene(Draws(np.random.default_rng(0).random((40, 640), dtype=np.float32)), 60, 80)
    names = np.array([name.rstrip("0123") for name in PAINTS])[scene.paint]
    seen = set(np.unique(names))
    assert set(OWN) <= seen
    for name, shown in OWN.items():
        assert (scene.shown[names == name] == shown).all(), name
    assert np.isin(scene.shown[names == "glass"], (BUILDING, CAR)).all()
    assert np.isfinite(scene.depth[scene.shown != SKY]).all()


def test_pixels_show_their_class():
    """Told from the picture alone: what is plainly green is a tree, what is pale blue and above the rest the sky."""
    pool = streets(60, 5)
    red, green, blue = (pool.items[..., c].astype(int) for c in range(3))
    leaves = (green > red + 40) & (green > blue + 30)
    assert leaves.mean() > 0.04
    assert (pool.masks[leaves] == TREE).all()
    assert leaves[pool.masks == TREE].mean() > 0.7
    first = np.cumprod((blue > 190) & (blue > red + 15) & (green > red), axis=1).astype(bool)  # from the top on
    assert (pool.masks[first] == SKY).mean() > 0.999
    assert first.mean() > 0.1


def test_perspective():
    """Of the cars the nearer stand lower and are larger: in the clean look, one blob of each in many scenes."""
    from scipy.ndimage import find_objects, label

    blobs = []
    for mask in streets(150, 2, size=(96, 128)).masks:
        numbered, _ = label(mask == CAR)
        blobs += [(part[0].stop, part[1].stop - part[1].start) for part in find_objects(numbered)]
    bottom, wide = np.array([b for b in blobs if b[1] > 3]).T
    assert np.corrcoef(bottom, wide)[0, 1] > 0.7


def test_the_camera_sees_worse(both):
    clean, camera = (both[look].items.astype(float) for look in LOOKS)
    saturation = [(x.max(-1) - x.min(-1)).mean() for x in (clean, camera)]
    assert saturation[0] > 1.2 * saturation[1]
    sky = [
        np.std([x[masks == SKY].mean() for x, masks in zip(of, both[look].masks, strict=True)])
        for of, look in zip((clean, camera), LOOKS, strict=True)
    ]
    assert sky[1] > 2 * sky[0]  # light changes from picture to picture


@pytest.mark.parametrize("size", [(16, 16), (33, 50), (180, 240)])
def test_other_sizes(size):
    pool = streets(2, size=size)
    assert pool.items.shape == (2, *size, 3)
    assert pool.masks.shape == (2, *size)


def test_a_larger_picture_shows_the_same_scene():
    small, large = streets(20, 0, size=(30, 40)).masks, streets(20, 0, size=(90, 120)).masks
    assert (small == large[:, 1::3, 1::3]).mean() > 0.97  # the middles of the pixels are the same places


def test_fast_enough():
    start = time.process_time()
    streets(50, style="camera")
    assert time.process_time() - start < 3


def test_impossible_orders():
    for options in ({"n": 0}, {"n": 3, "size": (60, 8)}, {"n": 3, "style": "night"}):
        with pytest.raises(LeavenError, match="streets"):
            streets(**options)

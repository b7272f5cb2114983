from functools import cache

import numpy as np
import pytest
from PIL import Image

from leaven.data import omniglot
from leaven.data.readers import omniglot as reader
from leaven.errors import LeavenError

# Out of order, as nothing says that a folder is listed in order.
CLASSES = {"Zulu/character02": 9, "Alpha/character10": 4, "Alpha/character02": 3}
DRAWERS = 3


def strokes() -> np.ndarray:
    """Bits ``(classes, drawers, 105, 105)``, 1 = paper, of random thick strokes."""
    rng = np.random.default_rng(0)
    ink = rng.random((len(CLASSES), DRAWERS, 15, 15)) < 0.2
    return 1 - np.kron(ink, np.ones((7, 7), dtype=np.uint8))


@pytest.fixture
def packed(tmp_path):
    (tmp_path / "packed" / "omniglot").mkdir(parents=True)
    np.savez(
        tmp_path / "packed" / "omniglot" / "omniglot.npz",
        background=np.packbits(strokes(), axis=-1),
        background_names=np.array(list(CLASSES)),
        background_ids=np.array(list(CLASSES.values()), dtype=np.int16),
    )
    return tmp_path / "packed"


@pytest.fixture
def unpacked(tmp_path):
    """torchvision's layout, bilevel files as the original ones."""
    root = tmp_path / "unpacked"
    for (name, number), drawings in zip(CLASSES.items(), strokes(), strict=True):
        folder = root / "omniglot-py" / "images_background" / name
        folder.mkdir(parents=True)
        for k, bits in enumerate(drawings, 1):
            Image.fromarray(bits * np.uint8(255)).convert("1").save(folder / f"{number:04d}_{k:02d}.png")
    return root


def same(one, other):
    np.testing.assert_array_equal(one.items, other.items)
    np.testing.assert_array_equal(one.labels, other.labels)
    assert one.ids.tolist() == other.ids.tolist()
    assert one.classes == other.classes


@pytest.mark.parametrize("rotations", [False, True])
def test_both_layouts_are_one_pool(packed, unpacked, rotations):
    same(omniglot(packed, rotations=rotations), omniglot(unpacked, rotations=rotations))


def test_what_the_pool_holds(packed):
    pool = omniglot(packed, size=15)
    assert pool.items.shape == (9, 15, 15, 1)
    assert pool.items.dtype == np.uint8
    assert pool.classes == ("Alpha/character02", "Alpha/character10", "Zulu/character02")
    assert pool.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert pool.ids[:2].tolist() == ["Alpha/character02/0003_01", "Alpha/character02/0003_02"]
    assert pool.ids[-1] == "Zulu/character02/0009_03"
    assert (pool.domain == -1).all()
    # ink is white, and its share stays as it is: the first class in order is the last that was written
    ink = 1 - strokes()[2].mean((1, 2))
    np.testing.assert_allclose(pool.items[:3].mean((1, 2, 3)) / 255, ink, atol=0.01)
    full = omniglot(packed, size=105)
    np.testing.assert_array_equal(full.items[0, ..., 0], 255 * (1 - strokes()[2, 0]))


def test_turned_characters_are_classes_of_their_own(packed):
    plain, turned = omniglot(packed), omniglot(packed, rotations=True)
    assert len(turned) == 4 * len(plain) == 36
    assert turned.classes[:3] == plain.classes
    assert turned.classes[4] == "Alpha/character10/rot90"
    assert turned.classes[-1] == "Zulu/character02/rot270"
    assert turned.ids[9] == "Alpha/character02/rot90/0003_01"
    assert len(set(turned.ids)) == 36
    assert turned.labels.tolist() == [k for k in range(12) for _ in range(3)]
    np.testing.assert_array_equal(turned.items[:9], plain.items)
    for turn in (1, 2, 3):  # counter-clockwise: the last column becomes the first row
        image = plain.items[4, :, :, 0]
        for _ in range(turn):
            image = image[:, ::-1].T
        np.testing.assert_array_equal(turned.items[9 * turn + 4, :, :, 0], image)


def test_neither_layout(tmp_path, unpacked):
    with pytest.raises(LeavenError, match=r"Omniglot is not in .*omniglot\.npz or the folder"):
        omniglot(tmp_path)
    with pytest.raises(LeavenError, match="images_evaluation"):
        omniglot(unpacked, "evaluation")
    (unpacked / "omniglot-py" / "images_evaluation").mkdir()
    with pytest.raises(LeavenError, match="holds no drawings"):
        omniglot(unpacked, "evaluation")


@pytest.mark.parametrize("given", [{"split": "train"}, {"size": 0}])
def test_what_cannot_be_asked_for(packed, given):
    with pytest.raises(LeavenError, match="expected background, evaluation, vinyals-train"):
        omniglot(packed, **given)


# The alphabets of Snell's data/omniglot/splits/vinyals/test.txt; of Gurmukhi it has characters 42 to 45.
TESTED = [
    "Gurmukhi",
    "Kannada",
    "Keble",
    "Malayalam",
    "Manipuri",
    "Mongolian",
    "Old_Church_Slavonic_(Cyrillic)",
    "Oriya",
    "Sylheti",
    "Syriac_(Serto)",
    "Tengwar",
    "Tibetan",
    "ULOG",
]


def test_the_split_of_the_papers(leaven_data, monkeypatch):
    """Counts and alphabets as published; every character is in one part, with its own drawings."""
    monkeypatch.setattr(reader, "_read", cache(reader._read))  # a third of the time: each split looks at all drawings
    if not (leaven_data / "omniglot" / "omniglot.npz").is_file():
        pytest.skip("no Omniglot")
    kinds = ("vinyals-train", "vinyals-validation", "vinyals-test")
    train, validation, test = (omniglot(leaven_data, kind, size=7, rotations=True) for kind in kinds)
    assert [part.num_classes for part in (train, validation, test)] == [4112, 688, 1692]
    parts = [set(part.classes) for part in (train, validation, test)]
    assert len(set.union(*parts)) == 4112 + 688 + 1692
    assert sorted({name.split("/")[0] for name in parts[2]}) == sorted(TESTED)
    plain = {name for name in parts[2] if "rot" not in name}
    assert len(plain) == 423
    assert sorted(name for name in plain if "Gurmukhi" in name) == [f"Gurmukhi/character{k}" for k in range(42, 46)]
    assert "Gurmukhi/character41" in parts[0]
    for part in (train, validation, test):
        assert (np.bincount(part.labels) == 20).all()
        named = [name.rpartition("/")[0] for name in part.ids]
        assert named == [part.classes[k] for k in part.labels]
    lake = omniglot(leaven_data, "evaluation", size=7)
    shared = np.flatnonzero(np.isin(lake.ids, test.ids))
    assert len(shared) == 423 * 20
    where = {name: row for row, name in enumerate(test.ids)}
    np.testing.assert_array_equal(lake.items[shared], test.items[[where[name] for name in lake.ids[shared]]])


def test_the_papers_split_needs_all_characters(packed):
    with np.load(packed / "omniglot" / "omniglot.npz") as z:
        arrays = dict(z)
    arrays |= {name.replace("background", "evaluation"): x for name, x in arrays.items()}
    np.savez(packed / "omniglot" / "omniglot.npz", **arrays)
    with pytest.raises(LeavenError, match="has 6 characters, expected 1,623 for the split vinyals-test"):
        omniglot(packed, "vinyals-test")


def test_the_real_ones(leaven_data, tmp_path):
    """Its published size, and a few drawings written out as torchvision has them."""
    if not (leaven_data / "omniglot" / "omniglot.npz").is_file():
        pytest.skip("no Omniglot")
    pool = omniglot(leaven_data, "evaluation")
    assert (len(pool), pool.num_classes, len({name.split("/")[0] for name in pool.classes})) == (13180, 659, 20)
    assert (np.bincount(pool.labels) == 20).all()
    with np.load(leaven_data / "omniglot" / "omniglot.npz") as z:
        for k in (0, 300, 658):
            folder = tmp_path / "omniglot-py" / "images_evaluation" / str(z["evaluation_names"][k])
            folder.mkdir(parents=True)
            for drawer, bits in enumerate(np.unpackbits(z["evaluation"][k], axis=-1)[..., :105], 1):
                file = folder / f"{z['evaluation_ids'][k]:04d}_{drawer:02d}.png"
                Image.fromarray(bits * np.uint8(255)).convert("1").save(file)
    few = omniglot(tmp_path, "evaluation")
    same_rows = [list(pool.ids).index(i) for i in few.ids]
    np.testing.assert_array_equal(few.items, pool.items[same_rows])
    assert [pool.classes[k] for k in pool.labels[same_rows]] == [few.classes[k] for k in few.labels]

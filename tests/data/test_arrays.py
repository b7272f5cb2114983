"""Readers of arrays and .npz, and `read`."""

import numpy as np
import pytest
import torch

from leaven.data import Pool, digits, read, read_arrays, read_npz
from leaven.errors import LeavenError


def test_shapes_of_images():
    r = np.random.default_rng(0)
    grey = r.integers(0, 256, (3, 5, 7), dtype=np.uint8)
    assert (read_arrays(grey).items == grey[..., None]).all()
    colour = r.integers(0, 256, (3, 5, 7, 3), dtype=np.uint8)
    assert read_arrays(colour).items.shape == (3, 5, 7, 3)
    assert (read_arrays(colour.transpose(0, 3, 1, 2)).items == colour).all()
    assert (read_arrays(torch.from_numpy(colour).permute(0, 3, 1, 2)).items == colour).all()
    assert (read_arrays(grey[:, None]).items == grey[..., None]).all()


def test_values_of_images():
    floats = np.array([0, 0.5, 1, 0.1], np.float64).reshape(1, 2, 2)
    assert read_arrays(floats).items.reshape(-1).tolist() == [0, 128, 255, 26]
    assert read_arrays(torch.ones(1, 1, 2, 2, dtype=torch.bfloat16)).items.max() == 255
    assert read_arrays(np.full((1, 2, 2), 200, np.int64)).items.max() == 200
    assert read_arrays(np.ones((1, 2, 2), bool)).items.max() == 255
    for bad in (floats * 2, floats - 1, np.where(floats == 0, np.nan, floats), np.full((1, 2, 2), 256)):
        with pytest.raises(LeavenError, match=r"with values from .* expected 0 to (1|255)"):
            read_arrays(bad)


def test_memory_mapped_images_are_not_copied(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((4, 3, 3, 1), np.uint8))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    pool = read_arrays(mapped, [0, 1, 0, 1])
    assert isinstance(pool.items, np.memmap)
    assert np.shares_memory(pool.items, mapped)
    assert isinstance(pool.subset([1, 2]).items, np.memmap)


def test_features():
    pool = read_arrays(np.arange(6).reshape(3, 2), ["b", "", "a"], ids=["x", "y", "z"])
    assert pool.items.dtype == np.float32
    assert pool.classes == ("a", "b")
    assert pool.labels.tolist() == [1, -1, 0]
    assert pool.ids.tolist() == ["x", "y", "z"]
    for bad in (np.nan, np.inf, 1e300):
        with pytest.raises(LeavenError, match=r"NaN or infinite features in 1 of its 3 rows \(the first is row 1\)"):
            read_arrays(np.array([[0, 0], [bad, 0], [0, 1.0]]))


@pytest.mark.parametrize(
    ("y", "given", "labels", "classes"),
    [
        ([5, -1, 2], None, [1, -1, 0], ("2", "5")),
        (np.array([1, 0, -1], np.int8), ("n", "y"), [1, 0, -1], ("n", "y")),
        (torch.tensor([0, 2, 1]), None, [0, 2, 1], ("0", "1", "2")),
        ([1.0, np.nan, 0.0], None, [1, -1, 0], ("0", "1")),
        (["b", None, "a"], ("b", "a"), [0, -1, 1], ("b", "a")),
        (np.array(["10", "9", "9"]), None, [1, 0, 0], ("9", "10")),
        ([True, False, True], None, [1, 0, 1], ("False", "True")),
        ([[0], [1], [0]], None, [0, 1, 0], ("0", "1")),
        ([-1, -1, -1], None, [-1, -1, -1], ()),
    ],
)
def test_labels(y, given, labels, classes):
    pool = read_arrays(np.zeros((3, 2)), y, given)
    assert pool.labels.tolist() == labels
    assert pool.classes == classes


@pytest.mark.parametrize(
    ("y", "given", "message"),
    [
        ([0, 1], None, r"X has 3 items and y the shape \(2,\)"),
        ([0, 1, 2], ("a", "b"), "label 2 and there are 2 classes"),
        ([0, -2, 1], None, "label -2"),
        ([0, 0.5, 1], None, "number 0.5"),
        (["a", "z", "a"], ("a", "b"), "y has the class z, expected only a, b"),
    ],
)
def test_bad_labels(y, given, message):
    with pytest.raises(LeavenError, match=message):
        read_arrays(np.zeros((3, 2)), y, given)


def test_bad_arrays():
    with pytest.raises(LeavenError, match=r"shape \(4,\)"):
        read_arrays(np.zeros(4))
    with pytest.raises(LeavenError, match=r"\(1, 5, 5, 5\)"):
        read_arrays(np.zeros((1, 5, 5, 5), np.uint8))
    with pytest.raises(LeavenError, match="X holds <U1 values"):
        read_arrays(np.array([["a"]]))
    with pytest.raises(LeavenError, match="X holds object values"):
        read_arrays([[1, 2], [3]])
    with pytest.raises(LeavenError, match="id p stands twice"):
        read_arrays(np.zeros((2, 2)), ids=["p", "p"])
    with pytest.raises(LeavenError, match="ids of shape"):
        read_arrays(np.zeros((2, 2)), ids=["p"])


@pytest.mark.parametrize("keys", [("x", "y"), ("images", "labels"), ("data", "y"), ("arr_0", "arr_1")])
def test_npz(tmp_path, keys):
    path = tmp_path / "set.npz"
    np.savez(path, **{keys[0]: np.zeros((2, 4, 4), np.uint8), keys[1]: [1, 0]})
    pool = read(path)
    assert pool.items.shape == (2, 4, 4, 1)
    assert pool.labels.tolist() == [1, 0]


def test_npz_with_names(tmp_path):
    path = tmp_path / "set.npz"
    np.savez_compressed(path, x=np.zeros((2, 3)), y=[1, -1], classes=["n", "y", "z"], ids=["p", "q"])
    pool = read_npz(path)
    assert pool.classes == ("n", "y", "z")
    assert pool.ids.tolist() == ["p", "q"]


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("code of a pickle ran",))


def test_bad_npz(tmp_path):
    path = tmp_path / "set.npz"
    with pytest.raises(LeavenError, match="does not exist"):
        read_npz(path)
    np.savez(path, pictures=np.zeros(3), y=[1])
    with pytest.raises(LeavenError, match=r"set.npz has the keys pictures, y, expected the items under one of x,"):
        read_npz(path)
    np.savez(path, x=np.array(["a", "b"]))
    with pytest.raises(LeavenError, match=r"set.npz: X holds <U1 values"):
        read_npz(path)
    np.savez(path, x=np.zeros((3, 2)), y=[0, 1])
    with pytest.raises(LeavenError, match=r"set.npz: X has 3 items and y the shape \(2,\)"):
        read_npz(path)
    np.savez(path, x=np.array([Bomb()], dtype=object))
    with pytest.raises(LeavenError, match="Python objects"):
        read_npz(path)
    path.write_bytes(b"not a zip")
    with pytest.raises(LeavenError, match=r"set.npz holds"):
        read_npz(path)


def test_read_finds_the_reader(tmp_path):
    pool = digits()
    assert read(pool) is pool
    assert read((np.zeros((2, 3)), [0, 1])).num_classes == 2
    assert read(torch.zeros(2, 3)).kind == "features"
    assert read([[0.0, 1.0], [1.0, 0.0]]).items.shape == (2, 2)
    with pytest.raises(LeavenError, match="cannot read a int"):
        read(3)
    with pytest.raises(LeavenError, match="does not exist"):
        read(str(tmp_path / "nothing"))
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(LeavenError, match="cannot read the file"):
        read(tmp_path / "a.txt")
    assert isinstance(read(np.zeros((2, 3))), Pool)

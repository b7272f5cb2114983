"""One name in two forms of Unicode is one name, wherever names are compared; files keep theirs."""

from unicodedata import normalize

import numpy as np
import pytest
from PIL import Image

from leaven.data import LeavenWarning, Pool, adaptation, match_classes, read_arrays, read_folder, read_npz
from leaven.data.names import array_to_nfc, to_nfc
from leaven.errors import LeavenError
from leaven.label.session.items import ItemIndex
from leaven.labels.formats.names import item_lookup

ONE, TWO = "\u00e9l\u00e9phant", normalize("NFD", "\u00e9l\u00e9phant")  # composed, decomposed


def test_composed():
    assert ONE != TWO
    assert to_nfc(TWO) == ONE
    names = np.array([TWO, "cat"])
    assert array_to_nfc(names).tolist() == [ONE, "cat"]
    plain = np.array(["a", "b"])
    assert array_to_nfc(plain) is plain
    assert array_to_nfc(np.array([], str)).shape == (0,)
    odd = np.array(["\udce9.png"])  # a file name that is no UTF-8
    assert array_to_nfc(odd).tolist() == odd.tolist()


def test_classes_and_ids_of_pools(tmp_path):
    pool = read_arrays(np.zeros((2, 3)), [ONE, TWO], ids=[TWO, "x"])
    assert pool.classes == (ONE,)
    assert pool.ids.tolist() == [ONE, "x"]
    assert Pool(np.zeros((1, 2), np.float32), classes=(TWO,)).classes == (ONE,)
    assert match_classes(pool, ["cat", TWO]).labels.tolist() == [1, 1]
    assert read_arrays(np.zeros((1, 3)), [TWO], [ONE]).labels.tolist() == [0]
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 3)), y=np.array([ONE, TWO]), ids=np.array([TWO, "b"]))
    assert read_npz(tmp_path / "x.npz").classes == (ONE,)
    joined = adaptation(read_arrays(np.zeros((1, 3)), [ONE]), read_arrays(np.zeros((1, 3)), [TWO]))
    assert joined.labels.tolist() == [0, 0]
    with pytest.raises(LeavenError, match="stands twice"):
        read_arrays(np.zeros((2, 3)), ids=[ONE, TWO])


def test_folders_and_tables(make_images):
    root = make_images({f"{TWO}/{TWO}.png": 1, f"{ONE}/b.png": 2, "cat/c.png": 3})
    pool = read_folder(root)
    assert pool.classes == ("cat", ONE)
    assert pool.ids.tolist() == ["cat/c.png", f"{ONE}/{ONE}.png", f"{ONE}/b.png"]
    assert pool.items[:, 0, 0, 0].tolist() == [3, 1, 2]
    table = root.parent / "labels.csv"
    table.write_text(f"file,label\n{ONE}/{ONE}.png,{TWO}\n{TWO}/b.png,{ONE}\n", "utf-8")
    assert read_folder(root, table).labels.tolist() == [-1, 0, 0]
    assert read_folder(root, {f"{TWO}/b.png": ONE}).labels.tolist() == [-1, -1, 0]


def test_two_files_of_one_name_are_refused(make_images):
    with pytest.raises(LeavenError, match="two files"):
        read_folder(make_images({f"{ONE}.png": 1, f"{TWO}.png": 2}))


def test_the_page_opens_files_by_their_own_names(make_images):
    items = ItemIndex(make_images({f"{TWO}.png": 77}))
    assert items.names == [f"{ONE}.png"]
    assert items.path(0).name == f"{TWO}.png"
    with items.open(items.ids[0]) as image:
        assert image.getpixel((0, 0)) == 77
    assert items.original(items.ids[0])[1] == "image/png"


def test_imports_find_their_file(make_images):
    root = make_images({f"deep/{TWO}.png": 1})
    assert item_lookup(root, "labels")(f"https://x.org/{ONE}.png") == f"deep/{ONE}.png"


@pytest.mark.parametrize("names", [("Cat", "cat"), ("\u00e9l\u00e9phant", "\u00c9l\u00e9phant"), ("a b", "ab")])
def test_names_that_are_nearly_alike_are_warned_of(make_images, names):
    with pytest.warns(LeavenWarning, match="differ in capitals or spaces"):
        assert len(read_folder(make_images({f"{name}/1.png": 1 for name in names})).classes) == 2


def test_spaces_around_a_class_do_not_count(make_images):
    root = make_images({"cat /1.png": 1, "cat/2.png": 2, "dog/1.png": 3})
    assert read_folder(root).classes == ("cat", "dog")
    assert Image.open(root / "cat /1.png").size == (6, 6)

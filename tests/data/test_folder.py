"""The folder reader: layouts, label tables, ids, and what is wrong with them."""

import os

import numpy as np
import pytest
from PIL import Image

from leaven.data import read, read_folder
from leaven.errors import LeavenError

FLAT = {"a.png": 10, "b.png": 20, "c.png": 30, "d.png": 40}


def table(folder, text):
    path = folder.parent / "labels.csv"
    path.write_text(text, "utf-8")
    return path


def by_name(pool):
    return {i: pool.classes[k] if k >= 0 else None for i, k in zip(pool.ids, pool.labels, strict=True)}


def test_class_per_folder(make_images):
    root = make_images(
        {"cat/1.png": 10, "cat/deep/2.png": 20, "ant/1.png": 30, "unlabelled/x.png": 40, "loose.png": 50}
    )
    (root / "notes.txt").write_text("not an image")
    (root / ".hidden.png").write_bytes(b"not looked at")
    pool = read_folder(root)
    assert pool.classes == ("ant", "cat")
    assert by_name(pool) == {
        "ant/1.png": "ant",
        "cat/1.png": "cat",
        "cat/deep/2.png": "cat",
        "loose.png": None,
        "unlabelled/x.png": None,
    }
    assert pool.items.shape == (5, 6, 6, 1)
    assert pool.items[:, 0, 0, 0].tolist() == [30, 10, 20, 50, 40]
    assert isinstance(pool.items, np.memmap)
    assert not pool.items.flags.writeable
    assert (pool.domain == -1).all()


def test_classes_stand_in_natural_order(make_images):
    pool = read_folder(make_images({f"{k}/a.png": k for k in (10, 2, 1)}))
    assert pool.classes == ("1", "2", "10")
    assert pool.labels[pool.ids == "10/a.png"] == 2


@pytest.mark.parametrize(
    "text",
    [
        "file,label\na.png,cat\nb.png,dog\nc.png,\n",
        "a.png,cat\nb.png,dog\n./c.png,\n",
        "\ufeffLabel;note;Filename\r\ncat;x;a.png\r\ndog;y;b.png\r\n",
        "path\tclass\na.png\tcat\n\nb.png\tdog\n",
        'image,class\n"a.png"," cat"\nb.png,dog\nc.png\n',
    ],
)
def test_label_tables(make_images, text):
    root = make_images(FLAT)
    pool = read_folder(root, table(root, text))
    assert pool.classes == ("cat", "dog")
    assert by_name(pool) == {"a.png": "cat", "b.png": "dog", "c.png": None, "d.png": None}


def test_with_a_table_subfolders_are_only_paths(make_images):
    root = make_images({"x/a.png": 1, "y/a.png": 2})
    pool = read_folder(root, table(root, f"x/a.png,dog\n{root / 'y/a.png'},cat\n"))
    assert by_name(pool) == {"x/a.png": "dog", "y/a.png": "cat"}


def test_table_beside_its_images(make_images):
    root = make_images(FLAT)
    (root / "labels.csv").write_text("a.png,cat\n")
    assert by_name(read(root / "labels.csv"))["a.png"] == "cat"


def test_no_labels_at_all(make_images):
    assert read_folder(make_images(FLAT)).classes == ()
    pool = read_folder(make_images({"x/a.png": 1}, "nested"), labels=False)
    assert pool.classes == ()
    assert pool.labels.tolist() == [-1]


def test_ids_do_not_depend_on_the_order_of_the_directory(make_images, monkeypatch):
    root = make_images({"b/2.png": 1, "b/10.png": 2, "a/1.png": 3})
    ids = read_folder(root).ids.tolist()
    assert ids == ["a/1.png", "b/10.png", "b/2.png"]
    real = os.scandir

    class Backwards:
        def __init__(self, path):
            with real(path) as entries:
                self.entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *error):
            return None

    monkeypatch.setattr(os, "scandir", Backwards)
    again = read_folder(root)
    assert again.ids.tolist() == ids
    assert again.items[:, 0, 0, 0].tolist() == [3, 2, 1]


def test_classes_of_training_are_kept(make_images):
    pool = read_folder(make_images({"dog/a.png": 1}), classes=("cat", "dog"))
    assert pool.classes == ("cat", "dog")
    assert pool.labels.tolist() == [1]


def test_mixed_sizes_and_modes(make_images):
    root = make_images({"a.png": 100}, side=30)
    Image.new("RGBA", (50, 20), (0, 0, 0, 0)).save(root / "b.png")
    pool = read_folder(root)
    assert pool.items.shape == (2, 128, 128, 3)
    assert (pool.items[0] == 100).all()
    assert (pool.items[1] == 255).all()
    assert read_folder(root, size=16, channels=1).items.shape == (2, 16, 16, 1)
    assert read_folder(root, size=(8, 16)).items.shape == (2, 8, 16, 3)


def test_links_in_a_circle_end(make_images):
    root = make_images({"a/1.png": 1})
    (root / "a" / "up").symlink_to(root)
    assert len(read_folder(root)) == 1


BAD_TABLES = {
    "unknown files": (
        "a.png,x\nq1.png,x\nq2.png,x\nq3.png,x\nq4.png,y\n",
        r"4 files .*q1.png, q2.png, q3.png and 1 more",
    ),
    "one unknown file": ("file,label\na.png,x\nq.png,y\n", r"names a file that is not in .*\(q.png\)"),
    "an unknown first file": ("q.png,x\na.png,y\n", r"\(q.png\)"),
    "two labels": ("a.png,x\nb.png,y\na.png,z\n", r"a.png twice, as x on line 1 and as z on line 3"),
    "other columns": ("name,species\na.png,x\n", r"has the columns name, species, expected a header"),
    "no label column": ("file,species\na.png,x\n", r"has the columns file, species, expected a header"),
    "three columns": ("a.png,x,1\nb.png,y,2\n", r"has 3 columns and no header"),
    "one column": ("a.png\nb.png\n", r"has 1 columns? and no header"),
    "no file": ("file,label\n,x\n", r"no file name on line 2"),
    "empty": ("\n", "is empty"),
    "open quote": ('a.png,"x\nb.png,y\n', "no readable CSV"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_bad_tables(make_images, cache, name):
    text, message = BAD_TABLES[name]
    root = make_images(FLAT)
    with pytest.raises(LeavenError, match=message) as error:
        read_folder(root, table(root, text))
    assert "labels.csv" in str(error.value)
    assert not list(cache.iterdir())  # nothing was decoded


def test_bytes_are_no_table(make_images):
    root = make_images(FLAT)
    with pytest.raises(LeavenError, match="no readable CSV"):
        read_folder(root, root / "a.png")


def test_missing_things(make_images, tmp_path):
    with pytest.raises(LeavenError, match=r"folder .*nowhere does not exist"):
        read_folder(tmp_path / "nowhere")
    root = make_images(FLAT)
    with pytest.raises(LeavenError, match="is a file"):
        read_folder(root / "a.png")
    with pytest.raises(LeavenError, match=r"label table .*none.csv does not exist"):
        read_folder(root, tmp_path / "none.csv")
    (tmp_path / "empty" / "sub").mkdir(parents=True)
    with pytest.raises(LeavenError, match=r"empty has no images"):
        read_folder(tmp_path / "empty")
    (tmp_path / "empty" / "notes.txt").write_text("x")
    with pytest.raises(LeavenError, match=r"empty has no images"):
        read_folder(tmp_path / "empty")


def test_a_class_that_stands_nowhere_else(make_images):
    root = make_images({"cat/a.png": 1, "yak/a.png": 2})
    with pytest.raises(LeavenError, match=r"images has the class yak, expected only cat, dog"):
        read_folder(root, classes=("cat", "dog"))


def test_impossible_options(make_images):
    root = make_images(FLAT)
    with pytest.raises(LeavenError, match="channels is 4"):
        read_folder(root, channels=4)
    with pytest.raises(LeavenError, match="size is 0"):
        read_folder(root, size=0)

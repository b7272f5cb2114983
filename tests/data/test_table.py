"""Label tables as other programs write them, and names that are clear enough."""

import shutil

import pytest

from leaven.data import LeavenWarning, read_folder
from leaven.errors import LeavenError

FILES = {"a.png": 10, "b.png": 20, "sub/c.png": 30, "sub/d.png": 40, "other/d.png": 50}


@pytest.fixture
def root(make_images):
    return make_images(FILES, "photos")


def named(root, text, path=None, encoding="utf-8"):
    path = path or root.parent / "labels.csv"
    path.write_bytes(text.encode(encoding))
    pool = read_folder(root, path)
    return {name: pool.classes[k] for name, k in zip(pool.ids.tolist(), pool.labels.tolist(), strict=True) if k >= 0}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings(root, encoding):
    found = named(root, "file;label\r\na.png;éléphant\r\nb.png;chat\r\n", encoding=encoding)
    assert found == {"a.png": "éléphant", "b.png": "chat"}


def test_latin_1_is_read_and_said(root):
    with pytest.warns(LeavenWarning, match=r"labels.csv is not UTF-8"):
        found = named(root, "file,label\na.png,éléphant\nb.png,chat\n", encoding="latin-1")
    assert found == {"a.png": "éléphant", "b.png": "chat"}


@pytest.mark.parametrize(("name", "content"), [("labels.xlsx", b"PK\x03\x04abc"), ("labels.csv", b"PK\x03\x04abc")])
def test_spreadsheets_say_what_to_do(root, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LeavenError, match=r"is a spreadsheet.*save the sheet as CSV"):
        read_folder(root, tmp_path / name)


@pytest.mark.parametrize(
    "name",
    [
        "photos/sub/c.png",  # names the folder itself
        "/home/somebody/photos/sub/c.png",  # of another machine
        "c.png",  # there is but one
        "./sub//c.png",
        "sub\\c.png",
    ],
)
def test_names_that_are_clear(root, name):
    assert named(root, f"file,label\n{name},cat\na.png,dog\n") == {"a.png": "dog", "sub/c.png": "cat"}


def test_paths_relative_to_the_table(root):
    lists = root.parent / "lists"
    lists.mkdir()
    assert named(root, "file,label\n../photos/sub/c.png,cat\n", lists / "l.csv") == {"sub/c.png": "cat"}
    assert named(root, "file,label\nc.png,cat\nd.png,dog\n", root / "sub" / "l.csv") == {
        "sub/c.png": "cat",
        "sub/d.png": "dog",
    }


def test_a_path_relative_to_the_folder_goes_first(root):
    shutil.copytree(root / "sub", root / "photos" / "sub")
    assert named(root, "file,label\nphotos/sub/c.png,cat\n") == {"photos/sub/c.png": "cat"}


def test_names_that_are_not_clear(root):
    with pytest.raises(LeavenError, match=r"names d.png, of which .*photos has 2 \(other/d.png, sub/d.png\)"):
        named(root, "file,label\nd.png,cat\n")
    with pytest.raises(LeavenError, match=r"a file that is not in .*photos \(wrong/c.png\)"):
        named(root, "file,label\nwrong/c.png,cat\n")  # another folder's c.png may be another picture


def test_the_same_line_twice(root):
    text = "file,label\na.png,cat\nb.png,dog\nphotos/a.png,cat\na.png,\n"
    assert named(root, text) == {"a.png": "cat", "b.png": "dog"}
    with pytest.raises(LeavenError, match=r"a.png twice, as cat on line 2 and as dog on line 6"):
        named(root, f"{text}a.png,dog\n")

"""Items: named at once, opened lazily, in the order of the pool."""

import hashlib
import io

import numpy as np
import pytest
from helpers_label import blank
from PIL import Image

from leaven.data import read_folder
from leaven.errors import LeavenError
from leaven.label.session.items import ItemIndex


def test_names_are_those_of_the_pool_and_ids_are_opaque(tmp_path):
    images = tmp_path / "images"
    for name in ("b.png", "sub/a.png", "sub/.hidden.png", "Z.jpg"):
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (5, 4), 9).save(images / name)
    (images / "notes.txt").touch()
    items = ItemIndex(images)
    assert items.names == read_folder(images, False, cache=tmp_path / "cache").ids.tolist()
    assert items.ids[1] == hashlib.blake2b(items.names[1].encode(), digest_size=8).hexdigest()
    for name, id_ in zip(items.names, items.ids, strict=True):
        assert (items.name(id_), items.id(name)) == (name, id_)
    with items.open(items.id("sub/a.png")) as image:
        assert image.size == (5, 4)
    body, kind = items.original(items.id("Z.jpg"))
    assert (body, kind) == ((images / "Z.jpg").read_bytes(), "image/jpeg")
    for unknown in ("0" * 16, "b.png", "../b.png"):
        with pytest.raises(KeyError):
            items.name(unknown)


def test_made_items_come_last_and_never_hide_others(tmp_path):
    images, made = blank(tmp_path / "images", 2), tmp_path / "run" / "made"
    for name in ("made/x.png",):
        (images / name).parent.mkdir()
        (images / name).touch()
    made.mkdir(parents=True)
    for name in ("x.png", "y.png"):
        Image.new("L", (3, 3), 7).save(made / name)
    items = ItemIndex(images, made)
    assert items.names == ["0000.png", "0001.png", "made/x.png", "made/y.png"]
    assert items.count == 3
    assert items.path(2) == images / "made/x.png"
    with items.open(items.id("made/y.png")) as image:
        assert image.getpixel((0, 0)) == 7


def test_npz(tmp_path):
    x = np.arange(2 * 4 * 5 * 1, dtype=np.uint8).reshape(2, 4, 5, 1)
    np.savez(tmp_path / "x.npz", x=x)
    items = ItemIndex(tmp_path / "x.npz")
    assert items.names == ["0", "1"]
    np.testing.assert_array_equal(np.asarray(items.open(items.id("1"))), x[1, :, :, 0])
    body, kind = items.original(items.id("1"))
    assert kind == "image/png"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(body))), x[1, :, :, 0])
    np.savez(tmp_path / "f.npz", x=np.zeros((3, 4), np.float32))
    with pytest.raises(LeavenError, match="feature vectors"):
        ItemIndex(tmp_path / "f.npz")


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.touch()])
def test_nothing_to_label(tmp_path, make):
    make(tmp_path / "images")
    with pytest.raises(LeavenError, match="images"):
        ItemIndex(tmp_path / "images")

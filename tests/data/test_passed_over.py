"""Pictures that are passed over, parts that look like classes, labels whose image is lost: all is said."""

import sys

import numpy as np
import pytest
from PIL import Image

from leaven.data import LeavenWarning, read_folder
from leaven.data import folder as reader
from leaven.errors import LeavenError


def test_raw_files_are_counted_and_named(make_images):
    root = make_images({"a.png": 1})
    (root / "b.CR2").write_bytes(b"x")
    (root / "c.nef").write_bytes(b"x")
    with pytest.warns(LeavenWarning, match=r"2 raw files \(b.CR2, c.nef\), to be developed"):
        assert len(read_folder(root)) == 1


def test_heic_is_read_or_its_package_named(tmp_path, monkeypatch):
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    Image.new("RGB", (16, 16), (200, 10, 10)).save(tmp_path / "a.heic")
    assert read_folder(tmp_path).items.shape == (1, 16, 16, 3)
    reader._reads_heif.cache_clear()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    try:
        with pytest.raises(LeavenError, match=r"no images \(1 HEIC files \(a.heic\).*leaven\[heif\]"):
            read_folder(tmp_path)
    finally:
        reader._reads_heif.cache_clear()


def test_train_and_test_are_no_classes(make_images):
    with pytest.warns(LeavenWarning, match=r"subfolders test and train of .* are taken for classes"):
        read_folder(make_images({"train/a.png": 1, "test/b.png": 2}))


def test_a_label_whose_image_cannot_be_read(make_images):
    root = make_images({"a.png": 1, "b.png": 2})
    (root / "c.png").write_bytes(b"no image")
    with pytest.warns(LeavenWarning, match=r"1 label is of images that cannot be read \(c.png\)"):
        read_folder(root, {"a.png": "cat", "c.png": "dog"})


def test_floats_without_a_known_range_are_refused(tmp_path):
    Image.fromarray(np.full((4, 4), 200.0, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(LeavenError, match=r"a.tif: values from 200 to 200, expected 0 to 1"):
        read_folder(tmp_path)

"""Pictures that are passed over, parts that look like classes, labels whose image is lost: all is said."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from leaven.data import LeavenWarning, read_files, read_folder, read_masks
from leaven.data.readers import image_files
from leaven.errors import LeavenError
from leaven.label.session.opening import open_session
from leaven.labels.formats import mask_folder
from leaven.labels.formats.names import item_lookup


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
    image_files._reads_heif.cache_clear()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    try:
        with pytest.raises(LeavenError, match=r"no images \(1 HEIC file \(a.heic\).*leaven-learn\[heif\]"):
            read_folder(tmp_path)
    finally:
        image_files._reads_heif.cache_clear()


def raw(folder, *names):
    """Files as cameras write them, beside what is there."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def mask(file):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.eye(6, dtype=np.uint8)).save(file)


@pytest.fixture
def painted(tmp_path, make_images):
    """images/ and masks/ of two classes, a.png in both; and a picture that cannot be read, with its mask."""
    root = make_images({"a.png": 1})
    raw(root, "b.CR2")
    for name in "ab":
        mask(tmp_path / f"masks/{name}.png")
    return tmp_path


def test_images_of_masks_are_counted_and_named(painted):
    with pytest.warns(LeavenWarning, match=r"1 raw file \(b.CR2\), to be developed"):
        pool = read_masks(painted / "images", painted / "masks")
    assert pool.ids.tolist() == ["a.png"]


def test_images_of_imported_masks_are_counted_and_named(painted):
    with pytest.warns(LeavenWarning, match=r"1 raw file \(b.CR2\)"):
        events, _, _ = mask_folder.read(painted / "masks", painted / "images", "me")
    assert len(events) == 1


def test_masks_that_cannot_hold_numbers_are_named(painted):
    Image.new("L", (4, 4)).save(painted / "masks/c.jpg")
    with pytest.warns(LeavenWarning, match=r"1 mask \(c.jpg\), for only bmp, gif, png, tif, tiff keep"):
        read_masks(painted / "images", painted / "masks")


def test_parts_with_masks_are_told(tmp_path, make_images):
    root = make_images({"train/a.png": 1, "val/b.png": 2})
    for name in ("train/a", "val/b"):
        mask(tmp_path / f"masks/{name}.png")
    with pytest.warns(LeavenWarning, match=r"subfolders train and val of .* are read as one"):
        read_masks(root, tmp_path / "masks")


def test_the_labelling_page_says_what_it_passes_over(make_images):
    root = make_images({"a.png": 1})
    raw(root, "b.CR2")
    with pytest.warns(LeavenWarning, match=r"1 raw file \(b.CR2\), to be developed"):
        open_session(root, root.parent / "run", train=False).close()
    only = root.parent / "only"
    raw(only, "b.CR2")
    with pytest.raises(LeavenError, match=r"no images \(1 raw file \(b.CR2\), to be developed"):
        open_session(only, root.parent / "other", train=False)


def test_a_picture_that_a_table_or_a_path_names(make_images):
    root = make_images({"a.png": 1})
    raw(root, "b.CR2", "c.heic")
    (root / "labels.csv").write_text("file,label\na.png,x\nb.CR2,y\n")
    with pytest.warns(LeavenWarning) as said:
        assert len(read_folder(root, root / "labels.csv")) == 1
    words = "; ".join(str(w.message) for w in said)
    assert "b.CR2: 1 raw file (b.CR2), to be developed to JPEG" in words
    assert "1 label is of images that cannot be read (b.CR2)" in words
    with pytest.raises(LeavenError, match="to be developed to JPEG"):
        read_files([root / "b.CR2"])


def test_a_heic_file_by_its_path(tmp_path):
    pytest.importorskip("pillow_heif").register_heif_opener()
    Image.new("RGB", (16, 16)).save(tmp_path / "a.heic")
    script = f"from leaven.data import read_files; print(read_files([{str(tmp_path / 'a.heic')!r}]).items.shape)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(1, 16, 16, 3)"


def test_an_import_finds_pictures_that_cannot_be_read(tmp_path, make_images):
    root = make_images({"a.png": 1})
    raw(root, "b.CR2")
    assert item_lookup(root, "The table")("b.CR2") == "b.CR2"


def test_train_and_test_are_no_classes(make_images):
    with pytest.warns(LeavenWarning, match=r"subfolders test and train of .* are taken for classes"):
        read_folder(make_images({"train/a.png": 1, "test/b.png": 2}))


def test_a_label_whose_image_cannot_be_read(make_images):
    root = make_images({"a.png": 1, "b.png": 2})
    (root / "c.png").write_bytes(b"no image")
    with pytest.warns(LeavenWarning, match=r"1 label is of images that cannot be read \(c.png\)"):
        read_folder(root, {"a.png": "cat", "c.png": "dog"})


def test_floats_without_a_known_range_are_refused(tmp_path):
    Image.fromarray(np.full((4, 4), 300.0, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(LeavenError, match=r"a.tif: values from 300 to 300, expected 0 to 1 or 0 to 255"):
        read_folder(tmp_path)

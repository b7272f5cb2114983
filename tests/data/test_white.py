"""Images that are not of 8 bits: the range in use over the pool decides what is white, and is said."""

import json
import warnings

import numpy as np
import pytest
from PIL import Image
from sixteen import write_png, write_tiff

import leaven.data.cache
from leaven.data import LeavenWarning, White, adaptation, few_labels, hold_out, read_files, read_folder, read_masks
from leaven.errors import LeavenError


@pytest.fixture
def write(tmp_path):
    """Write plain images: name → value, as integers of 16 bits or as floats; the folder is handed back."""

    def make(values, dtype=np.uint16, folder="deep"):
        root = tmp_path / folder
        for name, value in values.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((4, 4), value, dtype)).save(root / name)
        return root

    return make


def levels(pool):
    return pool.items[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    ("bits", "top"), [(8, 255), (10, 256), (10, 1023), (12, 1024), (12, 4095), (14, 4096), (16, 16384), (16, 65535)]
)
def test_the_fewest_bits_that_hold_all_integers(write, bits, top):
    white = 2**bits - 1
    root = write({"a.png": top, "b.png": top // 2, "c.tif": 0})
    with pytest.warns(LeavenWarning, match=rf"3 images in .*deep hold integers.*0 to {white} \({bits} bits\).*--white"):
        pool = read_folder(root)
    assert levels(pool) == [round(top * 255 / white), round(top // 2 * 255 / white), 0]
    assert pool.white == White(integers=white)


def test_floats_are_of_one_or_of_255(write):
    root = write({"a.tif": 1, "b.tif": 0.5}, np.float32, "one")
    with pytest.warns(LeavenWarning, match="2 images in .*one hold floats, taken as 0 to 1, the range in use"):
        pool = read_folder(root)
    assert (levels(pool), pool.white) == ([255, 128], White(floats=1))
    root = write({"a.tif": 255, "b.tif": 100.4, "c.tif": 0}, np.float32, "bytes")
    with pytest.warns(LeavenWarning, match="3 images in .*bytes hold floats, taken as 0 to 255"):
        pool = read_folder(root)
    assert (levels(pool), pool.white) == ([255, 100, 0], White(floats=255))


def test_the_kinds_decide_apart_and_8_bits_need_nothing(write, make_images):
    root = make_images({"8.png": 77}, "deep", 4)
    write({"a.png": 4095})
    write({"b.tif": 0.2}, np.float32)
    with pytest.warns(LeavenWarning, match="1 image in .* holds integers.* 1 image in .* holds floats"):
        pool = read_folder(root)
    assert (levels(pool), pool.white) == ([77, 255, 51], White(4095, 1))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"a.tif": 1.3, "b.tif": 0.4}, r"brightest of the floats in .* is 1.3 \(a.tif\), expected 1 .*--white"),
        ({"a.tif": 15, "b.tif": 0.4}, r"brightest of the floats in .* is 15 \(a.tif\)"),
        ({"a.tif": 0.9, "b.tif": 200}, r"contradict each other \(a.tif holds 0.9 to 0.9, b.tif 200 to 200\).*--white"),
        ({"a.tif": 3000, "b.tif": 200}, r"contradict each other \(a.tif holds 3000 to 3000, b.tif 200 to 200\)"),
        ({"a.tif": -1, "b.tif": 1}, r"contradict each other \(a.tif holds -1 to -1, b.tif 1 to 1\)"),
        ({"a.tif": np.nan, "b.tif": 1}, r"contradict each other \(a.tif holds nan to nan"),
        (
            {"a.tif": -1, "b.tif": np.inf},
            r"None of .*a.tif: values from -1 to -1, expected 0 to 1 or 0 to 255; save it with 8 bits;",
        ),
    ],
)
def test_what_cannot_be_decided_is_refused_and_leaves_nothing(write, cache, values, words):
    root = write(values, np.float32)
    with pytest.raises(LeavenError, match=words):
        read_folder(root)
    assert list(cache.iterdir()) == []


def test_integers_beyond_16_bits_are_refused(write):
    root = write({"a.tif": 70000, "b.tif": -5}, np.int32)
    with pytest.raises(LeavenError, match=r"a.tif: values from 70000 to 70000, expected 0 to 65535; save it with 8"):
        read_folder(root)


def test_white_as_it_is_stated(write):
    root = write({"a.tif": 1.5, "b.tif": 1, "c.tif": 5, "d.tif": -1}, np.float32)
    with pytest.warns(LeavenWarning) as said:
        pool = read_folder(root, white=1)
    assert pool.ids.tolist() == ["a.tif", "b.tif"]
    assert levels(pool) == [255, 255]
    words = " ".join(str(one.message) for one in said)
    assert "2 of the 4 images" in words
    assert "c.tif: values from 5 to 5, expected 0 to 1" in words
    assert "1 of the 4 images of floats in" in words
    assert "go beyond 1, which is white, and are cut there (a.tif goes to 1.5)" in words
    assert levels(read_folder(write({"a.png": 4095}, folder="dark"), white=65535)) == [16]
    with pytest.raises(LeavenError, match="White is -1, expected a number above 0"):
        read_folder(root, white=-1)


def test_white_is_the_pools_whatever_is_made_of_it(write):
    root = write({f"{kind}/{k}.png": 4000 for kind in "ab" for k in range(3)})
    pool = read_folder(root)
    kept, held = hold_out(few_labels(pool, 2), 0.5)
    assert kept.white == held.white == pool.subset([1]).white == White(4095)


def test_each_domain_decides_for_itself(write):
    """They are seldom of one instrument; the model is for the target."""
    source = read_folder(write({"x/a.png": 65535, "y/b.png": 0}, folder="source"))
    target = read_folder(write({"a.png": 4095, "b.png": 0}, folder="target"), labels=False)
    both = adaptation(source, target)
    assert levels(both) == [255, 0, 255, 0]
    assert both.white == White(4095)


def test_single_files_and_masks(write, tmp_path):
    root = write({"a.png": 1023})
    assert levels(read_files([root / "a.png"])) == [255]
    pool = read_masks(root)
    assert (levels(pool), pool.white) == ([255], White(1023))


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("top", [255, 1023, 4095, 16383, 65535])
def test_colours_of_16_bits_keep_their_lower_bytes(tmp_path, channels, top):
    pixels = np.random.default_rng(0).integers(0, top + 1, (5, 6, channels)).astype(np.uint16)
    pixels[0, 0] = top
    if channels != 3:
        pixels[..., -1] = 65535  # nothing is transparent
    write_png(tmp_path / "a.png", pixels)
    pool = read_folder(tmp_path, channels=3)
    wanted = pixels[..., [0, 0, 0] if channels == 2 else [0, 1, 2]] * (255 / top)
    assert np.abs(pool.items[0] - wanted).max() <= (1 if top == 65535 else 0.5)
    assert pool.white == White(top)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compressed", [False, True])
def test_colours_of_16_bits_in_tiff(tmp_path, order, compressed):
    pixels = np.random.default_rng(0).integers(0, 4096, (5, 6, 3)).astype(np.uint16)
    write_tiff(tmp_path / "a.tif", pixels, order, compressed)
    assert np.abs(read_folder(tmp_path, white=4095).items[0] - pixels * (255 / 4095)).max() <= 0.5


def test_a_file_that_says_what_is_white(tmp_path):
    """PGM names its own; a dark one is dark."""
    body = np.array([[0, 500], [1000, 50]], ">u2").tobytes()
    (tmp_path / "a.pgm").write_bytes(b"P5 2 2 1000\n" + body)
    (tmp_path / "b.pgm").write_bytes(b"P5 2 2 65535\n" + body)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pool = read_folder(tmp_path)
    assert pool.items.reshape(2, -1).tolist() == [[0, 128, 255, 13], [0, 2, 4, 0]]
    assert pool.white == White()


def test_the_cache_keeps_what_was_decided_and_said(write, monkeypatch):
    root = write({"a.png": 4000, "b.png": 100})
    first = read_folder(root)
    cut = read_folder(root, white=1023)
    monkeypatch.setattr(leaven.data.cache, "decode", lambda *_: pytest.fail("decoded again"))
    with pytest.warns(LeavenWarning, match=r"taken as 0 to 4095"):
        again = read_folder(root)
    assert (levels(again), again.white) == (levels(first), White(4095))
    with pytest.warns(LeavenWarning, match=r"go beyond 1023, .* are cut there \(a.png goes to 4000\)"):
        again = read_folder(root, white=1023)
    assert (levels(again), again.white) == (levels(cut), White(1023, 1023))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert levels(read_folder(root, white=White(4095))) == levels(first)


def test_images_of_8_bits_have_one_entry_whatever_is_stated(make_images, cache, monkeypatch):
    root = make_images({"a.png": 9, "b.jpg": 7})
    first = read_folder(root, white=4095)
    monkeypatch.setattr(leaven.data.cache, "decode", lambda *_: pytest.fail("decoded again"))
    for white in (None, 4095, 1):
        again = read_folder(root, white=white)
        assert (again.items == first.items).all()
    assert again.white == White(1, 1)
    assert read_folder(root).white == White()


def forget(cache):
    """What versions did not write that knew no white."""
    [about] = cache.glob("decoded-*/about.json")
    content = {
        key: value for key, value in json.loads(about.read_text()).items() if key not in ("deep", "white", "said")
    }
    about.write_text(json.dumps(content))


def test_an_older_entry_of_8_bits_is_good(make_images, cache, monkeypatch):
    root = make_images({"a.png": 9, "b.png": 7})
    first = read_folder(root)
    forget(cache)
    monkeypatch.setattr(leaven.data.cache, "decode", lambda *_: pytest.fail("decoded again"))
    assert (read_folder(root).items == first.items).all()
    monkeypatch.setattr(leaven.data.cache, "kind", lambda *_: pytest.fail("looked at twice"))
    assert (read_folder(root).items == first.items).all()


def test_an_older_entry_of_16_bits_is_made_anew(write, cache):
    root = write({"a.png": 4095})
    read_folder(root, white=65535)
    [entry] = cache.glob("decoded-*")
    entry.rename(cache / entry.name.rsplit("-", 1)[0].replace("-integers65535", ""))
    forget(cache)
    assert levels(read_folder(root)) == [255]

"""Pictures of the page: made once, of the right size and way up, from one file."""

import io
import os
import sqlite3
import time

import numpy as np
import pytest
from PIL import Image

from leaven.label.session.items import ItemIndex
from leaven.label.web import prefetch
from leaven.label.web.thumbs import GRID, VIEW, Replaced, Thumbs, Unreadable


@pytest.fixture
def pictures(tmp_path):
    made = []

    def make():
        thumbs = Thumbs(ItemIndex(tmp_path / "images"), tmp_path / "thumbs.db")
        made.append(thumbs)
        return thumbs

    (tmp_path / "images").mkdir()
    yield make
    for thumbs in made:
        thumbs.close()


def opened(picture):
    return Image.open(io.BytesIO(picture.content))


def test_a_small_file_is_shown_byte_for_byte(pictures, tmp_path):
    Image.new("RGB", (28, 28), "red").save(tmp_path / "images" / "a.png")
    thumbs = pictures()
    (id_,) = thumbs.items.ids
    for side in (GRID, VIEW):
        assert thumbs.make(id_, side) == ("image/png", (tmp_path / "images" / "a.png").read_bytes())


def test_a_photo_is_decoded_once_for_both_sizes_upright(pictures, tmp_path, monkeypatch):
    photo = Image.new("RGB", (1600, 1200), "black")
    photo.paste("white", (0, 0, 1600, 600))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by a quarter: the white half goes to the right
    photo.save(tmp_path / "images" / "a.jpg", exif=exif)
    thumbs = pictures()
    (id_,) = thumbs.items.ids
    view = opened(thumbs.make(id_, VIEW))
    assert view.size == (672, 896)
    assert view.getpixel((600, 400))[0] > 250
    assert view.getpixel((70, 400))[0] < 5
    monkeypatch.setattr(thumbs.items, "open", lambda id_: 1 / 0)
    grid = opened(thumbs.make(id_, GRID))
    assert grid.size == (168, 224)
    assert (
        pictures().cached(id_, VIEW, thumbs.items.version(id_)).content
        == thumbs.cached(id_, VIEW, thumbs.items.version(id_)).content
    )  # of another start of the server


@pytest.mark.parametrize(
    ("mode", "kind", "value", "expected"),
    [
        ("RGBA", "png", (255, 0, 0, 0), (255, 255, 255)),
        ("CMYK", "tiff", (0, 255, 255, 0), (255, 0, 0)),
        ("P", "bmp", 0, (0, 0, 0)),
        ("I;16", "tiff", 128 * 257, (128, 128, 128)),
    ],
)
def test_every_mode_becomes_colours_that_a_browser_shows(pictures, tmp_path, mode, kind, value, expected):
    Image.new(mode, (300, 300), value).save(tmp_path / "images" / f"a.{kind}")
    thumbs = pictures()
    picture = thumbs.make(thumbs.items.ids[0], VIEW)
    assert picture.type in ("image/jpeg", "image/png")
    assert np.abs(np.array(opened(picture).convert("RGB").getpixel((150, 150))) - expected).max() <= 2


def test_a_small_file_that_no_browser_shows_is_converted_without_loss(pictures, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "images" / "a.tiff")
    thumbs = pictures()
    picture = thumbs.make(thumbs.items.ids[0], VIEW)
    assert picture.type == "image/png"
    assert (np.asarray(opened(picture)) == noise).all()


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n broken", "half"])
def test_a_damaged_file_is_told_and_not_kept(pictures, tmp_path, content):
    if content == "half":
        stream = io.BytesIO()
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(stream, "PNG")
        content = stream.getvalue()[:4000]
    (tmp_path / "images" / "a.png").write_bytes(content)
    thumbs = pictures()
    with pytest.raises(Unreadable):
        thumbs.make(thumbs.items.ids[0], VIEW)
    with pytest.raises(KeyError):
        thumbs.make("0" * 16, VIEW)
    assert thumbs.cached(thumbs.items.ids[0], VIEW, thumbs.items.version(thumbs.items.ids[0])) is None


@pytest.mark.parametrize("size", [(28, 28), (400, 300)])
def test_a_file_that_was_replaced_is_not_shown_as_it_was(pictures, tmp_path, size):
    path = tmp_path / "images" / "a.png"
    Image.new("RGB", size, "red").save(path)
    thumbs = pictures()
    (id_,) = thumbs.items.ids
    before = thumbs.items.version(id_)
    thumbs.make(id_, GRID, before)
    Image.new("RGB", size, "blue").save(path)
    os.utime(path, ns=(0, 12345))  # older than what it replaces
    for one in (thumbs, pictures()):  # and after a restart
        assert one.items.version(id_) != before
        for side in (GRID, VIEW):
            red, _, blue = opened(one.make(id_, side)).convert("RGB").getpixel((5, 5))
            assert red < 5
            assert blue > 250
        with pytest.raises(Replaced):
            one.make(id_, VIEW, before)
        with pytest.raises(Replaced):
            one.whole(id_, before)
        assert one.cached(id_, VIEW, before) is None  # it does not stay in the file for ever


def test_a_file_that_changes_while_it_is_decoded_is_not_kept(pictures, tmp_path, monkeypatch):
    Image.new("RGB", (400, 300), "red").save(tmp_path / "images" / "a.png")
    thumbs = pictures()
    (id_,) = thumbs.items.ids
    now = thumbs.items.version(id_)
    versions = iter([now, "0" * 12])
    monkeypatch.setattr(thumbs.items, "version", lambda id_: next(versions))
    with pytest.raises(Replaced):
        thumbs.make(id_, VIEW)
    assert thumbs.cached(id_, VIEW, now) is None


def test_thumbnails_of_an_older_leaven_are_made_anew(pictures, tmp_path):
    Image.new("RGB", (28, 28)).save(tmp_path / "images" / "a.png")
    with sqlite3.connect(tmp_path / "thumbs.db") as old:
        old.execute("CREATE TABLE thumbs (id TEXT, side INTEGER, type TEXT, body BLOB, PRIMARY KEY (id, side))")
    old.close()
    thumbs = pictures()
    assert thumbs.make(thumbs.items.ids[0], GRID).type == "image/png"
    assert thumbs.cached(thumbs.items.ids[0], GRID, thumbs.items.version(thumbs.items.ids[0])) is not None


def test_a_damaged_cache_is_made_anew(pictures, tmp_path):
    Image.new("RGB", (28, 28)).save(tmp_path / "images" / "a.png")
    (tmp_path / "thumbs.db").write_bytes(b"this is no database at all" * 100)
    thumbs = pictures()
    assert thumbs.make(thumbs.items.ids[0], GRID).type == "image/png"


def test_pictures_are_made_ahead(pictures, tmp_path):
    for i in range(6):
        Image.new("RGB", (400, 300), (40 * i, 0, 0)).save(tmp_path / "images" / f"{i}.jpg")
    (tmp_path / "images" / "2.jpg").write_bytes(b"broken")
    thumbs = pictures()
    assert thumbs.make_ahead(5) == 4
    there = [thumbs.cached(id_, GRID, thumbs.items.version(id_)) is not None for id_ in thumbs.items.ids]
    assert there == [True, True, False, True, True, False]
    assert thumbs.make_ahead(6) == 1


def test_small_originals_are_not_worth_making_ahead(pictures, tmp_path):
    for i in range(60):
        Image.new("RGB", (28, 28), (4 * i, 0, 0)).save(tmp_path / "images" / f"{i:02}.png")
    assert pictures().make_ahead() == 40


@pytest.mark.usefixtures("planted")
def test_the_process_that_works_ahead_fills_the_file_and_ends_with_the_server(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(prefetch, "PAUSE", 0)
    for i in range(3):
        Image.new("RGB", (400, 300), (40 * i, 0, 0)).save(tmp_path / "images" / f"{i}.jpg")
    thumbs = pictures()
    works = prefetch.Prefetch(thumbs.items, thumbs.path)
    try:
        for _ in range(600):
            if all(thumbs.cached(id_, VIEW, thumbs.items.version(id_)) for id_ in thumbs.items.ids):
                break
            time.sleep(0.05)
        assert all(thumbs.cached(id_, VIEW, thumbs.items.version(id_)) for id_ in thumbs.items.ids)
    finally:
        works.close()
    assert works._process.returncode is not None


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html", b"<script>"),
        ("image/svg+xml", b"<svg/>"),
        ("image/png\r\nX: y", b""),
        (None, b""),
        ("image/png", "text"),
        ("image/png", None),
    ],
)
def test_what_a_strangers_file_calls_something_else_than_a_picture_is_not_given_out(pictures, tmp_path, kind, body):
    Image.new("RGB", (28, 28), "red").save(tmp_path / "images" / "a.png")
    thumbs = pictures()
    (id_,) = thumbs.items.ids
    with sqlite3.connect(thumbs.path) as file:
        version = thumbs.items.version(id_)
        rows = [(id_, version, side, kind, body) for side in (0, GRID)]
        file.executemany("INSERT INTO thumbs VALUES (?, ?, ?, ?, ?)", rows)
    assert thumbs.cached(id_, GRID, version) is None
    assert thumbs.make(id_, GRID) == ("image/png", (tmp_path / "images" / "a.png").read_bytes())  # made anew

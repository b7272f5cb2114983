"""Decoding once: the second run, killed runs, runs at the same time, damaged files."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import leaven.data.readers.decode
from leaven.data import LeavenWarning, clear_cache, read_folder
from leaven.errors import LeavenError

LEVELS = {f"{k}.png": k for k in range(1, 9)}


@pytest.fixture
def no_decoding(monkeypatch):
    """Opening an image fails the test."""

    def refuse(*args, **options):
        raise AssertionError("an image was opened")

    def set_up():
        monkeypatch.setattr("PIL.Image.open", refuse)
        monkeypatch.setattr(leaven.data.cache, "decode", refuse)

    return set_up


def entries(cache):
    return sorted(path.name.split("-")[0] for path in cache.iterdir())


def test_second_run_opens_no_image(make_images, cache, no_decoding):
    root = make_images(LEVELS)
    first = read_folder(root)
    assert entries(cache) == ["decoded"]
    no_decoding()
    second = read_folder(root)
    assert (second.items == first.items).all()
    assert second.ids.tolist() == first.ids.tolist()
    with pytest.raises(AssertionError):
        read_folder(root, size=5)


def test_a_changed_file_is_decoded_again(make_images, no_decoding):
    root = make_images(LEVELS)
    read_folder(root)
    about = (root / "1.png").stat()
    make_images({"1.png": 200})
    os.utime(root / "1.png", ns=(about.st_atime_ns, about.st_mtime_ns + 1))
    assert read_folder(root).items[0, 0, 0, 0] == 200
    no_decoding()
    (root / "2.png").rename(root / "0.png")
    with pytest.raises(AssertionError):
        read_folder(root)


def test_same_names_in_another_folder_are_other_images(make_images):
    one, two = make_images({"a.pgm": 1}, "one"), make_images({"a.pgm": 2}, "two")
    for root in (one, two):
        os.utime(root / "a.pgm", ns=(0, 0))
    assert read_folder(one).items.max() == 1
    assert read_folder(two).items.max() == 2


def test_labels_are_no_part_of_the_cache(make_images, no_decoding):
    root = make_images(LEVELS)
    read_folder(root)
    no_decoding()
    labels = root.parent / "labels.csv"
    labels.write_text("1.png,x\n")
    assert read_folder(root, labels).classes == ("x",)


def run(root, slow=0.0):
    """A process that reads the folder, each image taking so long."""
    code = f"""
import time, leaven.data.readers.images as d
real = d.standardise
def slowly(*args):
    time.sleep({slow})
    return real(*args)
d.standardise = slowly
import leaven.data.readers.decode
leaven.data.readers.decode.threads = lambda: 1
from leaven.data import read_folder
print("start", flush=True)
print(int(read_folder({str(root)!r}).items.sum()))
"""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def wait_for_build(cache):
    deadline = time.time() + 20
    while not list(cache.glob("building-*/items.npy")):
        assert time.time() < deadline, "no build began"
        time.sleep(0.01)


def test_killed_halfway_leaves_nothing_whole(make_images, cache):
    root = make_images(LEVELS)
    process = run(root, slow=0.3)
    wait_for_build(cache)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert entries(cache) == ["building"]
    left = next(cache.iterdir())
    os.utime(left, (0, 0))
    assert read_folder(root).items[:, 0, 0, 0].tolist() == list(range(1, 9))
    assert entries(cache) == ["decoded"]  # and what was left is swept


def test_a_living_build_is_not_swept(make_images, cache):
    root, other = make_images(LEVELS), make_images({"a.png": 3}, "other")
    process = run(root, slow=0.2)
    wait_for_build(cache)
    os.utime(next(cache.glob("building-*")), (0, 0))
    read_folder(other)
    assert entries(cache) == ["building", "decoded"]
    assert process.communicate()[0].split()[-1] == str(36 * 36)
    assert process.returncode == 0


def test_two_at_once_both_end_well(make_images, cache):
    root = make_images(LEVELS)
    processes = [run(root, slow=0.05) for _ in range(2)]
    assert [process.communicate()[0].split()[-1] for process in processes] == [str(36 * 36)] * 2
    assert entries(cache) == ["decoded"]


def damage(root):
    whole = (root / "3.png").read_bytes()
    (root / "3.png").write_bytes(whole[: len(whole) // 2])
    (root / "5.png").write_bytes(b"no image")


def test_damaged_images_are_named_and_skipped(make_images, cache, no_decoding):
    root = make_images(LEVELS, side=64)
    damage(root)
    with pytest.warns(LeavenWarning, match=r"2 of the 8 images in .*\(3.png: .*; 5.png: .*\) and were skipped"):
        first = read_folder(root)
    assert first.ids.tolist() == ["1.png", "2.png", "4.png", "6.png", "7.png", "8.png"]
    assert first.items[:, 0, 0, 0].tolist() == [1, 2, 4, 6, 7, 8]
    no_decoding()
    with pytest.warns(LeavenWarning, match="2 of the 8 images"):
        second = read_folder(root)
    assert (second.items == first.items).all()
    with pytest.raises(LeavenError, match=r"2 of the 8 images"):
        read_folder(root, strict=True)


def test_strict_raises_before_a_cache_is_written(make_images, cache):
    root = make_images(LEVELS, side=64)
    damage(root)
    with pytest.raises(LeavenError, match=r"2 of the 8 images in .*3.png.*5.png.*strict"):
        read_folder(root, strict=True)
    assert not list(cache.iterdir())


def test_no_image_can_be_read(make_images, cache):
    root = make_images({"a.png": 1})
    (root / "a.png").write_bytes(b"no image")
    with pytest.raises(LeavenError, match=r"None of the 1 image in .*a.png"):
        read_folder(root)
    assert not list(cache.iterdir())


def test_whole_images_raise_no_warning(make_images):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_folder(make_images(LEVELS), strict=True)) == len(LEVELS)


def test_a_damaged_cache_is_built_again(make_images, cache):
    root = make_images(LEVELS)
    read_folder(root)
    entry = next(cache.iterdir())
    (entry / "items.npy").write_bytes(b"x")
    assert read_folder(root).items[:, 0, 0, 0].tolist() == list(range(1, 9))


def other(entry, array):
    np.save(entry / "items.npy", array)


def json_of(entry, **changed):
    about = json.loads((entry / "about.json").read_text())
    (entry / "about.json").write_text(json.dumps(about | changed))


def in_place_of(path, make):
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    make(path)


def half(path):
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


ITEMS, ABOUT = "items.npy", "about.json"
DAMAGE = {
    **{f"{name} missing": lambda entry, name=name: (entry / name).unlink() for name in (ITEMS, ABOUT)},
    **{f"{name} empty": lambda entry, name=name: (entry / name).write_bytes(b"") for name in (ITEMS, ABOUT)},
    **{f"{name} half": lambda entry, name=name: half(entry / name) for name in (ITEMS, ABOUT)},
    **{f"{name} junk": lambda entry, name=name: (entry / name).write_bytes(b"\xff\x00[{") for name in (ITEMS, ABOUT)},
    **{f"{name} a folder": lambda entry, name=name: in_place_of(entry / name, Path.mkdir) for name in (ITEMS, ABOUT)},
    **{f"{name} a pipe": lambda entry, name=name: in_place_of(entry / name, os.mkfifo) for name in (ITEMS, ABOUT)},
    "items.npy longer": lambda entry: (entry / ITEMS).write_bytes((entry / ITEMS).read_bytes() + b"x"),
    "items.npy of floats": lambda entry: other(entry, np.zeros((8, 6, 6, 1))),
    "items.npy of objects": lambda entry: other(entry, np.array([None])),
    "items.npy of fewer": lambda entry: (
        other(entry, np.zeros((7, 6, 6, 1), np.uint8)),
        json_of(entry, shape=[7, 6, 6, 1]),
    ),
    "items.npy in another order": lambda entry: other(entry, np.asfortranarray(np.zeros((8, 6, 6, 1), np.uint8))),
    **{
        f"about.json {text}": lambda entry, text=text: (entry / ABOUT).write_text(text)
        for text in ("[]", "null", "3", '"x"', "{}", '{"version": 1}')
    },
    "about.json of another version": lambda entry: json_of(entry, version=0),
    "about.json of another shape": lambda entry: json_of(entry, shape=[8, 5, 5, 1]),
    "about.json with failures that are none": lambda entry: json_of(entry, failed={"a": 3}),
    "about.json with a list of failures": lambda entry: json_of(entry, failed=[1]),
    "about.json with failures outside": lambda entry: json_of(entry, failed={"99": "x"}),
    "nothing in it": lambda entry: in_place_of(entry, Path.mkdir),
    "a file": lambda entry: in_place_of(entry, Path.touch),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_heals_itself(damage, make_images, cache, no_decoding):
    root = make_images(LEVELS)
    first = np.array(read_folder(root).items)
    [entry] = cache.iterdir()
    DAMAGE[damage](entry)
    for _ in range(2):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            again = read_folder(root)
        assert again.items.dtype == np.uint8
        np.testing.assert_array_equal(again.items, first)
        assert entries(cache) == ["decoded"]
        no_decoding()  # what was built anew is whole


def test_two_that_heal_one_entry_at_once_both_end_well(make_images, cache):
    root = make_images(LEVELS)
    read_folder(root)
    [entry] = cache.iterdir()
    (entry / ABOUT).unlink()
    processes = [run(root, slow=0.05) for _ in range(2)]
    assert [process.communicate()[0].split()[-1] for process in processes] == [str(36 * 36)] * 2
    assert entries(cache) == ["decoded"]


def test_an_entry_that_cannot_be_replaced_is_named(make_images, cache, monkeypatch):
    root = make_images(LEVELS)
    read_folder(root)
    [entry] = cache.iterdir()
    (entry / ABOUT).unlink()

    def refuse(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(LeavenError, match=rf"cache {entry} is damaged .*Permission denied.*remove it"):
        read_folder(root)


def test_what_was_put_aside_and_left_is_swept(make_images, cache):
    left = cache / "building-0"
    left.mkdir(parents=True)
    os.utime(left, (0, 0))
    read_folder(make_images(LEVELS))
    assert entries(cache) == ["decoded"]


def test_cache_that_cannot_be_written(make_images, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LeavenError, match=r"cache folder .* cannot be written .*LEAVEN_CACHE"):
        read_folder(make_images(LEVELS), cache=tmp_path / "file" / "cache")


def test_full_disk_is_an_error_that_can_be_acted_on(make_images, cache, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(LeavenError, match=r"No space left on device.*LEAVEN_CACHE"):
        read_folder(make_images(LEVELS))
    assert not list(cache.iterdir())


def test_clear_cache(make_images, cache):
    pool = read_folder(make_images(LEVELS))
    assert clear_cache() == 1
    assert not list(cache.iterdir())
    assert int(np.asarray(pool.items).max()) == 8  # an open pool keeps its items

"""What cannot be written is told for what it is: only a full disk is told to be cleared."""

import errno
import os
from pathlib import Path

import pytest

from leaven.cli import _system
from leaven.errors import LeavenError
from leaven.utils.disks import unwritten
from leaven.utils.files import whole


@pytest.mark.parametrize(
    ("number", "words", "do"),
    [
        (errno.ENOSPC, "No space left", "free some space and go on"),
        (errno.EDQUOT, "quota", "free some space of yours and go on"),
        (errno.EROFS, "read-only", "choose another place and go on"),
        (errno.EACCES, "no permission", "mend the permissions, or choose another place and go on"),
        (errno.EISDIR, "a folder lies in its place", "move that away and go on"),
        (errno.ENOTDIR, "a file lies where", "move that away and go on"),
        (errno.ENAMETOOLONG, "too long", "choose a shorter one and go on"),
        (errno.EMFILE, "too many files are open", "ulimit -n"),
        (errno.EIO, "disk does not answer", "look after the disk and go on"),
        (errno.EXDEV, "Invalid cross-device link", "see to the disk"),
    ],
)
def test_each_kind_has_its_own_words(tmp_path, number, words, do):
    why, what = unwritten(tmp_path / "x", OSError(number, os.strerror(number)), "go on with --resume")
    assert words in why
    assert do in what
    assert ("space" in what) == (number in (errno.ENOSPC, errno.EDQUOT))


def test_torch_tells_no_number(tmp_path):
    torn = RuntimeError("[enforce fail at inline_container.cc:603] . unexpected pos 64 vs 0\nmore")
    why, what = unwritten(tmp_path / "x", torn)
    assert why.endswith("unexpected pos 64 vs 0")
    assert what == "free some space"


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "No such file"), RuntimeError("Parent directory")])
def test_a_folder_that_was_removed_is_named(tmp_path, error):
    why, what = unwritten(tmp_path / "gone" / "x", error, "go on with --resume")
    assert "folder is gone" in why
    assert "--resume" not in what
    assert "space" not in what


def test_the_commands_last_resort(tmp_path):
    absent = FileNotFoundError(errno.ENOENT, "No such file", str(tmp_path / "x"))
    assert _system(absent) == f"{tmp_path}/x is not there; check the path."
    full = OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "x"))
    assert _system(full) == f"{tmp_path}/x cannot be used (No space left on device); free some space."
    assert "check the files" in _system(OSError(errno.EPIPE, "Broken pipe"))


def test_a_file_in_place_of_a_folder(tmp_path):
    (tmp_path / "x").touch()
    with (
        pytest.raises(LeavenError, match=r"cannot be written \((something else|a file) lies .*move that away"),
        whole(Path(tmp_path / "x" / "y")) as part,
    ):
        part.touch()

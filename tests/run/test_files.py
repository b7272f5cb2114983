"""Files are whole or not there; a run folder is claimed, and never more than that."""

import json
import math

import pytest

from leaven.errors import LeavenError
from leaven.run import folder
from leaven.utils.files import require_writable, save_whole, whole

CONFIG = {
    "leaven": "0",
    "method": "fixmatch",
    "hyperparameters": {"threshold": 0.9},
    "plan": {"steps": 3, "probes": 10},
    "data": {"path": "here", "items": 5},
}


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "deep" / "file"
    with whole(path) as part:
        part.write_text("first")
    assert path.read_text() == "first"

    def fail(error):
        with whole(path) as part:
            part.write_text("half")
            raise error

    with pytest.raises(LeavenError, match=r"file cannot be written \(No space left on device\)"):
        fail(OSError(28, "No space left on device"))
    with pytest.raises(ValueError, match="another"):
        fail(ValueError("another"))
    assert path.read_text() == "first"
    assert [f.name for f in path.parent.iterdir()] == ["file"]


def test_what_saves_itself_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "a.npz"

    def save(place):
        place.parent.mkdir(exist_ok=True)
        place.write_text("new")

    def fail(place):
        save(place)
        raise OSError(28, "No space left on device")

    save_whole(path, save)
    with pytest.raises(LeavenError, match="No space left"):
        save_whole(path, fail)
    assert path.read_text() == "new"
    assert [f.name for f in tmp_path.iterdir()] == ["a.npz"]


def test_a_place_is_tried_without_making_anything(tmp_path):
    require_writable(tmp_path / "a" / "b" / "c")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(LeavenError, match="is a file"):
        require_writable(tmp_path / "file" / "b" / "c")


def test_a_folder_of_somebody_else(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write anywhere
    with pytest.raises(LeavenError, match="not yours to write to"):
        require_writable(tmp_path / "a")


def test_json_has_no_nan(tmp_path):
    folder.write_json(tmp_path / "x.json", {"a": [math.nan, 1.5], "b": {"c": math.inf}, "d": (1,)})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [None, 1.5], "b": {"c": None}, "d": [1]}


def test_checking_changes_nothing(tmp_path):
    run = tmp_path / "run"
    folder.check(run, CONFIG)
    assert not run.exists()
    folder.claim(run, CONFIG)
    (run / "model.safetensors").write_text("weights")
    folder.check(run, CONFIG, overwrite=True)
    folder.check(run, CONFIG, resume=True)
    assert (run / "model.safetensors").read_text() == "weights"


@pytest.mark.parametrize(
    ("part", "key", "value", "decisive"),
    [
        ("plan", "steps", 4, True),
        ("plan", "probes", 4, False),
        ("data", "items", 6, True),
        ("data", "path", "there", False),
        ("hyperparameters", "threshold", 0.8, True),
    ],
)
def test_what_may_change_between_stop_and_resume(tmp_path, part, key, value, decisive):
    folder.claim(tmp_path / "run", CONFIG)
    changed = CONFIG | {part: CONFIG[part] | {key: value}}
    if decisive:
        with pytest.raises(LeavenError, match=f"{key} was .*, is {value}"):
            folder.check(tmp_path / "run", changed, resume=True)
    else:
        folder.check(tmp_path / "run", changed, resume=True)


def test_starting_anew_keeps_what_is_the_users(tmp_path):
    run = tmp_path / "run"
    folder.claim(run, CONFIG)
    for name in (*folder.FILES[1:], "labels.sqlite", "notes/today.txt", *(f"{f}/x" for f in folder.FOLDERS)):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text("")
    folder.claim(run, CONFIG, overwrite=True)
    assert sorted(f.name for f in run.iterdir()) == ["config.json", "labels.sqlite", "notes"]


def test_the_demos_folder_is_named_as_such(tmp_path):
    folder.claim(tmp_path, {"demo": True, "leaven": "0"})
    folder.claim(tmp_path / "adamatch" / "0", CONFIG)
    folder.claim(tmp_path / "adamatch" / "0" / "baseline", CONFIG)
    with pytest.raises(LeavenError, match=r"several runs; give one of them, such as .*adamatch/0"):
        folder.read_config(tmp_path)

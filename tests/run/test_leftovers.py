"""What a kill leaves behind, at whatever moment it comes, stands in nobody's way."""

import json

import pytest

from leaven.errors import LeavenError
from leaven.run import folder

SPEC = {"name": "cnn", "shape": [8, 8, 1], "classes": 2, "mean": [0.5], "std": [0.2]}
CONFIG = {
    "leaven": "0",
    "method": "fixmatch",
    "hyperparameters": {"threshold": 0.9},
    "network": SPEC,
    "plan": {"steps": 3, "probes": 10},
    "flip": False,
    "validation": 0.0,
    "classes": ["a", "b"],
    "data": {"path": "here", "items": 5, "labelled": 2, "shape": [8, 8, 1]},
}


@pytest.mark.parametrize("name", ["config.json", "checkpoint.pt", "metrics.csv", "report.html"])
def test_a_folder_of_what_was_not_finished_is_as_good_as_none(tmp_path, name):
    run = tmp_path / "run"
    run.mkdir()
    (run / f"{name}.part").write_text('{"leav')
    with pytest.raises(LeavenError, match=r"no run in .* to resume; leave --resume out"):
        folder.check(run, CONFIG, resume=True)
    folder.check(run, CONFIG, overwrite=True)
    folder.claim(run, CONFIG)
    assert [file.name for file in run.iterdir()] == ["config.json"]


def test_parts_beside_a_run_are_harmless(tmp_path):
    run = tmp_path / "run"
    folder.claim(run, CONFIG)
    for name in (
        *folder.FILES,
        "baseline/config.json",
        "stages/1-moco/config.json",
        "init/config.json",
        "evaluations/.part/test.npz",
    ):
        (run / f"{name}.part").parent.mkdir(parents=True, exist_ok=True)
        (run / f"{name}.part").write_bytes(b"\0" * 9)
    folder.check(run, CONFIG, resume=True)
    assert folder.read_config(run)["method"] == "fixmatch"
    folder.claim(run, CONFIG, overwrite=True)
    assert [file.name for file in run.iterdir()] == ["config.json"]


def test_a_kill_while_starting_anew_leaves_a_run(tmp_path, monkeypatch):
    run = tmp_path / "run"
    folder.claim(run, CONFIG)
    (run / "labels.db").write_text("the user's")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(folder, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.claim(run, CONFIG, overwrite=True)
    monkeypatch.undo()
    folder.claim(run, CONFIG, overwrite=True)
    assert sorted(file.name for file in run.iterdir()) == ["config.json", "labels.db"]


def test_a_damaged_configuration_among_files_of_a_run(tmp_path):
    run = tmp_path / "run"
    folder.claim(run, CONFIG)
    (run / "checkpoint.pt").write_text("weights")
    (run / "config.json").write_text(json.dumps(CONFIG)[:40])
    for resume in (False, True):
        with pytest.raises(LeavenError, match=r"config\.json is damaged .*start anew with --overwrite"):
            folder.check(run, CONFIG, resume=resume)
    with pytest.raises(LeavenError, match=r"config\.json is damaged"):
        folder.read_config(run)
    folder.claim(run, CONFIG, overwrite=True)
    assert folder.read_config(run)["method"] == "fixmatch"
    assert not (run / "checkpoint.pt").exists()

"""Where a run may go: what lies there is untouched unless it is a run and was to be overwritten; full disks."""

import os
from functools import partial

import pytest
from forked import Forked
from helpers_cli import FAST, snapshot


@pytest.fixture
def into(refused, place):
    """``leaven fit`` on good data into a place, refused."""

    def command(out, *words):
        return refused("fit", place / "photos", "--labels", place / "labels.csv", "-o", out, *FAST, *words)

    return command


def test_a_run_folder_that_exists(into, finished):
    before = snapshot(finished)
    sentence = into(finished)
    assert str(finished) in sentence
    assert "--resume" in sentence
    assert "--overwrite" in sentence
    assert snapshot(finished) == before


def test_a_run_goes_on_with_the_same_options_only(into, refused, finished, place):
    before = snapshot(finished)
    assert "steps was 3, is 4" in into(finished, "--resume", "--steps", "4", "--baseline")
    assert "threshold was 0.95, is 0.5" in into(finished, "--resume", "--threshold", "0.5")
    assert "method was 'fixmatch', is 'supervised'" in into(finished, "--resume", "--method", "supervised")
    words = ("fit", place / "test", "-o", finished, *FAST, "--resume", "--validation", "0")
    assert "items was 24, is 12" in refused(*words)
    assert snapshot(finished) == before


@pytest.mark.parametrize("words", [(), ("--overwrite",), ("--resume",)])
@pytest.mark.parametrize("config", [None, "{}", '{"method": "of another program"}', "[1]", "no json"])
def test_what_is_no_run_is_left_alone(into, tmp_path, words, config):
    out = tmp_path / "precious"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    if config is not None:
        (out / "config.json").write_text(config)
    before = snapshot(out)
    assert f"{out} exists and is no run" in into(out, *words)
    assert snapshot(out) == before


def test_a_file_is_left_alone(into, tmp_path):
    (tmp_path / "file").write_text("mine")
    assert "is a file" in into(tmp_path / "file", "--overwrite")
    assert "is a file" in into(tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_of_somebody_else(into, tmp_path):
    (tmp_path / "theirs").mkdir(mode=0o500)
    assert "not yours to write to" in into(tmp_path / "theirs" / "x")


def test_a_place_where_no_folder_can_be_made(into):
    if not os.path.isdir("/proc/self"):
        pytest.skip("no /proc")
    assert "/proc/run" in into("/proc/run")


def test_the_demo_leaves_a_run_alone(refused, finished):
    before = snapshot(finished)
    assert "another kind of run" in refused("demo", "-o", finished)
    assert snapshot(finished) == before


def test_a_bad_option_leaves_the_run_that_it_would_overwrite(into, finished):
    before = snapshot(finished)
    into(finished, "--overwrite", "--threshold", "x")
    into(finished, "--overwrite", "--network", "resnt")
    into(finished, "--overwrite", "--labels", "missing.csv")
    assert snapshot(finished) == before


def test_a_loss_that_is_no_number(refused, place, tmp_path):
    out = tmp_path / "run"
    words = ("fit", place / "photos", "--labels", place / "labels.csv", "-o", out, *FAST)
    sentence = refused(*words, "--lr", "1e30", "--steps", "20")
    assert "NaN or infinite at step " in sentence
    assert not (out / "model.safetensors").exists()
    assert not (out / "result.json").exists()


def test_a_full_disk(processes, tmp_path, place):
    """A limit on the size of files stands for the disk; the command is a process of its own, for the limit stays."""
    out = tmp_path / "runs" / "x"
    resource = pytest.importorskip("resource")
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (40000, 40000))
    words = ["fit", place / "photos", "--labels", place / "labels.csv", "-o", out, *FAST]
    with open(tmp_path / "out", "w") as said, open(tmp_path / "err", "w") as errors:
        done = Forked(processes, "leaven", *words, stdout=said, stderr=errors, before=limit)
        assert done.wait(300) == 2
    assert (tmp_path / "out").read_text() == ""
    errors = (tmp_path / "err").read_text()
    *_, last = errors.splitlines()  # after what is about to be trained
    assert last.startswith(f"leaven: The checkpoint {out}")
    assert errors.count("leaven: ") == 1
    assert not list(out.glob("*.part"))

"""Bad options and bad places through the real command: one sentence, exit code 2, and what lay there is untouched."""

import json
import os
import shutil

import pytest
from helpers_cli import FAST, snapshot


@pytest.fixture
def fit(refused, place, tmp_path):
    """``leaven fit`` on good data that is refused and leaves nothing."""

    def command(*words):
        out = tmp_path / "runs" / "x"
        sentence = refused("fit", place / "photos", "--labels", place / "labels.csv", "-o", out, *FAST, *words)
        assert not (tmp_path / "runs").exists()
        return sentence

    return command


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--method", "fixmach"), "'fixmach'; did you mean 'fixmatch'"),
        (("--treshold", "0.9"), "--treshold; did you mean --threshold"),
        (("--treshold=0.9",), "--treshold; did you mean --threshold"),
        (("--no-alignmnt",), "--no-alignmnt; did you mean --"),
        (("--stepps", "3"), "--stepps; did you mean --steps"),
        (("--zzz",), "--zzz; `leaven methods` lists"),
        (("--threshold", "much"), "'much'"),
        (("--threshold",), "--threshold was given no value"),
        (("--threshold", "nan"), "threshold is nan"),
        (("--alignment=maybe",), "'maybe'"),
        (("--steps", "many"), "'--steps'"),
        (("--steps", "0"), "steps is 0"),
        (("--batch-size", "-2"), "batch_size is -2"),
        (("--lr", "0"), "lr must be positive"),
        (("--lr", "inf"), "lr is inf"),
        (("--clip", "-1"), "clip is -1.0"),
        (("--ema", "1.5"), "ema is 1.5"),
        (("--weight-decay", "-1"), "weight_decay is -1.0"),
        (("--checkpoint-every", "-1"), "checkpoint_every is -1.0"),
        (("--optimizer", "adam"), "'adam'"),
        (("--precision", "half"), "'half'"),
        (("--accelerator", "abacus"), "'abacus'"),
        (("--devices", "4"), "4 processes"),
        (("--network", "resnt"), "'resnt'"),
        (("--network", "wrn-27-2"), "'wrn-27-2'"),
        (("--network", "mlp"), "'mlp'"),
        (("--network", "cnn", "--pretrained"), "no pretrained weights"),
        (("--validation", "2"), "2.0"),
        (("--logger", "papyrus"), "'papyrus'"),
        (("another",), "another"),
        (("-x",), "-x"),
        (("--resume",), "no run in"),
        (("--resume", "--overwrite"), "not both"),
    ],
)
def test_options(fit, words, named):
    assert named in fit(*words)


def test_a_missing_package_of_a_logger(fit, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "wandb" else find(name, *a))
    assert "leaven[wandb]" in fit("--logger", "wandb")


@pytest.mark.skipif(os.environ.get("CUDA_VISIBLE_DEVICES", "") != "", reason="there may be a graphics card")
def test_a_graphics_card_that_is_not_there(fit, monkeypatch):
    import torch

    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("there is one")
    assert "'gpu'" in fit("--accelerator", "gpu")


@pytest.mark.parametrize(
    "words",
    [("bogus",), ("fit",), ("fit", "photos"), ("evaluate", "a"), ("predict", "a", "b"), ("report", "a", "--wrong")],
)
def test_misuse_of_commands(refused, words):
    assert "--help" in refused(*words)


def test_a_command_mistyped(refused):
    assert "'methods'" in refused("methodss")
    assert "'fixmatch'" in refused("methods", "fixmach")


# -- where a run goes -----------------------------------------------------------------------------------------


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


# -- what is done with a run ----------------------------------------------------------------------------------


def test_commands_on_what_is_no_run(refused, place, tmp_path):
    for command in (("evaluate",), ("predict", "-o", tmp_path / "p.csv"), ("report",), ("export",)):
        data = [place / "test"] if command[0] in ("evaluate", "predict") else []
        for folder in (tmp_path / "gone", place / "photos"):
            assert str(folder) in refused(command[0], folder, *data, *command[1:])
    assert not list(tmp_path.iterdir())


@pytest.fixture
def copied(finished, tmp_path):
    """A run of the test's own."""
    return shutil.copytree(finished, tmp_path / "run")


def test_a_run_without_a_model(refused, copied, place, tmp_path):
    (copied / "model.safetensors").unlink()
    for words in (("evaluate", copied, place / "test"), ("predict", copied, place / "more", "-o", tmp_path / "p.csv")):
        sentence = refused(*words)
        assert "model.safetensors is missing" in sentence
        assert "--resume" in sentence
    assert "model.safetensors is missing" in refused("export", copied)
    assert not (tmp_path / "p.csv").exists()


def _header(**changes):
    return {"leaven": json.dumps({"network": {"name": "cnn"}, "classes": ["a"]} | changes)}


@pytest.mark.parametrize(
    "content", ["garbage", "empty", "no header", "other network", "other weights", "network is a list"]
)
def test_a_damaged_model(refused, copied, place, tmp_path, content):
    import torch
    from safetensors.torch import save_file

    path = copied / "model.safetensors"
    whole = path.read_bytes()
    if content == "garbage":
        path.write_bytes(os.urandom(1000))
    elif content == "empty":
        path.write_bytes(b"")
    elif content == "other weights":
        path.write_bytes(whole[:-100])
    else:
        headers = {"no header": None, "other network": _header(), "network is a list": _header(network=[1])}
        save_file({"x": torch.zeros(3)}, path, metadata=headers[content])
    sentence = refused("predict", copied, place / "more", "-o", tmp_path / "p.csv")
    assert "model.safetensors is not a model of leaven" in sentence
    assert not (tmp_path / "p.csv").exists()


def test_evaluate_refuses(refused, copied, place, tmp_path):
    from helpers_cli import make_folder

    before = snapshot(copied)
    assert "no labels to evaluate on" in refused("evaluate", copied, place / "more")
    assert "labels" in refused("evaluate", copied, place / "photos", "--labels", tmp_path / "gone.csv")
    make_folder(tmp_path / "odd", 3, by_class=True, classes=("dark", "light", "purple"))
    assert "purple" in refused("evaluate", copied, tmp_path / "odd")
    for name in ("../x", "", "unlabelled", "validation", "a/b"):
        assert "--name" in refused("evaluate", copied, place / "test", "--name", name)
    (copied / "result.json").write_text("{")
    assert "result.json" in refused("evaluate", copied, place / "test")
    (copied / "result.json").write_bytes(before["result.json"])
    assert snapshot(copied) == before


@pytest.mark.parametrize("name", ["p.txt", "p", "p.xlsx", "p.csv.gz"])
def test_predictions_of_an_unknown_kind(refused, finished, place, tmp_path, name):
    assert name in refused("predict", finished, place / "more", "-o", tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_predictions_and_exports_that_cannot_be_written(refused, finished, place, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "p.csv").mkdir()
    for out in (tmp_path / "file" / "p.csv", tmp_path / "p.csv"):
        assert str(out) in refused("predict", finished, place / "more", "-o", out)
    assert str(tmp_path / "file" / "m.onnx") in refused("export", finished, "-o", tmp_path / "file" / "m.onnx")
    assert f"{tmp_path} is a folder" in refused("export", finished, "-o", tmp_path)
    assert "'onx'; did you mean onnx" in refused("export", finished, "--format", "onx")
    assert (tmp_path / "file").read_text() == "mine"


def test_features_where_images_were_learnt_from(refused, finished, place, tmp_path):
    import numpy as np

    np.savez(tmp_path / "f.npz", x=np.eye(4, dtype=np.float32))
    assert "(4,)" in refused("predict", finished, tmp_path / "f.npz", "-o", tmp_path / "p.csv")


# -- what goes wrong on the way -------------------------------------------------------------------------------


def test_a_loss_that_is_no_number(refused, place, tmp_path):
    out = tmp_path / "run"
    words = ("fit", place / "photos", "--labels", place / "labels.csv", "-o", out, *FAST)
    sentence = refused(*words, "--lr", "1e30", "--steps", "20")
    assert "NaN or infinite at step " in sentence
    assert not (out / "model.safetensors").exists()
    assert not (out / "result.json").exists()


def test_a_full_disk(tmp_path, place, finished):
    """A limit on the size of files stands for the disk; the command is a process of its own, for the limit stays."""
    import subprocess
    import sys

    out = tmp_path / "runs" / "x"
    script = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (40000, 40000)); from leaven.cli import main; main()"
    words = ["fit", place / "photos", "--labels", place / "labels.csv", "-o", out, *FAST]
    done = subprocess.run([sys.executable, "-c", script, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"leaven: The checkpoint {out}")
    assert done.stderr.count("\n") == 1
    assert not list(out.glob("*.part"))
    table = tmp_path / "p.csv"
    words = ["export", finished, "--format", "safetensors", "-o", table]
    done = subprocess.run([sys.executable, "-c", script, *map(str, words)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"leaven: {table} cannot be written (File too large)")
    assert not list(tmp_path.glob("p.csv*"))

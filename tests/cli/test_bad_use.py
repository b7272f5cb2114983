"""Evaluating, predicting, reporting and exporting what cannot be: one sentence, exit code 2, nothing written."""

import json
import os
import shutil

import pytest
from helpers_cli import make_folder, snapshot


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
    before = snapshot(copied)
    assert "no labels to evaluate on" in refused("evaluate", copied, place / "more")
    assert "gone.csv" in refused("evaluate", copied, place / "photos", "--labels", tmp_path / "gone.csv")
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

"""Options of ``leaven fit``: what is held out and hidden, hyper-parameters, ``--overwrite`` and ``--resume``."""

import json
import shutil

import pytest
from helpers_cli import FAST, SHORT, make_folder

from leaven.evaluation.classification import Evaluation


@pytest.fixture
def run(finished, tmp_path):
    """A run of the test's own."""
    return shutil.copytree(finished, tmp_path / "run")


def test_everything_with_one_class_folder_each(leaven, place, tmp_path):
    """``--validation``, ``--test``, ``--per-class``: what is held out is told apart, what is hidden stays hidden."""
    make_folder(tmp_path / "data", 36, by_class=True)
    out = tmp_path / "run"
    words = ("fit", tmp_path / "data", "-o", out, *FAST, "--per-class", "4", "--validation", "0.25", "--seed", "3")
    rows = json.loads(leaven(*words, "--test", place / "test", "--json").out)["rows"]
    assert [(r["split"], r["labels"], r["n"]) for r in rows] == [("validation", 9, 3), ("test", 9, 12)]
    held = Evaluation.load(out / "evaluations" / "validation.npz")
    rest = Evaluation.load(out / "evaluations" / "unlabelled.npz")
    assert not set(held.ids) & set(rest.ids)
    assert int(rest.has_label.sum()) == 9


def test_hyperparameters_stand_anywhere(leaven, place, tmp_path):
    data = (place / "photos", "--labels", place / "labels.csv", "-o", tmp_path / "run", *FAST, "--overwrite")

    def chosen(*words):
        assert leaven("fit", *words).code == 0
        return json.loads((tmp_path / "run" / "config.json").read_text())["hyperparameters"]

    assert chosen("--threshold", "0.5", "--alignment", *data)["threshold"] == 0.5
    found = chosen("--alignment", *data, "--threshold=0.6", "--ratio", "2")
    assert (found["alignment"], found["threshold"], found["ratio"]) == (True, 0.6, 2)
    assert chosen(*data, "--no-alignment")["alignment"] is False
    assert chosen("--no-strong", *data, "--method=supervised") == {"strong": False}


def test_overwrite_removes_what_a_run_wrote_and_nothing_else(leaven, run, place):
    (run / "notes.txt").write_text("mine")
    (run / "metrics.csv.part").write_text("torn")
    (run / "model.onnx").write_text("old")
    words = ("fit", place / "photos", "--labels", place / "labels.csv", "-o", run, *FAST, "--overwrite")
    assert leaven(*words, "--method", "pseudo-label").code == 0
    assert (run / "notes.txt").read_text() == "mine"
    assert not (run / "baseline").exists()
    assert not (run / "model.onnx").exists()
    assert not (run / "metrics.csv.part").exists()
    assert json.loads((run / "config.json").read_text())["method"] == "pseudo_label"


def test_a_finished_run_resumed_is_the_same(leaven, run, place):
    before = (run / "model.safetensors").read_bytes()
    words = ("fit", place / "photos", "--labels", place / "labels.csv", "-o", run, *SHORT, "--resume")
    assert leaven(*words, "--checkpoint-every", "5", "--test", place / "test").code == 0
    assert (run / "model.safetensors").read_bytes() == before
    assert len(json.loads((run / "result.json").read_text())) == 2

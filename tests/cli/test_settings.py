"""Settings other than a folder with a table of labels: adaptation, arrays, several processes, Ctrl-C."""

import json
import signal
import time

import numpy as np
import pytest
from forked import Forked
from helpers_cli import CLASSES, FAST, SHORT, make_folder, write_csv

from leaven.evaluation.classification import Evaluation
from leaven.train.engine import train


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A labelled source and a target whose subfolders tell its classes too."""
    root = tmp_path_factory.mktemp("two")
    make_folder(root / "source", 12, by_class=True)
    make_folder(root / "target", 12, seed=5, by_class=True)
    return root


def test_a_target_in_class_folders_leaks_no_label(leaven, two, tmp_path):
    out = tmp_path / "run"
    words = ("fit", two / "target", "--source", two / "source", "-o", out, *SHORT, "--test", two / "target")
    rows = json.loads(leaven(*words, "--json").out)["rows"]
    assert [(r["method"], r["labels"], r["source_labels"]) for r in rows] == [
        ("supervised", 0, 12),
        ("adamatch", 0, 12),
    ]
    for folder in (out, out / "baseline"):
        found = Evaluation.load(folder / "evaluations" / "unlabelled.npz")
        assert len(found.ids) == 12
        assert not found.has_label.any()
    data = json.loads((out / "config.json").read_text())["data"]
    assert (data["labelled"], data["source"], data["unlabelled"]) == (12, 12, 12)


def test_a_target_folder_may_hold_any_subfolders(leaven, two, tmp_path):
    make_folder(tmp_path / "target", 6, seed=6, by_class=True, classes=("monday", "tuesday", "sunday"))
    out = tmp_path / "run"
    assert leaven("fit", tmp_path / "target", "--source", two / "source", "-o", out, *FAST).code == 0
    assert json.loads((out / "config.json").read_text())["classes"] == list(CLASSES)


def test_labels_of_a_target(leaven, two, tmp_path):
    """What is held out is of the target; what the table does not name stays unknown."""
    names = {f"{CLASSES[i % 3]}/{i:03d}.png": CLASSES[i % 3] for i in range(9)}
    table = write_csv(tmp_path / "t.csv", names)
    out = tmp_path / "run"
    words = ("fit", two / "target", "--source", two / "source", "--labels", table, "-o", out, *FAST)
    rows = json.loads(leaven(*words, "--per-class", "2", "--validation", "0.5", "--json").out)["rows"]
    assert [(r["split"], r["labels"], r["source_labels"], r["n"]) for r in rows] == [("validation", 3, 12, 3)]
    held = Evaluation.load(out / "evaluations" / "validation.npz")
    rest = Evaluation.load(out / "evaluations" / "unlabelled.npz")
    assert not any(name.startswith("source:") for name in held.ids)
    assert set(held.ids) <= set(names)
    assert int(rest.has_label.sum()) == 3
    assert set(rest.ids[rest.has_label]) <= set(names)
    shown = leaven(*words, "--per-class", "2", "--validation", "0.5", "--overwrite").out
    assert "3 + 12" in shown


@pytest.mark.parametrize("method", ["adamatch", "mme"])
def test_labels_of_some_of_the_sources_classes(leaven, two, tmp_path, method):
    """Few labels of the target seldom name every class: a table of one class was refused."""
    table = write_csv(tmp_path / "few.csv", {"stripes/002.png": "stripes", "stripes/005.png": "stripes"})
    out = tmp_path / "run"
    words = ("fit", two / "target", "--source", two / "source", "--labels", table, "-o", out, "--method", method, *FAST)
    rows = json.loads(leaven(*words, "--test", two / "target", "--json").out)["rows"]
    assert [(r["method"], r["labels"], r["source_labels"]) for r in rows] == [(method, 2, 12)]
    assert json.loads((out / "config.json").read_text())["classes"] == list(CLASSES)
    found = Evaluation.load(out / "evaluations" / "unlabelled.npz")
    assert found.labels[found.has_label].tolist() == [2, 2]
    write_csv(table, {"dark/000.png": "grey"})
    said = leaven(*words, "--overwrite")
    assert said.code == 2
    assert "the class grey, expected only dark, light, stripes" in said.err


def test_feature_vectors(leaven, tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = (rng.normal(size=(60, 6)) + 4 * np.eye(6)[y]).astype(np.float32)
    few = np.where(np.arange(60) < 6, y, -1)
    names = ["a", "b", "c"]
    np.savez(tmp_path / "few.npz", x=x, y=few, classes=names)
    np.savez(tmp_path / "all.npz", x=x, y=y, classes=names)
    np.savez(tmp_path / "new.npz", x=x[:4], ids=["p", "q", "r", "s"])
    out = tmp_path / "run"
    assert leaven("fit", tmp_path / "few.npz", "-o", out, *SHORT).code == 0
    rows = json.loads(leaven("evaluate", out, tmp_path / "all.npz", "--json").out)["rows"]
    assert [(r["labels"], r["n"]) for r in rows] == [(6, 60), (6, 60)]
    assert leaven("predict", out, tmp_path / "new.npz", "-o", tmp_path / "p.csv").code == 0
    assert [line.split(",")[0] for line in (tmp_path / "p.csv").read_text().splitlines()[1:]] == list("pqrs")
    said = leaven("fit", tmp_path / "few.npz", "--source", tmp_path / "all.npz", "-o", tmp_path / "two", *FAST)
    assert said.code == 0
    assert said.err.startswith("leaven: The target ")
    assert "6 labels" in said.err


def test_images_in_arrays(leaven, place, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "im.npz", x=rng.integers(0, 255, (30, 8, 8), dtype=np.uint8), y=np.arange(30) % 2)
    out = tmp_path / "run"
    assert leaven("fit", tmp_path / "im.npz", "-o", out, *FAST, "--validation", "0").code == 0
    assert leaven("predict", out, place / "more", "-o", tmp_path / "p.csv").code == 0


def test_a_table_beside_its_images(leaven, tmp_path):
    truth = make_folder(tmp_path / "data", 9)
    table = write_csv(tmp_path / "data" / "labels.csv", truth)
    out = tmp_path / "run"
    assert leaven("fit", table, "-o", out, *FAST, "--size", "6").code == 0
    assert json.loads((out / "config.json").read_text())["network"]["shape"] == [6, 6, 1]
    assert json.loads(leaven("evaluate", out, table, "--json").out)["rows"][0]["n"] == 9


def test_two_processes(leaven, place, tmp_path):
    """Training, evaluation and report; JSON alone on standard output, nothing on standard error."""
    out = tmp_path / "run"
    words = ("fit", place / "photos", "--labels", place / "labels.csv", "-o", out, *FAST, "--devices", "2")
    said = leaven(*words, "--test", place / "test", "--json")
    assert (said.code, "leaven: " in said.err) == (0, False)
    assert [r["n"] for r in json.loads(said.out)["rows"]] == [12]
    assert (out / "report.html").is_file()


def test_ctrl_c_and_resume(leaven, processes, place, tmp_path):
    """The run ends between two steps, says how to go on, and ends bit for bit like one that was not stopped."""
    words = ("fit", place / "photos", "--labels", place / "labels.csv", *FAST, "--steps", "90")
    stopped = ("leaven", *words, "-o", tmp_path / "cut", "--checkpoint-every", "0")
    with open(tmp_path / "out", "w") as said, open(tmp_path / "err", "w") as errors:
        process = Forked(processes, *stopped, stdout=said, stderr=errors)
    deadline = time.monotonic() + 60
    while not (tmp_path / "cut" / "checkpoint.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert (process.wait(60), (tmp_path / "out").read_text()) == (130, "")
    assert (tmp_path / "err").read_text().splitlines()[-1] == "leaven: stopped; the same command with --resume goes on."
    assert not (tmp_path / "cut" / "model.safetensors").exists()
    assert leaven(*words, "-o", tmp_path / "cut", "--resume").code == 0
    assert leaven(*words, "-o", tmp_path / "whole").code == 0
    one, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("cut", "whole"))
    assert one == other


def test_who_stops_the_baseline_has_a_finished_run(leaven, place, tmp_path, monkeypatch):
    """The method is trained first; its model, figures and report do not wait for what it is compared with."""
    words = ("fit", place / "photos", "--labels", place / "labels.csv", *SHORT, "--validation", "0.3")
    out = tmp_path / "cut"
    labels = []

    def stopped(job):
        labels.append(job.label)
        if job.label == "baseline":
            raise KeyboardInterrupt
        return train(job)

    monkeypatch.setattr("leaven.run.training.train", stopped)
    cut = leaven(*words, "-o", out)
    assert (cut.code, labels) == (130, ["fixmatch", "baseline"])
    assert cut.err.splitlines()[-1] == (
        f"leaven: stopped; model and report in {out} are finished, the supervised baseline is not: --resume trains it."
    )
    assert [row["method"] for row in json.loads((out / "result.json").read_text())] == ["fixmatch"]
    assert "baseline is not trained yet" in (out / "report.html").read_text()
    assert leaven("predict", out, place / "photos", "-o", tmp_path / "all.csv").code == 0
    kept = (out / "model.safetensors").read_bytes()
    assert leaven("evaluate", out, place / "photos", "--labels", place / "labels.csv").code == 0

    monkeypatch.undo()
    assert leaven(*words, "-o", out, "--resume").code == 0
    assert (out / "model.safetensors").read_bytes() == kept
    assert leaven(*words, "-o", tmp_path / "whole").code == 0
    for where in ("", "baseline"):
        one, other = (tmp_path / name / where / "model.safetensors" for name in ("cut", "whole"))
        assert one.read_bytes() == other.read_bytes()
    rows = [(row["method"], row["split"]) for row in json.loads((out / "result.json").read_text())]
    assert rows == [("supervised", "validation"), ("fixmatch", "validation"), ("fixmatch", "test")]
    assert "baseline is not trained yet" not in (out / "report.html").read_text()


def test_only_the_first_process_writes(leaven, place, tmp_path, monkeypatch):
    """A launcher such as torchrun starts the whole command several times."""
    from leaven.utils.main_process import is_main_process

    assert is_main_process()
    monkeypatch.setenv("RANK", "0")
    assert is_main_process()
    monkeypatch.setenv("RANK", "1")
    assert not is_main_process()

"""The commands as a new user types them, one after the other, on a tiny folder of PNG files."""

import csv
import json
import shutil

import numpy as np
import pytest
from helpers_cli import CLASSES, FAST, make_folder, snapshot, write_csv

from leaven.data import read
from leaven.evaluation.classification import Evaluation
from leaven.run.trained.model import load_model


@pytest.fixture
def run(finished, tmp_path):
    """A run of the test's own."""
    return shutil.copytree(finished, tmp_path / "run")


def test_fit_writes_what_the_run_folder_promises(finished):
    files = {"config.json", "metrics.csv", "checkpoint.pt", "model.safetensors"}
    for folder in (finished, finished / "baseline"):
        assert files <= {f.name for f in folder.iterdir()}
        assert not list(folder.rglob("*.part"))
        assert (folder / "evaluations" / "unlabelled.npz").is_file()
    config = json.loads((finished / "config.json").read_text())
    assert config["method"] == "fixmatch"
    assert config["classes"] == list(CLASSES)
    assert config["data"]["items"] == 24
    assert config["data"]["labels_per_class"] == [3, 3, 3]
    assert config["data"]["trained_on"] == {"labels": 9}
    assert json.loads((finished / "baseline" / "config.json").read_text())["method"] == "supervised"
    assert json.loads((finished / "result.json").read_text()) == []  # no label was held out, so no figure
    page = (finished / "report.html").read_text()
    assert "FixMatch" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_labels_that_were_not_given_are_not_known(finished):
    """The table names nine labels and one empty one: no file of the run knows another."""
    for folder in (finished, finished / "baseline"):
        found = Evaluation.load(folder / "evaluations" / "unlabelled.npz")
        assert int(found.has_label.sum()) == 9
        assert set(found.ids[found.has_label]) == {f"{i:03d}.png" for i in range(9)}


def test_fit_says_that_there_is_no_figure(leaven, place, tmp_path):
    words = ("fit", place / "photos", "--labels", place / "labels.csv", "-o", tmp_path / "run", *FAST)
    said = leaven(*words)
    assert said.code == 0
    assert "No accuracy can be stated" in said.out
    assert "leaven evaluate" in said.out
    assert said.err.splitlines() == [
        "24 images of 8 x 8 pixels, 1 channel, 3 classes; 9 labels.",
        f"Network cnn (from random weights); method FixMatch, 3 steps of 6, into {tmp_path / 'run'}.",
        "Images are mirrored too; --no-flip, where a mirrored one is of another class.",
    ]
    again = leaven(*words, "--overwrite", "--json")
    content = json.loads(again.out)
    assert content["rows"] == []
    assert "No accuracy" in content["note"]


def test_evaluate(leaven, run, place):
    said = leaven("evaluate", run, place / "test", "--json")
    assert (said.code, said.err) == (0, "")
    rows = json.loads(said.out)["rows"]
    assert [(r["method"], r["split"], r["labels"], r["n"]) for r in rows] == [
        ("supervised", "test", 9, 12),
        ("fixmatch", "test", 9, 12),
    ]
    assert json.loads((run / "result.json").read_text()) == rows
    for row, folder in zip(rows, (run / "baseline", run), strict=True):
        found = Evaluation.load(folder / "evaluations" / "test.npz")
        truth = np.array([found.classes[k] for k in found.labels])
        assert (truth == [i.split("/")[0] for i in found.ids]).all()
        assert row["accuracy"] == pytest.approx((found.predicted == found.labels).mean())
        assert 0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1
        assert row["seconds"] > 0
    assert "12 test items" in (run / "report.html").read_text()

    again = leaven("evaluate", run, place / "test", "--name", "second")
    assert "fixmatch" in again.out
    assert "second" in again.out
    assert len(json.loads((run / "result.json").read_text())) == 4
    leaven("evaluate", run, place / "test", "--name", "second")
    assert len(json.loads((run / "result.json").read_text())) == 4  # the same name takes the place of the old rows


def test_evaluate_with_a_table_of_labels(leaven, run, place, tmp_path):
    truth = make_folder(tmp_path / "flat", 6, seed=4)
    table = write_csv(tmp_path / "t.csv", {name: truth[name] for name in list(truth)[:4]})
    rows = json.loads(leaven("evaluate", run, tmp_path / "flat", "--labels", table, "--json").out)["rows"]
    assert [r["n"] for r in rows] == [4, 4]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_predict(leaven, finished, place, tmp_path, ending):
    out = tmp_path / "made" / f"predictions.{ending}"
    before = snapshot(finished)
    said = leaven("predict", finished, place / "more", "-o", out, "--json")
    assert json.loads(said.out) == {"items": 5, "out": str(out)}
    assert [f.name for f in out.parent.iterdir()] == [out.name]
    if ending == "csv":
        with open(out, newline="") as file:
            rows = list(csv.DictReader(file))
    else:
        from pyarrow import parquet

        rows = parquet.read_table(out).to_pylist()
    model = load_model(finished)
    items = read(place / "more", size=(8, 8), channels=1).items
    expected = model.predict_proba(items)
    given = np.array([[float(row[f"p({name})"]) for name in model.classes] for row in rows])
    np.testing.assert_allclose(given, expected, atol=1e-6)
    np.testing.assert_allclose(given.sum(1), 1, atol=1e-5)
    assert [row["id"] for row in rows] == [f"{i:03d}.png" for i in range(5)]
    assert [row["label"] for row in rows] == [model.classes[k] for k in expected.argmax(1)]
    np.testing.assert_allclose([float(row["confidence"]) for row in rows], expected.max(1), atol=1e-6)
    assert snapshot(finished) == before
    assert leaven("predict", finished, place / "more", "-o", out).out == f"5 predictions in {out}\n"


def test_predict_looks_at_no_label(leaven, finished, place, tmp_path):
    """Subfolders of what is predicted are part of the names, whatever they are called."""
    make_folder(tmp_path / "new", 4, by_class=True, classes=("who", "knows", "what"))
    assert leaven("predict", finished, tmp_path / "new", "-o", tmp_path / "p.csv").code == 0
    assert "knows/001.png" in (tmp_path / "p.csv").read_text()


def test_predict_with_a_broken_image(leaven, refused, finished, tmp_path):
    make_folder(tmp_path / "new", 4)
    (tmp_path / "new" / "002.png").write_text("no image")
    said = leaven("predict", finished, tmp_path / "new", "-o", tmp_path / "p.csv")
    assert said.err.startswith("leaven: 1 of the 4 images")
    assert said.err.count("\n") == 1
    assert "3 predictions" in said.out
    words = ("predict", finished, tmp_path / "new", "-o", tmp_path / "q.csv", "--strict")
    assert "002.png" in refused(*words)
    assert not (tmp_path / "q.csv").exists()


def test_report_is_made_anew(leaven, run):
    page = run / "report.html"
    assert leaven("report", run).code == 0
    before = page.read_bytes()
    page.unlink()
    said = leaven("report", run)
    assert str(page) in said.out.replace("\n", "")
    assert page.read_bytes() == before
    assert json.loads(leaven("report", run, "--json").out) == {"rows": [], "report": str(page)}


@pytest.mark.parametrize("form", ["onnx", "torch", "safetensors"])
def test_export(leaven, run, tmp_path, form):
    import torch
    from safetensors import safe_open

    if form == "onnx":
        runtime = pytest.importorskip("onnxruntime")
    out = tmp_path / "deep" / f"exported.{form}"
    said = leaven("export", run, "--format", form, "-o", out, "--json")
    assert json.loads(said.out) == {"format": form, "out": str(out)}
    assert said.err == ""
    assert [f.name for f in out.parent.iterdir()] == [out.name]
    model = load_model(run)
    for count in (1, 2, 7):
        x = torch.rand(count, 1, 8, 8)
        own = model.network(x).detach()
        if form == "onnx":
            other = runtime.InferenceSession(out).run(["scores"], {"input": x.numpy()})[0]
        elif form == "torch":
            other = torch.export.load(out).module()(x).detach()
        else:
            other = load_model(out).network(x).detach()
        np.testing.assert_allclose(other, own, atol=1e-5)
    about = {
        "classes": list(model.classes),
        "input": {"layout": "NCHW", "height": 8, "width": 8, "channels": 1, "range": [0, 1], "colours": "grey"},
    }
    if form == "onnx":
        told = runtime.InferenceSession(out).get_modelmeta().custom_metadata_map
        found = {name: json.loads(text) for name, text in told.items()}
    elif form == "torch":
        extra = {"about.json": ""}
        torch.export.load(out, extra_files=extra)
        found = json.loads(extra["about.json"])
    else:
        with safe_open(out, "pt") as file:
            found = json.loads(file.metadata()["leaven"])
            assert found.pop("network")["name"] == "cnn"
            assert len(found.pop("digest")) == 16
            assert found.pop("white") == {}
    assert found == about


def test_export_into_the_run_folder(leaven, run):
    said = leaven("export", run, "--format", "torch")
    assert said.out == f"Exported to {run / 'model.pt2'}\n"
    before = (run / "model.safetensors").read_bytes()
    assert leaven("export", run, "--format", "safetensors").code == 0
    assert (run / "model.safetensors").read_bytes() == before

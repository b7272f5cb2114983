import json

from leaven.cli import demo as command
from leaven.study import demo


def test_demo_writes_every_row_and_the_page(tmp_path, monkeypatch, capsys):
    short = {"steps": 2, "batch_size": 10, "probes": 1}
    monkeypatch.setattr(demo, "PLAN", dict.fromkeys(("supervised", "fixmatch", "adamatch"), short))
    monkeypatch.setattr(demo, "RENDERED", 60)
    command.demo(tmp_path / "demo", 2, True)
    shown = json.loads(capsys.readouterr().out)["rows"]
    rows = json.loads((tmp_path / "demo" / "result.json").read_text())
    assert rows == shown
    assert [(r["labels"], r["method"]) for r in rows] == [
        (0, "source_only"),
        (0, "source_only_strong"),
        (0, "adamatch"),
        (10, "labelspreading"),
        (10, "supervised"),
        (10, "fixmatch"),
        (40, "labelspreading"),
        (40, "supervised"),
        (40, "fixmatch"),
    ]
    for row in rows:
        assert set(row) == {"data", "labels", "method", "accuracy", "low", "high", "seeds", "seconds"}
        assert 0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1
        assert row["seeds"] == 2
    page = (tmp_path / "demo" / "report.html").read_text()
    assert "fixmatch/40/report.html" in page
    assert (tmp_path / "demo" / "fixmatch" / "40" / "report.html").exists()


def test_the_held_out_digits_are_the_same_for_every_split_and_never_trained_on(tmp_path):
    experiment = demo.Experiment(tmp_path)
    assert set(experiment.test.ids).isdisjoint(experiment.pool.ids)
    assert list(demo.Experiment(tmp_path).test.ids) == list(experiment.test.ids)

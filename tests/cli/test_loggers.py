"""Where numbers go beside the CSV: TensorBoard, and any logger of Lightning's kind."""

import csv
import json
import sys

import pytest
from helpers_cli import make_folder

CODE = '''
import json


class Lines:
    """Keeps what it is given, as MLflow's of Lightning would."""

    def __init__(self, path="lines.jsonl"):
        self.file = open(path, "a")

    def log_metrics(self, metrics, step):
        print(json.dumps({"step": step, **metrics}), file=self.file)

    def finalize(self, status):
        print(json.dumps(status), file=self.file)
        self.file.close()


class Deaf:
    pass
'''


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of images, and a module of one's own that Python finds; the current folder is empty."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "my_loggers.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    monkeypatch.delitem(sys.modules, "my_loggers", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    make_folder(tmp_path / "images", 9, by_class=True)
    return tmp_path


def run(leaven, place, *words):
    return leaven("fit", place / "images", "-o", place / "run", "--method", "supervised", "--steps", 4, *words)


def test_a_logger_of_ones_own_gets_every_line_of_the_csv(leaven, place):
    assert run(leaven, place, "--logger", "my_loggers:Lines").code == 0
    *lines, ended = [json.loads(line) for line in (place / "here" / "lines.jsonl").read_text().splitlines()]
    with open(place / "run" / "metrics.csv") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert ended == "success"
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    for line, row in zip(lines, rows, strict=True):
        assert line == pytest.approx(row, rel=1e-4)


def test_tensorboard(leaven, place):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    assert run(leaven, place, "--logger", "tensorboard").code == 0
    events = accumulator.EventAccumulator(str(place / "run" / "tensorboard"))
    events.Reload()
    assert {"loss", "lr", "seconds"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("loss")] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("my_loggers:Nobody", "Nobody"), ("no_such_module:Lines", "no_such_module"), ("my_loggers:Deaf", "log_metrics")],
)
def test_what_is_no_logger_is_refused_before_anything_is_written(refused, place, name, reason):
    words = ("fit", place / "images", "-o", place / "run", "--method", "supervised", "--steps", 4, "--logger", name)
    sentence = refused(*words)
    assert name in sentence
    assert reason in sentence
    assert not (place / "run").exists()

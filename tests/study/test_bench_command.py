"""The command from the TOML to the table; going on where it stopped."""

import csv
import json
import signal
import statistics
import time
from pathlib import Path

import pytest
from forked import Forked

from leaven.study.bench.suite import read

PSEUDO = "Pseudo-Label, μ = 1"


def lines_of(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "cells.jsonl").read_text().splitlines()]


def test_the_suites_are_listed(leaven):
    said = leaven("bench")
    assert said.code == 0
    assert "cifar10-cpu   CIFAR-10 with 250 labels" in said.out
    assert [s["name"] for s in json.loads(leaven("bench", "--json").out)][-3:] == ["digits", "mnist-40", "omniglot"]


@pytest.mark.usefixtures("forked")
def test_a_suite_from_end_to_end_and_again(leaven, suite, tmp_path):
    out = tmp_path / "out"
    asked = ("bench", suite, "-o", out, "--labels", 10, "--json")
    said = leaven(*asked)
    assert said.code == 0, said
    rows = json.loads(said.out)["rows"]
    assert json.loads((out / "result.json").read_text()) == rows
    assert "4 of 4: " in said.err

    # every number once more, from the curves alone
    accuracy = {}
    for cell in read(suite).narrowed(labels=[10]).cells():
        with open(out / "cells" / cell.name / "curve.csv") as file:
            tests = [float(row["accuracy"]) for row in csv.DictReader(file)]
        assert len(tests) == 30
        accuracy[cell.title, cell.labels, cell.seed] = statistics.median(tests[-20:])
    for row in rows:
        both = [accuracy[row["method"], row["labels"], seed] for seed in (0, 1)]
        assert row["accuracy"] == pytest.approx(sum(both) / 2, abs=1e-5)
        half = 12.7062 * statistics.stdev(both) / 2**0.5  # Student's t of one degree
        assert row["high"] == pytest.approx(min(1, row["accuracy"] + half), abs=1e-3)
        if row["name"] == "pseudo_label":
            more = [accuracy[PSEUDO, 10, seed] - accuracy["supervised", 10, seed] for seed in (0, 1)]
            assert row["difference"] == pytest.approx(sum(more) / 2, abs=1e-5)
        assert row["seconds"] > 0
        assert row["memory"] > 10**8
    assert PSEUDO in (out / "table.md").read_text()

    # the labelled items of a seed are the same for all methods
    def labelled(name: str) -> str:
        return json.loads((out / "cells" / name / "config.json").read_text())["data"]["fingerprint"]

    names = {(c.title, c.labels, c.seed): c.name for c in read(suite).narrowed(labels=[10]).cells()}
    assert labelled(names["supervised", 10, 1]) == labelled(names[PSEUDO, 10, 1])
    assert labelled(names["supervised", 10, 1]) != labelled(names["supervised", 10, 0])

    # nothing is run twice, and what changed is run anew
    refused = leaven(*asked)
    assert (refused.code, "go on with --resume" in refused.err) == (2, True)
    before = lines_of(out)
    again = leaven(*asked, "--resume")
    assert json.loads(again.out)["rows"] == rows
    assert lines_of(out) == before
    suite.write_text(suite.read_text().replace("{ ratio = 1 }", "{ ratio = 2 }"))
    changed = leaven(*asked, "--resume")
    assert "4 trainings, 2 of them are there already." in changed.err
    fresh = lines_of(out)[len(before) :]
    assert {(line["title"], line["seed"]) for line in fresh} == {(PSEUDO, 0), (PSEUDO, 1)}
    assert [row for row in json.loads(changed.out)["rows"] if row["name"] == "supervised"] == [
        row for row in rows if row["name"] == "supervised"
    ]


@pytest.mark.usefixtures("forked")
def test_a_cell_that_fails_says_why_and_the_others_go_on(leaven, suite, tmp_path):
    out = tmp_path / "out"
    suite.write_text(suite.read_text().replace('"pseudo_label"', '"label_spredding"'))
    said = leaven("bench", suite, "-o", out, "--labels", "10", "--seeds", "1", "--steps", "2")
    assert said.code == 1, said
    assert "leaven: 1 of 2 trainings failed" in said.err
    assert "There is no method 'label_spredding'" in said.out
    failed = lines_of(out)
    assert {bool(line["note"]) for line in failed} == {True, False}
    again = leaven("bench", suite, "-o", out, "--labels", "10", "--seeds", "1", "--steps", "2", "--resume")
    assert "2 trainings, 1 of them are there already." in again.err  # what failed is tried again
    row = json.loads((out / "result.json").read_text())[1]
    assert (row["accuracy"], row["seeds"]) == (None, 0)
    asked = ("--only", "label_spredding", "--labels", "10", "--seeds", "1", "--steps", "2")
    assert leaven("bench", suite, "-o", tmp_path / "none", *asked).code == 1  # where all failed, too


def test_a_process_that_dies_is_a_note(suite, tmp_path, monkeypatch):
    from leaven.study.bench.cell import CellTraining
    from leaven.study.executor import Processes
    from leaven.utils import children

    monkeypatch.setattr(children.sys, "executable", "/bin/false")
    cells = list(read(suite).cells())[:2]
    work = CellTraining("digits", 60, tmp_path, tmp_path)
    records = list(Processes(2).run(work, [cell.trial for cell in cells]))
    assert [one["note"] for one in records] == ["The process ended with exit code 1."] * 2
    assert {one["fingerprint"] for one in records} == {cell.fingerprint for cell in cells}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("forked")
def test_stopped_in_the_middle_it_goes_on_from_the_checkpoint(leaven, processes, suite, tmp_path, number):
    """The process of its cell is one as users have it, that of the command is forked."""
    asked = ("bench", suite, "--only", "supervised", "--labels", "10", "--seeds", "1", "--steps", "400")
    out, unbroken = tmp_path / "out", tmp_path / "unbroken"
    with open(tmp_path / "err", "w") as errors:
        process = Forked(processes, "leaven", *asked, "-o", out, stderr=errors)
    [cell] = read(suite).narrowed(["supervised"], [10], 1, 400).cells()
    curve = out / "cells" / cell.name / "curve.csv"
    until = time.monotonic() + 300
    while not curve.exists() or len(curve.read_text().splitlines()) < 5:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(number)
    code = process.wait(60)
    if number == signal.SIGINT:
        assert code == 130
        assert "the same command with --resume goes on" in (tmp_path / "err").read_text()
    checkpoint = out / "cells" / cell.name / "checkpoint.pt"
    while not checkpoint.exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    assert not (out / "cells.jsonl").exists()
    kept = len(curve.read_text().splitlines())
    assert kept < 29
    if number == signal.SIGTERM:
        return  # the parent is gone, its child has stopped; the rest is the same

    def without_time(path: Path) -> list[dict]:
        with open(path) as file:
            return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]

    begun = without_time(curve)[: kept - 2]
    created = json.loads((curve.parent / "config.json").read_text())["created"]
    assert leaven(*asked, "-o", out, "--resume").code == 0
    assert leaven(*asked, "-o", unbroken).code == 0
    assert json.loads((curve.parent / "config.json").read_text())["created"] == created
    assert without_time(curve)[: len(begun)] == begun
    assert without_time(curve) == without_time(unbroken / "cells" / cell.name / "curve.csv")
    models = [(folder / "cells" / cell.name / "model.safetensors").read_bytes() for folder in (out, unbroken)]
    assert models[0] == models[1]
    assert lines_of(out)[0]["accuracy"] == lines_of(unbroken)[0]["accuracy"]


def test_other_folders_are_left_alone(leaven, suite, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "cells.jsonl").write_text("mine\n")
    said = leaven("bench", suite, "-o", tmp_path / "mine", "--overwrite")
    assert (said.code, "is left alone" in said.err) == (2, True)
    assert (tmp_path / "mine" / "cells.jsonl").read_text() == "mine\n"
    missing = leaven("bench", "mnist-40", "-o", tmp_path / "out", "--data", tmp_path)
    assert (missing.code, "mnist is not in" in missing.err) == (2, True)
    assert not (tmp_path / "out").exists()
    assert leaven("bench", suite, "--labels", "ten").err.startswith("leaven: --labels holds 'ten'")


@pytest.mark.usefixtures("planted")
def test_equal_minutes_for_every_method(leaven, suite, tmp_path):
    """As many steps as were measured when a training began; images a second are of these. The process is started as
    users do.
    """
    out = tmp_path / "out"
    said = leaven("bench", suite, "-o", out, "--labels", 20, "--seeds", 1, "--minutes", 0.02, "--json")
    assert said.code == 0, said.err
    assert "1 training." in said.err
    [line] = lines_of(out)
    [folder] = (out / "cells").iterdir()
    config = json.loads((folder / "config.json").read_text())
    steps = config["plan"]["steps"]
    assert (config["minutes"], steps > 30) == (0.02, True)  # of some milliseconds each
    assert line["images_per_second"] == pytest.approx(steps * 2 * 10 / line["seconds"], rel=0.01)

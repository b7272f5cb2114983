"""A suite whose trainings learn to solve small tasks: one training, a row for each task."""

import json

import numpy as np
import pytest

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.evaluation.episodes import evaluate_episodes
from leaven.methods.episode import Episode
from leaven.run.trained.run import load_method
from leaven.study.bench import data
from leaven.study.bench.cell import CellTraining
from leaven.study.bench.suite import find, read
from leaven.study.bench.table import figures, markdown
from leaven.study.bench.tasks import TestTask
from leaven.train.uneven import Uneven

SUITE = """
[suite]
about = "Small tasks."
data = "toy"
labels = [60]
seeds = 2

[suite.network]
name = "mlp"

[suite.plan]
steps = 3
accelerator = "cpu"
precision = "32-true"

[suite.tasks]
"3-way 1-shot" = { ways = 3, shots = 1, queries = 4, episodes = 5 }
"2-way, uneven" = { ways = 2, shots = 1, queries = 4, dirichlet = true, episodes = 6 }

[[method]]
name = "prototypical"
title = "Prototypical"
hyperparameters = { ways = 4, shots = 1, queries = 2 }
published = { "3-way 1-shot" = 98.8 }
note = "a remark"
"""


def vectors(classes: range) -> Pool:
    rng = np.random.default_rng(classes.start)
    labels = np.repeat(np.arange(len(classes)), 10)
    items = rng.normal(size=(len(labels), 4)) + rng.normal(size=(len(classes), 4))[labels]
    return Pool(items.astype(np.float32), labels, classes=tuple(f"class {k}" for k in classes))


@pytest.fixture
def few(tmp_path, monkeypatch):
    monkeypatch.setitem(data.READERS, "toy", lambda root: (vectors(range(6)), vectors(range(6, 11))))
    monkeypatch.setitem(data.PLACES, "toy", ())
    path = tmp_path / "few.toml"
    path.write_text(SUITE)
    return path


def run(suite, out):
    tasks = {cell.fingerprint: cell.tasks for cell in suite.cells()}
    work = CellTraining(suite.data, 0, out, out, tasks)
    return {cell.fingerprint: record for cell in suite.cells() for record in work(cell.trial)}


def test_each_task_is_a_row_of_one_training(few, tmp_path):
    from leaven.study.bench.cell import CellResult

    suite = read(few)
    records = run(suite, tmp_path / "out")
    assert len(records) == len(list((tmp_path / "out" / "cells").iterdir())) == 2
    rows = figures(suite, {key: CellResult(**json.loads(json.dumps(one))) for key, one in records.items()})
    assert [(row["task"], row["published"], row["seeds"]) for row in rows] == [
        ("3-way 1-shot", 98.8, 2),
        ("2-way, uneven", None, 2),
    ]
    # once more, from the run folders
    found = []
    for cell in suite.cells():
        method = load_method(tmp_path / "out" / "cells" / cell.name)
        test = vectors(range(6, 11))
        uneven = Uneven(dirichlet=2.0)
        found.append(
            [
                evaluate_episodes(method, test, Episode(3, 1, 4), 5).value,
                evaluate_episodes(method, test, Episode(2, 1, 4), 6, uneven=uneven).value,
            ]
        )
    assert [row["accuracy"] for row in rows] == pytest.approx(np.mean(found, 0), abs=1e-6)
    table = markdown(suite, rows)
    assert "| 3-way 1-shot | Prototypical |" in table
    assert "| 98.8 % | a remark |" in table


def test_one_training_has_the_interval_over_its_episodes(few, tmp_path):
    from leaven.study.bench.cell import CellResult

    suite = read(few).narrowed(seeds=1)
    [(key, record)] = run(suite, tmp_path / "out").items()
    row = figures(suite, {key: CellResult(**record)})[0]
    assert (row["low"], row["high"], row["n"]) == tuple(
        record["tasks"]["3-way 1-shot"][k] for k in ("low", "high", "n")
    )
    assert record["accuracy"] == record["tasks"]["3-way 1-shot"]["accuracy"]
    # 4 classes of an item to learn from and two to tell, three steps
    assert record["images_per_second"] == pytest.approx(3 * 4 * 3 / record["seconds"])


def test_a_finished_training_is_tested_again_without_being_trained(few, tmp_path):
    suite = read(few).narrowed(seeds=1)
    first = run(suite, tmp_path / "out")
    [where] = (tmp_path / "out" / "cells").iterdir()
    model = (where / "model.safetensors").read_bytes()
    [one], [again] = first.values(), run(suite, tmp_path / "out").values()
    assert one["tasks"] == again["tasks"]
    assert (where / "model.safetensors").read_bytes() == model


def test_what_is_tested_decides_what_a_cell_is(few):
    cells = list(read(few).cells())
    few.write_text(SUITE.replace("episodes = 5", "episodes = 7"))
    assert {c.fingerprint for c in cells}.isdisjoint(c.fingerprint for c in read(few).cells())


def test_a_method_has_its_own_time_and_network(few):
    few.write_text(SUITE + 'minutes = 2\nnetwork = { name = "angular" }\n')
    suite = read(few)
    cell = next(suite.cells())
    assert (cell.minutes, cell.network, "steps" in cell.plan) == (2.0, {"name": "angular"}, False)
    cell = next(suite.narrowed(steps=9).cells())
    assert (cell.minutes, cell.plan["steps"]) == (None, 9)
    assert next(suite.narrowed(minutes=7).cells()).minutes == 7


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("ways = 3, ", "", "suite.tasks.3-way 1-shot.ways: field required"),
        ("ways = 3", "ways = 1", "1-shot.ways: input should be greater than or equal to 2"),
        ("queries = 4, episodes", "query = 4, episodes", "1-shot.query: unexpected keyword argument"),
        ("published = {", 'tasks = ["4-way"]\npublished = {', "holds '4-way', which .* lacks"),
        ('{ "3-way 1-shot" = 98.8', '{ "60" = 98.8', r"published of method\[0\] holds '60'"),
        ('note = "a', 'minutes = -1\nnote = "a', "minutes: input should be greater than 0"),
    ],
)
def test_what_a_suite_cannot_mean(few, old, new, says):
    few.write_text(SUITE.replace(old, new))
    with pytest.raises(LeavenError, match=says):
        read(few)


def test_the_suite_of_omniglot():
    suite = find("omniglot")
    assert suite.tasks["20-way 5-shot"] == TestTask(20, 5, 15, 0, 0, False, 600)
    assert suite.labels == (4112 * 20,)
    assert {entry.name for entry in suite.entries} >= {"prototypical", "maml"}


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("baseline_pp", "head_epochs = 1"),
        ("rfs", "copies = 1"),
        ("rfs_distilled", "copies = 1"),
        ("transductive_finetuning", "epochs = 1"),
    ],
)
def test_base_training_is_tested_on_tasks_too(few, tmp_path, method, given):
    hyperparameters = "hyperparameters = { ways = 4, shots = 1, queries = 2 }"
    few.write_text(
        SUITE.replace(hyperparameters, f"hyperparameters = {{ {given} }}").replace('"prototypical"', f'"{method}"')
    )
    [record] = run(read(few).narrowed(seeds=1), tmp_path / "out").values()
    assert [one["n"] for one in record["tasks"].values()] == [5, 6]


def test_methods_of_the_suite_are_there():
    from leaven.methods.registry import get, resolve

    for entry in find("omniglot").entries:
        resolve(get(entry.name), entry.hyperparameters)

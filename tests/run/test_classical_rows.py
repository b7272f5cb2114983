"""What a run on features stands beside: the closed forms on the very same ones."""

import json

import numpy as np
import pytest

from leaven.data import Pool
from leaven.evaluation.classification import Evaluation
from leaven.methods.registry import get
from leaven.run.classical import BEST, best_rows
from leaven.run.fit import fit, rows_of
from leaven.run.options import Options
from leaven.run.training import FitResult

PLAN = {"steps": 3, "batch_size": 6, "precision": "32-true", "accelerator": "cpu", "probes": 0}


def moons(n: int, labelled: int, seed: int = 0) -> Pool:
    """Two bent clouds, which a few labels tell apart only by where the items lie."""
    rng = np.random.default_rng(seed)
    labels, angle = np.arange(n) % 2, rng.uniform(0, np.pi, n)
    x = np.stack([np.cos(angle) + labels, np.where(labels, 0.4, 0.0) + np.sin(angle) * (1 - 2 * labels)], 1)
    x = (x + rng.normal(scale=0.05, size=x.shape)).astype(np.float32)
    return Pool(x, np.where(np.arange(n) < labelled, labels, -1), classes=("a", "b"))


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("method", ["fixmatch", "co_training"])  # of one network, and of a committee
def test_the_best_closed_form_stands_in_the_table(tmp_path, kept, method):
    """Label spreading tells the moons, and is what a run of its own by that method would be."""
    run, test = tmp_path / "run", moons(100, 100, seed=1)
    fitted = fit(moons(200, 12), run if kept else None, Options(method, plan=PLAN), test=test, progress=False)
    rows = {row["method"]: row for row in rows_of(fitted) if row["split"] == "test"}
    name = f"{BEST} (label_spreading)"
    assert list(rows) == ["supervised", name, method]
    alone = Options("label_spreading", baseline=False, plan=PLAN)
    [row] = fit(moons(200, 12), None, alone, test=test, progress=False)[-1].figures()
    assert rows[name]["accuracy"] == row["accuracy"] > 0.95
    if kept:
        assert [row["method"] for row in json.loads((run / "result.json").read_text())] == list(rows)
        assert name in (run / "report.html").read_text()


@pytest.mark.parametrize(
    ("options", "test"),
    [({"baseline": False}, True), ({}, False), ({"method": "moco"}, False)],
    ids=["no baseline", "nothing held out", "no classes"],
)
def test_where_there_is_none(options, test):
    options = Options(**{"method": "fixmatch", "plan": PLAN, "validation": 0.0} | options)
    fitted = fit(moons(60, 8), None, options, test=moons(20, 20) if test else None, progress=False)
    assert fitted[-1].beside == []


def test_images_that_train_a_network_have_none():
    items = np.random.default_rng(0).integers(0, 255, (30, 8, 8, 1)).astype(np.uint8)
    pool = Pool(items, np.where(np.arange(30) < 20, np.arange(30) % 2, -1), classes=("a", "b"))
    fitted = fit(pool, None, Options("fixmatch", plan=PLAN, validation=0.3), progress=False)
    assert fitted[-1].beside == []


def test_each_part_has_its_best():
    """By hand: one is right about all of the first part, the other about all of the second."""

    def right(first: bool) -> FitResult:
        truth = np.array([0, 1])
        sure = np.eye(2)[truth if first else 1 - truth].astype(np.float32)
        parts = {"test": sure, "validation": 1 - sure}
        evaluations = {name: Evaluation(p, truth, np.array(["x", "y"]), ("a", "b")) for name, p in parts.items()}
        return FitResult("one" if first else "two", None, evaluations, 0.0)

    found = {row["split"]: row["method"] for row in best_rows([right(True), right(False)])}
    assert found == {"test": f"{BEST} (one)", "validation": f"{BEST} (two)"}
    assert get("label_spreading").closed

"""What a run's backbone is worth: three evaluations, each beside a random backbone's."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.evaluation.intervals import Interval, proportion
from leaven.evaluation.probe import features, linear_probe, neighbours
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.trained.model import load_model
from leaven.study import probe as module
from leaven.study.probe import probe

PLAN = {"steps": 4, "batch_size": 8, "precision": "32-true", "accelerator": "cpu", "probes": 0}


def pool(n=40, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    items = (rng.integers(0, 200, (n, 8, 8, 1)) + 25 * labels[:, None, None, None]).astype(np.uint8)
    return Pool(items, labels, classes=("dark", "light"))


def some(whole, known):
    """The labels of the first items only."""
    return whole.with_labels(np.where(np.arange(len(whole)) < known, whole.labels, -1))


def ask(run, *pools, seeds=2):
    """Of a pool and a test pool that do not know all their labels, unless others are given."""
    known, test = pools if len(pools) == 2 else (some(pool(), 34), *(pools or [some(pool(20, 1), 18)]))
    return probe(run, known, test, per_class=3, seeds=seeds, steps=3, progress=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("taught") / "run"
    fit(pool(), folder, Options("rotation", plan=PLAN), progress=False)
    return folder


@pytest.fixture(scope="module")
def rows(run):
    return ask(run)


def test_rows(rows):
    assert [(row["evaluation"], row["backbone"]) for row in rows] == [
        (evaluation, backbone)
        for evaluation in ("linear probe, offline", "k-NN, offline", "fine-tuning")
        for backbone in ("rotation", "random")
    ]
    assert [row["labels"] for row in rows] == [34] * 4 + [6] * 2
    assert [row["seeds"] for row in rows] == [1] * 4 + [2] * 2
    assert [row["interval"] for row in rows] == ["items"] * 4 + ["seeds"] * 2
    assert all(row["n"] == 18 and 0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1 for row in rows)


def test_offline_rows_are_of_the_features_of_the_runs_backbone(run, rows):
    known, test = pool().subset(range(34)), pool(20, 1).subset(range(18))
    seen, unseen = (features(load_model(run).network, part.items) for part in (known, test))
    for row, judge in ((rows[0], linear_probe), (rows[2], neighbours)):
        found = judge(seen, known.labels, unseen, test.labels)
        assert (row["accuracy"], row["low"], row["high"], row["n"]) == (found.value, found.low, found.high, found.n)


def test_the_control_is_a_backbone_of_its_own(run, rows, tmp_path):
    """Where the run's backbone is dead its features tell nothing, not even once tuned; the control does not notice."""
    dead = shutil.copytree(run, tmp_path / "dead")
    model = load_model(run)
    for weight in model.network.backbone.parameters():
        weight.data.zero_()
    model.save(dead / "model.safetensors")
    found = ask(dead)
    assert [row["accuracy"] for row in found[::2]] == [0.5] * 3
    assert found[1::2] == rows[1::2]
    assert all(row["accuracy"] != 0.5 for row in found[1::2])  # or the line above says nothing


def test_fine_tuning_sees_few_labels_and_each_time_others(run, monkeypatch):
    """The run's backbone and the random one see the same; the figure is the mean over the seeds."""
    told = []

    def fit(part, folder, options, *, test, progress):
        told.append((part, options))
        accuracy = Interval((0.58, 0.6, 0.62)[options.plan["seed"]], 0, 1, len(test))
        return [SimpleNamespace(classification=lambda split: SimpleNamespace(accuracy=lambda: accuracy))]

    monkeypatch.setattr(module, "fit", fit)
    found = ask(run, seeds=3)[4:]
    for part, options in told:
        assert sorted(part.labels) == [0, 0, 0, 1, 1, 1]
        assert set(part.ids) <= set(pool().ids[:34])
        assert (options.method, options.plan["steps"], options.validation) == ("supervised", 3, 0.0)
    assert [options.plan["seed"] for _, options in told] == [0, 1, 2] * 2
    drawn = [tuple(part.ids) for part, _ in told]
    assert drawn[:3] == drawn[3:]
    assert len(set(drawn)) == 3
    half = 4.302653 * 0.02 / np.sqrt(3)  # Student's, of two degrees of freedom
    for row in found:
        assert [row["accuracy"], row["low"], row["high"]] == pytest.approx([0.6, 0.6 - half, 0.6 + half])


def test_one_seed_has_the_interval_of_its_items(run):
    for row in ask(run, seeds=1)[4:]:
        wilson = proportion(round(18 * row["accuracy"]), 18)
        assert (row["seeds"], row["interval"], row["low"], row["high"]) == (1, "items", wilson.low, wilson.high)


def test_test_labels_choose_nothing(run, rows):
    """With every test label turned round each accuracy is one minus what it was, and all else the same.

    What the global generator says changes nothing either.
    """
    test = pool(20, 1)
    torch.manual_seed(7)
    for row, turned in zip(rows, ask(run, some(test.with_labels(1 - test.labels), 18)), strict=True):
        low, value, high = (turned.pop(name) for name in ("low", "accuracy", "high"))
        assert [1 - high, 1 - value, 1 - low] == pytest.approx([row["low"], row["accuracy"], row["high"]])
        assert turned.items() <= row.items()
    assert len({row["accuracy"] for row in rows}) > 2


def test_a_classifier_of_feature_vectors(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    items = (rng.normal(size=(40, 5)) + 3 * labels[:, None]).astype(np.float32)
    whole = Pool(items, labels, classes=("a", "b"))
    fit(whole, tmp_path / "run", Options("supervised", network="mlp", plan=PLAN), progress=False)
    found = ask(tmp_path / "run", whole.subset(np.arange(20)), whole.subset(np.arange(20, 40)))
    assert [row["backbone"] for row in found] == ["supervised", "random"] * 3
    assert found[0]["accuracy"] > 0.8


def dense():
    return replace(pool(), labels=np.zeros(40, int), masks=np.zeros((40, 8, 8), np.uint8))


@pytest.mark.parametrize(
    ("known", "test", "says"),
    [
        (some(pool(), 0), pool(20, 1), "A probe needs labels"),
        (pool(), some(pool(20, 1), 0), "A probe needs labels"),
        (dense(), pool(20, 1), "the pool has masks"),
        (pool(), dense(), "the pool has masks"),
        (some(pool(), 4), pool(20, 1), "The class dark has 2 labelled items, expected at least per_class=3"),
        (Pool(pool().items, np.zeros(40, int), classes=("one",)), pool(20, 1), "All 40 labels name the class one"),
    ],
    ids=["nothing labelled", "test not labelled", "masks", "masks of test", "too few labels", "one class"],
)
def test_what_is_refused(run, known, test, says):
    with pytest.raises(LeavenError, match=says):
        ask(run, known, test)

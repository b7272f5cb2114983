"""What the page says follows from how the run stands: its labels, its accuracy, its threshold."""

import dataclasses

import numpy as np
import pytest

from leaven.cli.fit import _note
from leaven.data import Pool, adaptation
from leaven.evaluation.classification import Evaluation
from leaven.methods.registry import get
from leaven.report.per_item import errors
from leaven.report.run import read_run
from leaven.report.training import pseudo_labels
from leaven.report.words import headline, no_labels, verdict
from leaven.run.fit import fit
from leaven.run.options import Options

PLAN = {"steps": 30, "batch_size": 8, "lr": 0.1, "accelerator": "cpu", "precision": "32-true", "probes": 0}


def pool_of(n: int = 160, labelled: int = 100, seed: int = 0, apart: float = 3.0) -> Pool:
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 4
    x = (rng.normal(size=(n, 4)) + apart * np.eye(4)[truth]).astype(np.float32)
    return Pool(x, np.where(np.arange(n) < labelled, truth, -1), classes=("ash", "elm", "fir", "oak"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """100 labels were given, of which 20 are held out."""
    out = tmp_path_factory.mktemp("words") / "run"
    fit(pool_of(), out, Options("fixmatch", plan=PLAN, baseline=False), progress=False)
    return out


def test_given_learnt_and_held_out_labels_are_told_apart(run):
    found = read_run(run)
    assert found.of("data", "labelled") == 100
    assert (found.learnt, found.result[0]["labels"], found.result[0]["n"]) == (80, 80, 20)
    assert headline(found).startswith("FixMatch with 80 labels: ")
    page = (run / "report.html").read_text()
    assert "labels learnt from" in page
    assert "20 more were held out; of 160 items" in page
    assert "Unlabelled items (60)" in page  # and not the 140 that the method draws from


def test_a_target_without_labels_is_no_run_that_learnt_from_all(tmp_path):
    both = adaptation(pool_of(labelled=160), pool_of(labelled=0, seed=1))
    out = tmp_path / "run"
    fitted = fit(both, out, Options("adamatch", plan=PLAN, baseline=False), progress=False)
    found = read_run(out)
    assert headline(found).startswith("AdaMatch with 0 labels of the target and 160 of the source: how accurate")
    for said in (no_labels(found), _note(fitted, [], out, get("adamatch"))):
        assert "no label of the target is known" in said
        assert "every label" not in said
    assert "every label was used for training" in no_labels(read_run_of(pool_of(labelled=8), tmp_path / "few"))


def read_run_of(pool, out):
    fit(pool, out, Options("supervised", plan=PLAN, validation=0.0), progress=False)
    return read_run(out)


def judged(run, share: float):
    """The run as if so many of its 200 held-out items were right, and the others taken for the next class."""
    labels = np.arange(200) % 4
    predicted = np.where(np.arange(200) < 200 * share, labels, (labels + 1) % 4)
    found = Evaluation(
        np.eye(4, dtype=np.float32)[predicted],
        labels,
        np.arange(200).astype(str),
        ("ash", "elm", "fir", "oak"),
        np.arange(200),
        np.zeros((200, 4, 4, 1), np.uint8),
    )
    return dataclasses.replace(read_run(run), evaluations={"validation": found})


@pytest.mark.parametrize(("share", "chance"), [(0.1, True), (0.25, True), (0.3, True), (0.4, False), (0.9, False)])
def test_a_model_at_chance_has_not_learnt_and_its_errors_are_no_wrong_labels(run, share, chance):
    found = judged(run, share)
    assert found.held_out.at_chance is chance
    said, lead = " ".join(verdict(found, None)), errors(found).lead
    assert ("it has not learnt yet" in said) is chance
    assert ("--steps" in said) is chance
    assert ("Look here for wrong labels" in lead) is not chance
    assert ("at chance" in lead) is chance


def test_what_is_right_by_always_naming_one_class_is_chance():
    labels = np.repeat([0, 1], [90, 10])
    found = Evaluation(np.eye(2, dtype=np.float32)[np.zeros(100, int)], labels, np.arange(100).astype(str), ("a", "b"))
    assert found.accuracy().value == 0.9
    assert found.at_chance


def test_a_threshold_that_nothing_passes_is_advice(run):
    found = read_run(run)
    for rate, advice in ((0.0, True), (0.4, False)):
        metrics = found.metrics | {"mask_rate": np.full(len(found.metrics["step"]), rate)}
        lead = pseudo_labels(dataclasses.replace(found, metrics=metrics)).lead
        assert ("none of the unlabelled items passed the threshold" in lead) is advice
        assert ("let less confident ones in (--threshold)" in lead) is advice
        assert ("40.0\xa0% of the unlabelled items passed" in lead) is not advice

"""Closed forms among the candidates of auto: which fit, that they cost little, and that they are worth trying."""

import json

import numpy as np
import pytest

from leaven.data import Pool, adaptation, few_labels
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.study import candidates, folds
from leaven.study.auto import fit_auto
from leaven.study.candidates import CANDIDATES, Candidate, closed_forms
from leaven.study.folds import part_for_closed_forms

PLAN = {"steps": 12, "batch_size": 6, "lr": 0.1, "accelerator": "cpu", "precision": "32-true"}
ALL = ["label_spreading", "self_training", "k_nn", "logistic_regression", "nearest"]
FIXMATCH, SUPERVISED = Candidate("fixmatch", "fixmatch"), Candidate("supervised", "supervised")


def table(labelled: int = 36, n: int = 60, spread: float = 1.0) -> Pool:
    rng = np.random.default_rng(0)
    truth = np.arange(n) % 3
    x = (rng.normal(size=(n, 4)) * spread + 4 * np.eye(4)[truth]).astype(np.float32)
    return Pool(x, np.where(np.arange(n) < labelled, truth, -1), classes=("a", "b", "c"))


def fitting(pool: Pool, **options) -> list[str]:
    return [one.name for one in closed_forms(pool, Options(**options))]


def test_those_that_fit_the_pool(monkeypatch):
    pool = table()
    assert fitting(pool) == ALL  # those that learn from unlabelled items first
    assert fitting(pool, frozen=False) == []  # a backbone that is to be trained
    assert fitting(pool, dropout=0.1) == ["self_training", "logistic_regression", "nearest"]  # the others have no layer
    monkeypatch.setattr(candidates, "MOST_ITEMS", 59)
    assert fitting(pool) == []
    monkeypatch.undo()
    monkeypatch.setattr(candidates, "ITEMS", 70)
    assert fitting(pool) == []  # 36 labels are more than half


def test_of_images_their_pixels():
    truth = np.arange(12) % 2
    pool = Pool(np.zeros((12, 8, 8, 1), np.uint8), truth, classes=("a", "b"))
    assert fitting(pool) == ALL[:-1]  # nearest would wait until MoCo has taught a backbone
    assert fitting(pool, network="cnn") == []
    assert fitting(pool.with_items(np.zeros((12, 65, 64, 1), np.uint8)), network="pixels") == []


def test_they_are_shown_all_labels_and_a_part_of_the_rest(monkeypatch):
    pool = table(labelled=12)
    assert part_for_closed_forms(pool, 0).tolist() == list(range(60))
    monkeypatch.setattr(folds, "ITEMS", 30)
    rows = part_for_closed_forms(pool, 0)
    assert rows[:12].tolist() == list(range(12))
    assert len(np.unique(rows)) == 30
    assert (rows == np.sort(rows)).all()
    assert (rows == part_for_closed_forms(pool, 0)).all()
    assert (rows != part_for_closed_forms(pool, 1)).any()


def test_they_run_in_every_fold_and_what_is_trained_goes_before_them(monkeypatch):
    """Of three equal challengers two are left out on the way; k-NN, as good, never is, and is not chosen."""
    monkeypatch.setattr(folds, "ITEMS", 50)
    three = [Candidate(name, "supervised") for name in "abc"]
    tried = (*three, Candidate("k_nn", "k_nn"), SUPERVISED)
    options = Options(plan=PLAN, baseline=False)
    evidence = fit_auto(table(spread=0.1), None, options, candidates=tried, progress=False)[1]
    assert [one.accuracy.n for one in evidence.tried] == [30, 18, 12, 30, 30]  # six labels are held out
    assert {one.accuracy.value for one in evidence.tried} == {1.0}
    assert evidence.chosen == "a"


def test_one_that_is_ahead_is_handed_back(tmp_path, monkeypatch):
    """Nothing is learnt in one step of no size; a run that was stopped goes on."""
    idle = Options(plan=PLAN | {"steps": 1, "lr": 1e-9})
    run, tried = tmp_path / "run", (FIXMATCH, Candidate("k_nn", "k_nn"), SUPERVISED)
    fitted, evidence = fit_auto(table(12), run, idle, candidates=tried, progress=False)
    assert (evidence.chosen, [one.method for one in fitted]) == ("k_nn", ["supervised", "k_nn"])
    config = json.loads((run / "config.json").read_text())
    assert (config["method"], config["network"]["name"]) == ("k_nn", "linear")
    lines = (run / "folds.jsonl").read_text()
    monkeypatch.setattr(folds, "fit", lambda *_, **__: pytest.fail("trained again"))
    again, _ = fit_auto(table(12), run, idle, candidates=tried, progress=False, resume=True)
    assert (again[-1].method, (run / "folds.jsonl").read_text()) == ("k_nn", lines)


def test_what_is_chosen_is_at_least_as_good_as_without_them():
    """Digits as vectors, 40 labels, short trainings, three draws: judged by items that chose nothing."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    classes = tuple(map(str, range(10)))
    pool = Pool(x[:300].astype(np.float32), y[:300].astype(np.int64), classes=classes)
    test = Pool(x[300:800].astype(np.float32), y[300:800].astype(np.int64), classes=classes)
    with_them, without = [], []
    for seed in range(3):
        few = few_labels(pool, 4, seed)
        options = Options(plan=PLAN | {"steps": 20, "seed": seed}, validation=0.0, baseline=False)
        tried = (FIXMATCH, *closed_forms(few, options), SUPERVISED)
        fitted, evidence = fit_auto(few, None, options, test=test, candidates=tried, progress=False)
        trained = [one for one in evidence.tried if one.name not in ALL]
        other = max(trained, key=lambda one: one.accuracy.value).name
        best = fit(
            few, None, Options(other, plan=options.plan, validation=0.0, baseline=False), test=test, progress=False
        )
        with_them.append(fitted[-1].evaluations["test"].accuracy().value)
        without.append(best[-1].evaluations["test"].accuracy().value)
    assert np.mean(with_them) > np.mean(without) + 0.02


def test_of_two_domains_labels_of_both_are_learnt_from_and_the_targets_judged():
    both = adaptation(table(60), table(12))
    tried = (*closed_forms(both, Options()), SUPERVISED)
    assert [one.name for one in tried[:-1]] == ALL
    options = Options(plan=PLAN | {"steps": 1}, baseline=False)
    evidence = fit_auto(both, None, options, candidates=tried, progress=False)[1]
    assert [one.accuracy.n for one in evidence.tried] == [12] * 6
    assert evidence.tried[0].accuracy.value > 0.9


HEADS = ["alpha_tim", "cl2n", "cosine", "k_nn", "label_spreading", "laplacian", "logistic_regression"]
HEADS += ["self_training", "soft_kmeans", "tim", "nearest"]


def by_angle(labelled: int, classes: int = 10) -> Pool:
    """Classes lie in directions; how far out an item lies says nothing."""
    rng, truth = np.random.default_rng(1), np.arange(20 * classes) % classes
    x = np.eye(classes)[truth] + 0.1 * rng.normal(size=(len(truth), classes))
    x *= rng.lognormal(0, 1.5, (len(truth), 1))
    known = np.arange(len(truth)) < labelled
    return Pool(x.astype(np.float32), np.where(known, truth, -1), classes=tuple("abcdefghij"[:classes]))


def test_heads_of_few_labels_that_fit():
    """All, where the features are there; where a backbone is taught first, those that go by it."""
    assert [one.name for one in candidates.heads(table(6), Options())] == HEADS
    images = Pool(np.zeros((12, 8, 8, 1), np.uint8), np.arange(12) % 2, classes=("a", "b"))
    named = [one.name for one in candidates.heads(images, Options())]
    assert named == ["alpha_tim", "cl2n", "cosine", "laplacian", "soft_kmeans", "tim", "nearest"]


def test_of_two_labels_a_class_heads_are_judged_by_the_one_they_were_not_shown(tmp_path, monkeypatch):
    """Where items lie in directions the cosine is ahead of the nearest mean; and it is said what that rests on."""
    tried = [Candidate(name, name) for name in ("k_nn", "cosine", "nearest")]
    monkeypatch.setattr("leaven.study.auto.heads", lambda *_: tried)
    pool, run = by_angle(20), tmp_path / "run"
    fitted, evidence = fit_auto(pool, run, Options(plan=PLAN, baseline=False), progress=False)
    assert (evidence.chosen, fitted[-1].method, evidence.folds, evidence.labels) == ("cosine", "cosine", 2, 20)
    assert [one.name for one in evidence.tried] == ["k_nn", "cosine", "nearest"]
    assert evidence.tried[1].accuracy.value > evidence.tried[2].accuracy.value
    assert "each judged by one label of each class that it was not shown" in evidence.why
    assert "cosine was chosen" in evidence.why
    assert json.loads((run / "auto.json").read_text())["chosen"] == "cosine"
    again = fit_auto(pool, run, Options(plan=PLAN, baseline=False), progress=False, resume=True)[1]
    assert again.why == evidence.why
    truth = np.arange(200) % 10
    alone = fit(pool, None, Options("nearest", plan=PLAN, baseline=False), progress=False)[-1]
    right = [(one.model.predict_proba(pool.items).argmax(1) == truth)[20:].mean() for one in (fitted[-1], alone)]
    assert right[0] > right[1] + 0.1


def test_of_equal_heads_it_is_the_nearest_mean(monkeypatch):
    tried = [Candidate(name, name) for name in ("cosine", "cl2n", "nearest")]
    monkeypatch.setattr("leaven.study.auto.heads", lambda *_: tried)
    evidence = fit_auto(table(6, spread=0.05), None, Options(plan=PLAN, baseline=False), progress=False)[1]
    assert {one.accuracy.value for one in evidence.tried} == {1.0}
    assert (evidence.chosen, evidence.folds) == ("nearest", 2)


def test_by_default_they_stand_before_the_baseline():
    assert CANDIDATES[-1] == SUPERVISED
    evidence = fit_auto(table(12), None, Options(plan=PLAN | {"steps": 1}, baseline=False), progress=False)[1]
    trained = ["fixmatch", "fixmatch with alignment", "freematch", "pseudo_label"]
    assert [one.name for one in evidence.tried] == [*trained, *ALL, "supervised"]

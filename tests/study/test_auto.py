"""The method that the labels speak for: never one that they say is worse, never a label in its own fold."""

import json

import numpy as np
import pytest
from torch.nn import functional as F

from leaven import LeavenClassifier, Method
from leaven.data import Pool, adaptation
from leaven.errors import LeavenError
from leaven.evaluation.intervals import Interval
from leaven.evaluation.paired import Paired, mcnemar
from leaven.methods.step import Stream
from leaven.run.options import Options
from leaven.study import auto, folds
from leaven.study.auto import fit_auto
from leaven.study.candidates import Candidate
from leaven.study.evidence import Tried, judge
from leaven.study.folds import CrossValidation, FoldLog, FoldTraining, assign

PLAN = {"steps": 12, "batch_size": 6, "lr": 0.1, "accelerator": "cpu", "precision": "32-true"}
BASELINE = Candidate("supervised", "supervised")


class Bad(Method):
    """Learns every label shifted by one: right about nothing."""

    @property
    def streams(self):
        return {"labelled": Stream("labelled")}

    def forward(self, batch):
        draw = batch["labelled"]
        return {"labelled": F.cross_entropy(self.network(draw.weak), (draw.labels + 1) % 3)}


def pool_of(labelled: int = 12, n: int = 36, spread: float = 1.0, seed: int = 0) -> Pool:
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 3
    x = (rng.normal(size=(n, 4)) * spread + 4 * np.eye(4)[truth]).astype(np.float32)
    return Pool(x, np.where(np.arange(n) < labelled, truth, -1), classes=("a", "b", "c"))


def search(pool, candidates, run=None, **options):
    return fit_auto(pool, run, Options(plan=PLAN, baseline=False), candidates=candidates, progress=False, **options)


@pytest.fixture
def trainings(monkeypatch) -> list[str]:
    """The method of each training, by its name; those of the baseline beside a run are not counted."""
    kept, fit = [], auto.fit

    def watched(pool, run, options, **rest):
        name = options.method if isinstance(options.method, str) else options.method.__name__
        kept.append(name.rpartition(":")[2])
        return fit(pool, run, options, **rest)

    monkeypatch.setattr(auto, "fit", watched)
    monkeypatch.setattr(folds, "fit", watched)
    return kept


def test_a_method_that_is_worse_is_never_returned(trainings):
    fitted, evidence = search(pool_of(), (Candidate("bad", Bad), BASELINE))
    assert (evidence.chosen, fitted[-1].method, len(fitted)) == ("supervised", "supervised", 1)
    bad, base = evidence.tried
    assert bad.accuracy.value < 0.2 < 0.8 < base.accuracy.value
    assert bad.difference.high < 0
    assert "no method more" in evidence.why
    assert "do not prove" not in evidence.why
    assert trainings == ["Bad", "supervised"] * 4 + ["supervised"]  # four labels of each class: four folds


def test_a_method_that_is_better_is_returned():
    """The baseline of this search is the bad one."""
    fitted, evidence = search(pool_of(), (Candidate("a", "supervised"), Candidate("b", Bad)))
    assert (evidence.chosen, fitted[-1].method) == ("a", "supervised")
    assert evidence.tried[0].difference.low > 0
    assert "a was chosen" in evidence.why


def test_of_equal_ones_the_earlier_and_the_baseline_last():
    twins = (Candidate("first", "supervised"), Candidate("second", "supervised"), Candidate("third", "supervised"))
    evidence = search(pool_of(), twins)[1]
    assert evidence.chosen == "first"
    pair = evidence.tried[0].difference
    assert (pair.gained, pair.lost, pair.difference) == (0, 0, 0.0)
    assert "includes 0: these labels do not prove which of the two is better" in evidence.why


def test_no_choice_is_behind_the_baseline():
    rng = np.random.default_rng(0)
    for _ in range(200):
        values = rng.integers(0, 6, 4) / 5
        tried = [
            Tried(str(i), Interval(v, 0, 1, 5), Paired(5, 0, 0, v - values[3], -1, 1, 1.0) if i < 3 else None, 0.0)
            for i, v in enumerate(values)
        ]
        chosen = int(judge(tried, 5).chosen)
        assert values[chosen] == values.max()
        assert (values[:chosen] < values[chosen]).all()  # of equal ones the earliest


def test_an_interval_alone_is_no_proof():
    """Six gained, one lost: the interval just leaves 0 out, McNemar's exact test does not (2 · (1 + 7) / 2⁷)."""
    base = Tried("base", Interval(0.8, 0.6, 0.9, 40), None, 0.0)
    new = Tried("new", Interval(0.925, 0.8, 0.97, 40), Paired(40, 6, 1, 0.125, 0.008, 0.258, mcnemar(6, 1)), 0.0)
    assert mcnemar(6, 1) == 0.125
    assert "McNemar's exact test gives p = 0.12: these labels do not prove" in judge([new, base], 4).why
    sure = Tried("sure", Interval(0.975, 0.8, 0.99, 40), Paired(40, 7, 0, 0.175, 0.05, 0.3, mcnemar(7, 0)), 0.0)
    assert "do not prove" not in judge([sure, new, base], 4).why


def test_figures_are_those_of_the_folds():
    """Accuracy and difference counted again from what each fold said."""
    lines = FoldLog()
    pool = pool_of(labelled=6)
    given = np.array([1, 1, 1, 2, 2, 2] + [0] * 30)  # labels 0 1 2, 0 1 2
    for name, said in {"new": ([0, 1, 2], [0, 0, 2]), "old": ([0, 2, 1], [0, 1, 2])}.items():
        for fold, predicted in enumerate(said, 1):
            lines.add({"candidate": name, "fold": fold, "predicted": predicted, "seconds": 1.5})
    work = FoldTraining(pool, given, Options(), False)
    new, old = CrossValidation(work, {"new": {}, "old": {}}, [], lines).tried()
    assert (new.accuracy.value, new.accuracy.n, old.accuracy.value) == (5 / 6, 6, 4 / 6)
    assert (new.difference.gained, new.difference.lost, new.difference.n) == (2, 1, 6)
    assert new.difference.p == 1.0  # a fair coin gives two against one or worse always
    assert (new.seconds, old.difference) == (3.0, None)


def test_folds_are_stratified_and_leave_a_label_of_each_class():
    labels = np.repeat([0, 1, 2, -1], [7, 3, 11, 20])
    pool = Pool(np.zeros((41, 2), np.float32), labels, classes=("a", "b", "c"))
    folds = assign(pool, 0)
    assert set(folds[labels >= 0]) == {1, 2, 3}  # the rarest has three
    assert not folds[labels < 0].any()
    assert np.bincount(folds[labels >= 0])[1:].tolist() == [7, 7, 7]
    for k in range(3):
        counts = np.bincount(folds[labels == k], minlength=4)[1:]
        assert counts.min() >= 1
        assert counts.max() - counts.min() <= 1
    many = Pool(np.zeros((60, 2), np.float32), np.arange(60) % 2, classes=("a", "b"))
    assert assign(many, 0).max() == 5
    assert (assign(many, 0) == assign(many, 0)).all()
    assert (assign(many, 0) != assign(many, 1)).any()


def test_of_two_domains_only_labels_of_the_target_are_hidden():
    both = adaptation(pool_of(36), pool_of(6, seed=1))
    dealt = assign(both, 0)
    assert not dealt[both.domain > 0].any()
    assert np.bincount(dealt[dealt > 0]).tolist() == [0, 3, 3]
    assert not assign(adaptation(pool_of(36), pool_of(0)), 0).any()


def test_no_fold_looks_at_the_labels_that_it_is_judged_by(tmp_path):
    """The hidden labels of one fold change places; what that fold says stays the same."""
    noise = np.random.default_rng(0).normal(size=(36, 20)).astype(np.float32)  # so what is learnt is learnt by heart
    pool = pool_of().with_items(noise)
    plan = PLAN | {"steps": 60}
    given = assign(pool, 0)
    methods = ("k_nn", "label_spreading", "fixmatch", "supervised")
    asked = {name: {"method": name, "hyperparameters": {}} for name in methods}
    asked["fixmatch"]["hyperparameters"] = {"threshold": 0.5}
    said = []
    for turn in range(2):
        lines = FoldLog()
        labels = np.where((given == 2) & (turn == 1), (pool.labels + 1) % 3, pool.labels)
        quick = Options(plan=plan, validation=0.0, baseline=False)
        CrossValidation(FoldTraining(pool.with_labels(labels), given, quick, False), asked, methods[:2], lines).run()
        said.append({key: line["predicted"] for key, line in lines.lines.items()})
    assert said[0].keys() == said[1].keys()
    for name in methods:
        assert said[0][name, 2] == said[1][name, 2]
        assert (
            said[0][name, 1] != said[1][name, 1] or said[0][name, 3] != said[1][name, 3]
        )  # the others learn from them


def test_held_out_labels_choose_nothing(trainings, monkeypatch):
    """Validation is cut off before the folds are made."""
    pool, seen = pool_of(36), []
    real = CrossValidation.run
    monkeypatch.setattr(CrossValidation, "run", lambda self: (seen.append(self.work.pool), real(self)))
    options = Options(plan=PLAN, validation=0.25, baseline=False)
    fitted, evidence = fit_auto(pool, None, options, candidates=(BASELINE,), progress=False)
    assert len(fitted[-1].evaluations["validation"].ids) == 9
    assert evidence.labels == 27
    assert set(seen[0].ids).isdisjoint(fitted[-1].evaluations["validation"].ids)


@pytest.mark.parametrize("labelled", [3, 4])
def test_one_label_a_class_is_no_evidence(tmp_path, trainings, labelled):
    run = tmp_path / "run"
    fitted, evidence = fit_auto(pool_of(labelled=labelled), run, Options(plan=PLAN), progress=False)
    assert trainings == ["nearest"]
    assert [one.method for one in fitted] == ["supervised", "nearest"]
    assert evidence.folds == 0
    assert "Fewer than two classes have two labels, so nothing could be compared" in evidence.why
    assert "nearest, class means on features, was taken without any evidence" in evidence.why
    assert json.loads((run / "auto.json").read_text())["tried"] == []
    assert "without any evidence" in (run / "report.html").read_text()
    fit_auto(pool_of(labelled=labelled), run, Options(plan=PLAN), resume=True, progress=False)


def test_a_target_without_labels_is_no_evidence():
    both = adaptation(pool_of(36), pool_of(0))
    fitted, evidence = fit_auto(both, None, Options(plan=PLAN, baseline=False), progress=False)
    assert fitted[-1].method == "adamatch"
    assert "The target has no labels" in evidence.why


def test_a_class_of_one_label_is_never_hidden_and_named():
    labels = np.repeat([0, 1, 2, -1], [7, 1, 4, 8])
    pool = Pool(pool_of(n=20).items, labels, classes=("a", "rare", "c"))
    folds = assign(pool, 0)
    assert folds.max() == 4
    assert not folds[labels == 1].any()
    assert (folds[(labels == 0) | (labels == 2)] > 0).all()
    evidence = search(pool, (Candidate("sure", "fixmatch", {"threshold": 0.9}), BASELINE))[1]
    assert (evidence.folds, evidence.labels) == (4, 11)
    assert evidence.why.endswith("Not judged, for want of a second label: rare.")


def test_what_stands_in_the_run_folder(tmp_path):
    run = tmp_path / "run"
    evidence = search(pool_of(), (Candidate("sure", "fixmatch", {"threshold": 0.9}), BASELINE), run)[1]
    config, found = (json.loads((run / name).read_text()) for name in ("config.json", "auto.json"))
    method = {"sure": "fixmatch", "supervised": "supervised"}[evidence.chosen]
    assert config["method"] == method
    assert config["auto"] == {"candidates": ["sure", "supervised"], "chosen": evidence.chosen, "why": evidence.why}
    assert (found["chosen"], found["folds"], found["labels"]) == (evidence.chosen, 4, 12)
    assert [row["method"] for row in found["tried"]] == ["sure", "supervised"]
    page = (run / "report.html").read_text()
    assert "Why this method" in page
    assert "4-fold cross-validation over 12 labels" in page


def test_a_stopped_search_goes_on(tmp_path, trainings, monkeypatch):
    candidates = (Candidate("bad", Bad), BASELINE)
    whole = search(pool_of(), candidates, tmp_path / "whole")[1]
    assert len(trainings) == 9
    run, add = tmp_path / "cut", FoldLog.add

    def stop(self, line):
        if len(self.lines) == 3:
            raise KeyboardInterrupt
        add(self, line)

    monkeypatch.setattr(FoldLog, "add", stop)
    with pytest.raises(KeyboardInterrupt):
        search(pool_of(), candidates, run)
    monkeypatch.setattr(FoldLog, "add", add)
    assert json.loads((run / "config.json").read_text())["method"] == "auto"
    with pytest.raises(LeavenError, match="exists; go on with --resume"):
        search(pool_of(), candidates, run)
    with pytest.raises(LeavenError, match="data changed"):
        search(pool_of(labelled=15), candidates, run, resume=True)
    del trainings[:]
    again = search(pool_of(), candidates, run, resume=True)[1]
    assert len(trainings) == 5 + 1
    without = [{**row.asdict(), "seconds": 0} for row in again.tried]
    assert without == [{**row.asdict(), "seconds": 0} for row in whole.tried]
    assert json.loads((run / "config.json").read_text())["auto"]["chosen"] == "supervised"
    del trainings[:]
    assert search(pool_of(), candidates, run, resume=True)[1].chosen == "supervised"  # a finished one, too
    assert trainings == ["supervised"]
    search(pool_of(), candidates, run, overwrite=True)
    assert len(trainings) == 1 + 9


def test_a_run_that_was_begun_otherwise_does_not_go_on(tmp_path):
    run = tmp_path / "run"
    auto.fit(pool_of(), run, Options("supervised", plan=PLAN), progress=False)
    with pytest.raises(LeavenError, match="was not begun with the method auto"):
        search(pool_of(), (BASELINE,), run, resume=True)


def test_what_cannot_be_chosen():
    with pytest.raises(LeavenError, match="leave threshold out"):
        fit_auto(pool_of(), None, Options(hyperparameters={"threshold": 0.5}, plan=PLAN))
    images = np.zeros((4, 8, 8, 1), np.uint8)
    dense = Pool(images, np.zeros(4, int), classes=("sky", "road"), masks=images[..., 0])
    with pytest.raises(LeavenError, match="the pool has masks"):
        fit_auto(dense, None, Options(plan=PLAN))


def test_a_frozen_backbone_looks_once_at_each_image(tmp_path, monkeypatch):
    from leaven.nn import frozen

    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path))
    rng = np.random.default_rng(0)
    truth = np.arange(18) % 3
    items = (rng.integers(0, 60, (18, 8, 8, 1)) + 90 * truth[:, None, None, None]).astype(np.uint8)
    pool = Pool(items, np.where(np.arange(18) < 9, truth, -1), classes=("a", "b", "c"))
    encoders, encoder = [], frozen.encoder
    monkeypatch.setattr(frozen, "encoder", lambda *given: (encoders.append(1), encoder(*given))[1])
    auto.fit(pool, tmp_path / "start", Options("rotation", plan=PLAN, network="cnn"), progress=False)
    options = Options(plan=PLAN, baseline=True, init=tmp_path / "start", frozen=True)
    evidence = fit_auto(pool, None, options, progress=False)[1]
    assert evidence.folds == 3
    assert len(evidence.tried) == 5 + 5
    assert len(encoders) == 2  # once plain, for all closed forms, and once in the views that are learnt from


def test_a_start_is_learnt_once(tmp_path, trainings, monkeypatch):
    truth = np.arange(18) % 3
    items = np.random.default_rng(0).integers(0, 255, (18, 8, 8, 1)).astype(np.uint8)
    pool = Pool(items, np.where(np.arange(18) < 9, truth, -1), classes=("a", "b", "c"))
    taught, train_stages = [], auto.train_stages

    def watched(module):
        def train(chosen, *given, **options):
            taught.extend([module] * len(chosen.stages))
            return train_stages(chosen, *given, **options)

        return train

    for module in ("study.auto", "run.fit"):
        monkeypatch.setattr(f"leaven.{module}.train_stages", watched(module))
    options = Options(plan=PLAN | {"steps": 2}, network="cnn", init="rotation", baseline=False)
    _, evidence = fit_auto(pool, tmp_path / "run", options, progress=False)
    assert (evidence.folds, taught) == (3, ["study.auto", "run.fit"])  # the run itself finds it done
    assert json.loads((tmp_path / "run" / "config.json").read_text())["init"] == {"stage": "rotation"}
    assert (tmp_path / "run" / "stages" / "1-rotation" / "model.safetensors").exists()


def test_the_estimator_tells_what_it_found():
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 3
    x = rng.normal(size=(60, 4)) + 3 * np.eye(4)[truth]
    y = np.where(np.arange(60) < 12, truth, -1)
    model = LeavenClassifier("auto", steps=10, batch_size=8, random_state=0).fit(x, y)
    found = model.evidence_
    assert found.folds == 4
    by_name = {one.name: one.accuracy.value for one in found.tried}
    assert by_name[found.chosen] == max(by_name.values())
    with pytest.raises(LeavenError, match="leave threshold out"):
        LeavenClassifier("auto", hyperparameters={"threshold": 0.5}).fit(x, y)


def test_minutes_are_shared_by_all_trainings(tmp_path, trainings, monkeypatch, capsys):
    """Four folds of two methods, the one that is chosen (the slower is counted) and the baseline: 4·(2+1)+2+1 = 15 s a
    step of them all; nine tenths of 2.5 minutes are 135 s, so 9 steps.
    """
    seconds = {"bad": 2.0, "supervised": 1.0}
    asked = iter(seconds.values())
    monkeypatch.setattr(auto, "seconds_a_step", lambda *_, **__: next(asked))
    plan = {name: value for name, value in PLAN.items() if name != "steps"}
    options = Options(plan=plan, minutes=2.5)
    candidates = (Candidate("bad", Bad), BASELINE)
    run = tmp_path / "run"
    fitted, _ = fit_auto(pool_of(), run, options, candidates=candidates, progress=False, announce=True)
    config = json.loads((run / "config.json").read_text())
    assert (config["plan"]["steps"], config["minutes"], config["auto"]["chosen"]) == (9, 2.5, "supervised")
    assert "10 trainings of 9 steps take about 2 min 15 s here." in capsys.readouterr().err
    before = fitted[-1].model.network.state_dict()

    monkeypatch.setattr(auto, "seconds_a_step", lambda *_, **__: pytest.fail("measured again"))
    (run / "model.safetensors").unlink()
    again, _ = fit_auto(pool_of(), run, options, candidates=candidates, progress=False, resume=True)
    assert json.loads((run / "config.json").read_text())["plan"]["steps"] == 9
    assert all((tensor == before[name]).all() for name, tensor in again[-1].model.network.state_dict().items())


def test_minutes_without_anything_to_compare_are_those_of_the_one_training(monkeypatch):
    monkeypatch.setattr(auto, "seconds_a_step", lambda *_, **__: pytest.fail("measured"))
    options = Options(plan={"accelerator": "cpu"}, minutes=1.0, baseline=False)
    _, evidence = fit_auto(pool_of(labelled=3), None, options, progress=False)
    assert evidence.chosen == "nearest"


@pytest.mark.parametrize(("seconds", "steps"), [(0.001, 1000), (1.0, 81)])
def test_where_nobody_says_how_long_it_takes_a_quarter_of_an_hour_at_most(tmp_path, monkeypatch, seconds, steps):
    """Ten trainings; nine tenths of 15 minutes are 810 s: 81 steps of a second each; the default where that fits."""
    monkeypatch.setattr(auto, "seconds_a_step", lambda *_, **__: seconds)
    monkeypatch.setattr(folds, "fit", lambda pool, run, options, **_: pytest.fail(str(options.plan["steps"])))
    plan = {name: value for name, value in PLAN.items() if name != "steps"}
    candidates = (Candidate("bad", Bad), BASELINE)
    with pytest.raises(pytest.fail.Exception, match=f"^{steps}$"):
        fit_auto(pool_of(), tmp_path / "run", Options(plan=plan), candidates=candidates, progress=False)

"""Minutes in place of steps, and how long a run will take, said before it."""

import json

import numpy as np
import pytest
import torch

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.resolve import resolve_options
from leaven.study.auto import fit_auto

PLAN = {"batch_size": 8, "accelerator": "cpu", "precision": "32-true", "probes": 0}


@pytest.fixture
def pool() -> Pool:
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 3
    images = (rng.integers(0, 100, (60, 8, 8, 1)) + 50 * truth[:, None, None, None]).astype(np.uint8)
    return Pool(images, np.where(np.arange(60) < 12, truth, -1), classes=("a", "b", "c"))


@pytest.fixture
def slow(monkeypatch):
    """A step takes two seconds, a step of the baseline one."""
    seconds = {"FixMatch": 2.0, "Supervised": 1.0, "Nearest": 0.0}
    monkeypatch.setattr("leaven.run.budget.step_seconds", lambda job: seconds[type(job.method).__name__])


def weights(run):
    return (run / "model.safetensors").read_bytes()


def test_minutes_become_steps_that_the_run_keeps(pool, slow, tmp_path, capsys):
    """0.2 minutes are 12 s, nine tenths of them 10.8 s, and those are 5 steps of 2 s."""
    run, same = tmp_path / "run", tmp_path / "same"
    fit(pool, run, Options(plan=PLAN, minutes=0.2), announce=True, progress=False)
    for where in (run, run / "baseline"):
        config = json.loads((where / "config.json").read_text())
        assert (config["plan"]["steps"], config["minutes"]) == (5, 0.2)
    said = capsys.readouterr().err
    assert "method FixMatch, 0.2 minutes of steps of 8" in said
    assert "5 steps of 2 s take about 10 s here, then the supervised baseline about 5 s." in said
    fit(pool, same, Options(plan=PLAN | {"steps": 5}), progress=False)
    assert weights(run) == weights(same)


@pytest.mark.parametrize("minutes", [None, 0.2, 7.0])
def test_a_run_goes_on_with_the_steps_that_were_measured_when_it_began(pool, slow, tmp_path, monkeypatch, minutes):
    run = tmp_path / "run"
    options = Options(plan=PLAN, minutes=0.2, baseline=False)
    fit(pool, run, options, progress=False)
    before = weights(run)
    monkeypatch.setattr("leaven.run.budget.step_seconds", lambda job: pytest.fail("measured again"))
    fit(pool, run, Options(plan=PLAN, minutes=minutes, baseline=False), resume=True, progress=False)
    assert weights(run) == before


def test_what_is_measured_leaves_no_trace(pool, tmp_path, capsys):
    """Steps that are tried out change neither the weights nor what is drawn later."""
    for name, announce in (("quiet", False), ("told", True)):
        torch.manual_seed(1)
        fit(pool, tmp_path / name, Options("fixmatch", plan=PLAN | {"steps": 100}), announce=announce, progress=False)
    assert weights(tmp_path / "told") == weights(tmp_path / "quiet")
    assert weights(tmp_path / "told" / "baseline") == weights(tmp_path / "quiet" / "baseline")
    assert "take about" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"minutes": 0.0}, "minutes is 0.0, but a positive number"),
        ({"minutes": float("nan")}, "a positive number"),
        ({"minutes": 1.0, "plan": {"steps": 4}}, "give one of them"),
        ({"minutes": 1.0, "init": "moco"}, "moco and the method after it"),
    ],
)
def test_minutes_that_cannot_be_kept_to(pool, tmp_path, options, sentence):
    with pytest.raises(LeavenError, match=sentence):
        fit(pool, tmp_path / "run", Options(**options), progress=False)
    assert not (tmp_path / "run").exists()


def test_a_closed_form_takes_no_time(slow, tmp_path, capsys):
    features = Pool(
        np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32), np.arange(30) % 2, classes=("a", "b")
    )
    options = Options("nearest", minutes=1.0, plan={"accelerator": "cpu"}, baseline=False)
    fit(features, tmp_path / "run", options, announce=True, progress=False)
    assert "take about" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("method", "steps", "batch"), [("fixmatch", 2**20, 64), ("remixmatch", 2**20, 64), ("adamatch", 131_072, 64)]
)
def test_the_paper_decides_steps_and_batch_where_nobody_says(pool, method, steps, batch):
    plan = resolve_options(Options(method, budget="paper"), pool).plan
    assert (plan.steps, plan.batch_size, plan.lr) == (steps, batch, 0.03)
    own = resolve_options(Options(method, budget="paper", plan={"steps": 7, "batch_size": 5}), pool).plan
    assert (own.steps, own.batch_size) == (7, 5)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"budget": "papers"}, "'papers' is not known; say paper"),
        ({"budget": "paper", "minutes": 1.0}, "or its minutes; give one"),
        ({"budget": "paper", "method": "supervised"}, "How long Supervised trains in its paper is not known"),
    ],
)
def test_a_budget_that_cannot_be(pool, tmp_path, options, sentence):
    with pytest.raises(LeavenError, match=sentence):
        fit(pool, tmp_path / "run", Options(**options), progress=False)
    assert not (tmp_path / "run").exists()


def test_auto_compares_methods_of_one_length(pool):
    with pytest.raises(LeavenError, match="give --steps or --minutes, no --budget"):
        fit_auto(pool, None, Options(budget="paper"), progress=False)

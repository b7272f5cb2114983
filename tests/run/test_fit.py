"""What is checked before a folder is made, and what a model's file is."""

import numpy as np
import pytest

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.trained.model import load_model
from leaven.train.limits import require_possible
from leaven.train.plan import Plan

PLAN = {"steps": 2, "batch_size": 4, "accelerator": "cpu", "precision": "32-true"}


@pytest.fixture
def pool():
    labels = np.arange(24) % 3
    items = np.random.default_rng(0).normal(size=(24, 5)) + 3 * np.eye(5)[labels]
    return Pool(items.astype(np.float32), np.where(np.arange(24) < 9, labels, -1), classes=("a", "b", "c"))


@pytest.mark.parametrize("when", ["prepare", "untrained"])
def test_what_fails_before_training_leaves_no_folder(pool, tmp_path, monkeypatch, when):
    """Weights that cannot be downloaded, say."""

    def fail(*_, **__):
        raise LeavenError("no network")

    monkeypatch.setattr(f"leaven.run.training.{when}", fail)
    with pytest.raises(LeavenError, match="no network"):
        fit(pool, tmp_path / "run", Options(plan=PLAN), progress=False)
    assert not (tmp_path / "run").exists()


def test_without_a_folder_nothing_is_written(pool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    baseline, method = fit(pool, None, Options(plan=PLAN), progress=False)
    assert (baseline.method, method.method) == ("supervised", "fixmatch")
    assert not list(tmp_path.iterdir())


def test_another_process_trains_and_writes_nothing(pool, tmp_path, monkeypatch):
    monkeypatch.setattr("leaven.run.fit.is_main_process", lambda: False)
    (tmp_path / "run").mkdir()
    options = Options(plan=PLAN, baseline=False)
    monkeypatch.setattr("leaven.train.engine.Loop._save", lambda self: None)  # the engine knows its rank itself
    monkeypatch.setattr("leaven.train.engine.Loop._loggers", lambda self: [])
    fit(pool, tmp_path / "run", options, progress=False)
    assert not list(tmp_path.joinpath("run").glob("*.json"))
    assert not list(tmp_path.joinpath("run").glob("model*"))


def test_the_same_model_is_the_same_file(pool, tmp_path):
    (fitted,) = fit(pool, None, Options(plan=PLAN, baseline=False), progress=False)
    for name in "abcd":
        fitted.model.save(tmp_path / f"{name}.safetensors")
    assert len({f.read_bytes() for f in tmp_path.iterdir()}) == 1
    again = load_model(tmp_path / "a.safetensors")
    assert again.classes == ("a", "b", "c")
    np.testing.assert_array_equal(again.predict_proba(pool.items), fitted.model.predict_proba(pool.items))


def test_more_devices_than_there_are(monkeypatch):
    monkeypatch.setattr("leaven.train.limits.best_device", lambda: "cuda")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(LeavenError, match="2 devices were asked for, but this machine has 1"):
        require_possible(Plan(devices=2))
    require_possible(Plan(devices=2, accelerator="cpu"))
    require_possible(Plan(devices=1))

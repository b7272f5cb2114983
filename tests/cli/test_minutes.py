"""Commands of many trainings say how many there are and how long they take, and share the minutes they are given."""

import json

import numpy as np
import pytest
from helpers_cli import SHORT, make_folder

QUIET = SHORT[2:]  # without the number of steps


@pytest.fixture
def slow(monkeypatch):
    """A step of any training takes two seconds, as far as anybody measures."""
    monkeypatch.setattr("leaven.study.simulate.measured", lambda pool, options: 2.0)
    monkeypatch.setattr("leaven.study.worth.seconds_a_step", lambda pool, options: 2.0)


def test_a_simulation_shares_its_minutes(leaven, slow, tmp_path):
    """2 strategies, 2 rounds of questions, 2 seeds: 2·(1 + 2·2) = 10 trainings, 20 s a step; nine tenths of 2 minutes
    are 108 s, so 5 steps.
    """
    out, data = tmp_path / "sim", tmp_path / "data"
    make_folder(data, 30, by_class=True)
    played = ("simulate", data, "-o", out, "--budget", 2, "--rounds", 2, "--seeds", 2, *QUIET)
    said = leaven(*played, "--minutes", 2)
    assert said.code == 0, said.err
    assert "10 trainings of 5 steps take about 1 min 40 s here." in said.err
    assert "1 of 12 (" in said.err
    assert "12 of 12: seed 2 of 2, margin, 7 labels: " in said.err
    config = json.loads((out / "config.json").read_text())
    assert (config["plan"]["steps"], config["minutes"]) == (5, 2)
    longer = leaven(*played, "--rounds", 3, "--resume")  # as it was begun, without the minutes
    assert longer.code == 0, longer.err
    assert "take about" not in longer.err
    assert "13 of 16 (" in longer.err
    assert "12 of 16" not in longer.err  # these stood there
    assert json.loads((out / "config.json").read_text())["plan"]["steps"] == 5


def test_worth_makes_as_many_draws_as_there_is_time_for(leaven, refused, slow, tmp_path):
    """A draw is 5 trainings of the baseline (3, 6, 12, 24 and 48 labels) and 2 of the method (3 and 6), of 3 steps:
    42 s; nine tenths of 2 minutes are 108 s, so 2 draws.
    """
    for name, n, seed in (("data", 90, 0), ("test", 60, 1)):
        rng = np.random.default_rng(seed)
        y = rng.permutation(n) % 3
        x = (rng.normal(size=(n, 4)) + 2 * np.eye(4)[y]).astype(np.float32)
        np.savez(tmp_path / f"{name}.npz", x=x, y=y, ids=np.array([f"{name}{i}" for i in range(n)]))
    out = tmp_path / "run"
    fit = ("fit", tmp_path / "data.npz", "-o", out, "--per-class", 4, "--test", tmp_path / "test.npz", "--no-baseline")
    assert leaven(*fit, *SHORT).code == 0
    assert "give one of them" in refused("worth", out, "--minutes", 2, "--seeds", 3)
    assert "minutes is 0.0" in refused("worth", out, "--minutes", 0)
    said = leaven("worth", out, "--minutes", 2)
    assert said.code == 0, said.err
    assert "14 trainings of 3 steps take about 1 min 24 s here." in said.err
    assert "14 of 14: fixmatch, 6 labels, draw 2 of 2: " in said.err
    again = leaven("worth", out, "--minutes", 2)
    assert "take about" not in again.err
    assert "\nsupervised, 3 labels, draw 1 of 2: " in "\n" + again.err


def test_auto_says_how_many_trainings_share_the_minutes(leaven, tmp_path, monkeypatch):
    """Three folds of five methods, the chosen one and the baseline: 17 trainings, 34 s a step; 54 s are one step."""
    monkeypatch.setattr("leaven.study.auto.seconds_a_step", lambda *_, **__: 2.0)
    rng = np.random.default_rng(0)
    y = np.where(np.arange(60) < 9, np.arange(60) % 3, -1)
    x = (rng.normal(size=(60, 4)) + 2 * np.eye(4)[np.arange(60) % 3]).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=y)
    said = leaven("fit", tmp_path / "data.npz", "-o", tmp_path / "run", "--method", "auto", "--minutes", 1, *QUIET)
    assert said.code == 0, said.err
    assert "17 trainings of 1 step take about 34 s here." in said.err

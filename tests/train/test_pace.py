"""What a step takes is measured once a machine, and again where the machine was busy."""

import itertools

import numpy as np
import pytest
import torch

from leaven.augment import CTAugment, ImageViews
from leaven.data import Pool
from leaven.methods.registry import get
from leaven.nn.build import build, spec_for
from leaven.train import pace
from leaven.train.job import TrainJob
from leaven.train.pace import step_seconds
from leaven.train.plan import Plan

PLAN = Plan(steps=6, batch_size=4, accelerator="cpu", precision="32-true", probes=0)


def job(method="fixmatch", policy=None, plan=PLAN, **hyperparameters) -> TrainJob:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 8, 8, 1)).astype(np.uint8)
    pool = Pool(images, np.where(np.arange(40) < 10, np.arange(40) % 2, -1), classes=("a", "b"))
    network = build(spec_for("cnn", pool.items, 2))
    return TrainJob(get(method)(network, **hyperparameters), pool, plan, ImageViews(flip=False, policy=policy))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path))
    torch.manual_seed(0)
    return tmp_path


@pytest.fixture
def own_cores(monkeypatch):
    """The whole time of all threads, however busy the machine is that runs the test."""
    monkeypatch.setattr(pace, "OWN", 0.0)


@pytest.fixture
def trained(monkeypatch):
    """Counts how often steps are made."""
    made = []

    class Counted(pace.Loop):
        def __init__(self, *args):
            made.append(args)
            super().__init__(*args)

    monkeypatch.setattr(pace, "Loop", Counted)
    return made


def test_it_is_measured_once(trained, own_cores):
    first = step_seconds(job())
    assert [step_seconds(job()), step_seconds(job())] == [first, first]
    assert first > 0
    assert len(trained) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"method": "flexmatch"},
        {"ratio": 3},
        {"policy": CTAugment()},
        {"plan": PLAN.with_(batch_size=8)},
        {"plan": PLAN.with_(precision="bf16-mixed")},
    ],
)
def test_another_step_is_another_figure(trained, own_cores, other):
    step_seconds(job())
    step_seconds(job(**other))
    assert len(trained) == 2


def test_how_many_steps_there_are_does_not_matter(trained, own_cores):
    step_seconds(job())
    step_seconds(job(plan=PLAN.with_(steps=900, seed=7)))
    assert len(trained) == 1


def test_on_a_busy_machine_it_is_measured_again(trained, monkeypatch, folder):
    monkeypatch.setattr(pace.time, "process_time", itertools.repeat(1.0).__next__)  # others had the cores
    assert step_seconds(job()) > 0
    assert step_seconds(job()) > 0
    assert len(trained) == 2
    assert not list(folder.rglob("*.json"))


@pytest.mark.parametrize("content", ["", "{", '"a"', "-1", "0", "NaN", "Infinity", "[1]"])
def test_what_is_damaged_is_measured_again(trained, own_cores, folder, content):
    step_seconds(job())
    [kept] = folder.rglob("*.json")
    kept.write_text(content)
    again = step_seconds(job())
    assert again > 0
    assert len(trained) == 2
    assert step_seconds(job()) == again == float(kept.read_text())
    assert len(trained) == 2


def test_a_cache_that_cannot_be_written_is_no_error(trained, own_cores, folder, monkeypatch):
    (folder / "file").write_text("")
    monkeypatch.setenv("LEAVEN_CACHE", str(folder / "file"))
    assert step_seconds(job()) > 0

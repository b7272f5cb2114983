"""Items that are of no class: how they are told, how much they are drawn, and that a stopped run knows them still."""

import numpy as np
import pytest
import torch
from helpers_train import NaNFrom, Same, feature_pool, network

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.methods.registry import get
from leaven.methods.step import Stream, Survey
from leaven.train import checkpoint
from leaven.train.batches import Batches
from leaven.train.engine import train
from leaven.train.job import TrainJob
from leaven.train.outliers import LEAST, SURVEYS, belonging
from leaven.train.plan import Plan
from leaven.train.sampler import Sampler


def survey(foreign: int, own: int = 120, seed: int = 0) -> tuple[Survey, np.ndarray]:
    """Three kinds of known ones, ten labels each, around axes of their own; foreign items around other axes."""
    rng = np.random.default_rng(seed)
    kind = np.concatenate([np.arange(own) % 3, 3 + np.arange(foreign) % 3])
    features = (4 * np.eye(8)[kind] + rng.normal(size=(own + foreign, 8)) * 0.7).astype(np.float32)
    labels = np.where(np.arange(own + foreign) < 30, kind, -1)
    return Survey(np.full((len(kind), 3), 1 / 3, np.float32), features, labels), kind >= 3


@pytest.mark.parametrize("foreign", [60, 120])
def test_foreign_items_are_told(foreign):
    seen, strange = survey(foreign)
    found = belonging(seen)
    assert found.shape == (120 + foreign,)
    assert found.min() >= LEAST
    assert found.max() <= 1
    assert (found[seen.labels >= 0] == 1).all()
    unknown = seen.labels < 0
    assert found[unknown & ~strange].mean() > 0.8
    assert found[strange].mean() < 0.3


def test_the_estimate_looks_at_no_label_that_was_not_given():
    """Nor at what the network says of classes: features and given labels decide."""
    seen, _ = survey(60)
    other = Survey(np.random.default_rng(0).dirichlet(np.ones(3), len(seen.labels)), seen.features, seen.labels)
    np.testing.assert_array_equal(belonging(seen), belonging(other))


@pytest.mark.parametrize("labels", [np.full(40, -1), np.zeros(40, int)])
def test_without_labels_or_with_all_of_them_everything_belongs(labels):
    features = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    np.testing.assert_array_equal(belonging(Survey(np.ones((40, 1), np.float32), features, labels)), np.ones(40))


@pytest.mark.parametrize("unknown", [1, 2, 3])
def test_few_unlabelled_items(unknown):
    """Too few to tell two kinds apart: that is no error."""
    seen, _ = survey(0)
    rows = np.concatenate([np.arange(30), np.arange(60, 60 + unknown)])
    found = belonging(Survey(seen.probabilities[rows], seen.features[rows], seen.labels[rows]))
    assert np.isfinite(found).all()
    assert found.min() >= LEAST


def test_features_that_are_all_the_same():
    """Of a network that has collapsed: nothing can be told apart, and everything belongs."""
    labels = np.where(np.arange(40) < 10, 0, -1)
    found = belonging(Survey(np.ones((40, 1), np.float32), np.ones((40, 4), np.float32), labels))
    np.testing.assert_allclose(found, 1, atol=1e-6)


# -- drawing by weight ---------------------------------------------------------------------------------------

ROWS = np.array([4, 7, 9, 12])
WEIGHTS = np.array([1.0, 0.0, 3.0, 0.5])


def weighed(size: int = 50, seed: int = 0, stream: int = 0, rank: int = 0, processes: int = 1) -> Sampler:
    sampler = Sampler(ROWS, size, seed, stream, rank, processes)
    sampler.set_weights(WEIGHTS)
    return sampler


def test_rows_are_drawn_in_proportion_to_their_weights():
    """20,000 draws: each count within four standard deviations of its expectation."""
    sampler = weighed()
    drawn = np.concatenate([sampler.at(step) for step in range(400)])
    p = WEIGHTS / WEIGHTS.sum()
    counts = np.array([(drawn == row).sum() for row in ROWS])
    assert counts.sum() == len(drawn)
    assert counts[1] == 0
    assert (np.abs(counts - len(drawn) * p) <= 4 * np.sqrt(len(drawn) * p * (1 - p))).all()


def test_a_weighed_draw_depends_on_seed_stream_and_step_alone():
    one, two = weighed(), weighed()
    two.at(17)
    for step in (3, 0, 200):
        np.testing.assert_array_equal(one.at(step), two.at(step))
    assert (one.at(0) != one.at(1)).any()
    assert (one.at(0) != weighed(seed=1).at(0)).any()
    assert (one.at(0) != weighed(stream=1).at(0)).any()


@pytest.mark.parametrize("processes", [2, 5])
def test_processes_share_the_weighed_draw_of_one(processes):
    parts = [weighed(50 // processes, rank=rank, processes=processes) for rank in range(processes)]
    for step in range(5):
        np.testing.assert_array_equal(np.concatenate([p.at(step) for p in parts]), weighed().at(step))


def test_unlabelled_items_alone_are_weighed():
    pool = feature_pool(n=40, labelled=12)
    streams = {"labelled": Stream("labelled"), "unlabelled": Stream("unlabelled", 10), "any": Stream("any", 10)}
    batches = Batches(pool, streams, Same(), Plan(batch_size=12), torch.device("cpu"))
    before = batches.at(0)
    weights = np.zeros(40)
    weights[[1, 30]] = 1
    batches.set_weights(weights)
    after = batches.at(0)
    assert set(after["unlabelled"].rows.tolist()) == {1, 30}
    for name in ("labelled", "any"):
        assert torch.equal(before[name].rows, after[name].rows)


def test_weights_stand_by_the_row_of_the_pool():
    """The unlabelled rows of a pool with a source do not begin at 0."""
    pool = feature_pool(n=40, labelled=6, source=15)
    batches = Batches(pool, {"unlabelled": Stream("unlabelled", 10)}, Same(), Plan(batch_size=12), torch.device("cpu"))
    weights = np.zeros(40)
    weights[[3, 22]] = 1  # row 3 is of the source
    batches.set_weights(weights)
    assert set(batches.at(0)["unlabelled"].rows.tolist()) == {22}


# -- in a run ------------------------------------------------------------------------------------------------


def strange_pool() -> Pool:
    seen, _ = survey(60, own=90)
    return Pool(seen.features, seen.labels, classes=("a", "b", "c"))


def run_of(folder=None, steps: int = 40, **plan: object) -> TrainJob:
    pool = strange_pool()
    settings = {
        "steps": steps,
        "batch_size": 6,
        "precision": "32-true",
        "accelerator": "cpu",
        "probes": 0,
        "outliers": True,
        **plan,
    }
    return TrainJob(get("fixmatch")(network("mlp", pool)), pool, Plan(**settings), Same(), folder, progress=False)


class Cut(Exception):
    """The run is cut off here."""


@pytest.mark.parametrize("at", [6, 9, 11, 13])
def test_a_stopped_run_ends_bit_for_bit(at, tmp_path):
    """Cut between two surveys and beside one: of 40 steps every fourth has one."""
    unbroken = run_of()
    train(unbroken)

    def probe(done: int, *_: object) -> None:
        if done == at:
            raise Cut

    broken = run_of(tmp_path, checkpoint_every=0.0, probes=40)
    broken.probe = probe
    with pytest.raises(Cut):
        train(broken)
    saved = checkpoint.load(tmp_path / "checkpoint.pt")
    assert saved["step"] == at - 1
    assert saved["belonging"].shape == (150,)
    assert saved["belonging"].min() < 0.5  # there is something to know
    again = run_of(tmp_path)
    again.resume = True
    train(again)
    expected, found = unbroken.method.state_dict(), again.method.state_dict()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def test_a_run_learns_less_from_foreign_items(monkeypatch):
    """They are two thirds as many as the others; weights drawn by what was surveyed."""
    drawn: dict[bool, list[np.ndarray]] = {}
    at = Batches.at
    for outliers in (True, False):
        drawn[outliers] = rows = []

        def noted(self, step, rows=rows):
            found = at(self, step)
            rows.append(found["unlabelled"].rows.numpy())
            return found

        monkeypatch.setattr(Batches, "at", noted)
        train(run_of(outliers=outliers))
    share = {asked: np.mean(np.concatenate(rows) >= 90) for asked, rows in drawn.items()}
    assert share[False] == pytest.approx(60 / 150, abs=0.05)
    assert share[True] < 0.6 * share[False]


def test_surveys_are_spread_over_the_run(monkeypatch):
    made = []
    monkeypatch.setattr("leaven.train.loop.belonging", lambda s: made.append(len(s.features)) or np.ones(150))
    train(run_of(steps=40))
    assert made == [150] * SURVEYS
    made.clear()
    train(run_of(outliers=False))
    assert not made


def test_one_item_without_a_label_is_no_error():
    """However few there are."""
    pool = feature_pool(n=13, labelled=12)
    plan = Plan(steps=3, batch_size=6, precision="32-true", accelerator="cpu", probes=0, outliers=True)
    trained = train(TrainJob(get("fixmatch")(network("mlp", pool)), pool, plan, Same(), progress=False))
    assert trained.steps == 3
    assert all(weight.isfinite().all() for weight in trained.weights.values() if weight.is_floating_point())


def test_a_loss_that_is_no_number_is_named_as_such():
    """The survey after it meets features that are none either; the sentence is the one of every run."""
    pool = strange_pool()
    plan = Plan(steps=40, batch_size=6, precision="32-true", accelerator="cpu", probes=0, outliers=True)
    method = NaNFrom(network("mlp", pool), 3)
    with pytest.raises(LeavenError, match="The loss became NaN or infinite"):
        train(TrainJob(method, pool, plan, Same(), progress=False))

"""Features far from zero: centred before they lose digits, in training and in prediction, at both doors."""

import json

import numpy as np
import pytest
import torch

from leaven import LeavenClassifier
from leaven.augment import FeatureViews
from leaven.data import Pool, adaptation, read_arrays, read_npz
from leaven.data.readers.arrays import as_features
from leaven.labels.inputs import read_like
from leaven.nn.build import statistics
from leaven.nn.network import Network
from leaven.run.trained.model import load_model

STAMP = 1.7e9  # seconds since 1970: float32 knows every 128th second there


def stamped(n=200, seed=0):
    """Two classes that are 40 seconds apart."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return np.stack([STAMP + 40.0 * y + rng.normal(0, 5, n), rng.normal(0, 1, n)], 1), y


def test_features_stay_float64_where_they_must():
    X, _ = stamped()
    assert as_features(X).dtype == np.float64
    assert as_features(X.astype(np.int64)).dtype == np.float64
    assert as_features(X - [STAMP, 0]).dtype == np.float32
    assert as_features(X.astype(np.float32)).dtype == np.float32
    assert as_features(X - [STAMP, 0], precise=True).dtype == np.float64
    constant = np.column_stack([np.full(200, STAMP), X[:, 1]])
    assert as_features(constant).dtype == np.float32
    _, std = statistics(as_features(X))
    assert std[0] == pytest.approx(X[:, 0].std())
    joined = adaptation(read_arrays(X, np.zeros(200, int)), read_arrays(X - [STAMP, 0]))
    assert joined.items.dtype == np.float64


def test_the_network_centres_in_float64():
    X, _ = stamped()
    wanted = ((X - X.mean(0)) / X.std(0)).astype(np.float32)
    network = Network(torch.nn.Identity(), torch.nn.Identity(), X.mean(0), X.std(0), precise=True)
    found = network.normalised(torch.from_numpy(X))
    assert found.dtype == torch.float32
    assert found.numpy() == pytest.approx(wanted, abs=1e-6)
    plain = Network(torch.nn.Identity(), torch.nn.Identity(), X.mean(0), X.std(0))
    assert plain.normalised(torch.from_numpy(X)).dtype == torch.float32


def test_what_drops_out_becomes_the_mean():
    X, _ = stamped()
    views = FeatureViews(center=torch.tensor(X.mean(0), dtype=torch.float64), noise=0.0, dropout=0.5)
    torch.manual_seed(0)
    seen = views.strong(torch.from_numpy(X)).numpy()
    dropped = seen == X.mean(0)
    assert 0.3 < dropped.mean() < 0.7


@pytest.mark.parametrize("method", ["supervised", "fixmatch", "co_training"])
def test_the_estimator_needs_no_scaler(method):
    X, y = stamped()
    few = np.where(np.arange(200) < 40, y, -1)
    model = LeavenClassifier(method, steps=60, random_state=0).fit(X, few)
    assert model.score(X, y) > 0.9  # in float32 it was that of a coin
    assert model.predict(X[:1]) == y[:1]  # a row by itself
    wide = np.concatenate([X, [[2 * STAMP, 0]]])  # beside one that is far away
    assert (model.predict(wide)[:-1] == y).mean() > 0.9


def test_the_command(tmp_path):
    from leaven.run.fit import fit
    from leaven.run.options import Options

    X, y = stamped()
    np.savez(tmp_path / "train.npz", x=X, y=np.where(np.arange(200) < 40, y, -1))
    pool = read_npz(tmp_path / "train.npz")
    plan = {"steps": 60, "batch_size": 16, "accelerator": "cpu", "precision": "32-true"}
    run = tmp_path / "run"
    fit(pool, run, Options("supervised", plan=plan, validation=0.0), progress=False)
    assert json.loads((run / "config.json").read_text())["network"]["precise"]
    model = load_model(run)
    far, _ = stamped(seed=1)
    np.savez(tmp_path / "far.npz", x=np.concatenate([far, [[2 * STAMP, 0]]]))
    items = read_like(tmp_path / "far.npz", model.spec.shape).items
    found = model.predict_proba(items).argmax(1)
    assert (found[:-1] == y).mean() > 0.98


def test_runs_of_plain_features_are_as_they_were():
    X = np.random.default_rng(0).normal(size=(20, 3))
    pool = Pool(as_features(X))
    assert pool.items.dtype == np.float32
    network = Network(torch.nn.Identity(), torch.nn.Identity(), *statistics(pool.items))
    assert network.mean.dtype == torch.float32
    assert torch.equal(network.normalised(torch.from_numpy(X)), network.normalised(torch.from_numpy(pool.items)))

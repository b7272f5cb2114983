"""Unlabelled rows are of use; so is a source domain. Means over several seeds."""

import numpy as np
from sklearn.datasets import load_digits

from leaven import LeavenClassifier
from leaven.data import digits, rendered_digits

SEEDS = range(3)


def few(truth, seed, per_class):
    rng = np.random.default_rng(seed)
    y = np.full(len(truth), -1)
    for k in np.unique(truth):
        y[rng.permutation(np.flatnonzero(truth == k))[:per_class]] = k
    return y


def test_unlabelled_features_help():
    X, truth = load_digits(return_X_y=True)
    accuracy = {"fixmatch": [], "supervised": []}
    for seed in SEEDS:
        y = few(truth, seed, per_class=4)
        for method, found in accuracy.items():
            model = LeavenClassifier(method, random_state=seed).fit(X, y)
            found.append((model.predict(X) == truth)[y < 0].mean())
    assert np.mean(accuracy["fixmatch"]) > np.mean(accuracy["supervised"]) + 0.02


def test_a_source_domain_helps():
    """Rendered digits with labels, real digits without: AdaMatch, which ``auto`` takes for two domains."""
    real, drawn = digits().subset(slice(600)), rendered_digits(600)
    X = np.concatenate([drawn.items, real.items])
    y = np.concatenate([drawn.labels, np.full(600, -1)])
    domain = np.repeat([1, -1], 600)
    plan = {"steps": 60, "batch_size": 32, "random_state": 0}
    adapted = LeavenClassifier("auto", **plan).fit(X, y, sample_domain=domain)
    source_only = LeavenClassifier("supervised", **plan).fit(X, y, sample_domain=domain)
    assert adapted.model_ is not None
    assert adapted.score(real.items, real.labels) > source_only.score(real.items, real.labels) + 0.1

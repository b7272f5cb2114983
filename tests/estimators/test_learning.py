"""Unlabelled rows are of use; so is a source domain. Means over three seeds."""

import numpy as np
from sklearn.datasets import load_digits

from leaven import LeavenClassifier

X, TRUTH = load_digits(return_X_y=True)
SEEDS = range(3)


def few(truth, seed, per_class):
    rng = np.random.default_rng(seed)
    y = np.full(len(truth), -1)
    for k in np.unique(truth):
        y[rng.permutation(np.flatnonzero(truth == k))[:per_class]] = k
    return y


def test_unlabelled_features_help():
    accuracy = {"fixmatch": [], "supervised": []}
    for seed in SEEDS:
        y = few(TRUTH, seed, per_class=4)
        for method, found in accuracy.items():
            model = LeavenClassifier(method, steps=400, batch_size=16, random_state=seed).fit(X, y)
            found.append((model.predict(X) == TRUTH)[y < 0].mean())
    assert np.mean(accuracy["fixmatch"]) > np.mean(accuracy["supervised"]) + 0.02


def test_a_source_domain_helps():
    """The target comes from a camera whose every pixel has a gain, an offset and noise of its own; no labels."""
    labels, domain = np.where(np.arange(1797) < 900, TRUTH, -1), np.repeat([1, -1], [900, 897])
    accuracy = {"auto": [], "supervised": []}
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        gain, offset = rng.uniform(0.4, 1.6, 64), rng.uniform(-4, 4, 64)
        seen = X.copy()
        seen[900:] = seen[900:] * gain + offset + rng.normal(0, 2, (897, 64))
        for method, found in accuracy.items():
            model = LeavenClassifier(method, steps=100, random_state=seed)
            found.append(model.fit(seen, labels, sample_domain=domain).score(seen[900:], TRUTH[900:]))
    assert np.mean(accuracy["auto"]) > np.mean(accuracy["supervised"]) + 0.05


def test_two_domains_choose_adamatch():
    y, domain = np.where(np.arange(1797) < 900, TRUTH, -1), np.repeat([1, -1], [900, 897])
    small = {"steps": 3, "random_state": 0}
    auto = LeavenClassifier("auto", **small).fit(X, y, sample_domain=domain)
    adamatch = LeavenClassifier("adamatch", **small).fit(X, y, sample_domain=domain)
    assert (auto.predict_proba(X) == adamatch.predict_proba(X)).all()

"""Closed forms on features: scikit-learn's answers, through a network that is saved and loaded like every other."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from leaven.data import Pool, digits, few_labels
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.trained.model import load_model

QUICK = {"accelerator": "cpu", "precision": "32-true"}
WHOLE = digits()


def flat(pool: Pool) -> np.ndarray:
    return pool.items.reshape(len(pool), -1).astype(np.float64)


def vectors(pool: Pool) -> Pool:
    return Pool(flat(pool).astype(np.float32), pool.labels, pool.ids, classes=pool.classes)


def halves(per_class: int, seed: int) -> tuple[Pool, Pool]:
    order = np.random.default_rng(seed).permutation(len(WHOLE))
    return few_labels(WHOLE.subset(order[:600]), per_class, seed), WHOLE.subset(order[600:])


def of_scikit_learn(name: str, pool: Pool, new: np.ndarray) -> np.ndarray:
    """Probabilities ``(N, K)`` of the same model, fitted here."""
    x, known = flat(pool), pool.labels >= 0
    if name in ("k_nn", "label_spreading"):
        model = KNeighborsClassifier(5) if name == "k_nn" else LabelSpreading(kernel="knn", n_neighbors=7)
        rows = known if name == "k_nn" else slice(None)
        return model.fit(x[rows], pool.labels[rows]).predict_proba(new)
    scale = StandardScaler().fit(x)
    once = LogisticRegression(max_iter=1000)
    if name == "logistic_regression":
        return once.fit(scale.transform(x[known]), pool.labels[known]).predict_proba(scale.transform(new))
    model = SelfTrainingClassifier(once, threshold=0.75).fit(scale.transform(x), pool.labels)
    return model.predict_proba(scale.transform(new))


@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize("name", ["logistic_regression", "self_training", "k_nn", "label_spreading"])
def test_it_says_what_scikit_learn_says(name, images, tmp_path):
    """Of digits, whose pixels are the features: equal scales in all columns, so that distances are those of pixels."""
    pool, test = halves(4, 0)
    given = pool if images else vectors(pool)
    options = Options(name, plan=QUICK, baseline=False, validation=0.0)
    [fitted] = fit(given, tmp_path / "run", options, test=test if images else vectors(test), progress=False)
    items = test.items if images else vectors(test).items
    expected = of_scikit_learn(name, pool, flat(test))
    found = load_model(tmp_path / "run").predict_proba(items)
    np.testing.assert_array_equal(found, fitted.model.predict_proba(items))
    if images or name in ("logistic_regression", "self_training"):
        tied = np.sort(expected, 1)[:, -1] - np.sort(expected, 1)[:, -2] < 1e-6
        assert (found.argmax(1) == expected.argmax(1))[~tied].mean() > 0.995
        assert np.abs(found - expected).mean() < 2e-3
    assert fitted.evaluations["test"].accuracy().value > 0.6


@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize("name", ["logistic_regression", "k_nn", "label_spreading"])
def test_the_baseline_beside_it_is_trained(name, images, tmp_path):
    """By steps, with a linear head whatever the method's is; and both are read back as they were."""
    pool, test = halves(2, 1)
    pool, test = (pool, test) if images else (vectors(pool), vectors(test))
    plan = QUICK | {"steps": 3, "batch_size": 8}
    fitted = fit(pool, tmp_path / "run", Options(name, plan=plan), test=test, progress=False)
    assert [one.method for one in fitted] == ["supervised", name]
    for where, one in zip((tmp_path / "run" / "baseline", tmp_path / "run"), fitted, strict=True):
        found = load_model(where).predict_proba(test.items)
        np.testing.assert_array_equal(found, one.model.predict_proba(test.items))


@pytest.mark.parametrize("name", ["logistic_regression", "self_training", "k_nn", "label_spreading"])
def test_two_classes_far_from_zero(name):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(at, 1, (40, 3)) for at in (0, 6)]).astype(np.float32) + 1000
    labels = np.full(80, -1)
    labels[[0, 1, 2, 40, 41, 42]] = [0, 0, 0, 1, 1, 1]
    pool = Pool(x, labels, classes=("near", "far"))
    options = Options(name, {"k": 3} if name == "k_nn" else {}, plan=QUICK, baseline=False)
    [fitted] = fit(pool, None, options, progress=False)
    p = fitted.model.predict_proba(x)
    assert (p.argmax(1) == np.repeat([0, 1], 40)).mean() > 0.97
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-5)


def test_what_trains_itself_learns_from_what_nobody_labelled():
    """Digits with four labels a class, five draws: ahead of the regression that it starts from."""
    ahead = []
    for seed in range(5):
        pool, test = halves(4, seed)
        found = [
            fit(pool, None, Options(name, plan=QUICK, baseline=False, validation=0.0), test=test, progress=False)[-1]
            for name in ("self_training", "logistic_regression")
        ]
        trained, base = (one.evaluations["test"].accuracy().value for one in found)
        ahead.append(trained - base)
    assert np.mean(ahead) > 0.02, ahead


def test_what_spreads_learns_from_what_nobody_labelled():
    """Digits with two labels a class, five draws: spreading is ahead of the same five neighbours, which ask labels."""
    ahead = []
    for seed in range(5):
        pool, test = halves(2, seed)
        found = [
            fit(pool, None, Options(name, plan=QUICK, baseline=False, validation=0.0), test=test, progress=False)[-1]
            for name in ("label_spreading", "k_nn", "logistic_regression")
        ]
        spread, *others = (one.evaluations["test"].accuracy().value for one in found)
        ahead.append(spread - max(others))
    assert np.mean(ahead) > 0.03

"""Criteria without target labels, against numbers worked out by hand or by another route."""

import math

import numpy as np
import pytest
import torch

from leaven.evaluation import criteria
from leaven.evaluation.criteria import CRITERIA, Evidence

SURE = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
ONE = np.array([[1.0, 0, 0]] * 3)
GUESS = np.full((3, 3), 1 / 3)
SOME = np.array([[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]])


def test_entropy_diversity_and_both():
    ln2, ln3 = math.log(2), math.log(3)
    for probabilities, mean_entropy, of_mean in ((SURE, 0, ln3), (ONE, 0, 0), (GUESS, ln3, ln3)):
        assert criteria.entropy(probabilities) == pytest.approx(-mean_entropy)
        assert criteria.diversity(probabilities) == pytest.approx(of_mean)
        assert criteria.information_maximisation(probabilities) == pytest.approx(of_mean - mean_entropy)
    # H(1/2, 1/2) = ln 2; H(1/4, 1/4, 1/2) = 1.5 ln 2; mean prediction (3/8, 3/8, 1/4)
    of_mean = -(2 * 3 / 8 * math.log(3 / 8) + math.log(1 / 4) / 4)
    assert criteria.entropy(SOME) == pytest.approx(-1.25 * ln2)
    assert criteria.information_maximisation(SOME) == pytest.approx(of_mean - 1.25 * ln2)


def test_snd_of_three_items():
    """a and b are alike, c stands at a right angle; an item's similarity to itself counts as −1."""
    p = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    alike, apart, itself = math.exp(1 / 0.05), math.exp(0 / 0.05), math.exp(-1 / 0.05)

    def entropy(*weights):
        shares = np.array(weights) / sum(weights)
        return -(shares * np.log(shares)).sum()

    of_a, of_c = entropy(itself, alike, apart), entropy(apart, apart, itself)
    assert criteria.snd(p) == pytest.approx((2 * of_a + of_c) / 3)
    assert of_c == pytest.approx(math.log(2), abs=1e-6)


def test_snd_in_blocks_is_the_whole(monkeypatch):
    p = np.random.default_rng(0).dirichlet(np.ones(4), 10)
    whole = criteria.snd(p)
    monkeypatch.setattr(criteria, "BLOCK", 3)
    assert criteria.snd(p) == pytest.approx(whole)


def test_snd_is_largest_for_what_has_collapsed():
    assert criteria.snd(np.tile([0.9, 0.1], (50, 1))) > criteria.snd(np.random.default_rng(0).dirichlet([1, 1], 50))


def test_bnm_is_the_sum_of_singular_values():
    assert criteria.bnm(SURE) == pytest.approx(1.0)  # of the identity: 3 / 3
    assert criteria.bnm(ONE) == pytest.approx(math.sqrt(3) / 3)  # rank one: its Frobenius norm
    # of a matrix with two rows: σ₁² + σ₂² = ‖P‖², σ₁·σ₂ = √det(P Pᵀ)
    gram = SOME @ SOME.T
    total = math.sqrt(np.trace(gram) + 2 * math.sqrt(np.linalg.det(gram)))
    assert criteria.bnm(SOME) == pytest.approx(total / 2)


def test_mano_of_the_softmax_and_of_its_series():
    z = np.array([[math.log(3), 0.0]])  # softmax: 3/4, 1/4
    one, zero = 1 + math.log(3) + math.log(3) ** 2 / 2, 1.0
    q = np.array([one, zero]) / (one + zero)
    assert criteria.mano(z) == pytest.approx(np.mean(q**4) ** 0.25)
    far = np.array([[30.0, 0.0, 0.0]])  # −log p: 0, 30, 30, in the mean 20
    assert criteria.mano(far) == pytest.approx((1 / 3) ** 0.25)


def test_rankme_counts_directions():
    assert criteria.rankme(np.eye(4)) == pytest.approx(4.0)
    assert criteria.rankme(np.outer(np.arange(1, 5), [1.0, 2.0])) == pytest.approx(1.0)
    assert criteria.rankme(np.diag([3.0, 1.0])) == pytest.approx(
        math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    )
    assert criteria.rankme(np.zeros((3, 2))) == 1.0


def test_class_ami():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 20)
    features = 10 * np.eye(3)[labels] + rng.normal(size=(60, 3))
    assert criteria.class_ami(features, labels, 3) == pytest.approx(1.0)
    assert criteria.class_ami(features, (labels + 1) % 3, 3) == pytest.approx(1.0)  # names play no part
    assert abs(criteria.class_ami(features, rng.permutation(labels), 3)) < 0.15


class Given:
    """A domain classifier with given probabilities of the target."""

    def __init__(self, **_):
        pass

    def fit(self, x, y):
        return self

    def predict_proba(self, x):
        return np.stack([1 - x[:, 0], x[:, 0]], 1)


def test_dev_by_hand(monkeypatch):
    """Weights 2 · p / (1 − p), for twice as many source items were trained on."""
    monkeypatch.setattr(criteria, "LogisticRegression", Given)
    held_out = np.array([[0.5], [0.25], [0.75]])
    errors = np.array([1.0, 0.0, 1.0])
    w = np.array([2.0, 2 / 3, 6.0])
    we = w * errors
    covariance = ((we - we.mean()) * (w - w.mean())).sum() / 2
    control = -covariance / (((w - w.mean()) ** 2).sum() / 2)
    risk = we.mean() + control * w.mean() - control
    assert criteria.dev(np.zeros((4, 1)), np.zeros((2, 1)), held_out, errors) == pytest.approx(-risk)
    same = np.array([[0.5], [0.5]])  # weights that do not vary say nothing of a control
    assert criteria.dev(np.zeros((2, 1)), np.zeros((2, 1)), same, np.array([1.0, 0.0])) == pytest.approx(-0.5)


def test_dev_counts_what_looks_like_the_target():
    """Held-out items near the target are all wrong, those far from it all right: the risk is above their mean."""
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(400, 2)), rng.normal(size=(400, 2)) + np.array([1.0, 0.0])
    held_out = rng.normal(size=(400, 2))
    near = held_out[:, 0] > 0.5
    assert -criteria.dev(source, target, held_out, near.astype(float)) > near.mean() + 0.1
    assert -criteria.dev(source, target, held_out, (~near).astype(float)) < (~near).mean() - 0.1


def test_mixval_by_hand():
    """Predicted by the sign: with 0.55 the heavier item decides where both are as far from 0, and only there."""
    items = np.array([[1.0], [-1.0], [1.0], [-5.0]])
    others = np.random.default_rng(0).permutation(4)
    sign = lambda x: (x[:, 0] > 0).astype(int)  # noqa: E731
    mixed = [0.55 * items[i, 0] + 0.45 * items[j, 0] for i, j in enumerate(others)]
    pairs = [(i, j) for i, j in enumerate(others) if i != j]
    same = [mixed[i] * items[i, 0] > 0 for i, j in pairs if items[i, 0] * items[j, 0] > 0]
    apart = [mixed[i] * items[i, 0] > 0 for i, j in pairs if items[i, 0] * items[j, 0] < 0]
    within, between = criteria.mixval(sign, items)
    assert within == pytest.approx(np.mean(same), nan_ok=True)
    assert between == pytest.approx(np.mean(apart), nan_ok=True)


def test_a_good_model_is_above_one_that_collapsed():
    """For all but those that the page warns of."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 30)
    good = 6 * np.eye(4)[labels] + rng.normal(size=(120, 4))
    collapsed = np.tile([9.0, 0, 0, 0], (120, 1)) + 0.1 * rng.normal(size=(120, 4))
    features = {name: np.concatenate([x, x**2 / 10], 1) for name, x in (("good", good), ("collapsed", collapsed))}
    values = {}
    for name, logits in (("good", good), ("collapsed", collapsed)):
        wrong = Evidence(logits, features[name], logits, labels, features[name], features["good"])
        values[name] = {criterion: CRITERIA[criterion](wrong) for criterion in CRITERIA}
        assert all(math.isfinite(value) for value in values[name].values())
    better = {c for c in CRITERIA if values["good"][c] > values["collapsed"][c]}
    assert better >= {"source_accuracy", "diversity", "information_maximisation", "bnm", "class_ami", "rankme"}
    assert not better & {"entropy", "snd"}


def test_without_held_out_source_items_what_needs_them_says_nothing():
    evidence = Evidence(np.eye(3), torch.eye(3).numpy())
    assert math.isnan(CRITERIA["source_accuracy"](evidence))
    assert math.isnan(CRITERIA["dev"](evidence))

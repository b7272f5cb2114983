"""Algorithm 1 of Iscen et al. (2019), against a dense solution."""

import numpy as np
import pytest
import torch
from stubs import Given, batch, cross_entropy, draw
from test_graph import dense_graph

from leaven.methods.semi.label_propagation import LabelPropagation
from leaven.methods.step import RunInfo, StreamBatch, Survey

RNG = np.random.default_rng(2)
N, K = 16, 3
FEATURES = (RNG.normal(size=(N, 4)) + 2).astype(np.float32)
KNOWN = np.full(N, -1)
KNOWN[[0, 3, 5, 6, 9]] = [0, 0, 0, 1, 2]


def surveyed(known: np.ndarray = KNOWN, features: np.ndarray = FEATURES, **hyperparameters: object) -> LabelPropagation:
    method = LabelPropagation(Given(), **{"neighbours": 4, "warmup": 0.3, **hyperparameters})
    method.setup(RunInfo(100, 4, K, len(known), (4,)))
    method.survey(Survey(np.full((len(known), K), 1 / K, np.float32), features, known))
    return method


def expected(alpha: float = 0.99, gamma: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Pseudo-labels and certainties. Each class's labels share one unit (the authors' code, of eq. 5)."""
    seeds = np.zeros((N, K))
    for k in range(K):
        seeds[k == KNOWN, k] = 1 / (k == KNOWN).sum()
    z = np.linalg.solve(np.eye(N) - alpha * dense_graph(FEATURES, 4, gamma), seeds)
    shares = z / z.sum(1, keepdims=True)
    certainty = 1 + (shares * np.log(np.maximum(shares, 1e-300))).sum(1) / np.log(K)
    certainty /= certainty.max()  # the authors' code
    return np.where(KNOWN >= 0, KNOWN, z.argmax(1)), np.where(KNOWN >= 0, 1, certainty)


@pytest.mark.parametrize(("alpha", "gamma"), [(0.99, 3.0), (0.6, 1.0)])
def test_survey_against_a_dense_solution(alpha, gamma):
    method = surveyed(alpha=alpha, gamma=gamma)
    labels, certainty = expected(alpha, gamma)
    np.testing.assert_array_equal(method.labels, labels)
    np.testing.assert_allclose(method.certainty, certainty, atol=2e-3)


def test_small_classes_weigh_more():
    """ζ_c is in proportion to 1 / (|L_c| + |U_c|) (section 4.2)."""
    method = surveyed()
    sizes = np.bincount(method.labels.numpy(), minlength=K)
    assert sizes.min() >= 1
    assert len(set(sizes)) > 1
    found = method.balance.numpy()
    np.testing.assert_allclose(found * sizes / (found[0] * sizes[0]), 1, rtol=1e-5)


@pytest.mark.parametrize("sizes", [(100, 100, 2), (100, 100, 0)])
def test_weights_of_classes_leave_the_scale_of_the_loss(sizes):
    """ζ_c = N / (K |c|) in the authors' code: on average over items 1, so a class that hardly anything is of, or
    nothing, does not silence the others.
    """
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), sizes)
    features = (np.eye(3)[truth] + rng.normal(size=(len(truth), 3)) * 0.02).astype(np.float32)
    known = np.full(len(truth), -1)
    known[[0, 100, 200][: np.count_nonzero(sizes)]] = np.flatnonzero(sizes)
    method = surveyed(known, features)
    assert np.bincount(method.labels.numpy(), minlength=K).tolist() == list(sizes)
    of = np.flatnonzero(sizes)
    np.testing.assert_allclose(method.balance.numpy()[of], len(truth) / 3 / np.array(sizes)[of], rtol=0.02)


def test_loss_worked_out():
    """Mean over all unlabelled items of ω_i · ζ_ŷ · H(ŷ, p) (eq. 11)."""
    method = surveyed(weight=2.0)
    rows = np.array([1, 4, 0, 15, 9])
    scores, own = RNG.normal(size=(5, K)), RNG.normal(size=(2, K))
    weak = torch.tensor(scores, dtype=torch.float32)
    drawn = batch(0.5, labelled=draw([0, 2], weak=own), unlabelled=StreamBatch(torch.from_numpy(rows), {"weak": weak}))
    terms = method(drawn)
    labels, certainty = expected()
    balance = method.balance.double().numpy()
    each = cross_entropy(scores, labels[rows]) * certainty[rows] * balance[labels[rows]]
    assert terms["unlabelled"].item() == pytest.approx(2 * each.mean(), rel=5e-3)
    assert terms["labelled"].item() == pytest.approx(cross_entropy(own, [0, 2]).mean(), rel=1e-5)
    assert method.logged["certainty"].item() == pytest.approx(certainty[rows].mean(), abs=2e-3)


@pytest.mark.parametrize(("progress", "counts"), [(0.0, False), (0.29, False), (0.3, True), (0.9, True)])
def test_at_first_the_labels_alone(progress, counts):
    method = surveyed()
    drawn = batch(progress, labelled=draw([0], weak=np.zeros((1, K))), unlabelled=draw(weak=RNG.normal(size=(N, K))))
    assert (method(drawn)["unlabelled"].item() > 0) == counts


def test_what_nothing_reaches_is_not_learnt_from():
    """An isolated vertex has certainty 0."""
    features = FEATURES.copy()
    features[7] = -FEATURES.mean(0)  # looks away from all
    method = surveyed(features=features)
    assert method.certainty[7] == 0
    assert method.certainty.isfinite().all()


def test_classical_spreading_makes_the_labels():
    method = surveyed(classical=True)
    np.testing.assert_array_equal(method.labels.numpy()[KNOWN >= 0], KNOWN[KNOWN >= 0])
    assert ((method.certainty >= 0) & (method.certainty <= 1)).all()
    other = surveyed()
    assert not torch.allclose(method.certainty, other.certainty, atol=1e-3)


def test_what_was_found_is_state():
    """So a resumed run goes on with it."""
    method = surveyed()
    again = LabelPropagation(Given())
    again.setup(RunInfo(100, 4, K, N, (4,)))
    again.load_state_dict(method.state_dict())
    for name in ("labels", "certainty", "balance"):
        assert torch.equal(getattr(again, name), getattr(method, name))


def test_rounds_are_surveys():
    assert LabelPropagation(Given(), rounds=7).surveys == 7
    streams = LabelPropagation(Given(), ratio=2).streams
    assert [(s.role, s.ratio, s.views) for s in streams.values()] == [
        ("labelled", 1.0, ("weak",)),
        ("unlabelled", 2, ("weak",)),
    ]

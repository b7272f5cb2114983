"""Nearest class mean: the head is the means, worked out by hand; one label a class ends in predictions."""

import numpy as np
import pytest
import torch
from torch import nn

from leaven.data import Pool, digits, few_labels
from leaven.errors import LeavenError
from leaven.methods.classical.nearest import Nearest
from leaven.methods.step import Survey
from leaven.nn.heads import set_to_means
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.trained.model import load_model

QUICK = {"steps": 2, "batch_size": 4, "accelerator": "cpu", "precision": "32-true", "probes": 0}


def test_the_head_by_hand():
    """Means (1, 0) and (0, 3), 10 apart squared: scores are minus the squared distances over 0.5 · 10."""
    network = nn.Module()
    network.head = nn.Linear(2, 2)
    x = np.array([[0, 0], [2, 0], [0, 3], [9, 9]], np.float32)
    Nearest(network, temperature=0.5).survey(Survey(np.zeros((4, 2)), x, np.array([0, 0, 1, -1])))
    scores = network.head(torch.tensor([[1.0, 0.0], [2.0, 1.0]]))
    expected = -torch.tensor([[0.0, 10.0], [2.0, 8.0]]) / 5
    torch.testing.assert_close(scores.log_softmax(1), expected.log_softmax(1))


def test_scores_are_those_of_squared_distances():
    rng = np.random.default_rng(0)
    means, x = torch.tensor(rng.normal(500, 1, (4, 6))), torch.tensor(rng.normal(500, 1, (50, 6)))
    head = nn.Linear(6, 4).double()
    set_to_means(head, means)
    expected = -(x[:, None] - means[None]).square().sum(2)
    torch.testing.assert_close(head(x).log_softmax(1), expected.log_softmax(1))
    set_to_means(head, means[:1].expand(4, -1), 0.1)  # all alike
    assert head(x).softmax(1).sub(0.25).abs().max() < 1e-9


def vectors(pool: Pool) -> Pool:
    return Pool(pool.items.reshape(len(pool), -1).astype(np.float32), pool.labels, pool.ids, classes=pool.classes)


def test_one_label_a_class_is_enough(tmp_path):
    """Over five draws of ten labels at least three times chance each; and what is saved is what was fitted."""
    whole = vectors(digits())
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(whole))
        pool, test = few_labels(whole.subset(order[:600]), 1, seed), whole.subset(order[600:])
        run = tmp_path / "run" if not seed else None
        [fitted] = fit(pool, run, Options("nearest", baseline=False, plan=QUICK), test=test, progress=False)
        assert fitted.evaluations["test"].accuracy().value > 0.3
        assert fitted.evaluations["test"].calibration_error() < 0.3  # confidences have a scale
    first = fit(few_labels(whole, 1), tmp_path / "again", Options("nearest", plan=QUICK), progress=False)
    assert [one.method for one in first] == ["supervised", "nearest"]
    loaded = load_model(tmp_path / "again").predict_proba(whole.items[:50])
    np.testing.assert_allclose(loaded, first[1].model.predict_proba(whole.items[:50]), atol=1e-6)
    known = few_labels(whole, 1)
    rows = known.labels >= 0
    assert (first[1].model.predict_proba(known.items[rows]).argmax(1) == known.labels[rows]).all()


def test_images_pass_a_backbone_that_somebody_taught(tmp_path):
    pool = few_labels(digits().subset(np.arange(200)), 1)
    fit(pool, tmp_path / "run", Options("nearest", network="cnn", baseline=False, plan=QUICK), progress=False)
    assert (tmp_path / "run" / "stages" / "1-moco" / "model.safetensors").exists()  # MoCo, on the pool's own images
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Nearest is a closed form: it was fitted at once, in no steps." in page
    model = load_model(tmp_path / "run")
    assert model.spec.frozen
    again = fit(
        pool,
        None,
        Options("nearest", baseline=False, plan=QUICK, init=tmp_path / "run" / "stages" / "1-moco"),
        progress=False,
    )
    np.testing.assert_allclose(
        model.predict_proba(pool.items), again[0].model.predict_proba(pool.items), atol=1e-5
    )  # the same backbone, the same means


def test_what_cannot_be(tmp_path):
    pool = few_labels(digits().subset(np.arange(200)), 1)
    with pytest.raises(LeavenError, match="leave --tuned out"):
        fit(pool, None, Options("nearest", frozen=False, plan=QUICK), progress=False)
    with pytest.raises(LeavenError, match="'mlp' would stay random; choose linear"):
        fit(vectors(pool), None, Options("nearest", network="mlp", plan=QUICK), progress=False)
    with pytest.raises(LeavenError, match="or take another method: nearest"):
        fit(pool, None, Options("prototypical", {"ways": 5}, plan=QUICK), progress=False)

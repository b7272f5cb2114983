"""Adversarial adaptation from a pool to a saved model: the head of the method's paper, one seed, no frozen backbone."""

import numpy as np
import pytest
import torch

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.nn.heads import CosineHead
from leaven.run.fit import fit
from leaven.run.folder import BASELINE
from leaven.run.options import Options
from leaven.run.trained.model import load_model

PLAN = {"steps": 3, "batch_size": 6, "accelerator": "cpu", "precision": "32-true", "probes": 0}


@pytest.fixture
def pool():
    """Twelve labelled rows of a source, and twelve of a target, three of them labelled."""
    labels = np.arange(24) % 3
    items = np.random.default_rng(0).normal(size=(24, 5)) + 3 * np.eye(5)[labels]
    domain = np.where(np.arange(24) < 12, 1, -1)
    return Pool(
        items.astype(np.float32), np.where(np.arange(24) < 15, labels, -1), domain=domain, classes=("a", "b", "c")
    )


def test_mme_and_its_baseline_have_the_head_by_angle_and_load_again(pool, tmp_path):
    for fitted in fit(pool, tmp_path / "run", Options("mme", plan=PLAN, validation=0.0), progress=False):
        where = tmp_path / "run" / (BASELINE if fitted.method == "supervised" else "")
        found = load_model(where)
        assert isinstance(found.network.head, CosineHead)
        assert found.spec == fitted.model.spec
        assert found.spec.head == "cosine"
        np.testing.assert_array_equal(found.predict_proba(pool.items), fitted.model.predict_proba(pool.items))


def test_other_methods_keep_the_linear_head(pool):
    (fitted,) = fit(pool, None, Options("dann", plan=PLAN, validation=0.0, baseline=False), progress=False)
    assert isinstance(fitted.model.network.head, torch.nn.Linear)


@pytest.mark.parametrize("name", ["dann", "mcd"])
def test_what_a_method_adds_follows_the_seed_of_the_run(name, pool):
    """The second classifier, and the one of domains, start alike whatever was drawn before."""
    found = []
    for before, seed in ((1, 0), (2, 0), (3, 4)):
        torch.manual_seed(before)
        options = Options(name, plan=PLAN | {"seed": seed}, validation=0.0, baseline=False)
        (fitted,) = fit(pool, None, options, progress=False)
        found.append(fitted.model.predict_proba(pool.items))
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


@pytest.mark.parametrize("name", ["dann", "mcd", "mme"])
def test_frozen_backbone_is_a_sentence_and_leaves_no_folder(name, pool, tmp_path):
    options = Options(name, network="angular", plan=PLAN, validation=0.0)
    with pytest.raises(LeavenError, match="works by moving the features"):
        fit(pool, tmp_path / "run", options, progress=False)
    assert not (tmp_path / "run").exists()


def test_head_by_angle_over_frozen_features_is_read_back():
    """None of ours makes one, but a method from elsewhere may."""
    from leaven.nn.build import Spec, build
    from leaven.run.trained.model import feature_head

    spec = Spec("some_timm_model", (32, 32, 3), 3, (0.5,) * 3, (0.5,) * 3, True, True, 32, head="cosine")
    over = build(Spec("angular", (8,), 3, (0.0,) * 8, (1.0,) * 8, head="cosine"))
    found = feature_head(spec, over.state_dict())
    found.load_state_dict(over.state_dict())
    assert isinstance(found.head, CosineHead)

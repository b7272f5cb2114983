"""Runs of two networks that vote: trained, saved, loaded, asked, exported, and started from."""

import json

import numpy as np
import pytest
import torch

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.methods.base import Method
from leaven.methods.registry import get, names
from leaven.nn.network import Network, member_scores
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.trained.export import export
from leaven.run.trained.model import load_model

PLAN = {"steps": 6, "batch_size": 8, "precision": "32-true", "accelerator": "cpu", "probes": 0}
STILL = {**PLAN, "lr": 1e-12, "weight_decay": 0.0}


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    items = (rng.integers(0, 120, (40, 8, 8, 1)) + 100 * labels[:, None, None, None]).astype(np.uint8)
    return Pool(items, np.where(np.arange(40) < 10, labels, -1), classes=("dark", "light"))


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    items = (rng.normal(size=(40, 7)) + 4 * np.eye(7)[labels]).astype(np.float32)
    return Pool(items, np.where(np.arange(40) < 10, labels, -1), classes=("dark", "light"))


@pytest.fixture(scope="module")
def taught(images, tmp_path_factory):
    """A run that learnt features, for others to start from."""
    folder = tmp_path_factory.mktemp("taught") / "run"
    fit(images, folder, Options("rotation", plan=PLAN), progress=False)
    return folder


@pytest.fixture(scope="module")
def runs(images, vectors, taught, tmp_path_factory):
    """The pool, the folder and what was fitted, by what the members are."""
    where = tmp_path_factory.mktemp("committees")
    kinds = {"images": (images, {}), "vectors": (vectors, {}), "frozen": (images, {"init": taught, "frozen": True})}
    made = {}
    for kind, (pool, more) in kinds.items():
        options = Options("co_training", plan=PLAN, baseline=False, validation=0, **more)
        [fitted] = fit(pool, where / kind, options, progress=False)
        made[kind] = pool, where / kind, fitted
    return made


KINDS = pytest.mark.parametrize("kind", ["images", "vectors", "frozen"])


@KINDS
def test_it_is_loaded_as_it_was_saved(runs, kind):
    pool, folder, fitted = runs[kind]
    again = load_model(folder)
    assert again.spec.members == 2
    assert json.loads((folder / "config.json").read_text())["network"]["members"] == 2
    expected = fitted.model.network.state_dict()
    found = again.network.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    probabilities = again.predict_proba(pool.items)
    np.testing.assert_array_equal(probabilities, fitted.model.predict_proba(pool.items))
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(fitted.evaluations["unlabelled"].probabilities, probabilities, atol=1e-5)


@KINDS
def test_it_says_the_mean_of_its_members(runs, kind):
    pool, folder, _ = runs[kind]
    model = load_model(folder)
    x = torch.from_numpy(pool.items)
    x = x.permute(0, 3, 1, 2).float() / 255 if kind != "vectors" else x
    network = model.network
    with torch.no_grad():
        if kind == "frozen":  # the heads alone are two
            assert isinstance(network.head, Network)
            x, network = network.features(x), network.head
        each = [member_scores(network, number, x)[0].softmax(1) for number in range(2)]
    assert (each[0] - each[1]).abs().max() > 1e-4
    np.testing.assert_allclose(model.predict_proba(pool.items), (each[0] + each[1]).numpy() / 2, atol=1e-5)


@KINDS
@pytest.mark.parametrize("form", ["torch", "safetensors"])
def test_it_is_exported(runs, kind, form, tmp_path):
    pool, folder, _ = runs[kind]
    model = load_model(folder)
    path = export(model, form, tmp_path / f"out.{form}", folder)
    expected = model.predict_proba(pool.items[:5])
    if form == "safetensors":
        np.testing.assert_array_equal(load_model(path).predict_proba(pool.items[:5]), expected)
        return
    x = torch.from_numpy(pool.items[:5])
    x = x.permute(0, 3, 1, 2).float() / 255 if kind != "vectors" else x
    scores = torch.export.load(path).module()(x)
    np.testing.assert_allclose(scores.softmax(1).detach(), expected, atol=1e-5)


@KINDS
def test_two_runs_of_one_seed_are_the_same(runs, kind, taught):
    pool, _, fitted = runs[kind]
    more = {"init": taught, "frozen": True} if kind == "frozen" else {}
    options = Options("co_training", plan=PLAN, baseline=False, validation=0, **more)
    torch.manual_seed(99)
    [again] = fit(pool, None, options, progress=False)
    np.testing.assert_array_equal(again.model.predict_proba(pool.items), fitted.model.predict_proba(pool.items))


def test_a_stopped_run_goes_on(images, tmp_path):
    options = Options("co_training", plan=PLAN, baseline=False, validation=0)
    [whole] = fit(images, tmp_path / "run", options, progress=False)
    (tmp_path / "run" / "model.safetensors").unlink()
    [again] = fit(images, tmp_path / "run", options, resume=True, progress=False)
    np.testing.assert_array_equal(again.model.predict_proba(images.items), whole.model.predict_proba(images.items))


@pytest.mark.parametrize("kind", ["images", "frozen"])
def test_no_other_method_starts_from_it(runs, kind):
    pool, folder, _ = runs[kind]
    with pytest.raises(LeavenError, match=r"trained 2 networks side by side.*start\s+from another run\."):
        fit(pool, None, Options("fixmatch", plan=PLAN, init=folder), progress=False)


def test_another_committee_starts_from_it(runs, images):
    """Member by member."""
    _, folder, fitted = runs["images"]
    [again] = fit(images, None, Options("co_training", plan=STILL, baseline=False, init=folder), progress=False)
    expected = dict(fitted.model.network.backbone.named_parameters())
    for name, weight in again.model.network.backbone.named_parameters():
        torch.testing.assert_close(weight, expected[name], rtol=0, atol=1e-8)


def test_each_member_starts_from_a_run_of_one(images, taught):
    [fitted] = fit(images, None, Options("co_training", plan=STILL, baseline=False, init=taught), progress=False)
    expected = dict(load_model(taught).network.backbone.named_parameters())
    for member in fitted.model.network.backbone.members:
        for name, weight in member.named_parameters():
            torch.testing.assert_close(weight, expected[name], rtol=0, atol=1e-8)


def test_heads_over_the_frozen_members_of_another(runs, images, tmp_path):
    """Either it is refused with a sentence, or what was saved can be read again."""
    _, folder, _ = runs["images"]
    options = Options("co_training", plan=PLAN, baseline=False, init=folder, frozen=True)
    try:
        [fitted] = fit(images, tmp_path / "run", options, progress=False)
    except LeavenError:
        return
    again = load_model(tmp_path / "run")
    np.testing.assert_allclose(again.predict_proba(images.items), fitted.model.predict_proba(images.items), atol=1e-5)


def test_members_start_from_the_frozen_backbone_of_another(runs, images):
    _, folder, _ = runs["frozen"]
    options = Options("co_training", plan=STILL, baseline=False, init=folder, frozen=False)
    [fitted] = fit(images, None, options, progress=False)
    assert len(fitted.model.network.backbone.members) == 2


def test_vectors_of_one_column(tmp_path):
    """There is no second half: its member knows no more than how often each class is, and the model serves."""
    rng = np.random.default_rng(0)
    labels = np.arange(20) % 2
    items = (rng.normal(size=(20, 1)) + 4 * labels[:, None]).astype(np.float32)
    pool = Pool(items, np.where(np.arange(20) < 8, labels, -1), classes=("a", "b"))
    fit(pool, tmp_path / "run", Options("co_training", plan=PLAN, baseline=False), progress=False)
    found = load_model(tmp_path / "run").predict_proba(items)
    assert found.shape == (20, 2)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)


# -- what is refused before a run ----------------------------------------------------------------------------


def whole_items_only() -> list[str]:
    return [name for name in names() if get(name).tells_classes() and not get(name).serves("segmentation")]


def test_which_methods_take_whole_items_only():
    assert {"mean_teacher", "mixmatch", "remixmatch", "co_training", "label_propagation"} <= set(whole_items_only())
    assert get("vat").serves("segmentation")
    assert get("fixmatch").serves("segmentation")


class Agree(Method):
    """A user's method, which says nothing of pixels: as the README has it, it would take one for another."""


@pytest.mark.parametrize("name", [*whole_items_only(), Agree])
def test_they_refuse_masks(name, tmp_path):
    advice = (
        r"say `tasks = \(\"classification\", \"segmentation\"\)` in it once its views follow"
        if name is Agree
        else "choose fixmatch"
    )
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 2, (8, 16, 16)).astype(np.uint8)
    items = rng.integers(0, 255, (8, 16, 16, 3)).astype(np.uint8)
    pool = Pool(items, np.where(np.arange(8) < 4, 0, -1), classes=("a", "b"), masks=masks)
    with pytest.raises(LeavenError, match=f"learns from whole images, but the pool has masks; {advice}"):
        fit(pool, tmp_path / "run", Options(name, plan=PLAN), progress=False)
    assert not (tmp_path / "run").exists()


def test_outliers_are_not_looked_for_among_pixels(tmp_path):
    """A plan that cannot be followed for a pool with masks is refused with a sentence."""
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 2, (8, 16, 16)).astype(np.uint8)
    items = rng.integers(0, 255, (8, 16, 16, 3)).astype(np.uint8)
    pool = Pool(items, np.where(np.arange(8) < 4, 0, -1), classes=("a", "b"), masks=masks)
    options = Options("fixmatch", network="deeplab", plan={**PLAN, "batch_size": 2, "outliers": True}, baseline=False)
    with pytest.raises(LeavenError):
        fit(pool, tmp_path / "run", options, progress=False)


@pytest.mark.parametrize("prior", ["unifrom", "1,1,1"])
@pytest.mark.parametrize("name", ["fixmatch", "remixmatch"])
def test_a_wrong_prior_is_found_before_anything_is_written(images, name, prior, tmp_path):
    """Nor is the baseline trained first."""
    options = Options(name, {"alignment": True, "prior": prior}, plan=PLAN)
    with pytest.raises(LeavenError, match="prior is"):
        fit(images, tmp_path / "run", options, progress=False)
    assert not (tmp_path / "run").exists()


def test_no_strong_views_is_no_traceback(images):
    with pytest.raises(LeavenError):
        fit(images, None, Options("remixmatch", {"anchors": 0}, plan=PLAN, baseline=False), progress=False)

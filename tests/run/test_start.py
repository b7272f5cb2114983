"""Where a backbone starts: another run, a method that learns features first, or nothing that was trained."""

import json

import numpy as np
import pytest
import torch

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.trained.model import load_model

PLAN = {"steps": 4, "batch_size": 8, "precision": "32-true", "accelerator": "cpu", "probes": 0}


@pytest.fixture(scope="module")
def pool():
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    items = (rng.integers(0, 120, (40, 8, 8, 1)) + 100 * labels[:, None, None, None]).astype(np.uint8)
    return Pool(items, np.where(np.arange(40) < 10, labels, -1), classes=("dark", "light"))


@pytest.fixture(scope="module")
def taught(pool, tmp_path_factory):
    """The folder of a run that learnt features."""
    folder = tmp_path_factory.mktemp("taught") / "run"
    fit(pool, folder, Options("rotation", plan=PLAN), progress=False)
    return folder


def backbone(model):
    return model.network.backbone.state_dict()


def test_a_run_of_features_has_no_classes(pool, taught):
    model = load_model(taught)
    assert model.classes == ()
    assert model.network(torch.rand(3, 1, 8, 8)).shape == (3, model.network.backbone.num_features)
    config = json.loads((taught / "config.json").read_text())
    assert (config["task"], config["network"]["classes"]) == ("representation", 0)
    assert not (taught / "baseline").exists()
    assert (taught / "report.html").exists()
    with pytest.raises(LeavenError, match="nothing to say of test data"):
        fit(pool, None, Options("rotation", plan=PLAN), test=pool, progress=False)


def test_a_run_begins_with_the_backbone_of_another(pool, taught):
    """With a rate of next to nothing the weights stay where they began."""
    still = {**PLAN, "lr": 1e-12, "weight_decay": 0.0}
    [base, own] = fit(pool, None, Options("fixmatch", plan=still, init=taught), progress=False)
    before = dict(load_model(taught).network.backbone.named_parameters())
    for fitted in (base, own):
        for name, weight in fitted.model.network.backbone.named_parameters():
            torch.testing.assert_close(weight, before[name], rtol=0, atol=1e-9)
    [other] = fit(pool, None, Options("fixmatch", plan=still, baseline=False), progress=False)
    assert any(not torch.equal(w, before[n]) for n, w in other.model.network.backbone.named_parameters() if w.ndim > 1)
    assert own.model.spec.mean == load_model(taught).spec.mean


def test_a_method_that_learns_features_goes_first(pool, tmp_path):
    run = tmp_path / "run"
    options = Options("supervised", plan={**PLAN, "lr": 1e-12}, init="rotation", init_plan={"steps": 3})
    fit(pool, run, options, progress=False)
    first = load_model(run / "stages" / "1-rotation")
    assert json.loads((run / "stages" / "1-rotation" / "config.json").read_text())["plan"]["steps"] == 3
    for name, weight in load_model(run).network.backbone.named_parameters():
        torch.testing.assert_close(weight, dict(first.network.backbone.named_parameters())[name], rtol=0, atol=1e-9)
    assert json.loads((run / "config.json").read_text())["init"] == {"stage": "rotation"}


def test_a_stopped_run_goes_on_with_the_same_start(pool, tmp_path):
    options = Options("supervised", plan=PLAN, init="rotation")
    fit(pool, tmp_path / "whole", options, progress=False)
    fit(pool, tmp_path / "cut", options, progress=False)
    for lost in (
        "model.safetensors",
        "checkpoint.pt",
        "stages/1-rotation/model.safetensors",
    ):  # as if it had been killed there
        (tmp_path / "cut" / lost).unlink()
    fit(pool, tmp_path / "cut", options, resume=True, progress=False)
    expected, found = (load_model(tmp_path / name).network.state_dict() for name in ("whole", "cut"))
    assert all(torch.equal(found[name], value) for name, value in expected.items())


@pytest.mark.parametrize("init", [None, "run"])
def test_a_frozen_backbone_of_ones_own(pool, taught, init, tmp_path):
    """Its features train a head in no time; the model holds backbone and head."""
    network = "cnn" if init else "test_vit"
    options = Options(
        "fixmatch",
        plan=PLAN,
        init=taught if init else None,
        frozen=True,
        network=network,
        pretrained=None if init else False,
        resolution=None if init else 160,
    )
    run = tmp_path / "run"
    fitted = fit(pool, run, options, progress=False)[-1]
    if init:
        expected = backbone(load_model(taught))
        assert all(torch.equal(v, expected[k]) for k, v in backbone(fitted.model).items())
    again = load_model(run)
    torch.testing.assert_close(
        torch.from_numpy(again.predict_proba(pool.items)), torch.from_numpy(fitted.model.predict_proba(pool.items))
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"init": "no/such/run"}, "no run no/such/run to start from.*moco, rotation"),
        ({"init": "fixmatch"}, "no run fixmatch to start from"),
        ({"init": "run", "network": "wrn-10-1"}, "has the network 'cnn', not 'wrn-10-1'"),
    ],
)
def test_starts_that_cannot_be(pool, taught, options, says):
    given = {**options, "init": taught if options["init"] == "run" else options["init"]}
    with pytest.raises(LeavenError, match=says):
        fit(pool, None, Options("supervised", plan=PLAN, **given), progress=False)


def test_items_of_another_size(pool, taught):
    larger = pool.with_items(np.repeat(np.repeat(pool.items, 2, 1), 2, 2))
    with pytest.raises(LeavenError, match=r"takes items of shape \(8, 8, 1\), but these have \(16, 16, 1\)"):
        fit(larger, None, Options("supervised", plan=PLAN, init=taught), progress=False)


def test_what_is_random_in_a_method_follows_the_seed(pool):
    """The queue of MoCo, for one: the same seed gives the same features whatever the global generator says."""
    found = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        options = Options("moco", {"queue": "32", "group": "2"}, plan={**PLAN, "seed": 3})
        found.append(fit(pool, None, options, progress=False)[0].model.network.state_dict())
    assert all(torch.equal(found[0][name], value) for name, value in found[1].items())


def test_the_first_training_has_a_batch_size_of_its_own(pool, tmp_path):
    """Episodes are no images; what the user asks for is for both, where both count items."""
    labelled = pool.with_labels(np.arange(40) % 2)
    small = {"ways": 2, "shots": 1, "queries": 1}
    few = {name: value for name, value in PLAN.items() if name != "batch_size"} | {"steps": 1}
    fit(labelled, tmp_path / "few", Options("prototypical", small, plan=few, init="rotation"), progress=False)
    fit(pool, tmp_path / "asked", Options("supervised", plan={**few, "batch_size": 8}, init="rotation"), progress=False)
    configs = [
        json.loads((tmp_path / run / "stages" / "1-rotation" / "config.json").read_text()) for run in ("few", "asked")
    ]
    assert [config["plan"]["batch_size"] for config in configs] == [64, 8]

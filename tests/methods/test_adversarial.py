"""What the adversarial methods of adaptation have in common: they move the features, and learn what the source alone
does not teach.
"""

import numpy as np
import pytest
import torch
from torch import nn

from leaven.augment import ImageViews
from leaven.data import Pool, adaptation, digits, few_labels, rendered_digits
from leaven.errors import LeavenError
from leaven.evaluate.predict import predict
from leaven.methods.registry import get
from leaven.nn.build import Spec, build
from leaven.train.engine import train
from leaven.train.job import Job
from leaven.train.plan import Plan

METHODS = ("dann", "mcd", "mme")


def trained(
    name: str, seed: int, pool: Pool, network: str, views: object, steps: int, head: str = "linear"
) -> nn.Module:
    """The network that a method ends with, by its defaults; baseline and method start from the same weights."""
    kind, shape = get(name), pool.items.shape[1:]
    torch.manual_seed(seed)
    channels = shape[-1]
    spec = Spec(network, shape, pool.num_classes, (0.0,) * channels, (1.0,) * channels, head=head)
    method = kind(build(spec))
    plan = Plan(
        **kind.plan, steps=steps, batch_size=32, seed=seed, probes=0, accelerator="cpu", precision="32-true"
    )  # fmt: skip
    train(Job(method, pool, plan, views, progress=False))
    return method.network


def accuracy(network: nn.Module, test: Pool) -> float:
    return float((predict(network, test.items).argmax(1) == test.labels).mean())


# -- a cue that the target lacks ------------------------------------------------------------------------------


class Same:
    """Every view is the item itself."""

    def weak(self, x):
        return x

    strong = weak


def missing_cue(seed: int) -> tuple[Pool, Pool]:
    """Three classes that two columns tell with noise, and, in the source alone, two other columns without.

    In the target these stand still, away from the origin. All columns are then turned together.
    """
    rng = np.random.default_rng(seed)
    labels, source = rng.integers(0, 3, 600), np.arange(600) < 300
    corner = np.stack([np.cos(2 * np.pi * labels / 3), np.sin(2 * np.pi * labels / 3)], 1)
    hard = corner + 0.4 * rng.normal(size=(600, 2))
    easy = np.where(source[:, None], 2 * corner, [0.7, 0.35]) + 0.3 * rng.normal(size=(600, 2))
    turn = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    items = np.concatenate([hard, easy, 0.3 * rng.normal(size=(600, 4))], 1) @ turn
    domain, names = np.where(source, 1, -1), ("a", "b", "c")
    pool = Pool(items.astype(np.float32), np.where(source, labels, -1), domain=domain, classes=names)
    return pool, Pool(pool.items[~source], labels[~source], classes=names)


@pytest.fixture(scope="module")
def source_only() -> list[float]:
    return [cue_accuracy("supervised", seed) for seed in range(4)]


def cue_accuracy(name: str, seed: int) -> float:
    pool, test = missing_cue(seed)
    return accuracy(trained(name, seed, pool, "mlp", Same(), steps=150), test)


@pytest.mark.parametrize(("name", "ahead"), [("dann", 0.05), ("mcd", 0.25)])
def test_features_come_to_ignore_what_the_target_lacks(name, ahead, source_only):
    found = [cue_accuracy(name, seed) for seed in range(4)]
    assert np.mean(found) > np.mean(source_only) + ahead, (found, source_only)


# -- a label a class of the target ----------------------------------------------------------------------------


def digits_accuracy(name: str, seed: int) -> float:
    """Of a classifier by angle, on handwritten digits, after rendered ones and one handwritten one a class."""
    whole = digits()
    order = np.random.default_rng(seed).permutation(len(whole))
    target = few_labels(whole.subset(order[:1200]), 1, seed)
    pool = adaptation(rendered_digits(2000, seed), target)
    network = trained(name, seed, pool, "cnn", ImageViews(flip=False), steps=150, head="cosine")
    return accuracy(network, whole.subset(order[1200:]))


def test_mme_makes_few_labels_of_the_target_go_further():
    baseline, found = ([digits_accuracy(name, seed) for seed in range(3)] for name in ("supervised", "mme"))
    assert np.mean(found) > np.mean(baseline) + 0.05, (found, baseline)


# -- features that do not move --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", ["frozen", "without weights"])
def test_features_that_cannot_move_are_refused(name, kind):
    network = build(Spec("mlp" if kind == "frozen" else "angular", (5,), 3, (0.0,) * 5, (1.0,) * 5))
    network.backbone.requires_grad_(False)
    with pytest.raises(LeavenError, match=rf"{name.upper()} works by moving the features.*--tuned.*mlp"):
        get(name)(network)

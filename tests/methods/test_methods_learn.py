"""What the library is for: unlabelled digits make few labels go further."""

import numpy as np
import pytest
import torch

from leaven.augment import ImageViews
from leaven.data import digits, few_labels
from leaven.evaluate.predict import predict
from leaven.methods.registry import get
from leaven.nn.build import build, describe
from leaven.train.engine import train
from leaven.train.job import Job
from leaven.train.plan import Plan

SEEDS = (0, 1, 2)
TRAIN = 1200  # the other 597 are held out
STEPS = 300


def accuracy(name: str, seed: int) -> float:
    """On digits that were held out, after training on four labels a class."""
    whole = digits()
    order = np.random.default_rng(seed).permutation(len(whole))
    pool, held = few_labels(whole.subset(order[:TRAIN]), 4, seed), whole.subset(order[TRAIN:])
    torch.manual_seed(seed)
    kind = get(name)
    settings = {"steps": STEPS, "batch_size": 16, "lr": 0.05, "seed": seed, "probes": 0}
    plan = Plan(**kind.plan, **settings, accelerator="cpu", precision="32-true")
    method = kind(build(describe("cnn", pool.items, 10)))
    train(Job(method, pool, plan, ImageViews(flip=False), progress=False))
    return float((predict(method.network, held.items).argmax(1) == held.labels).mean())


@pytest.fixture(scope="module")
def supervised() -> list[float]:
    return [accuracy("supervised", seed) for seed in SEEDS]


@pytest.mark.parametrize("name", ["fixmatch", "adamatch", "pi_model", "uda", "flexmatch", "freematch", "softmatch"])
def test_unlabelled_digits_help(name, supervised):
    """Seen in per cent, seeds 0 to 3: supervised 91.5 90.3 88.9 90.1, FixMatch 93.3 94.8 96.1 93.8, AdaMatch
    94.5 94.0 93.5 92.6, Π-model 92.8 94.5 93.8 95.1, UDA 94.0 96.0 96.1 95.1, FlexMatch 94.5 96.8 96.5 95.8,
    FreeMatch 94.0 97.0 96.5 94.8, SoftMatch 94.1 95.6 96.3 94.8. The means of the first three are 3.5 points above
    the supervised ones, or more.
    """
    found = [accuracy(name, seed) for seed in SEEDS]
    assert np.mean(found) > np.mean(supervised) + 0.01, (found, supervised)
    assert np.mean(found) > 0.9

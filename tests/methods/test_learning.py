"""What the library is for: unlabelled digits make few labels go further."""

import numpy as np
import pytest
import torch

from leaven.augment import ImageViews
from leaven.data import few_labels
from leaven.data.digits import digits
from leaven.evaluate.predict import predict
from leaven.methods.registry import get
from leaven.nn.build import build, describe
from leaven.train.engine import Job, train
from leaven.train.plan import Plan

SEEDS = (0, 1, 2)
TRAIN = 1200  # the others are held out


def accuracy(name: str, seed: int, steps: int) -> float:
    whole = digits()
    order = np.random.default_rng(seed).permutation(len(whole))
    pool, held = few_labels(whole.subset(order[:TRAIN]), 4, seed), whole.subset(order[TRAIN:])
    torch.manual_seed(seed)
    kind = get(name)
    method = kind(build(describe("cnn", pool.items, 10)), **({"ratio": 5} if name != "supervised" else {}))
    plan = Plan(**kind.plan, steps=steps, batch_size=16, seed=seed, accelerator="cpu", precision="32-true", probes=0)
    train(Job(method, pool, plan, ImageViews(flip=False), progress=False))
    return float((predict(method.network, held.items).argmax(1) == held.labels).mean())


@pytest.fixture(scope="module")
def supervised() -> float:
    return float(np.mean([accuracy("supervised", seed, 150) for seed in SEEDS]))


@pytest.mark.parametrize(("name", "margin"), [("fixmatch", 0.03), ("adamatch", 0.03)])
def test_unlabelled_digits_help(name, margin, supervised):
    found = [accuracy(name, seed, 150) for seed in SEEDS]
    assert np.mean(found) > supervised + margin, (found, supervised)

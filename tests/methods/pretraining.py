"""What the tests of pre-training share: a backbone trained without labels, and the same untrained."""

import copy
from collections.abc import Mapping

import numpy as np
import torch

from leaven.augment import ImageViews
from leaven.data import Pool
from leaven.evaluation.probe import features, linear_probe, neighbours
from leaven.methods.registry import get
from leaven.nn.backbones.cnn import SmallCNN
from leaven.nn.build import build, spec_for
from leaven.train.engine import train
from leaven.train.job import TrainJob
from leaven.train.plan import Plan

SEEDS = (0, 1, 2)
TRAIN, LABELLED, TEST = 800, 200, 400
WIDTH = 16  # half of what `cnn` has, so that a seed takes seconds


def gains(
    name: str, whole: Pool, hyperparameters: Mapping[str, object] | None = None, **plan: object
) -> dict[str, list[float]]:
    """What training adds to the accuracy of the features of a random network on held-out items, a figure a seed."""
    found: dict[str, list[float]] = {"linear": [], "neighbours": []}
    for seed in SEEDS:
        order = np.random.default_rng(seed).permutation(len(whole))
        pool, test = whole.subset(order[:TRAIN]), whole.subset(order[TRAIN : TRAIN + TEST])
        kind = get(name)
        torch.manual_seed(seed)
        network = build(spec_for("cnn", pool.items, 0))
        network.backbone = SmallCNN(pool.items.shape[1:3], pool.items.shape[3], WIDTH)
        untrained = copy.deepcopy(network)
        settings = {**kind.plan, "seed": seed, "probes": 0, **plan}
        method = kind(network, **(hyperparameters or {}))
        one = Plan(**settings, accelerator="cpu", precision="32-true")
        train(TrainJob(method, pool.with_labels(np.full(TRAIN, -1)), one, ImageViews(flip=False), progress=False))
        for judge, values in ((linear_probe, found["linear"]), (neighbours, found["neighbours"])):
            accuracies = []
            for body in (network, untrained):
                seen, unseen = features(body, pool.items[:LABELLED]), features(body, test.items)
                accuracies.append(judge(seen, pool.labels[:LABELLED], unseen, test.labels).value)
            values.append(accuracies[0] - accuracies[1])
    return found

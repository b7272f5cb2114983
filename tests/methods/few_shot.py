"""What the tests of few-shot methods share: episodes by hand, and classes that can be told apart in few directions."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from leaven.augment import FeatureViews
from leaven.data import Pool
from leaven.evaluation.episodes import evaluate_episodes
from leaven.methods.base import Batch, Episode, Method, StreamBatch
from leaven.methods.registry import get
from leaven.nn.build import build, spec_for
from leaven.nn.network import Network
from leaven.train.engine import train
from leaven.train.job import TrainJob
from leaven.train.plan import Plan


def episodes(items: np.ndarray, ways: int, count: int = 1, dtype: torch.dtype = torch.float32) -> Batch:
    """A batch of ``count`` episodes; items stand as they are drawn."""
    each = len(items) // (ways * count)
    labels = torch.arange(ways).repeat_interleave(each).repeat(count)
    return Batch(
        {"episodes": StreamBatch(torch.arange(len(items)), {"plain": torch.as_tensor(items, dtype=dtype)}, labels)}
    )


def classes_in_noise(seed: int) -> tuple[Pool, Pool]:
    """40 classes to learn from and 20 others: vectors that differ by class in 4 of 24 directions, the rest is noise.

    The directions are the same for all classes, so they can be learnt; which they are, no single task tells.
    """
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(60), 20)
    items = 2 * rng.normal(size=(len(labels), 24))
    items[:, :4] = 1.5 * rng.normal(size=(60, 4))[labels] + 0.3 * rng.normal(size=(len(labels), 4))
    items = items @ np.linalg.qr(rng.normal(size=(24, 24)))[0]
    pool = Pool(items.astype(np.float32), labels, classes=tuple(map(str, range(60))))
    return pool.subset(labels < 40), pool.subset(labels >= 40)


def before_and_after(
    name: str,
    seed: int,
    hyperparameters: dict,
    plan: dict,
    network: Callable[[], Network] | None = None,
    tasks: int = 100,
) -> tuple[float, float]:
    """Accuracy in 5-way 1-shot tasks of new classes with the random network, and with the trained one.

    ``network`` makes it; by default it is the multilayer perceptron with the method's head.
    """
    known, new = classes_in_noise(seed)
    kind = get(name)
    torch.manual_seed(seed)
    made = (
        network()
        if network
        else build(replace(spec_for("mlp", known.items, kind.outputs(40, hyperparameters)), head=kind.head))
    )
    method: Method = kind(made, **hyperparameters)
    settings = {**kind.plan, "seed": seed, "probes": 0, "accelerator": "cpu", "precision": "32-true", **plan}
    found = []
    for trained in (False, True):
        if trained:
            train(TrainJob(method, known, Plan(**settings), FeatureViews(), progress=False))
        found.append(evaluate_episodes(method, new, Episode(5, 1, 15), tasks, progress=False).value)
    return found[0], found[1]

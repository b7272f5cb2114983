"""A tiny job for every method there is; a module of its own, so that spawned processes can import it."""

from pathlib import Path

import numpy as np
import torch
from helpers_train import image_pool

from leaven.augment import ImageViews
from leaven.data import Pool
from leaven.methods.registry import get, names
from leaven.nn.build import Spec, build
from leaven.train.job import TrainJob
from leaven.train.plan import Plan

# Smaller than by default, wherever a method has a hyper-parameter of that name.
SMALL = {"ways": 2, "shots": 1, "queries": 2, "queue": 40, "dimensions": 8, "group": 2}
SMALL |= {"items": 3, "units": 8, "slots": 6, "width": 4, "passes": 2, "unlabelled_items": 2, "distractors": 1}

STEPPED = [name for name in names() if not get(name).closed]  # all methods but those of closed form


def pool_for(name: str) -> Pool:
    """Of two domains, with labels of the source and a few of the target; of one domain for few-shot tasks."""
    return image_pool(n=48, labelled=36) if get(name).serves("episodes") else image_pool(n=48, labelled=6, source=18)


def method_for(name: str, pool: Pool) -> torch.nn.Module:
    kind = get(name)
    small = {key: value for key, value in SMALL.items() if key in kind.hyperparameters()}
    resolved = {key: h.default for key, h in kind.hyperparameters().items()} | small
    torch.manual_seed(0)
    channels = pool.items.shape[3]
    spec = Spec(
        "cnn",
        pool.items.shape[1:],
        kind.outputs(pool.num_classes, resolved),
        (0.4,) * channels,
        (0.7,) * channels,
        head=kind.head,
        members=kind.members,
    )
    return kind(build(spec), **small)


def job_for(name: str, folder: Path | None = None, **plan: object) -> TrainJob:
    pool = pool_for(name)
    kept = {key: value for key, value in get(name).plan.items() if key not in ("batch_size", "precision")}
    settings = {
        "steps": 6,
        "batch_size": 8,
        "precision": "32-true",
        "accelerator": "cpu",
        "probes": 0,
        "lr": 0.02,
        **plan,
    }
    plan = Plan(**{**kept, **settings})
    method = method_for(name, pool)
    teacher = method_for(name, pool).network if get(name).teacher else None
    return TrainJob(method, pool, plan, ImageViews(flip=False), folder, teacher=teacher, progress=False)


def weights(job: TrainJob) -> dict[str, np.ndarray]:
    return {name: tensor.detach().numpy().copy() for name, tensor in job.method.state_dict().items()}

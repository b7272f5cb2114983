"""What would stop a run at its first step, found out before anything of it is written."""

from __future__ import annotations

import math

import torch

from leaven.errors import LeavenError
from leaven.methods.losses import require_moving_features
from leaven.nn.normalising import running_statistics_kept
from leaven.train.batches import samplers
from leaven.train.episodes import EpisodeSampler
from leaven.train.job import TrainJob
from leaven.train.optimizer import require_optimizers
from leaven.train.seen import Views


def rehearse(job: TrainJob) -> None:
    """Raise where the first step could not be made.

    Raises
    ------
    LeavenError
        There is nothing to train; the method's teacher or an optimiser's package is missing; nobody makes a view; a
        stream has no rows to draw from, or draws too few; or one item would pass the network by itself, of which batch
        norm has no statistics.
    """
    method, plan = job.method, job.plan
    if method.closed:
        return
    reader = type(method).__name__
    if method.teacher and job.teacher is None:
        raise LeavenError(f"{reader} learns from a teacher beside it; give it one (teacher, --teacher RUN or METHOD).")
    if method.serves("representation") or not any(weight.requires_grad for weight in method.parameters()):
        require_moving_features(method.network, reader)
    require_optimizers(method, plan)
    drawn_views = (view for stream in method.streams.values() for view in stream.views)
    Views(job.views, method.own_views).require(drawn_views, reader)
    by_stream = samplers(job.pool, method.streams, plan, 0, plan.devices * plan.nodes, reader)
    passes, together = [], 0
    for name, sampler in by_stream.items():
        stream = method.streams[name]
        if isinstance(sampler, EpisodeSampler):
            return  # of one episode there are two items at least
        rows = sampler.size * plan.devices * plan.nodes
        together += rows * len(stream.views)
        if rows < stream.least:
            raise LeavenError(
                f"With a batch size of {plan.batch_size} {reader} would see too few items at a time to compare them "
                f"with each other; give a batch size of {math.ceil((stream.least - 0.5) / stream.ratio)} or more."
            )
        if stream.alone:
            passes.append((rows, stream.ratio))
        elif plan.norm in ("source", "per_domain"):  # each domain by itself
            passes.append((rows * len(stream.views), stream.ratio))
    fewest, ratio = min([*passes, (together, 1.0)])
    if fewest == 1 and plan.norm != "frozen" and not _normalises_one(job):
        raise LeavenError(
            f"With a batch size of {plan.batch_size} {reader} would pass one item through the network by itself, and "
            f"batch norm needs two; give a batch size of {max(2, math.ceil(1.5 / ratio))} or more, or norm frozen."
        )


def _normalises_one(job: TrainJob) -> bool:
    """Whether the network can be trained on one item: it has no batch norm, or the item has many places."""
    network = job.method.network
    height, *_ = shape = job.pool.items.shape[1:]
    item = torch.zeros(1, height) if len(shape) == 1 else torch.zeros(1, shape[2], *shape[:2])
    was = network.training
    try:
        with torch.no_grad(), running_statistics_kept(network.train()):
            network.features(item)
    except ValueError:
        return False
    finally:
        network.train(was)
    return True

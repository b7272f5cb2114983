"""Fitting without steps: a method of closed form is shown the pool once."""

from __future__ import annotations

import time

import torch

from leaven.inference.survey import survey_of
from leaven.train.job import TrainJob, TrainResult


def solve(job: TrainJob) -> TrainResult:
    """Show ``job.method`` the pool, as its network sees it, by ``survey``: with that its network is trained.

    The plan's steps, its devices and the folder play no part; every process of several computes the same.
    """
    method, pool = job.method, job.pool
    started = time.perf_counter()
    with torch.random.fork_rng():
        torch.manual_seed(job.plan.seed)
        method.setup(job.setup())
        method.survey(survey_of(method.network, pool))
    weights = {name: tensor.cpu().clone() for name, tensor in method.network.state_dict().items()}
    return TrainResult(weights, 0, time.perf_counter() - started)

"""How long a step takes on this machine: a few steps of a run that is thrown away."""

from __future__ import annotations

import copy
import statistics
import time
from dataclasses import replace

import torch

from leaven.train.engine import launched
from leaven.train.job import Job
from leaven.train.loop import Loop

ENOUGH = 3.0  # seconds of steps
MOST = 20  # steps


def step_seconds(job: Job) -> float:
    """Median seconds of a step of ``job``, in one process with its share of the batch; 0 where it takes no steps.

    Nothing of the job changes, nor what it will draw. What is done a few times in a run only (a look at the whole
    pool, a probe, a checkpoint) is not counted, nor is what compiling would save.
    """
    if job.method.closed:
        return 0.0
    plan = job.plan
    share = plan.batch_size // (plan.devices * plan.nodes)
    alone = plan.with_(devices=1, nodes=1, batch_size=share, compile=False, outliers=False, snapshots=0)
    trial = replace(job, method=copy.deepcopy(job.method), plan=alone, folder=None, resume=False, probe=None)
    fabric = launched(trial)
    devices = [fabric.device.index] if fabric.device.type == "cuda" else []
    seconds: list[float] = []
    with torch.random.fork_rng(devices=devices):
        loop = Loop(fabric, trial)
        while len(seconds) < min(MOST, plan.steps) and (len(seconds) < 3 or sum(seconds) < ENOUGH):
            started = time.perf_counter()
            loop.update(len(seconds))["loss"].item()
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:] or seconds)  # the first one also reserves memory

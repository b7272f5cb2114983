"""How long a step takes on this machine: a few steps of a run that is thrown away, measured once."""

from __future__ import annotations

import copy
import statistics
import time
from dataclasses import replace

import torch

from leaven.train import paces
from leaven.train.engine import launched
from leaven.train.job import TrainJob
from leaven.train.loop import Loop
from leaven.train.plan import Plan

ENOUGH = 3.0  # seconds of steps
MOST = 20  # steps
OWN = 0.7  # of its threads' time that a training has where no other program wants their cores


def step_seconds(job: TrainJob) -> float:
    """Median seconds of a step of ``job``, in one process with its share of the batch; 0 where it takes no steps.

    Nothing of the job changes, nor what it will draw. What is done a few times in a run only (a look at the whole
    pool, a probe, a checkpoint) is not counted, nor is what compiling would save.
    """
    if job.method.closed:
        return 0.0
    plan = job.plan
    share = plan.batch_size // (plan.devices * plan.nodes)
    alone = plan.with_(devices=1, nodes=1, batch_size=share, compile=False, outliers=False, snapshots=0)
    seconds = paces.measured(job, alone)
    if seconds is None:
        seconds, quiet = _measured(job, alone)
        if quiet:  # else it is another one next time
            paces.keep(job, alone, seconds)
    return seconds


def _measured(job: TrainJob, plan: Plan) -> tuple[float, bool]:
    """Seconds, and whether the cores were its own meanwhile."""
    trial = replace(job, method=copy.deepcopy(job.method), plan=plan, folder=None, resume=False, probe=None)
    fabric = launched(trial)
    on_cores = fabric.device.type == "cpu"
    devices = [fabric.device.index] if fabric.device.type == "cuda" else []
    seconds: list[float] = []
    with torch.random.fork_rng(devices=devices):
        loop = Loop(fabric, trial)
        worked, began = time.process_time(), time.perf_counter()
        while len(seconds) < min(MOST, plan.steps) and (len(seconds) < 3 or sum(seconds) < ENOUGH):
            started = time.perf_counter()
            loop.update(len(seconds))["loss"].item()
            seconds.append(time.perf_counter() - started)
        there = (time.perf_counter() - began) * torch.get_num_threads()
        quiet = not on_cores or time.process_time() - worked >= OWN * there
    return statistics.median(seconds[1:] or seconds), quiet  # the first one also reserves memory

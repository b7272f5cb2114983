"""The loop. Every method trains here and nowhere else."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from leaven.errors import LeavenError
from leaven.inference.survey import survey_of
from leaven.methods.base import Batch
from leaven.nn.normalising import set_momentum
from leaven.train import checkpoint
from leaven.train.averages import Averages
from leaven.train.batches import Batches
from leaven.train.interrupt import interruptible
from leaven.train.job import TrainJob, TrainResult
from leaven.train.log import CsvLog, Logger, logger_for
from leaven.train.meter import Meter
from leaven.train.optimizer import build_optimizer, forget
from leaven.train.outliers import SURVEYS, belonging
from leaven.train.phases import trained_in, training
from leaven.train.progress import Bar
from leaven.train.sampler import seed_step
from leaven.train.setup import at_rest, set_norm_policy, views_of_its_own
from leaven.train.state import restore, state_of
from leaven.utils.collectives import gathered, global_mean, processes

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from leaven.augment import Learner

LOG_LINES = 200  # lines of metrics.csv in a run
CHECKPOINT = "checkpoint.pt"
CHECKPOINT_SHARE = 0.05  # of the time of a run that may go into writing large ones, as of a bank of a million rows
METRICS = "metrics.csv"
SNAPSHOTS = "snapshots"  # folder of the averaged network's weights on the way, a file a moment


class Loop:
    """One process's part of a run: steps, a log, probes, checkpoints."""

    def __init__(self, fabric: Fabric, job: TrainJob):
        self.fabric, self.job, self.plan = fabric, job, job.plan
        self.first = fabric.global_rank == 0
        self.step, self.seconds = 0, 0.0
        self.snapshots: list[dict[str, Tensor]] = []
        self.meter = Meter(fabric.device)
        method = job.method
        seed_step(self.plan.seed, 0, 0)  # the same in all processes, for what a method draws now
        method.setup(job.setup())
        set_momentum(method, self.plan.batch_norm_momentum)
        method.to(fabric.device).to(memory_format=torch.channels_last)
        method.train()
        set_norm_policy(method, self.plan.norm, job.pool)
        self.weights = [p for p in method.parameters() if p.requires_grad]
        self.phases = [(phase, trained_in(method, phase)) for phase in method.phases]
        self.teacher = None if job.teacher is None else at_rest(job.teacher, fabric.device)
        self.ema = Averages(method, self.plan.ema_decay)
        if self.plan.compile:
            method.network.backbone.compile()
        optimizer, self.rates = build_optimizer(method, self.plan)
        self.method, self.optimizer = fabric.setup(method, optimizer)
        views, self.learner = views_of_its_own(job.views, fabric.device)
        self.batches = Batches(
            job.pool,
            method.streams,
            views,
            job.plan,
            fabric.device,
            fabric.global_rank,
            fabric.world_size,
            type(method).__name__,
            method.own_views,
        )
        self.belonging: np.ndarray | None = None  # of each item of the pool, where it is asked for
        if job.resume and job.folder is not None and (job.folder / CHECKPOINT).exists():
            restore(self, checkpoint.load_state(job.folder / CHECKPOINT))

    # -- one step -------------------------------------------------------------------------------------------

    def update(self, step: int) -> dict[str, Tensor]:
        """The updates of one step; returns loss, terms, what the method logged. Nothing waits for them."""
        self._survey(step)
        seed_step(self.plan.seed, step, self.fabric.global_rank)
        batch = self.batches.at(step)
        batch.averaged = self.ema.network
        if self.teacher is not None:
            batch.teacher = self.teacher
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate.at(step)
        terms: dict[str, Tensor] = {}
        for phase, trained in self.phases:
            if not phase.during[0] <= batch.progress < phase.during[1]:
                continue
            batch.phase = phase.name
            with training(trained, self.weights):
                for _ in range(phase.repeats):
                    terms |= self._minimise(batch)
        self.ema.update(step)
        if self.learner is not None:
            self._teach(self.learner, step)
        loss = torch.stack(list(terms.values())).sum()
        self.meter.check(step, loss)
        return {"loss": loss, **{f"loss/{name}": term for name, term in terms.items()}, **self.job.method.logged}

    def _survey(self, step: int) -> None:
        """Look at the whole pool, where it is time for it: for the method, and for what does not belong there."""
        method, pool = self.job.method, self.job.pool
        unlabelled = any(stream.role == "unlabelled" for stream in self.batches.streams.values())
        wanted = {"method": method.surveys, "outliers": SURVEYS if self.plan.outliers and unlabelled else 0}
        due = [name for name, times in wanted.items() if times and step * times % self.plan.steps < times]
        if not due:
            return
        seed_step(self.plan.seed, step, 0)  # the same in all processes, for what a method draws anew
        survey = survey_of(self.ema.network, pool)
        if "method" in due:
            method.survey(survey)
            self._forget()
        if "outliers" in due:
            self.belonging = belonging(survey)
            self.batches.set_weights(self.belonging)

    def _forget(self) -> None:
        """Whatever was summed up of weights that the method has drawn anew."""
        if renewed := self.job.method.forgotten:
            forget(self.optimizer, renewed)
            self.ema.restart(renewed)
            renewed.clear()

    @torch.no_grad()
    def _teach(self, learner: Learner, step: int) -> None:
        """Tell what learns in the views how the averaged network sees labelled images: one more pass, of B of them."""
        draw = self.batches.probe(step)
        with self.fabric.autocast():
            scores = self.ema.network(draw.probe)
        learner.learn(scores.float().softmax(1), draw.labels, gathered)

    def _minimise(self, batch: Batch) -> dict[str, Tensor]:
        """One update of the optimiser; the loss's terms."""
        terms = self.method(batch)
        self._forget()
        loss = torch.stack([term.float() for term in terms.values()]).sum()
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        if self.plan.clip is not None:
            self.fabric.clip_gradients(self.method, self.optimizer, max_norm=self.plan.clip, error_if_nonfinite=False)
        elif self.plan.clip_value is not None:
            self.fabric.clip_gradients(self.method, self.optimizer, clip_val=self.plan.clip_value)
        self.optimizer.step()  # weights without a gradient stay as they are
        return {name: term.detach().float() for name, term in terms.items()}

    # -- the run --------------------------------------------------------------------------------------------

    def run(self) -> TrainResult:
        """All steps that are left."""
        plan, job = self.plan, self.job
        every = max(1, plan.steps // LOG_LINES)
        probe_every = max(1, math.ceil(plan.steps / plan.probes)) if plan.probes else plan.steps
        moments = set(plan.moments)
        loggers = self._loggers()
        row: dict[str, Any] = {}
        started = time.perf_counter() - self.seconds
        saved, cost = time.perf_counter(), 0.0
        with Bar(job.label, plan.steps, self.step, self.first and job.progress) as bar, interruptible() as stop:
            while self.step < plan.steps:
                self.meter.add(self.update(self.step))
                self.step += 1
                self.seconds = time.perf_counter() - started
                if self.step % every == 0 or self.step == plan.steps:
                    row = self._line()
                    for logger in loggers:
                        logger.write(row)
                    bar.show(row)
                bar.step(self.step)
                if self.first and self.step in moments:
                    self._keep()
                if job.probe and self.first and (self.step % probe_every == 0 or self.step == plan.steps):
                    paused = time.perf_counter()
                    job.probe(self.step, self.seconds, self.ema)
                    started += time.perf_counter() - paused  # a look is no training
                last = self.step == plan.steps
                if processes() > 1 and self.step % every and not last:
                    continue  # several agree where they wait for each other anyway, and no sum is open in any of them
                stopped = self._agreed(stop.requested)
                wait = plan.checkpoint_every and max(plan.checkpoint_every, cost / CHECKPOINT_SHARE)
                if time.perf_counter() - saved >= wait or stopped or last:
                    began = time.perf_counter()
                    self._save()
                    saved = time.perf_counter()
                    cost = saved - began
                if stopped:
                    raise KeyboardInterrupt  # held back until now
        for logger in loggers:
            logger.close()
        ended = (self.ema.weights(), self.step, self.seconds, row)
        return TrainResult(*ended, snapshots=self.snapshots, rest=self.ema.rest())

    def _keep(self) -> None:
        """A snapshot: in the folder, where a run that goes on finds it, else in memory."""
        if self.job.folder is None:
            self.snapshots.append(self.ema.weights())
        else:
            checkpoint.save_weights(self.job.folder / SNAPSHOTS / f"{self.step}.safetensors", self.ema.weights())

    def _agreed(self, asked: bool) -> bool:
        """Whether any process was asked; all must stop at the same step, for they wait for each other in the next."""
        return asked if processes() == 1 else bool(global_mean(torch.tensor(float(asked), device=self.fabric.device)))

    def _loggers(self) -> list[Logger]:
        if not self.first or self.job.folder is None:
            return []
        loggers: list[Logger] = [CsvLog(self.job.folder / METRICS, after=self.step)]
        loggers += [logger_for(name, self.job.folder) for name in self.job.loggers]
        return loggers

    def _line(self) -> dict[str, Any]:
        """A line of the log: means over the steps since the last one, and over the processes."""
        means = self.meter.means()
        if where := self.meter.bad(means["loss"], self.step):
            last = self.job.folder / CHECKPOINT if self.job.folder else None
            rest = f"the last good checkpoint is {last}" if last and last.exists() else "no checkpoint was written yet"
            raise LeavenError(f"The loss became NaN or infinite {where}; {rest}; try a smaller lr, or clip=1.")
        return {"step": self.step, "seconds": self.seconds, "lr": self.plan.lr_at(self.step - 1)} | means

    def _save(self) -> None:
        """Write the checkpoint, unless a weight is no longer finite: the last good one is worth more."""
        if not self.first or self.job.folder is None:
            return
        state = self.job.method.state_dict()
        if all(bool(t.isfinite().all()) for t in state.values() if t.is_floating_point()):
            checkpoint.save(self.job.folder / CHECKPOINT, state_of(self))

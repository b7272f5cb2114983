"""The loop. Every method trains here and nowhere else."""

from __future__ import annotations

import logging
import math
import os
import pickle
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from leaven.errors import LeavenError
from leaven.methods.base import Batch, Draw, Method, Setup, Stream
from leaven.nn.distributed import global_mean
from leaven.nn.ema import EMA
from leaven.nn.norm import set_momentum
from leaven.train import checkpoint
from leaven.train.interrupt import Interrupted, interruptible
from leaven.train.items import Items, to_float
from leaven.train.log import LOGGERS, Logger, Table
from leaven.train.plan import Plan, resolve_precision
from leaven.train.progress import Bar
from leaven.train.sampler import Sampler, seed_step

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from leaven.data import Pool

LOG_LINES = 200  # lines of metrics.csv in a run
CHECKPOINT = "checkpoint.pt"
METRICS = "metrics.csv"

for _part in ("rank_zero", "distributed"):  # Fabric would tell the precision of every run, and of every process
    logging.getLogger(f"lightning_fabric.utilities.{_part}").setLevel(logging.WARNING)

Probe = Callable[[int, float, nn.Module], None]


@dataclass
class Job:
    """All that a run needs; it travels to other processes whole.

    Parameters
    ----------
    method : what to train, its network in it
    pool : where the items come from
    plan : how to train
    views : how items are seen, see ``leaven.augment``
    folder : where checkpoint and log go; ``None``: nothing is written
    resume : go on from the checkpoint in ``folder``
    probe : called as ``probe(step, seconds, network)`` with the averaged network, ``plan.probes`` times and at the end
    loggers : names of further loggers, ``tensorboard`` or ``wandb``
    label : what the progress bar says
    progress : show the bar
    """

    method: Method
    pool: Pool
    plan: Plan
    views: Any
    folder: Path | None = None
    resume: bool = False
    probe: Probe | None = None
    loggers: tuple[str, ...] = ()
    label: str = ""
    progress: bool = True


@dataclass
class Trained:
    """What a run ends with: the averaged network's weights, the steps and seconds it took, its last log line."""

    weights: dict[str, Tensor]
    steps: int
    seconds: float
    last: dict[str, Any] = field(default_factory=dict)
    failure: str = ""


def train(job: Job) -> Trained:
    """Train ``job.method``; on return ``job.method.network`` holds the averaged weights.

    Raises
    ------
    LeavenError : a stream has no rows to draw from; the loss became NaN; a checkpoint could not be written
    """
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import DDPStrategy

    plan = job.plan
    spawned = plan.devices > 1 and plan.nodes == 1 and not _launched_from_outside()
    strategy: Any = "auto"
    if plan.devices * plan.nodes > 1:
        start = "spawn" if spawned else "popen"
        strategy = DDPStrategy(start_method=start, broadcast_buffers=False)
    fabric = Fabric(
        accelerator=plan.accelerator,
        devices=plan.devices,
        num_nodes=plan.nodes,
        strategy=strategy,
        precision=resolve_precision(plan.precision, _accelerator(plan.accelerator)),  # type: ignore[arg-type]
    )
    if spawned:
        trained = _spawn(fabric, job)
    else:
        fabric.launch()
        trained = _run(fabric, job)
    if trained.failure:
        raise LeavenError(trained.failure)
    job.method.network.load_state_dict(trained.weights)
    job.method.to("cpu")
    return trained


def _spawn(fabric: Fabric, job: Job) -> Trained:
    """Train in several processes of this machine.

    The job travels pickled, for a module sent as it is would share its weights with all of them. The answer comes
    back in a file, for a queue neither holds much nor outlives its sender.
    """
    from torch.multiprocessing.spawn import ProcessException

    with tempfile.TemporaryDirectory() as scratch:
        answer = Path(scratch) / "trained.pt"
        try:
            fabric.launch(_spawned, pickle.dumps(job), answer)  # type: ignore[arg-type]
        except ProcessException:
            if not answer.exists():
                raise
        return Trained(**checkpoint.load(answer))


def _spawned(fabric: Fabric, job: bytes, answer: Path) -> None:
    trained = _run(fabric, pickle.loads(job))
    if fabric.global_rank == 0:
        checkpoint.save(answer, vars(trained))
        if trained.failure:
            raise SystemExit(1)  # the launcher ends the other processes, which may be waiting for this one


def _launched_from_outside() -> bool:
    return any(name in os.environ for name in ("TORCHELASTIC_RUN_ID", "SLURM_NTASKS"))


def _accelerator(name: str) -> str:
    if name in ("auto", "gpu"):
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    return name


def _run(fabric: Fabric, job: Job) -> Trained:
    """One process's part of the run. What the user can mend comes back as a sentence: exceptions don't travel."""
    devices = [fabric.device.index] if fabric.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        try:
            return Loop(fabric, job).run()
        except LeavenError as error:
            return Trained({}, 0, 0.0, failure=str(error))


class Loop:
    def __init__(self, fabric: Fabric, job: Job):
        self.fabric, self.job, self.plan, self.pool = fabric, job, job.plan, job.pool
        self.first = fabric.global_rank == 0
        self.step, self.seconds = 0, 0.0
        self.sums: dict[str, Tensor] = {}  # of the steps since the last line of the log
        self.count = 0
        method = job.method
        method.setup(Setup(self.plan.steps, self.plan.batch_size, self.pool.num_classes))
        set_momentum(method, self.plan.batch_norm_momentum)
        method.to(fabric.device, memory_format=torch.channels_last)
        method.train()
        self.ema = EMA(method.network, self.plan.ema_decay)
        self.method, self.optimizer = fabric.setup(method, _optimizer(method, self.plan))
        self.items = Items(self.pool.items, fabric.device)
        self.labels = torch.from_numpy(self.pool.labels).to(fabric.device)
        self.streams = dict(method.streams)
        self.samplers = self._samplers()
        self.bad_step = torch.full((), -1, device=fabric.device, dtype=torch.long)
        if job.resume and job.folder is not None and (job.folder / CHECKPOINT).exists():
            self._restore(checkpoint.load(job.folder / CHECKPOINT))

    def _samplers(self) -> dict[str, Sampler]:
        world = self.fabric.world_size
        samplers = {}
        for number, (name, stream) in enumerate(self.streams.items()):
            rows = self.pool.rows(stream.role)
            if len(rows):
                size = max(1, round(self.plan.batch_size / world * stream.ratio))
                samplers[name] = Sampler(rows, size, self.plan.seed, number, self.fabric.global_rank, world)
            elif not stream.optional:
                raise LeavenError(
                    f"{type(self.job.method).__name__} draws {stream.role} items, but the pool has none; "
                    "give labels (and, for adaptation, a source) or choose another method."
                )
        return samplers

    # -- one step -------------------------------------------------------------------------------------------

    def batch(self, step: int) -> Batch:
        """Draw the rows of every stream; make each kind of view of all the items that want it at once."""
        rows = {name: sampler.at(step) for name, sampler in self.samplers.items()}
        items = {name: self.items[r] for name, r in rows.items()}
        seen: dict[str, dict[str, Tensor]] = {name: {} for name in rows}
        for kind in ("plain", "weak", "strong"):
            wanting = [name for name in rows if kind in self.streams[name].views]
            if wanting:
                view = to_float(getattr(self.job.views, kind)(torch.cat([items[name] for name in wanting])))
                for name, part in zip(wanting, view.split([len(rows[name]) for name in wanting]), strict=True):
                    seen[name][kind] = part
        return Batch(
            {name: self._draw(self.streams[name], rows[name], seen[name]) for name in rows}, step / self.plan.steps
        )

    def _draw(self, stream: Stream, rows: Any, views: dict[str, Tensor]) -> Draw:
        index = torch.from_numpy(rows).to(self.fabric.device, non_blocking=True)
        labels = None if stream.role == "unlabelled" else self.labels.index_select(0, index)
        return Draw(index, {kind: views[kind] for kind in stream.views}, labels)

    def update(self, step: int) -> dict[str, Tensor]:
        seed_step(self.plan.seed, step, self.fabric.global_rank)
        batch = self.batch(step)
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.lr_at(step)
        terms = self.method(batch)
        loss = torch.stack([term.float() for term in terms.values()]).sum()
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        if self.plan.clip is not None:
            self.fabric.clip_gradients(self.method, self.optimizer, max_norm=self.plan.clip, error_if_nonfinite=False)
        self.optimizer.step()
        self.ema.update(self.job.method.network, step)
        self.bad_step = torch.where((self.bad_step < 0) & ~loss.isfinite(), step, self.bad_step)
        return {
            "loss": loss.detach(),
            **{f"loss/{name}": term.detach() for name, term in terms.items()},
            **self.job.method.logged,
        }

    # -- the run --------------------------------------------------------------------------------------------

    def run(self) -> Trained:
        plan, job = self.plan, self.job
        every = max(1, plan.steps // LOG_LINES)
        probe_every = max(1, math.ceil(plan.steps / plan.probes)) if plan.probes else plan.steps
        loggers = self._loggers()
        row: dict[str, Any] = {}
        started = time.perf_counter() - self.seconds
        saved = time.perf_counter()
        with Bar(job.label, plan.steps, self.step, self.first and job.progress) as bar, interruptible() as stop:
            while self.step < plan.steps:
                values = self.update(self.step)
                self.sums = {name: self.sums[name] + v if name in self.sums else v for name, v in values.items()}
                self.count += 1
                self.step += 1
                self.seconds = time.perf_counter() - started
                if self.step % every == 0 or self.step == plan.steps:
                    row = self._line()
                    for logger in loggers:
                        logger.write(row)
                    bar.show(row)
                bar.step(self.step)
                if job.probe and self.first and (self.step % probe_every == 0 or self.step == plan.steps):
                    with self.fabric.autocast():
                        job.probe(self.step, self.seconds, self.ema.network)
                due = time.perf_counter() - saved >= plan.checkpoint_every
                if due or stop.requested or self.step == plan.steps:
                    self._save()
                    saved = time.perf_counter()
                if stop.requested:
                    raise Interrupted
        for logger in loggers:
            logger.close()
        weights = {name: tensor.cpu() for name, tensor in self.ema.network.state_dict().items()}
        return Trained(weights, self.step, self.seconds, row)

    def _loggers(self) -> list[Logger]:
        if not self.first or self.job.folder is None:
            return []
        loggers: list[Logger] = [Table(self.job.folder / METRICS, after=self.step)]
        return loggers + [LOGGERS[name](self.job.folder) for name in self.job.loggers]

    def _line(self) -> dict[str, Any]:
        """A line of the log: means over the steps since the last one, and over the processes."""
        names = list(self.sums)
        means = global_mean(torch.stack([self.sums[n].float() for n in names]) / self.count).tolist()
        self.sums, self.count = {}, 0
        bad = int(self.bad_step)
        if bad >= 0 or not math.isfinite(means[0]):
            where = f"at step {bad}" if bad >= 0 else f"before step {self.step}"
            kept = self.job.folder / CHECKPOINT if self.job.folder else None
            rest = f"the last good checkpoint is {kept}" if kept and kept.exists() else "no checkpoint was written yet"
            raise LeavenError(f"The loss became NaN or infinite {where}; {rest}; try a smaller lr, or clip=1.")
        head = {"step": self.step, "seconds": self.seconds, "lr": self.plan.lr_at(self.step - 1)}
        return head | dict(zip(names, means, strict=True))

    # -- checkpoints ----------------------------------------------------------------------------------------

    def _save(self) -> None:
        """Write the checkpoint, unless a weight is no longer finite: the last good one is worth more."""
        if not self.first or self.job.folder is None:
            return
        state = self.job.method.state_dict()
        if not all(bool(t.isfinite().all()) for t in state.values() if t.is_floating_point()):
            return
        checkpoint.save(
            self.job.folder / CHECKPOINT,
            {
                "step": self.step,
                "seconds": self.seconds,
                "method": state,
                "ema": self.ema.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "sums": self.sums,
                "count": self.count,
            },
        )

    def _restore(self, state: Mapping[str, Any]) -> None:
        try:
            self.job.method.load_state_dict(state["method"])
            self.ema.network.load_state_dict(state["ema"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise LeavenError(
                f"The checkpoint in {self.job.folder} is of another method or network; start anew with --overwrite."
            ) from error
        self.step, self.seconds, self.count = state["step"], state["seconds"], state["count"]
        self.sums = {name: total.to(self.fabric.device) for name, total in state["sums"].items()}


def _optimizer(method: Method, plan: Plan) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum or AdamW; weight decay on kernels only."""
    weights = [p for p in method.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in weights if p.ndim > 1], "weight_decay": plan.weight_decay},
        {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if plan.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=plan.lr, fused=True)
    return torch.optim.SGD(groups, lr=plan.lr, momentum=plan.momentum, nesterov=plan.momentum > 0, fused=True)

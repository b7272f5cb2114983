"""Starting a run: devices, precision and processes are Lightning Fabric's."""

from __future__ import annotations

import atexit
import logging
import os
import pickle
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from leaven.errors import LeavenError
from leaven.train import checkpoint
from leaven.train.closed import solve
from leaven.train.job import TrainJob, TrainResult
from leaven.train.loop import Loop
from leaven.train.plan import resolve_precision
from leaven.utils.allocator import keep_memory, our_program
from leaven.utils.children import ended, safely
from leaven.utils.devices import device_for

if TYPE_CHECKING:
    from lightning_fabric import Fabric

# what the others say where one process is gone: gloo, NCCL, torch's store
LOST = ("Connection closed by peer", "Connection reset by peer", "remote process exited", "Broken pipe")

for _part in ("rank_zero", "distributed"):  # Fabric would tell the precision of every run, and of every process
    logging.getLogger(f"lightning_fabric.utilities.{_part}").setLevel(logging.WARNING)


def train(job: TrainJob) -> TrainResult:
    """Train ``job.method``; on return it holds averages of all that is trained (or its closed form), its queues and
    banks as they were at the end, wherever it was trained.

    Raises
    ------
    LeavenError
        A stream has no rows to draw from; the loss became NaN; a checkpoint could not be written; one of several
        processes was lost.
    KeyboardInterrupt
        It was asked to stop (Ctrl-C, SIGTERM), and has written its checkpoint.
    """
    if job.method.closed:
        return solve(job)
    plan = job.plan
    spawned = plan.devices > 1 and plan.nodes == 1 and not launched_from_outside()
    trained = _spawn(_fabric(job, spawned), job) if spawned else _run(launched(job), job)
    if trained.failure:
        raise LeavenError(trained.failure)
    job.method.network.load_state_dict(trained.weights)
    if spawned:  # it was trained in another process
        with torch.random.fork_rng(devices=[]):
            job.method.setup(job.setup())
    job.method.load_state_dict(trained.rest, strict=False)
    job.method.to("cpu")
    return trained


def launched(job: TrainJob) -> Fabric:
    """What places the job, ready in this process."""
    fabric = _fabric(job)
    with safely():
        fabric.launch()
    return fabric


def _fabric(job: TrainJob, spawned: bool = False) -> Fabric:
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import DDPStrategy

    plan = job.plan
    strategy: Any = "auto"
    if plan.devices * plan.nodes > 1:
        strategy = DDPStrategy(
            start_method="spawn" if spawned else "popen",
            broadcast_buffers=False,
            find_unused_parameters=len(job.method.phases) > 1,  # each of several updates trains a part
        )
    return Fabric(
        accelerator=plan.accelerator,
        devices=plan.devices,
        num_nodes=plan.nodes,
        strategy=strategy,
        precision=resolve_precision(plan.precision, device_for(plan.accelerator)),  # type: ignore[arg-type]
    )


def _spawn(fabric: Fabric, job: TrainJob) -> TrainResult:
    """Train in several processes of this machine.

    The job travels pickled, for a module sent as it is would share its weights with all of them. The answer comes
    back in a file, for a queue neither holds much nor outlives its sender.
    """
    from torch.multiprocessing.spawn import ProcessException

    with tempfile.TemporaryDirectory() as scratch:
        answer = Path(scratch) / "trained.pt"
        try:
            with safely():
                fabric.launch(_spawned, pickle.dumps(job), answer)  # type: ignore[arg-type]
        except ProcessException as error:
            if not answer.exists():
                if sentence := _lost(error, job):
                    raise LeavenError(sentence) from None
                raise
        return TrainResult(**checkpoint.load(answer))


def _spawned(fabric: Fabric, job: bytes, answer: Path) -> None:
    our_program()
    trained = _run(fabric, pickle.loads(job))
    if fabric.global_rank == 0:
        checkpoint.save(answer, vars(trained))
        if trained.failure:
            raise SystemExit(1)  # the launcher ends the other processes, which may be waiting for this one
    # The interpreter's own end may abort under load, when threads of the process group are still alive ("terminate
    # called without an active exception"). Nothing is left to do by then.
    atexit.register(os._exit, 0)


def _lost(error: Exception, job: TrainJob) -> str:
    """What to say where one of several processes ended without a word; nothing where it raised an error of its own."""
    code = getattr(error, "exit_code", None)
    if code is None and not any(words in str(error) for words in LOST):
        return ""
    how = f"Process {error.error_index + 1} {ended(code)}" if code is not None else "One was killed"  # type: ignore[attr-defined]
    again = "go on with --resume" if job.folder is not None else "train again"
    return (
        f"One of the {job.plan.devices} processes of the training was lost, so the others were ended too ({how}); free "
        f"some memory or use fewer devices, and {again}."
    )


def launched_from_outside() -> bool:
    """Whether a launcher such as ``torchrun`` started this process as one of several."""
    return any(name in os.environ for name in ("TORCHELASTIC_RUN_ID", "SLURM_NTASKS"))


def _run(fabric: Fabric, job: TrainJob) -> TrainResult:
    """One process's part of the run. What the user can mend comes back as a sentence: exceptions don't travel."""
    keep_memory()
    devices = [fabric.device.index] if fabric.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        try:
            return Loop(fabric, job).run()
        except LeavenError as error:
            return TrainResult({}, 0, 0.0, failure=str(error))

"""What a run goes on from: gathered from its parts for the checkpoint, and given back to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from leaven.errors import LeavenError
from leaven.train.checkpoint import State
from leaven.train.optimizer import restore_optimizer

if TYPE_CHECKING:
    from leaven.train.loop import Loop


def state_of(loop: Loop) -> dict[str, Any]:
    """The fields of a ``checkpoint.State``."""
    return {
        "step": loop.step,
        "seconds": loop.seconds,
        "method": loop.job.method.state_dict(),
        "ema": loop.ema.network.state_dict(),
        "beside": loop.ema.beside,
        "optimizer": loop.optimizer.state_dict(),
        "precision": loop.fabric.strategy.precision.state_dict(),  # the scale of float16's gradients
        "views": {} if loop.learner is None else loop.learner.state_dict(),
        "belonging": None if loop.belonging is None else torch.from_numpy(loop.belonging),
        "sums": loop.meter.sums,
        "count": loop.meter.count,
    }


def restore(loop: Loop, state: State) -> None:
    """Let a run that has not begun go on from there.

    Raises
    ------
    LeavenError
        The state is of another method or network, or damaged.
    """
    try:
        loop.job.method.load_state_dict(state.method)
        loop.ema.restore(state.ema, state.beside)
        restore_optimizer(loop.optimizer, state.optimizer)
        loop.fabric.strategy.precision.load_state_dict(state.precision)
        if loop.learner is not None and state.views:
            loop.learner.load_state_dict(state.views)
        if state.belonging is not None:
            loop.belonging = state.belonging.numpy().reshape(len(loop.job.pool))
            loop.batches.set_weights(loop.belonging)
        loop.meter.restore(state.sums, state.count)
        if state.step > loop.plan.steps:
            raise ValueError(f"{state.step} steps of {loop.plan.steps}")
    except Exception as error:  # each of these raises what it likes about a state that is not its own
        raise LeavenError(
            f"The checkpoint in {loop.job.folder} is of another method or network, or damaged; start anew with "
            "--overwrite."
        ) from error
    loop.step, loop.seconds = state.step, state.seconds

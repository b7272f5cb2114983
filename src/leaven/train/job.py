"""What goes into a run, and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from leaven.augment.view import ItemViews
from leaven.methods.base import Method, RunInfo
from leaven.train.plan import Plan

if TYPE_CHECKING:
    from leaven.data import Pool
    from leaven.train.averages import Averages

Probe = Callable[[int, float, "Averages"], None]


@dataclass
class TrainJob:
    """All that a run needs; it travels to other processes whole.

    Attributes
    ----------
    method : Method
        What to train, its network in it.
    pool : Pool
        Where the items come from.
    plan : Plan
        How to train.
    views : object
        How items are seen, see ``leaven.augment``.
    folder : Path or None
        Where checkpoint and log go; ``None``: nothing is written.
    resume : bool
        Go on from the checkpoint in ``folder``.
    teacher : Module or None
        A network that the method is shown beside its own, see ``Method.teacher``; it is not trained.
    probe : callable or None
        Called as ``probe(step, seconds, averages)`` with the moving averages, ``plan.probes`` times and at the end.
    loggers : tuple of str
        Names of further loggers, see `leaven.train.log`.
    label : str
        What the progress bar says.
    progress : bool
        Show the bar.
    """

    method: Method
    pool: Pool
    plan: Plan
    views: ItemViews
    folder: Path | None = None
    resume: bool = False
    teacher: nn.Module | None = None
    probe: Probe | None = None
    loggers: tuple[str, ...] = ()
    label: str = ""
    progress: bool = True

    def setup(self) -> RunInfo:
        """What the method may know of the run."""
        plan, pool = self.plan, self.pool
        return RunInfo(plan.steps, plan.batch_size, pool.num_classes, len(pool), pool.items.shape[1:])


@dataclass
class TrainResult:
    """What a run ends with: the averaged network's weights, the steps and seconds it took, its last log line.

    ``snapshots`` are its weights on the way (``Plan.moments``), where no folder was given to write them to;
    ``rest`` is all other state of the method: averages of what it trains beside its network, the others as they are.
    """

    weights: dict[str, Tensor]
    steps: int
    seconds: float
    last: dict[str, Any] = field(default_factory=dict)
    failure: str = ""
    snapshots: list[dict[str, Tensor]] = field(default_factory=list)
    rest: dict[str, Tensor] = field(default_factory=dict)

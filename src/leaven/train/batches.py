"""The batch of step t: rows drawn, gathered on the device, seen as the method wants them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from leaven.errors import LeavenError
from leaven.methods.base import Batch, Draw, Stream
from leaven.train.items import Items, to_float
from leaven.train.plan import Plan
from leaven.train.sampler import Sampler

if TYPE_CHECKING:
    from leaven.data import Pool


class Batches:
    """Makes the batches of a run; one is a function of the step, and of PyTorch's generator for the views.

    Parameters
    ----------
    pool : where the items come from
    streams : what a method draws, by name
    views : how items are seen, see ``leaven.augment``
    plan : of the run
    device : where batches are made
    rank, processes : this process, and how many share the batch
    reader : who draws, for the message

    Raises
    ------
    LeavenError : a stream that is not optional has no rows to draw from
    """

    def __init__(
        self,
        pool: Pool,
        streams: Mapping[str, Stream],
        views: Any,
        plan: Plan,
        device: torch.device,
        rank: int = 0,
        processes: int = 1,
        reader: str = "The method",
    ):
        self.streams, self.views, self.steps, self.device = dict(streams), views, plan.steps, device
        self.items = Items(pool.items, device)
        self.labels = torch.from_numpy(pool.labels).to(device)
        self.samplers: dict[str, Sampler] = {}
        for number, (name, stream) in enumerate(self.streams.items()):
            rows = pool.rows(stream.role)
            if len(rows):
                size = max(1, round(plan.batch_size / processes * stream.ratio))
                self.samplers[name] = Sampler(rows, size, plan.seed, number, rank, processes)
            elif not stream.optional:
                raise LeavenError(
                    f"{reader} draws {stream.role} items, but the pool has none; "
                    "give labels (and, for adaptation, a source) or choose another method."
                )

    def at(self, step: int) -> Batch:
        """Draw the rows of every stream; make each kind of view of all the items that want it at once."""
        rows = {name: sampler.at(step) for name, sampler in self.samplers.items()}
        items = {name: self.items[r] for name, r in rows.items()}
        seen: dict[str, dict[str, Tensor]] = {name: {} for name in rows}
        for kind in ("plain", "weak", "strong"):
            wanting = [name for name in rows if kind in self.streams[name].views]
            if wanting:
                view = to_float(getattr(self.views, kind)(torch.cat([items[name] for name in wanting])))
                for name, part in zip(wanting, view.split([len(rows[name]) for name in wanting]), strict=True):
                    seen[name][kind] = part
        return Batch({name: self._draw(self.streams[name], rows[name], seen[name]) for name in rows}, step / self.steps)

    def _draw(self, stream: Stream, rows: Any, views: dict[str, Tensor]) -> Draw:
        index = torch.from_numpy(rows).to(self.device, non_blocking=True)
        seen = {kind: views[kind] for kind in stream.views}
        if stream.role == "unlabelled":
            return Draw(index, seen)
        return Draw(index, seen, self.labels.index_select(0, index))

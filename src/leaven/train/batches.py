"""The batch of step t: rows drawn, gathered on the device, seen as the method wants them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from leaven.augment.view import ItemViews
from leaven.errors import LeavenError
from leaven.inference.items import ItemLoader, to_float
from leaven.methods.step import Batch, Stream, StreamBatch
from leaven.train.episodes import EpisodeSampler
from leaven.train.plan import Plan
from leaven.train.sampler import Sampler
from leaven.train.seen import Seen, Views, see_pixels, see_together

if TYPE_CHECKING:
    from leaven.augment.view import View
    from leaven.data import Pool

UNSEEN = ("unlabelled", "hidden", "any")  # roles whose labels no method sees


def samplers(
    pool: Pool, streams: Mapping[str, Stream], plan: Plan, rank: int, processes: int, reader: str
) -> dict[str, Sampler | EpisodeSampler]:
    """Which rows each stream draws; optional streams that find none are left out. Parameters are those of ``Batches``.

    Raises
    ------
    LeavenError
        A stream that is not optional has no rows to draw from, or too few for its episodes.
    """
    by_stream: dict[str, Sampler | EpisodeSampler] = {}
    for number, (name, stream) in enumerate(streams.items()):
        rows = pool.rows(stream.role)
        size = max(1, round(plan.batch_size / processes * stream.ratio))
        if not len(rows):
            if stream.optional:
                continue
            wanted = "labelled" if stream.role == "source" and not pool.two_domains else stream.role
            raise LeavenError(
                f"{reader} draws {wanted} items, but the pool has none; "
                "give labels (and, for adaptation, a source) or choose another method."
            )
        key = (plan.seed, number, rank, processes)
        if stream.episode is None:
            by_stream[name] = Sampler(rows, size, *key)
            continue
        try:
            by_stream[name] = EpisodeSampler(pool.labels, rows, stream.episode, size, *key)
        except LeavenError as error:
            hint = "nearest (leaven fit --method nearest) needs one labelled item of each class, and no episodes"
            raise LeavenError(f"{str(error).removesuffix('.')}; or take another method: {hint}.") from error
    return by_stream


class Batches:
    """Makes the batches of a run; one is a function of the step, and of PyTorch's generator for the views.

    Parameters
    ----------
    pool : Pool
        Where the items come from.
    streams : mapping of str to Stream
        What a method draws, by name.
    views : object
        How items are seen, see ``leaven.augment``.
    plan : Plan
        The run's plan.
    device : torch.device
        Where batches are made.
    rank : int, optional
        Number of this process.
    processes : int, optional
        How many share the batch.
    reader : str, optional
        Who draws, for the message.
    method_views : mapping of str to View, optional
        Views that the method brings, by name.

    Raises
    ------
    LeavenError
        A stream that is not optional, or what the views learn from, has no rows to draw from.
    """

    def __init__(
        self,
        pool: Pool,
        streams: Mapping[str, Stream],
        views: ItemViews,
        plan: Plan,
        device: torch.device,
        rank: int = 0,
        processes: int = 1,
        reader: str = "The method",
        method_views: Mapping[str, View] | None = None,
    ):
        self.streams, self.views = dict(streams), Views(views, method_views or {})
        self.steps, self.device = plan.steps, device
        self.items, self.domain = ItemLoader(pool.items, device), torch.from_numpy(pool.domain)
        self.labels = torch.from_numpy(pool.labels).to(device)
        self.masks = None if pool.masks is None else ItemLoader(pool.masks[..., None], device)
        self.samplers = samplers(pool, self.streams, plan, rank, processes, reader)
        self.probed = None
        if (learner := getattr(views, "learner", None)) is not None:
            rows, size = pool.rows("labelled"), plan.batch_size // processes
            if not len(rows):
                raise LeavenError(
                    f"{type(learner).__name__} learns from labelled images, but the pool has none; give labels, or "
                    "choose randaugment."
                )
            self.probed = Sampler(rows, size, plan.seed, len(self.streams), rank, processes)

    def set_weights(self, weights: np.ndarray) -> None:
        """From now on draw unlabelled items in proportion to these numbers, ``(N,)`` over the pool."""
        for name, sampler in self.samplers.items():
            if isinstance(sampler, Sampler) and self.streams[name].role == "unlabelled":
                sampler.set_weights(weights[sampler.rows])

    def at(self, step: int) -> Batch:
        """Draw the rows of every stream, and see them as it wants."""
        rows, labels = {}, {}
        for name, sampler in self.samplers.items():
            if isinstance(sampler, EpisodeSampler):
                rows[name], of_episode = sampler.at(step)
                labels[name] = torch.from_numpy(of_episode).to(self.device, non_blocking=True)
            else:
                rows[name] = sampler.at(step)
        items = {name: self.items[r] for name, r in rows.items()}
        see = see_together if self.masks is None else see_pixels
        viewed = see(self.views, items, {name: self.streams[name].views for name in rows})
        return Batch(
            {name: self._draw(name, rows[name], viewed[name], labels.get(name)) for name in rows}, step / self.steps
        )

    def probe(self, step: int) -> StreamBatch:
        """One more draw, of B labelled images seen as what learns in the views asks; it is no stream of the method."""
        assert self.probed is not None, "only views that learn ask"
        rows = self.probed.at(step)
        index = torch.from_numpy(rows).to(self.device, non_blocking=True)
        view = to_float(self.views.of_pixels.probe(self.items[rows]))
        return StreamBatch(index, {"probe": view}, self.labels.index_select(0, index))

    def _draw(self, name: str, rows: np.ndarray, viewed: Seen, labels: Tensor | None) -> StreamBatch:
        on_host = torch.from_numpy(rows)
        index = on_host.to(self.device, non_blocking=True)
        if labels is None and self.streams[name].role not in UNSEEN:
            labels = self.labels.index_select(0, index) if self.masks is None else viewed.mask(self.masks[rows])
        return StreamBatch(index, viewed.views, labels, viewed.maps, self.domain[on_host])  # type: ignore[arg-type]

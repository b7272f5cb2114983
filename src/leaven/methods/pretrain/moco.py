"""MoCo (He et al. 2020), version 2 (Chen et al. 2020)."""

from __future__ import annotations

import copy
import math
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from annotated_types import Interval
from torch import Tensor, nn

from leaven.methods.base import Batch, Method, RunInfo, Stream
from leaven.methods.ranges import COUNT, POSITIVE
from leaven.nn.heads import projection
from leaven.nn.network import Network, pooled
from leaven.nn.normalising import grid, normalised_apart
from leaven.utils.collectives import gathered


class MoCo(Method):
    """Tell the key of another view of the same item from a queue of the keys of other items (Algorithm 1).

    Queries and keys are normalised in groups of rows that have one row in common, so that batch statistics do not tell
    which key is a query's own: on one device what shuffling across devices is for (section 3.3). Keys that the queue
    holds of the very item are no negatives, for small pools come round before the queue does.

    Defaults: the key encoder's momentum and the plan's batch, rate and weight decay are the paper's; temperature, head,
    cosine and views are those of version 2, without its blur. Ours: a queue of 4,096, where the paper has 65,536; a
    warm-up of the rate over a tenth of the run; and that the key encoder trails by a third of a short run at most.
    """

    settings = ("pre-training",)
    paper = "He et al., MoCo, CVPR 2020, arXiv 1911.05722; Chen et al., MoCo v2, 2020, arXiv 2003.04297"
    tasks = ("representation",)
    plan: ClassVar = {
        "batch_size": 256,
        "lr": 0.03,
        "lr_warmup": 0.1,
        "final_lr": 0.0,
        "weight_decay": 1e-4,
        "nesterov": False,
    }
    queue: Tensor
    items: Tensor
    place: Tensor

    def __init__(
        self,
        network: Network,
        *,
        queue: Annotated[int, "keys that the queue holds, the negatives", COUNT] = 4096,
        momentum: Annotated[float, "of the key encoder; less in a short run", Interval(ge=0, lt=1)] = 0.999,
        temperature: Annotated[float, "τ of the softmax over the keys", POSITIVE] = 0.2,
        dimensions: Annotated[int, "of queries and keys", COUNT] = 128,
        group: Annotated[
            int, "rows that batch norm takes together; processes want multiples of its square", Interval(ge=2)
        ] = 8,
    ):
        super().__init__(network)
        self.momentum, self.temperature, self.group = momentum, temperature, group
        self.projection = projection(network.num_features, dimensions)
        self.register_buffer("queue", F.normalize(torch.randn(queue, dimensions), dim=1))
        self.register_buffer("items", torch.full((queue,), -1))  # whose keys they are
        self.register_buffer("place", torch.zeros((), dtype=torch.long))  # of the next key

    @property
    def streams(self) -> dict[str, Stream]:
        """Any items, cropped and recoloured twice."""
        return {"items": Stream("any", views=("cropped", "cropped_2"), alone=True)}

    def setup(self, run: RunInfo) -> None:
        """The key encoder begins as a copy; it trails by a third of the run at most.

        By a twentieth, which is enough for averages that are evaluated, the keys of one queue are too unlike.
        """
        self.key_network = copy.deepcopy(self.network).requires_grad_(False)
        self.key_projection = copy.deepcopy(self.projection).requires_grad_(False)
        self.decay = min(self.momentum, 1 - 3 / max(6, run.steps))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """−log of the softmax of q·k / τ over the item's own key and those of the queue, at its own (eq. 1)."""
        draw = batch["items"]
        along, across = grid(len(draw.rows), self.group)
        with normalised_apart(self.network, along):
            query = _encoded(self.network, self.projection, draw.cropped)
        with torch.no_grad(), normalised_apart(self.key_network, across):
            self._trail()
            key = _encoded(self.key_network, self.key_projection, draw.cropped_2)
        positives = (query * key).sum(1, keepdim=True)
        with torch.autocast(query.device.type, enabled=False):
            others = query @ self.queue.T.clone()  # the queue moves on before the backward pass
        others = others.masked_fill(draw.rows[:, None] == self.items, -math.inf)
        scores = torch.cat([positives, others], 1) / self.temperature
        self.log(accuracy=(scores.argmax(1) == 0).float().mean())
        self._enqueue(gathered(key), gathered(draw.rows))
        return {"contrast": F.cross_entropy(scores, torch.zeros_like(draw.rows))}

    def _trail(self) -> None:
        """θ_k ← m·θ_k + (1 − m)·θ_q (eq. 2)."""
        mine: list[Tensor] = [*self.key_network.parameters(), *self.key_projection.parameters()]
        theirs: list[Tensor] = [*self.network.parameters(), *self.projection.parameters()]
        torch._foreach_lerp_(mine, theirs, 1 - self.decay)

    def _enqueue(self, keys: Tensor, items: Tensor) -> None:
        """The newest keys take the places of the oldest."""
        size = len(self.queue)
        keys, items = keys[-size:], items[-size:]
        places = (self.place + torch.arange(len(keys), device=keys.device)) % size
        self.queue.index_copy_(0, places, keys)
        self.items.index_copy_(0, places, items)
        self.place.add_(len(keys)).remainder_(size)


def _encoded(network: Network, head: nn.Module, x: Tensor) -> Tensor:
    """Vectors of length 1, float32 ``(N, dimensions)``."""
    return F.normalize(head(pooled(network.features(x))).float(), dim=1)

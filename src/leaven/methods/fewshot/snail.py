"""SNAIL, a simple neural attentive meta-learner (Mishra et al. 2018)."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from annotated_types import Interval
from torch import Tensor, nn

from leaven.methods.base import Batch, Episode, Method, Stream
from leaven.methods.ranges import COUNT
from leaven.methods.sequences import drawn_order, fixed_order, ordered
from leaven.methods.ways import require_ways
from leaven.nn.heads import wide
from leaven.nn.network import Network

ATTENTION = ((64, 32), (256, 128), (512, 256))  # sizes of keys and values (appendix A of the paper)

# All blocks take a support (E, S, C) and queries (E, Q, C), each of which is the one item after the support: what they
# make of the support does not depend on the query, for nothing looks ahead, and is worked out once for all of them.


class DenseBlock(nn.Module):
    """A causal convolution of two places, ``dilation`` apart, whose output goes beside its input (section 3).

    tanh of one half of the filters times the sigmoid of the other: ``(E, T, C)`` → ``(E, T, C + filters)``.

    Parameters
    ----------
    inputs, filters : int
        Channels.
    dilation : int
        How far back the earlier place is; zeros stand before the first.
    """

    def __init__(self, inputs: int, filters: int, dilation: int):
        super().__init__()
        self.dilation = dilation
        self.convolution = nn.Linear(2 * inputs, 2 * filters)

    def forward(self, support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        """Both with what the filters make of them."""
        back = F.pad(support, (0, 0, self.dilation, 0))  # place t is what stood at t - dilation
        shots = support.shape[1]
        return self._beside(support, back[:, :shots]), self._beside(query, back[:, shots : shots + 1].expand_as(query))

    def _beside(self, x: Tensor, earlier: Tensor) -> Tensor:
        value, gate = self.convolution(torch.cat([earlier, x], 2)).chunk(2, 2)
        return torch.cat([x, value.tanh() * gate.sigmoid()], 2)


class AttentionBlock(nn.Module):
    """Causal attention, whose reading goes beside its input (section 3): ``(E, T, C)`` → ``(E, T, C + values)``.

    Parameters
    ----------
    inputs : int
        Channels C.
    keys, values : int
        Sizes of a key and of a value.
    """

    def __init__(self, inputs: int, keys: int, values: int):
        super().__init__()
        self.asks, self.keys, self.values = nn.Linear(inputs, keys), nn.Linear(inputs, keys), nn.Linear(inputs, values)

    def forward(self, support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        """Both with what they read: of themselves and of what stands before them, by the softmax over the keys."""
        scale = self.keys.out_features**-0.5
        keys, values = self.keys(support), self.values(support)
        ahead = torch.ones(support.shape[1], support.shape[1], dtype=torch.bool, device=support.device).triu(1)
        weights = (self.asks(support) @ keys.mT * scale).masked_fill(ahead, -math.inf).softmax(2)
        asks = self.asks(query)
        itself = (asks * self.keys(query)).sum(2, keepdim=True)
        of_query = (torch.cat([asks @ keys.mT, itself], 2) * scale).softmax(2)
        read = of_query[:, :, :-1] @ values + of_query[:, :, -1:] * self.values(query)
        return torch.cat([support, weights @ values], 2), torch.cat([query, read], 2)


class SNAIL(Method):
    """Read the support and then the query as one sequence, by causal convolutions and attention in turn (section 3).

    An item is its features beside its label, one of ``ways`` digits; a query has none. The support of a task stands in
    an order that is drawn anew in training, and in one order for all tasks that are solved. Nothing looks ahead, so the
    support is passed once for all queries of a task, each of which is the next item by itself; the loss is theirs.

    Defaults: attention of keys and values 64 and 32, 256 and 128, 512 and 256, two blocks of dense convolutions of 128
    filters with dilations 2, 4, 8, ... till the sequence is spanned between them, are the paper's; 32 tasks a step are
    those of public code. Adam at 1e-3 (there 1e-4, for longer trainings), and 5 queries of each class in place of one
    query a task, are ours.
    """

    settings = ("few-shot",)
    paper = "Mishra et al., A Simple Neural Attentive Meta-Learner, ICLR 2018, arXiv 1707.03141"
    tasks = ("episodes",)
    plan: ClassVar = {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.0, "final_lr": 0.0, "batch_size": 32}

    def __init__(
        self,
        network: Network,
        *,
        ways: Annotated[int, "classes in an episode, and scores of a query", Interval(ge=2)] = 5,
        shots: Annotated[int, "labelled items of each class; as many as at test", COUNT] = 1,
        queries: Annotated[int, "items of each class to be told apart", COUNT] = 5,
        filters: Annotated[int, "of a dense convolution", COUNT] = 128,
    ):
        super().__init__(network)
        self.episode = Episode(ways, shots, queries)
        channels = network.num_features + ways
        blocks: list[nn.Module] = []
        for keys, values in ATTENTION:
            if blocks:
                for power in range(1, math.ceil(math.log2(ways * shots + 1)) + 1):
                    blocks.append(DenseBlock(channels, filters, 2**power))
                    channels += filters
            blocks.append(AttentionBlock(channels, keys, values))
            channels += values
        self.blocks, self.output = nn.ModuleList(blocks), nn.Linear(channels, ways)

    @property
    def most_ways(self) -> int:
        """As many as there are scores."""
        return self.episode.ways

    @property
    def streams(self) -> dict[str, Stream]:
        """Episodes of labelled items, seen as they are."""
        return {"episodes": Stream("labelled", views=("plain",), episode=self.episode)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Mean cross-entropy of the queries, each the last item of its sequence."""
        draw = batch["episodes"]
        features = wide(self.network.features(draw.plain, draw.domain))
        support, query = (part.flatten(1, 2) for part in self.episode.split(features))
        known, labels = (part.flatten(1, 2) for part in self.episode.split(draw.labels))
        order = drawn_order(known)
        scores = self._scores(ordered(support, order), ordered(known, order), query).flatten(0, 1)
        self.log(accuracy=(scores.argmax(1) == labels.flatten()).float().mean())
        return {"queries": F.cross_entropy(scores, labels.flatten())}

    def predict_from_features(self, support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
        """Scores ``(Q, W)`` of each query ``(Q, D)`` by itself as the item after the support ``(S, D)``.

        Of a task of fewer ways than the network was trained for, the first W scores are used.

        Raises
        ------
        LeavenError
            The task has more ways.
        """
        ways = require_ways(type(self).__name__, self.episode.ways, labels)
        order = fixed_order(labels)
        return self._scores(wide(support)[order][None], labels[order][None], wide(query)[None])[0, :, :ways]

    def _scores(self, support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
        """Scores ``(E, Q, ways)`` of queries ``(E, Q, D)`` after the support ``(E, S, D)`` with labels ``(E, S)``."""
        told = F.one_hot(labels, self.episode.ways).to(support.dtype)
        support, query = torch.cat([support, told], 2), F.pad(query, (0, self.episode.ways))
        for block in self.blocks:
            support, query = block(support, query)
        return self.output(query)

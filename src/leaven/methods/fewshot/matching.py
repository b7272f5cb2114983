"""Matching Networks (Vinyals et al. 2016)."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from annotated_types import Interval
from torch import Tensor, nn

from leaven.methods.base import Batch, Episode, Method, Stream
from leaven.methods.losses import require_moving_features
from leaven.methods.ranges import COUNT, POSITIVE
from leaven.methods.sequences import drawn_order, fixed_order, ordered
from leaven.nn.heads import wide
from leaven.nn.network import Network


class FullContext(nn.Module):
    """Embeddings that depend on the whole support (section 2.1.2 and appendix A of the paper).

    Parameters
    ----------
    features : int
        Size D of an embedding; all layers are of it.
    reads : int
        K, how often a query looks at the support.
    """

    def __init__(self, features: int, reads: int):
        super().__init__()
        self.reads = reads
        self.support = nn.LSTM(features, features, batch_first=True, bidirectional=True)
        self.query = nn.LSTMCell(2 * features, features)

    def of_support(self, x: Tensor) -> Tensor:
        """g: items ``(E, S, D)``, to which both directions of an LSTM over them are added, in the order given."""
        forth, back = self.support(x)[0].chunk(2, 2)
        return x + forth + back

    def of_query(self, x: Tensor, support: Tensor) -> Tensor:
        """f: queries ``(E, Q, D)`` after K steps, in each of which they read the support ``(E, S, D)`` (eq. 3 to 6).

        A step is fed the query and what was read; the query is added to what comes out. The first reads by the query
        itself, as public code does.
        """
        hidden, cell = x, torch.zeros_like(x).flatten(0, 1)
        for _ in range(self.reads):
            read = (hidden @ support.mT).softmax(2) @ support
            given = torch.cat([x, read], 2).flatten(0, 1)
            out, cell = self.query(given, (hidden.flatten(0, 1), cell))
            hidden = x + out.unflatten(0, x.shape[:2])
        return hidden


class Matching(Method):
    """Compare a query with every labelled item: their classes, weighted by attention (section 2.1).

    The attention is the softmax of the cosines, times a scale that is learnt: without one it is nearly flat. A task is
    solved the same way, with any number of ways and shots. ``full_context`` lets the embeddings of the support see each
    other, and those of the queries see the support; the support is then read in an order that is drawn anew for each
    task of training, and in one order for all tasks that are solved.

    Defaults: 20 ways are the larger of the paper's on Omniglot; full context is off, as there. The scale of 10, 5
    reads, 5 queries, Adam at 1e-3 and 4 tasks a step are ours.
    """

    settings = ("few-shot",)
    paper = "Vinyals et al., Matching Networks for One Shot Learning, NeurIPS 2016, arXiv 1606.04080"
    tasks = ("episodes",)
    plan: ClassVar = {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.0, "final_lr": 0.0, "batch_size": 4}

    def __init__(
        self,
        network: Network,
        *,
        ways: Annotated[int, "classes in an episode", Interval(ge=2)] = 20,
        shots: Annotated[int, "labelled items of each class; as many as at test", COUNT] = 1,
        queries: Annotated[int, "items of each class to be told apart", COUNT] = 5,
        scale: Annotated[float, "factor of the cosines in the beginning", POSITIVE] = 10.0,
        full_context: Annotated[bool, "embeddings that depend on the whole support"] = False,
        reads: Annotated[int, "K, how often a query then looks at the support", COUNT] = 5,
    ):
        super().__init__(network)
        if not full_context:
            require_moving_features(network, "Matching")
        self.episode = Episode(ways, shots, queries)
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.context = FullContext(network.num_features, reads) if full_context else None

    @property
    def streams(self) -> dict[str, Stream]:
        """Episodes of labelled items, seen as they are."""
        return {"episodes": Stream("labelled", views=("plain",), episode=self.episode)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Minus the mean log-probability of the queries' classes (eq. 1 and 2)."""
        draw = batch["episodes"]
        features = wide(self.network.features(draw.plain, draw.domain))
        support, query = (part.flatten(1, 2) for part in self.episode.split(features))
        support_labels, labels = (part.flatten(1, 2) for part in self.episode.split(draw.labels))
        if self.context is not None:
            order = drawn_order(support_labels)
            support, support_labels = ordered(support, order), ordered(support_labels, order)
        scores = self._scores(support, support_labels, query).flatten(0, 1)
        self.log(accuracy=(scores.argmax(1) == labels.flatten()).float().mean(), scale=self.log_scale.exp())
        return {"queries": F.nll_loss(scores, labels.flatten())}

    def predict_from_features(self, support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
        """Log-probabilities ``(Q, ways)``, each query by itself; ``(S, D)``, ``(S,)`` and ``(Q, D)`` as they come."""
        if self.context is not None:
            order = fixed_order(labels)
            support, labels = support[order], labels[order]
        return self._scores(wide(support)[None], labels[None], wide(query)[None])[0]

    def _scores(self, support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
        """Log-probabilities ``(E, Q, ways)``: the log of what of the attention falls to each class."""
        with torch.autocast(query.device.type, enabled=False):
            if self.context is not None:
                support = self.context.of_support(support)
                query = self.context.of_query(query, support)
            cosines = F.normalize(query, dim=2) @ F.normalize(support, dim=2).mT
            attention = (self.log_scale.exp() * cosines).log_softmax(2)
        others = ~F.one_hot(labels).bool()[:, None]
        return attention[..., None].masked_fill(others, -math.inf).logsumexp(2)

"""Prototypical Networks (Snell et al. 2017)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch.nn.functional as F
from annotated_types import Interval
from torch import Tensor

from leaven.methods.base import Batch, Episode, Method, Stream
from leaven.methods.ranges import COUNT
from leaven.nn.heads import squared_distances, wide
from leaven.nn.network import Network


class Prototypical(Method):
    """Learn features in which an item is nearest to the mean of its class (Algorithm 1).

    The distance is Euclidean and *squared*, which makes the classifier linear in the features (section 2.4). A task of
    new classes is solved the same way, with any number of ways and shots.

    Defaults: ways, queries and Adam's 1e-3 are those of the authors' code for Omniglot. It halves the rate every 2,000
    episodes and stops by validation episodes; the plan's cosine falls to nothing over the run, whatever its length.
    """

    settings = ("few-shot",)
    paper = "Snell et al., Prototypical Networks for Few-shot Learning, NeurIPS 2017, arXiv 1703.05175"
    tasks = ("episodes",)
    plan: ClassVar = {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.0, "final_lr": 0.0, "batch_size": 1}

    def __init__(
        self,
        network: Network,
        *,
        ways: Annotated[int, "N_C, classes in an episode; more than at test is better", Interval(ge=2)] = 60,
        shots: Annotated[int, "N_S, labelled items of each class; as many as at test", COUNT] = 1,
        queries: Annotated[int, "N_Q, items of each class to be told apart", COUNT] = 5,
    ):
        super().__init__(network)
        self.episode = Episode(ways, shots, queries)

    @property
    def streams(self) -> dict[str, Stream]:
        """Episodes of labelled items, seen as they are."""
        return {"episodes": Stream("labelled", views=("plain",), episode=self.episode)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the queries, softmax(−‖f(x) − c_k‖²) over the means c_k of the support (eq. 1 and 2)."""
        draw = batch["episodes"]
        support, query = self.episode.split(wide(self.network.features(draw.plain, draw.domain)))
        _, labels = self.episode.split(draw.labels)
        scores = -squared_distances(query.flatten(1, 2), support.mean(2)).flatten(0, 1)
        self.log(accuracy=(scores.argmax(1) == labels.flatten()).float().mean())
        return {"queries": F.cross_entropy(scores, labels.flatten())}

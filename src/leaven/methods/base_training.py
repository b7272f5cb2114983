"""What few-shot methods share that first train a classifier of all base classes, and then solve tasks by what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from leaven.methods.base import Batch, Method, Stream
from leaven.methods.losses import cross_entropy
from leaven.nn.network import joint


class BaseTraining(Method):
    """Learns to tell all base classes apart, as any classifier does; tasks are of other classes.

    The network has a score for each class of its pool. What a task of new classes makes of the network is each
    method's own: ``predict_from_features``, or ``predict_episode`` where the network itself is tuned.
    """

    settings = ("few-shot",)
    tasks = ("episodes",)

    @classmethod
    def outputs(cls, classes: int, hyperparameters: Mapping[str, Any]) -> int:
        """A score for each base class."""
        return classes

    @property
    def streams(self) -> dict[str, Stream]:
        """Labelled items one by one, seen weakly: no episodes."""
        return {"labelled": Stream("labelled")}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy over all base classes."""
        draw = batch["labelled"]
        (scores,) = joint(self.network, draw.weak, domains=[draw.domain])
        self.log(accuracy=(scores.argmax(1) == draw.labels).float().mean())
        return {"base": cross_entropy(scores, draw.labels)}

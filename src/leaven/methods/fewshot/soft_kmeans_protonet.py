"""Prototypical Networks that learn from unlabelled items too (Ren et al. 2018)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
import torch.nn.functional as F
from annotated_types import Interval
from torch import Tensor, nn

from leaven.errors import LeavenError
from leaven.methods.base import Batch, Episode, Method, Stream
from leaven.methods.ranges import COUNT, NOT_NEGATIVE
from leaven.methods.soft_kmeans import refined_means
from leaven.nn.heads import class_means, squared_distances, wide
from leaven.nn.network import Network

CLUSTERINGS = ("soft", "cluster", "masked")
RADIUS = 100.0  # of the distractors' cluster in the beginning
HIDDEN = 20  # units of the perceptron that says where a mask ends
SPREAD = 0.01  # standard deviation of its weights in the beginning


class MaskEdges(nn.Module):
    """How far from a class's mean unlabelled items still count, from how their distances are distributed (eq. 6, 7)."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.output = nn.Linear(5, HIDDEN), nn.Linear(HIDDEN, 3)
        for layer in (self.hidden, self.output):
            nn.init.normal_(layer.weight, std=SPREAD)
            nn.init.zeros_(layer.bias)

    def forward(self, distances: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of normalised distances ``(E, U, W)``: β at first, what is added to it till the last step, and γ, ``(E, W)``.

        No gradient flows to the distances.
        """
        first, added, scale = self.output(self.hidden(moments(distances.detach())).tanh()).unbind(2)
        return first.exp(), added, scale.exp()


class SoftKMeansProtonet(Method):
    """Class means that unlabelled items of a task pull to themselves, by a step or more of k-means (section 3.1).

    ``clustering`` says how. ``soft``: each item counts for the classes by the softmax of its distances (3.1.1).
    ``cluster``: so it does, but one more cluster at the origin, whose radius is learnt, takes distractors, which are of
    no class of the task (3.1.2). ``masked``: each class has an edge, learnt from how the distances are distributed,
    beyond which items count next to nothing (3.1.3). A task without unlabelled items is solved by class means alone,
    as by Prototypical Networks; with ``--refinements 0`` training is theirs too, and unlabelled items serve
    at test alone.

    In training the unlabelled items are drawn from labelled ones, whose labels nobody looks at, so all labels take
    part in one episode or another; the paper keeps one in ten of each class on Omniglot.

    Defaults: 5 ways, 5 unlabelled items of each class, one step, the radius of 100, the perceptron's 20 units and
    Adam at 1e-3 are those of the authors' code for Omniglot. As many distractors as ways are theirs, where there are
    any. 5 queries, and 4 tasks a step, are ours.
    """

    settings = ("few-shot",)
    paper = "Ren et al., Meta-Learning for Semi-Supervised Few-Shot Classification, ICLR 2018, arXiv 1803.00676"
    tasks = ("episodes",)
    plan: ClassVar = {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.0, "final_lr": 0.0, "batch_size": 4}

    def __init__(
        self,
        network: Network,
        *,
        clustering: Annotated[str, "how unlabelled items count: soft, cluster or masked"] = "masked",
        ways: Annotated[int, "classes in an episode", Interval(ge=2)] = 5,
        shots: Annotated[int, "labelled items of each class; as many as at test", COUNT] = 1,
        queries: Annotated[int, "items of each class to be told apart", COUNT] = 5,
        unlabelled_items: Annotated[int, "M, further items of each class and distractor", COUNT] = 5,
        distractors: Annotated[int, "classes of which there are unlabelled items alone", NOT_NEGATIVE] = 0,
        refinements: Annotated[int, "steps of k-means in training; 0: at test alone", NOT_NEGATIVE] = 1,
        test_refinements: Annotated[int, "steps of k-means when a task is solved", COUNT] = 1,
    ):
        super().__init__(network)
        self.episode = Episode(ways, shots, queries, *((unlabelled_items, distractors) if refinements else (0, 0)))
        self.refinements, self.test_refinements = refinements, test_refinements
        self.log_radius = nn.Parameter(torch.tensor(math.log(RADIUS))) if clustering == "cluster" else None
        self.edges = MaskEdges() if clustering == "masked" else None

    @classmethod
    def check(cls, classes: int, hyperparameters: Mapping[str, Any]) -> None:
        """Before anything is built.

        Raises
        ------
        LeavenError
            There is no such clustering, or one that is learnt is not to be trained.
        """
        if (clustering := hyperparameters["clustering"]) not in CLUSTERINGS:
            raise LeavenError(f"clustering is {clustering!r}, expected {', '.join(CLUSTERINGS)}.")
        if clustering != "soft" and not hyperparameters["refinements"]:
            raise LeavenError(
                f"With 0 steps of k-means in training nothing of {clustering} clustering is learnt; take soft "
                "clustering, or a step."
            )

    @property
    def streams(self) -> dict[str, Stream]:
        """Episodes of labelled items, seen as they are; the labels of the unlabelled ones are not looked at."""
        return {"episodes": Stream("labelled", views=("plain",), episode=self.episode)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the queries, softmax(−‖f(x) − p̃_c‖²) over the refined means."""
        draw = batch["episodes"]
        features = wide(self.network.features(draw.plain, draw.domain))
        support, query = self.episode.split(features)
        _, labels = self.episode.split(draw.labels)
        counts = support.new_full((self.episode.ways,), self.episode.shots)
        means = self.refined(support.mean(2), counts, self.episode.extra(features), self.refinements)
        scores = -squared_distances(query.flatten(1, 2), means).flatten(0, 1)
        self.log(accuracy=(scores.argmax(1) == labels.flatten()).float().mean())
        return {"queries": F.cross_entropy(scores, labels.flatten())}

    def predict_from_features(
        self, support: Tensor, labels: Tensor, query: Tensor, unlabelled: Tensor | None = None
    ) -> Tensor:
        """Scores ``(Q, ways)`` by the class means, refined where there are unlabelled items."""
        ways = int(labels.max()) + 1
        means = class_means(support, labels, ways)
        if unlabelled is not None:
            counts = torch.bincount(labels, minlength=ways)
            means = self.refined(means[None], counts, wide(unlabelled)[None], self.test_refinements)[0]
        return -squared_distances(query, means)

    def refined(self, means: Tensor, counts: Tensor, items: Tensor, steps: int) -> Tensor:
        """The means ``(E, W, D)`` so many steps on, of ``counts`` ``(W,)`` labelled items and others ``(E, U, D)``."""
        if not items.shape[1]:
            return means
        with torch.autocast(items.device.type, enabled=False):
            first = means
            edges = None if self.edges is None else self.edges(normalised(squared_distances(items, first)))
            for step in range(steps):
                distances = squared_distances(items, means)
                weights = self._memberships(distances, items)
                if edges is not None:
                    start, added, scale = (edge[:, None] for edge in edges)
                    edge = start + added * (step / max(1, steps - 1))
                    weights = weights * (scale * (edge - normalised(distances))).sigmoid()
                means = refined_means(first, counts, items, weights)
        return means

    def _memberships(self, distances: Tensor, items: Tensor) -> Tensor:
        """What of each item is of each class, ``(E, U, W)``, of squared distances ``(E, U, W)`` (eq. 3 and 5)."""
        if self.log_radius is None:
            return (-distances).softmax(2)
        # of all clusters' logarithm of the normaliser, ½ log 2π + log r, what is not the same: log r, 0 of the classes'
        other = -items.square().sum(2, keepdim=True) * (-2 * self.log_radius).exp() - self.log_radius
        return torch.cat([-distances, other], 2).softmax(2)[:, :, :-1]


def normalised(distances: Tensor) -> Tensor:
    """Distances ``(E, U, W)`` over the mean distance of the items to each class (eq. 4 of section 3.1.3)."""
    mean = distances.mean(1, keepdim=True)
    return distances / mean.where(mean > 0, 1.0)


def moments(x: Tensor) -> Tensor:
    """Minimum, maximum, variance, skewness and excess kurtosis of ``(E, U, W)`` over the items, ``(E, W, 5)``."""
    centred = x - x.mean(1, keepdim=True)
    variance = centred.square().mean(1)
    divisor = variance.where(variance > 0, 1.0)
    skew = centred.pow(3).mean(1) / divisor.pow(1.5)
    kurtosis = centred.pow(4).mean(1) / divisor.square() - 3
    return torch.stack([x.amin(1), x.amax(1), variance, skew, kurtosis], 2)

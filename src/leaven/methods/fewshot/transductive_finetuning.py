"""Transductive fine-tuning (Dhillon et al. 2020)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.methods.base import Batch
from leaven.methods.base_training import BaseTraining
from leaven.methods.losses import mean_entropy
from leaven.methods.mix import mix_up
from leaven.methods.ranges import NOT_NEGATIVE, POSITIVE, UNDER_ONE
from leaven.nn.heads import class_means, wide
from leaven.nn.network import Network, joint
from leaven.nn.normalising import batch_statistics, by_running_statistics

NORM_SHARE = 0.1  # of a pass in the running statistics while a task is solved, PyTorch's default


class TaskNetwork(nn.Module):
    """A classifier of base classes under a layer that makes scores of a task's classes out of its scores.

    Scores are W z + b, z = relu(s) / ‖relu(s)‖ of the base classes' scores s. Row k of W begins as the mean of relu(s)
    over the support of class k, brought to length 1, and b as 0 (section 3.1).

    Parameters
    ----------
    network : Module
        The classifier; it is copied.
    support : Tensor of float, shape (S, ...)
        Labelled items.
    labels : Tensor of int64, shape (S,)
        Their classes.
    """

    def __init__(self, network: nn.Module, support: Tensor, labels: Tensor):
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_().eval()
        with torch.no_grad():
            rectified = F.relu(wide(self.network(support)))
            means = class_means(rectified, labels, int(labels.max()) + 1)
            self.layer = nn.Linear(means.shape[1], len(means)).to(means)
            self.layer.weight.copy_(F.normalize(means, dim=1))
            self.layer.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """The scores ``(N, ways)``."""
        return self.layer(F.normalize(F.relu(wide(self.network(x))), dim=1))


class TransductiveFinetuning(BaseTraining):
    """Train a classifier of all base classes; put a layer for the task over its scores, and tune all weights on it.

    In each epoch the cross-entropy of the support is stepped on, and then the entropy of the queries' predictions
    (eq. 8): queries are looked at together, so the results are transductive. Without the second step (``transductive``
    false) it is the paper's fine-tuning, and with no epochs its support-based initialisation. Batch norm goes by the
    statistics of each pass, and by the running ones that these leave when queries are told apart. Support and queries
    are seen anew in each epoch (the weak view). Every task sees the same random numbers.

    Defaults: those of the authors' code: 25 epochs, Adam at 5e-5, and for the base classes SGD at 0.1 with 256 items a
    step, label smoothing of 0.1 and MixUp at 0.25. They let the rate fall twice, over 40 and 80 epochs; ours is one
    cosine. Their mixture is the same for all items of a step, ours is each item's own.
    """

    paper = "Dhillon et al., A Baseline for Few-Shot Image Classification, ICLR 2020, arXiv 1909.02729"
    paper_plan: ClassVar = {"steps": 18_000, "batch_size": 256}  # miniImageNet: 120 epochs of 38,400 images
    plan: ClassVar = {"optimizer": "sgd", "lr": 0.1, "weight_decay": 1e-4, "final_lr": 0.0, "batch_size": 256}

    def __init__(
        self,
        network: Network,
        *,
        epochs: Annotated[int, "passes over a task, each two steps; 0: its layer as it begins", NOT_NEGATIVE] = 25,
        tune_lr: Annotated[float, "learning rate on a task", POSITIVE] = 5e-5,
        transductive: Annotated[bool, "step on the entropy of the queries too"] = True,
        smoothing: Annotated[float, "ε, share of the base labels spread over all classes", UNDER_ONE] = 0.1,
        mixup: Annotated[float, "α of MixUp on the base classes; 0: none", NOT_NEGATIVE] = 0.25,
    ):
        super().__init__(network)
        self.epochs, self.tune_lr, self.transductive = epochs, tune_lr, transductive and epochs > 0
        self.smoothing, self.mixup = smoothing, mixup

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy over all base classes of mixed items, by their mixed and smoothed labels."""
        draw = batch["labelled"]
        mix = mix_up(len(draw.labels), self.mixup, draw.labels.device)
        (scores,) = joint(self.network, mix.images(draw.weak), domains=[draw.domain])
        target = mix.labels(F.one_hot(draw.labels, scores.shape[1]).float())
        return {"base": F.cross_entropy(scores, target, label_smoothing=self.smoothing)}

    def predict_episode(
        self, support: Tensor, labels: Tensor, query: Tensor, again: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor:
        """Scores ``(Q, W)`` of the queries, looked at together, by a copy of the network tuned on the task."""
        devices = [support.device] if support.device.type == "cuda" else []
        with (
            torch.enable_grad(),
            torch.autocast(support.device.type, enabled=False),
            torch.random.fork_rng(devices=devices),
        ):
            torch.manual_seed(0)
            tuned = TaskNetwork(self.network, support, labels)
            optimizer = torch.optim.Adam(tuned.parameters(), self.tune_lr)
            for _ in range(self.epochs):
                self._step(tuned, optimizer, support if again is None else again(support), labels)
                if self.transductive:
                    self._step(tuned, optimizer, query if again is None else again(query), None)
        with torch.no_grad(), torch.autocast(support.device.type, enabled=False):
            return tuned.eval()(query)

    def _step(self, tuned: TaskNetwork, optimizer: torch.optim.Optimizer, x: Tensor, labels: Tensor | None) -> None:
        """On the cross-entropy of a support, or on the entropy of queries, which have no labels."""
        optimizer.zero_grad()
        with _statistics(tuned.train(), len(x)):
            scores = tuned(x)
        loss = mean_entropy(scores) if labels is None else F.cross_entropy(scores, labels)
        loss.backward()
        optimizer.step()


def _statistics(network: nn.Module, items: int) -> AbstractContextManager[None]:
    """Of each pass, which the running ones follow; a single item may have none of its own."""
    return batch_statistics(network, NORM_SHARE) if items > 1 else by_running_statistics(network)

"""Baseline (Chen et al. 2019): an ordinary classifier, and a new linear layer for each task."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.methods.base_training import BaseTraining
from leaven.methods.ranges import COUNT, NOT_NEGATIVE, POSITIVE
from leaven.nn.heads import find, wide
from leaven.nn.network import Network

MOMENTUM = 0.9  # of the task's SGD, and its dampening


class Baseline(BaseTraining):
    """Train a classifier of all base classes, keep its features, and train a new linear layer on each task's support.

    What meta-learning has to beat (section 3.1). The task's layer is drawn, and its batches are shuffled, by the same
    numbers for every task, so that a query's scores do not depend on what else is asked.

    Defaults: those of the authors' code. Adam at a constant 1e-3 with 16 items a step on the base classes, which are
    seen weakly; the task's layer by SGD at 0.01 with momentum and dampening of 0.9 and weight decay of 1e-3, in 100
    passes over the support, 4 items a step.
    """

    paper = "Chen et al., A Closer Look at Few-shot Classification, ICLR 2019, arXiv 1904.04232"
    paper_plan: ClassVar = {"steps": 960_000, "batch_size": 16}  # miniImageNet: 400 epochs of 38,400 images
    plan: ClassVar = {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.0, "final_lr": 1.0, "batch_size": 16}

    def __init__(
        self,
        network: Network,
        *,
        head_epochs: Annotated[int, "passes over a task's support", COUNT] = 100,
        head_batch: Annotated[int, "items of the support a step", COUNT] = 4,
        head_lr: Annotated[float, "learning rate of the task's layer", POSITIVE] = 0.01,
        head_decay: Annotated[float, "weight decay of the task's layer", NOT_NEGATIVE] = 1e-3,
    ):
        super().__init__(network)
        self.head_epochs, self.head_batch = head_epochs, head_batch
        self.head_lr, self.head_decay = head_lr, head_decay

    def predict_from_features(self, support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
        """Scores ``(Q, ways)`` of the queries ``(Q, D)``, each by itself, by a new head trained on ``support``."""
        with torch.no_grad(), torch.autocast(support.device.type, enabled=False):
            return self.new_head(wide(support), labels)(wide(query))

    def new_head(self, x: Tensor, labels: Tensor) -> nn.Module:
        """The head of a task with support features ``x`` ``(S, D)``, trained by cross-entropy.

        A task is thousands of tiny steps, so gradients are written out: PyTorch's own take five times as long.
        """
        target = F.one_hot(labels).to(x.dtype)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)  # the CPU's alone
            head = find(self.head)(x.shape[1], target.shape[1]).to(x)
            weights: list[Tensor] = list(head.parameters())
            momenta: list[Tensor] = []
            for _ in range(self.head_epochs):
                for rows in torch.randperm(len(x)).to(x.device).split(self.head_batch):
                    error = (head(x[rows]).softmax(1) - target[rows]) / len(rows)
                    slopes = self.head_gradients(head, x[rows], error)
                    for slope, weight in zip(slopes, weights, strict=True):
                        slope.add_(weight, alpha=self.head_decay)
                    if not momenta:  # as PyTorch has it, the first is not dampened
                        momenta = slopes
                    else:
                        for momentum, slope in zip(momenta, slopes, strict=True):
                            momentum.mul_(MOMENTUM).add_(slope, alpha=1 - MOMENTUM)
                    for weight, momentum in zip(weights, momenta, strict=True):
                        weight.sub_(momentum, alpha=self.head_lr)
        return head

    def head_gradients(self, head: nn.Module, x: Tensor, error: Tensor) -> list[Tensor]:
        """Of weight and bias, for features ``x`` ``(B, D)`` and the loss's gradient by the scores ``(B, ways)``."""
        return [error.T @ x, error.sum(0)]

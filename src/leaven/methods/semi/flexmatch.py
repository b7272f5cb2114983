"""FlexMatch (Zhang et al. 2021)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from torch import Tensor

from leaven.methods.base import Batch, Method, RunInfo, Stream
from leaven.methods.losses import cross_entropy, guessed, masked_cross_entropy
from leaven.methods.ranges import NOT_NEGATIVE, POSITIVE, SHARE
from leaven.nn.network import Network, joint
from leaven.utils.collectives import gathered


class FlexMatch(Method):
    """FixMatch with a threshold a class, the lower the fewer items the class has learnt (Algorithm 1).

    It remembers for each row of the pool which class it was last given with confidence. It knows of whole items, not
    of pixels, and of no source: in a pool of two domains the source's rows count as items that are not learnt yet.

    Defaults: all are FixMatch's, and those that microsoft/Semi-supervised-learning publishes for FlexMatch.
    """

    settings = ("semi-supervised",)
    paper = "Zhang et al., FlexMatch, NeurIPS 2021, arXiv 2110.08263"
    paper_plan: ClassVar = {"steps": 2**20, "batch_size": 64}
    learnt: Tensor

    def __init__(
        self,
        network: Network,
        *,
        threshold: Annotated[float, "τ, the highest threshold, that of the class learnt best (eq. 7)", SHARE] = 0.95,
        weight: Annotated[float, "λ, weight of the unlabelled loss (eq. 9)", NOT_NEGATIVE] = 1.0,
        ratio: Annotated[float, "μ, unlabelled items for each labelled one", POSITIVE] = 7,
        warmup: Annotated[bool, "thresholds rise from 0 while most items are not learnt (eq. 11)"] = True,
    ):
        super().__init__(network)
        self.threshold, self.weight, self.ratio, self.warmup = threshold, weight, ratio, warmup

    @property
    def streams(self) -> dict[str, Stream]:
        """Labelled items seen weakly; μ times as many unlabelled ones seen weakly and strongly."""
        return {"labelled": Stream("labelled"), "unlabelled": Stream("unlabelled", self.ratio, ("weak", "strong"))}

    def setup(self, run: RunInfo) -> None:
        """Make room for the class that each item was last given with confidence, û, int64 ``(N,)``; -1: none yet."""
        self.register_buffer("learnt", torch.full((run.items,), -1))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """H(y, p) + λ · mean of 1[max q > T(argmax q)] · H(argmax q, p(A(u))), q = p(α(u)) (eq. 8 to 10)."""
        labelled, unlabelled = batch["labelled"], batch["unlabelled"]
        domains = [labelled.domain, unlabelled.domain, unlabelled.domain]
        scores, weak, strong = joint(self.network, labelled.weak, unlabelled.weak, unlabelled.strong, domains=domains)
        confidence, pseudo = guessed(weak).max(1)
        thresholds = self._thresholds(weak.shape[1])
        self._learn(unlabelled.rows, torch.where(confidence > self.threshold, pseudo, -1))
        mask = (confidence > thresholds[pseudo]).to(torch.float32)
        self.log(mask_rate=mask.mean(), threshold=thresholds.mean())
        return {
            "labelled": cross_entropy(scores, labelled.labels),
            "unlabelled": self.weight * masked_cross_entropy(strong, pseudo, mask),
        }

    def _thresholds(self, classes: int) -> Tensor:
        """T(c) = τ · β / (2 − β), ``(K,)``; β(c) is how much class c has learnt, of what the best has (eq. 5 to 12)."""
        counts = self.learnt.new_zeros(classes + 1).scatter_add_(0, self.learnt + 1, torch.ones_like(self.learnt))
        unlearnt, learnt = counts[0], counts[1:]
        most = torch.maximum(learnt.max(), unlearnt) if self.warmup else learnt.max()
        beta = learnt / most.clamp(min=1)
        return self.threshold * beta / (2 - beta)

    def _learn(self, rows: Tensor, predicted: Tensor) -> None:
        """Remember what was ``predicted`` of ``rows``, both ``(B,)``, by all processes; -1 changes nothing.

        A row may be drawn twice in a batch: what was said of it last counts, on every device.
        """
        rows, predicted = gathered(rows), gathered(predicted)
        place = torch.where(predicted >= 0, torch.arange(len(predicted), device=predicted.device), -1)
        last = torch.full_like(self.learnt, -1).scatter_reduce_(0, rows, place, "amax")
        self.learnt.copy_(torch.where(last >= 0, predicted[last.clamp(min=0)], self.learnt))

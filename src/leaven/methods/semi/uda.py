"""Unsupervised data augmentation (Xie et al. 2020)."""

from __future__ import annotations

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from leaven.errors import LeavenError
from leaven.methods.base import IGNORE, Batch, Method, Stream
from leaven.methods.losses import cross_entropy, entropy, guessed, masked_cross_entropy, sharpen
from leaven.methods.ranges import NOT_NEGATIVE, POSITIVE, SHARE
from leaven.nn.network import Network, joint
from leaven.utils.collectives import global_mean

# α of the share of the run that is done, t / T
SCHEDULES = {
    "linear": lambda t: t,
    "log": lambda t: 1 - math.exp(-5 * t),
    "exp": lambda t: math.exp(5 * (t - 1)),
}


class UDA(Method):
    """Move the prediction for the strong view to the sharpened one for the weak view (eq. 1).

    With training-signal annealing a labelled item is left out as soon as its own class is as probable as it may be by
    then, so that few labels are not learnt by heart at once.

    Defaults: threshold and temperature are the paper's. The weight of 1, the ratio of 7 and no annealing are those of
    the re-implementation in FixMatch's code (which has a threshold of 0.95 and does not sharpen); the paper anneals.
    """

    settings = ("semi-supervised",)
    paper = "Xie et al., Unsupervised Data Augmentation for Consistency Training, NeurIPS 2020, arXiv 1904.12848"
    tasks = ("classification", "segmentation")

    def __init__(
        self,
        network: Network,
        *,
        threshold: Annotated[float, "β, an item is learnt from if its confidence is above it", SHARE] = 0.8,
        temperature: Annotated[float, "τ of sharpening; 1: as it is", POSITIVE] = 0.4,
        weight: Annotated[float, "λ, weight of the unlabelled loss (eq. 1)", NOT_NEGATIVE] = 1.0,
        ratio: Annotated[float, "unlabelled items for each labelled one", POSITIVE] = 7,
        annealing: Annotated[str, "schedule of training-signal annealing: none, linear, log or exp"] = "none",
    ):
        super().__init__(network)
        self.threshold, self.temperature, self.weight, self.ratio = threshold, temperature, weight, ratio
        if annealing not in ("none", *SCHEDULES):
            raise LeavenError(f"annealing is {annealing!r}, but none, {', '.join(SCHEDULES)} were expected.")
        self.annealing = annealing

    @property
    def streams(self) -> dict[str, Stream]:
        """Labelled items seen weakly; unlabelled ones seen weakly and strongly."""
        return {"labelled": Stream("labelled"), "unlabelled": Stream("unlabelled", self.ratio, ("weak", "strong"))}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """H(y, p) + λ · mean of 1[max p > β] · KL(sharpen(p(α(u))) ‖ p(A(u))) (eq. 1)."""
        labelled, unlabelled = batch["labelled"], batch["unlabelled"]
        domains = [labelled.domain, unlabelled.domain, unlabelled.domain]
        scores, weak, strong = joint(self.network, labelled.weak, unlabelled.weak, unlabelled.strong, domains=domains)
        guess = guessed(weak)
        mask = (guess.amax(1) > self.threshold).to(torch.float32)
        self.log(mask_rate=mask.mean())
        target, mask = unlabelled.to("strong", sharpen(guess, self.temperature)), unlabelled.to("strong", mask)
        divergence = masked_cross_entropy(strong, target, mask) - (mask * entropy(target)).mean()
        return {
            "labelled": self._labelled(scores, labelled.labels, batch.progress),
            "unlabelled": self.weight * divergence,
        }

    def _labelled(self, scores: Tensor, labels: Tensor, progress: float) -> Tensor:
        """Mean of H(y, p) over the items with p(y) ≤ η_t = α_t · (1 − 1/K) + 1/K; 0 where there is none."""
        if self.annealing == "none":
            return cross_entropy(scores, labels)
        most = SCHEDULES[self.annealing](progress) * (1 - 1 / scores.shape[1]) + 1 / scores.shape[1]
        losses = F.cross_entropy(scores, labels, ignore_index=IGNORE, reduction="none")
        counts = (labels != IGNORE).to(torch.float32)
        retained = (losses >= -math.log(most)) * counts
        self.log(labelled_rate=retained.sum() / global_mean(counts.sum()).clamp(min=1e-6))
        return (losses * retained).sum() / global_mean(retained.sum()).clamp(min=1e-6)

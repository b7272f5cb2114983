"""Distillation on unlabelled items (Hinton et al. 2015; Chen et al. 2020, SimCLR v2)."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from leaven.methods.base import Batch, Method, Stream
from leaven.methods.losses import cross_entropy
from leaven.methods.ranges import POSITIVE, SHARE
from leaven.nn.network import Network, joint


class Distillation(Method):
    """Say of all items what a trained teacher says of them: by a smaller network, or once more by one like it.

    The teacher (``--teacher``: a run, or a method that is trained first) stands beside the network, frozen, and sees
    the same view of an item.

    Defaults: SimCLR v2's main setting, in which labels are no longer looked at (eq. 2, α = 1); with α under 1 labelled
    items are learnt from as well (eq. 3). Ours are the temperature of 1 and the weak views.
    """

    settings = ("semi-supervised",)
    paper = (
        "Chen et al., Big Self-Supervised Models are Strong Semi-Supervised Learners, NeurIPS 2020, arXiv 2006.10029"
    )
    tasks = ("classification", "segmentation")
    teacher = "classes"

    def __init__(
        self,
        network: Network,
        *,
        temperature: Annotated[float, "τ of teacher and student; large: softer", POSITIVE] = 1.0,
        alpha: Annotated[float, "α, share of the teacher in the loss, the rest is of the labels (eq. 3)", SHARE] = 1.0,
        ratio: Annotated[float, "items that the teacher speaks of, in multiples of the batch size", POSITIVE] = 7,
    ):
        super().__init__(network)
        self.temperature, self.alpha, self.ratio = temperature, alpha, ratio

    @property
    def streams(self) -> dict[str, Stream]:
        """All items of the target, seen weakly; labelled ones as well where their labels count."""
        labelled = {"labelled": Stream("labelled")} if self.alpha < 1 else {}
        return labelled | {"unlabelled": Stream("unlabelled", self.ratio)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """(1 − α) H(y, p) + α H(p', p), p and the teacher's p' at temperature τ (eq. 2 and 3)."""
        x, domain = batch["unlabelled"].weak, batch["unlabelled"].domain
        with torch.no_grad():
            target = (batch.teacher(x).float() / self.temperature).softmax(1)
        if self.alpha == 1:
            (scores,), terms = joint(self.network, x, domains=[domain]), {}
        else:
            labelled = batch["labelled"]
            of_labelled, scores = joint(self.network, labelled.weak, x, domains=[labelled.domain, domain])
            terms = {"labelled": (1 - self.alpha) * cross_entropy(of_labelled, labelled.labels)}
        taught = -(target * (scores / self.temperature).log_softmax(1)).sum(1).mean()
        self.log(agreement=(scores.argmax(1) == target.argmax(1)).float().mean())
        return terms | {"taught": self.alpha * taught}

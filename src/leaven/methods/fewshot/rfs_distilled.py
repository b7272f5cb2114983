"""RFS, distilled (Tian et al. 2020, section 3.3)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from leaven.methods.base import Batch
from leaven.methods.fewshot.rfs import RFS
from leaven.methods.losses import cross_entropy
from leaven.methods.ranges import NOT_NEGATIVE, POSITIVE, SHARE
from leaven.methods.stage import Stage
from leaven.nn.network import Network, joint


class RFSDistilled(RFS):
    """RFS whose features are learnt once more, from the labels and from what a network like it has learnt of them.

    A born-again network (Furlanello et al. 2018): the base classes are trained on, then a network of the same form
    is taught by the first, which stands beside it and sees the same views. Tasks are solved as RFS solves them. The
    first training is a stage of the run (``supervised``, on the weak view alone: what RFS does); ``--teacher`` takes a
    run in its place.

    Defaults: those of the authors' code, as for RFS; teacher and labels count half each, at a temperature of 4.
    """

    paper = "Tian et al., Rethinking Few-Shot Image Classification: a Good Embedding Is All You Need?, ECCV 2020"
    teacher = "classes"
    recipe = (
        Stage("supervised", "teacher", options={"strong": False, **RFS.plan}),
        Stage("rfs_distilled", teacher="teacher"),
    )
    plan: ClassVar = RFS.plan

    def __init__(
        self,
        network: Network,
        *,
        copies: Annotated[int, "copies of each item of a support, seen anew; 0: the item itself", NOT_NEGATIVE] = 5,
        strength: Annotated[float, "C, the inverse of the penalty's weight", POSITIVE] = 1.0,
        alpha: Annotated[float, "α, share of the teacher in the loss, the rest is of the labels", SHARE] = 0.5,
        temperature: Annotated[float, "T of teacher and student; large: softer", POSITIVE] = 4.0,
    ):
        super().__init__(network, copies=copies, strength=strength)
        self.alpha, self.temperature = alpha, temperature

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """(1 − α) H(y, p) + α T² KL(p' ‖ p), p and the teacher's p' of the second term at temperature T (eq. 4)."""
        draw = batch["labelled"]
        (scores,) = joint(self.network, draw.weak, domains=[draw.domain])
        with torch.no_grad():
            told = (batch.teacher(draw.weak).float() / self.temperature).log_softmax(1)
        own = (scores / self.temperature).log_softmax(1)
        apart = F.kl_div(own, told, reduction="batchmean", log_target=True)
        self.log(
            accuracy=(scores.argmax(1) == draw.labels).float().mean(),
            agreement=(scores.argmax(1) == told.argmax(1)).float().mean(),
        )
        return {
            "base": (1 - self.alpha) * cross_entropy(scores, draw.labels),
            "taught": self.alpha * self.temperature**2 * apart,
        }

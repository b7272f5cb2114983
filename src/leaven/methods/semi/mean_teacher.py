"""Mean Teacher (Tarvainen & Valpola 2017)."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from leaven.methods.base import Batch, Method, Stream
from leaven.methods.losses import cross_entropy, ramp_up, squared_error
from leaven.methods.ranges import NOT_NEGATIVE, POSITIVE, SHARE
from leaven.nn.network import Network, joint
from leaven.nn.normalising import normalising_as


class MeanTeacher(Method):
    """Agree with the average of one's own past weights on another view of the same item (section 2).

    The teacher is the moving average that every run keeps (``--ema``), and it is the model that the run ends with.

    Defaults: the weight of 50 and the rise over the first 0.4 of the run are those of the re-implementation in
    FixMatch's code, whose figures its comparison shows; of 8, 20 and 50, that weight was chosen on USPS too. The
    authors' own code has a weight of 100 unless told otherwise, which rises over 40,000 of 150,000 steps, in our form;
    FixMatch's code has a linear rise. The teacher's decay is the paper's 0.999 in long runs, less in short ones
    (``Plan.ema_decay``). Ours are the ratio of 7 (one unlabelled item for each labelled one in FixMatch's code), and
    that labelled items, of which the authors' code asks consistency as well, count only as often as they are drawn as
    unlabelled ones.
    """

    settings = ("semi-supervised",)
    paper = "Tarvainen & Valpola, Mean teachers are better role models, NeurIPS 2017, arXiv 1703.01780"

    def __init__(
        self,
        network: Network,
        *,
        weight: Annotated[float, "weight of the consistency cost at its height", NOT_NEGATIVE] = 50.0,
        ratio: Annotated[float, "unlabelled items for each labelled one", POSITIVE] = 7,
        warmup: Annotated[float, "share of the run over which the weight rises", SHARE] = 0.4,
    ):
        super().__init__(network)
        self.weight, self.ratio, self.warmup = weight, ratio, warmup

    @property
    def streams(self) -> dict[str, Stream]:
        """Labelled items seen weakly; unlabelled ones seen weakly by the student, and anew by the teacher."""
        return {"labelled": Stream("labelled"), "unlabelled": Stream("unlabelled", self.ratio, ("weak", "weak_2"))}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """H(y, p) + w(t) · mean of (p(α(u)) − p'(α'(u)))², p' the teacher's (eq. 1)."""
        labelled, unlabelled = batch["labelled"], batch["unlabelled"]
        domains = [labelled.domain, unlabelled.domain]
        scores, student = joint(self.network, labelled.weak, unlabelled.weak, domains=domains)
        with torch.no_grad(), normalising_as(self.network, batch.averaged):  # beside the same items too
            _, teacher = joint(batch.averaged, labelled.weak, unlabelled.weak_2, domains=domains)
        consistency = squared_error(student, teacher.softmax(1))
        return {
            "labelled": cross_entropy(scores, labelled.labels),
            "unlabelled": self.weight * ramp_up(batch.progress, self.warmup) * consistency,
        }

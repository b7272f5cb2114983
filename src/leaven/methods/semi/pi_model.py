"""The Π-model (Laine & Aila 2017)."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from leaven.methods.base import Batch, Method, Stream
from leaven.methods.losses import cross_entropy, ramp_up, squared_error
from leaven.methods.ranges import NOT_NEGATIVE, POSITIVE, SHARE
from leaven.nn.network import Network, joint


class PiModel(Method):
    """Predict the same on two views of an item (Algorithm 1).

    The gradient flows through both predictions: neither is the other's target. Pixels of two views that are drawn
    apart do not correspond, so it serves whole items only.

    Defaults: none is the paper's. The weight of 10 and the rise over the first 0.4 of the run are those of the
    re-implementation in FixMatch's code, whose figures its comparison shows. There the rise is linear, one of the two
    predictions is the other's fixed target, and there is one unlabelled item for each labelled one: the form of the
    rise, the gradient through both and the ratio of 7 are where we differ.
    """

    settings = ("semi-supervised",)
    paper = "Laine & Aila, Temporal Ensembling for Semi-Supervised Learning, ICLR 2017, arXiv 1610.02242"

    def __init__(
        self,
        network: Network,
        *,
        weight: Annotated[float, "w_max, weight of the squared difference at its height", NOT_NEGATIVE] = 10.0,
        ratio: Annotated[float, "unlabelled items for each labelled one", POSITIVE] = 7,
        warmup: Annotated[float, "share of the run over which w(t) rises", SHARE] = 0.4,
    ):
        super().__init__(network)
        self.weight, self.ratio, self.warmup = weight, ratio, warmup

    @property
    def streams(self) -> dict[str, Stream]:
        """Labelled items seen weakly; unlabelled ones seen weakly twice."""
        return {"labelled": Stream("labelled"), "unlabelled": Stream("unlabelled", self.ratio, ("weak", "weak_2"))}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """H(y, z) + w(t) · mean over items and classes of (z − z̃)², w(t) = w_max · exp(−5 (1 − t)²)."""
        labelled, unlabelled = batch["labelled"], batch["unlabelled"]
        domains = [labelled.domain, unlabelled.domain, unlabelled.domain]
        scores, one, other = joint(self.network, labelled.weak, unlabelled.weak, unlabelled.weak_2, domains=domains)
        rise = ramp_up(batch.progress, self.warmup)
        return {
            "labelled": cross_entropy(scores, labelled.labels),
            "unlabelled": self.weight * rise * squared_error(one, other.softmax(1)),
        }

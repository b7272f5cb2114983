"""ENT (Grandvalet & Bengio 2004; Saito et al. 2019): entropy of the target minimised by all weights."""

from __future__ import annotations

from typing import Annotated, ClassVar

from torch import Tensor

from leaven.methods.losses import mean_entropy
from leaven.methods.ranges import NOT_NEGATIVE, POSITIVE
from leaven.methods.two_domains import TwoDomains
from leaven.nn.network import Network


class ENT(TwoDomains):
    """Predictions of unlabelled target items become sure: their entropy falls, by the features and by the classifier.

    It is what MME is set against in its paper (section 4.1): the same classifier by the angle, without the reversal.

    Defaults: λ and the ratio are those of MME. It trains on frozen features as well.
    """

    paper = "Grandvalet & Bengio, Semi-supervised Learning by Entropy Minimization, NeurIPS 2004"
    paper_plan: ClassVar = {"steps": 50_000, "batch_size": 24}
    tasks = ("classification", "segmentation")
    head: ClassVar = "cosine"

    def __init__(
        self,
        network: Network,
        *,
        weight: Annotated[float, "λ, weight of the entropy", NOT_NEGATIVE] = 0.1,
        ratio: Annotated[float, "unlabelled target items for each source item", POSITIVE] = 2,
    ):
        super().__init__(network, ratio)
        self.weight = weight

    def of_target(self, features: Tensor) -> dict[str, Tensor]:
        """λ · entropy."""
        entropy = mean_entropy(self.network.head(features))
        self.log(entropy=entropy)
        return {"entropy": self.weight * entropy}

"""MME (Saito et al. 2019): semi-supervised adaptation by minimax entropy."""

from __future__ import annotations

from typing import Annotated, ClassVar

from torch import Tensor

from leaven.methods.losses import mean_entropy, require_moving_features
from leaven.methods.ranges import NOT_NEGATIVE, POSITIVE
from leaven.methods.two_domains import TwoDomains
from leaven.nn.network import Network
from leaven.nn.reverse import reverse_gradient


class MME(TwoDomains):
    """The classifier's weight vectors move towards the target by maximising the entropy there; the features gather
    around them by minimising it, through gradient reversal (section 3.2).

    Its classifier is that of section 3.1, by the angle between features and weights, with temperature 0.05.

    Defaults: λ and the ratio of unlabelled items are those of the authors' code, and both domains' labels weigh the
    same, as there. Ours: one update a step with both terms, where it makes two, of the cross-entropy and then of the
    entropy; the classifier and the reversal on the backbone's features, where it has a linear layer of 512 between
    for ResNets; one rate for all layers, where its backbone has a tenth of the others'; strong views beside weak ones.
    """

    paper = "Saito et al., Semi-supervised Domain Adaptation via Minimax Entropy, ICCV 2019, arXiv 1904.06487"
    paper_plan: ClassVar = {"steps": 50_000, "batch_size": 24}
    tasks = ("classification", "segmentation")
    head: ClassVar = "cosine"

    def __init__(
        self,
        network: Network,
        *,
        weight: Annotated[float, "λ, weight of the entropy (eq. 3)", NOT_NEGATIVE] = 0.1,
        ratio: Annotated[float, "unlabelled target items for each source item", POSITIVE] = 2,
    ):
        super().__init__(network, ratio)
        require_moving_features(network, "MME")
        self.weight = weight

    def of_target(self, features: Tensor) -> dict[str, Tensor]:
        """- λ · entropy, reversed before the head (eq. 3)."""
        entropy = mean_entropy(self.network.head(reverse_gradient(features)))
        self.log(entropy=entropy)
        return {"entropy": -self.weight * entropy}

"""MCC (Jin et al. 2020): minimum class confusion."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from leaven.methods.losses import mean_entropy
from leaven.methods.ranges import NOT_NEGATIVE, POSITIVE
from leaven.methods.two_domains import TwoDomains
from leaven.nn.network import Network
from leaven.utils.collectives import differentiable_mean


class MCC(TwoDomains):
    """Classes that target items are torn between come apart: what two columns of predictions have in common falls.

    No adversary and no threshold: a matrix of K × K of a batch's predictions, softened by a temperature and weighted by
    how sure they are (section 3).

    Defaults: temperature and weight are the authors'. Ours: two unlabelled items for each source item, where they have
    one; strong views of labelled items beside weak ones; it trains on frozen features as well.
    """

    settings = ("adaptation", "semi-supervised adaptation")
    paper = "Jin et al., Minimum Class Confusion for Versatile Domain Adaptation, ECCV 2020, arXiv 1912.03699"

    def __init__(
        self,
        network: Network,
        *,
        temperature: Annotated[float, "T, by which scores are divided (eq. 2)", POSITIVE] = 2.5,
        weight: Annotated[float, "μ, weight of the confusion (eq. 7)", NOT_NEGATIVE] = 1.0,
        ratio: Annotated[float, "unlabelled target items for each source item", POSITIVE] = 2,
    ):
        super().__init__(network, ratio)
        self.temperature, self.weight = temperature, weight

    def of_target(self, features: Tensor) -> dict[str, Tensor]:
        """Mean share of each class's correlations that is with others (eq. 3 to 6).

        The weights of items take no gradient, and their normalisation (eq. 4) is left out: it has no say in shares.
        """
        scores = self.network.head(features).float() / self.temperature
        predictions = scores.softmax(1)
        entropy = -(predictions * scores.log_softmax(1)).sum(1).detach()
        weighted = predictions * (1 + (-entropy).exp()).unsqueeze(1)
        correlations = differentiable_mean(weighted.T @ predictions)
        shares = correlations / correlations.sum(1, keepdim=True)
        confusion = 1 - shares.diagonal().mean()
        self.log(confusion=confusion, entropy=mean_entropy(scores * self.temperature))
        return {"confusion": self.weight * confusion}

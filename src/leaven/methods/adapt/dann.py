"""DANN (Ganin et al. 2016): features that do not tell the domain."""

from __future__ import annotations

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.methods.base import Batch, Method, Stream
from leaven.methods.losses import classification_loss, require_moving_features
from leaven.methods.ranges import COUNT, NOT_NEGATIVE, POSITIVE
from leaven.nn.network import Network, joint_features
from leaven.nn.reverse import reverse_gradient


class DANN(Method):
    """A classifier learns to tell source from target by the features; through a gradient reversal layer the features
    learn that it cannot (section 4).

    Both domains are seen weakly and strongly: were it the source alone, the strong view would tell the domain.

    Defaults: the form of the rise is the paper's, its height of 0.1 ours, for 1 diverges in short runs. Ratio, hidden
    width and strong views are ours.
    """

    settings = ("adaptation",)
    paper = "Ganin et al., Domain-Adversarial Training of Neural Networks, JMLR 2016, arXiv 1505.07818"
    tasks = ("classification", "segmentation")

    def __init__(
        self,
        network: Network,
        *,
        weight: Annotated[float, "λ at its height; the paper's 1 diverges in short runs", NOT_NEGATIVE] = 0.1,
        ratio: Annotated[float, "unlabelled target items for each source item", POSITIVE] = 1,
        hidden: Annotated[int, "width of the domain classifier's hidden layer", COUNT] = 100,
    ):
        super().__init__(network)
        require_moving_features(network, "DANN")
        self.weight, self.ratio = weight, ratio
        features = network.num_features
        self.domain = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    @property
    def streams(self) -> dict[str, Stream]:
        """Labelled source and unlabelled target, each seen weakly and strongly."""
        both = ("weak", "strong")
        return {"source": Stream("source", views=both), "target": Stream("unlabelled", self.ratio, both)}

    def strength(self, progress: float) -> float:
        """λ_p = weight · (2 / (1 + e^(−10 p)) − 1), from 0 on (section 5.2.2)."""
        return self.weight * (2 / (1 + math.exp(-10 * progress)) - 1)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Source cross-entropy + H(d, q(source)) + H(d, q(target)), the features' gradient of the latter by −λ_p.

        The domain classifier itself learns at full strength throughout (section 5.2.2).
        """
        source, target = batch["source"], batch["target"]
        domains = [source.domain, source.domain, target.domain, target.domain]
        views = (source.weak, source.strong, target.weak, target.strong)
        features = joint_features(self.network, *views, domains=domains)
        strength = self.strength(batch.progress)
        # features last, so that of maps every place is told apart
        ours, theirs = (
            self.domain(reverse_gradient(torch.cat(of_views), strength).movedim(1, -1)).float()
            for of_views in (features[:2], features[2:])
        )
        self.log(domain_accuracy=0.5 * ((ours > 0).float().mean() + (theirs < 0).float().mean()))
        domain_loss = F.binary_cross_entropy_with_logits(ours, torch.ones_like(ours))
        domain_loss = domain_loss + F.binary_cross_entropy_with_logits(theirs, torch.zeros_like(theirs))
        return {"source": classification_loss(self.network.head, features[:2], source), "domain": domain_loss}

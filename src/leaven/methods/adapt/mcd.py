"""MCD (Saito et al. 2018): two classifiers that disagree where the target is far from the source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor

from leaven.methods.base import Batch, Method, Phase, Stream, StreamBatch
from leaven.methods.losses import classification_loss, require_moving_features
from leaven.methods.ranges import COUNT, POSITIVE
from leaven.nn.heads import restarted
from leaven.nn.network import Network, joint_features


class MCD(Method):
    """Maximum classifier discrepancy, the three steps of section 3.3.

    The first classifier is the network's head; the second starts from other weights. Source and target pass the network
    one after the other, as in the authors' code, so that all three steps see the target by the same batch statistics.

    Defaults: four steps of the generator and the mean over items and classes are those of the authors' code. Ours: SGD,
    where that has three optimisers, Adam at 2e-4; strong views of the source; and the first classifier alone predicts,
    where that adds up both.
    """

    settings = ("adaptation",)
    paper = "Saito et al., Maximum Classifier Discrepancy, CVPR 2018, arXiv 1712.02560"
    tasks = ("classification", "segmentation")

    def __init__(
        self,
        network: Network,
        *,
        generator_steps: Annotated[
            int, "n, updates of the features for each of the classifiers (section 3.3)", COUNT
        ] = 4,
        ratio: Annotated[float, "unlabelled target items for each source item", POSITIVE] = 1,
    ):
        super().__init__(network)
        require_moving_features(network, "MCD")
        self.generator_steps, self.ratio = generator_steps, ratio
        self.second = restarted(network.head)

    @property
    def streams(self) -> dict[str, Stream]:
        """Labelled source seen weakly and strongly, unlabelled target seen weakly."""
        return {
            "source": Stream("source", views=("weak", "strong")),
            "target": Stream("unlabelled", self.ratio, alone=True),
        }

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Steps A, B and C."""
        return (
            Phase("source"),
            Phase("discrepancy", ("network.head", "second")),
            Phase("generator", ("network.backbone",), self.generator_steps),
        )

    def discrepancy(self, features: Tensor) -> Tensor:
        """Mean over items and classes of ``|p_1 - p_2|`` (section 3.2)."""
        one, two = (head(features).float().softmax(1) for head in (self.network.head, self.second))
        return (one - two).abs().mean()

    def source_loss(self, features: Sequence[Tensor], source: StreamBatch) -> Tensor:
        """The cross-entropies of both classifiers, added up."""
        one, two = (classification_loss(head, features, source) for head in (self.network.head, self.second))
        return one + two

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """A: source cross-entropy of both. B: that, less the discrepancy. C: the discrepancy."""
        source, target = batch["source"], batch["target"]
        if batch.phase == "generator":
            return {"closer": self.discrepancy(*joint_features(self.network, target.weak, domains=[target.domain]))}
        features = joint_features(self.network, *source.views.values(), domains=[source.domain] * len(source.views))
        labelled = self.source_loss(features, source)
        if batch.phase == "source":
            return {"source": labelled}
        of_target = joint_features(self.network, target.weak, domains=[target.domain])
        return {"kept": labelled, "apart": -self.discrepancy(*of_target)}

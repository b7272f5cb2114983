"""MME (Saito et al. 2019): semi-supervised adaptation by minimax entropy."""

from __future__ import annotations

from typing import Annotated, ClassVar

from torch import Tensor

from leaven.methods.base import Batch, Method, Stream
from leaven.methods.losses import classification_loss, require_moving_features
from leaven.methods.ranges import NOT_NEGATIVE, POSITIVE
from leaven.nn.network import Network, joint_features
from leaven.nn.reverse import reverse_gradient


class MME(Method):
    """The classifier's weight vectors move towards the target by maximising the entropy there; the features gather
    around them by minimising it, through gradient reversal (section 3.2).

    Its classifier is that of section 3.1, by the angle between features and weights, with temperature 0.05.

    Defaults: λ and the ratio of unlabelled items are those of the authors' code, and both domains' labels weigh the
    same, as there. Ours: one update a step with both terms, where it makes two, of the cross-entropy and then of the
    entropy; the classifier and the reversal on the backbone's features, where it has a linear layer of 512 between
    for ResNets; one rate for all layers, where its backbone has a tenth of the others'; strong views beside weak ones.
    """

    settings = ("semi-supervised adaptation",)
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
        super().__init__(network)
        require_moving_features(network, "MME")
        self.weight, self.ratio = weight, ratio

    @property
    def streams(self) -> dict[str, Stream]:
        """Labelled source and (where there is any) labelled target, seen weakly and strongly; all target weakly."""
        both = ("weak", "strong")
        return {
            "source": Stream("source", views=both),
            "target_labelled": Stream("target_labelled", views=both, optional=True),
            "target": Stream("unlabelled", self.ratio),
        }

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of source and target labels alike (eq. 1) - λ · entropy of the target, reversed (eq. 3)."""
        labelled = {name: batch[name] for name in ("source", "target_labelled") if name in batch}
        views = [view for draw in labelled.values() for view in draw.views.values()]
        views.append(batch["target"].weak)
        domains = [draw.domain for draw in (*labelled.values(), batch["target"]) for _ in draw.views]
        *features, target = joint_features(self.network, *views, domains=domains)
        terms = {}
        for name, draw in labelled.items():
            own, features = features[: len(draw.views)], features[len(draw.views) :]
            terms[name] = classification_loss(self.network.head, own, draw) / len(labelled)
        scores = self.network.head(reverse_gradient(target)).float()
        entropy = -(scores.softmax(1) * scores.log_softmax(1)).sum(1).mean()
        self.log(entropy=entropy)
        return {**terms, "entropy": -self.weight * entropy}

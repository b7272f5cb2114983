"""Methods that learn from all labels of two domains, and something of the target's unlabelled features."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from leaven.methods.base import Batch, Method, Stream
from leaven.methods.losses import classification_loss
from leaven.nn.network import Network, joint_features

LABELLED = ("source", "target_labelled")


class TwoDomains(Method):
    """Cross-entropy of source and (where there is any) target labels alike, and `of_target`.

    Parameters
    ----------
    network : Network
        What is trained.
    ratio : float
        Unlabelled target items for each source item.
    """

    settings: ClassVar[tuple[str, ...]] = ("semi-supervised adaptation",)

    def __init__(self, network: Network, ratio: float):
        super().__init__(network)
        self.ratio = ratio

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
        """The mean cross-entropy of each domain's labels, half of each where both have some, and the target's terms."""
        labelled = {name: batch[name] for name in LABELLED if name in batch}
        views = [view for draw in labelled.values() for view in draw.views.values()]
        views.append(batch["target"].weak)
        domains = [draw.domain for draw in (*labelled.values(), batch["target"]) for _ in draw.views]
        *features, target = joint_features(self.network, *views, domains=domains)
        terms = {}
        for name, draw in labelled.items():
            of_draw, features = features[: len(draw.views)], features[len(draw.views) :]
            terms[name] = classification_loss(self.network.head, of_draw, draw) / len(labelled)
        return terms | self.of_target(target)

    def of_target(self, features: Tensor) -> dict[str, Tensor]:
        """Loss terms of unlabelled target items' features ``(B, D)``, or maps of them ``(B, D, h, w)``."""
        raise NotImplementedError

"""The supervised baseline."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from torch import Tensor

from leaven.methods.base import Batch, Method, Stream
from leaven.methods.losses import cross_entropy
from leaven.nn.network import Network, joint


class Supervised(Method):
    """Cross-entropy on the labelled items, seen weakly and strongly alike.

    The strong view makes the baseline a fair one: methods that use unlabelled data get it too.

    Defaults: the strong view beside the weak one is ours, a choice for fair comparisons; ``--no-strong`` is the plain
    baseline.
    """

    settings = ("baseline",)
    paper = "source-only and labelled-only baseline, AdaMatch (Berthelot et al. 2022), section 5.1"
    tasks: ClassVar[tuple[str, ...]] = ("classification", "segmentation")

    def __init__(
        self, network: Network, *, strong: Annotated[bool, "train on the strong view as well as the weak one"] = True
    ):
        super().__init__(network)
        self.strong = strong

    @property
    def streams(self) -> dict[str, Stream]:
        """Labelled items; of two domains as many of the target as of the source, where it has any labels."""
        views = ("weak", "strong") if self.strong else ("weak",)
        return {
            "labelled": Stream("source", views=views),
            "target_labelled": Stream("target_labelled", views=views, optional=True),
        }

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """½ (H(y, p(weak)) + H(y, p(strong))); the mean of both domains."""
        views = [(draw, view) for draw in batch.draws.values() for view in draw.views]
        domains = [draw.domain for draw, _ in views]
        scores = joint(self.network, *(draw.views[view] for draw, view in views), domains=domains)
        losses = [cross_entropy(s, draw.labels_of(view)) for s, (draw, view) in zip(scores, views, strict=True)]
        return {"labelled": torch.stack(losses).mean()}

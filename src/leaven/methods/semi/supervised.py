"""The supervised baseline."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from leaven.methods.base import Batch, Method, Stream
from leaven.nn.network import Network, joint


class Supervised(Method):
    """Cross-entropy on the labelled items, seen weakly and strongly alike.

    The strong view makes the baseline a fair one: methods that use unlabelled data get it too.
    """

    settings = ("baseline",)
    paper = "source-only and labelled-only baseline, AdaMatch (Berthelot et al. 2022), section 5.1"

    def __init__(
        self, network: Network, *, strong: Annotated[bool, "train on the strong view as well as the weak one"] = True
    ):
        super().__init__(network)
        self.strong = strong

    @property
    def streams(self) -> dict[str, Stream]:
        """Labelled items of any domain."""
        return {"labelled": Stream("labelled", views=("weak", "strong") if self.strong else ("weak",))}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """½ (H(y, p(weak)) + H(y, p(strong)))."""
        labelled = batch["labelled"]
        scores = joint(self.network, *labelled.views.values())
        losses = [F.cross_entropy(s, labelled.labels_of(view)) for s, view in zip(scores, labelled.views, strict=True)]
        return {"labelled": torch.stack(losses).mean()}

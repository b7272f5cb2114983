"""The k nearest labelled items (Cover & Hart 1967)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from leaven.methods.base import Survey
from leaven.methods.closed_form import ClosedForm
from leaven.methods.ranges import COUNT
from leaven.nn.heads import NeighboursHead
from leaven.nn.network import Network


class KNN(ClosedForm):
    """An item is of the class that most of the k nearest labelled items have; features are as they are.

    Defaults: k is scikit-learn's.
    """

    settings = ("baseline",)
    paper = "Cover & Hart, Nearest Neighbor Pattern Classification, IEEE Trans. Inf. Theory 1967"
    taught: ClassVar[bool] = False
    head = "neighbours"

    def __init__(self, network: Network, *, k: Annotated[int, "labelled items that are asked", COUNT] = 5):
        super().__init__(network)
        self.k = k

    def set_head(self, head: nn.Module, survey: Survey) -> None:
        """Remember the labelled items."""
        has_label = survey.labels >= 0
        one_hot = F.one_hot(torch.from_numpy(survey.labels[has_label]), survey.probabilities.shape[1])
        assert isinstance(head, NeighboursHead)
        head.remember(torch.from_numpy(survey.features[has_label]), one_hot, self.k)

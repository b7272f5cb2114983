"""Label spreading (Zhou et al. 2004): labels spread over the graph of neighbours, unlabelled items and all."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import nn

from leaven.methods.base import Survey
from leaven.methods.closed_form import ClosedForm
from leaven.methods.ranges import COUNT, INNER
from leaven.nn.heads import NeighboursHead
from leaven.nn.network import Network


class LabelSpreading(ClosedForm):
    """F = (1 − α)(I − α S)⁻¹ Y over the k nearest neighbours, by scikit-learn; a new item is what its k nearest are.

    The whole pool is remembered, with what it was told of each item; features are as they are.

    Defaults: k and α are scikit-learn's.
    """

    settings = ("semi-supervised",)
    paper = "Zhou et al., Learning with Local and Global Consistency, NIPS 2004"
    transductive = True
    taught: ClassVar[bool] = False
    head = "neighbours"

    def __init__(
        self,
        network: Network,
        *,
        k: Annotated[int, "neighbours of each item in the graph", COUNT] = 7,
        alpha: Annotated[float, "α, how far labels spread", INNER] = 0.2,
    ):
        super().__init__(network)
        self.k, self.alpha = k, alpha

    def set_head(self, head: nn.Module, survey: Survey) -> None:
        """Spread the labels, and remember what came of it."""
        from sklearn.semi_supervised import LabelSpreading as Fit

        x = survey.features
        k = min(self.k, len(x))
        fitted = Fit(kernel="knn", n_neighbors=k, alpha=self.alpha).fit(x, survey.labels)
        distributions = np.nan_to_num(fitted.label_distributions_)  # of what no label reached: nothing
        assert isinstance(head, NeighboursHead)
        head.remember(torch.from_numpy(x), torch.from_numpy(distributions), k)

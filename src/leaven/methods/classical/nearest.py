"""Nearest class mean (Mensink et al. 2013; Snell et al. 2017, section 2.3), in closed form."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import nn

from leaven.methods.base import Survey
from leaven.methods.closed_form import ClosedForm
from leaven.methods.ranges import POSITIVE
from leaven.nn.heads import class_means, set_to_means
from leaven.nn.network import Network


class Nearest(ClosedForm):
    """An item is of the class whose labelled items have the nearest mean feature: one label a class is enough.

    The distance is Euclidean and squared, as in Prototypical Networks (eq. 2), but nothing is trained: the backbone
    stays what it is (pretrained, that of ``--init``, or else taught by MoCo on the pool first), and the means are the
    weights of a linear head. Distances of features that nobody trained for it have no scale of their own, so
    confidences are in units of how far apart the means are.

    Defaults: the temperature is ours.
    """

    settings = ("few-shot",)
    paper = "Mensink et al., Distance-Based Image Classification, TPAMI 2013"

    def __init__(
        self,
        network: Network,
        *,
        temperature: Annotated[
            float, "softness of the confidences, in squared distances between class means", POSITIVE
        ] = 0.1,
    ):
        super().__init__(network)
        self.temperature = temperature

    def set_head(self, head: nn.Module, survey: Survey) -> None:
        """Set the head to the means of the labelled items."""
        has_label = survey.labels >= 0
        features, labels = torch.from_numpy(survey.features[has_label]), torch.from_numpy(survey.labels[has_label])
        assert isinstance(head, nn.Linear)
        set_to_means(head, class_means(features, labels, survey.probabilities.shape[1]), self.temperature)

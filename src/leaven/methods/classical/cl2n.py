"""SimpleShot (Wang et al. 2019): centred features of length one, and the nearest class mean."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from leaven.methods.base import Survey
from leaven.methods.closed_form import ClosedForm, means_of, parts
from leaven.methods.ranges import POSITIVE
from leaven.nn.heads import UnitHead, spread_of_means
from leaven.nn.network import Network


class CL2N(ClosedForm):
    """The nearest class mean after features lost their mean and were brought to length one (section 3, CL2N).

    The mean is that of all items which are shown, labelled or not: the pool's, in place of the base classes' (in a
    small task that of the support and of its unlabelled items, never of the queries).

    Defaults: the temperature, which changes confidences alone, is ours.
    """

    settings = ("few-shot",)
    paper = "Wang et al., SimpleShot: Revisiting Nearest-Neighbor Classification, arXiv 1911.04623"
    few: ClassVar[bool] = True
    head = "unit_points"

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
        """Set the centre and the means."""
        support, labels, others = parts(survey)
        centre = torch.cat([support, others]).mean(0)
        means = means_of(F.normalize(support - centre, dim=1), labels, survey)
        assert isinstance(head, UnitHead)
        head.place(means, 1 / (self.temperature * spread_of_means(means) or 1.0), centre)

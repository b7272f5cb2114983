"""The nearest class by angle: the cosine classifier of Chen et al. (2019) and Gidaris & Komodakis (2018), untrained."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch.nn.functional as F
from torch import nn

from leaven.methods.base import Survey
from leaven.methods.closed_form import ClosedForm, means_of, parts
from leaven.methods.ranges import POSITIVE
from leaven.nn.heads import UnitHead
from leaven.nn.network import Network


class Cosine(ClosedForm):
    """Scores τ·cos(f, w_k), w_k being the mean of the class's features of length one (Gidaris & Komodakis, section 3.2,
    the weights of novel classes by averaging).

    Defaults: τ is the authors' start of it.
    """

    settings = ("few-shot",)
    paper = "Gidaris & Komodakis, Dynamic Few-Shot Visual Learning without Forgetting, CVPR 2018, arXiv 1804.09458"
    few: ClassVar[bool] = True
    head = "unit_points"

    def __init__(self, network: Network, *, scale: Annotated[float, "τ, by which cosines are scaled", POSITIVE] = 10.0):
        super().__init__(network)
        self.scale = scale

    def set_head(self, head: nn.Module, survey: Survey) -> None:
        """Set the directions: of two vectors of length one, cos = 1 − half their squared distance."""
        support, labels, _ = parts(survey)
        directions = F.normalize(means_of(F.normalize(support, dim=1), labels, survey), dim=1)
        assert isinstance(head, UnitHead)
        head.place(directions, self.scale / 2)

"""Baseline++ (Chen et al. 2019): Baseline with a classifier by the angle."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from leaven.methods.fewshot.baseline import Baseline
from leaven.nn.heads import WeightNormCosineHead


class BaselinePP(Baseline):
    """Baseline++: as Baseline, but scores go by the angle of features to a weight vector a class (section 3.2).

    In base training and in each task; that draws the features of a class together. As in the authors' code the vectors'
    lengths are learnt, apart from their directions, and count: only the features' are taken away.

    Defaults: those of the authors' code, as for Baseline; the scale of the scores is 2, and 10 above 200 classes.
    """

    paper = "Chen et al., A Closer Look at Few-shot Classification, ICLR 2019, arXiv 1904.04232"
    head: ClassVar[str] = "cosine_weight_norm"

    def head_gradients(self, head: nn.Module, x: Tensor, error: Tensor) -> list[Tensor]:
        """Of directions and lengths (Salimans & Kingma 2016, eq. 3)."""
        assert isinstance(head, WeightNormCosineHead)
        slope = head.scale * error.T @ F.normalize(x, dim=1)
        norm = head.direction.norm(dim=1, keepdim=True)
        unit = head.direction / norm
        along = (slope * unit).sum(1, keepdim=True)
        return [head.length / norm * (slope - along * unit), along]

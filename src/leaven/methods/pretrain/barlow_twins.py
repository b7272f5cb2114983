"""Barlow Twins (Zbontar et al. 2021)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from torch import Tensor

from leaven.methods.base import Batch
from leaven.methods.ranges import COUNT, NOT_NEGATIVE, POSITIVE
from leaven.methods.two_views import TwoViews
from leaven.nn.network import Network
from leaven.utils.collectives import differentiable_gather

EPSILON = 1e-5  # added to variances, as batch norm does


class BarlowTwins(TwoViews):
    """Every number of the projection says the same of both views, and nothing that another number says (eq. 1).

    Defaults: λ is the paper's, and three layers of projection. Ours: 1,024 numbers where it has 8,192 for ImageNet, the
    loss scaled by a tenth, where its code has 0.024 for LARS, and SGD in place of that.
    """

    paper = "Zbontar et al., Barlow Twins, ICML 2021, arXiv 2103.03230"
    plan: ClassVar = {"batch_size": 256, "lr": 0.03, "lr_warmup": 0.1, "final_lr": 0.0, "weight_decay": 1e-4}

    def __init__(
        self,
        network: Network,
        *,
        dimensions: Annotated[int, "of the projections; wide ones are better", COUNT] = 1024,
        redundancy: Annotated[float, "λ, weight of the correlations between numbers", NOT_NEGATIVE] = 5e-3,
        scale: Annotated[float, "times the whole loss", POSITIVE] = 0.1,
    ):
        super().__init__(network, (dimensions,) * 3)
        self.redundancy, self.scale = redundancy, scale

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Σ_i (1 − C_ii)² + λ · Σ_i≠j C_ij², C the correlation of the views' projections over the batch (eq. 1, 2)."""
        one, other = (_standardised(differentiable_gather(z)) for z in self.projected(batch))
        with torch.autocast(one.device.type, enabled=False):
            correlation = one.T @ other / len(one)
        diagonal = correlation.diagonal()
        invariance = (1 - diagonal).square().sum()
        redundancy = correlation.square().sum() - diagonal.square().sum()
        return {"invariance": self.scale * invariance, "redundancy": self.scale * self.redundancy * redundancy}


def _standardised(z: Tensor) -> Tensor:
    return (z - z.mean(0)) / (z.var(0, correction=0) + EPSILON).sqrt()

"""VICReg (Bardes et al. 2022)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from leaven.methods.base import Batch
from leaven.methods.ranges import COUNT, NOT_NEGATIVE
from leaven.methods.two_views import TwoViews
from leaven.nn.network import Network
from leaven.utils.collectives import differentiable_gather

EPSILON = 1e-4  # under the root of variances


class VICReg(TwoViews):
    """Projections of both views agree (invariance), differ between items (variance), number by number (covariance).

    Each branch is kept from collapse by itself (section 4.1), so nothing need be alike in the two.

    Defaults: the three weights are the paper's. Ours: 1,024 numbers where it has 8,192, and SGD in place of LARS.
    """

    paper = "Bardes et al., VICReg, ICLR 2022, arXiv 2105.04906"
    plan: ClassVar = {"batch_size": 256, "lr": 0.01, "lr_warmup": 0.1, "final_lr": 0.0, "weight_decay": 1e-4}

    def __init__(
        self,
        network: Network,
        *,
        dimensions: Annotated[int, "of the projections; wide ones are better", COUNT] = 1024,
        invariance: Annotated[float, "λ, weight of the views' squared difference", NOT_NEGATIVE] = 25.0,
        variance: Annotated[float, "μ, weight of standard deviations under 1", NOT_NEGATIVE] = 25.0,
        covariance: Annotated[float, "ν, weight of covariances between numbers", NOT_NEGATIVE] = 1.0,
    ):
        super().__init__(network, (dimensions,) * 3)
        self.invariance, self.variance, self.covariance = invariance, variance, covariance

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """λ·s(Z, Z′) + μ·(v(Z) + v(Z′)) + ν·(c(Z) + c(Z′)) (eq. 6); v is halved, as in the authors' code."""
        one, other = (differentiable_gather(z) for z in self.projected(batch))
        return {
            "invariance": self.invariance * F.mse_loss(one, other),
            "variance": self.variance * (_variance(one) + _variance(other)) / 2,
            "covariance": self.covariance * (_covariance(one) + _covariance(other)),
        }


def _variance(z: Tensor) -> Tensor:
    """Mean over the numbers of how far the standard deviation is under 1 (eq. 1)."""
    return F.relu(1 - (z.var(0) + EPSILON).sqrt()).mean()


def _covariance(z: Tensor) -> Tensor:
    """Sum of the squared covariances of two different numbers, divided by how many there are (eq. 3 and 4)."""
    centred = z - z.mean(0)
    with torch.autocast(z.device.type, enabled=False):
        covariance = centred.T @ centred / (len(z) - 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / z.shape[1]

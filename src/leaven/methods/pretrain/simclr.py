"""SimCLR (Chen et al. 2020), and DCL (Yeh et al. 2022)."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from leaven.methods.base import Batch
from leaven.methods.ranges import COUNT, POSITIVE
from leaven.methods.two_views import TwoViews
from leaven.nn.network import Network
from leaven.utils.collectives import differentiable_gather


class SimCLR(TwoViews):
    """Tell the other view of the same item from all other views of the batch (NT-Xent, eq. 1).

    ``decoupled`` leaves the positive out of the denominator (DCL, Yeh et al. 2022, eq. 6), which costs small batches
    less. The loss is that of the whole batch, however many processes share it.

    Defaults: the temperature is the authors' for CIFAR-10, as is the sum over both directions, twice the mean; the
    projection has two layers with batch norm, as in their code. Ours: SGD in place of LARS, which is for batches of
    thousands, and MoCo's crops, which show a fifth of the image at least, where theirs show 8 %.
    """

    paper = "Chen et al., SimCLR, ICML 2020, arXiv 2002.05709; Yeh et al., DCL, ECCV 2022, arXiv 2110.06848"
    plan: ClassVar = {"batch_size": 256, "lr": 0.06, "lr_warmup": 0.1, "final_lr": 0.0, "weight_decay": 1e-4}

    def __init__(
        self,
        network: Network,
        *,
        temperature: Annotated[float, "τ of the softmax over the batch", POSITIVE] = 0.5,
        dimensions: Annotated[int, "of the projections", COUNT] = 128,
        decoupled: Annotated[bool, "leave the positive out of the denominator (DCL)"] = False,
    ):
        super().__init__(network, (network.num_features, dimensions), normalised=True)
        self.temperature, self.decoupled = temperature, decoupled

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Both directions of −log(exp(s_ij / τ) / Σ_k≠i exp(s_ik / τ)), each in the mean over the items."""
        one, other = (differentiable_gather(F.normalize(z, dim=1)) for z in self.projected(batch))
        z = torch.cat([one, other])
        with torch.autocast(z.device.type, enabled=False):
            scores = z @ z.T / self.temperature
        scores.fill_diagonal_(-math.inf)
        items = torch.arange(len(one), device=z.device)
        partner = torch.cat([items + len(one), items])
        self.log(accuracy=(scores.argmax(1) == partner).float().mean())
        positive = scores.gather(1, partner[:, None])
        if self.decoupled:
            scores = scores.scatter(1, partner[:, None], -math.inf)
        return {"contrast": 2 * (scores.logsumexp(1, keepdim=True) - positive).mean()}

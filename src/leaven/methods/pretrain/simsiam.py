"""SimSiam (Chen & He 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch.nn.functional as F
from torch import Tensor

from leaven.methods.base import Batch, ParamGroup
from leaven.methods.ranges import COUNT
from leaven.methods.two_views import Perceptron, TwoViews
from leaven.nn.network import Network


class SimSiam(TwoViews):
    """Predict the projection of the other view, which takes no gradient: without negatives or a momentum encoder.

    ``spread`` in the log is the paper's sign of collapse (section 4.1): 0 where all items look alike.

    Defaults: three layers of projection, a predictor of a quarter of its width at a constant rate, SGD at 0.05 for 256
    items and the weight decay are the paper's (section 3 and appendix A). Ours: a projection of 512, where it has 2,048
    for ImageNet.
    """

    paper = "Chen & He, Exploring Simple Siamese Representation Learning, CVPR 2021, arXiv 2011.10566"
    plan: ClassVar = {"batch_size": 256, "lr": 0.05, "final_lr": 0.0, "weight_decay": 1e-4, "nesterov": False}

    def __init__(
        self,
        network: Network,
        *,
        dimensions: Annotated[int, "of the projections; the predictor's middle has a quarter", COUNT] = 512,
    ):
        super().__init__(network, (dimensions,) * 3, normalised=True)
        for weight in self.projection[-1].parameters():  # the last batch norm neither scales nor shifts
            weight.requires_grad_(False)
        self.predictor = Perceptron(dimensions, max(1, dimensions // 4), dimensions, bias=True)

    @property
    def param_groups(self) -> Mapping[str, ParamGroup]:
        """The predictor's rate does not fall, for it is to keep up with the projections (appendix A)."""
        return {"predictor": ParamGroup(schedule="constant")}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """−cos(h(z₁), z₂) / 2 − cos(h(z₂), z₁) / 2 (eq. 2)."""
        one, other = self.projected(batch)
        domain = batch["items"].domain
        similarity = _similarity(self.predictor(one, domain), other) + _similarity(self.predictor(other, domain), one)
        return {"similarity": -similarity / 2}


def _similarity(prediction: Tensor, target: Tensor) -> Tensor:
    return F.cosine_similarity(prediction.float(), target.detach(), dim=1).mean()

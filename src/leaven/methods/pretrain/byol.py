"""BYOL (Grill et al. 2020)."""

from __future__ import annotations

import copy
import math
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from annotated_types import Interval
from torch import Tensor

from leaven.methods.base import Batch, RunInfo
from leaven.methods.ranges import COUNT
from leaven.methods.two_views import Perceptron, TwoViews
from leaven.nn.network import Network, domain_of_all, joint_features, pooled


class BYOL(TwoViews):
    """Predict what a network that trails behind makes of the other view (section 3.1): without negatives.

    Defaults: the target's momentum of 0.996, which rises to 1 along a cosine, and its prediction by a perceptron are
    the paper's. Ours: hidden layers of 512 where it has 4,096, SGD in place of LARS, and that the target trails by a
    third of a short run at most.
    """

    paper = "Grill et al., Bootstrap Your Own Latent, NeurIPS 2020, arXiv 2006.07733"
    plan: ClassVar = {"batch_size": 256, "lr": 0.06, "lr_warmup": 0.1, "final_lr": 0.0, "weight_decay": 1e-4}

    def __init__(
        self,
        network: Network,
        *,
        hidden: Annotated[int, "width of the hidden layers of projection and predictor", COUNT] = 512,
        dimensions: Annotated[int, "of the projections", COUNT] = 128,
        momentum: Annotated[float, "of the target in the beginning; less in a short run", Interval(ge=0, lt=1)] = 0.996,
    ):
        super().__init__(network, (hidden, dimensions))
        self.momentum = momentum
        self.predictor = Perceptron(dimensions, hidden, dimensions, bias=True)

    def setup(self, run: RunInfo) -> None:
        """The target begins as a copy, and trails by a third of the run at most."""
        self.target_network = copy.deepcopy(self.network).requires_grad_(False)
        self.target_projection = copy.deepcopy(self.projection).requires_grad_(False)
        self.decay = min(self.momentum, 1 - 3 / max(6, run.steps))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """2 − 2·cos(q(z₁), z₂′), and the same with the views exchanged (eq. 2)."""
        draw = batch["items"]
        domain = domain_of_all([draw.domain] * 2)
        with torch.no_grad():
            self._trail(batch.progress)
            views = (draw.cropped, draw.cropped_2)
            features = joint_features(self.target_network, *views, domains=[draw.domain] * 2)
            targets = self.target_projection(torch.cat([pooled(of_view) for of_view in features]), domain).float()
        predictions = self.predictor(torch.cat(self.projected(batch)), domain).float()
        ahead, behind = targets.chunk(2)
        similarity = F.cosine_similarity(predictions, torch.cat([behind, ahead]), dim=1).mean()
        return {"prediction": 4 - 4 * similarity}

    def _trail(self, progress: float) -> None:
        """ξ ← τ·ξ + (1 − τ)·θ, τ = 1 − (1 − τ₀)·(cos(π·progress) + 1) / 2 (eq. 1 and section 3.2)."""
        share = (1 - self.decay) * (math.cos(math.pi * progress) + 1) / 2
        mine: list[Tensor] = [*self.target_network.parameters(), *self.target_projection.parameters()]
        theirs: list[Tensor] = [*self.network.parameters(), *self.projection.parameters()]
        torch._foreach_lerp_(mine, theirs, share)

"""Virtual adversarial training (Miyato et al. 2018)."""

from __future__ import annotations

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from leaven.methods.base import Batch, Method, Stream
from leaven.methods.losses import cross_entropy, entropy, ramp_up
from leaven.methods.ranges import COUNT, NOT_NEGATIVE, POSITIVE, SHARE
from leaven.nn.network import Network, joint
from leaven.nn.normalising import running_statistics_kept


class VAT(Method):
    """Predict the same where the input is moved in the direction that changes the prediction most (section 3).

    Lengths are in standard deviations of the input for each of its D numbers, so that one setting serves all data:
    the paper's ε is ``radius`` · √D · deviation (its 2 on MNIST is a radius of 0.23; the 6 of Oliver et al. 2018 on
    CIFAR-10 one of 0.11).

    Defaults: one step of the power iteration is the paper's. Radius, weight and warm-up were chosen on USPS, and ξ is
    ours; the paper's is 1e-6, its ε another one for each data set. The entropy's 0.06 is that of the re-implementation
    in FixMatch's code, whose figures its comparison shows; that has our 0.4 of the run too, but a linear rise, of the
    smoothness alone, whose weight is 0.3. The ratio of 7 is ours.
    """

    settings = ("semi-supervised",)
    paper = "Miyato et al., Virtual Adversarial Training, TPAMI 2018, arXiv 1704.03976"
    tasks = ("classification", "segmentation")

    def __init__(
        self,
        network: Network,
        *,
        radius: Annotated[float, "ε, length of the adversarial step (eq. 6)", POSITIVE] = 0.25,
        xi: Annotated[float, "ξ, length of the step that finds its direction (eq. 12)", POSITIVE] = 0.01,
        iterations: Annotated[int, "K, steps of the power iteration", COUNT] = 1,
        weight: Annotated[float, "α, weight of the smoothness at its height (eq. 8)", NOT_NEGATIVE] = 1.0,
        entropy_weight: Annotated[
            float, "weight of the entropy of predictions, VAT+EntMin (section 4.2)", NOT_NEGATIVE
        ] = 0.06,
        ratio: Annotated[float, "unlabelled items for each labelled one", POSITIVE] = 7,
        warmup: Annotated[
            float, "share of the run over which both weights rise; early they fix random guesses", SHARE
        ] = 0.4,
    ):
        super().__init__(network)
        self.radius, self.xi, self.iterations = radius, xi, iterations
        self.weight, self.entropy_weight, self.ratio, self.warmup = weight, entropy_weight, ratio, warmup

    @property
    def streams(self) -> dict[str, Stream]:
        """Labelled and unlabelled items, seen weakly."""
        return {"labelled": Stream("labelled"), "unlabelled": Stream("unlabelled", self.ratio, alone=True)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """H(y, p) + α · KL(p(u) ‖ p(u + r_adv)) + the entropy of p(u) (eq. 5, 8 and 20)."""
        labelled, x, domain = batch["labelled"], batch["unlabelled"].weak, batch["unlabelled"].domain
        scores, clean = joint(self.network, labelled.weak, x, domains=[labelled.domain, domain])
        with running_statistics_kept(self.network), self.network.with_domain(domain):
            # normalised by the same items as what it is compared with, so that nothing but the step makes a difference
            with torch.no_grad():
                target = self.network(x).float().softmax(1)
            step = self._moved(self._worst(x, target), self.radius)
            smoothness = self._divergence(x, step, target)
        rise = ramp_up(batch.progress, self.warmup)
        return {
            "labelled": cross_entropy(scores, labelled.labels),
            "smoothness": self.weight * rise * smoothness,
            "entropy": self.entropy_weight * rise * entropy(clean.softmax(1)).mean(),
        }

    def _worst(self, x: Tensor, target: Tensor) -> Tensor:
        """The direction in which the prediction moves most, by power iteration from a random one (eq. 13)."""
        direction = torch.randn_like(x)
        for _ in range(self.iterations):
            step = self._moved(direction, self.xi).requires_grad_()
            # half precision does not see steps so short
            with torch.enable_grad(), torch.autocast(x.device.type, enabled=False):
                [slope] = torch.autograd.grad(self._divergence(x, step, target), step)
            direction = slope * self._deviation(x)
        return direction

    def _moved(self, direction: Tensor, length: float) -> Tensor:
        """A step of this length a number, in standard deviations, along ``direction`` (which is in them too)."""
        flat = F.normalize(direction.flatten(1), dim=1, eps=1e-30)
        return length * math.sqrt(flat.shape[1]) * flat.view_as(direction) * self._deviation(direction)

    def _deviation(self, x: Tensor) -> Tensor:
        return self.network.std.view(1, -1, *[1] * (x.ndim - 2))

    def _divergence(self, x: Tensor, step: Tensor, target: Tensor) -> Tensor:
        """Mean of KL(target ‖ p(x + step)) over the items, or pixels."""
        scores = self.network(x + step).float()
        return (F.cross_entropy(scores, target, reduction="none") - entropy(target)).mean()

"""MixMatch (Berthelot et al. 2019)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from leaven.methods.base import Batch, Method, Stream
from leaven.methods.losses import mean_guess, sharpen, squared_error
from leaven.methods.mix import mix_up
from leaven.methods.ranges import NOT_NEGATIVE, POSITIVE, SHARE
from leaven.nn.network import Network, domain_of_all, joint, together
from leaven.nn.normalising import running_statistics_kept


class MixMatch(Method):
    """Guess by the sharpened mean over two weak views; mix labelled and unlabelled items (Algorithm 1).

    All mixed items share one pass, which serves batch norm as the authors' interleaving of batches does.

    Defaults: T, α and λ_u are the paper's, the latter for CIFAR-10. It has λ_u rise over the first 16,000 steps, which
    short runs do not have: the rise over the first 0.4 of the run is ours.
    """

    settings = ("semi-supervised",)
    paper = "Berthelot et al., MixMatch, NeurIPS 2019, arXiv 1905.02249"
    paper_plan: ClassVar = {"steps": 2**20, "batch_size": 64}

    def __init__(
        self,
        network: Network,
        *,
        temperature: Annotated[float, "T of sharpening (eq. 7)", POSITIVE] = 0.5,
        alpha: Annotated[float, "α of MixUp's Beta(α, α) (eq. 8); 0: no mixing", NOT_NEGATIVE] = 0.75,
        weight: Annotated[float, "λ_u, weight of the unlabelled loss at its height", NOT_NEGATIVE] = 75.0,
        ratio: Annotated[float, "unlabelled items for each labelled one", POSITIVE] = 1,
        warmup: Annotated[float, "share of the run over which the weight rises linearly", SHARE] = 0.4,
    ):
        super().__init__(network)
        self.temperature, self.alpha = temperature, alpha
        self.weight, self.ratio, self.warmup = weight, ratio, warmup

    @property
    def streams(self) -> dict[str, Stream]:
        """Labelled items seen weakly; unlabelled ones seen weakly twice."""
        return {"labelled": Stream("labelled"), "unlabelled": Stream("unlabelled", self.ratio, ("weak", "weak_2"))}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """H(y', p(x')) + λ_u(t) · mean of (q' − p(u'))² over the mixed items (eq. 2 to 5)."""
        labelled, unlabelled = batch["labelled"], batch["unlabelled"]
        views, domains = (unlabelled.weak, unlabelled.weak_2), [unlabelled.domain] * 2
        with torch.no_grad(), running_statistics_kept(self.network):
            guess = sharpen(mean_guess(joint(self.network, *views, domains=domains)), self.temperature)  # eq. 6, 7
        one_hot = F.one_hot(labelled.labels, guess.shape[1]).float()
        items = together(labelled.weak, *views)
        mix = mix_up(len(items), self.alpha, items.device, nearer=True)
        x, y = mix.images(items), mix.labels(torch.cat([one_hot, guess, guess]))
        sizes = [len(one_hot), 2 * len(guess)]
        # a mixed item is of the domain of the one that it is nearer to
        [scores] = joint(self.network, x, domains=[domain_of_all([labelled.domain, *domains])])
        mixed, mixed_unlabelled = scores.split(sizes)
        target, target_unlabelled = y.split(sizes)
        rise = min(1.0, batch.progress / self.warmup) if self.warmup else 1.0
        return {
            "labelled": F.cross_entropy(mixed, target),
            "unlabelled": self.weight * rise * squared_error(mixed_unlabelled, target_unlabelled),
        }

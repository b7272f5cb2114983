"""FixMatch (Sohn et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from leaven.methods.alignment import HELP, Alignment, check_prior
from leaven.methods.base import Batch, Method, RunInfo, Stream
from leaven.methods.losses import cross_entropy, guessed, masked_cross_entropy
from leaven.methods.ranges import NOT_NEGATIVE, POSITIVE, SHARE
from leaven.nn.network import Network, joint


class FixMatch(Method):
    """Learn from the strong view what the weak view says with confidence (Algorithm 1).

    With ``alignment`` the guesses are first scaled so that their mean over the last batches is the class
    distribution that ``prior`` says (section 2.5; ReMixMatch, section 3.1).

    Defaults: τ, λ_u and μ are the paper's, and so are the plan's rate, schedule, momentum and weight decay. For
    CIFAR-100 it has a decay of 1e-3, for ImageNet τ = 0.7. What RandAugment differs in:
    ``leaven.augment.policy.RandAugment``.
    """

    settings = ("semi-supervised", "adaptation")
    paper = "Sohn et al., FixMatch, NeurIPS 2020, arXiv 2001.07685"
    paper_plan: ClassVar = {"steps": 2**20, "batch_size": 64}
    tasks = ("classification", "segmentation")

    def __init__(
        self,
        network: Network,
        *,
        threshold: Annotated[float, "τ, least confidence of an item that is learnt from (eq. 4)", SHARE] = 0.95,
        weight: Annotated[float, "λ_u, weight of the unlabelled loss", NOT_NEGATIVE] = 1.0,
        ratio: Annotated[float, "μ, unlabelled items for each labelled one", POSITIVE] = 7,
        alignment: Annotated[bool, "align guesses to a class distribution"] = False,
        prior: Annotated[str, HELP] = "labels",
        strong: Annotated[bool, "learn from the strong view; off, the ablation, from another weak one"] = True,
    ):
        super().__init__(network)
        self.threshold, self.weight, self.ratio = threshold, weight, ratio
        self.alignment, self.prior, self.view = alignment, prior, "strong" if strong else "weak_2"
        self.aligned: Alignment | None = None

    @classmethod
    def check(cls, classes: int, hyperparameters: Mapping[str, Any]) -> None:
        """The prior."""
        check_prior(hyperparameters["prior"], classes)

    @property
    def streams(self) -> dict[str, Stream]:
        """Labelled items seen weakly; μ times as many unlabelled ones seen weakly and strongly."""
        return {
            "labelled": Stream("labelled"),
            "unlabelled": Stream("unlabelled", self.ratio, ("weak", self.view)),
        }

    def setup(self, run: RunInfo) -> None:
        """Make room for the class distributions."""
        self.aligned = Alignment(self.prior, run) if self.alignment else None

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """H(y, p(α(x))) + λ_u · mean of 1[max q ≥ τ] · H(argmax q, p(A(u))), q = p(α(u)) (eq. 3 and 4)."""
        labelled, unlabelled = batch["labelled"], batch["unlabelled"]
        learner = unlabelled.views[self.view]
        domains = [labelled.domain, unlabelled.domain, unlabelled.domain]
        scores, weak, strong = joint(self.network, labelled.weak, unlabelled.weak, learner, domains=domains)
        guess = guessed(weak)
        if self.aligned is not None:
            guess = self.aligned(guess, labelled.labels)
        confidence, pseudo = guess.max(1)
        mask = (confidence >= self.threshold).to(torch.float32)
        self.log(mask_rate=mask.mean())
        pseudo, mask = unlabelled.to(self.view, pseudo), unlabelled.to(self.view, mask)
        return {
            "labelled": cross_entropy(scores, labelled.labels),
            "unlabelled": self.weight * masked_cross_entropy(strong, pseudo, mask),
        }

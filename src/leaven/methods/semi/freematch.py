"""FreeMatch (Wang et al. 2023)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from torch import Tensor

from leaven.methods.base import Batch, Method, RunInfo, Stream
from leaven.methods.losses import (
    DecayingMean,
    class_mean,
    cross_entropy,
    decay_for,
    guessed,
    label_shares,
    masked_cross_entropy,
)
from leaven.methods.ranges import NOT_NEGATIVE, POSITIVE
from leaven.nn.network import Network, joint
from leaven.utils.collectives import differentiable_mean, global_mean


class FreeMatch(Method):
    """FixMatch with thresholds that follow the mean confidence, of all items and of each class (Algorithm 1).

    ``fairness`` weighs the self-adaptive fairness of section 4.2. As the authors have it, the cross-entropy of the
    batch to the average is made *larger*, without bound: a large weight takes a run apart.

    Defaults: all are those that microsoft/Semi-supervised-learning publishes for FreeMatch on CIFAR, SVHN and STL-10.
    Averages have the paper's decay of 0.999 in long runs, and a memory of a twentieth of a short one. A clipping of
    thresholds that those settings have for SVHN is left out.
    """

    settings = ("semi-supervised",)
    paper = "Wang et al., FreeMatch, ICLR 2023, arXiv 2205.07246"
    paper_plan: ClassVar = {"steps": 2**20, "batch_size": 64}
    tasks = ("classification", "segmentation")

    def __init__(
        self,
        network: Network,
        *,
        weight: Annotated[float, "w_u, weight of the unlabelled loss", NOT_NEGATIVE] = 1.0,
        fairness: Annotated[float, "w_f, weight of the fairness loss (section 4.2)", NOT_NEGATIVE] = 0.001,
        ratio: Annotated[float, "μ, unlabelled items for each labelled one", POSITIVE] = 7,
    ):
        super().__init__(network)
        self.weight, self.fairness, self.ratio = weight, fairness, ratio

    @property
    def streams(self) -> dict[str, Stream]:
        """Labelled items seen weakly; μ times as many unlabelled ones seen weakly and strongly."""
        return {"labelled": Stream("labelled"), "unlabelled": Stream("unlabelled", self.ratio, ("weak", "strong"))}

    def setup(self, run: RunInfo) -> None:
        """Make room for the moving averages, which all start at 1/K."""
        decay, start = decay_for(run.steps), 1 / run.classes
        self.confidence = DecayingMean(decay, 1, start)  # τ_t
        self.expected = DecayingMean(decay, run.classes, start)  # p̃_t
        self.shares = DecayingMean(decay, run.classes, start)  # h̃_t

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """H(y, p) + w_u · mean of 1[max q ≥ τ_t(argmax q)] · H(argmax q, p(A(u))) + w_f · L_f."""
        labelled, unlabelled = batch["labelled"], batch["unlabelled"]
        domains = [labelled.domain, unlabelled.domain, unlabelled.domain]
        scores, weak, strong = joint(self.network, labelled.weak, unlabelled.weak, unlabelled.strong, domains=domains)
        guess = guessed(weak)
        confidence, pseudo = guess.max(1)

        # self-adaptive thresholding: τ_t(c) = MaxNorm(p̃_t)(c) · τ_t (section 4.1)
        overall = self.confidence(global_mean(confidence.mean()).view(1))
        expected = self.expected(class_mean(guess))
        shares = self.shares(label_shares(pseudo, guess.shape[1]))
        thresholds = overall * expected / expected.max()
        mask = (confidence >= thresholds[pseudo]).to(torch.float32)
        self.log(mask_rate=mask.mean(), threshold=thresholds.mean())

        pseudo, mask = unlabelled.to("strong", pseudo), unlabelled.to("strong", mask)
        return {
            "labelled": cross_entropy(scores, labelled.labels),
            "unlabelled": self.weight * masked_cross_entropy(strong, pseudo, mask),
            "fairness": self.fairness * _likeness(strong, mask, _quotient(expected, shares)),
        }


def _likeness(strong: Tensor, mask: Tensor, wanted: Tensor) -> Tensor:
    """L_f = −H(SumNorm(p̃ / h̃), SumNorm(p̄ / h̄)) (section 4.2); 0 where nothing is learnt from.

    p̄ is the mean of the strong views' probabilities over the items that are learnt from, but for a factor, h̄ how often
    each class is the likeliest of them. Classes that never are count 0, as with the authors: no gradient flows through
    them.
    """
    counts = strong.new_zeros(strong.shape[1]).scatter_add_(0, strong.argmax(1).flatten(), mask.flatten())
    counts = global_mean(counts)
    expected = _quotient(mean_learnt(strong, mask), counts)
    return (wanted * torch.where(counts > 0, expected.clamp(min=1e-12).log(), 0)).sum()


def mean_learnt(strong: Tensor, mask: Tensor) -> Tensor:
    """Mean ``(K,)`` of mask · softmax(strong) over the items or pixels of all processes, with its gradient."""
    counted = strong.softmax(1) * mask.unsqueeze(1)
    return differentiable_mean(counted.mean([0, *range(2, counted.ndim)]))


def _quotient(a: Tensor, b: Tensor) -> Tensor:
    """SumNorm(a / b), 0 where b is."""
    quotient = torch.where(b > 0, a / b.clamp(min=1e-30), 0)
    return quotient / quotient.sum().clamp(min=1e-12)

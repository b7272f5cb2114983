"""SoftMatch (Chen et al. 2023)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from torch import Tensor

from leaven.methods.base import Batch, Method, RunInfo, Stream
from leaven.methods.losses import (
    DecayingMean,
    align,
    class_mean,
    cross_entropy,
    decay_for,
    guessed,
    masked_cross_entropy,
    uniform,
)
from leaven.methods.ranges import NOT_NEGATIVE, POSITIVE
from leaven.nn.network import Network, joint
from leaven.utils.collectives import global_mean, processes


class SoftMatch(Method):
    """FixMatch with a weight for each item in place of a threshold: a truncated Gaussian of its confidence.

    An item as confident as the moving average has weight 1, one below it the less the farther (section 3.1). The
    confidence is that of the guess aligned to the uniform distribution; the pseudo-label is that of the guess as it
    is (section 3.2).

    Defaults: the ratio is FixMatch's, the others are those that microsoft/Semi-supervised-learning publishes for
    SoftMatch. Averages have its decay of 0.999 in long runs, and a memory of a twentieth of a short one.
    """

    settings = ("semi-supervised",)
    paper = "Chen et al., SoftMatch, ICLR 2023, arXiv 2301.10921"
    paper_plan: ClassVar = {"steps": 2**20, "batch_size": 64}
    tasks = ("classification", "segmentation")

    def __init__(
        self,
        network: Network,
        *,
        weight: Annotated[float, "λ_max, weight of a confident item", NOT_NEGATIVE] = 1.0,
        ratio: Annotated[float, "μ, unlabelled items for each labelled one", POSITIVE] = 7,
        narrowing: Annotated[
            float, "the Gaussian's deviation is σ_t over this; the authors' code has 2", POSITIVE
        ] = 2.0,
        alignment: Annotated[bool, "uniform alignment of the confidence (section 3.2)"] = True,
    ):
        super().__init__(network)
        self.weight, self.ratio, self.narrowing, self.alignment = weight, ratio, narrowing, alignment

    @property
    def streams(self) -> dict[str, Stream]:
        """Labelled items seen weakly; μ times as many unlabelled ones seen weakly and strongly."""
        return {"labelled": Stream("labelled"), "unlabelled": Stream("unlabelled", self.ratio, ("weak", "strong"))}

    def setup(self, run: RunInfo) -> None:
        """Make room for the moving averages of guess and confidence: μ starts at 1/K, σ² at 1."""
        decay = decay_for(run.steps)
        self.seen = DecayingMean(decay, run.classes)
        self.mean = DecayingMean(decay, 1, 1 / run.classes)
        self.variance = DecayingMean(decay, 1, 1.0)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """H(y, p) + mean of λ(p(α(u))) · H(argmax p(α(u)), p(A(u)))."""
        labelled, unlabelled = batch["labelled"], batch["unlabelled"]
        domains = [labelled.domain, unlabelled.domain, unlabelled.domain]
        scores, weak, strong = joint(self.network, labelled.weak, unlabelled.weak, unlabelled.strong, domains=domains)
        guess = guessed(weak)
        pseudo = guess.argmax(1)
        if self.alignment:
            current = self.seen(class_mean(guess))
            guess = align(guess, uniform(current), current)
        share = self._share(guess.amax(1))
        self.log(mask_rate=share.mean())
        pseudo, share = unlabelled.to("strong", pseudo), unlabelled.to("strong", share)
        return {
            "labelled": cross_entropy(scores, labelled.labels),
            "unlabelled": self.weight * masked_cross_entropy(strong, pseudo, share),
        }

    def _share(self, confidence: Tensor) -> Tensor:
        """λ / λ_max: exp(−(c − μ_t)² / 2σ²) of confidences c under μ_t, 1 of the others; μ_t, σ_t with c in them."""
        mean = global_mean(confidence.mean())
        number = confidence.numel() * processes()
        variance = global_mean((confidence - mean).square().mean()) * number / max(1, number - 1)
        mean, variance = self.mean(mean.view(1)), self.variance(variance.view(1))
        below = (confidence - mean).clamp(max=0) * self.narrowing
        return (-below.square() / (2 * variance.clamp(min=1e-12))).exp()

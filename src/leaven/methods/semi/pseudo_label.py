"""Pseudo-Label (Lee 2013)."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from leaven.methods.base import Batch, Method, Stream
from leaven.methods.losses import cross_entropy, guessed, masked_cross_entropy
from leaven.methods.ranges import NOT_NEGATIVE, POSITIVE, SHARE
from leaven.nn.network import Network, joint


class PseudoLabel(Method):
    """A confident prediction is its own label, on the same view; its weight rises from 0 over the run.

    Defaults: threshold, weight and the linear rise over the first 0.4 of the run are not Lee's but those of the
    re-implementation in FixMatch's code, whose figures its comparison shows (section 4.1). The ratio of 7 is ours;
    there it is one unlabelled item for each labelled one.
    """

    settings = ("semi-supervised", "adaptation")
    paper = "Lee, Pseudo-Label, ICML workshop 2013"
    tasks = ("classification", "segmentation")

    def __init__(
        self,
        network: Network,
        *,
        threshold: Annotated[float, "least confidence of an item that is learnt from", SHARE] = 0.95,
        weight: Annotated[float, "α_f, weight of the unlabelled loss at its height (eq. 15)", NOT_NEGATIVE] = 1.0,
        ratio: Annotated[float, "unlabelled items for each labelled one", POSITIVE] = 7,
        warmup: Annotated[float, "share of the run over which the weight rises (eq. 16)", SHARE] = 0.4,
    ):
        super().__init__(network)
        self.threshold, self.weight, self.ratio, self.warmup = threshold, weight, ratio, warmup

    @property
    def streams(self) -> dict[str, Stream]:
        """Labelled and unlabelled items, both seen weakly."""
        return {"labelled": Stream("labelled"), "unlabelled": Stream("unlabelled", self.ratio)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """H(y, p) + α(t) · mean over unlabelled items of 1[max p ≥ τ] · H(argmax p, p) (eq. 15)."""
        labelled, unlabelled = batch["labelled"], batch["unlabelled"]
        domains = [labelled.domain, unlabelled.domain]
        scores, guesses = joint(self.network, labelled.weak, unlabelled.weak, domains=domains)
        confidence, pseudo = guessed(guesses).max(1)
        mask = (confidence >= self.threshold).float()
        self.log(mask_rate=mask.mean())
        rise = min(1.0, batch.progress / self.warmup) if self.warmup else 1.0
        return {
            "labelled": cross_entropy(scores, labelled.labels),
            "unlabelled": self.weight * rise * masked_cross_entropy(guesses, pseudo, mask),
        }

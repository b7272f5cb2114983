"""AdaMatch (Berthelot et al. 2022): one method for SSL, UDA and SSDA."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
from annotated_types import Interval
from torch import Tensor

from leaven.methods.base import Batch, Method, RunInfo, Stream
from leaven.methods.losses import (
    DecayingMean,
    WindowMean,
    align,
    class_mean,
    cross_entropy,
    guessed,
    masked_cross_entropy,
    mean_confidence,
    window_for,
)
from leaven.methods.ranges import NOT_NEGATIVE, POSITIVE, SHARE
from leaven.nn.network import Network, joint
from leaven.nn.normalising import running_statistics_kept


class AdaMatch(Method):
    """Random logit interpolation, distribution alignment and a relative confidence threshold (section 3).

    The pool's shape chooses the setting: one domain, semi-supervised learning (labelled items are the source,
    all items the target); two domains, unsupervised adaptation; a few target labels as well, semi-supervised
    adaptation.

    The paper's loss on the target (eq. 6) is against the aligned guess ỹ as it is, a distribution; the authors' code
    takes argmax ỹ for a label in all three settings. ``hard`` is the switch; soft is the default, for over five seeds
    the two could not be told apart (``python -m benchmarks.hard_labels``: hard is 1.0 points behind on rendered to real
    digits and 0.2 ahead on MNIST to USPS, both within their intervals).

    Defaults: τ, ratio, weight and its rise are the authors', the same for every task, and so are the final rate, the
    weight decay and plain momentum of the plan. Ours: strong views by RandAugment, where they have CTAugment
    (``--augment ctaugment``); and the averages of class distributions, which start with what is first seen and remember
    at most a twentieth of the run. Theirs start at 1/K, with a decay of 0.999 for the source and a window of 128
    batches for the target, in which short runs collapse.
    """

    settings = ("semi-supervised", "adaptation", "semi-supervised adaptation")
    paper = "Berthelot et al., AdaMatch, ICLR 2022, arXiv 2106.04732"
    tasks = ("classification", "segmentation")
    paper_plan: ClassVar = {"steps": 2**17, "batch_size": 64}
    plan: ClassVar = {"final_lr": 0.25, "weight_decay": 1e-3, "nesterov": False}

    def __init__(
        self,
        network: Network,
        *,
        threshold: Annotated[
            float, "τ, relative to the mean confidence on the source (section 3.4)", Interval(ge=0, le=2)
        ] = 0.9,
        ratio: Annotated[float, "unlabelled target items for each source item", POSITIVE] = 3,
        weight: Annotated[float, "weight of the target loss at its height", NOT_NEGATIVE] = 1.0,
        warmup: Annotated[float, "share of the run over which the weight rises along a cosine", SHARE] = 0.5,
        hard: Annotated[bool, "learn from the class of the aligned guess, as the authors' code does"] = False,
    ):
        super().__init__(network)
        self.hard = hard
        self.threshold, self.ratio, self.weight, self.warmup = threshold, ratio, weight, warmup

    @property
    def streams(self) -> dict[str, Stream]:
        """Source, labelled target (where there is any) and unlabelled target, each seen weakly and strongly."""
        both = ("weak", "strong")
        return {
            "source": Stream("source", views=both),
            "target_labelled": Stream("target_labelled", views=both, optional=True),
            "target": Stream("unlabelled", self.ratio, both),
        }

    def setup(self, run: RunInfo) -> None:
        """Make room for the expected class distributions of source and target."""
        window = window_for(run.steps)
        self.source_mean = DecayingMean(1 - 1 / window, run.classes)
        self.target_mean = WindowMean(window, run.classes)

    def rise(self, progress: float) -> float:
        """μ(t), from 0 to 1 along a cosine over the first ``warmup`` of the run (section 3.5)."""
        return 0.5 - 0.5 * math.cos(math.pi * min(1.0, progress / self.warmup)) if self.warmup else 1.0

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """½ source cross-entropy weak and strong + μ(t) · masked H(aligned guess, p(target strong))."""
        target = batch["target"]
        labelled = {name: batch[name] for name in ("source", "target_labelled") if name in batch}
        views = [view for draw in labelled.values() for view in (draw.weak, draw.strong)]
        domains = [draw.domain for draw in labelled.values() for _ in range(2)]

        # 1, 2: the labelled batch alone, with its own batch statistics, and together with the target
        with running_statistics_kept(self.network):
            alone = joint(self.network, *views, domains=domains)
        views, domains = [*views, target.weak, target.strong], [*domains, target.domain, target.domain]
        *together, weak, strong = joint(self.network, *views, domains=domains)
        scores = [torch.lerp(a, b, torch.rand_like(a)) for a, b in zip(alone, together, strict=True)]

        # 3: distribution alignment; 4: relative confidence threshold. Both know the source alone, what counts of it.
        p_source, truth = guessed(scores[0]), batch["source"].labels
        guess = guessed(weak)
        guess = align(guess, self.source_mean(class_mean(p_source, truth)), self.target_mean(class_mean(guess)))
        cutoff = self.threshold * mean_confidence(p_source, truth)
        mask = (guess.amax(1) >= cutoff).to(torch.float32)
        self.log(mask_rate=mask.mean(), threshold=cutoff)

        learnt = guess.argmax(1) if self.hard else guess
        learnt, mask = target.to("strong", learnt), target.to("strong", mask)
        terms = {}
        for name, draw in labelled.items():
            pair = [cross_entropy(scores.pop(0), draw.labels_of(view)) for view in ("weak", "strong")]
            terms[name] = 0.5 * (pair[0] + pair[1])
        terms["target"] = self.weight * self.rise(batch.progress) * masked_cross_entropy(strong, learnt, mask)
        return terms

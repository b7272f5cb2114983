"""ReMixMatch (Berthelot et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from leaven.methods.alignment import HELP, Alignment, check_prior
from leaven.methods.base import Batch, Method, RunInfo, Stream, StreamBatch
from leaven.methods.losses import mean_guess, sharpen
from leaven.methods.mix import mix_up
from leaven.methods.ranges import COUNT, NOT_NEGATIVE, POSITIVE, SHARE
from leaven.nn.heads import linear
from leaven.nn.network import Network, domain_of_all, joint, joint_features, pooled, together
from leaven.nn.normalising import running_statistics_kept

TURNS = 4  # quarters


class ReMixMatch(Method):
    """MixMatch with distribution alignment, augmentation anchoring and a rotation loss (Algorithm 1).

    Each part can be switched off: ``alignment``; ``anchoring`` (the guess of a weak view labels strong ones; without
    it, the mean guess of two weak views labels these, as in MixMatch); ``rotation``; and CTAugment, which the strong
    views are drawn by, with ``--augment randaugment``. Items that are no square images have no rotation loss.

    Defaults: weights, K, T and α are the paper's. The warm-up over a tenth of the run is ours, for short runs: the
    published figures had 1/64 (16 Ki of 1 Mi steps), which the CIFAR suites give. Class distributions are averaged
    over the paper's 128 batches, but over a twentieth of a short run.
    """

    settings = ("semi-supervised",)
    paper = "Berthelot et al., ReMixMatch, ICLR 2020, arXiv 1911.09785"
    paper_plan: ClassVar = {"steps": 2**20, "batch_size": 64}
    augment: ClassVar[str] = "ctaugment"

    def __init__(
        self,
        network: Network,
        *,
        anchors: Annotated[int, "K, strong views of each unlabelled item", COUNT] = 8,
        temperature: Annotated[float, "T of sharpening", POSITIVE] = 0.5,
        alpha: Annotated[float, "of MixUp's Beta(α, α); 0: no mixing", NOT_NEGATIVE] = 0.75,
        weight: Annotated[float, "λ_u, weight of the mixed unlabelled items (eq. 3)", NOT_NEGATIVE] = 1.5,
        strong_weight: Annotated[float, "λ_û1, weight of one strong view, unmixed (eq. 3)", NOT_NEGATIVE] = 0.5,
        rotation_weight: Annotated[float, "λ_r, weight of the rotation loss (eq. 4)", NOT_NEGATIVE] = 0.5,
        ratio: Annotated[float, "unlabelled items for each labelled one", POSITIVE] = 1,
        warmup: Annotated[float, "share of the run over which λ_u and λ_û1 rise linearly", SHARE] = 0.1,
        alignment: Annotated[bool, "align guesses to a class distribution (section 3.1)"] = True,
        prior: Annotated[str, HELP] = "labels",
        anchoring: Annotated[bool, "label strong views by a weak one (section 3.2.1)"] = True,
        rotation: Annotated[bool, "tell rotations of the strong view apart (section 3.3)"] = True,
    ):
        super().__init__(network)
        self.temperature, self.alpha, self.ratio, self.warmup = temperature, alpha, ratio, warmup
        self.weight, self.strong_weight, self.rotation_weight = weight, strong_weight, rotation_weight
        self.alignment, self.prior, self.anchoring, self.rotation = alignment, prior, anchoring, rotation
        self.aligned: Alignment | None = None
        self.views = ("weak", *(f"strong_{k + 1}" for k in range(anchors))) if anchoring else ("weak", "weak_2")

    @classmethod
    def check(cls, classes: int, hyperparameters: Mapping[str, Any]) -> None:
        """The prior."""
        check_prior(hyperparameters["prior"], classes)

    @property
    def streams(self) -> dict[str, Stream]:
        """Labelled items seen strongly (weakly without anchoring); unlabelled ones weakly and K times strongly."""
        view = "strong" if self.anchoring else "weak"
        return {
            "labelled": Stream("labelled", views=(view,)),
            "unlabelled": Stream("unlabelled", self.ratio, self.views, alone=self.anchoring),
        }

    def setup(self, run: RunInfo) -> None:
        """Make room for the class distributions, and a head for rotations where there are any to tell."""
        self.aligned = Alignment(self.prior, run) if self.alignment else None
        if self.rotation and len(run.shape) == 3 and run.shape[0] == run.shape[1]:
            self.turn = linear(self.network.num_features, TURNS)
        else:
            self.rotation = False

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """H on mixed labelled and unlabelled items, on one unmixed strong view, and of the rotation (eq. 3 and 4)."""
        labelled, unlabelled = batch["labelled"], batch["unlabelled"]
        guess = self._guess(unlabelled, labelled.labels)
        [known_view] = labelled.views.values()
        one_hot = F.one_hot(labelled.labels, guess.shape[1]).float()
        views = list(unlabelled.views.values())
        items = together(known_view, *views)
        mix = mix_up(len(items), self.alpha, items.device, nearer=True)
        x, y = mix.images(items), mix.labels(torch.cat([one_hot, *[guess] * len(views)]))
        sizes = [len(one_hot), len(views) * len(guess)]
        target, target_unlabelled = y.split(sizes)
        strong = views[1]
        turns = torch.arange(len(strong), device=strong.device) % TURNS
        turned = [self._turned(strong, turns)] if self.rotation else []
        # a mixed item is of the domain of the one that it is nearer to
        mixed_domain = domain_of_all([labelled.domain, *[unlabelled.domain] * len(views)])
        domains = [mixed_domain, *[unlabelled.domain] * (1 + len(turned))]
        features = joint_features(self.network, x, strong, *turned, domains=domains)
        mixed, mixed_unlabelled, alone = self.network.head(torch.cat(features[:2])).float().split([*sizes, len(guess)])
        rise = min(1.0, batch.progress / self.warmup) if self.warmup else 1.0
        terms = {
            "labelled": F.cross_entropy(mixed, target),
            "unlabelled": self.weight * rise * F.cross_entropy(mixed_unlabelled, target_unlabelled),
            "strong": self.strong_weight * rise * F.cross_entropy(alone, guess),
        }
        if self.rotation:
            terms["rotation"] = self.rotation_weight * F.cross_entropy(self.turn(pooled(features[2])).float(), turns)
        return terms

    def _guess(self, unlabelled: StreamBatch, labels: Tensor) -> Tensor:
        """q: of the weak view (or the mean of two), aligned, sharpened."""
        views = [view for name, view in unlabelled.views.items() if name.startswith("weak")]
        with torch.no_grad(), running_statistics_kept(self.network):
            guess = mean_guess(joint(self.network, *views, domains=[unlabelled.domain] * len(views)))
        if self.aligned is not None:
            guess = self.aligned(guess, labels)
        return sharpen(guess, self.temperature)

    @staticmethod
    def _turned(x: Tensor, turns: Tensor) -> Tensor:
        """Each image turned by its number of quarters."""
        every = torch.stack([torch.rot90(x, k, (2, 3)) for k in range(TURNS)])
        return every[turns, torch.arange(len(x), device=x.device)]

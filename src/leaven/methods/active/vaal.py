"""VAAL (Sinha et al. 2019): ask about the items whose codes look least like those of labelled ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from leaven.methods.base import Batch, Phase, RunInfo, Stream
from leaven.methods.latent import Items, Latent, plain_items, supervised_part, with_hidden
from leaven.methods.ranges import COUNT, NOT_NEGATIVE, POSITIVE
from leaven.methods.semi.supervised import Supervised
from leaven.nn.network import Network


class VAAL(Supervised):
    """A classifier that learns as the supervised baseline does, step by step the same, and beside it an autoencoder and
    a sampler that say which items to label (section 3).

    Two updates of the autoencoder and one of the sampler for each of the classifier. Both see plain images.

    Defaults: the code's 32 numbers, the sampler on their means, β, λ₂ and the numbers of updates are those of the
    authors' code. Ours, for runs of a few hundred steps on small images: the width, the ratio, AdamW at 1e-3 for all
    (theirs is Adam at 5e-4, for the classifier SGD at 0.01), and all updates of a step on one batch, where theirs draws
    new ones. An item's squared errors are added up as its KL is; there the mean of the errors stands beside the sum of
    the KL, which then rules.
    """

    settings = ("active learning",)
    paper = "Sinha et al., Variational Adversarial Active Learning, ICCV 2019, arXiv 1904.00370"
    tasks = ("classification",)
    vectors = False
    acquires = True
    plan: ClassVar[Mapping[str, Any]] = {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 1e-3}

    def __init__(
        self,
        network: Network,
        *,
        strong: Annotated[bool, "train on the strong view as well as the weak one"] = True,
        ratio: Annotated[float, "unlabelled items for each labelled one", POSITIVE] = 1,
        latent: Annotated[int, "numbers of a code", COUNT] = 32,
        width: Annotated[
            int, "channels of the autoencoder's first convolution; the paper's 128 is for a GPU", COUNT
        ] = 16,
        beta: Annotated[float, "β, weight of the KL (eq. 1)", NOT_NEGATIVE] = 1.0,
        adversarial: Annotated[
            float, "λ₂, weight of the cross-entropy that the encoder fools the sampler by", NOT_NEGATIVE
        ] = 1.0,
    ):
        super().__init__(network, strong=strong)
        self.ratio, self.latent_size, self.width, self.beta, self.adversarial = ratio, latent, width, beta, adversarial

    @property
    def streams(self) -> dict[str, Stream]:
        """The baseline's, each seen plainly too, and unlabelled items."""
        return with_hidden(super().streams, self.ratio)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Classifier, autoencoder twice, sampler."""
        return (
            Phase("classifier", ("network",)),
            Phase("autoencoder", ("latent.encoder", "latent.decoder"), 2),
            Phase("sampler", ("latent.sampler",)),
        )

    def setup(self, run: RunInfo) -> None:
        """Networks of the images' size; codes of 32 numbers, the sampler 512-512-1 (section 4)."""
        self.latent = Latent(run.shape, self.latent_size, self.width, layers=2)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The classifier's cross-entropy; VAE and fooling (eq. 1 and 2); the sampler's cross-entropy (eq. 3)."""
        if batch.phase == "classifier":
            return super().forward(supervised_part(batch))
        labelled, _, unlabelled = plain_items(batch)
        items = Items(labelled if unlabelled is None else torch.cat([labelled, unlabelled]), None, len(labelled))
        return self.latent.play(items, batch.phase, self.beta, self.adversarial)

    def acquisition(self, x: Tensor) -> Tensor:
        """Minus the sampler's score: the least like a labelled item first (section 3.3)."""
        return self.latent.unlike(x)

"""ARAL (Mottaghi & Yeung 2019): VAAL's questions, and a conditional GAN that shares its autoencoder and teaches too."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from leaven.errors import LeavenError
from leaven.methods.base import Batch, Phase, RunInfo, Stream
from leaven.methods.gan import domain_of_made, mismatch, real_or_made
from leaven.methods.latent import Items, Latent, domain_of_items, plain_items, supervised_part, with_hidden
from leaven.methods.losses import cross_entropy, ramp_up
from leaven.methods.ranges import COUNT, NOT_NEGATIVE, POSITIVE, SHARE
from leaven.methods.semi.supervised import Supervised
from leaven.nn.network import Network, joint, joint_features
from leaven.nn.normalising import running_statistics_kept

ABLATIONS = ("no_active", "no_encoder", "no_cotraining")


class ARAL(Supervised):
    """Classifier and image discriminator are one network of K scores, generator and decoder another; encoder and
    sampler ask. All of it is conditioned on the class: on the label, or where there is none on what the classifier
    says.

    Defaults: the paper's are 100 numbers of a code and the sampler's four layers of 512. KL, fooling the sampler and
    feature matching are added as they are, with weight 1. Ours, for runs of a few hundred steps on small images: 0.2
    for telling real from generated images, 2 for learning the classes of generated ones, the rise of both, the width,
    the ratio, AdamW, and that random codes, uniform as there, are moved and scaled to mean 0 and variance 1.
    """

    settings = ("active learning",)
    paper = "Mottaghi & Yeung, Adversarial Representation Active Learning, 2019, arXiv 1912.09720"
    tasks = ("classification",)
    vectors = False
    generates = True
    plan: ClassVar[Mapping[str, Any]] = {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 1e-3}

    def __init__(
        self,
        network: Network,
        *,
        strong: Annotated[bool, "train on the strong view as well as the weak one"] = True,
        ratio: Annotated[float, "unlabelled items for each labelled one", POSITIVE] = 1,
        latent: Annotated[int, "numbers of a code", COUNT] = 100,
        width: Annotated[int, "channels of the autoencoder's first convolution", COUNT] = 16,
        beta: Annotated[float, "β, weight of the KL", NOT_NEGATIVE] = 1.0,
        adversarial: Annotated[
            float, "weight of the cross-entropy that the encoder fools the sampler by", NOT_NEGATIVE
        ] = 1.0,
        matching: Annotated[float, "weight of feature matching", NOT_NEGATIVE] = 1.0,
        real: Annotated[float, "weight of telling real images from generated ones", NOT_NEGATIVE] = 0.2,
        made: Annotated[float, "weight of learning the classes of generated images", NOT_NEGATIVE] = 2.0,
        warmup: Annotated[float, "share of the run over which the last two rise; early images are noise", SHARE] = 0.4,
        no_active: Annotated[bool, "ablation: no sampler; ask at random"] = False,
        no_encoder: Annotated[bool, "ablation: the GAN alone, no encoder and no sampler; ask by BALD"] = False,
        no_cotraining: Annotated[
            bool,
            "ablation: in the first half of the run the GAN alone, with its own network, in "
            "the second the classifier, with its images, and VAAL's questions",
        ] = False,
    ):
        super().__init__(network, strong=strong)
        self.ratio, self.latent_size, self.width, self.beta = ratio, latent, width, beta
        self.matching, self.real, self.made, self.warmup = matching, real, made, warmup
        self.adversarial = 0.0 if no_active or no_cotraining else adversarial
        self.no_active, self.no_encoder, self.no_cotraining = no_active, no_encoder, no_cotraining
        self.acquires = not (no_active or no_encoder)
        if no_cotraining:
            self.critic = copy.deepcopy(network)

    @classmethod
    def check(cls, classes: int, hyperparameters: Mapping[str, Any]) -> None:
        """Raise where two ablations are asked for at once."""
        if len(asked := [name for name in ABLATIONS if hyperparameters[name]]) > 1:
            raise LeavenError(f"{asked[0]} and {asked[1]} are ablations that exclude each other; choose one.")

    @property
    def streams(self) -> dict[str, Stream]:
        """The baseline's, each seen plainly too, and unlabelled items; as many generated images pass by themselves."""
        streams = with_hidden(super().streams, self.ratio)
        return {name: replace(stream, alone=True) for name, stream in streams.items()}

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Classifier and discriminator; generator and encoder, twice; sampler. Without co-training the GAN first."""
        gan, ask = ("latent.encoder", "latent.decoder"), "latent.sampler"
        if self.no_cotraining:
            before, after, parts = (0.0, 0.5), (0.5, 1.0), ("vaal.encoder", "vaal.decoder")
            first = (Phase("critic", ("critic",), 1, before), Phase("generator", gan, 2, before))
            last = (Phase("autoencoder", parts, 2, after), Phase("sampler", ("vaal.sampler",), 1, after))
            return (*first, Phase("taught", ("network",), 1, after), *last)
        both = (Phase("classifier", ("network",)), Phase("generator", gan, 2))
        return (*both, Phase("sampler", (ask,))) if self.acquires else both

    def setup(self, run: RunInfo) -> None:
        """Networks of the images' size; codes of 100 numbers, a sampler of four layers of 512."""
        self.classes = run.classes
        asks = self.acquires and not self.no_cotraining
        self.latent = Latent(
            run.shape, self.latent_size, self.width, run.classes, layers=4, encodes=not self.no_encoder, asks=asks
        )
        if self.no_cotraining:
            self.vaal = Latent(run.shape, 32, self.width, layers=2)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of one update, see ``phases``."""
        labelled, labels, unlabelled = plain_items(batch)
        x = labelled if unlabelled is None else torch.cat([labelled, unlabelled])
        if batch.phase in ("classifier", "critic"):
            network = self.network if batch.phase == "classifier" else self.critic
            return self._classify(network, batch, labelled if unlabelled is None else unlabelled)
        if batch.phase == "taught":
            images, y = self._make(len(labelled))
            with running_statistics_kept(self.network):
                [scores] = joint(self.network, images, domains=[domain_of_made(images)])
                of_made = cross_entropy(scores, y)
            return super().forward(supervised_part(batch)) | {"made": self.made * of_made}
        if self.no_cotraining and batch.phase != "generator":
            items = Items(x, None, len(labelled))
            return self.vaal.play(items, batch.phase, 1.0, 1.0)
        y = labels if unlabelled is None else torch.cat([labels, self._pseudo_labels(batch, unlabelled)])
        items = Items(x, y, len(labelled))
        if batch.phase == "sampler":
            return self.latent.discriminate(items)
        made = self.latent.decoder(self._codes(len(x)), y)
        domains = [domain_of_items(batch), domain_of_made(made)]
        with running_statistics_kept(network := self.critic if self.no_cotraining else self.network):
            real, of_made = joint_features(network, x, made, domains=domains)
        matched = self.matching * mismatch(real, of_made, y, self.classes)
        coded = {} if self.no_encoder else self.latent.autoencode(items, self.beta, self.adversarial)
        return {"matching": matched} | coded

    def _classify(self, network: Network, batch: Batch, real: Tensor) -> dict[str, Tensor]:
        """Cross-entropy on labelled and on generated images, and telling real from generated by D = Z / (Z + 1)."""
        draws = supervised_part(batch).draws.values()
        views = [(draw, view) for draw in draws for view in draw.views]
        images, y = self._make(len(real))
        domain = domain_of_items(batch)
        domains = [*(draw.domain for draw, _ in views), None if domain is None else domain[-len(real) :]]
        *scores, of_real = joint(network, *(draw.views[view] for draw, view in views), real, domains=domains)
        with running_statistics_kept(network):  # those of images that nobody will ask about would spoil them
            [of_made] = joint(network, images, domains=[domain_of_made(images)])
        labelled = [cross_entropy(s, draw.labels_of(view)) for s, (draw, view) in zip(scores, views, strict=True)]
        rise = ramp_up(batch.progress * (2 if self.no_cotraining else 1), self.warmup)
        return {
            "labelled": torch.stack(labelled).mean(),
            "real": self.real * rise * real_or_made(of_real, of_made),
            "made": self.made * rise * cross_entropy(of_made, y),
        }

    def _codes(self, n: int) -> Tensor:
        """z ~ U[0, 1), moved and scaled to mean 0 and variance 1, those of real images' codes by the KL."""
        device = next(self.latent.parameters()).device
        return math.sqrt(12) * (torch.rand(n, self.latent_size, device=device) - 0.5)

    def _make(self, n: int) -> tuple[Tensor, Tensor]:
        """``n`` generated images of random classes, and these. Nothing learns through them."""
        device = next(self.latent.parameters()).device
        y = torch.randint(self.classes, (n,), device=device)
        with torch.no_grad():
            images = self.latent.decoder(self._codes(n), y)
        return images, y

    @torch.no_grad()
    def _pseudo_labels(self, batch: Batch, x: Tensor) -> Tensor:
        """What the classifier says, averaged over the steps; without co-training the GAN's own."""
        if not self.no_cotraining:
            return batch.averaged(x).argmax(1)
        with running_statistics_kept(self.critic):
            return self.critic(x, batch["hidden"].domain).argmax(1)

    def acquisition(self, x: Tensor) -> Tensor:
        """Minus the sampler's score of the code of an item of the class that the classifier takes it for."""
        return self.vaal.unlike(x) if self.no_cotraining else self.latent.unlike(x, self.network(x).argmax(1))

    def generate(self, n: int) -> tuple[Tensor, Tensor]:
        """Images of random codes and of random classes."""
        return self._make(n)

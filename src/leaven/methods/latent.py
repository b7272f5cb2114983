"""What VAAL and ARAL share: codes of images, and a sampler that tells labelled from unlabelled ones by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.methods.step import Batch, Stream, StreamBatch
from leaven.nn.network import domain_of_all
from leaven.nn.vae import Encoder, Generator, sampler

HIDDEN = 512
NAMES = ("labelled", "target_labelled")  # streams whose labels are known


class Latent(nn.Module):
    """Encoder, decoder and sampler, which play against each other (Sinha et al. 2019, section 3).

    Parameters
    ----------
    shape : tuple of int
        Height, width and channels of an image.
    latent : int
        Numbers of a code.
    width : int
        Channels of the autoencoder at its widest images.
    classes : int, optional
        Number K where codes and images are conditioned on the class, else 0.
    layers : int
        Layers of the sampler, of 512 numbers each.
    encodes : bool, optional
        Whether there is an encoder.
    asks : bool, optional
        Whether there is a sampler.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        latent: int,
        width: int,
        classes: int = 0,
        *,
        layers: int,
        encodes: bool = True,
        asks: bool = True,
    ):
        super().__init__()
        self.decoder = Generator(shape, latent, width, classes)
        if encodes:
            self.encoder = Encoder(shape, latent, width, classes)
        if asks:
            self.sampler = sampler(latent, HIDDEN, layers)

    def play(self, items: Items, phase: str, beta: float, weight: float) -> dict[str, Tensor]:
        """The terms of the phase ``autoencoder`` or ``sampler``."""
        return self.autoencode(items, beta, weight) if phase == "autoencoder" else self.discriminate(items)

    def autoencode(self, items: Items, beta: float, weight: float) -> dict[str, Tensor]:
        """Of labelled and of unlabelled items: what the decoder misses and β · KL, and the cross-entropy of taking the
        item for a labelled one, which the encoder brings about (Sinha et al. 2019, eq. 1 and 2).

        A reconstruction's error is the sum of squares over an item's pixels.
        """
        mean, log_variance = self.encoder(items.x, items.y)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        missed = (self.decoder(z, items.y) - items.x).square().flatten(1).sum(1)
        kl = divergence(mean, log_variance)
        terms = {"reconstruction": items.both(missed), "kl": beta * items.both(kl)}
        if weight:
            scores = self.sampler(mean).view(-1).float()
            terms["fooled"] = weight * items.both(_told(scores, torch.ones_like(scores)))
        return terms

    def discriminate(self, items: Items) -> dict[str, Tensor]:
        """The sampler's cross-entropy, labelled 1 and unlabelled 0 (Sinha et al. 2019, eq. 3)."""
        scores = self.sampler(self.encoder(items.x, items.y)[0]).view(-1).float()
        target = (torch.arange(len(scores), device=scores.device) < items.labelled).float()
        return {"sampler": items.both(_told(scores, target))}

    def unlike(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """How unlike a labelled item each is to the sampler, ``(N,)``: its score (before the sigmoid), negated."""
        return -self.sampler(self.encoder(x, y)[0]).view(-1).float()


@dataclass(frozen=True)
class Items:
    """Labelled items and then unlabelled ones: images ``x`` ``(N, C, H, W)``, classes ``y`` ``(N,)`` or ``None``."""

    x: Tensor
    y: Tensor | None
    labelled: int

    def both(self, of_item: Tensor) -> Tensor:
        """The mean over labelled items plus that over unlabelled ones, if there are any."""
        return torch.stack([part.mean() for part in of_item.tensor_split([self.labelled]) if len(part)]).sum()


def _told(scores: Tensor, target: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(scores, target, reduction="none")


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL of N(μ, σ²) to N(0, 1), ``(N,)`` (Kingma & Welling 2014, appendix B)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


def with_hidden(streams: Mapping[str, Stream], ratio: float) -> dict[str, Stream]:
    """The baseline's streams, each seen plainly too, and ``ratio`` times as many unlabelled items."""
    with_plain = {name: replace(stream, views=(*stream.views, "plain")) for name, stream in streams.items()}
    return with_plain | {"hidden": Stream("hidden", ratio, ("plain",), optional=True)}


def plain_items(batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
    """Plain views of the labelled items, their labels, and plain views of the unlabelled ones, if any are left."""
    labelled = [batch[name] for name in NAMES if name in batch]
    unlabelled = batch["hidden"].plain if "hidden" in batch else None
    return torch.cat([draw.plain for draw in labelled]), torch.cat([draw.labels for draw in labelled]), unlabelled


def domain_of_items(batch: Batch) -> Tensor | None:
    """The domains of the rows of ``plain_items``: of the labelled ones and then of the unlabelled ones."""
    return domain_of_all([batch[name].domain for name in (*NAMES, "hidden") if name in batch])


def supervised_part(batch: Batch) -> Batch:
    """The batch as the supervised baseline has it: labelled items alone, without the plain view."""

    def augmented(draw: StreamBatch) -> StreamBatch:
        return replace(draw, views={name: x for name, x in draw.views.items() if name != "plain"})

    return Batch({name: augmented(batch[name]) for name in NAMES if name in batch}, batch.progress, batch.phase)
